"""Iceberg tables through Athena on the real engine; pyiceberg makes them, and reads what Athena writes."""

from __future__ import annotations

import base64
import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from athena_fixtures import BUCKET, Lake
from engine_fixtures import RunningEngine
from iceberg_fixtures import add_equality_delete, add_position_delete, iceberg_catalog
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.expressions import EqualTo
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation
from pyiceberg.types import (
    BinaryType,
    DecimalType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
)

from millpond.planes.athena.exceptions import QueryFailed
from millpond.planes.athena.iceberg.commit import FileChange, commit_files

MOMENT = dt.datetime(2024, 5, 6, 7, 8, 9, 123999)


@pytest.fixture(scope="module")
def lake(running_engine: RunningEngine) -> Lake:
    return Lake(running_engine)


@pytest.fixture(scope="module")
def catalog(lake: Lake) -> GlueCatalog:
    return iceberg_catalog(lake)


def _create(lake: Lake, name: str, columns: str, more: str = "", **properties: str) -> None:
    given = ", ".join(f"'{key}'='{value}'" for key, value in {"table_type": "ICEBERG", **properties}.items())
    location = f"s3://{BUCKET}/warehouse/{name}/"
    lake.rows(f"CREATE TABLE {name} ({columns}) {more} LOCATION '{location}' TBLPROPERTIES ({given})")


def _load(catalog: GlueCatalog, name: str) -> Table:
    return catalog.load_table(("lake", name))


def _ids(table: Table, **scan: Any) -> list[int]:
    """What pyiceberg finds."""
    return sorted(table.scan(**scan).to_arrow().column("id").to_pylist())


def _snapshots(lake: Lake, name: str) -> list[str | None]:
    rows = lake.rows(f'SELECT operation FROM "{name}$snapshots" ORDER BY committed_at')
    return [operation for (operation,) in rows]


def test_values_of_every_type_come_out_as_athena_writes_them(lake: Lake, catalog: GlueCatalog) -> None:
    pair = StructType(NestedField(20, "a", IntegerType()), NestedField(21, "b", StringType()))
    schema = Schema(
        NestedField(1, "at", TimestampType()),
        NestedField(2, "zoned", TimestamptzType()),
        NestedField(3, "price", DecimalType(38, 10)),
        NestedField(4, "tags", ListType(22, StringType(), element_required=False)),
        NestedField(5, "pair", pair),
        NestedField(6, "counts", MapType(23, StringType(), 24, LongType(), value_required=False)),
        NestedField(7, "bytes", BinaryType()),
        NestedField(8, "moments", ListType(25, TimestamptzType(), element_required=False)),
    )
    table = catalog.create_table(("lake", "typed"), schema, f"s3://{BUCKET}/warehouse/typed")
    utc = MOMENT.replace(tzinfo=dt.UTC)
    row = {
        "at": MOMENT,
        "zoned": utc,
        "price": Decimal("12345678901234567890.0123456789"),
        "tags": ["x", None],
        "pair": {"a": 1, "b": None},
        "counts": {"k": 7},
        "bytes": b"\x00\xff",
        "moments": [utc],
    }
    table.append(pa.Table.from_pylist([row, dict.fromkeys(row)], schema=table.schema().as_arrow()))
    answer = lake.ask("SELECT * FROM typed ORDER BY at NULLS LAST")
    assert answer.rows == [
        (
            "2024-05-06 07:08:09.123999",
            "2024-05-06 07:08:09.123999 UTC",
            "12345678901234567890.0123456789",
            "[x, null]",
            "{a=1, b=null}",
            "{k=7}",
            "00 ff",
            "[2024-05-06 07:08:09.123999 UTC]",
        ),
        (None,) * 8,
    ]
    assert [column["Type"] for column in answer.columns] == [
        "timestamp",
        "timestamp with time zone",
        "decimal",
        "array",
        "row",
        "map",
        "varbinary",
        "array",
    ]
    text = "2024-05-06 07:08:09.123999"
    assert lake.rows(
        f"SELECT CAST(at AS varchar), CAST(zoned AS varchar), at + interval '1' day FROM typed "
        f"WHERE zoned = TIMESTAMP '{text} UTC' AND at > TIMESTAMP '2024-05-06 07:08:09.123998'"
    ) == [(text, f"{text} UTC", "2024-05-07 07:08:09.123999")]


