"""The curated table through pyiceberg: make it, change its schema, commit files in one snapshot."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterable, Mapping, Sequence

from pyarrow.parquet import FileMetaData
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _SnapshotProducer
from pyiceberg.transforms import parse_transform
from pyiceberg.typedef import Record
from pyiceberg.types import NestedField

from ingest import layout
from ingest.engines import CommitConflictError, TableName
from ingest.errors import IngestError
from ingest.evolution import Evolution
from ingest.iceberg import TABLE_PROPERTIES, IcebergTable
from ingest.manifest import RawFile
from ingest.shell_files import S3FileIO, open_parquet
from ingest.shell_types import iceberg_type

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

_FIRST_PARTITION_ID = 1000
_COPIES_AT_ONCE = 8


class Catalog(GlueCatalog):
    """The Glue catalog over the run's own clients.

    Parameters
    ----------
    glue, s3 : boto3 clients
    """

    def __init__(self, glue: GlueClient, s3: S3Client) -> None:
        super().__init__("glue", client=glue)
        self._s3 = s3

    def _load_file_io(self, properties: Any = None, location: str | None = None) -> FileIO:  # noqa: ARG002
        return S3FileIO(self._s3)


def prepare(catalog: Catalog, name: TableName, found: IcebergTable | None, evolution: Evolution) -> None:
    """Make the table, or change its schema; see :meth:`ingest.engines.Engine.prepare`."""
    try:
        if evolution.is_new:
            _create(catalog, name, evolution)
        else:
            _evolve(catalog, name, found, evolution)
    except (CommitFailedException, TableAlreadyExistsError) as error:
        raise CommitConflictError(
            f"{name.database}.{name.name} was changed by somebody else: {error}"
        ) from error


def load(catalog: Catalog, table: IcebergTable) -> Table:
    """The table as the run found it.

    Raises
    ------
    CommitConflictError
        If it has another snapshot or schema by now.
    """
    loaded = catalog.load_table((table.database, table.name))
    metadata = loaded.metadata
    if (metadata.current_snapshot_id, metadata.current_schema_id) != (table.snapshot_id, table.schema_id):
        raise CommitConflictError(f"{table.database}.{table.name} was changed by somebody else meanwhile.")
    return loaded


def copy_files(s3: S3Client, files: Sequence[RawFile], directory: str) -> list[RawFile]:
    """Copy files within S3, without reading them (CopyObject, which takes objects up to 5 GB).

    Returns
    -------
    list of RawFile
        The copies, in the same order.
    """

    def copy(file: RawFile) -> RawFile:
        bucket, key = layout.split_location(file.path)
        target = f"{directory}{key.rsplit('/', 1)[1]}"
        target_bucket, target_key = layout.split_location(target)
        s3.copy_object(Bucket=target_bucket, Key=target_key, CopySource={"Bucket": bucket, "Key": key})
        return RawFile(target, file.rows, file.bytes, file.partition)

    with ThreadPoolExecutor(max_workers=_COPIES_AT_ONCE) as pool:
        return list(pool.map(copy, files))


def data_files(
    s3: S3Client, table: Table, files: Iterable[RawFile], footers: Mapping[str, FileMetaData]
) -> list[DataFile]:
    """Manifest entries for Parquet files that carry the table's field ids, from their footers.

    Parameters
    ----------
    s3 : boto3 client
    table : pyiceberg Table
    files : iterable of RawFile
    footers : mapping of str to FileMetaData
        By the paths of files; those of others are read.
    """
    schema = table.schema()
    plan = compute_statistics_plan(schema, table.properties)
    mapping = parquet_path_to_id_mapping(schema)

    def describe(file: RawFile) -> DataFile:
        footer = footers.get(file.path)
        if footer is None:
            with open_parquet(s3, file.path, file.bytes) as opened:
                footer = opened.metadata
        statistics = data_file_statistics_from_parquet_metadata(footer, plan, mapping)
        return _entry(table, DataFileContent.DATA, file, statistics.to_serialized_dict())

    with ThreadPoolExecutor(max_workers=_COPIES_AT_ONCE) as pool:
        return list(pool.map(describe, files))


def delete_file(
    table: Table, file: RawFile, partition: Record, bounds: tuple[dict[int, bytes], dict[int, bytes]]
) -> DataFile:
    """A manifest entry for a position delete file."""
    lower, upper = bounds
    entry = _entry(
        table,
        DataFileContent.POSITION_DELETES,
        file,
        {"record_count": file.rows, "lower_bounds": lower, "upper_bounds": upper},
    )
    entry._data[3] = partition  # noqa: SLF001 - pyiceberg has no public way to name the partition
    return entry


@dataclass(frozen=True)
class Files:
    """What a snapshot adds.

    Parameters
    ----------
    data, deletes : sequence of DataFile
        Data files and position delete files.
    replaces_all : bool
        Whether everything that was there is removed.
    """

    data: Sequence[DataFile] = ()
    deletes: Sequence[DataFile] = ()
    replaces_all: bool = False


def commit(table: Table, files: Files, properties: Mapping[str, str]) -> int:
    """Commit one snapshot on top of the one that the table was loaded with.

    Returns
    -------
    int
        The snapshot's id.

    Raises
    ------
    CommitConflictError
        If another snapshot is current by now (pyiceberg's assert-ref-snapshot-id, then the version that
        UpdateTable asks for).
    """
    transaction = table.transaction()
    producer = _Producer(files, transaction, properties)
    try:
        producer.commit()
        transaction.commit_transaction()
    except CommitFailedException as error:
        raise CommitConflictError(
            f"{'.'.join(table.name())} was changed by somebody else: {error}"
        ) from error
    return producer.snapshot_id


class _DeletesWriter(ManifestWriterV2):
    """A manifest of delete files, which pyiceberg reads but does not write."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


