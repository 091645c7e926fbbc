"""``"table$snapshots"`` and its like: what the metadata of a table says, as rows.

Columns and their types are those of Trino's Iceberg connector, "Metadata tables", which the Athena user guide
names in "Query Iceberg table metadata".
"""

# ruff: noqa: S608 - writing SQL is what this module is for; names and texts in it are quoted
from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pyiceberg import types as ice
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile, DataFileContent, ManifestEntry, ManifestFile
from pyiceberg.table.snapshots import ancestors_of

from millpond.planes.athena.iceberg.schemas import is_partitioned, to_sql
from millpond.planes.athena.iceberg.tables import TableSnapshot
from millpond.planes.athena.iceberg.values import bound_text, constant, readable
from millpond.planes.athena.types import (
    BIGINT,
    BOOLEAN,
    INTEGER,
    TIMESTAMP_WITH_TIME_ZONE,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    duckdb_type,
    map_of,
    quote,
    row,
)

Columns = Sequence[tuple[str, Type]]
Rows = Iterable[Sequence[Any]]

_COUNTS = map_of(INTEGER, BIGINT)
_BOUNDS = map_of(INTEGER, VARCHAR)


@dataclass(frozen=True)
class MetadataTable:
    """Columns and rows of one of them, each made from a snapshot of the table."""

    columns: Callable[[TableSnapshot], Columns]
    rows: Callable[[TableSnapshot], Rows]


def metadata_sql(kind: str, snapshot: TableSnapshot) -> str:
    """A DuckDB query with the rows of a metadata table."""
    table = METADATA_TABLES[kind]
    columns = table.columns(snapshot)
    rows = [
        f"({', '.join(constant(value, type_) for value, (_, type_) in zip(found, columns, strict=True))})"
        for found in table.rows(snapshot)
    ]
    if not rows:
        nulls = ", ".join(f"CAST(NULL AS {duckdb_type(t)}) AS {quote(n)}" for n, t in columns)
        return f"SELECT {nulls} WHERE false"
    names = ", ".join(quote(name) for name, _ in columns)
    return f"SELECT * FROM (VALUES {', '.join(rows)}) AS t ({names})"


