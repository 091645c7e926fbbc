"""``CAST`` and ``TRY_CAST`` as Trino does them, in DuckDB's SQL.

A ``char(n)`` is held as text of exactly ``n`` characters, blanks at its end. So DuckDB's own comparison,
grouping, and order of two values of one char type are Trino's, which pays no heed to those blanks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millpond.planes.athena.exceptions import KernelFailed, NotSupported, Place, QueryFailed
from millpond.planes.athena.kernels import Kernel, documents, numbers, text, times
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.types import (
    DAY_TO_SECOND,
    TIMESTAMP_TZ,
    UNBOUNDED,
    UNKNOWN,
    UTC,
    VARCHAR,
    YEAR_TO_MONTH,
    Type,
    duckdb_type,
    quote,
)
from millpond.planes.athena.zones import from_local, to_local, zone_of

_LONGEST_PADDED = 255


def coerce(value: Typed, target: Type) -> Typed:
    """Convert without being asked; the SQL is unchanged where DuckDB holds both types alike."""
    source = value.type
    if target.name == TIMESTAMP_TZ and source.name in ("date", "timestamp"):
        # The session's zone is UTC, as Athena's is.
        local = Typed(f"CAST({value.sql} AS TIMESTAMP)", Type("timestamp", target.numbers))
        return Typed(from_local(local, UTC).sql, target)
    if source == target or (source != UNKNOWN and duckdb_type(source) == duckdb_type(target)):
        sql = value.sql
    else:
        sql = f"CAST({value.sql} AS {duckdb_type(target)})"
    if target.name == "char" and source.is_text and source.precision > target.precision:
        # Not cut: a text that is longer is another one than each that fits.
        sql = (
            f"rpad(rtrim({sql}, ' '), {source.precision}, ' ')"
            if source.precision <= _LONGEST_PADDED
            else sql
        )
    elif target.holds_char and source not in (target, UNKNOWN):
        sql = padded(sql, target)
    is_kept = sql == value.sql or value.constant is not None
    return Typed(sql, target, value.constant if is_kept else None, value.is_atomic and is_kept)


def padded(sql: str, type_: Type, depth: int = 0) -> str:
    """A value with blanks at the end of every char in it, up to the length of its type."""
    if type_.name == "char":
        return f"rpad(rtrim({sql}, ' '), {type_.precision}, ' ')"
    if not type_.holds_char:
        return sql
    item = f"item{depth}"
    if type_.name == "array":
        return f"list_transform({sql}, lambda {item}: {padded(item, type_.elements[0], depth + 1)})"
    if type_.name == "map":
        key, value = (
            padded(f"{item}.{part}", element, depth + 1)
            for part, element in zip(("key", "value"), type_.elements, strict=True)
        )
        entries = f"list_transform(map_entries({sql}), lambda {item}: struct_pack(k := {key}, v := {value}))"
        return f"map_from_entries({entries})"
    fields = (
        f"{quote(name)} := {padded(f'({sql}).{quote(name)}', element, depth)}"
        for name, element in zip(type_.field_names, type_.elements, strict=True)
    )
    return f"CASE WHEN {sql} IS NULL THEN NULL ELSE struct_pack({', '.join(fields)}) END"


def comparable(values: Sequence[Typed], common: Type) -> list[str]:
    """SQL of values that DuckDB compares as Trino does once they are coerced to their common type.

    Where that is a long char, as with text of any length, the blanks are taken away instead of added.
    """
    if common.name == "char" and common.precision > _LONGEST_PADDED:
        return [f"rtrim({value.sql}, ' ')" for value in values]
    return [coerce(value, common).sql for value in values]


def bound(sql: str, build: Callable[[str], str], *, is_atomic: bool, name: str = "v") -> str:
    """SQL that names a value more than once, though it is worked out once."""
    return build(sql) if is_atomic else f"list_transform([{sql}], lambda {name}: {build(name)})[1]"


def cast(
    value: Typed,
    target: Type,
    *,
    is_try: bool = False,
    place: Place = (None, None),
) -> Typed:
    """Convert because the query says so.

    Raises
    ------
    QueryFailed
        ``TYPE_MISMATCH`` if Trino has no such conversion.
    """
    try:
        sql = _convert(value, target, is_try)
    except _NoCastError:
        raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {value.type} to {target}", *place) from None
    if value.is_null:
        return Typed(sql, target, value.constant, is_atomic=True)
    is_whole = value.number is not None and target.is_integral
    is_text = value.text is not None and target.name == "varchar" and len(value.text) <= target.precision
    return Typed(
        sql,
        target,
        value.constant if is_whole or is_text else None,
        is_whole or is_text or (sql == value.sql and value.is_atomic),
    )


def as_text(values: Typed) -> str:
    """An array with its elements as text."""
    return _convert(values, Type("array", elements=(VARCHAR,)), is_try=False)


class _NoCastError(Exception):
    """Trino has no such conversion."""


def _trying(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        try:
            return function(*values)
        except KernelFailed as failure:
            if failure.reason == "NOT_SUPPORTED":
                raise
            return None

    return call


def _by_kernel(
    function: Callable[..., Any], sql: str, source: Type, target: Type, is_try: bool, key: str = ""
) -> str:
    types = f"{source}{source.zone}|{target}{target.zone}"
    whole = f"{function.__module__}.{function.__qualname__}|{types}|{key}|{is_try}"
    return Kernel(_trying(function) if is_try else function, (source,), target, key=whole).sql([sql])


def _convert(value: Typed, target: Type, is_try: bool, depth: int = 0) -> str:
    source, sql = value.type, value.sql
    if source == target:
        return sql
    plain = f"{'TRY_CAST' if is_try else 'CAST'}({sql} AS {duckdb_type(target)})"
    if source == UNKNOWN:
        return f"CAST({sql} AS {duckdb_type(target)})"
    if "json" in (source.name, target.name):
        return _json(value, target, is_try)
    if source.elements or target.elements:
        return _nested(value, target, is_try, depth)
    if target.is_text:
        return _to_text(value, target, is_try)
    if source.is_text:
        return _from_text(value, target, is_try)
    if source.is_numeric or source.name == "boolean":
        return _from_number(value, target, plain, is_try)
    if source.name in ("date", "time", "timestamp", TIMESTAMP_TZ):
        return _from_moment(value, target)
    raise _NoCastError


# To text

_TEXTS: dict[str, Callable[[Type], Callable[[Any], str]]] = {
    "double": lambda _: numbers.double_text,
    "real": lambda _: numbers.real_text,
    "date": lambda _: times.date_text,
    "time": lambda source: times.clock_texts(source.precision),
    "timestamp": lambda source: times.timestamp_texts(source.precision, " "),
    TIMESTAMP_TZ: lambda source: times.instant_text(zone_of(source), source.precision),
    DAY_TO_SECOND: lambda _: times.interval_days_text,
    YEAR_TO_MONTH: lambda _: times.interval_months_text,
}
_PLAIN_TEXTS = {"uuid", "boolean", "tinyint", "smallint", "integer", "bigint", "decimal"}


def _to_text(value: Typed, target: Type, is_try: bool) -> str:
    source, sql = value.type, value.sql
    if source.is_text:
        return _shorten(sql, target)
    if target.name == "char":
        raise _NoCastError
    if source.name == "decimal" and source.precision == source.scale:
        # DuckDB writes no zero before the point of such a number.
        written = f"CAST(CAST({sql} AS DECIMAL(38,{source.scale})) AS VARCHAR)" if source.scale < 38 else ""
        written = written or _by_kernel(numbers.decimal_text, sql, source, VARCHAR, is_try=False)
    elif source.name in _TEXTS:
        written = _by_kernel(_TEXTS[source.name](source), sql, source, VARCHAR, is_try=False)
    elif source.name in _PLAIN_TEXTS:
        written = f"CAST({sql} AS VARCHAR)"
    else:
        raise _NoCastError
    if target.precision == UNBOUNDED:
        return written
    return _by_kernel(
        numbers.limited(target.precision), written, VARCHAR, VARCHAR, is_try, str(target.precision)
    )


def _shorten(sql: str, target: Type) -> str:
    if target.name == "char":
        return f"rpad(substr({sql}, 1, {target.precision}), {target.precision}, ' ')"
    return sql if target.precision == UNBOUNDED else f"substr({sql}, 1, {target.precision})"


# From text


_TEXT_READERS: dict[str, Callable[[Type], Callable[[str], Any]]] = {
    **{
        name: lambda target: numbers.text_to_integer(target.name)
        for name in ("tinyint", "smallint", "integer", "bigint")
    },
    **{name: lambda target: numbers.text_to_double(target.name) for name in ("double", "real")},
    "decimal": numbers.text_to_decimal,
    "boolean": lambda _: numbers.text_to_boolean,
    "date": lambda _: times.to_date,
    "time": lambda target: times.to_clock(target.precision),
    "timestamp": lambda target: times.to_timestamp(target.precision),
    TIMESTAMP_TZ: lambda target: times.to_instant(target.precision, zone_of(target)),
    "uuid": lambda _: text.to_uuid,
}


def _from_text(value: Typed, target: Type, is_try: bool) -> str:
    if target.name == "varbinary":
        return f"encode({value.sql})"
    make = _TEXT_READERS.get(target.name)
    if make is None or value.type.name == "char":
        raise _NoCastError
    return _by_kernel(make(target), value.sql, VARCHAR, target, is_try)


# From numbers and points in time


def _from_number(value: Typed, target: Type, plain: str, is_try: bool) -> str:
    source, sql = value.type, value.sql
    if not (target.is_numeric or target.name == "boolean"):
        raise _NoCastError
    if source.name in ("double", "real"):
        if target.is_integral:
            return _by_kernel(
                numbers.double_to_integer(target.name, source.name), sql, source, target, is_try
            )
        if target.name == "decimal":
            return _by_kernel(numbers.double_to_decimal(target, source.name), sql, source, target, is_try)
        if target.name == "real":
            return _by_kernel(numbers.single, sql, source, target, is_try)
    return plain


def _from_moment(value: Typed, target: Type) -> str:
    source = value.type
    if source.name == "time" and target.name in ("timestamp", TIMESTAMP_TZ):
        raise NotSupported("The conversion of a time to a timestamp")
    if target.name == TIMESTAMP_TZ:
        if source.name == TIMESTAMP_TZ:
            return to_digits(value.sql, source, target)
        plain = Type("timestamp", target.numbers)
        return from_local(Typed(_from_moment(value, plain), plain), zone_of(target)).sql
    if (source.name, target.name) in (("time", "date"), ("date", "time")):
        raise _NoCastError
    local = to_local(value)
    if target.name == "date":
        return f"CAST({local.sql} AS DATE)"
    if target.name == "time":
        clock = local.sql if source.name == "time" else f"CAST({local.sql} AS TIME)"
        return to_digits(clock, Type("time", source.numbers), target)
    if target.name != "timestamp":
        raise _NoCastError
    if source.name == "date":
        return f"CAST({local.sql} AS TIMESTAMP)"
    return to_digits(local.sql, local.type, target)


def to_digits(sql: str, source: Type, target: Type) -> str:
    """A point in time with fewer digits of a second, rounded half up."""
    if source.precision <= target.precision:
        return sql
    digits = target.precision

    def convert(micros: int) -> int:
        result = times.rounded(micros, digits)
        return result % times.DAY if target.name == "time" else result

    return Kernel(convert, (source,), target, key=f"{source}|{target}").sql([sql])


# Nested values and JSON


def _nested(value: Typed, target: Type, is_try: bool, depth: int) -> str:
    source, sql = value.type, value.sql
    if source.name != target.name or len(source.elements) != len(target.elements):
        raise _NoCastError
    item = f"e{depth}"
    if source.name == "array":
        inner = _convert(
            Typed(item, source.elements[0], is_atomic=True), target.elements[0], is_try, depth + 1
        )
        if inner == item:
            return sql
        return f"list_transform({sql}, lambda {item}: {inner})"
    if source.name == "map":
        parts = [
            _convert(Typed(f"{item}.{part}", of, is_atomic=True), to, is_try, depth + 1)
            for part, of, to in zip(("key", "value"), source.elements, target.elements, strict=True)
        ]
        if parts == [f"{item}.key", f"{item}.value"]:
            return f"CAST({sql} AS {duckdb_type(target)})"
        packed = f"struct_pack(k := {parts[0]}, v := {parts[1]})"
        pairs = f"list_transform(map_entries({sql}), lambda {item}: {packed})"
        return f"CAST(map_from_entries({pairs}) AS {duckdb_type(target)})"

    def row(name: str) -> str:
        fields = zip(source.field_names, source.elements, target.field_names, target.elements, strict=True)
        parts = []
        for of, of_type, to, to_type in fields:
            field = Typed(f"({name}).{quote(of)}", of_type, is_atomic=True)
            parts.append(f"{quote(to)} := {_convert(field, to_type, is_try, depth + 1)}")
        packed = ", ".join(parts)
        return f"CASE WHEN {name} IS NULL THEN NULL ELSE struct_pack({packed}) END"

    return bound(sql, row, is_atomic=value.is_atomic, name=f"r{depth}")


_TO_JSON = {
    "unknown",
    "boolean",
    "tinyint",
    "smallint",
    "integer",
    "bigint",
    "real",
    "double",
    "decimal",
    "varchar",
    "date",
    "timestamp",
}
_FROM_JSON = _TO_JSON - {"unknown", "date", "timestamp"}
_JSON_KEYS = {"boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "decimal", "varchar"}


def _json(value: Typed, target: Type, is_try: bool) -> str:
    if target.name == "json":
        _check_json(value.type, _TO_JSON)
        return _by_kernel(documents.to_json(value.type), value.sql, value.type, target, is_try)
    _check_json(target, _FROM_JSON)
    return _by_kernel(documents.from_json(target), value.sql, value.type, target, is_try)


def _check_json(type_: Type, known: set[str]) -> None:
    if type_.name == "map" and type_.elements[0].name not in (_JSON_KEYS | {"unknown"}):
        raise _NoCastError
    if type_.name in ("array", "map", "row"):
        for element in type_.elements:
            _check_json(element, known | {"json"})
    elif type_.name not in known:
        raise _NoCastError
