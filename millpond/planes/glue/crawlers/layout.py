"""Which folders of S3 are tables, and which are partitions of them.

Source: "How does a crawler determine when to create partitions?" in the Glue Developer Guide: where most
schemas below a folder are alike, the folder is a table and what is below it are its partitions; else every
folder is looked at by itself. A folder ``day=1`` is the value 1 of the key ``day``, and any other is one of
``partition_0``, ``partition_1`` …
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from millpond.planes.common.regexes import Regex, RegexError
from millpond.planes.glue.crawlers.files import S3File
from millpond.planes.glue.crawlers.schemas import FileSchema, merged
from millpond.planes.glue.exceptions import InvalidInputException

_MOST = 0.5


@dataclass
class Folder:
    """A folder with the files that lie in it.

    Parameters
    ----------
    path : tuple of str
        Its names from the bucket on.
    files : list of S3File
        Those directly in it.
    schema : FileSchema, optional
        Of them, once they were read.
    """

    path: tuple[str, ...]
    files: list[S3File] = field(default_factory=list)
    schema: FileSchema | None = None

    @property
    def location(self) -> str:
        return f"s3://{'/'.join(self.path)}/"

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


@dataclass
class Partition:
    """A folder of a table and the values of its keys."""

    values: tuple[str, ...]
    folder: Folder


@dataclass
class FoundTable:
    """A table.

    Parameters
    ----------
    name : str
        Without the crawler's prefix.
    location : str
        Its place.
    schema : FileSchema
        Of all its files.
    keys : list of str
        Names of its partition keys.
    partitions : list of Partition
        Empty for a table without.
    size, objects : int
        Bytes and number of its files.
    """

    name: str
    location: str
    schema: FileSchema
    keys: list[str]
    partitions: list[Partition]
    size: int
    objects: int


def folders_of(files: Iterable[S3File], exclusions: Sequence[str], root: str) -> list[Folder]:
    """The folders that files lie in; hidden files, empty ones and those excluded are left out.

    Parameters
    ----------
    files : iterable of S3File
        All below the target.
    exclusions : sequence of str
        Glob patterns, relative to the target.
    root : str
        Key of the target.
    """
    excluded = [_glob(pattern) for pattern in exclusions]
    found: dict[tuple[str, ...], Folder] = {}
    for file in files:
        relative = file.key[len(root) :].lstrip("/") or file.key.rsplit("/", 1)[-1]
        names = relative.split("/")
        if not file.size or any(name.startswith(("_", ".")) for name in names):
            continue
        if any(pattern.fullmatch(relative) for pattern in excluded):
            continue
        path = (file.bucket, *file.key.split("/")[:-1])
        found.setdefault(path, Folder(path)).files.append(file)
    return [found[path] for path in sorted(found)]


def _glob(pattern: str) -> Regex:
    """AWS's glob: ``*`` stays within a folder, ``**`` does not, and ``{a,b}`` is either."""
    try:
        return Regex(_glob_text(pattern), "s")
    except RegexError as error:
        raise InvalidInputException(f"The exclude pattern {pattern} is not valid: {error}") from error


def _glob_text(pattern: str) -> str:
    pieces = re.split(r"(\*\*/?|\*|\?|\{[^}]*\}|\[[^\]]*\])", pattern)
    text = ""
    for piece in pieces:
        if piece.startswith("**"):
            text += ".*"
        elif piece == "*":
            text += "[^/]*"
        elif piece == "?":
            text += "[^/]"
        elif piece.startswith("{"):
            text += f"(?:{'|'.join(_glob_text(one) for one in piece[1:-1].split(','))})"
        elif piece.startswith("["):
            text += piece.replace("[!", "[^")
        else:
            text += re.escape(piece)
    return text


