"""Trino's types: how they are written, combined, and held by the Glue catalog and by DuckDB.

The rules of coercion and of decimal arithmetic are those of Trino's language reference, "Data types",
"Decimal functions and operators" and "Conversion functions".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

MAX_PRECISION = 38
UNBOUNDED = 2147483647
MAX_CHAR_LENGTH = 65536

INTEGRAL = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
TIMESTAMP_TZ = "timestamp with time zone"
TIME_TZ = "time with time zone"
UTC = "UTC"
MIXED_ZONES = "*"
DAY_TO_SECOND = "interval day to second"
YEAR_TO_MONTH = "interval year to month"


@dataclass(frozen=True)
class Type:
    """A Trino type.

    Parameters
    ----------
    name : str
        Base name, for example ``decimal``.
    numbers : tuple of int
        Length, or precision and scale, or the digits of a second.
    elements : tuple of Type
        What an array, map or row holds.
    fields : tuple of str
        Names of a row's fields; empty text for one without a name.
    zone : str
        Zone in which a timestamp with time zone is read and written, one for all rows of a column. ``*`` is a
        mixture: such values can be compared, but not read.
    """

    name: str
    numbers: tuple[int, ...] = ()
    elements: tuple[Type, ...] = ()
    fields: tuple[str, ...] = ()
    zone: str = ""

    def __str__(self) -> str:
        if self.name == "row":
            parts = (
                f"{name} {element}".strip() for name, element in zip(self.fields, self.elements, strict=True)
            )
            return f"row({', '.join(parts)})"
        if self.elements:
            return f"{self.name}({', '.join(map(str, self.elements))})"
        if self.name in (TIMESTAMP_TZ, TIME_TZ):
            return f"{self.name.split()[0]}({self.precision}) with time zone"
        if self.numbers and self.numbers != (UNBOUNDED,):
            return f"{self.name}({','.join(map(str, self.numbers))})"
        return self.name

    @property
    def precision(self) -> int:
        return self.numbers[0] if self.numbers else 0

    @property
    def scale(self) -> int:
        return self.numbers[1] if len(self.numbers) > 1 else 0

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of a row's fields; the place of one without a name."""
        return tuple(name or f"field{index}" for index, name in enumerate(self.fields))

    @property
    def is_integral(self) -> bool:
        return self.name in INTEGRAL

    @property
    def is_numeric(self) -> bool:
        return self.is_integral or self.name in ("decimal", "real", "double")

    @property
    def is_text(self) -> bool:
        return self.name in ("varchar", "char")

    @property
    def holds_char(self) -> bool:
        """Whether it is a char, or nests one."""
        return self.name == "char" or any(element.holds_char for element in self.elements)


UNKNOWN = Type("unknown")
BOOLEAN = Type("boolean")
TINYINT = Type("tinyint")
SMALLINT = Type("smallint")
INTEGER = Type("integer")
BIGINT = Type("bigint")
REAL = Type("real")
DOUBLE = Type("double")
VARCHAR = Type("varchar", (UNBOUNDED,))
VARBINARY = Type("varbinary")
DATE = Type("date")
JSON = Type("json")
UUID = Type("uuid")
TIMESTAMP = Type("timestamp", (3,))
TIMESTAMP_WITH_TIME_ZONE = Type(TIMESTAMP_TZ, (3,), zone=UTC)
TIME = Type("time", (3,))
INTERVAL_DAY = Type(DAY_TO_SECOND)
INTERVAL_MONTH = Type(YEAR_TO_MONTH)


def varchar(length: int) -> Type:
    return Type("varchar", (min(length, UNBOUNDED),))


def char(length: int) -> Type:
    return Type("char", (min(length, MAX_CHAR_LENGTH),))


def decimal(precision: int, scale: int) -> Type:
    return Type("decimal", (min(precision, MAX_PRECISION), scale))


DECIMAL_SIZE = Type("decimal", (MAX_PRECISION, 0))


