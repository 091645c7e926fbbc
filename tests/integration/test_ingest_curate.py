"""What the shell job makes of a source table: an Iceberg table, run after run."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from ingest_fixtures import INGEST_DATE, MASKING_KEY, RAW, Lab, open_lab
from ingest_items import (
    COLUMNS,
    INCREMENTAL,
    change_items,
    counts,
    declare_version,
    field_ids,
    field_types,
    lake_rows,
    make_items,
    source_rows,
    structure,
)
from pyarrow import parquet


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("ingest")) as lab:
        yield lab


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
        "private", structure=structure(COLUMNS), **INCREMENTAL, column_actions={**actions, "place": "hash"}
    )
    lab.run("shell", table_id, "r2")
    assert lab.item(table_id, "r2")["load_mode"] == "full"
    assert {row["place"] for row in lab.rows(table_id) if row["id"] % 5 == 0} == {
        hashlib.sha256(key + b"north").hexdigest()
    }


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
