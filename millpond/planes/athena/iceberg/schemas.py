"""Types of Iceberg, of Athena's SQL and of its DDL, each as the other.

The table of types is that of the Athena user guide, "Supported data types for Iceberg tables in Athena".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from pyiceberg import types as ice
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema

from millpond.planes.athena import types as sql

_PLAIN: dict[type[ice.IcebergType], sql.Type] = {
    ice.BooleanType: sql.BOOLEAN,
    ice.IntegerType: sql.INTEGER,
    ice.LongType: sql.BIGINT,
    ice.FloatType: sql.REAL,
    ice.DoubleType: sql.DOUBLE,
    ice.DateType: sql.DATE,
    ice.TimeType: sql.Type("time", (6,)),
    ice.TimestampType: sql.Type("timestamp", (6,)),
    ice.TimestamptzType: sql.Type(sql.TIMESTAMP_TZ, (6,)),
    ice.StringType: sql.VARCHAR,
    ice.BinaryType: sql.VARBINARY,
    ice.FixedType: sql.VARBINARY,
}
_HIVE: dict[type[ice.IcebergType], str] = {
    ice.IntegerType: "int",
    ice.LongType: "bigint",
    ice.FloatType: "float",
    ice.FixedType: "binary",
}
_ICEBERG: dict[str, ice.PrimitiveType] = {
    "boolean": ice.BooleanType(),
    "integer": ice.IntegerType(),
    "smallint": ice.IntegerType(),
    "tinyint": ice.IntegerType(),
    "bigint": ice.LongType(),
    "real": ice.FloatType(),
    "double": ice.DoubleType(),
    "date": ice.DateType(),
    "time": ice.TimeType(),
    "timestamp": ice.TimestampType(),
    sql.TIMESTAMP_TZ: ice.TimestamptzType(),
    "varchar": ice.StringType(),
    "varbinary": ice.BinaryType(),
}


def to_sql(type_: ice.IcebergType) -> sql.Type:
    """The type of a column in SQL.

    Raises
    ------
    ValueError
        If Millpond's Athena has no such type.
    """
    if isinstance(type_, ice.DecimalType):
        return sql.decimal(type_.precision, type_.scale)
    if isinstance(type_, ice.ListType):
        return sql.array(to_sql(type_.element_type))
    if isinstance(type_, ice.MapType):
        return sql.map_of(to_sql(type_.key_type), to_sql(type_.value_type))
    if isinstance(type_, ice.StructType):
        return sql.row([to_sql(f.field_type) for f in type_.fields], [f.name.lower() for f in type_.fields])
    if type(type_) not in _PLAIN:
        raise ValueError(f"the type {type_}")
    return _PLAIN[type(type_)]


def to_hive(type_: ice.IcebergType) -> str:
    """The name that ``DESCRIBE`` and ``SHOW CREATE TABLE`` give a type."""
    if isinstance(type_, ice.ListType):
        return f"array<{to_hive(type_.element_type)}>"
    if isinstance(type_, ice.MapType):
        return f"map<{to_hive(type_.key_type)},{to_hive(type_.value_type)}>"
    if isinstance(type_, ice.StructType):
        return f"struct<{','.join(f'{f.name}:{to_hive(f.field_type)}' for f in type_.fields)}>"
    if isinstance(type_, ice.DecimalType):
        return f"decimal({type_.precision},{type_.scale})"
    return _HIVE.get(type(type_), str(type_))


def from_sql(type_: sql.Type, ids: Iterator[int] | None = None) -> ice.IcebergType:
    """The Iceberg type that holds a type of SQL; fields within it are numbered by ``ids``.

    Raises
    ------
    ValueError
        If no Iceberg table can hold it.
    """
    ids = ids or count(1)
    if type_.name == "decimal":
        return ice.DecimalType(type_.precision, type_.scale)
    if type_.name == "array":
        number = next(ids)
        return ice.ListType(number, from_sql(type_.elements[0], ids), element_required=False)
    if type_.name == "map":
        key, value = next(ids), next(ids)
        key_type, value_type = (from_sql(element, ids) for element in type_.elements)
        return ice.MapType(key, key_type, value, value_type, value_required=False)
    if type_.name == "row":
        fields = [
            ice.NestedField(next(ids), name, from_sql(element, ids), required=False)
            for name, element in zip(type_.fields, type_.elements, strict=True)
        ]
        return ice.StructType(*fields)
    if type_.name not in _ICEBERG:
        raise ValueError(f"Type not supported for Iceberg: {type_}")
    return _ICEBERG[type_.name]


def new_schema(columns: Sequence[tuple[str, sql.Type, str]]) -> Schema:
    """A schema of new columns, each its name, type and comment."""
    ids = count(len(columns) + 1)
    fields = [
        ice.NestedField(number, name, from_sql(type_, ids), required=False, doc=comment or None)
        for number, (name, type_, comment) in enumerate(columns, 1)
    ]
    return Schema(*fields)


def partition_name(field: PartitionField, schema: Schema) -> str:
    """A partition field as ``PARTITIONED BY`` writes it."""
    column = schema.find_column_name(field.source_id) or field.name
    transform = str(field.transform)
    if transform == "identity":
        return f"`{column}`"
    word, _, size = transform.removesuffix("]").partition("[")
    return f"{word}({size}, `{column}`)" if size else f"{word}(`{column}`)"


def is_partitioned(spec: PartitionSpec) -> bool:
    return any(str(field.transform) != "void" for field in spec.fields)
