"""What the shell job makes of a source table: an Iceberg table, run after run."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import signal
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from ingest_fixtures import INGEST_DATE, MASKING_KEY, RAW, Lab, open_lab
from pyarrow import parquet

_COLUMNS = [
    ("id", "integer", "int"),
    ("part", "integer", "int"),
    ("place", "text", "string"),
    ("note", "text", "string"),
    ("deleted_at", "timestamp with time zone", "timestamptz"),
    ("updated_at", "timestamp with time zone", "timestamptz"),
]
_NAMES = [name for name, _, _ in _COLUMNS]
_INCREMENTAL = {
    "load_mode": "incremental",
    "watermark_column": "updated_at",
    "key_columns": ["id", "part"],
}
_PADDED_KEY = bytes.fromhex(MASKING_KEY).ljust(64, b"\0")
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
    partitions = [{"name": "by_place", "source_name": "place", "transform": "identity"}]
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
        return sorted(connection.execute(f"SELECT {', '.join(_NAMES)} FROM lab.{table}").fetchall())


def lake_rows(lab: Lab, table: str, where: str = "TRUE") -> list[tuple[Any, ...]]:
    return sorted(tuple(row[name] for name in _NAMES) for row in lab.rows(f"lab.{table}", where))


def counts(item: dict[str, Any]) -> tuple[int, ...]:
    names = ("read", "inserted", "updated", "deleted", "total")
    return tuple(int(item[f"rows_{name}"]) for name in names)


def test_incremental_run_updates_moves_and_inserts_rows_by_key(lab: Lab) -> None:
    table_id = make_items(lab, "items")
    lab.run("shell", table_id, "r1")
    assert lake_rows(lab, "items") == source_rows(lab, "items")
    first = lab.item(table_id, "r1")
    assert (first["load_mode"], counts(first)) == ("full", (500, 500, 0, 0, 500))
    lab.commit(table_id, "r1")

    change_items(lab, "items")
    lab.run("shell", table_id, "r2")
    assert lake_rows(lab, "items") == source_rows(lab, "items")
    assert lake_rows(lab, "items", "place = 'moved'") == [
        row for row in source_rows(lab, "items") if row[2] == "moved"
    ]
    item = lab.item(table_id, "r2")
    assert (item["load_mode"], counts(item)) == ("incremental", (7, 2, 5, 0, 502))
    assert (item["watermark_from"], item["watermark_to"]) == (
        "2024-01-01 08:20:00+00",
        "2024-02-03 00:00:00+00",
    )
    lab.commit(table_id, "r2")
    lab.execute("UPDATE lab.items SET place = 'quiet', updated_at = '2024-03-01Z' WHERE id <= 20")
    lab.run("shell", table_id, "r3")
    assert lake_rows(lab, "items") == source_rows(lab, "items")
    assert counts(lab.item(table_id, "r3")) == (20, 0, 20, 0, 502)


def test_run_without_changes_makes_no_snapshot(lab: Lab) -> None:
    table_id = make_items(lab, "calm", is_partitioned=False)
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    lab.run("shell", table_id, "r2")
    item = lab.item(table_id, "r2")
    assert counts(item) == (1, 0, 0, 0, 500)
    assert item["snapshot_id"] == lab.item(table_id, "r1")["snapshot_id"]
    assert item["watermark_to"] == item["watermark_from"]
    lab.commit(table_id, "r2")
    lab.execute("UPDATE lab.calm SET note = NULL WHERE id = 500")
    lab.run("shell", table_id, "r3")
    assert counts(lab.item(table_id, "r3")) == (1, 0, 1, 0, 500)


def test_full_load_forgets_deleted_rows_in_one_snapshot(lab: Lab) -> None:
    table_id = make_items(lab, "shrinking", load_mode="full", watermark_column=None)
    lab.run("shell", table_id, "r1")
    lab.execute("DELETE FROM lab.shrinking WHERE place = 'quiet' OR id > 100")
    lab.run("shell", table_id, "r2")
    assert lake_rows(lab, "shrinking") == source_rows(lab, "shrinking")
    assert counts(lab.item(table_id, "r2")) == (80, 80, 0, 500, 80)
    lab.execute("TRUNCATE lab.shrinking")
    lab.run("shell", table_id, "r3")
    assert lake_rows(lab, "shrinking") == []
    assert len(lab.metadata(table_id)["snapshots"]) == 3


def test_differences_of_a_full_read_are_all_that_is_written(lab: Lab) -> None:
    table_id = make_items(lab, "compared", load_mode="full_diff", watermark_column=None)
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    change_items(lab, "compared")
    lab.execute("DELETE FROM lab.compared WHERE id IN (20, 21, 22)", "ANALYZE lab.compared")
    for run_id, expected in (("r2", (499, 2, 4, 3, 499)), ("r3", (499, 0, 0, 0, 499))):
        lab.run("shell", table_id, run_id, before="import ingest.shell_diff as d; d.PART_BYTES = 1000")
        assert lake_rows(lab, "compared") == source_rows(lab, "compared")
        assert counts(lab.item(table_id, run_id)) == expected
        lab.commit(table_id, run_id)
    assert len(lab.metadata(table_id)["snapshots"]) == 2


def test_appended_rows_are_read_once_and_stay_when_the_source_forgets_them(lab: Lab) -> None:
    lab.execute(
        "CREATE TABLE lab.events (no bigint PRIMARY KEY, what text)",
        "INSERT INTO lab.events SELECT no, 'old' FROM generate_series(1, 100) AS no",
    )
    table_id = lab.declare(
        "events",
        structure=structure([("no", "bigint", "bigint"), ("what", "text", "string")]),
        load_mode="append",
        watermark_column="no",
        key_columns=["no"],
    )
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    lab.execute(
        "DELETE FROM lab.events WHERE no <= 50",
        "INSERT INTO lab.events SELECT no, 'new' FROM generate_series(101, 120) AS no",
    )
    lab.run("shell", table_id, "r2")
    assert counts(lab.item(table_id, "r2")) == (20, 20, 0, 0, 120)
    assert sorted(row["no"] for row in lab.rows(table_id)) == list(range(1, 121))
    # Its watermark was not committed, so it is read again.
    lab.run("shell", table_id, "r3")
    assert counts(lab.item(table_id, "r3")) == (20, 0, 0, 0, 120)


@pytest.mark.parametrize("engine", ["shell", "spark"])
def test_newest_change_of_each_key_wins_and_a_delete_removes_the_row(lab: Lab, engine: str) -> None:
    name = f"changes_{engine}"
    lab.execute(
        f"CREATE TABLE lab.{name} (seq bigint PRIMARY KEY, op char(1) NOT NULL, id integer, note text)",
        f"INSERT INTO lab.{name} VALUES (1, 'I', 1, 'a'), (2, 'I', 2, 'a'), (3, 'U', 1, 'b'), "
        "(4, 'I', 3, 'a'), (5, 'D', 3, NULL)",
    )
    columns = [("seq", "bigint", "bigint"), ("op", "character(1)", "char(1)"), ("id", "integer", "int")]
    table_id = lab.declare(
        name,
        structure=structure([*columns, ("note", "text", "string")]),
        load_mode="change_table",
        change_operation_column="op",
        change_sequence_column="seq",
        key_columns=["id"],
        column_actions={"seq": "drop", "op": "drop"},
        quality_max_rejected=1,
    )
    lab.run(engine, table_id, "r1")
    lab.commit(table_id, "r1")
    assert sorted((row["id"], row["note"]) for row in lab.rows(table_id)) == [(1, "b"), (2, "a")]
    lab.execute(
        f"DELETE FROM lab.{name}",
        f"INSERT INTO lab.{name} VALUES (6, 'D', 2, NULL), (7, 'U', 1, 'c'), (8, 'I', 2, 'd'), "
        "(9, 'D', 2, 'd'), (10, 'I', 4, 'e'), (11, 'X', 5, 'f')",
    )
    lab.run(engine, table_id, "r2")
    assert sorted((row["id"], row["note"]) for row in lab.rows(table_id)) == [(1, "c"), (4, "e")]
    item = lab.item(table_id, "r2")
    assert counts(item) == (4, 1, 1, 1, 2)
    assert (item["rows_quarantined"], item["watermark_to"]) == (1, "11")


@pytest.mark.parametrize("engine", ["shell", "spark"])
def test_overlap_reads_rows_that_were_committed_late(lab: Lab, engine: str) -> None:
    table_id = make_items(lab, f"late_{engine}", watermark_overlap="PT10M")
    lab.run(engine, table_id, "r1")
    lab.commit(table_id, "r1")
    late = "timestamptz '2024-01-01Z' + interval '500 minutes' - interval"
    lab.execute(
        f"INSERT INTO lab.late_{engine} VALUES (601, 1, 'x', 'late', NULL, {late} '5 minutes'), "
        f"(602, 1, 'x', 'too late', NULL, {late} '11 minutes')"
    )
    lab.run(engine, table_id, "r2")
    item = lab.item(table_id, "r2")
    assert (item["load_mode"], item["rows_read"], item["rows_total"]) == ("incremental", 12, 501)
    assert item["rows_inserted"] == 1
    assert {row["note"] for row in lab.rows(table_id, "place = 'x'")} == {"late"}


def test_masked_and_dropped_values_never_reach_the_lake(lab: Lab) -> None:
    actions = {"note": "hash", "place": "tokenise", "deleted_at": "drop"}
    table_id = make_items(lab, "private", is_partitioned=False, column_actions=actions)
    lab.run("shell", table_id, "r1")
    key = bytes.fromhex(MASKING_KEY)
    token = hmac.new(key, b"north", hashlib.sha256).hexdigest()[:32]
    rows = lab.rows(table_id)
    assert {row["note"] for row in rows} == {hashlib.sha256(key + b"first").hexdigest()}
    assert {row["place"] for row in rows if row["id"] % 5 == 0} == {f"tok_{token}"}
    assert {row["place"] for row in rows if row["id"] % 5 == 2} == {None}
    assert set(rows[0]) == {"id", "part", "place", "note", "updated_at"}
    lab.commit(table_id, "r1")
    # Other masks: what was read before has to be read again.
    lab.declare(
        "private", structure=structure(_COLUMNS), **_INCREMENTAL, column_actions={**actions, "place": "hash"}
    )
    lab.run("shell", table_id, "r2")
    assert lab.item(table_id, "r2")["load_mode"] == "full"
    assert {row["place"] for row in lab.rows(table_id) if row["id"] % 5 == 0} == {
        hashlib.sha256(key + b"north").hexdigest()
    }


@pytest.mark.parametrize("engine", ["shell", "spark"])
def test_only_included_columns_reach_the_lake_and_the_quarantine(lab: Lab, engine: str) -> None:
    table_id = make_items(
        lab,
        f"chosen_{engine}",
        is_partitioned=False,
        include_columns=["part", "id", "place", "updated_at"],
        column_actions={"place": "drop"},
        quality_rules=[{"name": "has a note", "check": "note <> ''"}],
        quality_max_rejected=1,
    )
    lab.execute(f"UPDATE lab.chosen_{engine} SET note = '' WHERE id = 7")
    lab.run(engine, table_id, "r1")
    rows = lab.rows(table_id)
    assert {tuple(row) for row in rows} == {("id", "part", "updated_at")}
    assert {row["id"] for row in rows} == set(range(1, 501)) - {7}
    (bad,) = lab.rows("operations.quarantine", f"table_id = '{table_id}'")
    assert bad["rules"] == ["has a note"], "a rule may speak of a column that is left out"
    assert set(json.loads(bad["row"])) == {"id", "part", "updated_at"}


def test_source_that_logs_every_statement_does_not_log_the_masking_key(lab: Lab) -> None:
    inner, outer = (bytes(byte ^ pad for byte in _PADDED_KEY).hex() for pad in (0x36, 0x5C))
    lab.execute("ALTER DATABASE erp SET log_statement = 'all'")
    try:
        for engine in ("shell", "spark"):
            table_id = make_items(lab, f"told_{engine}", column_actions={"note": "hash", "place": "tokenise"})
            lab.run(engine, table_id, "r1")
            assert lab.item(table_id, "r1")["rows_total"] == 500
    finally:
        lab.execute("ALTER DATABASE erp RESET log_statement")
    log = lab.database.log_file.read_text()
    for engine in ("shell", "spark"):
        assert f'FROM "lab"."told_{engine}"' in log, "the query that masks is logged"
    for key in (MASKING_KEY, inner, outer):
        assert key not in log


def test_row_that_leaves_the_filter_leaves_the_lake(lab: Lab) -> None:
    table_id = make_items(lab, "filtered", filter="note <> 'secret' -- not for the lake")
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    lab.execute("UPDATE lab.filtered SET note = 'secret', updated_at = '2024-02-01Z' WHERE id = 7")
    lab.run("shell", table_id, "r2")
    assert counts(lab.item(table_id, "r2")) == (2, 0, 1, 1, 499)
    assert lab.rows(table_id, "id = 7") == []


def test_bad_rows_are_quarantined_with_their_reasons_and_counted(lab: Lab) -> None:
    table_id = make_items(
        lab,
        "ruled",
        quality_rules=[
            {"name": "note is known", "check": "note IN ('first', 'second')"},
            {"name": "small id", "check": "id < 1000"},
        ],
        quality_max_rejected=0.01,
        column_actions={"place": "hash"},
        is_partitioned=False,
    )
    lab.execute("INSERT INTO lab.ruled VALUES (2000, 1, 'north', 'third', NULL, '2024-02-01Z')")
    lab.execute("INSERT INTO lab.ruled VALUES (2001, 1, NULL, NULL, NULL, '2024-02-01Z')")
    lab.run("shell", table_id, "r1")
    item = lab.item(table_id, "r1")
    assert (counts(item), item["rows_quarantined"]) == ((502, 500, 0, 0, 500), 2)
    found = {
        json.loads(row["row"])["id"]: row
        for row in lab.rows("operations.quarantine", f"table_id = '{table_id}'")
    }

    assert {key: row["rules"] for key, row in found.items()} == {
        "2000": ["note is known", "small id"],
        "2001": ["small id"],
    }
    row = json.loads(found["2000"]["row"])
    assert row["place"] == hashlib.sha256(bytes.fromhex(MASKING_KEY) + b"north").hexdigest()
    assert (found["2000"]["table_id"], found["2000"]["run_id"]) == (table_id, "r1")
    lab.commit(table_id, "r1")

    lab.execute("UPDATE lab.ruled SET note = 'fourth', updated_at = '2024-03-01Z' WHERE id <= 400")
    assert lab.attempt("shell", table_id, "r2").returncode != 0
    assert "402 of 402 rows break a quality rule" in lab.item(table_id, "r2")["error"]
    assert len(lab.rows(table_id)) == 500


# Where a run can die, as code that a shell job runs before it starts.
_KILL = "import os, signal; kill = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL); "
_DEATHS = {
    "while it lands": _KILL + "import ingest.run as m; m.write_manifest = kill",
    "before it curates": _KILL + "import ingest.shell_table as m; m.copy_files = kill",
    "before the catalog switches": _KILL
    + "import ingest.shell_table as m; m.Catalog._update_glue_table = kill",
    "before the quarantine": _KILL + "import ingest.run as m; m._Run._append_quarantine = kill",
    "before the item": _KILL + "import ingest.runs as m; m.write_landed = kill",
}


@pytest.mark.parametrize("death", _DEATHS)
def test_retry_of_a_killed_run_neither_loses_nor_doubles_a_row(lab: Lab, death: str) -> None:
    table = f"killed_{death.replace(' ', '_')}"
    rules = [{"name": "note is right", "check": "note <> 'wrong'"}]
    table_id = make_items(lab, table, quality_rules=rules, quality_max_rejected=1)
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    before = lake_rows(lab, table)
    change_items(lab, table)
    lab.execute(f"INSERT INTO lab.{table} VALUES (700, 1, NULL, 'wrong', NULL, '2024-02-01Z')")
    assert lab.attempt("shell", table_id, "r2", before=_DEATHS[death]).returncode == -signal.SIGKILL
    is_visible = death in ("before the quarantine", "before the item")
    if not is_visible:
        assert lake_rows(lab, table) == before

    read_again = lab.run("shell", table_id, "r2", before=_NO_SOURCE if death != "while it lands" else "")
    assert "Traceback" not in read_again
    expected = [row for row in source_rows(lab, table) if row[0] != 700]
    assert lake_rows(lab, table) == expected
    item = lab.item(table_id, "r2")
    assert (counts(item), item["rows_quarantined"]) == ((8, 2, 5, 0, 502), 1)
    assert len(lab.rows("operations.quarantine", f"table_id = '{table_id}'")) == 1
    assert len(lab.metadata(table_id)["snapshots"]) == 2


_NO_SOURCE = "import psycopg; psycopg.connect = None"


def test_landed_rows_that_became_old_are_not_applied_by_a_late_retry(lab: Lab) -> None:
    table_id = make_items(lab, "overtaken")
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    lab.execute("UPDATE lab.overtaken SET note = 'second', updated_at = '2024-02-01Z' WHERE id = 1")
    assert lab.attempt("shell", table_id, "r2", before=_DEATHS["before it curates"]).returncode != 0
    lab.execute("UPDATE lab.overtaken SET note = 'third', updated_at = '2024-02-02Z' WHERE id = 1")
    lab.runs.update_item(
        Key={"table_id": table_id, "run_id": "CURRENT"},
        UpdateExpression="SET lease_until = :past",
        ExpressionAttributeValues={":past": 0},
    )
    lab.run("shell", table_id, "r3")
    lab.commit(table_id, "r3")
    lab.run("shell", table_id, "r2")
    assert lake_rows(lab, "overtaken") == source_rows(lab, "overtaken")
    assert lab.item(table_id, "r2")["raw_location"].endswith("run_id=r2.attempt-2/")


def test_replay_of_an_old_run_changes_nothing(lab: Lab) -> None:
    table_id = make_items(lab, "replayed")
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    change_items(lab, "replayed")
    lab.run("shell", table_id, "r2")
    lab.commit(table_id, "r2")
    snapshot = lab.metadata(table_id)["current-snapshot-id"]
    item = lab.item(table_id, "r1")
    lab.run("shell", table_id, "r1")
    assert lab.metadata(table_id)["current-snapshot-id"] == snapshot
    assert lab.item(table_id, "r1") == item


def test_second_run_at_once_is_told_who_ingests(lab: Lab) -> None:
    table_id = make_items(lab, "wanted", is_partitioned=False)
    lab.runs.put_item(
        Item={
            "table_id": table_id,
            "run_id": "CURRENT",
            "running_run_id": "other",
            "lease_until": int(time.time()) + 60,
        }
    )
    assert lab.attempt("shell", table_id, "r1").returncode != 0
    error = lab.item(table_id, "r1")["error"]
    assert error == f"IngestError: {table_id}: another run, other, is ingesting this table."


def test_commit_of_another_run_in_between_fails_the_run(lab: Lab) -> None:
    """Without the lease, the fence alone must keep two runs apart."""
    table_id = make_items(lab, "raced")
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    change_items(lab, "raced")
    result = lab.attempt("shell", table_id, "r2", before=_RACE.format(table_id=table_id))
    assert result.returncode != 0
    failed = lab.item(table_id, "r2")
    assert failed["error"].startswith("CommitConflictError: lab.raced was changed")
    assert counts(lab.item(table_id, "other")) == (7, 2, 5, 0, 502)
    lab.run("shell", table_id, "r2")
    assert lake_rows(lab, "raced") == source_rows(lab, "raced")
    item = lab.item(table_id, "r2")
    assert counts(item) == (7, 0, 0, 0, 502)
    least = {"duration_seconds": 0, "dpu_seconds": 3, "estimated_cost_usd": 0}
    for name, more in least.items():
        assert item[name] > failed[name] + more, "what the failed attempt took is part of the run's"


_RACE = """
import contextlib, dataclasses
import ingest.lease, ingest.run, ingest.shell_table
from ingest.lease import Lease

