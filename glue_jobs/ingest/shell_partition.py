"""Which rows of an Arrow table belong to which partition of an Iceberg table."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Iterator, List, Tuple

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.transforms import parse_transform

from ingest.iceberg import IcebergTable
from ingest.shell_types import iceberg_type

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Partitioner:
    """Splits tables by the partition spec.

    Parameters
    ----------
    table : IcebergTable or None
        Whose spec; None for no partition at all.
    """

    def __init__(self, table: IcebergTable | None = None) -> None:
        self._fields = () if table is None else table.partition
        self.names = [field.name for field in self._fields]
        self._transforms = [
            parse_transform(field.transform).pyarrow_transform(iceberg_type(table.field(field.source).type))
            for field in self._fields
            if table is not None
        ]

    def split(self, table: pa.Table) -> Iterator[Tuple[Tuple[Any, ...], pa.Table]]:
        """Values of the partition fields, and the rows that have them in their order."""
        if not self._fields:
            yield (), table
            return
        # Taking rows from one chunk is some times as fast as from several, and what is taken holds no
        # memory of the other partitions, as slices of a sorted table would.
        table = table.combine_chunks()
        values = [
            _transformed(table.column(field.source), transform)
            for field, transform in zip(self._fields, self._transforms)
        ]
        codes = _codes(values)
        order = pc.sort_indices(codes)
        start = 0
        for end in pc.run_end_encode(codes.take(order)).run_ends.to_pylist():
            found = tuple(_plain(column[order[start].as_py()].as_py()) for column in values)
            rows = order.slice(start, end - start)
            yield found, table if len(rows) == table.num_rows else pc.take(table, rows, boundscheck=False)
            start = end


def _codes(values: List[pa.Array]) -> pa.Array:
    """A number for each row, the same for rows with the same values."""
    codes = pa.repeat(pa.scalar(0, pa.int64()), len(values[0]))
    for column in values:
        encoded = pc.dictionary_encode(column, null_encoding="encode")
        width = pa.scalar(len(encoded.dictionary), pa.int64())
        codes = pc.add(pc.multiply(codes, width), encoded.indices.cast(pa.int64()))
    return codes


def _transformed(column: pa.ChunkedArray, transform: Any) -> pa.Array:
    (chunk,) = column.chunks
    if pa.types.is_decimal64(chunk.type):
        chunk = chunk.cast(pa.decimal128(chunk.type.precision, chunk.type.scale))
    return transform(chunk)


def _plain(value: Any) -> Any:
    """A value as the manifest has it: dates in days, timestamps in microseconds, decimals as text."""
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return (moment - _EPOCH) // timedelta(microseconds=1)
    if isinstance(value, date):
        return (value - _EPOCH.date()).days
    return str(value) if isinstance(value, Decimal) else value
