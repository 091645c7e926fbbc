"""How a source table differs from the structure that is registered of it: pure functions.

What may happen in place follows Apache Iceberg's table specification, "Schema evolution": columns may be
added, ``int`` may become ``long``, ``float`` ``double``, and a decimal may get more digits before its point.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.dialect import Dialect, SourceType
from ingest.names import catalog_name
from ingest.settings import JobSettings

COMPATIBLE = ("added", "widened")
# What permissive takes beside: values still fit, are missing from now on, or are quarantined with their rows.
TOLERABLE = (*COMPATIBLE, "narrowed", "dropped", "kept")
_ICEBERG = {"tinyint": "int", "smallint": "int", "bigint": "long"}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_SIZED = re.compile(r"(?:char|varchar)\((\d+)\)")


@dataclass(frozen=True)
class SourceColumn:
    """A column as the source's own catalog has it."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True)
class Difference:
    """One difference.

    Parameters
    ----------
    kind : {"added", "dropped", "widened", "narrowed", "retyped", "kept", "renamed"}
        What happened; ``renamed`` is a guess. A column of another type is ``retyped``, or ``kept`` as it is
        registered: then the job casts its values, and a row that does not fit goes to quarantine.
    column : str
        Name in the source; the old one if it was renamed.
    text : str
        For a person.
    """

    kind: str
    column: str
    text: str


