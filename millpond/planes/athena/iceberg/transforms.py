"""Partition transforms: in DDL, and as what rows are ordered by when they are written.

The value of a partition is pyiceberg's; what is written here only has to differ whenever that differs, so
that the rows of one partition follow each other.
"""

# ruff: noqa: S608 - writing SQL is what this module is for; names and texts in it are quoted
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyiceberg import types as ice
from pyiceberg.partitioning import (
    PARTITION_FIELD_ID_START,
    PartitionField,
    PartitionSpec,
    _to_partition_representation,
)
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, parse_transform

from millpond.planes.athena.exceptions import QueryFailed
from millpond.planes.athena.types import quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CALL = re.compile(r"(?P<word>[a-z]+)\s*\(\s*(?P<arguments>[^()]*)\)", re.IGNORECASE)
_TIMES = {"year", "years", "month", "months", "day", "days", "hour", "hours"}


def new_spec(partitions: Sequence[str], schema: Schema) -> PartitionSpec:
    """The partition spec of a new table.

    Parameters
    ----------
    partitions : sequence of str
        ``column``, ``month(column)``, ``bucket(16, column)`` as in DDL, or ``bucket(column, 16)`` as in the
        ``partitioning`` of ``CREATE TABLE AS``.
    schema : Schema
        The columns that may be named.

    Raises
    ------
    QueryFailed
        If a transform or a column is not known, or does not fit.
    """
    fields = []
    for number, text in enumerate(partitions):
        transform, column = _parsed(text)
        try:
            source = schema.find_field(column, case_sensitive=False)
        except ValueError as error:
            raise QueryFailed("COLUMN_NOT_FOUND", f"Unknown partition column: {column}", 1, 1) from error
        parsed = parse_transform(transform)
        if not parsed.can_transform(source.field_type):
            message = f"Invalid partition field declaration: {text}"
            raise QueryFailed("INVALID_TABLE_PROPERTY", message, 1, 1)
        word = transform.partition("[")[0]
        suffix = {"truncate": "trunc", "identity": ""}.get(word, word)
        name = f"{source.name}_{suffix}" if suffix else source.name
        fields.append(PartitionField(source.field_id, PARTITION_FIELD_ID_START + number, parsed, name))
    return PartitionSpec(*fields)


def _parsed(text: str) -> tuple[str, str]:
    """Iceberg's name of a transform, and the column."""
    match = _CALL.fullmatch(text.strip())
    if match is None:
        return "identity", _unquoted(text)
    word, arguments = match["word"].lower(), [a.strip() for a in match["arguments"].split(",")]
    if word in _TIMES and len(arguments) == 1:
        return word.removesuffix("s"), _unquoted(arguments[0])
    if word in ("bucket", "truncate") and len(arguments) == 2:
        size, column = sorted(arguments, key=lambda argument: not argument.isdecimal())
        if size.isdecimal():
            return f"{word}[{size}]", _unquoted(column)
    raise QueryFailed("INVALID_TABLE_PROPERTY", f"Invalid partition field declaration: {text}", 1, 1)


def _unquoted(name: str) -> str:
    return name.strip().strip('`"').lower()


def order_key(
    connection: DuckDBPyConnection, relation: str, field: PartitionField, source: ice.NestedField
) -> str:
    """SQL that is equal for the rows of one partition, and for no others.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Has the rows.
    relation : str
        The rows; columns have the names of the table's, in lower case.
    field, source : PartitionField, NestedField
        The transform, and the column that it is of.
    """
    column = quote(source.name.lower())
    word, _, rest = str(field.transform).partition("[")
    if word in ("year", "month", "day", "hour"):
        return f"date_trunc('{word}', {column})"
    if word == "truncate":
        return _truncated(column, source.field_type, int(rest.removesuffix("]")))
    if isinstance(field.transform, BucketTransform):
        buckets = _buckets(connection, relation, field, source)
        return f"(SELECT b.bucket FROM {buckets} AS b WHERE b.value IS NOT DISTINCT FROM {column})"
    return column


def _truncated(column: str, type_: ice.IcebergType, width: int) -> str:
    if isinstance(type_, ice.StringType):
        return f"substr({column}, 1, {width})"
    if isinstance(type_, ice.BinaryType):
        return f"substr(hex({column}), 1, {2 * width})"
    if isinstance(type_, ice.DecimalType):
        whole = f"CAST({column} * {10**type_.scale} AS HUGEINT)"
        return f"{whole} - ((({whole} % {width}) + {width}) % {width})"
    return f"{column} - ((({column} % {width}) + {width}) % {width})"


def _buckets(
    connection: DuckDBPyConnection, relation: str, field: PartitionField, source: ice.NestedField
) -> str:
    """A relation with the bucket of every value; DuckDB has no function that hashes as Iceberg does."""
    import pyarrow as pa  # Starts a thread: the process that forks the workers must not.

    column = quote(source.name.lower())
    found = connection.execute(f"SELECT DISTINCT {column} AS value FROM {relation}").to_arrow_table()
    values = found.column("value")
    buckets = pa.array([partition_value(field, source, value.as_py()) for value in values], pa.int32())
    name = f"buckets of {field.name}"
    connection.register(name, pa.table({"value": values, "bucket": buckets}))
    return quote(name)


def partition_value(field: PartitionField, source: ice.NestedField, value: Any) -> Any:
    """The value of a partition for a row's value of the source column."""
    internal = _to_partition_representation(source.field_type, value)
    return field.transform.transform(source.field_type)(internal)
