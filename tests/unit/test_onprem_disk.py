"""A full disk, which a test cannot make, as the on-premises database meets it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from lake.load import load
from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.stack import onprem


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_too_small_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(1 << 30, (1 << 30) - (5 << 20), 5 << 20))
    database = onprem.OnPremDatabase(Settings(state_dir=tmp_path, onprem_port=1))
    monkeypatch.setattr(onprem, "_refuse_taken_port", lambda _: None)
    with pytest.raises(MillpondError, match="5 MB free"):
        database.start()
    assert not (tmp_path / "onprem" / "data").exists()


def test_a_log_that_tells_of_a_full_disk_is_put_in_words() -> None:
    log = "initdb: error: could not write: No space left on device"
    failure = onprem._failure("It could not be made.", Path("data"), log)
    assert failure.what == "It could not be made. The disk is full."
    assert failure.detail == log


def test_load_without_a_database_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(MillpondError) as failure:
        load(Settings(state_dir=tmp_path, onprem_port=1))
    assert failure.value.next_step == "millpond up"