@dataclass(frozen=True)
class Comparison:
    """What a source table is, beside what is registered.

    Parameters
    ----------
    differences : tuple of Difference
        Empty when there is none.
    columns : tuple of mapping
        The columns of the version to register.
    """

    differences: tuple[Difference, ...]
    columns: tuple[Mapping[str, Any], ...]

    @property
    def change(self) -> str:
        """``none``, ``compatible``, or ``breaking`` when one difference is."""
        if not self.differences:
            return "none"
        return "compatible" if all(one.kind in COMPATIBLE for one in self.differences) else "breaking"

    @property
    def has_new_version(self) -> bool:
        """Whether there is something to register: not where all that differs is kept as it is."""
        return any(one.kind != "kept" for one in self.differences)

    @property
    def proposal(self) -> str:
        """A fingerprint of the version to register: what a person was asked about."""
        text = json.dumps(self.columns, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def is_allowed(self, policy: str) -> bool:
        """Whether a policy takes every difference without asking a person."""
        taken = {"strict": (), "additive": COMPATIBLE, "permissive": TOLERABLE}[policy]
        return all(one.kind in taken for one in self.differences)


def compare(
    settings: JobSettings,
    structure: Mapping[str, Any],
    source: Sequence[SourceColumn],
    dialect: Dialect,
) -> Comparison:
    """Compare the newest registered structure with the source table.

    Parameters
    ----------
    settings : JobSettings
        A permissive table keeps the types that it can be read with.
    structure : mapping
        Item of ``table_structures``.
    source : sequence of SourceColumn
        Columns of the source table, in its order.
    dialect : Dialect
        Knows their types.
    """
    needed = {name for names in settings.needed_columns.values() for name in names}
    registered = {column["source_name"]: column for column in structure["columns"]}
    actual = {column.name: column for column in source}
    renamed = _renamed(list(structure["columns"]), source)
    differences: list[Difference] = []
    for name, column in registered.items():
        if name in renamed:
            text = f"{name} {column['source_type']} seems to be called {renamed[name]} now"
            differences.append(Difference("renamed", name, text))
        elif name not in actual:
            differences.append(Difference("dropped", name, f"{name} {column['source_type']} is gone"))
        elif actual[name].type != column["source_type"]:
            may_keep = settings.schema_policy == "permissive" and name not in needed
            differences.append(_changed(column, actual[name], dialect, may_keep=may_keep))
    differences += [
        Difference("added", column.name, f"{column.name} {column.type} is new")
        for column in source
        if column.name not in registered and column.name not in renamed.values()
    ]
    kept = {one.column for one in differences if one.kind == "kept"}
    columns = _columns(structure["columns"], source, renamed, kept, dialect)
    return Comparison(tuple(differences), tuple(columns))


def settings_that_break(
    settings: JobSettings, structure: Mapping[str, Any], comparison: Comparison
) -> list[str]:
    """What a new version would leave without its column: no approval mends that.

    Parameters
    ----------
    settings : JobSettings
    structure : mapping
        The newest registered structure; its partitions stay as they are.
    comparison : Comparison
        What the source is now.
    """
    gone = [one.column for one in comparison.differences if one.kind in ("dropped", "renamed")]
    uses: dict[str, Collection[str]] = {
        **settings.needed_columns,
        "include_columns": settings.include_columns or (),
        "column_actions": settings.column_actions,
        "the partitions of table_structures": [one["source_name"] for one in structure["partitions"]],
    }
    return [f"{use}: {name}" for use, names in uses.items() for name in gone if name in names]


def is_wider(old: str, new: str) -> bool:
    """Whether every value of one catalog type fits into another, as Iceberg promotes types.

    Examples
    --------
    >>> is_wider("int", "bigint"), is_wider("bigint", "int"), is_wider("decimal(9,2)", "decimal(12,2)")
    (True, False, True)
    """
    sizes = ("tinyint", "smallint", "int", "bigint")
    if old in sizes and new in sizes:
        return sizes.index(old) < sizes.index(new)
    if (old, new) == ("float", "double"):
        return True
    before, after = _DECIMAL.fullmatch(old), _DECIMAL.fullmatch(new)
    if before and after:
        return before[2] == after[2] and int(before[1]) < int(after[1])
    before, after = _SIZED.fullmatch(old), _SIZED.fullmatch(new)
    if before and after:
        return int(before[1]) < int(after[1])
    return bool(before and new == "string")


def _changed(
    column: Mapping[str, Any], actual: SourceColumn, dialect: Dialect, *, may_keep: bool
) -> Difference:
    """A column that has another type in the source."""
    before, after = dialect.type_of(column["source_type"]), dialect.type_of(actual.type)
    name, old, new = column["source_name"], column["type"], after.catalog_type
    change = f"{name} was {column['source_type']} and is {actual.type}"
    if is_wider(old, new) or (old == new and not _is_shorter(before, after)):
        return Difference("widened", name, change)
    if is_wider(new, old) or old == new:
        return Difference("narrowed", name, f"{change}, which holds less")
    if may_keep:
        text = f"{change}: it stays {old}, and rows that do not fit go to quarantine"
        return Difference("kept", name, text)
    return Difference("retyped", name, f"{change}: {old} cannot become {new} in place")


def _is_shorter(before: SourceType, after: SourceType) -> bool:
    """Whether a type that the catalog has as text got a smaller length."""
    if not after.arguments:
        return False
    return not before.arguments or after.arguments < before.arguments


def _renamed(registered: Sequence[Mapping[str, Any]], source: Sequence[SourceColumn]) -> dict[str, str]:
    """Old name to new name, where one column went and one of the same type came in its place.

    PostgreSQL adds columns at the end: one that is new among the old ones, between the same neighbours, was
    renamed.
    """
    names = {column.name for column in source}
    known = {column["source_name"] for column in registered}
    gone = {
        _left_neighbour([one["source_name"] for one in registered], index, names): column
        for index, column in enumerate(registered)
        if column["source_name"] not in names
    }
    found = {}
    for index, column in enumerate(source):
        if column.name in known:
            continue
        left = _left_neighbour([one.name for one in source], index, known)
        old = gone.get(left)
        if old is not None and old["source_type"] == column.type and old["source_name"] not in found:
            found[old["source_name"]] = column.name
    return found


def _left_neighbour(names: Sequence[str], index: int, common: Collection[str]) -> tuple[str, int]:
    """The nearest name before that both sides have, and how many names after it."""
    distance = 0
    for name in reversed(names[:index]):
        if name in common:
            return name, distance
        distance += 1
    return "", distance


def _columns(
    registered: Sequence[Mapping[str, Any]],
    source: Sequence[SourceColumn],
    renamed: Mapping[str, str],
    kept: Collection[str],
    dialect: Dialect,
) -> list[dict[str, Any]]:
    """The columns of the next version: in the source's order, under the names that the catalog knows."""
    by_source_name = {column["source_name"]: column for column in registered}
    old_names = {new: old for old, new in renamed.items()}
    used = {by_source_name[one.name]["name"] for one in source if one.name in by_source_name}
    columns = []
    for column in source:
        known = by_source_name.get(column.name)
        name = known["name"] if known else catalog_name(column.name, used)
        used.add(name)
        source_type = known["source_type"] if known and column.name in kept else column.type
        entry = {
            "name": name,
            "source_name": column.name,
            "source_type": source_type,
            "type": dialect.type_of(source_type).catalog_type,
            "nullable": column.nullable,
        }
        if column.name in old_names:
            entry["renamed_from"] = by_source_name[old_names[column.name]]["name"]
        columns.append(entry)
    return columns