def test_columns_follow_their_ids_whatever_they_were_called(lake: Lake, catalog: GlueCatalog) -> None:
    _create(lake, "evolved", "id int, name string, gone string, pair struct<a:int,b:string>")
    lake.rows(
        "INSERT INTO evolved VALUES (1, 'one', 'lost', CAST(row(10, 'x') AS row(a integer, b varchar)))"
    )
    before = lake.rows('SELECT max(snapshot_id) FROM "evolved$snapshots"')[0][0]
    for change in (
        "CHANGE COLUMN id id bigint",
        "CHANGE COLUMN name label string COMMENT 'was name'",
        "DROP COLUMN gone",
        "ADD COLUMNS (gone int, name string)",
    ):
        lake.rows(f"ALTER TABLE evolved {change}")
    with _load(catalog, "evolved").update_schema() as update:
        update.rename_column("pair.a", "first").add_column(("pair", "c"), StringType()).move_first("label")
    lake.rows(
        "INSERT INTO evolved (label, id, gone, pair) VALUES ('two', 3000000000, 5, "
        "CAST(row(20, 'y', 'z') AS row(first integer, b varchar, c varchar)))"
    )
    assert lake.rows("SELECT label, id, gone, name, pair, pair.first FROM evolved ORDER BY id") == [
        ("one", "1", None, None, "{first=10, b=x, c=null}", "10"),
        ("two", "3000000000", "5", None, "{first=20, b=y, c=z}", "20"),
    ]
    old = lake.ask(f"SELECT * FROM evolved FOR VERSION AS OF {before}")
    assert [column["Name"] for column in old.columns] == ["id", "name", "gone", "pair"]
    assert old.rows == [("1", "one", "lost", "{a=10, b=x}")]
    assert "Cannot change column type" in lake.reason("ALTER TABLE evolved CHANGE COLUMN id id string")


def test_files_that_cannot_hold_a_row_are_not_read(lake: Lake) -> None:
    _create(lake, "pruned", "id bigint, at timestamp, t string", "PARTITIONED BY (month(at))")
    lake.rows(
        "INSERT INTO pruned SELECT 1000 * m + n, date_add('month', m - 1, TIMESTAMP '2024-01-01 00:00:00')"
        " + interval '1' hour * n, CAST(n * 7919 AS varchar) "
        "FROM unnest(sequence(1, 4)) AS a(m) CROSS JOIN unnest(sequence(0, 499)) AS b(n)"
    )
    scanned = {}
    for name, condition in {
        "all": "true",
        "month": "at >= TIMESTAMP '2024-03-01 00:00:00' AND at < TIMESTAMP '2024-04-01 00:00:00'",
        "bounds": "id BETWEEN 2000 AND 2499",
        "turned": "TIMESTAMP '2024-02-01 00:00:00' > at",
        "none": "id IN (-1, 99999)",
    }.items():
        answer = lake.ask(f"SELECT count(*), sum(length(t)) FROM pruned WHERE {condition}")
        assert answer.rows[0][0] == {"all": "2000", "none": "0"}.get(name, "500")
        scanned[name] = answer.scanned
    assert scanned["none"] == 0
    assert max(scanned[name] for name in ("month", "bounds", "turned")) < scanned["all"] / 2


def test_deletes_by_position_and_by_value_hit_the_rows_that_were_there_before(
    lake: Lake, catalog: GlueCatalog
) -> None:
    _create(lake, "deleted", "id bigint, name string")
    lake.rows("INSERT INTO deleted VALUES (1, 'a'), (2, 'b'), (3, NULL), (4, 'd'), (5, NULL)")
    table = _load(catalog, "deleted")
    add_position_delete(lake, table, [0])
    add_equality_delete(lake, _load(catalog, "deleted"), {"name": [None, "d"]})
    add_equality_delete(lake, _load(catalog, "deleted"), {"id": [77]})
    lake.rows("INSERT INTO deleted VALUES (6, NULL), (7, 'd')")
    assert lake.rows("SELECT id FROM deleted ORDER BY id") == [("2",), ("6",), ("7",)]
    assert lake.rows("SELECT count(*) FROM deleted WHERE id < 6") == [("1",)]
    assert lake.rows('SELECT content, count(*) FROM "deleted$files" GROUP BY 1 ORDER BY 1') == [
        ("0", "2"),
        ("1", "1"),
        ("2", "2"),
    ]
    lake.rows("ALTER TABLE deleted SET TBLPROPERTIES ('optimize_rewrite_delete_file_threshold'='1')")
    lake.rows("OPTIMIZE deleted REWRITE DATA USING BIN_PACK")
    assert lake.rows('SELECT content, sum(record_count) FROM "deleted$files" GROUP BY 1') == [("0", "3")]
    assert _ids(_load(catalog, "deleted")) == [2, 6, 7]


