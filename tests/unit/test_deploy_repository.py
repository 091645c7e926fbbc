"""What a local deployment is built from is the work tree, and the checkout does not notice."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from millpond.project.repository import Mirror, checked_out_branch, origin_url


def git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    command = ["git", *identity, "-C", str(directory), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "check out"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / ".gitignore").write_text("*.log\n")
    (root / "main.tf").write_text("committed")
    git(root, "add", "--all")
    git(root, "commit", "-q", "-m", "First")
    return root


def content(url: str, branch: str, path: str, tmp_path: Path) -> str:
    clone = tmp_path / "clone"
    subprocess.run(["rm", "-rf", clone], check=True)
    subprocess.run(["git", "clone", "-q", "--branch", branch, url, clone], check=True)
    return (clone / path).read_text()


def test_a_clean_checkout_is_deployed_at_its_own_commit(checkout: Path, tmp_path: Path) -> None:
    snapshot = Mirror(checkout, tmp_path / "mirror.git").snapshot()

    assert snapshot.branch == "main"
    assert snapshot.commit == git(checkout, "rev-parse", "HEAD")


def test_whoever_reaches_the_mirror_may_read_it_also_where_new_files_are_private(
    checkout: Path, tmp_path: Path
) -> None:
    (checkout / "main.tf").write_text("changed")
    before = os.umask(0o077)
    try:
        Mirror(checkout, tmp_path / "mirror.git").snapshot()
    finally:
        os.umask(before)

    cloned = [path for name in ("objects", "refs") for path in (tmp_path / "mirror.git" / name).rglob("*")]
    assert [path for path in cloned if path.is_file()]
    assert [
        path for path in cloned if path.stat().st_mode & 0o005 != (0o005 if path.is_dir() else 0o004)
    ] == []


def test_what_is_not_committed_is_deployed_and_the_checkout_stays_as_it_is(
    checkout: Path, tmp_path: Path
) -> None:
    (checkout / "main.tf").write_text("changed")
    (checkout / "new.tf").write_text("new")
    (checkout / "ignored.log").write_text("x")
    git(checkout, "add", "new.tf")
    before = git(checkout, "status", "--porcelain"), git(checkout, "rev-parse", "HEAD")

    snapshot = Mirror(checkout, tmp_path / "mirror.git").snapshot()

    assert content(snapshot.url, "main", "main.tf", tmp_path) == "changed"
    assert content(snapshot.url, "main", "new.tf", tmp_path) == "new"
    assert not (tmp_path / "clone/ignored.log").exists()
    assert git(tmp_path / "clone", "rev-parse", "HEAD^") == before[1]
    assert (git(checkout, "status", "--porcelain"), git(checkout, "rev-parse", "HEAD")) == before


def test_the_same_files_give_the_same_commit(checkout: Path, tmp_path: Path) -> None:
    (checkout / "main.tf").write_text("changed")
    first = Mirror(checkout, tmp_path / "first.git").snapshot().commit

    assert Mirror(checkout, tmp_path / "second.git").snapshot().commit == first


def test_a_file_that_was_removed_is_gone_in_the_next_snapshot(checkout: Path, tmp_path: Path) -> None:
    mirror = Mirror(checkout, tmp_path / "mirror.git")
    (checkout / "new.tf").write_text("new")
    mirror.snapshot()
    (checkout / "new.tf").unlink()

    assert mirror.snapshot().commit == git(checkout, "rev-parse", "HEAD")


def test_another_branch_is_deployed_as_it_is_committed(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "branch", "next")
    (checkout / "main.tf").write_text("changed")

    snapshot = Mirror(checkout, tmp_path / "mirror.git").snapshot("next")

    assert content(snapshot.url, "next", "main.tf", tmp_path) == "committed"


def test_a_branch_that_is_not_there_has_no_commit(checkout: Path, tmp_path: Path) -> None:
    assert Mirror(checkout, tmp_path / "mirror.git").snapshot("nope").commit == ""


def test_a_directory_without_git_and_a_detached_head_can_be_deployed(checkout: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "main.tf").write_text("plain")
    git(checkout, "checkout", "-q", "--detach")

    snapshot = Mirror(plain, tmp_path / "plain.git").snapshot()
    assert content(snapshot.url, "main", "main.tf", tmp_path) == "plain"
    detached = Mirror(checkout, tmp_path / "detached.git").snapshot()
    assert content(detached.url, "main", "main.tf", tmp_path) == "committed"
    assert checked_out_branch(checkout) is None


def test_a_shallow_clone_can_be_deployed(checkout: Path, tmp_path: Path) -> None:
    (checkout / "main.tf").write_text("second")
    git(checkout, "commit", "-q", "--all", "-m", "Second")
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=1", checkout.as_uri(), shallow], check=True)
    (shallow / "main.tf").write_text("third")

    snapshot = Mirror(shallow, tmp_path / "mirror.git").snapshot()

    assert content(snapshot.url, "main", "main.tf", tmp_path) == "third"
    assert origin_url(shallow) == checkout.as_uri()
