"""What both jobs make of a source table alike: modes, masks, quarantine, partitions."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest
from ingest_fixtures import MASKING_KEY, RAW, Lab
from ingest_items import (
    counts,
    make_items,
    structure,
)

_PADDED_KEY = bytes.fromhex(MASKING_KEY).ljust(64, b"\0")


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
