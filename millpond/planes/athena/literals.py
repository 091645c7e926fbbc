"""Constants as they stand in a statement: numbers, and text with a type before it."""

from __future__ import annotations

import re

from sqlglot import exp

from millpond.planes.athena.casts import cast
from millpond.planes.athena.exceptions import KernelFailed, NotSupported, Place, QueryFailed
from millpond.planes.athena.kernels import documents, numbers, times
from millpond.planes.athena.relations import Constant, Typed
from millpond.planes.athena.types import (
    BIGINT,
    DATE,
    DOUBLE,
    INTEGER,
    JSON,
    MAX_PRECISION,
    TIMESTAMP_TZ,
    Type,
    decimal,
    duckdb_type,
    literal,
)
from millpond.planes.athena.zones import instant_literal

MOST_DIGITS = 6


def number(text: str, place: Place) -> Typed:
    """A number without its sign."""
    text = text.replace("_", "")
    if "e" in text.lower() and not text.lower().startswith("0x"):
        return Typed(f"CAST({text} AS DOUBLE)", DOUBLE, Constant(float(text)), is_atomic=True)
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", text):
        raise QueryFailed("INVALID_LITERAL", f"'{text}' is not a valid decimal literal", *place)
    if "." not in text:
        value = int(text)
        if value >= 2**63:
            raise QueryFailed("INVALID_LITERAL", f"Invalid numeric literal: {text}", *place)
        type_ = INTEGER if value < 2**31 else BIGINT
        return Typed(f"CAST({value} AS {duckdb_type(type_)})", type_, Constant(value), is_atomic=True)
    whole, _, fraction = text.partition(".")
    precision = max(1, len(whole.lstrip("0")) + len(fraction))
    if precision > MAX_PRECISION:
        raise QueryFailed("INVALID_LITERAL", f"'{text}' is not a valid decimal literal", *place)
    type_ = decimal(precision, len(fraction))
    return Typed(f"CAST('{text}' AS {duckdb_type(type_)})", type_, Constant(float(text)), is_atomic=True)


def typed_literal(text: str, target: Type, written: exp.Expr, place: Place) -> Typed:
    """``DATE '…'``, ``TIMESTAMP '…'``, ``DECIMAL '…'``, ``JSON '…'`` and the like.

    Raises
    ------
    QueryFailed
        ``INVALID_LITERAL`` if the text is none of that type.
    """
    name = target.name
    if name == "char" and not written.expressions:
        target = Type("char", (max(len(text), 1),))
    if name == "date":
        return _date(text, place)
    if name in ("timestamp", TIMESTAMP_TZ):
        return _timestamp(text, place)
    if name == "time":
        return _time(text, place)
    if name == "decimal":
        return _decimal(text, place)
    if name == "json":
        return _json(text, place)
    if target.is_integral:
        return _integer(text, target, place)
    if name in ("double", "real", "boolean"):
        return _checked(text, target, place)
    return cast(
        Typed(literal(text), Type("varchar", (len(text),)), Constant(text), is_atomic=True),
        target,
        place=place,
    )


def _json(text: str, place: Place) -> Typed:
    try:
        return Typed(literal(documents.parse(text)), JSON, is_atomic=True)
    except KernelFailed:
        raise _invalid(text, "JSON", place) from None


def _invalid(text: str, what: str, place: Place) -> QueryFailed:
    return QueryFailed("INVALID_LITERAL", f"'{text}' is not a valid {what} literal", *place)


def _date(text: str, place: Place) -> Typed:
    days = times.parse_date(text)
    if days is None:
        raise _invalid(text, "DATE", place)
    year = times.civil(days)[0]
    sql = f"DATE '{times.date_text(days)}'" if 1 <= year <= 9999 else f"(DATE '1970-01-01' + {days})"
    return Typed(sql, DATE, is_atomic=True)


def _timestamp(text: str, place: Place) -> Typed:
    found = times.parse_timestamp(text)
    if found is None:
        raise _invalid(text, "TIMESTAMP", place)
    micros, digits, zone = found
    where = times.zone(zone) if zone else None
    if zone and (where is None or not where.instants(micros)):
        raise _invalid(text, "TIMESTAMP", place)
    _limited(digits, place)
    if where is not None:
        return instant_literal(where.instant(micros), digits, where.name)
    return Typed(f"make_timestamp({micros})", Type("timestamp", (digits,)), is_atomic=True)


def _limited(digits: int, place: Place) -> None:
    if digits > 12:
        raise QueryFailed("INVALID_LITERAL", "The fraction of a second has more than 12 digits", *place)
    if digits > MOST_DIGITS:
        raise NotSupported(f"A time with {digits} digits of a second", *place)


def _time(text: str, place: Place) -> Typed:
    found = times.parse_clock(text)
    if found is None:
        raise _invalid(text, "TIME", place)
    if found[2] is not None:
        raise NotSupported("A time with time zone", *place)
    _limited(found[1], place)
    return Typed(f"TIME '{times.clock_text(found[0], 6)}'", Type("time", (found[1],)), is_atomic=True)


def _decimal(text: str, place: Place) -> Typed:
    found = re.fullmatch(r"\s*([+-]?)(\d*)(?:\.(\d*))?\s*", text, re.ASCII)
    whole, fraction = (found[2].lstrip("0"), found[3] or "") if found else ("", "")
    precision = max(1, len(whole) + len(fraction))
    if found is None or not (found[2] or fraction) or precision > MAX_PRECISION:
        raise _invalid(text, "DECIMAL", place)
    type_ = decimal(precision, len(fraction))
    return Typed(
        f"CAST('{text.strip()}' AS {duckdb_type(type_)})", type_, Constant(float(text)), is_atomic=True
    )


def _integer(text: str, target: Type, place: Place) -> Typed:
    try:
        value = numbers.text_to_integer(target.name)(text)
    except KernelFailed:
        raise _invalid(text, target.name.upper(), place) from None
    return Typed(f"CAST({value} AS {duckdb_type(target)})", target, Constant(value), is_atomic=True)


def _checked(text: str, target: Type, place: Place) -> Typed:
    convert = numbers.text_to_boolean if target.name == "boolean" else numbers.text_to_double(target.name)
    try:
        value = convert(text)
    except KernelFailed:
        raise _invalid(text, target.name.upper(), place) from None
    shown = ("true" if value else "false") if target.name == "boolean" else repr(value)
    return Typed(f"CAST('{shown}' AS {duckdb_type(target)})", target, Constant(value), is_atomic=True)
