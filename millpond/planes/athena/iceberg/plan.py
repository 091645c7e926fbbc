"""Which files a query must read, and which delete files apply to each.

The rules are those of the Iceberg specification, "Scan Planning".

A position delete file applies to the data files of its partition that are not younger than itself; an
equality delete file to those that are older. One that belongs to no partition applies to every partition
if it deletes by equality. A data file that cannot hold a row of the query is left out by its partition and
by its bounds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestEntry
from pyiceberg.table import ManifestGroupPlanner

from millpond.planes.athena.exceptions import NotSupported
from millpond.planes.athena.iceberg.schemas import is_partitioned
from millpond.planes.athena.iceberg.tables import TableSnapshot

PATH_FIELD = 2147483546
POSITION_FIELD = 2147483545


@dataclass(frozen=True)
class PlannedFile:
    """A data file with the delete files that apply to it.

    Parameters
    ----------
    entry : ManifestEntry
        Its entry in a manifest of the snapshot.
    own_deletes : frozenset of DataFile
        Position deletes of this file alone.
    shared_deletes : frozenset of DataFile
        Position deletes that hold those of other files too.
    equality_deletes : frozenset of DataFile
        Files with values whose rows are deleted.
    """

    entry: ManifestEntry
    own_deletes: frozenset[DataFile]
    shared_deletes: frozenset[DataFile]
    equality_deletes: frozenset[DataFile]

    @property
    def file(self) -> DataFile:
        return self.entry.data_file

    @property
    def path(self) -> str:
        return self.file.file_path

    @property
    def deletes(self) -> frozenset[DataFile]:
        return self.own_deletes | self.shared_deletes | self.equality_deletes


def plan_files(snapshot: TableSnapshot, row_filter: BooleanExpression | None = None) -> list[PlannedFile]:
    """The data files that may hold rows of a filter, in the order of their manifests."""
    if snapshot.snapshot is None:
        return []
    objects = snapshot.table.io
    planner = ManifestGroupPlanner(snapshot.metadata, objects, row_filter or AlwaysTrue())
    data: list[ManifestEntry] = []
    deletes: list[ManifestEntry] = []
    for entries in planner.plan_manifest_entries(snapshot.snapshot.manifests(objects)):
        for entry in entries:
            is_data = entry.data_file.content == DataFileContent.DATA
            (data if is_data else deletes).append(entry)
    _refuse_formats([*data, *deletes])
    partitioned = {number: is_partitioned(spec) for number, spec in snapshot.table.specs().items()}
    return [_planned(entry, deletes, partitioned) for entry in data]


def _planned(
    entry: ManifestEntry, deletes: Iterable[ManifestEntry], partitioned: dict[int, bool]
) -> PlannedFile:
    file, sequence = entry.data_file, entry.sequence_number or 0
    own, shared, equality = set(), set(), set()
    for candidate in deletes:
        delete, age = candidate.data_file, candidate.sequence_number or 0
        is_here = (delete.spec_id, delete.partition) == (file.spec_id, file.partition)
        if delete.content == DataFileContent.EQUALITY_DELETES:
            if age > sequence and (is_here or not partitioned[delete.spec_id]):
                equality.add(delete)
        elif age >= sequence and is_here:
            target = only_path(delete)
            if target is None:
                shared.add(delete)
            elif target == file.file_path:
                own.add(delete)
    return PlannedFile(entry, frozenset(own), frozenset(shared), frozenset(equality))


def only_path(delete: DataFile) -> str | None:
    """The one data file whose positions a file deletes, if its bounds say that it is one."""
    lower, upper = ((bounds or {}).get(PATH_FIELD) for bounds in (delete.lower_bounds, delete.upper_bounds))
    return lower.decode() if lower is not None and lower == upper else None


def _refuse_formats(entries: Iterable[ManifestEntry]) -> None:
    for entry in entries:
        if entry.data_file.file_format != FileFormat.PARQUET:
            raise NotSupported(f"The file format {entry.data_file.file_format.value} of an Iceberg table")
