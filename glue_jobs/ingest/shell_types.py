"""Iceberg types as pyiceberg has them."""

from __future__ import annotations

from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    StringType,
    TimestampType,
    TimestamptzType,
)

_PRIMITIVES = {
    "int": IntegerType(),
    "long": LongType(),
    "float": FloatType(),
    "double": DoubleType(),
    "boolean": BooleanType(),
    "string": StringType(),
    "date": DateType(),
    "timestamp": TimestampType(),
    "timestamptz": TimestamptzType(),
    "binary": BinaryType(),
}


def iceberg_type(kind: str, element_id: int = -1) -> IcebergType:
    """The type that :class:`ingest.iceberg.Field` spells so.

    Examples
    --------
    >>> str(iceberg_type("decimal(12,2)"))
    'decimal(12, 2)'
    """
    if kind.startswith("list<"):
        element = iceberg_type(kind[len("list<") : -1])
        return ListType(element_id=element_id, element=element, element_required=False)
    if kind.startswith("decimal("):
        precision, scale = kind[len("decimal(") : -1].split(",")
        return DecimalType(int(precision), int(scale))
    return _PRIMITIVES[kind]
