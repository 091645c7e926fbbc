"""``CAST`` and ``TRY_CAST`` as Trino does them, in DuckDB's SQL.

A ``char(n)`` is held as text of exactly ``n`` characters, blanks at its end. So DuckDB's own comparison,
grouping, and order of two values of one char type are Trino's, which pays no heed to those blanks.
"""

from __future__ import annotations

from collections.abc import Sequence

from millpond.planes.athena.exceptions import NotSupported, Place, QueryFailed
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.types import TIMESTAMP_TZ, UNBOUNDED, UNKNOWN, Type, duckdb_type, quote

_FROM_TEXT = {"boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "decimal"} | {
    "date",
    "time",
    "timestamp",
    TIMESTAMP_TZ,
}
_TO_TEXT = _FROM_TEXT | {"json"}
_SCALARS = _FROM_TEXT | {"varchar", "char"}
_LONGEST_PADDED = 255


def coerce(value: Typed, target: Type) -> Typed:
    """Convert without being asked; the SQL is unchanged where DuckDB holds both types alike."""
    if value.type == target or (value.type != UNKNOWN and duckdb_type(value.type) == duckdb_type(target)):
        sql = value.sql
    else:
        sql = f"CAST({value.sql} AS {duckdb_type(target)})"
    if target.holds_char and value.type not in (target, UNKNOWN):
        sql = padded(sql, target)
    return Typed(sql, target)


def padded(sql: str, type_: Type, depth: int = 0) -> str:
    """A value with blanks at the end of every char in it, up to the length of its type."""
    if type_.name == "char":
        return f"trino_char({sql}, {type_.precision})"
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
        for name, element in zip(type_.fields, type_.elements, strict=True)
    )
    return f"CASE WHEN {sql} IS NULL THEN NULL ELSE struct_pack({', '.join(fields)}) END"


def comparable(values: Sequence[Typed], common: Type) -> list[str]:
    """SQL of values that DuckDB compares as Trino does once they are coerced to their common type.

    Where that is a long char, as with text of any length, the blanks are taken away instead of added.
    """
    if common.name == "char" and common.precision > _LONGEST_PADDED:
        return [f"rtrim({value.sql}, ' ')" for value in values]
    return [coerce(value, common).sql for value in values]


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
    sql = _convert(value, target, is_try, place)
    return Typed(sql, target)


def _convert(value: Typed, target: Type, is_try: bool, place: Place) -> str:
    source, sql = value.type, value.sql
    if source == target:
        return sql
    verb = "TRY_CAST" if is_try else "CAST"
    plain = f"{verb}({sql} AS {duckdb_type(target)})"
    if source == UNKNOWN:
        return f"CAST({sql} AS {duckdb_type(target)})"
    if "char" in (source.name, target.name) and not (source.is_text and target.is_text):
        raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {source} to {target}", *place)
    if target.is_text and (source.is_text or source.name in _TO_TEXT):
        return _shorten(_as_text(sql, source), target)
    if "json" in (source.name, target.name):
        return _json(sql, source, target, verb)
    if target.is_integral and (source.is_text or source.name in ("double", "real")):
        digits = "trino_digits_or_null" if is_try else "trino_digits"
        return f"{verb}({digits if source.is_text else 'round'}({sql}) AS {duckdb_type(target)})"
    if target.name == "timestamp" and (source.is_text or source.name in ("timestamp", TIMESTAMP_TZ)):
        in_utc = source.name == TIMESTAMP_TZ
        return f"timezone('UTC', {sql})" if in_utc else _seconds_digits(plain, target)
    if source.name == target.name and source.name in ("array", "row"):
        return _nested(sql, source, target, is_try, place)
    if _is_plain(source, target):
        return plain
    raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {source} to {target}", *place)


def _nested(sql: str, source: Type, target: Type, is_try: bool, place: Place) -> str:
    if source.name == "row":
        return _row(sql, source, target, is_try, place)
    inner = _convert(Typed("element", source.elements[0]), target.elements[0], is_try, place)
    return f"list_transform({sql}, lambda element: {inner})"


def _row(sql: str, source: Type, target: Type, is_try: bool, place: Place) -> str:
    """Rows are converted field by field, in order; their names do not matter."""
    if len(source.elements) != len(target.elements):
        raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {source} to {target}", *place)
    fields = zip(source.fields, source.elements, target.fields, target.elements, strict=True)
    parts = (
        f"{quote(to)} := {_convert(Typed(f'({sql}).{quote(of)}', of_type), to_type, is_try, place)}"
        for of, of_type, to, to_type in fields
    )
    return f"CASE WHEN {sql} IS NULL THEN NULL ELSE struct_pack({', '.join(parts)}) END"


def _is_plain(source: Type, target: Type) -> bool:
    """Whether DuckDB's own conversion between two types is Trino's."""
    if source.name == target.name == "map":
        pairs = list(zip(source.elements, target.elements, strict=True))
        if any((to.is_text and not of.is_text) or (to.holds_char and of != to) for of, to in pairs):
            raise NotSupported(f"The conversion of {source} to {target}")
        return all(of == to or _is_plain(of, to) for of, to in pairs)
    if source.is_text:
        return target.name in _FROM_TEXT or target.is_text
    if source.is_numeric:
        return target.is_numeric or target.name == "boolean"
    if source.name == "boolean":
        return target.is_numeric
    temporal = {"date": {"timestamp", TIMESTAMP_TZ}, "timestamp": {"date", "time", TIMESTAMP_TZ}}
    temporal[TIMESTAMP_TZ] = {"date", "time", TIMESTAMP_TZ}
    return target.name in temporal.get(source.name, set())


def _as_text(sql: str, source: Type) -> str:
    if source.name in ("double", "real"):
        return f"trino_{source.name}_text({sql})"
    if source.name == "timestamp":
        return f"trino_timestamp_text({sql}, {source.precision})"
    if source.name == TIMESTAMP_TZ:
        return f"(trino_timestamp_text(timezone('UTC', {sql}), {source.precision}) || ' UTC')"
    if source.name == "json":
        return f"trino_json_scalar({sql}, '$')"
    return sql if source.is_text else f"CAST({sql} AS VARCHAR)"


def _shorten(sql: str, target: Type) -> str:
    if target.name == "char":
        return f"rpad(substr({sql}, 1, {target.precision}), {target.precision}, ' ')"
    return sql if target.precision == UNBOUNDED else f"substr({sql}, 1, {target.precision})"


def _seconds_digits(sql: str, target: Type) -> str:
    units = {0: "second", 3: "millisecond", 6: "microsecond"}
    if target.precision not in units:
        raise NotSupported(f"The conversion to {target}")
    return f"date_trunc('{units[target.precision]}', {sql})"


def _json(sql: str, source: Type, target: Type, verb: str) -> str:
    if target.name == "json":
        return f"to_json({sql})"
    if target.name in _SCALARS:
        return f"{verb}(trino_json_scalar({sql}, '$') AS {duckdb_type(target)})"
    if target.name in ("array", "map", "row"):
        return f"{verb}({sql} AS {duckdb_type(target)})"
    raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {source} to {target}")
