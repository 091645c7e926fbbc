"""All 22 TPC-H queries through Athena's API, against PostgreSQL's answers to the same text and data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from athena_fixtures import Lake
from engine_fixtures import RunningEngine, running_engine  # noqa: F401
from onprem_fixtures import onprem_settings, running_database

from millpond.load import load

QUERIES = sorted((Path(__file__).parent / "tpch_queries").glob("*.sql"))
HIVE_TYPES = {"int64": "bigint", "int32": "int", "date32[day]": "date", "decimal128(15, 2)": "decimal(15,2)"}
# Nothing of this size fits the validation parameters: the answer is empty, or one NULL.
EMPTY = {"q18", "q19", "q20"}

Value = str | Decimal | None


@pytest.fixture(scope="module")
def lake(running_engine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Lake:  # noqa: F811
    """The eight tables as Parquet files of the generator, registered with its own types."""
    directory = tmp_path_factory.mktemp("tpch")
    generator = Path(sys.executable).parent / "tpchgen-cli"
    subprocess.run([generator, "parquet", "-s", "0.01", f"--output-dir={directory}"], check=True)
    lake = Lake(running_engine, "tpch")
    for path in sorted(directory.rglob("*.parquet")):
        table = path.stem.split(".")[0]
        columns = {f.name: HIVE_TYPES.get(str(f.type), "string") for f in pq.read_schema(path)}
        lake.table(table, columns, lake.upload(path, f"tpch/{table}/{path.name}"))
    return lake


@pytest.fixture(scope="module")
def onprem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    settings = onprem_settings(tmp_path_factory.mktemp("onprem"))
    with running_database(settings) as database:
        load(settings)
        with database.connection() as connection:
            connection.execute("SET search_path = tpch")
            yield connection


@pytest.mark.parametrize("path", QUERIES, ids=[path.stem for path in QUERIES])
def test_tpch_query_has_the_answer_of_postgresql(lake: Lake, onprem: psycopg.Connection, path: Path) -> None:
    query = path.read_text()
    answer = lake.ask(query)
    assert answer.state == "SUCCEEDED", answer.reason
    scales = [c["Scale"] if c["Type"] == "decimal" else None for c in answer.columns]
    expected = [
        tuple(_expected(value, scale) for value, scale in zip(row, scales, strict=True))
        for row in onprem.execute(query.encode()).fetchall()
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
    if value is None:
        return None
    if scale is not None:
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    return str(value).rstrip(" ")


def _actual(value: str | None, scale: int | None) -> Value:
    if value is None or scale is None:
        return value.rstrip(" ") if value is not None else None
    assert -Decimal(value).as_tuple().exponent == scale  # type: ignore[operator]
    return Decimal(value)
