"""What a run knows of the lake: the table's metadata, how it must change, manifests, attempts, upkeep."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ingest import cost, layout, maintenance
from ingest.errors import IngestError
from ingest.evolution import plan_evolution
from ingest.iceberg import Field, IcebergTable, PartitionField, Snapshot, parse_table
from ingest.manifest import LandedFiles, Manifest, RawFile, write_manifest
from ingest.structures import Column, Partition, TableStructure

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TABLE = IcebergTable(
    database="erp",
    name="orders",
    location="s3://curated/erp/orders",
    schema_id=0,
    fields=(Field(1, "id", "int"), Field(2, "total", "decimal(9,2)"), Field(3, "day", "date")),
    partition=(PartitionField("month", "day", "month"),),
    snapshot_id=None,
    snapshots={},
)


def structure(*columns: Column, partitions: tuple[Partition, ...] = ()) -> TableStructure:
    return TableStructure("erp.orders", 2, columns, partitions)


def column(name: str, kind: str, renamed_from: str | None = None) -> Column:
    return Column(name, name, kind, kind, True, renamed_from)


BY_MONTH = (Partition("month", "day", "month"),)


def test_new_table_has_the_columns_and_partition_of_its_structure() -> None:
    wanted = structure(column("id", "smallint"), column("day", "date"), partitions=BY_MONTH)
    evolution = plan_evolution(wanted, None)
    assert [(one.name, one.type, one.doc) for one in evolution.added] == [
        ("id", "int", "smallint"),
        ("day", "date", "date"),
    ]
    assert (evolution.is_new, evolution.partition) == (True, TABLE.partition)


def test_table_is_renamed_widened_and_extended_in_place() -> None:
    wanted = structure(
        column("number", "bigint", "id"),
        column("total", "decimal(12,2)"),
        column("date", "date", "day"),
        column("tags", "array<smallint>"),
        partitions=(Partition("month", "date", "month"),),
    )
    evolution = plan_evolution(wanted, TABLE)
    assert evolution.renamed == (("id", "number"), ("day", "date"))
    assert evolution.widened == (("number", "long"), ("total", "decimal(12,2)"))
    assert [(one.name, one.type) for one in evolution.added] == [("tags", "list<int>")]
    assert evolution.dropped == ()


def test_narrowed_and_absent_columns_stay_as_they_are() -> None:
    wanted = structure(column("total", "decimal(5,2)"), column("day", "date"), partitions=BY_MONTH)
    assert not plan_evolution(wanted, TABLE).is_needed


@pytest.mark.parametrize("kind", ["bigint", "decimal(9,3)", "string"])
def test_type_that_cannot_be_widened_replaces_its_column(kind: str) -> None:
    wanted = structure(column("total", kind), column("day", "date"), partitions=BY_MONTH)
    evolution = plan_evolution(wanted, TABLE)
    assert evolution.dropped == ("total",)
    assert [one.name for one in evolution.added] == ["total"]


def test_other_partition_than_the_table_has_is_refused() -> None:
    message = r"is partitioned by month\(day\) AS month, table_structures says nothing; delete it"
    with pytest.raises(IngestError, match=message):
        plan_evolution(structure(column("day", "date")), TABLE)


def test_column_that_the_table_is_partitioned_by_is_not_replaced() -> None:
    wanted = structure(column("day", "timestamp"), partitions=BY_MONTH)
    with pytest.raises(IngestError, match="'day' changed to a type that Iceberg cannot widen it to"):
        plan_evolution(wanted, TABLE)


def test_metadata_is_taken_apart() -> None:
    summary = {"operation": "overwrite", "millpond.run-id": "r1"}
    metadata: dict[str, Any] = {
        "location": "s3://curated/erp/orders/",
        "current-schema-id": 1,
        "schemas": [
            {"schema-id": 0, "fields": []},
            {
                "schema-id": 1,
                "fields": [
                    {"id": 1, "name": "total", "type": "decimal(9, 2)", "required": False},
                    {
                        "id": 2,
                        "name": "tags",
                        "type": {"type": "list", "element-id": 3, "element": "string"},
                        "required": False,
                    },
                ],
            },
        ],
        "default-spec-id": 0,
        "partition-specs": [
            {
                "spec-id": 0,
                "fields": [
                    {"name": "b", "source-id": 1, "field-id": 1000, "transform": "bucket[4]"},
                ],
            }
        ],
        "current-snapshot-id": 8,
        "snapshots": [
            {"snapshot-id": 7, "timestamp-ms": 1, "summary": summary},
            {
                "snapshot-id": 8,
                "parent-snapshot-id": 7,
                "timestamp-ms": 2,
                "summary": {"operation": "replace"},
            },
        ],
    }
    table = parse_table("erp", "orders", metadata)
    assert table.fields == (Field(1, "total", "decimal(9,2)"), Field(2, "tags", "list<string>", 3))
    assert table.partition == (PartitionField("b", "total", "bucket[4]"),)
    assert (table.location, table.snapshot_id) == ("s3://curated/erp/orders", 8)
    assert table.data_snapshot is not None
    assert table.data_snapshot.id == 7
    assert table.applied("r1") is not None
    assert table.applied("r2") is None


def test_manifest_survives_its_json() -> None:
    files = LandedFiles(
        data=(RawFile("s3://raw/a", 3, 10, {"month": 652, "place": None}),),
        deletes=(RawFile("s3://raw/b", 2, 10, {}),),
        quarantine=(RawFile("s3://raw/c", 1, 10, {}),),
    )
    manifest = Manifest(
        "erp.orders", "r1", "shell", 2, "full", "overwrite", None, None, "5", "2024-05-31", "s3://raw/", files
    )
    assert Manifest.from_json(manifest.to_json()) == manifest
    before_files_were_named = manifest.to_json().replace('"source_file": null,', "")
    assert Manifest.from_json(before_files_were_named) == manifest
    dropped = replace(manifest, source_file="s3://raw/drop/erp.orders/a.csv etag moment")
    assert Manifest.from_json(dropped.to_json()) == dropped
    assert (files.rows_read, files.bytes) == (6, 30)
    with pytest.raises(IngestError, match="format version 2"):
        Manifest.from_json(manifest.to_json().replace('"format_version": 1', '"format_version": 2'))


class Listing:
    """S3 with directories."""

    def __init__(self, *directories: str) -> None:
        self._directories = directories

    def get_paginator(self, _: str) -> Listing:
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [{"CommonPrefixes": [{"Prefix": name} for name in self._directories]}]


def test_retry_gets_a_directory_of_its_own() -> None:
    first = layout.raw_location("raw", "erp", "orders", "2024-05-31", "r1")
    stem = "erp/orders/ingest_date=2024-05-31/run_id=r1"
    assert layout.new_attempt(Listing(), first) == first
    listing = Listing(
        f"{stem}/", f"{stem}.attempt-10/", f"{stem}.attempt-2/", f"{stem}0/", f"{stem}.attempt-x/"
    )
    assert layout.new_attempt(listing, first) == f"s3://raw/{stem}.attempt-11/"
    assert layout.list_attempts(listing, first) == [
        f"s3://raw/{stem}/",
        f"s3://raw/{stem}.attempt-2/",
        f"s3://raw/{stem}.attempt-10/",
    ]


def snapshots(*operations: str, age: timedelta = timedelta()) -> IcebergTable:
    """A table with a snapshot for each operation, the newest last."""
    milliseconds = int((NOW - age).timestamp() * 1000)
    found = {
        number: Snapshot(
            number,
            number - 1 if number > 1 else None,
            milliseconds,
            "append" if operation == "overwrite all" else operation,
            {"deleted-data-files": "3"} if operation == "overwrite all" else {},
        )
        for number, operation in enumerate(operations, start=1)
    }
    return IcebergTable("erp", "orders", "", 0, (), (), len(found), found)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (snapshots("append"), False),
        (snapshots(*["overwrite"] * 9), False),
        (snapshots(*["overwrite"] * 10), True),
        (snapshots(*["overwrite"] * 9, "replace", "overwrite"), False),
        (snapshots(*["overwrite"] * 9, "overwrite all", "overwrite"), False),
        (snapshots("append", "append", age=timedelta(days=6)), True),
        (snapshots("append", age=timedelta(days=6)), False),
    ],
)
def test_maintenance_is_due_after_many_upserts_or_with_old_snapshots(
    table: IcebergTable, expected: bool
) -> None:
    assert maintenance.is_due(table, NOW) is expected


def test_a_minute_is_the_least_that_is_billed() -> None:
    assert cost.dpu_seconds(Decimal(3), Decimal("0.0625")) == Decimal("3.750")
    assert cost.estimated_cost(Decimal("3.750"), Decimal("0.44")) == Decimal("0.000458")


class _Bucket:
    """What a run's S3 client does with a manifest, with an answer that is lost on the way."""

    class exceptions:  # noqa: N801 (botocore's name)
        ClientError = ClientError

    def __init__(self, found: bytes | None = None) -> None:
        self.found = found

    def put_object(self, Body: bytes, **_: Any) -> None:  # noqa: N803
        self.found = self.found or Body
        raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")

    def get_object(self, **_: Any) -> dict[str, Any]:
        return {"Body": BytesIO(self.found or b"")}


def _manifest() -> Manifest:
    return Manifest(
        table_id="erp.orders",
        run_id="r1",
        engine="shell",
        structure_version=1,
        load_mode="full",
        action="overwrite",
        base_snapshot_id=None,
        watermark_from=None,
        watermark_to=None,
        read_at="2026-11-23T00:00:00.000+00:00",
        location="s3://raw/erp/orders/ingest_date=2026-11-23/run_id=r1/",
    )


def test_a_manifest_whose_answer_was_lost_is_written_and_one_of_somebody_else_is_not_replaced() -> None:
    write_manifest(_Bucket(), _manifest())
    other = _Bucket(b"{}")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        write_manifest(other, _manifest())
    assert other.found == b"{}"
