"""Schemas of Glue, of Spark and of the Data Catalog, and how one becomes the other.

A choice lies in a Spark column as a struct with one nullable member for each type, named as the type is:
``toDF`` of a choice that nobody resolved shows exactly that.
"""

from __future__ import annotations

import re
from typing import Any, Optional

from pyspark.sql import types as spark

from awsglue import gluetypes as glue

_SIMPLE: dict[Any, Any] = {
    glue.BinaryType: spark.BinaryType,
    glue.BooleanType: spark.BooleanType,
    glue.ByteType: spark.ByteType,
    glue.DateType: spark.DateType,
    glue.DoubleType: spark.DoubleType,
    glue.EnumType: spark.StringType,
    glue.FloatType: spark.FloatType,
    glue.IntegerType: spark.IntegerType,
    glue.LongType: spark.LongType,
    glue.NullType: spark.NullType,
    glue.ShortType: spark.ShortType,
    glue.StringType: spark.StringType,
    glue.TimestampType: spark.TimestampType,
    glue.UnknownType: spark.NullType,
}
_FROM_SPARK = {
    there: here for here, there in _SIMPLE.items() if here not in (glue.EnumType, glue.UnknownType)
}
_NAMES: dict[str, Any] = {
    **{simple.typeName(): simple for simple in _SIMPLE},
    "bigint": glue.LongType,
    "integer": glue.IntegerType,
    "smallint": glue.ShortType,
    "tinyint": glue.ByteType,
    "void": glue.NullType,
    "real": glue.FloatType,
}
_DECIMAL = re.compile(r"(?:decimal|numeric)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?$")
_TEXT = re.compile(r"(?:varchar|char)\s*\(\s*\d+\s*\)$")
# As a type in a mapping each of these means the type that the field has.
_ANY = frozenset({"array", "choice", "map", "struct", ""})


def to_spark(kind: glue.DataType) -> spark.DataType:
    """The Spark type in which values of a Glue type lie.

    Parameters
    ----------
    kind : DataType
    """
    if isinstance(kind, glue.DecimalType):
        return spark.DecimalType(kind.precision, kind.scale)
    if isinstance(kind, glue.ArrayType):
        return spark.ArrayType(to_spark(kind.elementType))
    if isinstance(kind, glue.MapType):
        return spark.MapType(spark.StringType(), to_spark(kind.valueType))
    if isinstance(kind, glue.ChoiceType):
        return spark.StructType(
            [spark.StructField(name, to_spark(choice)) for name, choice in kind.choices.items()]
        )
    if isinstance(kind, glue.StructType):
        return spark.StructType([spark.StructField(field.name, to_spark(field.dataType)) for field in kind])
    return _SIMPLE[type(kind)]()  # type: ignore[no-any-return]


def struct_to_spark(kind: glue.StructType) -> spark.StructType:
    """Same as :func:`to_spark`, for a whole record."""
    struct = to_spark(kind)
    assert isinstance(struct, spark.StructType)
    return struct


def from_spark(kind: spark.DataType) -> glue.DataType:
    """The Glue type of a Spark column; there is never a choice in it.

    Parameters
    ----------
    kind : pyspark DataType
    """
    if isinstance(kind, spark.DecimalType):
        return glue.DecimalType(kind.precision, kind.scale)
    if isinstance(kind, spark.ArrayType):
        return glue.ArrayType(from_spark(kind.elementType))
    if isinstance(kind, spark.MapType):
        return glue.MapType(from_spark(kind.valueType))
    if isinstance(kind, spark.StructType):
        return glue.StructType([glue.Field(field.name, from_spark(field.dataType)) for field in kind.fields])
    if type(kind) in _FROM_SPARK:
        return _FROM_SPARK[type(kind)]()  # type: ignore[no-any-return]
    if kind.simpleString() == "timestamp_ntz":
        return glue.TimestampType()
    # Intervals, varchar, char and what a later Spark may bring: a text, as in the Data Catalog.
    return glue.StringType()


