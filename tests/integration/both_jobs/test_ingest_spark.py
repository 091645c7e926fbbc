"""What the Spark job makes of a source table."""

from __future__ import annotations

import json

from ingest_fixtures import Lab
from ingest_items import change_items, counts, lake_rows, make_items, source_rows, structure

# Bytes of a row of which thirty are more than a worker of this test has room for.
WIDE = 4 * 1024**2

# Somebody commits to the table after the run has merged, and before it publishes.
MEDDLES = """
from ingest.spark_tables import SparkTables
def execute(self, statement, properties, execute=SparkTables.execute):
    execute(self, statement, properties)
    self._spark.sql("DELETE FROM glue_catalog.lab.raced WHERE id = 1")
SparkTables.execute = execute
"""


def history(lab: Lab, table_id: str) -> list[dict[str, str]]:
    """Summaries of the current snapshot and of those it came from, the oldest first; no branch is left."""
    metadata = lab.metadata(table_id)
    assert list(metadata["refs"]) == ["main"]
    snapshots = {snapshot["snapshot-id"]: snapshot for snapshot in metadata["snapshots"]}
    found, snapshot = [], snapshots[metadata["current-snapshot-id"]]
    while snapshot:
        found.insert(0, snapshot["summary"])
        snapshot = snapshots.get(snapshot.get("parent-snapshot-id"))
    return found


def test_merge_updates_moves_inserts_and_deletes_rows_by_key_in_one_snapshot(lab: Lab) -> None:
    table_id = make_items(lab, "merged", filter="deleted_at IS NULL", split_column="id", split_partitions=2)
    lab.run("spark", table_id, "r1")
    lab.commit(table_id, "r1")
    change_items(lab, "merged")
    lab.run("spark", table_id, "r2")

    assert lake_rows(lab, "merged") == [row for row in source_rows(lab, "merged") if row[4] is None]
    item = lab.item(table_id, "r2")
    assert (item["load_mode"], counts(item)) == ("incremental", (7, 2, 4, 1, 501))
    first, second = history(lab, table_id)
    assert (first["millpond.run-id"], second["millpond.run-id"]) == ("r1", "r2")
    assert second["millpond.watermark-to"] == "2024-02-03 00:00:00+00"
    assert (second["added-records"], second["added-position-deletes"]) == ("6", "5")

    lab.run("spark", table_id, "r2")
    lab.commit(table_id, "r2")
    lab.run("spark", table_id, "r3")
    read, *changed = counts(lab.item(table_id, "r3"))
    assert read > 0, "rows at the watermark are read again"
    assert changed == [0, 0, 0, 501]
    lab.commit(table_id, "r3")
    lab.execute("DELETE FROM lab.merged WHERE place = 'moved'")
    lab.run("spark", table_id, "r4")
    assert counts(lab.item(table_id, "r4")) == (0, 0, 0, 0, 501)
    assert len(history(lab, table_id)) == 2, "a replay, and a run without changes, make no snapshot"


def test_change_that_meets_another_one_is_refused_and_leaves_nothing(lab: Lab) -> None:
    table_id = make_items(lab, "raced", is_partitioned=False)
    lab.run("spark", table_id, "r1")
    lab.commit(table_id, "r1")
    change_items(lab, "raced")
    result = lab.attempt("spark", table_id, "r2", before=MEDDLES)
    assert result.returncode == 1
    assert "lab.raced changed while the run was at work" in lab.item(table_id, "r2")["error"]
    assert [summary.get("millpond.run-id") for summary in history(lab, table_id)] == ["r1", None]
    lab.run("spark", table_id, "r2")
    assert lake_rows(lab, "raced") == source_rows(lab, "raced"), "what somebody else did is read anew"


def test_wide_rows_do_not_exhaust_a_small_heap(lab: Lab) -> None:
    lab.execute(
        "CREATE TABLE lab.wide (id integer PRIMARY KEY, body text)",
        f"INSERT INTO lab.wide SELECT id, repeat('0123456789abcdef', {WIDE // 16}) "
        "FROM generate_series(1, 200) AS id",
    )
    columns = [("id", "integer", "int"), ("body", "text", "string")]
    table_id = lab.declare(
        "wide",
        structure=structure(columns),
        fetch_size=10_000,
        split_column="id",
        split_partitions=2,
    )
    lab.run("spark", table_id, "r1")
    item = lab.item(table_id, "r1")
    assert (item["rows_read"], item["rows_total"]) == (200, 200)
    assert lab.rows(table_id, f"length(body) <> {WIDE} OR id NOT BETWEEN 1 AND 200") == []


def test_full_diff_merges_only_what_differs(lab: Lab) -> None:
    table_id = make_items(lab, "compared", load_mode="full_diff", watermark_column=None)
    lab.run("spark", table_id, "r1")
    change_items(lab, "compared")
    lab.execute("DELETE FROM lab.compared WHERE id IN (20, 21)")
    lab.run("spark", table_id, "r2")
    assert lake_rows(lab, "compared") == source_rows(lab, "compared")
    item = lab.item(table_id, "r2")
    assert (item["load_mode"], counts(item)) == ("full_diff", (500, 2, 4, 2, 500))
    lab.run("spark", table_id, "r3")
    assert lab.item(table_id, "r3")["snapshot_id"] == item["snapshot_id"]


def test_bad_rows_go_to_quarantine_and_structure_is_followed(lab: Lab) -> None:
    settings = {
        "load_mode": "full",
        "watermark_column": None,
        "key_columns": ["id", "part"],
        "quality_max_rejected": 1,
        "column_actions": {"place": "tokenise"},
    }
    rules = [{"name": "has a note", "check": "note <> ''"}]
    table_id = make_items(lab, "checked", **settings, quality_rules=rules)
    lab.execute("UPDATE lab.checked SET note = '' WHERE id = 7")
    lab.run("spark", table_id, "r1")
    assert counts(lab.item(table_id, "r1")) == (500, 499, 0, 0, 499)
    (bad,) = lab.rows("operations.quarantine", f"table_id = '{table_id}'")
    assert (bad["run_id"], bad["rules"]) == ("r1", ["has a note"])
    assert json.loads(bad["row"])["id"] == "7"
    lab.run("spark", table_id, "r1")
    assert len(lab.rows("operations.quarantine", f"table_id = '{table_id}'")) == 1

    lab.execute(
        "ALTER TABLE lab.checked ADD COLUMN extra integer[] DEFAULT '{1,NULL}'",
        "ALTER TABLE lab.checked ALTER COLUMN part TYPE bigint",
        "ALTER TABLE lab.checked RENAME COLUMN note TO remark",
    )
    columns = [
        ("id", "integer", "int"),
        ("part", "bigint", "bigint"),
        ("place", "text", "string"),
        ("remark", "text", "string"),
        ("deleted_at", "timestamp with time zone", "timestamptz"),
        ("updated_at", "timestamp with time zone", "timestamptz"),
        ("extra", "integer[]", "array<int>"),
    ]
    made = structure(columns, [{"name": "by_place", "source_name": "place", "transform": "identity"}])
    made["columns"][3]["renamed_from"] = "note"
    made["version"] = 2
    rules = [{"name": "has a remark", "check": "remark <> ''"}]
    lab.declare("checked", structure=made, **settings, quality_rules=rules)
    lab.run("spark", table_id, "r2")
    fields = {field["name"]: field for field in lab.metadata(table_id)["schemas"][-1]["fields"]}
    assert (fields["part"]["type"], fields["remark"]["id"]) == ("long", 4)
    assert {tuple(row["extra"]) for row in lab.rows(table_id)} == {(1, None)}
