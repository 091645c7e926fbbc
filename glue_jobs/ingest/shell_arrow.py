"""From PostgreSQL's CSV to Arrow tables with the catalog's types."""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Sequence

import pyarrow as pa
from pyarrow import csv

from ingest.errors import IngestError
from ingest.structures import TableStructure

_SCALARS = {
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "binary": pa.binary(),
}

_WIRE = {"date": pa.int32(), "timestamp": pa.int64(), "binary": pa.string()}
"""Types that travel as another one (``source_sql``); arrays travel as text, the rest as they are."""


def arrow_type(catalog_type: str) -> pa.DataType:
    """The Arrow type of a catalog type.

    Examples
    --------
    >>> arrow_type("array<decimal(12,2)>").value_type
    Decimal128Type(decimal128(12, 2))
    """
    if catalog_type.startswith("array<"):
        return pa.list_(pa.field("element", arrow_type(catalog_type[len("array<") : -1])))
    if catalog_type.startswith("decimal("):
        precision, scale = catalog_type[len("decimal(") : -1].split(",")
        return pa.decimal128(int(precision), int(scale))
    if catalog_type.startswith("char("):
        return pa.string()
    return _SCALARS[catalog_type]


def data_schema(structure: TableStructure) -> pa.Schema:
    """The schema of a table's Parquet files: its columns without the partition keys."""
    return pa.schema([(column.name, arrow_type(column.type)) for column in structure.columns])


class CsvDecoder:
    """Makes Arrow tables of ``COPY … TO STDOUT (FORMAT csv)``.

    An empty field is NULL and a quoted empty field is an empty text, as PostgreSQL writes them.

    Parameters
    ----------
    structure : TableStructure
        The table; its query is :func:`ingest.source_sql.select_rows`.
    """

    def __init__(self, structure: TableStructure) -> None:
        self._table_id = structure.table_id
        self._catalog_types = {column.name: column.type for column in structure.columns}
        self._names = [*self._catalog_types, *structure.partition_names]
        types = {name: _wire_type(kind) for name, kind in self._catalog_types.items()}
        types.update({name: pa.string() for name in structure.partition_names})
        self._conversion = csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        self._parsing = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)

    def decode(self, rows: bytes | bytearray) -> pa.Table:
        """Decode whole rows.

        Raises
        ------
        IngestError
            If a value does not fit its column; it names both.
        """
        reading = csv.ReadOptions(column_names=self._names, block_size=len(rows) + 1)
        try:
            table = csv.read_csv(
                pa.BufferReader(rows),
                read_options=reading,
                parse_options=self._parsing,
                convert_options=self._conversion,
            )
        except pa.ArrowInvalid as error:
            raise IngestError(f"{self._table_id}: {_name_column(str(error), self._names)}") from error
        columns = [self._to_catalog(name, table.column(name)) for name in self._names]
        return pa.table(columns, names=self._names)

    def _to_catalog(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        kind = self._catalog_types.get(name, "string")
        if kind not in _WIRE and not kind.startswith("array<"):
            return column
        try:
            return pa.chunked_array([_convert(chunk, kind) for chunk in column.chunks], type=arrow_type(kind))
        except (pa.ArrowInvalid, ValueError) as error:
            raise IngestError(f"{self._table_id}: column {name!r}: {error}") from error


def _wire_type(catalog_type: str) -> pa.DataType:
    if catalog_type.startswith("array<"):
        return pa.string()
    return _WIRE.get(catalog_type) or arrow_type(catalog_type)


def _convert(wire: pa.Array, catalog_type: str) -> pa.Array:
    if catalog_type == "binary":
        return pa.array(_decode_each(wire, lambda text: bytes.fromhex(text[2:])), pa.binary())
    if catalog_type.startswith("array<"):
        return _convert_array(wire, catalog_type[len("array<") : -1])
    return wire.cast(arrow_type(catalog_type))


def _convert_array(wire: pa.Array, element_type: str) -> pa.Array:
    lists = _decode_each(wire, json.loads)
    offsets, position = [], 0
    for entry in lists:
        offsets.append(None if entry is None else position)
        position += len(entry or ())
    texts = pa.array([text for entry in lists for text in entry or ()], pa.string())
    if element_type == "binary":
        elements = _convert(texts, "binary")
    else:
        elements = texts.cast(_wire_type(element_type)).cast(arrow_type(element_type))
    kind = arrow_type(f"array<{element_type}>")
    return pa.ListArray.from_arrays(pa.array([*offsets, position], pa.int32()), elements, type=kind)


def _decode_each(wire: pa.Array, decode: Callable[[str], Any]) -> list[Any]:
    return [None if text is None else decode(text) for text in wire.to_pylist()]


def _name_column(message: str, names: Sequence[str]) -> str:
    return re.sub(r"In CSV column #(\d+)", lambda match: f"column {names[int(match[1])]!r}", message)
