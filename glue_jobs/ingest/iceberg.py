"""What the curated table is: the metadata file that the Glue catalog points at, read without a library.

Both engines need the field ids before they land anything, the snapshot that a run starts from, and the
history that tells whether a run was applied already. Field names are those of the Iceberg table
specification, version 2.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Tuple

from ingest.errors import IngestError
from ingest.layout import split_location

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

RUN_ID = "millpond.run-id"
STRUCTURE_VERSION = "millpond.structure-version"
WATERMARK_FROM = "millpond.watermark-from"
WATERMARK_TO = "millpond.watermark-to"
READING = "millpond.reading"
RAW_LOCATION = "millpond.raw-location"
SOURCE_FILE = "millpond.source-file"
ROWS_INSERTED = "millpond.rows-inserted"
ROWS_UPDATED = "millpond.rows-updated"
ROWS_DELETED = "millpond.rows-deleted"
ROWS_TOTAL = "millpond.rows-total"

TABLE_PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.delete.mode": "merge-on-read",
    "write.update.mode": "merge-on-read",
    "write.merge.mode": "merge-on-read",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "50",
}
"""Properties of every table that is made, whichever engine makes it."""

_TYPES = {"smallint": "int", "bigint": "long"}


@dataclass(frozen=True)
class Field:
    """A column of the table.

    Parameters
    ----------
    id : int
        What its columns in data files carry.
    name, type : str
        The type as Iceberg prints it, without blanks, a list as ``list<int>``.
    element_id : int or None
        Field id of a list's elements.
    """

    id: int
    name: str
    type: str
    element_id: int | None = None


@dataclass(frozen=True)
class PartitionField:
    """A field of the table's partition: its name, the column it is made of, and how."""

    name: str
    source: str
    transform: str


@dataclass(frozen=True)
class Snapshot:
    """One committed state.

    Parameters
    ----------
    operation : {"append", "replace", "overwrite", "delete"}
        ``replace`` changes files, not rows.
    summary : mapping
        Counts and the properties that a run puts there.
    """

    id: int
    parent_id: int | None
    timestamp_ms: int
    operation: str
    summary: Mapping[str, str]


@dataclass(frozen=True)
class IcebergTable:
    """A table as its metadata describes it.

    Parameters
    ----------
    database, name, location : str
        ``location`` does not end with a slash.
    schema_id : int
        Current schema.
    fields : tuple of Field
        Its columns, in order.
    partition : tuple of PartitionField
        The current partition spec.
    snapshot_id : int or None
        Current snapshot; None while the table is empty.
    snapshots : mapping of int to Snapshot
        The history that has not expired.
    """

    database: str
    name: str
    location: str
    schema_id: int
    fields: Tuple[Field, ...]
    partition: Tuple[PartitionField, ...]
    snapshot_id: int | None
    snapshots: Mapping[int, Snapshot]

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)

    def ancestors(self) -> Iterator[Snapshot]:
        """The current snapshot and those before it, as far as the history reaches."""
        found = self.snapshots.get(self.snapshot_id) if self.snapshot_id is not None else None
        while found is not None:
            yield found
            found = self.snapshots.get(found.parent_id) if found.parent_id is not None else None

    @property
    def data_snapshot(self) -> Snapshot | None:
        """The snapshot that last changed rows: maintenance that rewrote files since is passed over."""
        return next((found for found in self.ancestors() if found.operation != "replace"), None)

    def applied(self, value: str, name: str = RUN_ID) -> Snapshot | None:
        """The snapshot in which a run, or a file, was applied."""
        return next((found for found in self.ancestors() if found.summary.get(name) == value), None)


def iceberg_type(catalog_type: str) -> str:
    """Iceberg's type for a type of ``table_structures``.

    Examples
    --------
    >>> iceberg_type("array<smallint>"), iceberg_type("char(3)"), iceberg_type("decimal(12,2)")
    ('list<int>', 'string', 'decimal(12,2)')
    """
    if catalog_type.startswith("array<"):
        return f"list<{iceberg_type(catalog_type[len('array<') : -1])}>"
    if catalog_type.startswith("char("):
        return "string"
    return _TYPES.get(catalog_type, catalog_type)


def find_table(glue: GlueClient, s3: S3Client, database: str, name: str) -> IcebergTable | None:
    """Read a table of the catalog, or None when there is none.

    Raises
    ------
    IngestError
        If the catalog has no such database, or the table is not an Iceberg table.
    """
    try:
        table = glue.get_table(DatabaseName=database, Name=name)["Table"]
    except glue.exceptions.EntityNotFoundException:
        return None
    parameters = table.get("Parameters", {})
    if parameters.get("table_type", "").upper() != "ICEBERG":
        raise IngestError(f"The table {database}.{name} of the catalog is not an Iceberg table.")
    bucket, key = split_location(parameters["metadata_location"])
    metadata = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return parse_table(database, name, metadata)


def parse_table(database: str, name: str, metadata: Mapping[str, Any]) -> IcebergTable:
    """Take a metadata file apart."""
    schema = next(one for one in metadata["schemas"] if one["schema-id"] == metadata["current-schema-id"])
    spec = next(one for one in metadata["partition-specs"] if one["spec-id"] == metadata["default-spec-id"])
    names = {field["id"]: field["name"] for field in schema["fields"]}
    current = metadata.get("current-snapshot-id")
    return IcebergTable(
        database=database,
        name=name,
        location=metadata["location"].rstrip("/"),
        schema_id=schema["schema-id"],
        fields=tuple(_field(field) for field in schema["fields"]),
        partition=tuple(
            PartitionField(field["name"], names.get(field["source-id"], ""), field["transform"])
            for field in spec["fields"]
        ),
        snapshot_id=None if current in (None, -1) else current,
        snapshots={one["snapshot-id"]: _snapshot(one) for one in metadata.get("snapshots", ())},
    )


def _field(field: Mapping[str, Any]) -> Field:
    kind = field["type"]
    if isinstance(kind, str):
        return Field(field["id"], field["name"], _plain(kind))
    if kind["type"] != "list" or not isinstance(kind["element"], str):
        return Field(field["id"], field["name"], kind["type"])
    return Field(field["id"], field["name"], f"list<{_plain(kind['element'])}>", kind["element-id"])


def _plain(kind: str) -> str:
    return re.sub(r"\s", "", kind)


def _snapshot(snapshot: Mapping[str, Any]) -> Snapshot:
    summary = dict(snapshot.get("summary", {}))
    return Snapshot(
        id=snapshot["snapshot-id"],
        parent_id=snapshot.get("parent-snapshot-id"),
        timestamp_ms=snapshot["timestamp-ms"],
        operation=summary.pop("operation", "append"),
        summary=summary,
    )