class _Producer(_SnapshotProducer["_Producer"]):
    """A snapshot of data files and delete files; see *Scan planning* and *Manifests* of the specification."""

    def __init__(self, files: Files, transaction: Any, properties: Mapping[str, str]) -> None:
        is_append = not files.deletes and not files.replaces_all
        operation = Operation.APPEND if is_append else Operation.OVERWRITE
        objects = transaction._table.io  # noqa: SLF001 - as pyiceberg's own Transaction does
        super().__init__(operation, transaction, objects, snapshot_properties=dict(properties))
        self._files = files
        for file in files.data:
            self.append_data_file(file)
        self._removed = self._live_entries() if files.replaces_all else []
        self._deleted_data_files = {entry.data_file for entry in self._removed}

    def _live_entries(self) -> list[ManifestEntry]:
        return [
            ManifestEntry.from_args(
                status=ManifestEntryStatus.DELETED,
                snapshot_id=self._snapshot_id,
                sequence_number=entry.sequence_number,
                file_sequence_number=entry.file_sequence_number,
                data_file=entry.data_file,
            )
            for manifest in self._parent_manifests()
            for entry in manifest.fetch_manifest_entry(io=self._io, discard_deleted=True)
        ]

    def _parent_manifests(self) -> list[ManifestFile]:
        if self._parent_snapshot_id is None:
            return []
        snapshot = self._transaction.table_metadata.snapshot_by_id(self._parent_snapshot_id)
        return snapshot.manifests(io=self._io) if snapshot is not None else []

    def _existing_manifests(self) -> list[ManifestFile]:
        if self._files.replaces_all:
            return []
        return [one for one in self._parent_manifests() if one.has_added_files() or one.has_existing_files()]

    def _deleted_entries(self) -> list[ManifestEntry]:
        return [one for one in self._removed if one.data_file.content == DataFileContent.DATA]

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        added = [
            ManifestEntry.from_args(
                status=ManifestEntryStatus.ADDED,
                snapshot_id=self._snapshot_id,
                sequence_number=None,
                file_sequence_number=None,
                data_file=file,
            )
            for file in self._files.deletes
        ]
        removed = [one for one in self._removed if one.data_file.content != DataFileContent.DATA]
        return [*manifests, *self._write_deletes([*added, *removed])]

    def _write_deletes(self, entries: Sequence[ManifestEntry]) -> Iterable[ManifestFile]:
        metadata = self._transaction.table_metadata
        for spec_id in sorted({entry.data_file.spec_id for entry in entries}):
            with _DeletesWriter(
                metadata.specs()[spec_id],
                metadata.schema(),
                self.new_manifest_output(),
                self._snapshot_id,
                self._compression,
            ) as writer:
                for entry in entries:
                    if entry.data_file.spec_id == spec_id:
                        writer.add_entry(entry)
            yield writer.to_manifest_file()

    def _summary(self, snapshot_properties: Mapping[str, str] = {}) -> Any:
        self._added_data_files = [*self._files.data, *self._files.deletes]
        return super()._summary(dict(snapshot_properties))


def _entry(table: Table, content: DataFileContent, file: RawFile, statistics: Mapping[str, Any]) -> DataFile:
    partition = Record(*(file.partition.get(field.name) for field in table.spec().fields))
    entry = DataFile.from_args(
        content=content,
        file_path=file.path,
        file_format=FileFormat.PARQUET,
        partition=partition,
        file_size_in_bytes=file.bytes,
        sort_order_id=None,
        equality_ids=None,
        key_metadata=None,
        **statistics,
    )
    entry.spec_id = table.spec().spec_id
    return entry


def _create(catalog: Catalog, name: TableName, evolution: Evolution) -> None:
    elements = iter(range(len(evolution.added) + 1, 2 * len(evolution.added) + 2))
    fields = []
    for number, column in enumerate(evolution.added, start=1):
        element_id = next(elements) if column.type.startswith("list<") else -1
        kind = iceberg_type(column.type, element_id)
        fields.append(NestedField(number, column.name, kind, required=False, doc=column.doc))
    schema = Schema(*fields)
    spec = PartitionSpec(
        *(
            PartitionField(
                source_id=schema.find_field(field.source).field_id,
                field_id=_FIRST_PARTITION_ID + number,
                transform=parse_transform(field.transform),
                name=field.name,
            )
            for number, field in enumerate(evolution.partition)
        )
    )
    identifier = (name.database, name.name)
    catalog.create_table(identifier, schema, name.location, spec, properties=dict(TABLE_PROPERTIES))


def _evolve(catalog: Catalog, name: TableName, found: IcebergTable | None, evolution: Evolution) -> None:
    if found is None:
        raise IngestError(f"The table {name.database}.{name.name} is not in the catalog.")
    with load(catalog, found).update_schema() as update:
        for old, new in evolution.renamed:
            update.rename_column(old, new)
        for dropped in evolution.dropped:
            update.delete_column(dropped)
        for column, kind in evolution.widened:
            update.update_column(column, field_type=iceberg_type(kind))
        for added in evolution.added:
            update.add_column(added.name, iceberg_type(added.type), doc=added.doc)