def array(element: Type) -> Type:
    return Type("array", elements=(element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", elements=(key, value))


def row(elements: Sequence[Type], fields: Sequence[str] | None = None) -> Type:
    return Type("row", elements=tuple(elements), fields=tuple(fields or [""] * len(elements)))


def as_decimal(type_: Type) -> Type:
    """The decimal that an integral type is coerced to, or the decimal itself."""
    return decimal(INTEGRAL[type_.name], 0) if type_.is_integral else type_


def common_type(left: Type, right: Type) -> Type | None:
    """The type that both sides of a comparison, ``CASE`` or ``UNION`` are coerced to, if there is one.

    A varchar is coerced to char, never the other way round.
    """
    if left == right or right == UNKNOWN:
        return left
    if left == UNKNOWN:
        return right
    if left.is_numeric and right.is_numeric:
        return _common_number(left, right)
    if left.is_text and right.is_text:
        length = max(left.precision, right.precision)
        return char(length) if "char" in (left.name, right.name) else varchar(length)
    return _common_temporal(left, right) or _common_nested(left, right)


def _common_number(left: Type, right: Type) -> Type:
    for widest in ("double", "real"):
        if widest in (left.name, right.name):
            return Type(widest)
    if left.is_integral and right.is_integral:
        return max(left, right, key=lambda side: INTEGRAL[side.name])
    one, other = as_decimal(left), as_decimal(right)
    scale = max(one.scale, other.scale)
    return decimal(max(one.precision - one.scale, other.precision - other.scale) + scale, scale)


def _common_temporal(left: Type, right: Type) -> Type | None:
    if left.name == right.name == "time":
        return Type("time", (max(left.precision, right.precision),))
    rank = {"date": 0, "timestamp": 1, TIMESTAMP_TZ: 2}
    if left.name not in rank or right.name not in rank:
        return None
    name = max(left.name, right.name, key=rank.__getitem__)
    zone = ""
    if name == TIMESTAMP_TZ:
        # What has no zone is read in the session's, which is UTC.
        one, other = (side.zone or UTC for side in (left, right))
        zone = one if one == other else MIXED_ZONES
    return Type(name, (max(left.precision, right.precision),), zone=zone)


def _common_nested(left: Type, right: Type) -> Type | None:
    if left.name != right.name or not left.elements or len(left.elements) != len(right.elements):
        return None
    elements = [common_type(a, b) for a, b in zip(left.elements, right.elements, strict=True)]
    known = [element for element in elements if element is not None]
    return Type(left.name, (), tuple(known), left.fields) if len(known) == len(elements) else None


def can_coerce(source: Type, target: Type) -> bool:
    """Whether Trino converts one type to another without being asked."""
    return _widened(common_type(source, target)) == _widened(target)


def _widened(type_: Type | None) -> Type | None:
    """A type without the lengths that do not decide whether a coercion is allowed."""
    if type_ is None:
        return None
    if type_.is_text or type_.name in ("decimal", "time", "timestamp", TIMESTAMP_TZ):
        return Type(type_.name)
    return Type(type_.name, (), tuple(_widened(e) or e for e in type_.elements))


def without_zones(type_: Type) -> Type:
    """A type with a plain timestamp for every zoned one in it."""
    name = "timestamp" if type_.name == TIMESTAMP_TZ else type_.name
    return replace(type_, name=name, elements=tuple(map(without_zones, type_.elements)), zone="")


def duckdb_type(type_: Type) -> str:
    """The DuckDB type that holds every value of a Trino type."""
    if type_.name == "array":
        return f"{duckdb_type(type_.elements[0])}[]"
    if type_.name == "map":
        return f"MAP({duckdb_type(type_.elements[0])}, {duckdb_type(type_.elements[1])})"
    if type_.name == "row":
        parts = (
            f"{quote(name)} {duckdb_type(element)}"
            for name, element in zip(type_.field_names, type_.elements, strict=True)
        )
        return f"STRUCT({', '.join(parts)})"
    if type_.name == "decimal":
        return f"DECIMAL({type_.precision},{type_.scale})"
    return _DUCKDB[type_.name]


_DUCKDB = {
    "unknown": "INTEGER",
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "double": "DOUBLE",
    "varchar": "VARCHAR",
    "char": "VARCHAR",
    "uuid": "VARCHAR",
    "varbinary": "BLOB",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    TIMESTAMP_TZ: "TIMESTAMPTZ",
    # Text as Trino writes it, keys in order: equal values are equal texts.
    "json": "VARCHAR",
    # Milliseconds, and months: so they compare, add and multiply as Trino's do.
    DAY_TO_SECOND: "BIGINT",
    YEAR_TO_MONTH: "INTEGER",
}


def quote(identifier: str) -> str:
    """An identifier as DuckDB and Trino quote it."""
    escaped = identifier.replace('"', '""')
    return f'"{escaped}"'


def literal(value: str) -> str:
    """A text as a constant of SQL."""
    escaped = value.replace("'", "''")
    return f"'{escaped}'"


_HIVE = {
    "int": INTEGER,
    "integer": INTEGER,
    "float": REAL,
    "string": VARCHAR,
    "binary": VARBINARY,
    "timestamp": TIMESTAMP,
    "boolean": BOOLEAN,
    "tinyint": TINYINT,
    "smallint": SMALLINT,
    "bigint": BIGINT,
    "double": DOUBLE,
    "date": DATE,
}


def from_hive(text: str) -> Type:
    """The type of a column of the Glue catalog, which holds Hive's names.

    Raises
    ------
    ValueError
        If Athena reads no such type.
    """
    type_, rest = _read_hive(text.strip().lower())
    if rest:
        raise ValueError(f"unexpected {rest!r} in the type {text!r}")
    return type_


def _read_hive(text: str) -> tuple[Type, str]:
    end = next((i for i, character in enumerate(text) if character in "<(>,:"), len(text))
    name, rest = text[:end].strip(), text[end:]
    if rest.startswith("<"):
        return _read_nested(name, rest[1:])
    numbers: tuple[int, ...] = ()
    if rest.startswith("("):
        inside, closing, rest = rest[1:].partition(")")
        if not closing:
            raise ValueError(f"{name}( is not closed")
        numbers = tuple(int(part) for part in inside.split(","))
    if name == "decimal":
        precision, scale = (*numbers, 10, 0)[:2] if len(numbers) != 1 else (numbers[0], 0)
        return decimal(precision, scale), rest
    if name in ("varchar", "char"):
        return Type(name, numbers or (1 if name == "char" else UNBOUNDED,)), rest
    if name not in _HIVE:
        raise ValueError(f"unknown type {name!r}")
    return _HIVE[name], rest


def _read_nested(name: str, rest: str) -> tuple[Type, str]:
    elements: list[Type] = []
    fields: list[str] = []
    while True:
        if name == "struct":
            field, _, rest = rest.partition(":")
            fields.append(field.strip())
        element, rest = _read_hive(rest.strip())
        elements.append(element)
        rest = rest.strip()
        if not rest or rest[0] not in ",>":
            raise ValueError(f"a {name} type is not closed")
        closed, rest = rest[0] == ">", rest[1:]
        if closed:
            break
    if name == "array" and len(elements) == 1:
        return array(elements[0]), rest
    if name == "map" and len(elements) == 2:
        return map_of(*elements), rest
    if name == "struct":
        return row(elements, fields), rest
    raise ValueError(f"unknown type {name!r}")


def to_hive(type_: Type) -> str:
    """The Hive name under which the Glue catalog stores a type.

    Raises
    ------
    ValueError
        If a table cannot hold it.
    """
    names = {"integer": "int", "real": "float", "varbinary": "binary"}
    if type_.name == "varchar":
        return "string" if type_.precision == UNBOUNDED else f"varchar({type_.precision})"
    if type_.name == "array":
        return f"array<{to_hive(type_.elements[0])}>"
    if type_.name == "map":
        return f"map<{to_hive(type_.elements[0])},{to_hive(type_.elements[1])}>"
    if type_.name == "row":
        inner = (f"{f}:{to_hive(e)}" for f, e in zip(type_.field_names, type_.elements, strict=True))
        return f"struct<{','.join(inner)}>"
    if type_.name == "timestamp":
        return "timestamp"
    if type_.name not in _HIVE and type_.name not in (*names, "decimal", "char"):
        raise ValueError(f"a table cannot hold a column of type {type_}")
    return names.get(type_.name, str(type_))


def athena_column_type(type_: Type) -> tuple[str, int, int]:
    """Type, precision and scale of a result column as ``GetQueryResults`` reports them."""
    fixed = {
        "real": ("float", 17, 0),
        "double": ("double", 17, 0),
        "timestamp": ("timestamp", 3, 0),
        TIMESTAMP_TZ: (TIMESTAMP_TZ, 3, 0),
        "varbinary": ("varbinary", 1073741824, 0),
        "time": ("time", 3, 0),
    }
    if type_.is_integral:
        return type_.name, INTEGRAL[type_.name], 0
    if type_.name == "decimal":
        return "decimal", type_.precision, type_.scale
    if type_.is_text:
        return type_.name, type_.precision, 0
    return fixed.get(type_.name, (type_.name, 0, 0))