def test_the_past_is_found_by_snapshot_by_moment_and_by_name(lake: Lake, catalog: GlueCatalog) -> None:
    _create(lake, "travelled", "id bigint")
    for number in (1, 2, 3):
        lake.rows(f"INSERT INTO travelled VALUES ({number})")
    history = lake.rows(
        'SELECT snapshot_id, made_current_at FROM "travelled$history" ORDER BY made_current_at'
    )
    first, second, _ = history
    _load(catalog, "travelled").manage_snapshots().create_tag(int(first[0] or 0), "start").commit()
    counted = "SELECT count(*) FROM travelled FOR"
    assert lake.rows(f"{counted} VERSION AS OF {second[0]} AS t") == [("2",)]
    assert lake.rows(f"{counted} VERSION AS OF 'start'") == [("1",)]
    assert lake.rows(f"{counted} TIMESTAMP AS OF TIMESTAMP '{second[1]}'") == [("2",)]
    assert lake.rows(f"{counted} TIMESTAMP AS OF current_timestamp + interval '1' hour") == [("3",)]
    assert lake.rows('SELECT name, type FROM "travelled$refs" ORDER BY 1') == [
        ("main", "BRANCH"),
        ("start", "TAG"),
    ]
    assert lake.reason(f"{counted} VERSION AS OF 5").startswith("INVALID_ARGUMENTS")
    too_early = lake.reason(f"{counted} TIMESTAMP AS OF TIMESTAMP '2020-01-01 00:00:00 UTC'")
    assert "No version history table lake.travelled at or before 2020-01-01T00:00:00.000Z" in too_early


def test_metadata_tables_tell_of_files_manifests_and_partitions(lake: Lake) -> None:
    _create(lake, "told", "id bigint, at timestamp, d date", "PARTITIONED BY (month(at), d)")
    lake.rows(
        "INSERT INTO told SELECT i, TIMESTAMP '2024-01-31 00:00:00' + interval '1' day * i, "
        "DATE '2024-07-01' FROM unnest(sequence(0, 9)) AS t(i)"
    )
    assert lake.rows(
        "SELECT partition.at_month, partition.d, record_count, file_count, data.id.min, data.id.max "
        'FROM "told$partitions" ORDER BY 1'
    ) == [("648", "2024-07-01", "1", "1", "0", "0"), ("649", "2024-07-01", "9", "1", "1", "9")]
    assert lake.rows(
        'SELECT file_format, record_count, value_counts[1], lower_bounds[1] FROM "told$files" ORDER BY 2'
    ) == [("PARQUET", "1", "1", "0"), ("PARQUET", "9", "9", "1")]
    assert lake.rows(
        "SELECT added_data_files_count, added_rows_count, partition_summaries[1].upper_bound "
        'FROM "told$manifests"'
    ) == [("2", "10", "649")]
    assert lake.rows("SELECT summary['added-records'] FROM \"told$snapshots\"") == [("10",)]
    assert lake.reason('SELECT * FROM "told$sizes"').startswith("TABLE_NOT_FOUND")


def test_every_change_of_rows_is_one_snapshot_that_other_readers_understand(
    lake: Lake, catalog: GlueCatalog
) -> None:
    columns = "id bigint, name string, price decimal(9,2), at timestamp"
    _create(lake, "changed", columns, "PARTITIONED BY (bucket(4, id), truncate(1, name))")
    lake.rows(
        "INSERT INTO changed SELECT i, 'n' || CAST(i AS varchar), i, TIMESTAMP '2024-01-01 00:00:00.000001' "
        "FROM unnest(sequence(1, 40)) AS t(i)"
    )
    deleted = lake.ask("DELETE FROM changed WHERE id BETWEEN 10 AND 12 OR name = 'n40'")
    results = lake.athena.get_query_results(QueryExecutionId=deleted.execution["QueryExecutionId"])
    assert results["UpdateCount"] == 4
    lake.rows("DELETE FROM changed WHERE id = 999")
    lake.rows("UPDATE changed SET name = upper(name), price = price / 2 WHERE id % 2 = 1 AND id < 5")
    lake.rows(
        "MERGE INTO changed AS t USING (VALUES (5, 'five'), (6, 'gone'), (100, 'new')) AS s (k, v) "
        "ON t.id = s.k WHEN MATCHED AND s.v = 'gone' THEN DELETE "
        "WHEN MATCHED THEN UPDATE SET name = s.v, price = t.price + 1 "
        "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.k, s.v)"
    )
    assert _snapshots(lake, "changed") == ["append", "delete", "overwrite", "overwrite"]
    expected = sorted({*range(1, 41), 100} - {6, 10, 11, 12, 40})
    assert [int(i or 0) for (i,) in lake.rows("SELECT id FROM changed ORDER BY id")] == expected
    table = _load(catalog, "changed")
    assert _ids(table) == expected
    assert _ids(table, row_filter=EqualTo("id", 7)) == [7]
    assert lake.rows("SELECT name, price FROM changed WHERE id IN (3, 5, 100) ORDER BY id") == [
        ("N3", "1.50"),
        ("five", "6.00"),
        ("new", None),
    ]
    twice = "MERGE INTO changed t USING (VALUES 1, 1) AS s (k) ON t.id = s.k WHEN MATCHED THEN DELETE"
    assert lake.reason(twice).startswith("MERGE_TARGET_ROW_MULTIPLE_MATCHES")
    assert lake.reason("UPDATE changed SET price = 'x' WHERE id = 1").startswith("TYPE_MISMATCH")
    lake.rows("DELETE FROM changed")
    assert lake.rows('SELECT count(*) FROM "changed$files"') == [("0",)]


