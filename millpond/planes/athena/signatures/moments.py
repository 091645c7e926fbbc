"""Date and time functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millpond.planes.athena.exceptions import KernelFailed, NotSupported, QueryFailed
from millpond.planes.athena.kernels import Kernel, formats, times
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.signatures.overloads import Body, Overload, kernel, made, one
from millpond.planes.athena.types import (
    BIGINT,
    DATE,
    DOUBLE,
    INTERVAL_DAY,
    INTERVAL_MONTH,
    TIMESTAMP,
    TIMESTAMP_TZ,
    TIMESTAMP_WITH_TIME_ZONE,
    UNKNOWN,
    UTC,
    VARCHAR,
    Type,
    common_type,
    duckdb_type,
    varchar,
)
from millpond.planes.athena.zones import from_local, known_zone, to_local, zone_of, zoned

Arguments = Sequence[Typed]
_NOWHERE = (None, None)


def _field(template: str, *kinds: str) -> list[Overload]:
    def body(given: Arguments, _result: Type) -> str:
        return template.format(to_local(given[0]).sql)

    return [Overload((kind,), BIGINT, body) for kind in kinds]


def _date_field(template: str) -> list[Overload]:
    return [Overload((DATE,), BIGINT, template), *_field(template, "timestamp", "zoned")]


def _clock_field(template: str, in_interval: str) -> list[Overload]:
    """A part of the time of day, or of an interval in milliseconds."""
    return [*_field(template, "timestamp", "zoned", "time"), Overload((INTERVAL_DAY,), BIGINT, in_interval)]


_DATE_UNITS = ("day", "week", "month", "quarter", "year")
_CLOCK_UNITS = ("millisecond", "second", "minute", "hour")
_UNITS = (*_CLOCK_UNITS, *_DATE_UNITS)


def _unit(argument: Typed, type_: Type) -> str | None:
    """The unit of time, if it is known before anything runs; what is none fails where there is a value."""
    if argument.text is None:
        return None
    kind = {"date": "DATE", "time": "TIME"}.get(type_.name, "TIMESTAMP")
    try:
        return times.unit_of(argument.text, kind)
    except KernelFailed:
        return None


def _date_trunc(given: Arguments, result: Type) -> str:
    unit, value = _unit(given[0], given[1].type), given[1]
    if unit is not None and value.type.name in ("date", "timestamp"):
        return f"CAST(date_trunc('{unit}', {value.sql}) AS {duckdb_type(result)})"
    functions: dict[str, Callable[..., Any]] = {
        "date": times.trunc_date, "timestamp": times.trunc_timestamp, "time": times.trunc_clock,
    }  # fmt: skip
    zone = zone_of(value.type) if value.type.name == TIMESTAMP_TZ else ""
    function = functions.get(value.type.name) or times.trunc_instant(zone)
    return Kernel(function, (VARCHAR, value.type), result, key=zone).sql([given[0].sql, value.sql])


def _date_add(given: Arguments, result: Type) -> str:
    unit, amount, value = _unit(given[0], given[2].type), given[1], given[2]
    if unit is not None and value.type.name == "date":
        return f"CAST({value.sql} + ({amount.sql}) * INTERVAL 1 {unit} AS DATE)"
    if unit is not None and value.type.name == "timestamp" and unit != "millisecond":
        return f"({value.sql} + ({amount.sql}) * INTERVAL 1 {unit})"
    digits, name = value.type.precision, value.type.name
    zone = zone_of(value.type) if name == TIMESTAMP_TZ else ""
    function: Callable[..., Any]
    if name == TIMESTAMP_TZ:
        function = times.add_instant(zone, digits)
    else:
        function = times.add_date if name == "date" else _adder(name)(digits)
    call = Kernel(function, (VARCHAR, BIGINT, value.type), result, key=f"{zone}{digits}")
    return call.sql([given[0].sql, f"CAST({amount.sql} AS BIGINT)", value.sql])


def _adder(name: str) -> Callable[[int], Callable[[str, int, int], int]]:
    return times.add_clock if name == "time" else times.add_timestamp


def _date_diff(given: Arguments, _result: Type) -> str:
    unit, start, end = given
    common = common_type(start.type, end.type)
    if common is None:
        raise QueryFailed(
            "FUNCTION_NOT_FOUND", f"Unexpected parameters for function date_diff: {start.type}, {end.type}"
        )
    from millpond.planes.athena.casts import coerce

    if common.name == TIMESTAMP_TZ:
        # Both are seen in the zone of the first.
        zone = zone_of(start.type if start.type.name == TIMESTAMP_TZ else end.type)
        shared = zoned(max(start.type.precision, end.type.precision), zone)
        sides = [coerce(side, shared).sql for side in (start, end)]
        return Kernel(times.diff_instant(zone), (VARCHAR, shared, shared), BIGINT, key=zone).sql(
            [unit.sql, *sides]
        )
    known = _unit(unit, common)
    sides = [coerce(side, common).sql for side in (start, end)]
    if known is not None and common.name == "date":
        if known == "day":
            return f"CAST(({sides[1]}) - ({sides[0]}) AS BIGINT)"
        if known == "week":
            return f"CAST((({sides[1]}) - ({sides[0]})) // 7 AS BIGINT)"
    functions = {"date": times.diff_date, "timestamp": times.diff_timestamp, "time": times.diff_clock}
    return Kernel(functions[common.name], (VARCHAR, common, common), BIGINT).sql([unit.sql, *sides])


def _formatted(plain: Callable[..., str], zoned_: Callable[[str], Callable[..., str]]) -> list[Overload]:
    def of_zoned(given: Arguments, _result: Type) -> str:
        zone = zone_of(given[0].type)
        return Kernel(zoned_(zone), (given[0].type, VARCHAR), VARCHAR, key=zone).sql([a.sql for a in given])

    def of_date(given: Arguments, _result: Type) -> str:
        return Kernel(plain, (TIMESTAMP, VARCHAR), VARCHAR).sql(
            [f"CAST({given[0].sql} AS TIMESTAMP)", given[1].sql]
        )

    return [
        Overload(("timestamp", VARCHAR), VARCHAR, kernel(plain)),
        Overload(("zoned", VARCHAR), VARCHAR, of_zoned),
        Overload((DATE, VARCHAR), VARCHAR, of_date),
    ]


def _constant_zone(find: Callable[[str], str]) -> Callable[[Arguments], str]:
    """The zone that a constant text names; UTC for a column, whose rows must then have it."""

    def of(given: Arguments) -> str:
        texts = [argument.text for argument in given]
        if any(text is None for text in texts):
            return UTC
        try:
            return find(*texts)  # type: ignore[arg-type]
        except KernelFailed:
            return UTC

    return of


def zone_of_iso(given: Arguments) -> str:
    return _constant_zone(lambda text: times.iso_timestamp(text)[1])(given)


def zone_of_joda(given: Arguments) -> str:
    return _constant_zone(lambda text, pattern: formats.parse_joda(text, pattern)[1])(given)  # type: ignore[arg-type, misc]


class ZonedOverload(Overload):
    """A signature whose result has the zone that its constant arguments say."""

    def build(self, arguments: Sequence[Typed]) -> Typed:
        assert callable(self.body)
        given = list(arguments)
        zone = self.body(given, UNKNOWN)
        if len(given) == 2:
            function: Callable[..., Any] = formats.parse_datetime(zone)
        else:
            function = times.from_iso8601_timestamp(zone)
        result = zoned(3, zone)
        call = Kernel(function, (VARCHAR,) * len(given), result, key=zone)
        return Typed(call.sql([a.sql for a in given]), result)


class ZoneArgument(Overload):
    """A signature whose last argument is the name of the zone of the result: a constant."""

    def build(self, arguments: Sequence[Typed]) -> Typed:
        *values, name = arguments
        code = "NOT_SUPPORTED" if self.body == "from_unixtime" else "INVALID_FUNCTION_ARGUMENT"
        if name.is_null:
            type_ = zoned(3, UTC)
            return Typed(f"CAST(NULL AS {duckdb_type(type_)})", type_)
        if name.text is None:
            raise NotSupported("A time zone that is not a constant")
        zone = known_zone(name.text, _NOWHERE, code)
        if self.body == "from_unixtime":
            result = zoned(3, zone)
            from millpond.planes.athena.casts import coerce

            seconds = coerce(values[0], DOUBLE).sql
            return Typed(
                Kernel(times.from_unixtime, (DOUBLE,), TIMESTAMP_WITH_TIME_ZONE).sql([seconds]), result
            )
        value = values[0]
        if value.type.name == TIMESTAMP_TZ or self.body == "at_timezone":
            instant = from_local(value, UTC) if value.type.name == "timestamp" else value
            return Typed(instant.sql, zoned(value.type.precision, zone))
        return from_local(value, zone)


def _offset_part(template: str) -> list[Overload]:
    def body(given: Arguments, _result: Type) -> str:
        zone = zone_of(given[0].type)
        return template.format(
            Kernel(times.offset_minutes(zone), (given[0].type,), BIGINT, key=zone).sql([given[0].sql])
        )

    return one(["zoned"], BIGINT, body)


def _iso_text(types: Sequence[Type], _result: Type) -> Callable[[int], str]:
    type_ = types[0]
    if type_.name == TIMESTAMP_TZ:
        return times.instant_iso(zone_of(type_), type_.precision)
    return times.timestamp_texts(type_.precision, "T")


def _unixtime(given: Arguments, _result: Type) -> str:
    return f"(epoch_us({given[0].sql}) / 1e6)"


def _as_date(given: Arguments, _result: Type) -> str:
    return f"CAST({to_local(given[0]).sql} AS DATE)"


def _last_day(given: Arguments, _result: Type) -> str:
    return f"last_day({to_local(given[0]).sql})"


def _kept(types: Sequence[Type]) -> Type:
    return types[-1]


_parsed: Body = kernel(formats.date_parse)

MOMENTS: dict[str, list[Overload]] = {
    "at_timezone": [ZoneArgument(("moment", VARCHAR), UNKNOWN, "at_timezone")],
    "current_timezone": one([], VARCHAR, "'UTC'"),
    "date": [
        Overload((DATE,), DATE, "{0}"),
        Overload(("moment",), DATE, _as_date),
        Overload((VARCHAR,), DATE, kernel(times.to_date)),
    ],
    "date_add": [Overload((VARCHAR, BIGINT, kind), _kept, _date_add) for kind in ("day", "time")],
    "date_diff": [
        Overload((VARCHAR, "day", "day"), BIGINT, _date_diff),
        Overload((VARCHAR, "time", "time"), BIGINT, _date_diff),
    ],
    "date_format": _formatted(formats.date_format, formats.date_format_zoned),
    "date_parse": one([VARCHAR, VARCHAR], TIMESTAMP, _parsed),
    "date_trunc": [Overload((VARCHAR, kind), _kept, _date_trunc) for kind in ("day", "time")],
    "day": [*_date_field("day({0})"), Overload((INTERVAL_DAY,), BIGINT, "({0} // 86400000)")],
    "day_of_month": [*_date_field("day({0})"), Overload((INTERVAL_DAY,), BIGINT, "({0} // 86400000)")],
    "day_of_week": _date_field("isodow({0})"),
    "day_of_year": _date_field("dayofyear({0})"),
    "dow": _date_field("isodow({0})"),
    "doy": _date_field("dayofyear({0})"),
    "format_datetime": _formatted(formats.format_datetime, formats.format_datetime_zoned),
    "from_iso8601_date": one([VARCHAR], DATE, kernel(times.from_iso8601_date)),
    "from_iso8601_timestamp": [
        ZonedOverload((VARCHAR,), UNKNOWN, lambda given, _: zone_of_iso(given)),
    ],
    "from_unixtime": [
        Overload((DOUBLE,), TIMESTAMP_WITH_TIME_ZONE, kernel(times.from_unixtime)),
        ZoneArgument((DOUBLE, VARCHAR), UNKNOWN, "from_unixtime"),
    ],
    "hour": _clock_field("hour({0})", "({0} // 3600000 % 24)"),
    "last_day_of_month": one(["day"], DATE, _last_day),
    "millisecond": _clock_field("(millisecond({0}) % 1000)", "({0} % 1000)"),
    "minute": _clock_field("minute({0})", "({0} // 60000 % 60)"),
    "month": [*_date_field("month({0})"), Overload((INTERVAL_MONTH,), BIGINT, "CAST({0} % 12 AS BIGINT)")],
    "now": one([], TIMESTAMP_WITH_TIME_ZONE, "date_trunc('millisecond', now())"),
    "parse_datetime": [
        ZonedOverload((VARCHAR, VARCHAR), UNKNOWN, lambda given, _: zone_of_joda(given)),
    ],
    "quarter": _date_field("quarter({0})"),
    "second": _clock_field("second({0})", "({0} // 1000 % 60)"),
    "timezone_hour": _offset_part("({0} // 60)"),
    "timezone_minute": _offset_part("({0} % 60)"),
    "to_iso8601": [
        Overload((DATE,), varchar(16), kernel(times.date_text)),
        Overload(("moment",), VARCHAR, made(_iso_text)),
    ],
    "to_milliseconds": one([INTERVAL_DAY], BIGINT, "{0}"),
    "to_unixtime": one(["day"], DOUBLE, _unixtime),
    "week": _date_field("week({0})"),
    "week_of_year": _date_field("week({0})"),
    "with_timezone": [ZoneArgument(("timestamp", VARCHAR), UNKNOWN, "with_timezone")],
    "year": [*_date_field("year({0})"), Overload((INTERVAL_MONTH,), BIGINT, "CAST({0} // 12 AS BIGINT)")],
    "year_of_week": _date_field("isoyear({0})"),
    "yow": _date_field("isoyear({0})"),
}
