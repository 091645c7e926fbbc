"""Saved state on disk: whole or not at all, and of the same versions or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from millpond.base.errors import MillpondError
from millpond.base.saved_state import MANIFEST, Manifest, SavedState, versions


@pytest.fixture
def saved(tmp_path: Path) -> SavedState:
    saved = SavedState(tmp_path / "saved")
    first = {"s3": saved.write("s3", 1, b"one"), "iam": saved.write("iam", 1, b"roles")}
    saved.commit(Manifest(1, versions(), first))
    return saved


def content(saved: SavedState) -> dict[str, bytes]:
    manifest = saved.require_fitting()
    assert manifest is not None
    return {part: saved.path(manifest, part).read_bytes() for part in manifest.parts}


def test_nothing_saved_is_nothing_to_load(tmp_path: Path) -> None:
    assert SavedState(tmp_path / "none").require_fitting() is None


def test_a_save_that_was_not_committed_is_not_there(saved: SavedState) -> None:
    saved.write("s3", 2, b"half")
    assert content(saved) == {"s3": b"one", "iam": b"roles"}


def test_a_commit_takes_the_place_of_the_one_before_and_removes_its_files(saved: SavedState) -> None:
    before = saved.manifest()
    assert before is not None
    saved.commit(Manifest(2, versions(), {**before.parts, "s3": saved.write("s3", 2, b"two")}))
    assert content(saved) == {"s3": b"two", "iam": b"roles"}
    assert {path.name for path in saved.directory.iterdir()} == {MANIFEST, "s3-2", "iam-1"}


@pytest.mark.parametrize("name", sorted(versions()))
def test_state_of_another_version_is_refused_with_the_way_out(saved: SavedState, name: str) -> None:
    saved.commit(Manifest(2, {**versions(), name: "0.0"}, {}))
    with pytest.raises(MillpondError, match=rf"{name} 0\.0 \(here {versions()[name]}\)") as refused:
        saved.require_fitting()
    assert "millpond reset" in str(refused.value.next_step)


def test_a_manifest_that_is_none_is_told_in_words(saved: SavedState) -> None:
    (saved.directory / MANIFEST).write_text(json.dumps(["no"]))
    with pytest.raises(MillpondError, match="cannot be read"):
        saved.manifest()
