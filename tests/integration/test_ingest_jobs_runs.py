"""Full and incremental runs of the real jobs, and what is left when one does not end well."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from ingest_fixtures import Lab, open_lab

_COLUMNS = [
    ("id", "integer", "int"),
    ("part", "integer", "int"),
    ("place", "text", "string"),
    ("note", "text", "string"),
    ("deleted_at", "timestamp with time zone", "timestamp"),
    ("updated_at", "timestamp with time zone", "timestamp"),
]
_INCREMENTAL = {
    "load_mode": "incremental",
    "watermark_column": "updated_at",
    "key_columns": ["id", "part"],
}
# What change_items touches: rows of 'north', one row that leaves its place for 'moved', and a new place.
CHANGED_PLACES = {("north",), ("a/b=c d%é",), ("moved",), ("brand new",)}
_PLACES = "(ARRAY['north', 'a/b=c d%é', NULL, '', 'quiet'])[1 + id % 5]"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("ingest")) as lab:
        yield lab


def make_items(lab: Lab, table: str, *, is_partitioned: bool = True, **overrides: Any) -> str:
    """A table with a composite key, partitioned by a text that is NULL, empty and awkward in places."""
    lab.execute(
        f"CREATE TABLE lab.{table} (id integer, part integer, place text, note text, "
        "deleted_at timestamptz, updated_at timestamptz NOT NULL, PRIMARY KEY (id, part))",
        f"INSERT INTO lab.{table} SELECT id, 1, {_PLACES}, 'first', NULL, "
        "timestamptz '2024-01-01Z' + id * interval '1 minute' FROM generate_series(1, 500) AS id",
    )
    partitions = [{"name": "by_place", "type": "string", "source_name": "place", "transform": "identity"}]
    return lab.declare(
        table,
        structure=structure(_COLUMNS, partitions if is_partitioned else []),
        **{**_INCREMENTAL, **overrides},
    )


def change_items(lab: Lab, table: str) -> None:
    """Insert, update, soft-delete, move a row to another partition, and write one at the old watermark."""
    lab.execute(
        f"INSERT INTO lab.{table} VALUES (501, 1, 'brand new', 'inserted', NULL, '2024-02-01Z'), "
        "(502, 1, 'north', 'same moment', NULL, timestamptz '2024-01-01Z' + interval '500 minutes')",
        f"UPDATE lab.{table} SET note = 'updated', updated_at = '2024-02-02Z' WHERE id IN (5, 10)",
        f"UPDATE lab.{table} SET deleted_at = '2024-02-02Z', updated_at = '2024-02-02Z' WHERE id = 15",
        f"UPDATE lab.{table} SET place = 'moved', updated_at = '2024-02-03Z' WHERE id = 6",
    )


def structure(
    columns: list[tuple[str, str, str]], partitions: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    return {
        "columns": [
            {"name": name, "source_name": name, "source_type": kind, "type": catalog, "nullable": True}
            for name, kind, catalog in columns
        ],
        "partitions": partitions or [],
    }


def source_rows(lab: Lab, table: str) -> list[tuple[Any, ...]]:
    with lab.database.connection() as connection:
        query = f"SELECT id, part, place, note, deleted_at, updated_at FROM lab.{table}"
        return sorted(connection.execute(query).fetchall())


def lake_rows(lab: Lab, table: str) -> list[tuple[Any, ...]]:
    rows = lab.rows(f"lab.{table}")
    for row in rows:
        assert row["partition"] in ((), (row["place"] or "__HIVE_DEFAULT_PARTITION__",))
    return sorted(tuple(row[name] for name, _, _ in _COLUMNS) for row in rows)


def test_both_engines_land_the_same_full_and_incremental_versions(lab: Lab) -> None:
    for engine in ("shell", "spark"):
        table = f"items_{engine}"
        table_id = make_items(lab, table, split_column="id", split_partitions=2)
        lab.run(engine, table_id, "r1")
        assert lake_rows(lab, table) == source_rows(lab, table)
        lab.commit(table_id, "r1")
        before = lab.locations(table_id)

        change_items(lab, table)
        lab.run(engine, table_id, "r2")
        assert lake_rows(lab, table) == source_rows(lab, table)
        item = lab.item(table_id, "r2")
        assert item["engine"] == engine
        assert item["load_mode"] == "incremental"
        assert item["rows_read"] == 7
        assert item["rows_total"] == 502
        assert (item["watermark_from"], item["watermark_to"]) == (
            "2024-01-01 08:20:00+00",
            "2024-02-03 00:00:00+00",
        )
        after = lab.locations(table_id)
        assert {values for values in after if after[values] != before.get(values)} == CHANGED_PLACES


def test_shell_merges_into_what_spark_wrote(lab: Lab) -> None:
    table, table_id = "items_spark", "lab.items_spark"
    lab.commit(table_id, "r2")
    lab.execute(f"UPDATE lab.{table} SET place = 'quiet', updated_at = '2024-03-01Z' WHERE id <= 20")
    lab.run("shell", table_id, "r3")
    assert lake_rows(lab, table) == source_rows(lab, table)
    assert ("moved",) not in lab.locations(table_id)


def test_run_without_changes_moves_nothing(lab: Lab) -> None:
    table_id = make_items(lab, "calm", is_partitioned=False)
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    lab.execute("DELETE FROM lab.calm WHERE id = 500")
    lab.run("shell", table_id, "r2")
    item = lab.item(table_id, "r2")
    assert (item["rows_read"], item["rows_written"], item["rows_total"]) == (0, 0, 500)
    assert item["location"] == "s3://lake/lab/calm/run_id=r1/"
    assert item["watermark_to"] == item["watermark_from"]


@pytest.mark.parametrize(
    "step", ["batch_create_partition", "batch_update_partition", "batch_delete_partition", "update_table"]
)
def test_run_killed_while_it_switches_is_put_right_by_a_retry(lab: Lab, step: str) -> None:
    table = f"killed_at_{step}"
    table_id = make_items(lab, table)
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    before = lake_rows(lab, table)
    change_items(lab, table)
    lab.execute(f"UPDATE lab.{table} SET place = 'north', updated_at = '2024-02-03Z' WHERE place = 'quiet'")

    killed = run_and_kill(lab, table_id, "r2", step)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    if step == "batch_create_partition":
        assert lake_rows(lab, table) == before
    lab.run("shell", table_id, "r2")
    assert lake_rows(lab, table) == source_rows(lab, table)
    assert lab.item(table_id, "r2")["rows_total"] == 502


def test_run_killed_before_the_switch_leaves_the_old_version(lab: Lab) -> None:
    table_id = make_items(lab, "killed", is_partitioned=False)
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    before = lake_rows(lab, "killed")
    change_items(lab, "killed")
    assert run_and_kill(lab, table_id, "r2", "update_table").returncode == -signal.SIGKILL
    assert lab.versions(table_id) == {"r1", "r2"}
    assert lake_rows(lab, "killed") == before
    lab.run("shell", table_id, "r2")
    assert lake_rows(lab, "killed") == source_rows(lab, "killed")
    assert lab.locations(table_id)[()] == "s3://lake/lab/killed/run_id=r2.attempt-2/"


def test_replay_of_an_old_run_changes_no_row(lab: Lab) -> None:
    table_id = make_items(lab, "replayed")
    for run_id in ("r1", "r2"):
        lab.run("shell", table_id, run_id)
        lab.commit(table_id, run_id)
        change = "ON CONFLICT DO NOTHING"
        lab.execute(f"INSERT INTO lab.replayed VALUES (600, 1, 'x', 'x', NULL, '2024-05-01Z') {change}")
    lab.run("shell", table_id, "r1")
    assert lake_rows(lab, "replayed") == source_rows(lab, "replayed")


def test_only_the_visible_and_the_previous_version_keep_their_files(lab: Lab) -> None:
    table_id = make_items(lab, "kept", load_mode="full", is_partitioned=False)
    for number in range(1, 5):
        lab.run("shell", table_id, f"r{number}")
        lab.commit(table_id, f"r{number}")
    assert lab.versions(table_id) == {"r3", "r4"}


def test_full_load_forgets_deleted_rows_and_their_partitions(lab: Lab) -> None:
    table_id = make_items(lab, "shrinking", load_mode="full")
    lab.run("shell", table_id, "r1")
    lab.execute("DELETE FROM lab.shrinking WHERE place = 'quiet' OR id > 100")
    lab.run("shell", table_id, "r2")
    assert lake_rows(lab, "shrinking") == source_rows(lab, "shrinking")
    assert ("quiet",) not in lab.locations(table_id)


def test_new_structure_version_reads_an_incremental_table_again(lab: Lab) -> None:
    table_id = make_items(lab, "wider", is_partitioned=False)
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    lab.execute("ALTER TABLE lab.wider ADD COLUMN extra integer DEFAULT 7")
    columns = [*_COLUMNS, ("extra", "integer", "int")]
    lab.declare("wider", structure={"version": 2, **structure(columns)}, **_INCREMENTAL)
    lab.run("shell", table_id, "r2")
    assert lab.item(table_id, "r2")["load_mode"] == "full"
    assert {row["extra"] for row in lab.rows(table_id)} == {7}


def test_other_partition_keys_than_the_catalog_has_are_refused(lab: Lab) -> None:
    table_id = make_items(lab, "regrouped")
    lab.run("shell", table_id, "r1")
    lab.declare("regrouped", structure={"version": 2, **structure(_COLUMNS)}, **_INCREMENTAL)
    assert lab.attempt("shell", table_id, "r2").returncode != 0
    assert "is partitioned by ['by_place'], table_structures says []" in lab.item(table_id, "r2")["error"]
    assert lake_rows(lab, "regrouped") == source_rows(lab, "regrouped")


def test_every_part_of_a_split_read_sees_the_same_snapshot(lab: Lab) -> None:
    table_id = make_items(lab, "busy", split_column="id", split_partitions=3)
    before = source_rows(lab, "busy")
    with lab.database.connection() as connection:
        admin = [connection.info.user, connection.info.password]
    result = lab.python("-c", _DISTURBER, table_id, "r1", *admin, python=lab.tools.spark_python)
    assert result.returncode == 0, result.stderr[-3000:]
    assert len(source_rows(lab, "busy")) == len(before) + 100
    assert lake_rows(lab, "busy") == before


@pytest.mark.parametrize("is_partitioned", [False, True])
@pytest.mark.parametrize("engine", ["shell", "spark"])
def test_empty_table_is_registered_with_no_rows(lab: Lab, engine: str, is_partitioned: bool) -> None:
    table = f"empty_{engine}_{is_partitioned}".lower()
    table_id = make_items(lab, table, is_partitioned=is_partitioned)
    lab.execute(f"TRUNCATE lab.{table}")
    lab.run(engine, table_id, "r1")
    assert lab.rows(table_id) == []
    item = lab.item(table_id, "r1")
    assert (item["rows_read"], item["rows_total"], item["watermark_to"]) == (0, 0, None)


def test_table_without_a_key_keeps_its_duplicates(lab: Lab) -> None:
    lab.execute(
        "CREATE TABLE lab.log (line text)",
        "INSERT INTO lab.log VALUES ('a'), ('a'), (NULL), (NULL), ('')",
    )
    table_id = lab.declare("log", structure=structure([("line", "text", "string")]))
    lab.run("shell", table_id, "r1")
    lines = [row["line"] for row in lab.rows(table_id)]
    assert sorted(lines, key=repr) == ["", "a", "a", None, None]


def test_rows_larger_than_a_chunk_arrive_whole(lab: Lab) -> None:
    lab.execute(
        "CREATE TABLE lab.fat (id integer, body text)",
        "INSERT INTO lab.fat SELECT id, repeat(E'\"long\\n', 2000000) FROM generate_series(1, 3) AS id",
    )
    table_id = lab.declare("fat", structure=structure([("id", "integer", "int"), ("body", "text", "string")]))
    lab.run("shell", table_id, "r1")
    assert {row["body"] for row in lab.rows(table_id)} == {'"long\n' * 2000000}


def test_120_columns_arrive(lab: Lab) -> None:
    names = [f"c{number}" for number in range(120)]
    lab.execute(
        f"CREATE TABLE lab.wide ({', '.join(f'{name} integer' for name in names)})",
        f"INSERT INTO lab.wide VALUES ({', '.join(map(str, range(120)))})",
    )
    table_id = lab.declare("wide", structure=structure([(name, "integer", "int") for name in names]))
    lab.run("shell", table_id, "r1")
    (row,) = lab.rows(table_id)
    assert [row[name] for name in names] == list(range(120))


@pytest.mark.parametrize("engine", ["shell", "spark"])
def test_structure_that_differs_names_the_columns_and_keeps_what_landed(lab: Lab, engine: str) -> None:
    table = f"drifted_{engine}"
    table_id = make_items(lab, table)
    lab.run("shell", table_id, "r1")
    before = lake_rows(lab, table)
    lab.execute(
        f"ALTER TABLE lab.{table} ALTER COLUMN part TYPE bigint, ADD COLUMN extra text, DROP COLUMN note"
    )
    result = lab.attempt(engine, table_id, "r2")
    assert result.returncode != 0
    item = lab.item(table_id, "r2")
    assert item["status"] == "FAILED"
    assert item["error"] == (
        f"IngestError: {table_id}: table_structures version 1 does not match the source table "
        f'"lab"."{table}": column \'part\': expected integer, found bigint; '
        "column 'note': expected text, found no such column; "
        "column 'extra': expected no such column, found text."
    )
    assert lake_rows(lab, table) == before
    assert lab.versions(table_id) == {"r1"}


def test_table_that_the_source_lacks_is_named(lab: Lab) -> None:
    table_id = lab.declare("ghost", structure=structure([("id", "integer", "int")]))
    assert lab.attempt("shell", table_id, "r1").returncode != 0
    assert lab.item(table_id, "r1")["error"] == (
        'IngestError: lab.ghost: the source database has no table "lab"."ghost".'
    )


def test_table_without_settings_is_named(lab: Lab) -> None:
    assert lab.attempt("shell", "lab.unknown", "r1").returncode != 0
    error = lab.item("lab.unknown", "r1")["error"]
    assert error == "IngestError: settings has no item for the table_id 'lab.unknown'."


def test_key_that_is_not_one_fails_the_run_and_keeps_what_landed(lab: Lab) -> None:
    table_id = make_items(lab, "unkeyed", key_columns=["part"], is_partitioned=False)
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    before = lake_rows(lab, "unkeyed")
    change_items(lab, "unkeyed")
    assert lab.attempt("shell", table_id, "r2").returncode != 0
    assert "two rows have the same key (part)" in lab.item(table_id, "r2")["error"]
    assert lake_rows(lab, "unkeyed") == before


_KILLER = """
import os, signal, sys
from ingest.arguments import JobArguments
from ingest.aws import Aws
from ingest.run import ingest
from ingest.shell_engine import ShellEngine

