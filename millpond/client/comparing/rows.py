"""Schema and rows of two datasets, compared by DuckDB: as sets in which rows may be more than once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import duckdb

from millpond.client.comparing.datasets import Dataset

_SHOWN = 3
_NUMERIC = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL")


def compared(before: Dataset, after: Dataset, ignored: frozenset[str]) -> list[tuple[str, str]]:
    """What differs, as pairs of ``schema`` or ``rows`` and words.

    Floating-point numbers are equal if 13 digits are, or 7 of single precision: their last ones depend on the
    order of a sum. The order of rows is not compared.

    Parameters
    ----------
    before, other : Dataset
    ignored : frozenset of str
        Columns whose values are not compared.
    """
    if not (before.rows and after.rows):
        counts = [f"{'no' if not each.rows else 'some'} rows" for each in (before, after)]
        return [] if counts[0] == counts[1] else [("rows", f"{counts[0]} became {counts[1]}")]
    with duckdb.connect() as connection:
        for name, dataset in (("before", before), ("after", after)):
            files = [str(path) for path in dataset.rows]
            connection.read_parquet(files, union_by_name=True).create_view(name)
        return list(_compared(connection, ignored))


def _compared(connection: duckdb.DuckDBPyConnection, ignored: frozenset[str]) -> Iterator[tuple[str, str]]:
    types = {name: _types(connection, name) for name in ("before", "after")}
    yield from _schema(types["before"], types["after"])
    counts = [_count(connection, name) for name in ("before", "after")]
    if counts[0] != counts[1]:
        yield "rows", f"{counts[0]:,} became {counts[1]:,}"
    columns = {
        name: _value(name, kind, types["after"][name])
        for name, kind in types["before"].items()
        if name in types["after"] and name not in ignored
    }
    if not columns:
        return
    missing, more = _both_ways(", ".join(columns.values()))
    how_many = _count(connection, missing), _count(connection, more)
    if not any(how_many):
        return
    differing = [
        name
        for name, value in columns.items()
        if any(_count(connection, relation) for relation in _both_ways(value))
    ]
    named = ", ".join(differing) or "none taken alone"
    yield "rows", f"{how_many[0]:,} missing, {how_many[1]:,} new; columns that differ: {named}"
    for word, relation in (("missing", missing), ("new", more)):
        for row in connection.sql(f"FROM {relation} ORDER BY ALL LIMIT {_SHOWN}").fetchall():
            yield "rows", f"{word}: {', '.join(f'{n}={v}' for n, v in zip(columns, row, strict=True))}"


def _both_ways(columns: str) -> tuple[str, str]:
    """The rows that are only in the first dataset, and those that are only in the second."""
    before, after = (f"SELECT {columns} FROM {name}" for name in ("before", "after"))  # noqa: S608 - quoted names
    return f"({before} EXCEPT ALL {after})", f"({after} EXCEPT ALL {before})"


def _schema(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, kind in before.items():
        if name not in after:
            yield "schema", f"column {name} {kind} is gone"
        elif after[name] != kind:
            yield "schema", f"column {name}: {kind} became {after[name]}"
    for name, kind in after.items():
        if name not in before:
            yield "schema", f"column {name} {kind} is new"
    orders = [[name for name in each if name in before and name in after] for each in (before, after)]
    if orders[0] != orders[1]:
        yield "schema", f"the order {', '.join(orders[0])} became {', '.join(orders[1])}"


def _types(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    described = connection.sql(f"DESCRIBE {relation}").fetchall()
    return {str(row[0]): str(row[1]) for row in described}


def _value(name: str, type_before: str, type_after: str) -> str:
    """A column as it is compared: its text where the types differ, 13 digits where one is no integer."""
    quoted = '"' + name.replace('"', '""') + '"'
    if type_before == type_after and type_before not in ("FLOAT", "DOUBLE"):
        return quoted
    if _NUMERIC.match(type_before) and _NUMERIC.match(type_after):
        digits = 6 if "FLOAT" in (type_before, type_after) else 12
        return f"printf('%.{digits}e', CAST({quoted} AS DOUBLE)) AS {quoted}"
    return f"CAST({quoted} AS VARCHAR) AS {quoted}"


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = connection.sql(f"FROM {relation} SELECT count(*)").fetchone()
    return int(row[0]) if row else 0