@contextlib.contextmanager
def no_lease(table, table_id, run_id):
    yield Lease(table, table_id, run_id, None)

ingest.run.hold = no_lease
commit, prepare = ingest.shell_table.commit, ingest.run._Run.prepare.__func__
runs = []

def remember(cls, arguments, engine, aws):
    runs.append((arguments, engine, aws))
    return prepare(cls, arguments, engine, aws)

def commit_after_another(table, files, properties):
    ingest.shell_table.commit = commit
    arguments, engine, aws = runs[0]
    ingest.run.ingest(dataclasses.replace(arguments, run_id="other"), engine, aws)
    return commit(table, files, properties)

ingest.run._Run.prepare = classmethod(remember)
ingest.shell_table.commit = commit_after_another
"""


def test_catalog_refuses_an_update_of_another_version(lab: Lab) -> None:
    glue = lab.client("glue")
    names = {"DatabaseName": "lab", "TableInput": {"Name": "versioned"}}
    glue.create_table(**names)
    version = glue.get_table(DatabaseName="lab", Name="versioned")["Table"]["VersionId"]
    glue.update_table(**names, VersionId=version)
    with pytest.raises(glue.exceptions.ConcurrentModificationException):
        glue.update_table(**names, VersionId=version)
    glue.update_table(**names)


def test_table_without_a_key_keeps_its_duplicates(lab: Lab) -> None:
    lab.execute(
        "CREATE TABLE lab.log (line text)",
        "INSERT INTO lab.log VALUES ('a'), ('a'), (NULL), (NULL), ('')",
    )
    table_id = lab.declare("log", structure=structure([("line", "text", "string")]))
    for run_id in ("r1", "r2"):
        lab.run("shell", table_id, run_id)
    lines = [row["line"] for row in lab.rows(table_id)]
    assert sorted(lines, key=repr) == ["", "a", "a", None, None]


def test_key_that_is_not_one_fails_the_run_and_keeps_what_is_there(lab: Lab) -> None:
    table_id = make_items(lab, "unkeyed", key_columns=["part"], is_partitioned=False)
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    before = lake_rows(lab, "unkeyed")
    change_items(lab, "unkeyed")
    assert lab.attempt("shell", table_id, "r2").returncode != 0
    assert "two rows have the same key (part)" in lab.item(table_id, "r2")["error"]
    assert lake_rows(lab, "unkeyed") == before


def test_item_tells_what_a_run_did_and_cost(lab: Lab) -> None:
    table_id = make_items(lab, "audited")
    lab.run("shell", table_id, "r1")
    item = lab.item(table_id, "r1")
    raw = f"s3://raw/lab/audited/ingest_date={INGEST_DATE}/run_id=r1/"
    assert (item["raw_location"], item["location"]) == (raw, "s3://curated/lab/audited")
    assert item["bytes_landed"] == item["bytes_curated"] > 0
    assert item["dpu_seconds"] == max(Decimal(60), item["duration_seconds"]) * Decimal("0.0625")
    assert item["estimated_cost_usd"] == (item["dpu_seconds"] * Decimal("0.44") / 3600).quantize(
        Decimal("0.000001")
    )
    assert item["snapshot_id"] == lab.metadata(table_id)["current-snapshot-id"]
    assert (item["structure_version"], item["maintenance_due"], item["status"]) == (1, False, "LANDED")
    assert "running_run_id" not in lab.item(table_id, "CURRENT")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json", "parquet"])
def test_dropped_file_is_merged_by_key_and_its_bad_rows_are_quarantined(lab: Lab, ending: str) -> None:
    table = f"dropped_{ending}"
    table_id = make_items(lab, table, quality_max_rejected=0.5)
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    rows = [
        {"id": 1, "part": 1, "place": "north", "note": "dropped", "updated_at": "2025-01-01T00:00:00Z"},
        {"id": 900, "part": 1, "place": None, "note": "", "updated_at": "2025-01-01T00:00:00Z"},
        {"id": None, "part": 1, "place": None, "note": "no key", "updated_at": "2025-01-01T00:00:00Z"},
    ]
    body = dropped_file(ending, [{**row, "deleted_at": None} for row in rows])
    lab.client("s3").put_object(Bucket=RAW, Key=f"drop/{table_id}/new.{ending}", Body=body)
    lab.run("shell", table_id, "r2", source_file=f"s3://raw/drop/{table_id}/new.{ending}")
    item = lab.item(table_id, "r2")
    assert (item["load_mode"], counts(item), item["rows_quarantined"]) == ("file", (3, 1, 1, 0, 501), 1)
    assert item["watermark_to"] == item["watermark_from"] == "2024-01-01 08:20:00+00"
    merged = {row["id"]: (row["note"], row["updated_at"]) for row in lab.rows(table_id, "id IN (1, 900)")}
    assert merged == {
        1: ("dropped", datetime(2025, 1, 1, tzinfo=UTC)),
        900: ("", datetime(2025, 1, 1, tzinfo=UTC)),
    }
    (bad,) = lab.rows("operations.quarantine", f"table_id = '{table_id}'")
    assert bad["rules"] == ["key is null"]


def test_file_whose_event_comes_twice_is_appended_once(lab: Lab) -> None:
    lab.execute("CREATE TABLE lab.notices (line text)")
    table_id = lab.declare("notices", structure=structure([("line", "text", "string")]))
    location = f"s3://raw/drop/{table_id}/a.csv"

    def drop() -> None:
        lab.client("s3").put_object(Bucket=RAW, Key=f"drop/{table_id}/a.csv", Body=b"line\na\nb\na\n")

    drop()
    lab.run("shell", table_id, "r1", source_file=location)
    lab.commit(table_id, "r1")
    snapshot = lab.metadata(table_id)["current-snapshot-id"]
    lab.run("shell", table_id, "r2", source_file=location)
    item = lab.item(table_id, "r2")
    assert (item["status"], item["load_mode"], counts(item)) == ("LANDED", "file", (0, 0, 0, 0, 3))
    assert lab.metadata(table_id)["current-snapshot-id"] == snapshot

    first = lab.client("s3").head_object(Bucket=RAW, Key=f"drop/{table_id}/a.csv")["LastModified"]
    while lab.client("s3").head_object(Bucket=RAW, Key=f"drop/{table_id}/a.csv")["LastModified"] == first:
        drop()
    lab.run("shell", table_id, "r3", source_file=location)
    assert sorted(row["line"] for row in lab.rows(table_id)) == ["a", "a", "a", "a", "b", "b"]


def dropped_file(ending: str, rows: list[dict[str, Any]]) -> bytes:
    if ending == "json":
        return json.dumps(rows).encode()
    if ending == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if ending == "csv":
        lines = [",".join(rows[0])]
        lines += [",".join("" if v is None else f'"{v}"' for v in row.values()) for row in rows]
        return "\n".join(lines).encode()
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def test_new_structure_versions_change_the_table_in_place(lab: Lab) -> None:
    table_id = make_items(lab, "drifting")
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    ids = field_ids(lab, table_id)
    lab.execute(
        "ALTER TABLE lab.drifting ADD COLUMN extra integer DEFAULT 7, ALTER COLUMN part TYPE bigint",
        "ALTER TABLE lab.drifting RENAME COLUMN note TO remark",
    )
    second = {"part": ("bigint", "bigint"), "remark": ("text", "string"), "extra": ("integer", "int")}
    declare_version(lab, "drifting", 2, second, {"remark": "note"})
    lab.run("shell", table_id, "r2")
    assert lab.item(table_id, "r2")["load_mode"] == "full"
    assert {(row["part"], row["remark"], row["extra"]) for row in lab.rows(table_id)} == {(1, "first", 7)}
    assert field_ids(lab, table_id) == {
        **{name: number for name, number in ids.items() if name != "note"},
        "remark": ids["note"],
        "extra": max(ids.values()) + 1,
    }
    assert field_types(lab, table_id)["part"] == "long"
    lab.commit(table_id, "r2")

    lab.execute(
        "ALTER TABLE lab.drifting DROP COLUMN extra, ALTER COLUMN part TYPE smallint, "
        "ALTER COLUMN remark TYPE integer USING 5"
    )
    declare_version(lab, "drifting", 3, {"part": ("smallint", "smallint"), "remark": ("integer", "int")}, {})
    lab.run("shell", table_id, "r3")
    assert {(row["part"], row["remark"], row["extra"]) for row in lab.rows(table_id)} == {(1, 5, None)}
    assert field_types(lab, table_id)["part"] == "long"
    assert field_ids(lab, table_id)["remark"] == max(ids.values()) + 2


def test_schema_policy_says_which_differences_a_run_takes(lab: Lab) -> None:
    table_id = make_items(lab, "policed")
    lab.run("shell", table_id, "r1")
    lab.commit(table_id, "r1")
    lab.execute(
        "ALTER TABLE lab.policed ADD COLUMN extra integer", "ALTER TABLE lab.policed DROP COLUMN note"
    )
    lab.execute("UPDATE lab.policed SET updated_at = '2024-02-01Z' WHERE id = 7")
    added = "column 'extra': expected no such column, found integer"
    dropped = "column 'note': expected text, found no such column"
    for run_id, policy, differences in (("r2", "strict", f"{dropped}; {added}"), ("r3", "additive", dropped)):
        declare_version(lab, "policed", 1, {}, {}, schema_policy=policy)
        assert lab.attempt("shell", table_id, run_id).returncode != 0
        assert lab.item(table_id, run_id)["error"] == (
            f"IngestError: {table_id}: table_structures version 1 does not match the source table "
            f'"lab"."policed": {differences}.'
        )
    declare_version(lab, "policed", 1, {}, {}, schema_policy="permissive")
    lab.run("shell", table_id, "r4")
    assert {row["id"] for row in lab.rows(table_id, "note IS NULL")} == {7, 500}


@pytest.mark.parametrize("engine", ["shell", "spark"])
def test_rows_that_no_longer_fit_are_quarantined_where_the_policy_is_permissive(
    lab: Lab, engine: str
) -> None:
    name = f"loosened_{engine}"
    lab.execute(
        f"CREATE TABLE lab.{name} (id integer PRIMARY KEY, amount numeric(7,2), day date, tags integer[], "
        "code char(3))",
        f"INSERT INTO lab.{name} SELECT id, 1, '2024-01-01', '{{1}}', 'abc' FROM generate_series(1, 7) AS id",
    )
    columns = [
        ("id", "integer", "int"),
        ("amount", "numeric(7,2)", "decimal(7,2)"),
        ("day", "date", "date"),
        ("tags", "integer[]", "array<int>"),
        ("code", "character(3)", "char(3)"),
    ]
    table_id = lab.declare(
        name,
        structure=structure(columns),
        key_columns=["id"],
        schema_policy="permissive",
        quality_max_rejected=1,
    )
    lab.run(engine, table_id, "r1")
    lab.commit(table_id, "r1")
    lab.execute(
        f"ALTER TABLE lab.{name} ALTER amount TYPE text, ALTER day TYPE text, ALTER tags TYPE text, "
        "ALTER code TYPE text",
        f"UPDATE lab.{name} SET amount = '12.345' WHERE id = 1",
        f"UPDATE lab.{name} SET amount = 'many', day = 'soon' WHERE id = 2",
        f"UPDATE lab.{name} SET tags = '{{1,x}}', code = 'abcd' WHERE id = 3",
        f"UPDATE lab.{name} SET amount = ' 7.5', day = '2024-02-29', tags = '{{3,NULL}}' WHERE id = 4",
        f"UPDATE lab.{name} SET amount = NULL, day = NULL, tags = NULL WHERE id = 5",
    )
    lab.run(engine, table_id, "r2")
    found = {row["id"]: (row["amount"], row["day"], row["tags"]) for row in lab.rows(table_id)}
    as_before = (Decimal("1.00"), date(2024, 1, 1), [1])
    assert found == {
        4: (Decimal("7.50"), date(2024, 2, 29), [3, None]),
        5: (None, None, None),
        6: as_before,
        7: as_before,
    }
    bad = {
        json.loads(row["row"])["id"]: (sorted(row["rules"]), json.loads(row["row"])["amount"])
        for row in lab.rows("operations.quarantine", f"table_id = '{table_id}'")
    }
    assert bad == {
        "1": (["type of amount"], "12.345"),
        "2": (["type of amount", "type of day"], "many"),
        "3": (["type of code", "type of tags"], "1.00"),
    }


def declare_version(
    lab: Lab,
    table: str,
    version: int,
    changes: dict[str, tuple[str, str]],
    renamed: dict[str, str],
    **overrides: Any,
) -> None:
    """A version of the structure with columns that have other types, are new, or have another name."""
    kinds = {name: (kind, catalog) for name, kind, catalog in _COLUMNS}
    if "remark" in changes:
        del kinds["note"]
    columns = structure([(name, *kind) for name, kind in {**kinds, **changes}.items()])["columns"]
    for column in columns:
        column["renamed_from"] = renamed.get(column["name"])
    partitions = [{"name": "by_place", "source_name": "place", "transform": "identity"}]
    declared = {"version": version, "columns": columns, "partitions": partitions}
    lab.declare(table, structure=declared, **{**_INCREMENTAL, **overrides})


def field_ids(lab: Lab, table_id: str) -> dict[str, int]:
    return {field["name"]: field["id"] for field in current_fields(lab, table_id)}


def field_types(lab: Lab, table_id: str) -> dict[str, str]:
    return {field["name"]: field["type"] for field in current_fields(lab, table_id)}


def current_fields(lab: Lab, table_id: str) -> list[dict[str, Any]]:
    metadata = lab.metadata(table_id)
    (schema,) = [one for one in metadata["schemas"] if one["schema-id"] == metadata["current-schema-id"]]
    fields: list[dict[str, Any]] = schema["fields"]
    return fields


@pytest.mark.parametrize("engine", ["shell", "spark"])
def test_partitions_are_those_of_icebergs_transforms(lab: Lab, engine: str) -> None:
    table = f"split_{engine}"
    lab.execute(
        f"CREATE TABLE lab.{table} (id bigint PRIMARY KEY, name text, day date, moment timestamptz, "
        "until date)",
        f"INSERT INTO lab.{table} SELECT id, 'name ' || id % 7, date '2023-12-30' + id % 5, "
        "timestamptz '2023-12-30 22:00Z' + id % 5 * interval '1 hour', date '2023-12-30' + id % 5 "
        "FROM generate_series(1, 50) AS id",
        f"INSERT INTO lab.{table} VALUES (51)",
    )
    columns = [
        ("id", "bigint", "bigint"),
        ("name", "text", "string"),
        ("day", "date", "date"),
        ("moment", "timestamp with time zone", "timestamptz"),
        ("until", "date", "date"),
    ]
    partitions = [
        {"name": "id_bucket", "source_name": "id", "transform": "bucket[3]"},
        {"name": "name_start", "source_name": "name", "transform": "truncate[6]"},
        {"name": "day_year", "source_name": "day", "transform": "year"},
        {"name": "until_month", "source_name": "until", "transform": "month"},
        {"name": "moment_day", "source_name": "moment", "transform": "day"},
    ]
    table_id = lab.declare(table, structure=structure(columns, partitions))
    lab.run(engine, table_id, "r1")
    assert sorted(row["id"] for row in lab.rows(table_id)) == list(range(1, 52))
    key = next(one for one in lab.objects(RAW, f"lab/{table}/") if one.endswith("_manifest.json"))
    files = json.loads(lab.client("s3").get_object(Bucket=RAW, Key=key)["Body"].read())["files"]
    assert sum(file["rows"] for file in files) == 51
    empty = [one["partition"] for one in files if one["partition"]["name_start"] is None]
    assert [(one["day_year"], one["moment_day"]) for one in empty] == [(None, None)]
    assert {file["partition"]["day_year"] for file in files} == {53, 54, None}
    assert {file["partition"]["until_month"] for file in files} == {647, 648, None}
    assert {file["partition"]["moment_day"] for file in files} == {19721, 19722, None}
    for name in ("day = DATE '2024-01-01'", "name = 'name 3'", "id = 17"):
        assert len(lab.rows(table_id, name)) == {"d": 10, "n": 7, "i": 1}[name[0]]
