"""From PostgreSQL's CSV to Arrow tables with the types of the curated table."""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Iterable, Mapping, Sequence

import pyarrow as pa
from pyarrow import csv

from ingest.errors import IngestError
from ingest.iceberg import Field

_SCALARS = {
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "binary": pa.binary(),
}

_WIRE = {"date": pa.int32(), "timestamp": pa.int64(), "timestamptz": pa.int64(), "binary": pa.string()}
"""Types that travel as another one (``source_sql``); lists travel as text, the rest as they are."""


def arrow_type(kind: str) -> pa.DataType:
    """The Arrow type of an Iceberg type as :class:`ingest.iceberg.Field` spells it.

    Examples
    --------
    >>> arrow_type("list<decimal(12,2)>").value_type
    Decimal128Type(decimal128(12, 2))
    """
    if kind.startswith("list<"):
        return pa.list_(pa.field("element", arrow_type(kind[len("list<") : -1])))
    if kind.startswith("decimal("):
        precision, scale = kind[len("decimal(") : -1].split(",")
        return pa.decimal128(int(precision), int(scale))
    return _SCALARS[kind]


def arrow_schema(fields: Iterable[Field]) -> pa.Schema:
    """The schema of a data file: every column, and every element of a list, carries its field id."""
    return pa.schema([_with_id(field) for field in fields])


def _with_id(field: Field) -> pa.Field:
    kind = arrow_type(field.type)
    if field.element_id is not None:
        kind = pa.list_(pa.field("element", kind.value_type, metadata=_id(field.element_id)))
    return pa.field(field.name, kind, metadata=_id(field.id))


def _id(number: int) -> dict[str, str]:
    return {"PARQUET:field_id": str(number)}


class CsvDecoder:
    """Makes Arrow tables of ``COPY … TO STDOUT (FORMAT csv)``.

    An empty field is NULL and a quoted empty field is an empty text, as PostgreSQL writes them.

    Parameters
    ----------
    table_id : str
        What to name in an error.
    columns : mapping of str to str
        Names and Iceberg types of the result of the query, in order.
    """

    def __init__(self, table_id: str, columns: Mapping[str, str]) -> None:
        self._table_id = table_id
        self._columns = dict(columns)
        self._names = list(columns)
        self._conversion = csv.ConvertOptions(
            column_types={name: _wire_type(kind) for name, kind in columns.items()},
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
        return pa.table([self._value(name, table.column(name)) for name in self._names], names=self._names)

    def _value(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        kind = self._columns[name]
        if kind not in _WIRE and not kind.startswith("list<"):
            return column
        try:
            return pa.chunked_array([_convert(chunk, kind) for chunk in column.chunks], type=arrow_type(kind))
        except (pa.ArrowInvalid, ValueError) as error:
            raise IngestError(f"{self._table_id}: column {name!r}: {error}") from error


def _wire_type(kind: str) -> pa.DataType:
    return pa.string() if kind.startswith("list<") else _WIRE.get(kind) or arrow_type(kind)


def _convert(wire: pa.Array, kind: str) -> pa.Array:
    if kind == "binary":
        return pa.array(_decode_each(wire, lambda text: bytes.fromhex(text[2:])), pa.binary())
    if kind.startswith("list<"):
        return _convert_list(wire, kind[len("list<") : -1])
    return wire.cast(arrow_type(kind))


def _convert_list(wire: pa.Array, element: str) -> pa.Array:
    lists = _decode_each(wire, json.loads)
    offsets, position = [], 0
    for entry in lists:
        offsets.append(None if entry is None else position)
        position += len(entry or ())
    texts = pa.array([text for entry in lists for text in entry or ()], pa.string())
    if element == "binary":
        elements = _convert(texts, "binary")
    else:
        elements = texts.cast(_wire_type(element)).cast(arrow_type(element))
    kind = arrow_type(f"list<{element}>")
    return pa.ListArray.from_arrays(pa.array([*offsets, position], pa.int32()), elements, type=kind)


def _decode_each(wire: pa.Array, decode: Callable[[str], Any]) -> list[Any]:
    return [None if text is None else decode(text) for text in wire.to_pylist()]


def _name_column(message: str, names: Sequence[str]) -> str:
    return re.sub(r"In CSV column #(\d+)", lambda match: f"column {names[int(match[1])]!r}", message)