def struct_from_spark(kind: spark.StructType) -> glue.StructType:
    """Same as :func:`from_spark`, for a whole record."""
    struct = from_spark(kind)
    assert isinstance(struct, glue.StructType)
    return struct


def parse(text: str) -> Optional[glue.DataType]:
    """Read the name of a type, as mappings, ``cast:`` and the Data Catalog write it.

    Parameters
    ----------
    text : str
        For example ``long``, ``bigint``, ``decimal(10,2)``, ``array<struct<a:int>>``.

    Returns
    -------
    DataType or None
        ``None`` for ``struct``, ``array``, ``map`` and ``choice``, which say nothing of their parts.

    Raises
    ------
    ValueError
        If it is no type.
    """
    name = text.strip()
    lower = name.lower()
    if lower in _ANY:
        return None
    if lower in _NAMES:
        return _NAMES[lower]()  # type: ignore[no-any-return]
    decimal = _DECIMAL.match(lower)
    if decimal:
        # Hive's default, which is not the one of Glue's own type.
        return glue.DecimalType(int(decimal[1] or 10), int(decimal[2] or 0))
    if _TEXT.match(lower) or lower in ("varchar", "char"):
        return glue.StringType()
    head, bracket, rest = name.partition("<")
    if bracket and rest.endswith(">"):
        return _parse_nested(head.strip().lower(), rest[:-1], text)
    raise ValueError(f"{text!r} is not a type of Glue")


def _parse_nested(head: str, inside: str, text: str) -> glue.DataType:
    parts = _split(inside)
    if head == "array" and len(parts) == 1:
        return glue.ArrayType(parse(parts[0]))
    if head == "map" and len(parts) == 2:
        return glue.MapType(parse(parts[1]))
    if head == "struct":
        pairs = (part.partition(":") for part in parts)
        return glue.StructType(
            [
                glue.Field(name.strip().strip("`"), parse(kind) or glue.UnknownType())
                for name, _, kind in pairs
            ]
        )
    raise ValueError(f"{text!r} is not a type of Glue")


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += character in "<("
        depth -= character in ">)"
        if character == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [part for part in [*parts, text[start:]] if part.strip()]


def catalog_name(kind: glue.DataType) -> str:
    """The type as the Data Catalog writes it.

    Parameters
    ----------
    kind : DataType

    Examples
    --------
    >>> catalog_name(glue.ArrayType(glue.LongType()))
    'array<bigint>'
    """
    if isinstance(kind, (glue.NullType, glue.UnknownType, glue.EnumType)):
        return "string"
    return to_spark(kind).simpleString()


def tree(schema: glue.StructType) -> str:
    """The schema as ``printSchema`` shows it, in the form of the Glue Developer Guide.

    Parameters
    ----------
    schema : StructType
    """
    return "\n".join(["root", *_lines(schema, "")]) + "\n"


def _lines(kind: glue.DataType, indent: str) -> list[str]:
    below = indent + "|    "
    if isinstance(kind, glue.StructType):
        return [
            line
            for field in kind
            for line in (
                f"{indent}|-- {field.name}: {_label(field.dataType)}",
                *_lines(field.dataType, below),
            )
        ]
    if isinstance(kind, glue.ChoiceType):
        return [
            line
            for choice in kind.choices.values()
            for line in (f"{indent}|-- {_label(choice)}", *_lines(choice, below))
        ]
    inside = (
        kind.elementType
        if isinstance(kind, glue.ArrayType)
        else kind.valueType
        if isinstance(kind, glue.MapType)
        else None
    )
    if inside is None:
        return []
    name = "element" if isinstance(kind, glue.ArrayType) else "value"
    return [f"{indent}|-- {name}: {_label(inside)}", *_lines(inside, below)]


def _label(kind: glue.DataType) -> str:
    if isinstance(kind, glue.DecimalType):
        return f"decimal({kind.precision},{kind.scale})"
    return kind.typeName()
