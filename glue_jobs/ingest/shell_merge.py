"""Where the rows with given keys are in a curated table: found by their key columns alone."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, GreaterThanOrEqual, LessThanOrEqual
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table
from pyiceberg.typedef import Record

from ingest.iceberg import Field
from ingest.manifest import RawFile
from ingest.shell_files import numbers_from, open_parquet, read_columns
from ingest.shell_sink import upload
from ingest.shell_table import delete_file

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PATH_ID, POSITION_ID = 2147483546, 2147483545
"""Reserved field ids of position delete files."""

_PRUNING_TYPES = ("int", "long", "string", "date")
_ROW = "__row"
_WRITTEN_ROWS = 131_072

FILES_AT_ONCE = 4
"""Files whose keys are read beside each other."""

_DELETE_SCHEMA = pa.schema(
    [
        pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": str(PATH_ID)}),
        pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": str(POSITION_ID)}),
    ]
)


@dataclass
class Removal:
    """Positions of rows to remove, by the path of their file."""

    positions: Dict[str, List[pa.Array]] = field(default_factory=lambda: defaultdict(list))
    files: Dict[str, DataFile] = field(default_factory=dict)
    rows: int = 0

    def add(self, file: DataFile, positions: pa.Array) -> None:
        if len(positions):
            self.files[file.file_path] = file
            self.positions[file.file_path].append(positions)
            self.rows += len(positions)

    def merged(self, other: Removal) -> Removal:
        """Both; they have no row in common."""
        both = Removal()
        for one in (self, other):
            for path, positions in one.positions.items():
                for part in positions:
                    both.add(one.files[path], part)
        return both


class LiveFiles:
    """The data files of the table's current snapshot, and what is deleted from them.

    Parameters
    ----------
    s3 : boto3 client
    table : pyiceberg Table
    """

    def __init__(self, s3: S3Client, table: Table) -> None:
        self._s3 = s3
        self._table = table
        self._deletes: Dict[str, pa.Table] = {}

    def tasks(self, condition: BooleanExpression = AlwaysTrue()) -> Sequence[FileScanTask]:  # noqa: B008
        """Files that may hold a row that satisfies the condition, in the order of their paths."""
        if self._table.current_snapshot() is None:
            return ()
        return sorted(self._table.scan(row_filter=condition).plan_files(), key=lambda one: one.file.file_path)

    def count(self) -> int:
        """Rows that a query sees."""
        return sum(one.file.record_count - len(self.deleted(one)) for one in self.tasks())

    def deleted(self, task: FileScanTask) -> pa.Array:
        """Positions that are deleted from a file, each once."""
        found = []
        for file in task.delete_files:
            if file.file_path not in self._deletes:
                with open_parquet(self._s3, file.file_path, file.file_size_in_bytes) as opened:
                    self._deletes[file.file_path] = opened.read(["file_path", "pos"])
            table = self._deletes[file.file_path]
            found.append(table.filter(pc.equal(table["file_path"], task.file.file_path))["pos"])
        positions = [chunk for column in found for chunk in column.chunks]
        return pc.unique(pa.chunked_array(positions, pa.int64()))

    def read(self, task: FileScanTask, fields: Sequence[Field]) -> Iterator[pa.Table]:
        """Rows of a file that are not deleted, with their position as ``__row``."""
        deleted = self.deleted(task)
        for rows in self._numbered(task, fields):
            yield _without(rows, deleted)

    def find(self, task: FileScanTask, fields: Sequence[Field], keys: pa.Table) -> list[pa.Array]:
        """Positions of the rows of a file that have one of some keys and are not deleted.

        Parameters
        ----------
        task : FileScanTask
        fields : sequence of Field
            Key columns.
        keys : pyarrow.Table
            Their values; row groups that cannot hold one of the first column's are passed over.
        """
        groups = self._numbered(task, fields, _GroupFilter(fields[0], keys.column(0)))
        found = [matching(rows, keys) for rows in groups]
        deleted = self.deleted(task)
        return [_without(rows, deleted).column(_ROW).combine_chunks() for rows in found]

    def _numbered(
        self, task: FileScanTask, fields: Sequence[Field], is_wanted: _GroupFilter | None = None
    ) -> Iterator[pa.Table]:
        with open_parquet(self._s3, task.file.file_path, task.file.file_size_in_bytes) as opened:
            for start, rows in read_columns(opened, fields, is_wanted):
                yield rows.append_column(_ROW, numbers_from(start, rows.num_rows))

    def rows_at(self, found: Removal, fields: Sequence[Field]) -> pa.Table:
        """Rows by their positions; meant for few.

        Parameters
        ----------
        found : Removal
        fields : sequence of Field
            What to read, of the row groups that hold one of the rows.
        """
        rows_of_files = []
        for path, parts in found.positions.items():
            positions = pa.chunked_array(parts, pa.int64()).combine_chunks()
            with open_parquet(self._s3, path, found.files[path].file_size_in_bytes) as opened:
                for start, rows in read_columns(opened, fields, _PositionFilter(positions)):
                    is_found = pc.is_in(numbers_from(start, rows.num_rows), positions)
                    rows_of_files.append(rows.filter(is_found))
        return pa.concat_tables(rows_of_files).combine_chunks()


def find_rows(live: LiveFiles, fields: Sequence[Field], keys: pa.Table, removal: Removal) -> None:
    """Add the rows whose key is one of the given to a removal.

    Parameters
    ----------
    live : LiveFiles
    fields : sequence of Field
        Key columns.
    keys : pyarrow.Table
        Their values, without NULL; each key once.
    removal : Removal
    """
    tasks = live.tasks(_bounds(fields, keys))
    with ThreadPoolExecutor(max_workers=FILES_AT_ONCE) as pool:
        for task, found in zip(tasks, pool.map(lambda task: live.find(task, fields, keys), tasks)):
            for positions in found:
                removal.add(task.file, positions)


def matching(rows: pa.Table, keys: pa.Table) -> pa.Table:
    """Rows whose key is among the given ones."""
    names = keys.column_names
    keys = _within(keys, rows.column(names[0]))
    if len(names) == 1:
        return rows.filter(pc.is_in(rows.column(names[0]), keys.column(0)))
    return rows.join(keys, keys=names, join_type="left semi", use_threads=False)


def _without(rows: pa.Table, deleted: pa.Array) -> pa.Table:
    """Rows but for those at some positions."""
    return rows.filter(pc.invert(pc.is_in(rows.column(_ROW), deleted))) if len(deleted) else rows


def _within(keys: pa.Table, values: pa.ChunkedArray) -> pa.Table:
    """Keys whose first column is between the least and the greatest of some values.

    Rows mostly lie in the order of their keys, so these are few, and what is made of them costs little.
    """
    if pa.types.is_floating(values.type):  # NaN is a key too, and between nothing
        return keys
    extremes, first = pc.min_max(values), keys.column(0)
    inside = pc.and_(pc.greater_equal(first, extremes["min"]), pc.less_equal(first, extremes["max"]))
    return keys.filter(inside)


def write_deletes(s3: S3Client, table: Table, removal: Removal, directory: str) -> list[DataFile]:
    """Position delete files, one for each partition, sorted as the specification asks.

    Returns
    -------
    list of DataFile
        Their manifest entries.
    """
    groups: Dict[tuple[int, Record], List[str]] = defaultdict(list)
    for path, file in removal.files.items():
        groups[(file.spec_id, file.partition)].append(path)
    local = Path(tempfile.mkdtemp(prefix="ingest-"))

    def write(group: tuple[tuple[int, Record], list[str]]) -> DataFile:
        (spec_id, partition), paths = group
        name = f"delete-{uuid.uuid4().hex}.parquet"
        rows = _write_positions(local / name, removal, sorted(paths))
        upload(s3, local / name, directory + name)
        file = RawFile(directory + name, rows, (local / name).stat().st_size, {})
        bounds = ({PATH_ID: min(paths).encode()}, {PATH_ID: max(paths).encode()})
        entry = delete_file(table, file, partition, bounds)
        entry.spec_id = spec_id
        return entry

    try:
        with ThreadPoolExecutor(max_workers=FILES_AT_ONCE) as pool:
            return list(pool.map(write, groups.items()))
    finally:
        shutil.rmtree(local)


def _write_positions(path: Path, removal: Removal, paths: Sequence[str]) -> int:
    written = 0
    with parquet.ParquetWriter(path, _DELETE_SCHEMA, compression="zstd") as writer:
        for data_path in paths:
            positions = pa.chunked_array(removal.positions[data_path], pa.int64()).combine_chunks()
            positions = positions.take(pc.sort_indices(positions))
            for start in range(0, len(positions), _WRITTEN_ROWS):
                part = positions.slice(start, _WRITTEN_ROWS)
                names = pa.repeat(data_path, len(part))
                writer.write_table(pa.table([names, part], schema=_DELETE_SCHEMA))
            written += len(positions)
    return written


# pydantic's plug-in of mypy takes pyiceberg's own constructors for generated ones.
_AT_LEAST: Any = GreaterThanOrEqual
_AT_MOST: Any = LessThanOrEqual


def _bounds(fields: Sequence[Field], keys: pa.Table) -> BooleanExpression:
    """A condition that every given key satisfies, for pruning by the files' bounds."""
    condition: BooleanExpression = AlwaysTrue()
    for one in fields:
        if one.type in _PRUNING_TYPES:
            extremes = pc.min_max(keys.column(one.name)).as_py()
            least, most = _AT_LEAST(one.name, extremes["min"]), _AT_MOST(one.name, extremes["max"])
            condition = And(condition, And(least, most))
    return condition


class _GroupFilter:
    """Whether a row group may hold one of some values, by its statistics."""

    def __init__(self, one: Field, values: pa.ChunkedArray) -> None:
        self._field = one
        self._values = values

    def __call__(self, _: int, group: parquet.RowGroupMetaData, leaves: dict[int, int]) -> bool:
        if self._field.type not in _PRUNING_TYPES or self._field.id not in leaves:
            return True
        statistics = group.column(leaves[self._field.id]).statistics
        if statistics is None or not statistics.has_min_max:
            return True
        inside = pc.and_(
            pc.greater_equal(self._values, statistics.min), pc.less_equal(self._values, statistics.max)
        )
        return bool(pc.any(inside).as_py())


class _PositionFilter:
    """Whether a row group holds one of some rows."""

    def __init__(self, positions: pa.Array) -> None:
        self._positions = positions

    def __call__(self, start: int, group: parquet.RowGroupMetaData, _: dict[int, int]) -> bool:
        inside = pc.and_(
            pc.greater_equal(self._positions, start), pc.less(self._positions, start + group.num_rows)
        )
        return bool(pc.any(inside).as_py())
