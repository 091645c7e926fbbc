"""Types and values: from the wire form to Spark, and from Iceberg's names to Spark's."""

from __future__ import annotations

import re
from typing import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as f

from ingest.iceberg import Field, iceberg_type

_TYPES = {"long": "bigint", "timestamp": "timestamp_ntz", "timestamptz": "timestamp"}
_FIELD_ID = "parquet.field.id"
_USUAL_YEARS = 10
_EPOCH_YEAR = 1970

OPEN_FILES = 16
"""Files that one task writes at once; with more partitions than that, Spark sorts the rest of its rows."""


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def spark_type(kind: str) -> str:
    """Spark's name of an Iceberg type.

    Examples
    --------
    >>> spark_type("list<long>"), spark_type("timestamptz"), spark_type("decimal(12,2)")
    ('array<bigint>', 'timestamp', 'decimal(12,2)')
    """
    if kind.startswith("list<"):
        return f"array<{spark_type(kind[len('list<') : -1])}>"
    return _TYPES.get(kind, kind)


def read_schema(fields: Sequence[Field]) -> str:
    """The schema, as DDL, of the files of a table; a column that a file lacks is NULL."""
    return ", ".join(f"{quoted(field.name)} {spark_type(field.type)}" for field in fields)


def with_field_id(value: Column, field: Field) -> Column:
    """A column that Spark writes to Parquet under its name with its field id.

    Spark has no place for the id of a list's elements, so those have none.
    """
    return value.alias(field.name, metadata={_FIELD_ID: field.id})


def from_wire(wire: Column, catalog_type: str) -> Column:
    """The value of a column that came in the wire form of :mod:`ingest.source_sql`."""
    if catalog_type.startswith("array<"):
        element_type = catalog_type[len("array<") : -1]
        texts = f.from_json(wire, "array<string>", {"mode": "FAILFAST"})
        return f.transform(texts, lambda text: _element_from_wire(text, element_type))
    if catalog_type == "date":
        return f.date_from_unix_date(wire)
    if catalog_type == "timestamptz":
        return f.timestamp_micros(wire)
    if catalog_type == "timestamp":
        # The session's time zone is UTC.
        return f.timestamp_micros(wire).cast("timestamp_ntz")
    if catalog_type.startswith("char("):
        return f.rtrim(wire)
    return wire.cast(_stored(catalog_type))


def partition_value(name: str, kind: str, transform: str, catalog: str) -> Column:
    """What Iceberg partitions by, in the form that a manifest has it in.

    Parameters
    ----------
    name, kind : str
        Column, and its Iceberg type.
    transform : str
        Iceberg's, for example ``bucket[16]``.
    catalog : str
        Spark catalog that has Iceberg's functions.
    """
    value = f.col(quoted(name))
    if transform == "identity":
        return _as_number(value, kind)
    found = re.fullmatch(r"(bucket|truncate)\[(\d+)\]", transform)
    if found:
        value = f.expr(f"{catalog}.system.{found[1]}({found[2]}, {quoted(name)})")
        return value if found[1] == "bucket" else _as_number(value, kind)
    # Spark's own functions, in UTC: for Iceberg's the catalog would be loaded before a row is read.
    years = f.year(value) - _EPOCH_YEAR
    if transform == "year":
        return years
    if transform == "month":
        return years * 12 + f.month(value) - 1
    return f.unix_date(value.cast("date"))


def has_few_values(transforms: Sequence[str]) -> bool:
    """Whether a writer can have a file open for each partition, so that rows need no sorting into them.

    Examples
    --------
    >>> has_few_values(["year"]), has_few_values(["month"]), has_few_values(["bucket[4]", "bucket[8]"])
    (True, False, False)
    """
    values = 1
    for transform in transforms:
        buckets = re.fullmatch(r"bucket\[(\d+)\]", transform)
        values *= int(buckets[1]) if buckets else _USUAL_YEARS if transform == "year" else OPEN_FILES + 1
    return values <= OPEN_FILES


def _as_number(value: Column, kind: str) -> Column:
    if kind == "date":
        return f.unix_date(value)
    if kind in ("timestamp", "timestamptz"):
        return f.unix_micros(value.cast("timestamp"))
    return value.cast("string") if kind.startswith("decimal") else value


def _element_from_wire(text: Column, element_type: str) -> Column:
    if element_type == "binary":
        return f.unhex(f.regexp_replace(text, r"^\\x", ""))
    travels_as = {"date": "int", "timestamp": "bigint", "timestamptz": "bigint"}
    return from_wire(text.cast(travels_as.get(element_type, _stored(element_type))), element_type)


def _stored(catalog_type: str) -> str:
    return spark_type(iceberg_type(catalog_type))
