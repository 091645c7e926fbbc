"""Applying what was landed to the curated table, in one snapshot of pyiceberg's.

:mod:`ingest.shell_engine` imports this, and pyiceberg with it, while the source is read: that takes a second.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Iterator, Sequence, Tuple

import pyarrow as pa
from pyarrow.parquet import FileMetaData

from ingest import shell_table
from ingest.engines import COMPARED_ROWS, Change, Curated, TableName, check_keys
from ingest.evolution import Evolution
from ingest.iceberg import ROWS_DELETED, ROWS_INSERTED, ROWS_TOTAL, ROWS_UPDATED, IcebergTable
from ingest.manifest import RawFile
from ingest.shell_diff import find_differences, is_unchanged
from ingest.shell_files import open_parquet, read_columns
from ingest.shell_merge import FILES_AT_ONCE, LiveFiles, Removal, find_rows, write_deletes
from ingest.shell_table import Catalog, Files

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

KEYS_AT_ONCE = 2_000_000
"""Keys of a batch that are looked for in one pass over the table's key columns."""


def prepare(
    glue: GlueClient, s3: S3Client, name: TableName, found: IcebergTable | None, evolution: Evolution
) -> None:
    """See :meth:`ingest.engines.Engine.prepare`."""
    shell_table.prepare(Catalog(glue, s3), name, found, evolution)


def count_rows(glue: GlueClient, s3: S3Client, table: IcebergTable) -> int:
    """See :meth:`ingest.engines.Engine.count_rows`."""
    return _total(table, LiveFiles(s3, shell_table.load(Catalog(glue, s3), table)))


def curate(glue: GlueClient, s3: S3Client, change: Change) -> Curated:
    """See :meth:`ingest.engines.Engine.curate`."""
    return _Curation(s3, Catalog(glue, s3), change).apply()


class _Curation:
    """One change of one table."""

    def __init__(self, s3: S3Client, catalog: Catalog, change: Change) -> None:
        self._s3 = s3
        self._change = change
        self._table = shell_table.load(catalog, change.table)
        self._live = LiveFiles(s3, self._table)
        self._total = _total(change.table, self._live)
        self._keys = [change.table.field(name) for name in change.key_columns]
        self._footers: dict[str, FileMetaData] = {}

    def apply(self) -> Curated:
        action = {
            "overwrite": self._overwrite,
            "append": self._append,
            "upsert": self._upsert,
            "diff": self._diff,
        }[self._change.action]
        return action()

    @property
    def _directory(self) -> str:
        return f"{self._change.table.location}/data/"

    def _copied(self, landed: Sequence[RawFile]) -> list[RawFile]:
        copies = shell_table.copy_files(self._s3, landed, self._directory)
        for file, copy in zip(landed, copies):
            if file.path in self._footers:
                self._footers[copy.path] = self._footers[file.path]
        return copies

    def _overwrite(self) -> Curated:
        files = self._change.files
        return self._commit(files.data, Removal(), (files.rows_landed, 0, self._total), replaces_all=True)

    def _append(self) -> Curated:
        files = self._change.files
        return self._commit(files.data, Removal(), (files.rows_landed, 0, 0))

    def _upsert(self) -> Curated:
        files = self._change.files
        updated, deleted = Removal(), Removal()
        for keys in self._batches(files.data):
            find_rows(self._live, self._keys, keys, updated)
        for keys in self._batches(files.deletes):
            find_rows(self._live, self._keys, keys, deleted)
        if self._is_unchanged(updated, deleted):
            return self._commit((), Removal(), (0, 0, 0))
        counts = (files.rows_landed - updated.rows, updated.rows, deleted.rows)
        return self._commit(files.data, updated.merged(deleted), counts)

    def _is_unchanged(self, updated: Removal, deleted: Removal) -> bool:
        """Whether a small batch, such as the rows at the old watermark alone, brings nothing new."""
        files = self._change.files
        is_comparable = 0 < files.rows_landed == updated.rows <= COMPARED_ROWS and not deleted.rows
        fields = self._change.table.fields
        return is_comparable and is_unchanged(self._s3, files.data, self._live, updated, self._keys, fields)

    def _diff(self) -> Curated:
        differences = find_differences(self._s3, self._change, self._live, self._keys, self._directory)
        counts = (differences.inserted, differences.updated, differences.removal.rows - differences.updated)
        return self._commit(differences.files, differences.removal, counts, are_copied=False)

    def _batches(self, files: Sequence[RawFile]) -> Iterator[pa.Table]:
        """The keys of landed rows, some at a time, checked."""
        with ThreadPoolExecutor(max_workers=FILES_AT_ONCE) as pool:
            for group in _groups(files, KEYS_AT_ONCE):
                yield self._checked([rows for tables in pool.map(self._read_keys, group) for rows in tables])

    def _read_keys(self, file: RawFile) -> list[pa.Table]:
        with open_parquet(self._s3, file.path, file.bytes) as opened:
            self._footers[file.path] = opened.metadata
            return [rows for _, rows in read_columns(opened, self._keys)]

    def _checked(self, collected: list[pa.Table]) -> pa.Table:
        keys = pa.concat_tables(collected).combine_chunks()
        names = keys.column_names
        table_id = f"{self._change.table.database}.{self._change.table.name}"
        distinct = keys.group_by(names).aggregate([]).num_rows
        nulls = sum(keys.column(name).null_count for name in names)
        check_keys(table_id, names, nulls=nulls, duplicates=keys.num_rows - distinct)
        return keys

    def _commit(
        self,
        added: Sequence[RawFile],
        removal: Removal,
        counts: Tuple[int, int, int],
        *,
        are_copied: bool = True,
        replaces_all: bool = False,
    ) -> Curated:
        inserted, updated, deleted = counts
        total = self._total + inserted - deleted
        snapshot_id = self._change.table.snapshot_id
        if added or removal.rows or replaces_all:
            with ThreadPoolExecutor(max_workers=1) as pool:
                deletes = pool.submit(write_deletes, self._s3, self._table, removal, self._directory)
                placed = self._copied(added) if are_copied else added
                data = shell_table.data_files(self._s3, self._table, placed, self._footers)
            files = Files(data=data, deletes=deletes.result(), replaces_all=replaces_all)
            numbers = {
                ROWS_INSERTED: inserted,
                ROWS_UPDATED: updated,
                ROWS_DELETED: deleted,
                ROWS_TOTAL: total,
            }
            properties = {**self._change.properties, **{name: str(value) for name, value in numbers.items()}}
            snapshot_id = shell_table.commit(self._table, files, properties)
        written = sum(file.bytes for file in added)
        return Curated(snapshot_id, inserted, updated, deleted, total, written)


def _groups(files: Sequence[RawFile], rows: int) -> Iterator[list[RawFile]]:
    """Files in order, in groups that end with the file that makes them so many rows."""
    group: list[RawFile] = []
    for file in files:
        group.append(file)
        if sum(one.rows for one in group) >= rows:
            yield group
            group = []
    if group:
        yield group


def _total(table: IcebergTable, live: LiveFiles) -> int:
    """Rows in the table: as its last change says, or counted when somebody else changed it last."""
    snapshot = table.data_snapshot
    if snapshot is None:
        return 0
    known = snapshot.summary.get(ROWS_TOTAL)
    return live.count() if known is None else int(known)
