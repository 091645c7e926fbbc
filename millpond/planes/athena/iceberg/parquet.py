"""Parquet files read by field id, so that columns may be renamed, added, dropped and widened.

What DuckDB reads by name is put in the place that the file's own field ids give it (Iceberg specification,
"Column Projection"). A file without ids is read by name.
"""

# ruff: noqa: S608 - writing SQL is what this module is for; names and texts in it are quoted
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyiceberg import types as ice

from millpond.planes.athena.globs import escape_glob
from millpond.planes.athena.iceberg.schemas import to_sql
from millpond.planes.athena.types import duckdb_type, literal, quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FILE = "file of the row"
POSITION = "file_row_number"


@dataclass(frozen=True)
class Node:
    """A column, or a part of one, as a file has it."""

    name: str
    field_id: int | None
    children: tuple[Node, ...] = field(default=())

    def child(self, wanted: ice.NestedField) -> Node | None:
        """The part that holds a field: the one with its id, or with its name in a file without ids."""
        has_ids = any(child.field_id is not None for child in self.children)
        for child in self.children:
            if has_ids:
                if child.field_id == wanted.field_id:
                    return child
            elif child.name.lower() == wanted.name.lower():
                return child
        return None


class Shapes:
    """What columns files have; each file is looked at once.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Reads their footers, and keeps them for the query.
    """

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection
        self._known: dict[str, Node] = {}

    def __call__(self, paths: Iterable[str]) -> dict[str, Node]:
        """The root of each file."""
        wanted = list(dict.fromkeys(paths))
        unknown = [path for path in wanted if path not in self._known]
        if unknown:
            rows = self._connection.execute(
                f"SELECT file_name, name, num_children, field_id FROM parquet_schema([{listed(unknown)}])"
            ).fetchall()
            by_file: dict[str, list[tuple[Any, ...]]] = {}
            for file, *row in rows:
                by_file.setdefault(file, []).append(tuple(row))
            self._known |= {file: _tree(iter(found)) for file, found in by_file.items()}
        return {path: self._known[path] for path in wanted}


def _tree(rows: Any) -> Node:
    name, children, field_id = next(rows)
    return Node(name, field_id, tuple(_tree(rows) for _ in range(children or 0)))


def listed(paths: Iterable[str]) -> str:
    """Files as DuckDB's functions take them."""
    return ", ".join(literal(escape_glob(path)) for path in paths)


def read(paths: Sequence[str], columns: Sequence[tuple[str, str]]) -> str:
    """SQL that reads files of one shape; every column an expression over ``f`` and its name."""
    selected = ", ".join(f"{expression} AS {quote(name)}" for expression, name in columns)
    source = (
        f"read_parquet([{listed(paths)}], hive_partitioning = false, filename = {literal(FILE)}, "
        "file_row_number = true)"
    )
    return f"SELECT {selected} FROM {source} AS f"


def column(root: Node, wanted: ice.NestedField, constant: str | None = None) -> str:
    """The expression for a field in files of a shape; NULL, or a constant, where they do not have it."""
    target = duckdb_type(to_sql(wanted.field_type))
    found = root.child(wanted)
    if found is None:
        return f"CAST({constant or 'NULL'} AS {target})"
    return _value(f"f.{quote(found.name)}", found, wanted.field_type)


def _value(sql: str, node: Node, type_: ice.IcebergType, depth: int = 0) -> str:
    if _is_alike(node, type_):
        return f"CAST({sql} AS {duckdb_type(to_sql(type_))})"
    item = f"item{depth}"
    if isinstance(type_, ice.StructType):
        parts = []
        for part in type_.fields:
            child = node.child(part)
            found = (
                f"CAST(NULL AS {duckdb_type(to_sql(part.field_type))})"
                if child is None
                else _value(f"({sql}).{quote(child.name)}", child, part.field_type, depth)
            )
            parts.append(f"{quote(part.name.lower())} := {found}")
        return f"CASE WHEN {sql} IS NULL THEN NULL ELSE struct_pack({', '.join(parts)}) END"
    if isinstance(type_, ice.ListType):
        element = _value(item, node.children[0].children[0], type_.element_type, depth + 1)
        return f"list_transform({sql}, lambda {item}: {element})"
    assert isinstance(type_, ice.MapType)
    keys, values = node.children[0].children
    key = _value(f"{item}.key", keys, type_.key_type, depth + 1)
    value = _value(f"{item}.value", values, type_.value_type, depth + 1)
    pair = f"struct_pack(k := {key}, v := {value})"
    return f"map_from_entries(list_transform(map_entries({sql}), lambda {item}: {pair}))"


def _is_alike(node: Node, type_: ice.IcebergType) -> bool:
    """Whether a cast is enough: the same fields in the same order, by the same names."""
    if isinstance(type_, ice.StructType):
        found = [node.child(part) for part in type_.fields]
        return found == list(node.children) and all(
            child is not None
            and child.name.lower() == part.name.lower()
            and _is_alike(child, part.field_type)
            for child, part in zip(found, type_.fields, strict=True)
        )
    if isinstance(type_, ice.ListType):
        return _is_alike(node.children[0].children[0], type_.element_type)
    if isinstance(type_, ice.MapType):
        key, value = node.children[0].children
        return _is_alike(key, type_.key_type) and _is_alike(value, type_.value_type)
    return True
