"""Values of text files by their column's type: what Trino's reader and OpenCSVSerde make of a text."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from millpond.planes.athena.engine import translated
from millpond.planes.athena.exceptions import NotSupported
from millpond.planes.athena.macros import create_macros
from millpond.planes.athena.texts import delimited, quoted
from millpond.planes.athena.types import Type

INTEGER, SMALLINT, DOUBLE, BOOLEAN = map(Type, ("integer", "smallint", "double", "boolean"))
DATE, TIMESTAMP, DECIMAL = Type("date"), Type("timestamp", (3,)), Type("decimal", (5, 2))


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect()
    for statement in create_macros():
        made.execute(statement)
    return made


def read(connection: duckdb.DuckDBPyConnection, text: str | None, sql: str | None) -> Any:
    assert sql is not None
    found = connection.execute(f"SELECT {sql} FROM (SELECT CAST(? AS VARCHAR) AS x)", [text]).fetchone()
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (INTEGER, "12", 12), (INTEGER, "+007", 7), (INTEGER, "-3.9", -3), (INTEGER, ".5", 0),
        (INTEGER, "1.5", 1), (INTEGER, " 1", None), (INTEGER, "1e3", None), (INTEGER, "", None),
        (INTEGER, "-", None), (INTEGER, "2147483648", None), (INTEGER, "1_0", None),
        (SMALLINT, "40000", None),
        (BOOLEAN, "TRUE", True), (BOOLEAN, "false", False), (BOOLEAN, "yes", None), (BOOLEAN, "1", None),
        (DOUBLE, "1e3", 1000.0), (DOUBLE, " 1.5f ", 1.5), (DOUBLE, "inf", None), (DOUBLE, "1,5", None),
        (DOUBLE, "-Infinity", float("-inf")), (DOUBLE, "x", None),
        (DECIMAL, "1.5", Decimal("1.50")), (DECIMAL, "1000", None), (DECIMAL, " 1", None),
        (DATE, "2024-02-03", dt.date(2024, 2, 3)), (DATE, "2024-2-3 10:00:00", dt.date(2024, 2, 3)),
        (DATE, "2024/02/03", None), (DATE, "20240203", None),
        (TIMESTAMP, "2024-02-03 04:05:06.789", dt.datetime(2024, 2, 3, 4, 5, 6, 789000)),
        (TIMESTAMP, "2024-02-03T04:05:06", dt.datetime(2024, 2, 3, 4, 5, 6)),
        (TIMESTAMP, "2024-02-03", dt.datetime(2024, 2, 3)),
        (TIMESTAMP, "2024-02-03T04:05:06Z", None), (TIMESTAMP, "2024-02-03 04:05", None),
        (TIMESTAMP, "yesterday", None), (TIMESTAMP, None, None), (INTEGER, None, None),
    ],
)  # fmt: skip
def test_delimited_value_is_as_trino_reads_it(
    connection: duckdb.DuckDBPyConnection, type_: Type, text: str | None, value: Any
) -> None:
    assert read(connection, text, delimited("x", type_, {})) == value


def test_formats_of_timestamps_are_refused() -> None:
    with pytest.raises(NotSupported):
        delimited("x", TIMESTAMP, {"timestamp.formats": "dd.MM.yyyy"})


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (INTEGER, "12", 12), (INTEGER, None, None), (BOOLEAN, "True", True), (DOUBLE, "1e3", 1000.0),
        (DATE, "19756", dt.date(2024, 2, 3)),
        (TIMESTAMP, "1706933106789", dt.datetime(2024, 2, 3, 4, 5, 6, 789000)),
    ],
)  # fmt: skip
def test_quoted_value_is_as_the_guide_says(
    connection: duckdb.DuckDBPyConnection, type_: Type, text: str | None, value: Any
) -> None:
    assert read(connection, text, quoted("x", type_, 3)) == value


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (INTEGER, ""),
        (INTEGER, "1.5"),
        (DOUBLE, "x"),
        (DATE, "2024-02-03"),
        (TIMESTAMP, "2024-02-03 04:05:06"),
    ],
)
def test_quoted_value_of_another_kind_fails_by_its_field(
    connection: duckdb.DuckDBPyConnection, type_: Type, text: str
) -> None:
    with pytest.raises(duckdb.Error) as raised:
        read(connection, text, quoted("x", type_, 3))
    failure = translated(raised.value)
    assert failure.state_change_reason == (
        f"HIVE_BAD_DATA: Error parsing field value '{text}' for field 3: For input string: \"{text}\""
    )