aws = Aws.from_environment()
setattr(aws.glue, sys.argv[1], lambda **_: os.kill(os.getpid(), signal.SIGKILL))
arguments = JobArguments("settings", "structures", "runs", "lake", "onprem", sys.argv[2], sys.argv[3])
ingest(arguments, ShellEngine(aws.s3), aws)
"""


_DISTURBER = """
import sys
from ingest import spark_engine
from ingest.arguments import JobArguments
from ingest.aws import Aws
from ingest.run import ingest
from pyspark.sql import SparkSession

table_id, run_id, user, password = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
split = spark_engine.SparkSource._split

def write_before_the_split_read(source, *arguments):
    properties = {"user": user, "password": password}
    connection = spark_engine.SparkEngine._open(source_engine, source._url, properties)
    rows = "SELECT id, 2, 'new', 'new', NULL, now() FROM generate_series(1, 100) AS id"
    connection.createStatement().execute(f"INSERT INTO {table_id} {rows}")
    connection.close()
    return split(source, *arguments)

spark_engine.SparkSource._split = write_before_the_split_read
aws = Aws.from_environment()
source_engine = spark_engine.SparkEngine(spark, aws.s3)
arguments = JobArguments("settings", "structures", "runs", "lake", "onprem", table_id, run_id)
ingest(arguments, source_engine, aws)
"""


def run_and_kill(lab: Lab, table_id: str, run_id: str, step: str) -> subprocess.CompletedProcess[str]:
    """Run the shell engine in a process that is killed when it is about to make a certain catalog call."""
    return lab.python("-c", _KILLER, step, table_id, run_id)
