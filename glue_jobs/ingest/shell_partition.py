"""Which rows of an Arrow table belong to which partition of an Iceberg table."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Iterator, Tuple

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.transforms import parse_transform

from ingest.iceberg import IcebergTable
from ingest.shell_types import iceberg_type

_ROW = "__row"
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
        names = [str(number) for number in range(len(self._fields))]
        values = pa.table(
            [
                _transformed(table.column(field.source), transform)
                for field, transform in zip(self._fields, self._transforms)
            ],
            names=names,
        )
        groups = _groups(values)
        if len(groups) > 1:
            order = pc.sort_indices(values, sort_keys=[(name, "ascending") for name in names])
            table, groups = table.take(order), _groups(values.take(order))
        for group in groups:
            found = tuple(_plain(group[name]) for name in names)
            yield found, table.slice(group[f"{_ROW}_min"], group[f"{_ROW}_count"])


def _groups(values: pa.Table) -> list[dict[str, Any]]:
    """Each combination of values with its first row and how many have it; Arrow promises no order."""
    rows = values.append_column(_ROW, pa.array(range(values.num_rows), pa.int64()))
    found = rows.group_by(values.column_names).aggregate([(_ROW, "min"), (_ROW, "count")])
    groups: list[dict[str, Any]] = found.to_pylist()
    return groups


def _transformed(column: pa.ChunkedArray, transform: Any) -> pa.ChunkedArray:
    return pa.chunked_array([transform(chunk) for chunk in column.chunks], type=None)


def _plain(value: Any) -> Any:
    """A value as the manifest has it: dates in days, timestamps in microseconds, decimals as text."""
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return (moment - _EPOCH) // timedelta(microseconds=1)
    if isinstance(value, date):
        return (value - _EPOCH.date()).days
    return str(value) if isinstance(value, Decimal) else value
