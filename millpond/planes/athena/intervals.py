"""Intervals, and arithmetic with points in time.

An interval of days to seconds is its milliseconds, one of years to months its months.
"""

from __future__ import annotations

import re
from fractions import Fraction

from sqlglot import exp

from millpond.planes.athena.casts import coerce
from millpond.planes.athena.exceptions import Place, QueryFailed
from millpond.planes.athena.functions import arithmetic
from millpond.planes.athena.kernels import Kernel, fail, times
from millpond.planes.athena.relations import Constant, Typed
from millpond.planes.athena.types import (
    BIGINT,
    DATE,
    DOUBLE,
    INTERVAL_DAY,
    INTERVAL_MONTH,
    TIMESTAMP_TZ,
    UTC,
    Type,
    common_type,
    duckdb_type,
)
from millpond.planes.athena.zones import zone_of

_MILLISECONDS = {"second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}
_MONTHS = {"month": 1, "year": 12}
_DAY = 86_400_000
_ORDER = ("day", "hour", "minute", "second")


def interval(node: exp.Interval, place: Place) -> Typed:
    """``INTERVAL '…' UNIT`` and ``INTERVAL '…' UNIT TO UNIT``.

    Raises
    ------
    QueryFailed
        ``INVALID_LITERAL`` if the text is no such interval.
    """
    unit, value = node.args.get("unit"), node.this
    sign = 1
    while isinstance(value, exp.Neg | exp.Paren):
        sign = -sign if isinstance(value, exp.Neg) else sign
        value = value.this
    if not isinstance(value, exp.Literal) or not value.is_string or unit is None:
        raise QueryFailed("SYNTAX_ERROR", f"mismatched input '{node.sql('trino')}'", *place)
    first, last = _units(unit)
    text = str(value.this)
    if first in _MONTHS and last in _MONTHS:
        amount, type_ = _months(text, first, last), INTERVAL_MONTH
    elif first in _MILLISECONDS and last in _MILLISECONDS:
        amount, type_ = _milliseconds(text, first, last), INTERVAL_DAY
    else:
        amount, type_ = None, INTERVAL_DAY
    if amount is None:
        raise QueryFailed(
            "INVALID_LITERAL",
            f"Invalid INTERVAL {first.upper()} value: {text}"
            if first == last
            else f"Invalid INTERVAL {first.upper()} TO {last.upper()} value: {text}",
            *place,
        )
    amount *= sign
    return Typed(f"CAST({amount} AS {duckdb_type(type_)})", type_, Constant(amount), is_atomic=True)


def _units(unit: exp.Expr) -> tuple[str, str]:
    if isinstance(unit, exp.IntervalSpan):
        return _unit_name(unit.this), _unit_name(unit.expression)
    return _unit_name(unit), _unit_name(unit)


def _unit_name(unit: exp.Expr) -> str:
    return unit.name.lower()


def _months(text: str, first: str, last: str) -> int | None:
    if first == last:
        found = re.fullmatch(r"\s*([+-]?\d+)\s*", text, re.ASCII)
        return int(found[1]) * _MONTHS[first] if found else None
    found = re.fullmatch(r"\s*([+-]?)(\d+)(?:-(\d+))?\s*", text, re.ASCII)
    if found is None:
        return None
    months = int(found[2]) * 12 + int(found[3] or 0)
    return -months if found[1] == "-" else months


def _milliseconds(text: str, first: str, last: str) -> int | None:
    seconds = r"(\d+(?:\.\d{1,9})?)"
    if first == last:
        pattern = seconds if first == "second" else r"(\d+)"
        found = re.fullmatch(rf"\s*([+-]?){pattern}\s*", text, re.ASCII)
        if found is None:
            return None
        amount = int(Fraction(found[2]) * _MILLISECONDS[first])
        return -amount if found[1] == "-" else amount
    names = _ORDER[_ORDER.index(first) : _ORDER.index(last) + 1]
    parts = [seconds if name == "second" else r"(\d+)" for name in names]
    pattern = parts[0]
    for name, part in zip(names[1:], parts[1:], strict=True):
        between = " " if name == "hour" else ":"
        pattern += f"(?:{between}{part}"
    pattern += ")?" * (len(parts) - 1)
    found = re.fullmatch(rf"\s*([+-]?){pattern}\s*", text, re.ASCII)
    if found is None:
        return None
    amount = sum(
        int(Fraction(found[index]) * _MILLISECONDS[name])
        for index, name in enumerate(names, 2)
        if found[index]
    )
    return -amount if found[1] == "-" else amount


def temporal_arithmetic(operator: str, left: Typed, right: Typed, place: Place) -> Typed:
    """``+ - * /`` where a side is a point in time or an interval."""
    one, other = left.type, right.type
    spans = (INTERVAL_DAY, INTERVAL_MONTH)
    points = ("date", "time", "timestamp", TIMESTAMP_TZ)
    if operator == "+" and one in spans and other.name in points:
        return _moved("+", right, left, place)
    if operator in "+-" and one.name in points and other in spans:
        return _moved(operator, left, right, place)
    if operator == "-" and one.name in points and other.name in points:
        return _between(left, right, place)
    if operator in "+-" and one == other and one in spans:
        return Typed(f"({left.sql} {operator} {right.sql})", one)
    if operator in "*/" and one in spans and other.is_numeric:
        return _scaled(operator, left, right)
    if operator == "*" and other in spans and one.is_numeric:
        return _scaled(operator, right, left)
    return arithmetic(operator, left, right, place)


def _scaled(operator: str, span: Typed, factor: Typed) -> Typed:
    integral = factor.type.is_integral
    amount = factor if integral else coerce(factor, DOUBLE)

    def scale(value: int, by: float) -> int:
        if operator == "*":
            return int(value * by)
        if by == 0 and integral:
            raise fail("DIVISION_BY_ZERO", "Division by zero")
        if integral:
            return int(abs(value) // abs(int(by))) * (1 if (value < 0) == (by < 0) else -1)
        return int(value / by) if by else 0

    call = Kernel(scale, (span.type, amount.type), span.type, key=f"{operator}{integral}")
    return Typed(call.sql([span.sql, amount.sql]), span.type)


def _moved(operator: str, point: Typed, span: Typed, place: Place) -> Typed:
    sign = "-" if operator == "-" else ""
    amount, name = f"({sign}{span.sql})", point.type.name
    if span.type == INTERVAL_MONTH:
        return _moved_by_months(point, amount, place)
    if name == "date":
        return _moved_date(operator, point, span, place)
    precision = max(point.type.precision, 3)
    result = Type(name, (precision,), zone=point.type.zone)
    if name == "time":
        return Typed(Kernel(_move_clock, (result, BIGINT), result).sql([point.sql, amount]), result)
    return Typed(f"({point.sql} {operator} to_microseconds({span.sql} * 1000))", result)


def _move_clock(micros: int, millis: int) -> int:
    return (micros + millis * 1000) % times.DAY


def _moved_date(operator: str, point: Typed, span: Typed, place: Place) -> Typed:
    message = "Cannot add hour, minutes or seconds to a date"
    if operator == "-":
        message = "Cannot subtract hour, minutes or seconds from a date"
    if span.number is None:
        amount = f"({operator}{span.sql})" if operator == "-" else span.sql
        return Typed(Kernel(_move_date, (DATE, BIGINT), DATE).sql([point.sql, amount]), DATE)
    if span.number % _DAY:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message, *place)
    return Typed(f"CAST({point.sql} {operator} CAST({span.number // _DAY} AS INTEGER) AS DATE)", DATE)


def _move_date(days: int, millis: int) -> int:
    if millis % _DAY:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Cannot add hour, minutes or seconds to a date")
    return days + millis // _DAY


def _moved_by_months(point: Typed, amount: str, place: Place) -> Typed:
    name = point.type.name
    if name == "time":
        raise QueryFailed("TYPE_MISMATCH", f"Cannot apply operator: {point.type} + {INTERVAL_MONTH}", *place)
    if name == TIMESTAMP_TZ and zone_of(point.type) != UTC:
        zone = zone_of(point.type)
        kernel = Kernel(times.months_instant(zone), (point.type, INTERVAL_MONTH), point.type, key=zone)
        return Typed(kernel.sql([point.sql, amount]), point.type)
    moved = f"{point.sql} + to_months(CAST({amount} AS INTEGER))"
    return Typed(f"CAST({moved} AS {duckdb_type(point.type)})", point.type)


def _between(left: Typed, right: Typed, place: Place) -> Typed:
    common = common_type(left.type, right.type)
    if common is None:
        raise QueryFailed("TYPE_MISMATCH", f"Cannot apply operator: {left.type} - {right.type}", *place)
    one, other = coerce(left, common), coerce(right, common)
    if common.name == "date":
        return Typed(f"(CAST({one.sql} - ({other.sql}) AS BIGINT) * {_DAY})", INTERVAL_DAY)
    if common.precision > 3:
        return Typed(
            Kernel(_rounded_span, (common, common), INTERVAL_DAY).sql([one.sql, other.sql]), INTERVAL_DAY
        )
    return Typed(f"((epoch_us({one.sql}) - epoch_us({other.sql})) // 1000)", INTERVAL_DAY)


def _rounded_span(micros: int, others: int) -> int:
    return times.rounded(micros - others, 3) // 1000
