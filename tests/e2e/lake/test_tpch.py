"""TPC-H through Athena, beside PostgreSQL's answers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import psycopg
import pytest
from checkouts import Checkout

from millpond.client.query import run_query

QUERIES = sorted((Path(__file__).parents[1] / "tpch_queries").glob("*.sql"))


# Nothing of this size fits the validation parameters: the answer is empty, or one NULL.
EMPTY = {"q18", "q19", "q20"}


Value = str | Decimal | None


@pytest.fixture(scope="module")
def onprem(demo: Checkout) -> Iterator[psycopg.Connection]:
    with demo.database.connection() as connection:
        connection.execute("SET search_path = tpch")
        yield connection


@pytest.mark.parametrize("path", QUERIES, ids=[path.stem for path in QUERIES])
def test_tpch_query_has_the_answer_of_postgresql(
    demo: Checkout, onprem: psycopg.Connection, path: Path
) -> None:
    query, athena = path.read_text(), demo.aws.athena
    answer = run_query(athena, query, workgroup=demo.settings.prefix, database="tpch")
    results = athena.get_query_results(QueryExecutionId=answer.query_execution_id, MaxResults=1)
    columns = results["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    scales = [column["Scale"] if column["Type"] == "decimal" else None for column in columns]
    cursor = onprem.execute(query.encode())
    padded = [column.type_display.startswith("bpchar") for column in cursor.description]
    expected = [
        tuple(
            # The lake keeps a char(n) without the blanks at its end.
            _expected(value.rstrip(" ") if is_char and value else value, scale)
            for value, scale, is_char in zip(row, scales, padded, strict=True)
        )
        for row in cursor.fetchall()
    ]
    actual = [
        tuple(_actual(value, scale) for value, scale in zip(row, scales, strict=True)) for row in answer.rows
    ]
    assert actual == expected
    assert bool(expected) or path.stem in EMPTY


def test_there_are_22_queries() -> None:
    assert [path.stem for path in QUERIES] == [f"q{number:02}" for number in range(1, 23)]


def _expected(value: object, scale: int | None) -> Value:
    """PostgreSQL's value; its decimals have more digits than the type that Athena reports."""
    if value is None or scale is None:
        return str(value) if value is not None else None
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)


def _actual(value: str | None, scale: int | None) -> Value:
    if value is None or scale is None:
        return value
    assert -Decimal(value).as_tuple().exponent == scale  # type: ignore[operator]
    return Decimal(value)