def test_a_change_that_somebody_else_overtook_is_not_committed(lake: Lake, catalog: GlueCatalog) -> None:
    _create(lake, "raced", "id bigint")
    lake.rows("INSERT INTO raced VALUES (1), (2)")
    stale = _load(catalog, "raced")
    (task,) = stale.scan().plan_files()
    lake.rows("INSERT INTO raced VALUES (3)")
    with pytest.raises(QueryFailed, match="ICEBERG_COMMIT_ERROR"):
        commit_files(stale, Operation.DELETE, FileChange(removed=[task.file]))
    assert lake.rows("SELECT count(*) FROM raced") == [("3",)]


def test_optimize_and_vacuum_leave_the_rows_and_no_file_too_many(lake: Lake, catalog: GlueCatalog) -> None:
    _create(lake, "kept", "id bigint, day date", "PARTITIONED BY (day)", vacuum_max_snapshot_age_seconds="0")
    for number in range(1, 7):
        lake.rows(f"INSERT INTO kept VALUES ({number}, DATE '2024-01-01'), ({number}, DATE '2024-01-02')")
    lake.s3.put_object(Bucket=BUCKET, Key="warehouse/kept/data/left-over.parquet", Body=b"x")
    files = 'SELECT count(*) FROM "kept$files"'
    assert lake.reason("OPTIMIZE kept REWRITE DATA USING BIN_PACK WHERE id = 1").startswith("NOT_SUPPORTED")
    lake.rows("OPTIMIZE kept REWRITE DATA USING BIN_PACK WHERE day = DATE '2024-01-01'")
    assert lake.rows(files) == [("7",)]
    lake.rows("OPTIMIZE kept REWRITE DATA USING BIN_PACK")
    assert lake.rows(files) == [("2",)]
    lake.rows("OPTIMIZE kept REWRITE DATA USING BIN_PACK")
    assert _snapshots(lake, "kept") == [*["append"] * 6, "replace", "replace"]
    lake.rows("VACUUM kept")
    assert _snapshots(lake, "kept") == ["replace"]
    listed = lake.s3.list_objects_v2(Bucket=BUCKET, Prefix="warehouse/kept/data/")["Contents"]
    assert len(listed) == 2
    assert _ids(_load(catalog, "kept")) == sorted([*range(1, 7), *range(1, 7)])
    lake.rows("ALTER TABLE kept UNSET TBLPROPERTIES ('vacuum_max_snapshot_age_seconds')")
    lake.rows("INSERT INTO kept VALUES (9, NULL)")
    lake.rows("VACUUM kept")
    assert _snapshots(lake, "kept") == ["replace", "append"]


def test_a_table_that_was_never_written_says_so_as_old_readers_take_it(lake: Lake) -> None:
    end = f"LOCATION 's3://{BUCKET}/warehouse/fresh/' TBLPROPERTIES ('table_type'='ICEBERG')"
    lake.rows(f"CREATE TABLE fresh (a int) {end}")
    table = lake.glue.get_table(DatabaseName="lake", Name="fresh")["Table"]
    key = table["Parameters"]["metadata_location"].removeprefix(f"s3://{BUCKET}/")
    assert json.load(lake.s3.get_object(Bucket=BUCKET, Key=key)["Body"])["current-snapshot-id"] == -1
    assert lake.rows("SELECT * FROM fresh") == []
    lake.rows("INSERT INTO fresh VALUES (1)")
    assert lake.rows("SELECT * FROM fresh") == [("1",)]


