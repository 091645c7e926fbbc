"""One change of a table's files as one snapshot.

pyiceberg appends and removes data files; deletes of single rows, and the replacement of files by others with
the same rows, are added here to its snapshot producer (Iceberg specification, "Snapshots", "Manifests").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriter,
    ManifestWriterV2,
)
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.table import Table, Transaction
from pyiceberg.table.snapshots import (
    Operation,
    SnapshotSummaryCollector,
    Summary,
    update_snapshot_summaries,
)
from pyiceberg.table.update.snapshot import _SnapshotProducer
from pyiceberg.typedef import EMPTY_DICT

from millpond.planes.athena.exceptions import NotSupported
from millpond.planes.athena.iceberg.tables import commit


@dataclass(frozen=True)
class FileChange:
    """Files that a snapshot adds to a table and takes from it; data files and delete files alike."""

    added: Sequence[DataFile] = ()
    removed: Sequence[DataFile] = field(default=())

    @property
    def is_empty(self) -> bool:
        return not self.added and not self.removed

    @property
    def only_adds_rows(self) -> bool:
        return not self.removed and all(file.content == DataFileContent.DATA for file in self.added)


def commit_files(table: Table, operation: Operation, change: FileChange) -> Table:
    """Commit a change of files as one snapshot; nothing at all if there is none.

    Raises
    ------
    QueryFailed
        ``ICEBERG_COMMIT_ERROR`` if the table was changed meanwhile, unless rows are only added.
    """
    if change.is_empty:
        return table
    if table.format_version != 2:
        raise NotSupported(f"Writing to an Iceberg table of format version {table.format_version}")
    return commit(table, lambda transaction: _Producer(operation, transaction, table, change).commit())


class _DeleteManifestWriter(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


class _Producer(_SnapshotProducer["_Producer"]):
    def __init__(
        self, operation: Operation, transaction: Transaction, table: Table, change: FileChange
    ) -> None:
        super().__init__(operation, transaction, table.io)
        self._change = change

    def _deleted_entries(self) -> list[ManifestEntry]:
        return []

    def _validate_concurrency(self) -> None:
        """Somebody else was faster: rows can still be added, but deletes were worked out before that."""
        if not self._change.only_adds_rows:
            raise CommitFailedException("The table has changed since the statement began")

    def _manifests(self) -> list[ManifestFile]:
        added = [_entry(ManifestEntryStatus.ADDED, self._snapshot_id, file) for file in self._change.added]
        return [*self._written(added), *self._existing_manifests()]

    def _existing_manifests(self) -> list[ManifestFile]:
        """The manifests of the parent; those with files that go are written anew."""
        parent = self._transaction.table_metadata.snapshot_by_name(self._target_branch)
        removed = {file.file_path for file in self._change.removed}
        manifests: list[ManifestFile] = []
        for manifest in parent.manifests(self._io) if parent else []:
            entries = self.fetch_manifest_entry(manifest) if removed else []
            if any(entry.data_file.file_path in removed for entry in entries):
                manifests += self._written([self._kept(entry, removed) for entry in entries])
            elif manifest.has_added_files() or manifest.has_existing_files():
                manifests.append(manifest)
        return manifests

    def _kept(self, entry: ManifestEntry, removed: set[str]) -> ManifestEntry:
        if entry.data_file.file_path in removed:
            return _entry(ManifestEntryStatus.DELETED, self._snapshot_id, entry.data_file, entry)
        return _entry(ManifestEntryStatus.EXISTING, entry.snapshot_id, entry.data_file, entry)

    def _written(self, entries: Iterable[ManifestEntry]) -> list[ManifestFile]:
        """A manifest for each kind of content and each partition spec."""

        def kind(entry: ManifestEntry) -> tuple[bool, int]:
            return entry.data_file.content != DataFileContent.DATA, entry.data_file.spec_id

        manifests = []
        for (is_deletes, spec_id), found in groupby(sorted(entries, key=kind), key=kind):
            with self._writer(self.spec(spec_id), is_deletes) as writer:
                for entry in found:
                    writer.add_entry(entry)
            manifests.append(writer.to_manifest_file())
        return manifests

    def _writer(self, spec: PartitionSpec, is_deletes: bool) -> ManifestWriter:
        if not is_deletes:
            return self.new_manifest_writer(spec)
        output = self.new_manifest_output()
        return _DeleteManifestWriter(spec, self.schema(), output, self._snapshot_id, self._compression)

    def _summary(self, snapshot_properties: dict[str, str] = EMPTY_DICT) -> Summary:
        metadata = self._transaction.table_metadata
        collector = SnapshotSummaryCollector()
        specs, schema = metadata.specs(), metadata.schema()
        for file in self._change.added:
            collector.add_file(file, schema, specs[file.spec_id])
        for file in self._change.removed:
            collector.remove_file(file, schema, specs[file.spec_id])
        parent = metadata.snapshot_by_name(self._target_branch)
        # pyiceberg keeps the totals of three operations alone; those of "replace" follow the same rule.
        counted = Summary(operation=Operation.OVERWRITE, **collector.build(), **snapshot_properties)
        totals = update_snapshot_summaries(counted, parent.summary if parent else None)
        return Summary(operation=self._operation, **totals.additional_properties)


def _entry(
    status: ManifestEntryStatus, snapshot_id: int | None, file: DataFile, known: ManifestEntry | None = None
) -> ManifestEntry:
    return ManifestEntry.from_args(
        status=status,
        snapshot_id=snapshot_id,
        sequence_number=known.sequence_number if known else None,
        file_sequence_number=known.file_sequence_number if known else None,
        data_file=file,
    )
