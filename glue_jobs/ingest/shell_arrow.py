"""From what the source sends to Arrow tables with the types of the curated table."""

from __future__ import annotations

import json
from typing import Collection, Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from ingest.errors import IngestError
from ingest.iceberg import Field, iceberg_type

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

_ELEMENT_WIRE = {"date": pa.int32(), "timestamp": pa.int64(), "timestamptz": pa.int64()}
"""Types whose text, in a list, is that of another one (``source_sql``)."""

_DECIMAL64_DIGITS = 18


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


def data_schema(fields: Iterable[Field], keys: Collection[str]) -> pa.Schema:
    """The schema of a table's data files.

    The columns of the key come first, so that whoever looks for keys reads one stretch of each row group;
    readers tell columns by their field ids.

    Parameters
    ----------
    fields : iterable of Field
    keys : collection of str
        Names of the key's columns.
    """
    return arrow_schema(sorted(fields, key=lambda field: field.name not in keys))


def _with_id(field: Field) -> pa.Field:
    kind = arrow_type(field.type)
    if field.element_id is not None:
        kind = pa.list_(pa.field("element", kind.value_type, metadata=_id(field.element_id)))
    return pa.field(field.name, kind, metadata=_id(field.id))


def _id(number: int) -> dict[str, str]:
    return {"PARQUET:field_id": str(number)}


class WireDecoder:
    """Makes tables with the curated table's types of what the source sends.

    Decimals with room in 64 bits come as ``decimal64``, which is half the work; what writes them widens them.

    Parameters
    ----------
    table_id : str
        What to name in an error.
    columns : mapping of str to str
        Names and the catalog's types of the result of the query, in order.
    """

    def __init__(self, table_id: str, columns: Mapping[str, str]) -> None:
        self._table_id = table_id
        self._columns = dict(columns)

    def decode(self, batch: pa.RecordBatch) -> pa.Table:
        """Convert rows.

        Raises
        ------
        IngestError
            If a value does not fit its column; it names both.
        """
        columns = [self._value(name, batch.column(name)) for name in self._columns]
        return pa.table(columns, names=list(self._columns))

    def _value(self, name: str, wire: pa.Array) -> pa.Array:
        try:
            return _convert(wire, self._columns[name])
        except (pa.ArrowInvalid, ValueError) as error:
            raise IngestError(f"{self._table_id}: column {name!r}: {error}") from error


def _convert(wire: pa.Array, kind: str) -> pa.Array:
    if kind.startswith("array<"):
        return _convert_list(wire, iceberg_type(kind[len("array<") : -1]))
    if kind.startswith("char("):
        return pc.ascii_rtrim(wire, " ")
    if isinstance(wire, pa.ExtensionArray):  # numeric, as text
        wire = wire.storage
    return wire.cast(_narrowest(arrow_type(iceberg_type(kind))))


def _narrowest(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_decimal128(kind) and kind.precision <= _DECIMAL64_DIGITS:
        return pa.decimal64(kind.precision, kind.scale)
    return kind


def _convert_list(wire: pa.Array, element: str) -> pa.Array:
    lists = [None if text is None else json.loads(text) for text in wire.to_pylist()]
    offsets, position = [], 0
    for entry in lists:
        offsets.append(None if entry is None else position)
        position += len(entry or ())
    texts = [text for entry in lists for text in entry or ()]
    if element == "binary":
        elements = pa.array(
            [None if text is None else bytes.fromhex(text[2:]) for text in texts], pa.binary()
        )
    else:
        travels_as = _ELEMENT_WIRE.get(element) or arrow_type(element)
        elements = pa.array(texts, pa.string()).cast(travels_as).cast(arrow_type(element))
    kind = arrow_type(f"list<{element}>")
    return pa.ListArray.from_arrays(pa.array([*offsets, position], pa.int32()), elements, type=kind)
