"""Unpacks ZIP files that strangers made: nothing of them lies or leads outside the directory.

``zipfile`` keeps names within the directory, and writes a symbolic link as a file with the link's text; the
program ``unzip`` makes links, and writes through those that it made. Here links are made, after every file is
written, and one that leads out of the directory is refused with the whole archive.
"""

from __future__ import annotations

import posixpath
import shutil
import stat
import zipfile
from collections.abc import Container, Iterator
from pathlib import Path
from typing import IO

# A link's target is no longer than a path may be.
_MAX_TARGET = 4096


class UnsafeArchiveError(Exception):
    """The archive holds something that lies or leads outside; the message says which member and why."""


def check(file: IO[bytes]) -> None:
    """Look through a ZIP file without unpacking it.

    Raises
    ------
    UnsafeArchiveError
        If :func:`unzip` would refuse it.
    zipfile.BadZipFile
        If it is none.
    """
    with zipfile.ZipFile(file) as archive:
        for _ in _links(archive):
            pass


def unzip(file: IO[bytes], directory: Path, max_bytes: int | None = None) -> None:
    """Unpack a ZIP file with its symbolic links and the permissions in it.

    Parameters
    ----------
    file : binary file
        The archive.
    directory : Path
        Where to; made if it is not there.
    max_bytes : int, optional
        What its files may take.

    Raises
    ------
    UnsafeArchiveError
        If a member lies outside of the directory, a link leads out of it, or its files take too much;
        nothing is written then.
    zipfile.BadZipFile
        If it is no ZIP file.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file) as archive:
        links = dict(_links(archive))
        total = sum(member.file_size for member in archive.infolist())
        if max_bytes is not None and total > max_bytes:
            raise UnsafeArchiveError(f"its files take {total} bytes, {max_bytes} at most")
        for member in archive.infolist():
            if member.filename in links:
                continue
            target = directory / member.filename
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("wb") as written:
                shutil.copyfileobj(source, written)
            if mode := stat.S_IMODE(member.external_attr >> 16) & 0o777:
                target.chmod(mode | stat.S_IRUSR)
        for name, text in links.items():
            link = directory / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(text)


def _links(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Names and texts of the symbolic links, once every name was looked at."""
    members = archive.infolist()
    for member in members:
        if _leaves(member.filename):
            raise UnsafeArchiveError(f"{member.filename!r} lies outside")
    texts = {
        member.filename: archive.read(member).decode(errors="surrogateescape")
        for member in members
        if stat.S_ISLNK(member.external_attr >> 16) and member.file_size <= _MAX_TARGET
    }
    for name, text in texts.items():
        if text.startswith("/") or _leaves(posixpath.join(posixpath.dirname(name), text)):
            raise UnsafeArchiveError(f"the link {name!r} leads outside, to {text!r}")
    for member in members:
        through = next((link for link in texts if member.filename.startswith(f"{link}/")), None)
        if through is not None:
            raise UnsafeArchiveError(f"{member.filename!r} lies behind the link {through!r}")
    for name, text in texts.items():
        if _climbs_from_a_link(posixpath.dirname(name), text, texts):
            raise UnsafeArchiveError(f"the link {name!r} leads through another link, to {text!r}")
    yield from texts.items()


def _leaves(name: str) -> bool:
    return name.startswith("/") or "\\" in name or posixpath.normpath(name).split("/")[0] == ".."


def _climbs_from_a_link(place: str, text: str, links: Container[str]) -> bool:
    """Whether a text goes up from where another link led: up of that place, not of the link's."""
    is_behind = False
    for part in text.split("/"):
        if part == ".." and is_behind:
            return True
        place = posixpath.normpath(posixpath.join(place, part))
        is_behind = is_behind or place in links
    return False
