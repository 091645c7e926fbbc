"""Result files: written by the worker, read back by ``GetQueryResults``.

Athena's CSV quotes every value and leaves NULL empty without quotes; the results of DDL are text, one row a
line. AWS does not document the ``.metadata`` file beside them (it is binary there); here it is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from millpond.planes.athena.relations import Column
from millpond.planes.athena.types import athena_column_type

Cell = str | None


def column_info(name: str, type_name: str, precision: int, scale: int) -> dict[str, Any]:
    """One column of ``ResultSetMetadata``."""
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": type_name,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": type_name in ("varchar", "char"),
    }


def query_columns(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """``ColumnInfo`` of a query's result."""
    return [column_info(c.name, *athena_column_type(c.type)) for c in columns]


def text_columns(*names: str) -> list[dict[str, Any]]:
    """``ColumnInfo`` of what a DDL statement shows."""
    return [column_info(name, "string", 0, 0) for name in names]


def metadata_file(columns: Sequence[dict[str, Any]], engine: str) -> bytes:
    """The content of the ``.metadata`` file; it tells which engine answered, too."""
    return json.dumps({"ColumnInfo": list(columns), "Engine": engine}, indent=1).encode()


def csv_line(cells: Iterable[Cell]) -> str:
    """One row of a CSV result."""
    return ",".join("" if c is None else '"' + c.replace('"', '""') + '"' for c in cells) + "\n"


def read_csv(data: bytes, limit: int, *, is_last: bool) -> tuple[list[list[Cell]], int]:
    """Read whole rows from the beginning of a piece of a CSV result.

    Parameters
    ----------
    data : bytes
        The piece; it begins with a row.
    limit : int
        How many rows are wanted.
    is_last : bool
        Whether the piece ends with the file.

    Returns
    -------
    list, int
        The rows, and how many bytes they took.
    """
    rows: list[list[Cell]] = []
    at = 0
    while len(rows) < limit and at < len(data):
        read = _read_row(data, at)
        if read is None:
            break
        cells, at = read
        rows.append(cells)
    if is_last and at < len(data) and len(rows) < limit:
        raise ValueError("the result file ends within a row")
    return rows, at


def _read_row(data: bytes, at: int) -> tuple[list[Cell], int] | None:
    cells: list[Cell] = []
    while True:
        cell: Cell = None
        if data[at : at + 1] == b'"':
            end = _closing_quote(data, at + 1)
            if end is None:
                return None
            cell = data[at + 1 : end].decode().replace('""', '"')
            at = end + 1
        separator = data[at : at + 1]
        if separator not in (b",", b"\n"):
            return None
        cells.append(cell)
        at += 1
        if separator == b"\n":
            return cells, at


def _closing_quote(data: bytes, at: int) -> int | None:
    while (at := data.find(b'"', at)) >= 0:
        if data[at + 1 : at + 2] != b'"':
            return at
        at += 2
    return None


def read_text(data: bytes, limit: int, *, is_last: bool) -> tuple[list[list[Cell]], int]:
    """Read rows of a text result; the same as :func:`read_csv` for lines."""
    rows: list[list[Cell]] = []
    at = 0
    while len(rows) < limit and at < len(data):
        end = data.find(b"\n", at)
        if end < 0:
            if not is_last:
                break
            end = len(data)
        rows.append([data[at:end].decode()])
        at = min(end + 1, len(data))
    return rows, at


def to_row(cells: Iterable[Cell]) -> dict[str, Any]:
    """A ``Row`` of ``GetQueryResults``; NULL is a datum without a value."""
    return {"Data": [{} if cell is None else {"VarCharValue": cell} for cell in cells]}
