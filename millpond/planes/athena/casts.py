"""``CAST`` and ``TRY_CAST`` as Trino does them, in DuckDB's SQL."""

from __future__ import annotations

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


def coerce(value: Typed, target: Type) -> Typed:
    """Convert without being asked; the SQL is unchanged where DuckDB holds both types alike."""
    if value.type == target or (value.type != UNKNOWN and duckdb_type(value.type) == duckdb_type(target)):
        return Typed(value.sql, target)
    return Typed(f"CAST({value.sql} AS {duckdb_type(target)})", target)


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
    if target.is_text and (source.is_text or source.name in _TO_TEXT):
        return _shorten(_as_text(sql, source), target)
    if "json" in (source.name, target.name):
        return _json(sql, source, target, verb)
    if target.is_integral and source.name in ("double", "real"):
        return f"{verb}(round({sql}) AS {duckdb_type(target)})"
    if target.is_integral and source.is_text:
        checked = "trino_digits_or_null" if is_try else "trino_digits"
        return f"{verb}({checked}({sql}) AS {duckdb_type(target)})"
    if target.name == "timestamp" and (source.is_text or source.name == "timestamp"):
        return _seconds_digits(plain, target)
    if target.name == "timestamp" and source.name == TIMESTAMP_TZ:
        return f"timezone('UTC', {sql})"
    if target.name == "array" and source.name == "array":
        inner = _convert(Typed("element", source.elements[0]), target.elements[0], is_try, place)
        return f"list_transform({sql}, lambda element: {inner})"
    if target.name == "row" and source.name == "row":
        return _row(sql, source, target, is_try, place)
    if _is_plain(source, target):
        return plain
    raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {source} to {target}", *place)


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
        if any(to.is_text and not of.is_text for of, to in pairs):
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
