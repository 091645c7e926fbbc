"""Athena with Trino beside the compiler, where ``millpond trino install`` has fetched it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from athena_fixtures import BUCKET, Lake
from engine_fixtures import started_engine

from millpond.base.config import Athena, Settings
from millpond.toolchain.trino import find_trino

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(
        find_trino(Settings()) is None, reason="Trino is not installed: millpond trino install"
    ),
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with started_engine(tmp_path_factory.mktemp("engine"), athena=Athena()) as running:
        yield Lake(running)


def engine_of(lake: Lake, location: str) -> str:
    key = location.removeprefix(f"s3://{BUCKET}/")
    content = lake.s3.get_object(Bucket=BUCKET, Key=f"{key}.metadata")["Body"].read()
    return str(json.loads(content)["Engine"])


def test_each_statement_is_answered_by_the_engine_that_answers_it_exactly(lake: Lake) -> None:
    for sql, engine, rows in (
        ("SELECT 1 AS x", "duckdb", [("1",)]),
        ("SELECT soundex('a'), checksum(x) FROM (VALUES 1, 2) AS t (x)", "trino", None),
        ("SELECT cardinality(approx_set(x)) FROM (VALUES 1, 2) AS t (x)", "trino", [("2",)]),
        ("SELECT json_query('{\"a\":[1]}', 'lax $.a')", "trino", [("[1]",)]),
    ):
        answer = lake.ask(sql)
        assert answer.state == "SUCCEEDED", answer.reason
        assert engine_of(lake, answer.location) == engine, sql
        assert rows is None or answer.rows == rows


@pytest.mark.parametrize("kind", ["ORC", "AVRO", "JSON", "TEXTFILE"])
def test_tables_of_every_format_are_written_and_read(lake: Lake, kind: str) -> None:
    lake.rows(
        f"CREATE TABLE as_{kind} WITH (format = '{kind}', external_location = 's3://{BUCKET}/{kind}/') AS "
        "SELECT * FROM (VALUES (1, 'x', DATE '2020-01-01'), (2, NULL, NULL)) AS t (a, b, d)"
    )
    lake.rows(f"INSERT INTO as_{kind} VALUES (3, 'z', NULL)")
    expected = [("1", "x", "2020-01-01"), ("2", None, None), ("3", "z", None)]
    assert lake.rows(f"SELECT * FROM as_{kind} ORDER BY a") == expected
    answer = lake.ask(
        f"UNLOAD (SELECT a, b FROM as_{kind}) TO 's3://{BUCKET}/unloaded-{kind}/' WITH (format = '{kind}')"
    )
    assert answer.state == "SUCCEEDED", answer.reason
    found = lake.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"unloaded-{kind}/")
    assert found["KeyCount"] > 0
    assert lake.rows("SHOW TABLES LIKE 'unload*'") == []


def test_views_of_what_the_compiler_does_not_do_are_read(lake: Lake) -> None:
    lake.rows("CREATE VIEW sounds AS SELECT checksum(x) AS s, count(*) AS n FROM (VALUES 1, 2) AS t (x)")
    assert lake.rows("SELECT n FROM sounds") == [("2",)]


def test_projected_partitions_are_read(lake: Lake) -> None:
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
        lake.s3.put_object(Bucket=BUCKET, Key=f"projected/{day}/a.json", Body=b'{"N": 1}\n')
    lake.rows(
        "CREATE EXTERNAL TABLE projected (n int) PARTITIONED BY (day string) "
        f"ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION 's3://{BUCKET}/projected/' "
        "TBLPROPERTIES ('projection.enabled' = 'true', 'projection.day.type' = 'date', "
        "'projection.day.range' = '2024-01-01,2024-01-05', 'projection.day.format' = 'yyyy-MM-dd', "
        f"'storage.location.template' = 's3://{BUCKET}/projected/${{day}}/')"
    )
    found = lake.rows("SELECT day, sum(n) FROM projected WHERE day >= '2024-01-02' GROUP BY day ORDER BY day")
    assert found == [("2024-01-02", "1"), ("2024-01-03", "1")]


def test_errors_are_trinos_and_what_athena_has_not_is_refused(lake: Lake) -> None:
    assert lake.reason("SELECT checksum(nope) FROM (VALUES 1) AS t (x)").startswith(
        "COLUMN_NOT_FOUND: line 1:"
    )
    assert lake.reason("SELECT soundex(x) FROM system.runtime.nodes").startswith("CATALOG_NOT_FOUND: ")
    assert lake.reason("SELECT soundex('a') FROM TABLE(sequence(1, 3))").startswith("NOT_SUPPORTED: ")


def test_trino_is_stopped_with_the_engine(tmp_path: Path) -> None:
    with started_engine(tmp_path, athena=Athena()) as running:
        pids = running.settings.state / "pids" / "athena" / "trino"
        Lake(running).rows("SELECT checksum(x) FROM (VALUES 1) AS t (x)")
        assert list(pids.glob("*.pid"))
    assert not list(pids.glob("*.pid"))