def test_ddl_speaks_of_iceberg_tables_as_athena_does(lake: Lake) -> None:
    location = f"s3://{BUCKET}/warehouse/made"
    lake.rows(
        f"CREATE TABLE made WITH (table_type='ICEBERG', location='{location}/', is_external=false, "
        "partitioning=ARRAY['day(at)', 'bucket(id, 8)'], vacuum_min_snapshots_to_keep=3) AS "
        "SELECT BIGINT '1' AS id, TIMESTAMP '2024-01-01 00:00:00' AS at, 'x' AS \"Name\""
    )
    assert lake.rows("SELECT * FROM made") == [("1", "2024-01-01 00:00:00.000000", "x")]
    assert [line for (line,) in lake.rows("SHOW CREATE TABLE made")] == [
        "CREATE TABLE lake.made (",
        "  id bigint,",
        "  at timestamp,",
        "  name string)",
        "PARTITIONED BY (day(`at`), bucket(8, `id`))",
        f"LOCATION '{location}'",
        "TBLPROPERTIES (",
        "  'table_type'='iceberg',",
        "  'vacuum_min_snapshots_to_keep'='3')",
    ]
    described = [row[0] for row in lake.rows("DESCRIBE made")]
    assert described[2:5] == ["id\tbigint\t", "at\ttimestamp\t", "name\tstring\t"]
    assert described[-2:] == ["at_day\tday\tat", "id_bucket\tbucket[8]\tid"]
    end = "LOCATION 's3://b/e/' TBLPROPERTIES ('table_type'='ICEBERG'"
    for statement, reason in {
        "MSCK REPAIR TABLE made": "NOT_SUPPORTED",
        "SHOW PARTITIONS made": "NOT_SUPPORTED",
        "CREATE TABLE made WITH (table_type='ICEBERG') AS SELECT 1 a": "TABLE_ALREADY_EXISTS",
        f"CREATE EXTERNAL TABLE e (a int) {end})": "External keyword not supported for table type ICEBERG",
        f"CREATE TABLE e (a int) {end}, 'a'='b')": "Unsupported table property key: a",
        "CREATE TABLE e (a int) LOCATION 's3://b/e/'": "FAILED: SemanticException",
        'DELETE FROM "made$files"': "NOT_SUPPORTED",
    }.items():
        assert lake.reason(statement).startswith(reason), statement
    lake.rows("DROP TABLE made")
    assert "Contents" not in lake.s3.list_objects_v2(Bucket=BUCKET, Prefix="warehouse/made/")


def _view(lake: Lake, view: str, sql: str, **columns: str) -> None:
    """A view as Terraform makes one."""
    content = {
        "originalSql": sql,
        "catalog": "awsdatacatalog",
        "schema": lake.database,
        "columns": [{"name": n, "type": t} for n, t in columns.items()],
    }
    encoded = base64.b64encode(json.dumps(content).encode()).decode()
    lake.glue.create_table(
        DatabaseName=lake.database,
        TableInput={
            "Name": view,
            "TableType": "VIRTUAL_VIEW",
            "ViewOriginalText": f"/* Presto View: {encoded} */",
            "ViewExpandedText": "/* Presto View */",
            "Parameters": {"presto_view": "true"},
            "StorageDescriptor": {"Columns": [{"Name": n, "Type": "string"} for n in columns]},
        },
    )


def test_views_read_tables_of_both_kinds_and_other_views(lake: Lake) -> None:
    _create(lake, "viewed", "id bigint, at timestamp")
    lake.rows("INSERT INTO viewed VALUES (1, TIMESTAMP '2024-01-01 00:00:00.000001'), (2, NULL)")
    lake.rows("CREATE TABLE hive WITH (format='PARQUET') AS SELECT BIGINT '1' AS id, 'one' AS name")
    columns = {"id": "bigint", "at": "timestamp(6)", "name": "varchar"}
    _view(lake, "joined", "SELECT v.id, at, name FROM viewed v LEFT JOIN hive h ON v.id = h.id", **columns)
    lake.rows(
        "CREATE VIEW counted AS SELECT name, count(*) AS n, max(at) AS latest FROM joined GROUP BY name"
    )
    assert lake.rows("SELECT * FROM counted ORDER BY name") == [
        ("one", "1", "2024-01-01 00:00:00.000001"),
        (None, "1", None),
    ]
    _view(lake, "wrong", "SELECT name FROM hive", name="bigint")
    assert lake.reason("SELECT * FROM wrong").startswith("VIEW_IS_STALE")
