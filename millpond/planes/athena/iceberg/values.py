"""Values of Iceberg's metadata as constants of DuckDB's SQL, and as text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pyiceberg import types as ice
from pyiceberg.conversions import from_bytes
from pyiceberg.transforms import IdentityTransform

from millpond.planes.athena.iceberg.schemas import to_sql
from millpond.planes.athena.types import Type, duckdb_type, literal

_EPOCH = dt.datetime(1970, 1, 1)


def sql_constant(value: Any, type_: ice.IcebergType) -> str:
    """A value as Iceberg keeps it (days, microseconds) as a constant of the column's type."""
    return constant(readable(value, type_), to_sql(type_))


def readable(value: Any, type_: ice.IcebergType) -> Any:
    """A value as Iceberg keeps it, as Python would have it."""
    if value is None or not isinstance(value, int):
        return value
    if isinstance(type_, ice.DateType):
        return _EPOCH.date() + dt.timedelta(days=value)
    if isinstance(type_, ice.TimestampType | ice.TimestamptzType):
        moment = _EPOCH + dt.timedelta(microseconds=value)
        return moment.replace(tzinfo=dt.UTC) if isinstance(type_, ice.TimestamptzType) else moment
    if isinstance(type_, ice.TimeType):
        return (_EPOCH + dt.timedelta(microseconds=value)).time()
    return value


def bound_text(bound: bytes, type_: ice.IcebergType) -> str:
    """A bound of a column as the metadata tables show it."""
    assert isinstance(type_, ice.PrimitiveType)
    transform: IdentityTransform[Any] = IdentityTransform()
    return transform.to_human_string(type_, from_bytes(type_, bound))


def constant(value: Any, type_: Type) -> str:
    """A value of Python as a constant of DuckDB's SQL."""
    if value is None:
        return f"CAST(NULL AS {duckdb_type(type_)})"
    if type_.name == "array":
        inner = ", ".join(constant(item, type_.elements[0]) for item in value)
        return f"CAST([{inner}] AS {duckdb_type(type_)})"
    if type_.name == "map":
        assert isinstance(value, Mapping)
        keys = ", ".join(constant(key, type_.elements[0]) for key in value)
        values = ", ".join(constant(item, type_.elements[1]) for item in value.values())
        return f"CAST(MAP([{keys}], [{values}]) AS {duckdb_type(type_)})"
    if type_.name == "row":
        fields = ", ".join(constant(v, t) for v, t in zip(value, type_.elements, strict=True))
        return f"CAST(row({fields}) AS {duckdb_type(type_)})"
    if isinstance(value, bytes):
        return f"from_hex('{value.hex()}')"
    return f"CAST({literal(str(value))} AS {duckdb_type(type_)})"
