"""What the shell job makes of a run that died, came too late, came twice or met another one."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from ingest_fixtures import RAW, Lab, open_lab
from ingest_items import (
    change_items,
    counts,
    lake_rows,
    make_items,
    source_rows,
    structure,
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("ingest")) as lab:
        yield lab


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
