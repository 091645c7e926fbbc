"""``OPTIMIZE`` and ``VACUUM`` (Athena user guide, "Optimize Iceberg tables").

``OPTIMIZE … REWRITE DATA USING BIN_PACK`` writes small files anew as larger ones, and files with deleted rows
without them. ``VACUUM`` expires snapshots and removes the files that nothing refers to any more.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pyiceberg.expressions import BooleanExpression
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot, ancestors_of
from pyiceberg.table.update.snapshot import ExpireSnapshots

from millpond.planes.athena.iceberg.commit import FileChange
from millpond.planes.athena.iceberg.plan import PlannedFile, plan_files
from millpond.planes.athena.iceberg.properties import Properties
from millpond.planes.athena.iceberg.scan import RowReader
from millpond.planes.athena.iceberg.tables import at_version, commit
from millpond.planes.common.iceberg import split

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from mypy_boto3_s3 import S3Client

    from millpond.planes.athena.iceberg.files import FileWriter

_BATCH = 1000


def optimize(
    connection: DuckDBPyConnection,
    table: Table,
    wanted: BooleanExpression,
    new_writer: Callable[[Table], FileWriter],
) -> Sequence[DataFile]:
    """Rewrite what is worth it; the new files.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Reads the files.
    table : Table
        The table.
    wanted : BooleanExpression
        Which partitions to look at.
    new_writer : callable
        Makes the writer of a table's files.
    """
    snapshot = at_version(table, None, (None, None))
    everything = plan_files(snapshot)
    paths = {file.path for file in plan_files(snapshot, wanted)}
    chosen = _worth_rewriting([f for f in everything if f.path in paths], Properties(table.properties))
    if not chosen:
        return []
    writer = new_writer(table)

    def change() -> tuple[Operation, FileChange]:
        written = writer.rows(RowReader(connection, snapshot).sql(chosen))
        removed = [*(file.file for file in chosen), *_unneeded_deletes(everything, chosen)]
        return Operation.REPLACE, FileChange(written, removed)

    return writer.commit(change)


def _worth_rewriting(files: Iterable[PlannedFile], properties: Properties) -> list[PlannedFile]:
    """Files with many delete files, and those of the wrong size if a partition has enough of them."""
    partitions: dict[Any, list[PlannedFile]] = defaultdict(list)
    for file in files:
        partitions[file.file.spec_id, file.file.partition].append(file)
    chosen: list[PlannedFile] = []
    for members in partitions.values():
        deleted = [f for f in members if len(f.deletes) >= properties.delete_file_threshold]
        sized = [f for f in members if f not in deleted and not _is_sized(f, properties)]
        enough = len(sized) + len(deleted) >= properties.data_file_threshold
        chosen += [*deleted, *(sized if enough else ())]
    return chosen


def _is_sized(file: PlannedFile, properties: Properties) -> bool:
    return properties.smallest_file <= file.file.file_size_in_bytes <= properties.largest_file


def _unneeded_deletes(files: Iterable[PlannedFile], rewritten: Sequence[PlannedFile]) -> list[DataFile]:
    """Delete files that apply to no data file that stays."""
    gone = {file.path for file in rewritten}
    staying = {delete for file in files if file.path not in gone for delete in file.deletes}
    return sorted({d for file in rewritten for d in file.deletes} - staying, key=lambda d: d.file_path)


def vacuum(s3: S3Client, table: Table) -> int:
    """Expire old snapshots and remove files that none of the others needs; how many files went."""
    properties = Properties(table.properties)
    oldest = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=properties.snapshot_seconds)
    expired = _expired(table, oldest, properties.snapshots_to_keep)
    candidates = _reachable(table, expired)
    if expired:
        numbers = [snapshot.snapshot_id for snapshot in expired]
        table = commit(table, lambda change: _expire(change, numbers))
    needed = _reachable(table, table.metadata.snapshots) | _metadata_files(table)
    unneeded = candidates - needed
    for path, modified in _objects(s3, table):
        if path not in needed and (path in candidates or modified < oldest):
            unneeded.add(path)
    delete_objects(s3, sorted(unneeded))
    return len(unneeded)


def _expire(transaction: Any, numbers: Sequence[int]) -> None:
    ExpireSnapshots(transaction).by_ids(list(numbers)).commit()


def _expired(table: Table, oldest: dt.datetime, least: int) -> list[Snapshot]:
    """Snapshots older than a moment, but for the newest ones of the main branch and those with a name."""
    metadata, current = table.metadata, table.current_snapshot()
    newest = [one.snapshot_id for one in ancestors_of(current, metadata)][:least] if current else []
    kept = {*newest, *(ref.snapshot_id for ref in metadata.refs.values())}
    limit = int(oldest.timestamp() * 1000)
    return [one for one in metadata.snapshots if one.timestamp_ms < limit and one.snapshot_id not in kept]


def _reachable(table: Table, snapshots: Iterable[Snapshot]) -> set[str]:
    """Manifest lists, manifests, data and delete files of some snapshots."""
    found: set[str] = set()
    read: Counter[str] = Counter()
    for snapshot in snapshots:
        found.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            read[manifest.manifest_path] += 1
            if read[manifest.manifest_path] == 1:
                entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
                found.update(entry.data_file.file_path for entry in entries)
    return found | set(read)


def _metadata_files(table: Table) -> set[str]:
    metadata = table.metadata
    files = {table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
    files.update(statistics.statistics_path for statistics in metadata.statistics)
    files.update(statistics.statistics_path for statistics in metadata.partition_statistics)
    return files


def _objects(s3: S3Client, table: Table) -> Iterable[tuple[str, dt.datetime]]:
    """Every object below the table's location, with when it was written."""
    bucket, prefix = split(f"{table.location().rstrip('/')}/")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            yield f"s3://{bucket}/{found['Key']}", found["LastModified"]


def delete_objects(s3: S3Client, paths: Sequence[str]) -> None:
    """Remove objects, as many at once as ``DeleteObjects`` takes."""
    by_bucket: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        bucket, key = split(path)
        by_bucket[bucket].append(key)
    for bucket, keys in by_bucket.items():
        for start in range(0, len(keys), _BATCH):
            listed = [{"Key": key} for key in keys[start : start + _BATCH]]
            s3.delete_objects(Bucket=bucket, Delete={"Objects": listed, "Quiet": True})  # type: ignore[typeddict-item]


def drop_data(s3: S3Client, table: Table) -> None:
    """Remove every file of a table that is dropped: its own directory, and files elsewhere that it holds."""
    elsewhere = _reachable(table, table.metadata.snapshots)
    delete_objects(s3, sorted({path for path, _ in _objects(s3, table)} | elsewhere))
