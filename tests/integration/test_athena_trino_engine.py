"""Athena with Trino beside the compiler, where ``millpond trino install`` has fetched it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
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
        ("SELECT ST_AsText(ST_Point(1, 2))", "trino", [("POINT (1 2)",)]),
        ("SELECT approx_most_frequent(2, x, 10) FROM (VALUES 1, 1, 2) AS t (x)", "trino", [("{1=2, 2=1}",)]),
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


@pytest.mark.parametrize(
    ("kind", "clause"),
    [
        ("ORC", "STORED AS ORC"),
        ("AVRO", "STORED AS AVRO"),
        (
            "TEXTFILE",
            "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe' "
            "WITH SERDEPROPERTIES ('input.regex' = '([0-9]+)\u0001?(.*)')",
        ),
    ],
)
def test_tables_that_are_declared_are_read(lake: Lake, kind: str, clause: str) -> None:
    place = f"s3://{BUCKET}/declared-{kind}/"
    lake.rows(
        f"CREATE TABLE source_{kind} WITH (format = '{kind}', external_location = '{place}', "
        "write_compression = 'NONE') AS SELECT * FROM (VALUES (1, 'x'), (22, 'yy')) AS t (a, b)"
    )
    lake.rows(f"CREATE EXTERNAL TABLE declared_{kind} (a int, b string) {clause} LOCATION '{place}'")
    found = lake.rows(f'SELECT a, b, "$file_size" > 0 FROM declared_{kind} ORDER BY a')
    assert found == [("1", "x", "true"), ("22", "yy", "true")]


def test_a_delta_table_is_read_as_its_log_says(lake: Lake, tmp_path: Path) -> None:
    for name, number in (("kept", 1), ("removed", 2)):
        pq.write_table(pa.table({"n": pa.array([number], pa.int64())}), tmp_path / f"{name}.parquet")
        lake.s3.upload_file(str(tmp_path / f"{name}.parquet"), BUCKET, f"delta/{name}.parquet")
    size = (tmp_path / "kept.parquet").stat().st_size
    field = {"name": "n", "type": "long", "nullable": True, "metadata": {}}
    actions = [
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {
            "metaData": {
                "id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9",
                "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps({"type": "struct", "fields": [field]}),
                "partitionColumns": [],
                "configuration": {},
            }
        },
        {
            "add": {
                "path": "kept.parquet",
                "partitionValues": {},
                "size": size,
                "modificationTime": 1,
                "dataChange": True,
            }
        },
    ]
    log = "\n".join(map(json.dumps, actions)).encode()
    lake.s3.put_object(Bucket=BUCKET, Key="delta/_delta_log/00000000000000000000.json", Body=log)
    lake.rows(
        f"CREATE EXTERNAL TABLE deltas LOCATION 's3://{BUCKET}/delta/' TBLPROPERTIES ('table_type' = 'DELTA')"
    )
    assert lake.rows("SHOW COLUMNS IN deltas")[0][0].strip() == "n"
    assert lake.rows("SELECT n FROM deltas") == [("1",)]


def test_plans_are_shown_and_statements_validated(lake: Lake) -> None:
    assert lake.rows("EXPLAIN (TYPE VALIDATE) SELECT soundex('a')") == [("true",)]
    assert any("Output" in line for (line,) in lake.rows("EXPLAIN (FORMAT JSON) SELECT 1"))


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
