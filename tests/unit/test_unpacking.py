"""Archives of strangers: what leaves the folder is refused whole, links and modes within it are kept."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from millpond.planes.common.unpacking import UnsafeArchiveError, check, unzip


def archive(*members: tuple[str, str, int]) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for name, content, mode in members:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            written.writestr(entry, content)
    file.seek(0)
    return file


def link(name: str, target: str) -> tuple[str, str, int]:
    return name, target, stat.S_IFLNK | 0o777


def file(name: str, mode: int = 0o644) -> tuple[str, str, int]:
    return name, "content", stat.S_IFREG | mode


def test_links_and_permissions_are_kept(tmp_path: Path) -> None:
    members = (
        link("lib/current", "1.0"),
        file("lib/1.0/a.py"),
        file("bin/run", 0o755),
        link("run", "bin/run"),
    )
    unzip(archive(*members), tmp_path / "code")
    assert (tmp_path / "code/lib/current/a.py").read_text() == "content"
    assert (tmp_path / "code/run").readlink() == Path("bin/run")
    assert stat.S_IMODE((tmp_path / "code/bin/run").stat().st_mode) == 0o755


@pytest.mark.parametrize(
    "members",
    [
        [file("../evil")],
        [file("/etc/evil")],
        [link("a", "/etc")],
        [link("a", "..")],
        [link("deep/a", "../../x")],
        [link("a", "b"), file("a/passwd")],
        [link("sub/b", ".."), link("sub/l", "b/../..")],
        [link("sub/b", ".."), link("l", "sub/b/../x")],
        [link("a", "."), link("a/b", "x")],
    ],
)
def test_what_leaves_the_folder_is_refused_and_nothing_is_written(
    members: list[tuple[str, str, int]], tmp_path: Path
) -> None:
    for look in (check, lambda content: unzip(content, tmp_path / "code")):
        with pytest.raises(UnsafeArchiveError):
            look(archive(file("fine.py"), *members))
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []


def test_files_that_take_too_much_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeArchiveError, match="its files take 7 bytes, 5 at most"):
        unzip(archive(file("a")), tmp_path, max_bytes=5)