def _moment(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


def _history(snapshot: TableSnapshot) -> Rows:
    metadata = snapshot.table.metadata
    current = snapshot.table.current_snapshot()
    ancestors = {one.snapshot_id for one in ancestors_of(current, metadata)} if current else set()
    for entry in metadata.snapshot_log:
        found = metadata.snapshot_by_id(entry.snapshot_id)
        parent = found.parent_snapshot_id if found else None
        yield _moment(entry.timestamp_ms), entry.snapshot_id, parent, entry.snapshot_id in ancestors


def _snapshots(snapshot: TableSnapshot) -> Rows:
    for one in snapshot.table.metadata.snapshots:
        summary = one.summary
        operation = summary.operation.value if summary else None
        properties = dict(summary.additional_properties) if summary else {}
        yield (
            _moment(one.timestamp_ms),
            one.snapshot_id,
            one.parent_snapshot_id,
            operation,
            one.manifest_list,
            properties,
        )


def _refs(snapshot: TableSnapshot) -> Rows:
    for name, ref in snapshot.table.metadata.refs.items():
        yield (
            name,
            ref.snapshot_ref_type.value.upper(),
            ref.snapshot_id,
            ref.max_ref_age_ms,
            ref.min_snapshots_to_keep,
            ref.max_snapshot_age_ms,
        )


def _all_manifests(snapshot: TableSnapshot) -> list[ManifestFile]:
    return snapshot.snapshot.manifests(snapshot.table.io) if snapshot.snapshot else []


def _manifests(snapshot: TableSnapshot) -> Rows:
    for manifest in _all_manifests(snapshot):
        spec = snapshot.table.specs()[manifest.partition_spec_id]
        types = [f.field_type for f in spec.partition_type(snapshot.table.schema()).fields]
        summaries = [
            (
                part.contains_null,
                part.contains_nan,
                bound_text(part.lower_bound, type_) if part.lower_bound is not None else None,
                bound_text(part.upper_bound, type_) if part.upper_bound is not None else None,
            )
            for part, type_ in zip(manifest.partitions or [], types, strict=True)
        ]
        yield (
            manifest.manifest_path,
            manifest.manifest_length,
            manifest.partition_spec_id,
            manifest.added_snapshot_id,
            manifest.added_files_count,
            manifest.added_rows_count,
            manifest.existing_files_count,
            manifest.existing_rows_count,
            manifest.deleted_files_count,
            manifest.deleted_rows_count,
            summaries,
        )


def live_entries(snapshot: TableSnapshot) -> list[ManifestEntry]:
    """Every file of the snapshot, deletes too."""
    objects = snapshot.table.io
    return [e for m in _all_manifests(snapshot) for e in m.fetch_manifest_entry(objects)]


def _files(snapshot: TableSnapshot) -> Rows:
    schema = snapshot.table.schema()
    for entry in live_entries(snapshot):
        file = entry.data_file
        lower, upper = (
            {
                number: bound_text(bound, schema.find_type(number))
                for number, bound in (bounds or {}).items()
                if number in schema.field_ids
            }
            for bounds in (file.lower_bounds, file.upper_bounds)
        )
        yield (
            int(file.content),
            file.file_path,
            file.file_format.value,
            file.record_count,
            file.file_size_in_bytes,
            file.column_sizes,
            file.value_counts,
            file.null_value_counts,
            file.nan_value_counts,
            lower,
            upper,
            file.key_metadata,
            file.split_offsets,
            file.equality_ids,
        )


def _partition_columns(snapshot: TableSnapshot) -> Columns:
    schema, spec = snapshot.table.schema(), snapshot.table.spec()
    columns: list[tuple[str, Type]] = []
    if is_partitioned(spec):
        fields = spec.partition_type(schema).fields
        columns.append(("partition", row([to_sql(f.field_type) for f in fields], [f.name for f in fields])))
    columns += [("record_count", BIGINT), ("file_count", BIGINT), ("total_size", BIGINT)]
    types = []
    for field in _summarised(snapshot):
        type_ = to_sql(field.field_type)
        names = ["min", "max", "null_count", "nan_count"]
        types.append(row([type_, type_, BIGINT, BIGINT], names))
    names = [field.name.lower() for field in _summarised(snapshot)]
    return [*columns, ("data", row(types, names))] if types else columns


def _summarised(snapshot: TableSnapshot) -> list[ice.NestedField]:
    """Columns that ``$partitions`` sums up: those with bounds that are no partition column of themselves."""
    spec = snapshot.table.spec()
    identical = {f.source_id for f in spec.fields if str(f.transform) == "identity"}
    fields = snapshot.table.schema().fields
    return [f for f in fields if f.field_type.is_primitive and f.field_id not in identical]


def _partitions(snapshot: TableSnapshot) -> Rows:
    table = snapshot.table
    spec = table.spec()
    types = [f.field_type for f in spec.partition_type(table.schema()).fields]
    groups: dict[tuple[Any, ...], list[DataFile]] = defaultdict(list)
    for entry in live_entries(snapshot):
        file = entry.data_file
        if file.content == DataFileContent.DATA and file.spec_id == spec.spec_id:
            groups[tuple(file.partition[i] for i in range(len(types)))].append(file)
    for key, files in groups.items():
        partition = [readable(value, type_) for value, type_ in zip(key, types, strict=True)]
        totals = (
            sum(file.record_count for file in files),
            len(files),
            sum(file.file_size_in_bytes for file in files),
        )
        data = [_summary(field, files) for field in _summarised(snapshot)]
        yield (*((partition,) if is_partitioned(spec) else ()), *totals, *((data,) if data else ()))


def _summary(field: ice.NestedField, files: Sequence[DataFile]) -> tuple[Any, Any, int | None, int | None]:
    """Least and greatest value, and how many are NULL or not a number; NULL where a file does not tell."""
    number, type_ = field.field_id, field.field_type
    assert isinstance(type_, ice.PrimitiveType)

    def bounds(name: str) -> list[Any]:
        return [_bound(file, name, number, type_) for file in files]

    def total(name: str) -> int | None:
        found: list[Any] = [(getattr(file, name) or {}).get(number) for file in files]
        return None if None in found else int(sum(found))

    lower, upper = bounds("lower_bounds"), bounds("upper_bounds")
    least = None if None in lower else readable(min(lower), type_)
    greatest = None if None in upper else readable(max(upper), type_)
    return least, greatest, total("null_value_counts"), total("nan_value_counts")


def _bound(file: DataFile, name: str, number: int, type_: ice.PrimitiveType) -> Any:
    found = (getattr(file, name) or {}).get(number)
    return None if found is None else from_bytes(type_, found)


_SUMMARIES = array(
    row([BOOLEAN, BOOLEAN, VARCHAR, VARCHAR], ["contains_null", "contains_nan", "lower_bound", "upper_bound"])
)
_HISTORY_COLUMNS: Columns = [
    ("made_current_at", TIMESTAMP_WITH_TIME_ZONE),
    ("snapshot_id", BIGINT),
    ("parent_id", BIGINT),
    ("is_current_ancestor", BOOLEAN),
]
_SNAPSHOT_COLUMNS: Columns = [
    ("committed_at", TIMESTAMP_WITH_TIME_ZONE),
    ("snapshot_id", BIGINT),
    ("parent_id", BIGINT),
    ("operation", VARCHAR),
    ("manifest_list", VARCHAR),
    ("summary", map_of(VARCHAR, VARCHAR)),
]
_REF_COLUMNS: Columns = [
    ("name", VARCHAR),
    ("type", VARCHAR),
    ("snapshot_id", BIGINT),
    ("max_reference_age_in_ms", BIGINT),
    ("min_snapshots_to_keep", INTEGER),
    ("max_snapshot_age_in_ms", BIGINT),
]
_MANIFEST_COLUMNS: Columns = [
    ("path", VARCHAR),
    ("length", BIGINT),
    ("partition_spec_id", INTEGER),
    ("added_snapshot_id", BIGINT),
    ("added_data_files_count", INTEGER),
    ("added_rows_count", BIGINT),
    ("existing_data_files_count", INTEGER),
    ("existing_rows_count", BIGINT),
    ("deleted_data_files_count", INTEGER),
    ("deleted_rows_count", BIGINT),
    ("partition_summaries", _SUMMARIES),
]
_FILE_COLUMNS: Columns = [
    ("content", INTEGER),
    ("file_path", VARCHAR),
    ("file_format", VARCHAR),
    ("record_count", BIGINT),
    ("file_size_in_bytes", BIGINT),
    ("column_sizes", _COUNTS),
    ("value_counts", _COUNTS),
    ("null_value_counts", _COUNTS),
    ("nan_value_counts", _COUNTS),
    ("lower_bounds", _BOUNDS),
    ("upper_bounds", _BOUNDS),
    ("key_metadata", VARBINARY),
    ("split_offsets", array(BIGINT)),
    ("equality_ids", array(INTEGER)),
]
METADATA_TABLES: dict[str, MetadataTable] = {
    "files": MetadataTable(lambda _: _FILE_COLUMNS, _files),
    "history": MetadataTable(lambda _: _HISTORY_COLUMNS, _history),
    "manifests": MetadataTable(lambda _: _MANIFEST_COLUMNS, _manifests),
    "partitions": MetadataTable(_partition_columns, _partitions),
    "refs": MetadataTable(lambda _: _REF_COLUMNS, _refs),
    "snapshots": MetadataTable(lambda _: _SNAPSHOT_COLUMNS, _snapshots),
}
