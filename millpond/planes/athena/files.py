"""Objects that a query reads as files of this machine, not over HTTP.

The S3 of a stack may keep each version of an object as one plain file that never changes. Before a query
reads objects, it writes down which; the plane has those that may be read so linked below the worker's own
directory, by bucket and key; the rest is read over HTTP. A link holds what the object was when the query
began, whatever takes its place meanwhile, and DuckDB may open nothing else of the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from millpond.planes.athena.types import literal

SCHEME = "s3://"
OBJECTS = "objects"
WANTED = "wanted-objects"
_LONGEST_NAME = 255
_LONGEST_PATH = 2048


@dataclass(frozen=True)
class Reader:
    """Who reads objects.

    Parameters
    ----------
    account_id, region : str
        Where.
    access_key : str
        Access key id of a session or a user, or the account's number for its root.
    query_id : str
        For which query.
    """

    account_id: str
    region: str
    access_key: str
    query_id: str = ""


Linker = Callable[[Reader, Iterable[str], Path], None]
"""Links objects, given by reader and location (``s3://bucket/key``), below a directory as ``bucket/key``.

What is not one plain file there, or may not be read by that reader, is left out.
"""


def link_nothing(reader: Reader, locations: Iterable[str], directory: Path) -> None:
    """A :data:`Linker` for objects that are no files here."""


class ObjectFiles:
    """Where one query reads objects.

    Parameters
    ----------
    directory : Path
        The worker's.
    ask : callable
        Has the plane link what is written in :data:`WANTED`, and returns when it has.
    """

    def __init__(self, directory: Path, ask: Callable[[], None]) -> None:
        self.home = f"{directory / OBJECTS}/"
        self._wanted = directory / WANTED
        self._ask = ask

    def readable(self, locations: Iterable[str]) -> Mapping[str, str]:
        """Each location with what to give DuckDB for it: the path of its file, or the location itself."""
        every = dict.fromkeys(locations)
        files = {one: self.home + one.removeprefix(SCHEME) for one in every if is_plain(one)}
        if files:
            self._wanted.write_text("\0".join(files))
            self._ask()
        return {one: path if (path := files.get(one)) and Path(path).is_file() else one for one in every}

    def location(self, sql: str) -> str:
        """SQL for the location of what DuckDB says that it has read."""
        return f"replace({sql}, {literal(self.home)}, {literal(SCHEME)})"

    def named(self, text: str) -> str:
        """A message with the locations of objects in place of paths of this machine."""
        return text.replace(self.home, SCHEME)


def wanted(directory: Path) -> Iterator[str]:
    """The locations that a worker has written down."""
    yield from (directory / WANTED).read_text().split("\0")


def is_plain(location: str) -> bool:
    """Whether a location can be a path below a directory, the same and no other."""
    if not location.startswith(SCHEME) or len(location.encode()) > _LONGEST_PATH or "\0" in location:
        return False
    parts = location.removeprefix(SCHEME).split("/")
    return all(part not in ("", ".", "..") and len(part.encode()) <= _LONGEST_NAME for part in parts)