def tables_of(
    folders: Sequence[Folder], root: tuple[str, ...], level: int | None = None, *, combines: bool = False
) -> list[FoundTable]:
    """The tables that folders are.

    Parameters
    ----------
    folders : sequence of Folder
        With their schemas.
    root : tuple of str
        Path of the target: no table lies above it.
    level : int, optional
        How many names from the bucket on make a table, if the crawler says so (``TableLevelConfiguration``).
    combines : bool
        Whether schemas that have a format in common are one (``CombineCompatibleSchemas``).
    """
    known = [folder for folder in folders if folder.schema is not None]
    if level is not None and len(root) < level:
        groups: dict[tuple[str, ...], list[Folder]] = {}
        for folder in known:
            groups.setdefault(folder.path[:level], []).append(folder)
        return [one for path, group in groups.items() for one in _at(path, group, combines)]
    return _at(root, known, combines)


def _at(path: tuple[str, ...], folders: list[Folder], combines: bool) -> list[FoundTable]:
    if not folders:
        return []
    if len({len(folder.path) for folder in folders}) == 1 and (alike := _alike(folders, combines)):
        return [_table(path, alike)]
    own = [folder for folder in folders if folder.path == path]
    below: dict[tuple[str, ...], list[Folder]] = {}
    for folder in folders:
        if folder.path != path:
            below.setdefault(folder.path[: len(path) + 1], []).append(folder)
    found = [_table(path, [folder]) for folder in own]
    for inner in sorted(below):
        found += _at(inner, below[inner], combines)
    return found


def _alike(folders: list[Folder], combines: bool) -> list[Folder]:
    """The folders whose schemas are alike, if they are most; none if they are not."""
    best: list[Folder] = []
    for candidate in folders[:10]:
        first = candidate.schema
        assert first is not None
        same = [
            folder
            for folder in folders
            if folder.schema is not None
            and (
                folder.schema is first
                or first.is_like(folder.schema)
                or (combines and folder.schema.format == first.format)
            )
        ]
        best = max(best, same, key=len)
    return best if len(folders) == 1 or len(best) / len(folders) > _MOST else []


def _table(path: tuple[str, ...], folders: list[Folder]) -> FoundTable:
    schema = folders[0].schema
    assert schema is not None
    for folder in folders[1:]:
        assert folder.schema is not None
        schema = merged(schema, folder.schema)
    depth = len(folders[0].path) - len(path)
    keys = [_key(place, [folder.path[len(path) + place] for folder in folders]) for place in range(depth)]
    partitions = [
        Partition(
            tuple(_value(name, key) for name, key in zip(folder.path[len(path) :], keys, strict=True)), folder
        )
        for folder in folders
        if depth
    ]
    return FoundTable(
        table_name(path[-1]),
        f"s3://{'/'.join(path)}/",
        schema,
        [key.lower() for key in keys],
        partitions,
        sum(folder.size for folder in folders),
        sum(len(folder.files) for folder in folders),
    )


def _key(place: int, names: list[str]) -> str:
    heads = Counter(name.partition("=")[0] for name in names if "=" in name)
    if len(heads) == 1 and sum(heads.values()) == len(names):
        return next(iter(heads))
    return f"partition_{place}"


def _value(name: str, key: str) -> str:
    from urllib.parse import unquote

    return unquote(name.partition("=")[2]) if name.startswith(f"{key}=") else name


def table_name(text: str) -> str:
    """A name as crawlers make it of a folder or file: in lower case, with what no name may have as ``_``.

    Examples
    --------
    >>> table_name("Sales-2024.csv")
    'sales_2024_csv'
    """
    return re.sub(r"[^a-z0-9_]", "_", text.lower()) or "table"


def named_once(tables: Sequence[FoundTable], taken: Mapping[str, str]) -> None:
    """Give a table whose name another place has already a name of its own, by a part of its place's hash."""
    import hashlib

    used = dict(taken)
    for table in tables:
        if used.get(table.name, table.location) != table.location:
            table.name = f"{table.name}_{hashlib.md5(table.location.encode()).hexdigest()}"  # noqa: S324
        used[table.name] = table.location
