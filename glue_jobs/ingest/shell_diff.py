"""Differences between what was read and what is curated.

Memory is bounded by spilling to disk: both sides are cut into parts by a hash of the key (Iceberg's bucket
transform), small enough to be compared one after the other.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc
from pyiceberg.transforms import BucketTransform

from ingest.engines import Change, check_keys
from ingest.iceberg import Field
from ingest.manifest import RawFile
from ingest.shell_arrow import data_schema
from ingest.shell_files import numbers_from, open_parquet, read_columns
from ingest.shell_merge import LiveFiles, Removal
from ingest.shell_partition import Partitioner
from ingest.shell_sink import ParquetSink
from ingest.shell_types import iceberg_type

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 4 * 1024**2
"""Compressed size of what was landed, for each part; in memory it is some times as much."""

_HASHED_TYPES = ("int", "long", "string", "date", "timestamp", "timestamptz", "binary")
_FILE, _POSITION, _ROW = "__file", "__row", "__number"


@dataclass
class Differences:
    """What has to be done.

    Parameters
    ----------
    files : list of RawFile
        Data files of the rows that are new or changed, in the table's directory.
    removal : Removal
        Rows that changed or are gone.
    inserted, updated : int
    """

    files: Sequence[RawFile] = ()
    removal: Removal = field(default_factory=Removal)
    inserted: int = 0
    updated: int = 0


def find_differences(
    s3: S3Client, change: Change, live: LiveFiles, keys: Sequence[Field], directory: str
) -> Differences:
    """Compare a complete landing with the table.

    Parameters
    ----------
    s3 : boto3 client
    change : Change
        Its data is all there is in the source.
    live : LiveFiles
        The table.
    keys : sequence of Field
    directory : str
        Where new data files go.

    Raises
    ------
    IngestError
        If a key is NULL or there twice.
    """
    fields = change.table.fields
    tasks = live.tasks()
    parts = 1 + sum(file.bytes for file in change.files.data) // PART_BYTES
    hashed = next((one for one in keys if one.type in _HASHED_TYPES), None)
    cutter = _Cutter(hashed, parts if hashed is not None else 1)
    result = Differences()
    local = Path(tempfile.mkdtemp(prefix="ingest-"))
    try:
        landed, curated = _Parts(local / "landed", cutter), _Parts(local / "curated", cutter)
        for file in change.files.data:
            with open_parquet(s3, file.path, file.bytes) as opened:
                for _, rows in read_columns(opened, fields):
                    landed.write(rows)
        for number, task in enumerate(tasks):
            for rows in live.read(task, fields):
                curated.write(
                    rows.append_column(_FILE, pa.repeat(pa.scalar(number, pa.int32()), rows.num_rows))
                )
        schema = data_schema(fields, change.key_columns)
        sink = ParquetSink(s3, directory, "part", schema, Partitioner(change.table))
        with sink:
            for part in range(cutter.parts):
                new, old = landed.read(part), curated.read(part)
                _compare(change, tasks, keys, (new, old), sink, result)
        result.files = sink.files
    finally:
        shutil.rmtree(local)
    return result


def is_unchanged(
    s3: S3Client,
    files: Sequence[RawFile],
    live: LiveFiles,
    found: Removal,
    keys: Sequence[Field],
    fields: Sequence[Field],
) -> bool:
    """Whether rows are in the table just as they were landed; meant for few.

    Parameters
    ----------
    s3 : boto3 client
    files : sequence of RawFile
        What was landed; each key is in the table.
    live : LiveFiles
        The table.
    found : Removal
        Where those keys are.
    keys, fields : sequence of Field
        Its key columns and all its columns.
    """
    order = [(one.name, "ascending") for one in keys]
    landed = []
    for file in files:
        with open_parquet(s3, file.path, file.bytes) as opened:
            landed += [rows for _, rows in read_columns(opened, fields)]
    new = pa.concat_tables(landed).combine_chunks().sort_by(order)
    old = live.rows_at(found, fields).sort_by(order)
    return not pc.any(_differ(new, old, [one.name for one in fields])).as_py()


def _compare(
    change: Change,
    tasks: Sequence[Any],
    keys: Sequence[Field],
    part: tuple[pa.Table | None, pa.Table | None],
    sink: ParquetSink,
    result: Differences,
) -> None:
    """Compare a part as it was landed with the same part of the table."""
    new, old = part
    names = [one.name for one in keys]
    if new is not None:
        _check(change, new.select(names))
    if new is None or old is None:
        if new is not None:
            sink.write(new)
            result.inserted += new.num_rows
        if old is not None:
            _remove(tasks, old, result)
        return
    both = (
        new.select(names)
        .append_column(_ROW, _numbers(new))
        .join(
            old.select(names).append_column(_POSITION, _numbers(old)),
            keys=names,
            join_type="full outer",
            use_threads=False,
        )
    )
    is_inserted, is_gone = pc.is_null(both[_POSITION]), pc.is_null(both[_ROW])
    pairs = both.filter(pc.invert(pc.or_(is_inserted, is_gone)))
    before, after = old.take(pairs[_POSITION]), new.take(pairs[_ROW])
    is_changed = _differ(after, before, [one.name for one in change.table.fields])
    changed = after.filter(is_changed)
    inserted = new.take(both.filter(is_inserted)[_ROW])
    sink.write(changed)
    sink.write(inserted)
    result.updated += changed.num_rows
    result.inserted += inserted.num_rows
    _remove(tasks, before.filter(is_changed), result)
    _remove(tasks, old.take(both.filter(is_gone)[_POSITION]), result)


def _differ(left: pa.Table, right: pa.Table, names: Sequence[str]) -> pa.Array:
    """Whether rows differ in any column; NULL equals NULL, and NaN equals NaN."""
    found = pa.repeat(False, left.num_rows)
    for name in names:
        one, other = left[name].combine_chunks(), right[name].combine_chunks()
        if pa.types.is_list(one.type):
            differs = pa.array([a != b for a, b in zip(one.to_pylist(), other.to_pylist())], pa.bool_())
        else:
            if pa.types.is_floating(one.type):
                bits = pa.int32() if one.type == pa.float32() else pa.int64()
                one, other = one.view(bits), other.view(bits)
            unlike = pc.fill_null(pc.not_equal(one, other), False)
            differs = pc.or_(unlike, pc.xor(pc.is_null(one), pc.is_null(other)))
        found = pc.or_(found, differs)
    return found


def _remove(tasks: Sequence[Any], rows: pa.Table, result: Differences) -> None:
    for number in pc.unique(rows[_FILE]).to_pylist():
        positions = rows.filter(pc.equal(rows[_FILE], number))[_POSITION]
        result.removal.add(tasks[number].file, positions.combine_chunks())


def _check(change: Change, keys: pa.Table) -> None:
    names = keys.column_names
    distinct = keys.group_by(names).aggregate([]).num_rows
    nulls = sum(keys.column(name).null_count for name in names)
    table_id = f"{change.table.database}.{change.table.name}"
    check_keys(table_id, names, nulls=nulls, duplicates=keys.num_rows - distinct)


def _numbers(table: pa.Table) -> pa.Array:
    return numbers_from(0, table.num_rows)


class _Cutter:
    """Which part a row belongs to."""

    def __init__(self, hashed: Field | None, parts: int) -> None:
        self.parts = parts
        self._name = hashed.name if hashed is not None else ""
        self._transform: Any = None
        if hashed is not None and parts > 1:
            self._transform = BucketTransform(parts).pyarrow_transform(iceberg_type(hashed.type))

    def cut(self, rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
        if self.parts == 1:
            yield 0, rows
            return
        part = self._transform(rows[self._name].combine_chunks())
        for number in pc.unique(part).to_pylist():
            yield (
                number or 0,
                rows.filter(
                    pc.is_null(part) if number is None else pc.fill_null(pc.equal(part, number), False)
                ),
            )


class _Parts:
    """Rows on the local disk, a file for each part."""

    def __init__(self, directory: Path, cutter: _Cutter) -> None:
        self._directory = directory
        self._cutter = cutter
        self._writers: dict[int, Any] = {}
        directory.mkdir()

    def write(self, rows: pa.Table) -> None:
        for number, part in self._cutter.cut(rows):
            if number not in self._writers:
                self._writers[number] = ipc.new_stream(str(self._path(number)), part.schema)
            self._writers[number].write_table(part)

    def read(self, number: int) -> pa.Table | None:
        """The rows of a part, which is then gone from the disk; None when there are none."""
        if number not in self._writers:
            return None
        self._writers.pop(number).close()
        with pa.OSFile(str(self._path(number))) as file:
            rows = ipc.open_stream(file).read_all().combine_chunks()
        self._path(number).unlink()
        return rows

    def _path(self, number: int) -> Path:
        return self._directory / f"{number}.arrows"
