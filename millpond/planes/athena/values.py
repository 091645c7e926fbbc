"""How Athena writes a value in a result: the text in the CSV file and in ``VarCharValue``."""

from __future__ import annotations

import datetime as dt
import re
import struct
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from millpond.planes.athena.kernels import times
from millpond.planes.athena.types import DAY_TO_SECOND, TIMESTAMP_TZ, YEAR_TO_MONTH, Type
from millpond.planes.athena.zones import zone_of

Writer = Callable[[Any], str]


def writer(type_: Type) -> Writer:
    """The function that writes a value that is not NULL.

    Parameters
    ----------
    type_ : Type
        The column's; the value is what DuckDB's Python client makes of it.
    """
    if type_.name == "array":
        return _array_writer(writer(type_.elements[0]))
    if type_.name == "map":
        key, value = type_.elements
        return _map_writer(writer(key), writer(value), is_nested=bool(key.elements))
    if type_.name == "row":
        return _row_writer(type_)
    if type_.name in _DIGITS:
        return _DIGITS[type_.name](type_)
    return _WRITERS.get(type_.name, str)


def java_double(value: float) -> str:
    """A double as Java's ``Double.toString`` writes it: plain from 0.001 up to ten million."""
    return _java_float(value, repr(value))


def java_float(value: float) -> str:
    """A float of 32 bits as Java's ``Float.toString`` writes it."""
    if value != value or value in (float("inf"), float("-inf")):
        return _java_float(value, repr(value))
    single = struct.pack("f", value)
    texts = (f"{value:.{digits}g}" for digits in range(1, 10))
    shortest = next(text for text in texts if struct.pack("f", float(text)) == single)
    return _java_float(value, shortest)


def _java_float(value: float, shortest: str) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if shortest.startswith("-") else "0.0"
    sign, digits, exponent = Decimal(shortest).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).rstrip("0") or "0"
    power = len(digits) + exponent - 1
    prefix = "-" if sign else ""
    if not -3 <= power < 7:
        return f"{prefix}{text[0]}.{text[1:] or '0'}E{power}"
    if power < 0:
        return f"{prefix}0.{'0' * (-power - 1)}{text}"
    whole, fraction = text[: power + 1].ljust(power + 1, "0"), text[power + 1 :]
    return f"{prefix}{whole}.{fraction or '0'}"


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _decimal(value: Decimal) -> str:
    return format(value, "f")


def _timestamp(type_: Type) -> Writer:
    digits = 6 if type_.precision > 3 else 3
    return lambda value: times.timestamp_text(_micros(value), digits)


def _zoned(type_: Type) -> Writer:
    """DuckDB's answer is the time in UTC; what is shown is that of the zone."""
    digits, where = (6 if type_.precision > 3 else 3), times.zone(zone_of(type_))
    assert where is not None
    return lambda value: f"{times.timestamp_text(where.local(_micros(value)), digits)} {where.name}"


def _time(type_: Type) -> Writer:
    digits = "microseconds" if type_.precision > 3 else "milliseconds"
    return lambda value: str(value.isoformat(timespec=digits))


def _date(value: dt.date | str) -> str:
    return times.date_text(_days(value))


_FAR = re.compile(r"(\d+)-(\d\d)-(\d\d)( \(BC\))?(?: (\d\d):(\d\d):(\d\d)(?:\.(\d+))?)?")


def _days(value: dt.date | str) -> int:
    """Days since 1970; what is out of the range of Python's dates comes as text from DuckDB."""
    if not isinstance(value, str):
        return value.toordinal() - dt.date(1970, 1, 1).toordinal()
    found = _FAR.search(value)
    assert found is not None, value
    year = 1 - int(found[1]) if found[4] else int(found[1])
    return times.days_of(year, int(found[2]), int(found[3]))


def _micros(value: dt.datetime | str) -> int:
    if isinstance(value, str):
        found = re.search(r"(\d\d):(\d\d):(\d\d)(?:\.(\d+))?", value)
        assert found is not None, value
        clock = int(found[1]) * times.HOUR + int(found[2]) * times.MINUTE + int(found[3]) * times.SECOND
        return _days(value) * times.DAY + clock + int((found[4] or "0").ljust(6, "0"))
    clock = (value.hour * 60 + value.minute) * times.MINUTE + value.second * times.SECOND + value.microsecond
    return _days(value.date()) * times.DAY + clock


def _binary(value: bytes) -> str:
    return value.hex(" ")


def _array_writer(element: Writer) -> Writer:
    return lambda value: f"[{', '.join(_texts(value, element))}]"


def _map_writer(key: Writer, value: Writer, *, is_nested: bool) -> Writer:
    def write(entries: dict[Any, Any]) -> str:
        # With keys that Python cannot hash DuckDB gives two lists.
        keys, values = (entries["key"], entries["value"]) if is_nested else (entries.keys(), entries.values())
        pairs = zip(_texts(keys, key), _texts(values, value), strict=True)
        return "{" + ", ".join(f"{k}={v}" for k, v in pairs) + "}"

    return write


def _row_writer(type_: Type) -> Writer:
    writers = [writer(element) for element in type_.elements]

    def write(values: dict[str, Any]) -> str:
        texts = ("null" if v is None else w(v) for v, w in zip(values.values(), writers, strict=True))
        return "{" + ", ".join(f"{f}={t}" for f, t in zip(type_.field_names, texts, strict=True)) + "}"

    return write


def _texts(values: Iterable[Any], write: Writer) -> list[str]:
    return ["null" if value is None else write(value) for value in values]


_WRITERS: dict[str, Writer] = {
    "boolean": _boolean,
    "decimal": _decimal,
    "double": java_double,
    "real": java_float,
    "varbinary": _binary,
    "date": _date,
    DAY_TO_SECOND: times.interval_days_text,
    YEAR_TO_MONTH: times.interval_months_text,
}

_DIGITS: dict[str, Callable[[Type], Writer]] = {
    "timestamp": _timestamp,
    TIMESTAMP_TZ: _zoned,
    "time": _time,
}
