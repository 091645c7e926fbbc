"""How Athena writes a value in a result: the text in the CSV file and in ``VarCharValue``."""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from millpond.planes.athena.types import TIMESTAMP_TZ, YEAR_TO_MONTH, Type

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
        return _map_writer(writer(type_.elements[0]), writer(type_.elements[1]))
    if type_.name == "row":
        return _row_writer(type_)
    if type_.name in _DIGITS:
        return _DIGITS[type_.name]("microseconds" if type_.precision > 3 else "milliseconds")
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


def _timestamp(digits: str) -> Writer:
    return lambda value: str(value.isoformat(sep=" ", timespec=digits))


def _zoned(digits: str) -> Writer:
    return lambda value: f"{value.replace(tzinfo=None).isoformat(sep=' ', timespec=digits)} UTC"


def _time(digits: str) -> Writer:
    return lambda value: str(value.isoformat(timespec=digits))


def _binary(value: bytes) -> str:
    return value.hex(" ")


def _days(value: dt.timedelta) -> str:
    sign, value = ("-", -value) if value < dt.timedelta() else ("", value)
    seconds, milliseconds = value.seconds, value.microseconds // 1000
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}"
    return f"{sign}{value.days} {clock}"


def _months(value: int) -> str:
    sign = "-" if value < 0 else ""
    return f"{sign}{abs(value) // 12}-{abs(value) % 12}"


def _array_writer(element: Writer) -> Writer:
    return lambda value: f"[{', '.join(_texts(value, element))}]"


def _map_writer(key: Writer, value: Writer) -> Writer:
    def write(entries: dict[Any, Any]) -> str:
        pairs = zip(_texts(entries.keys(), key), _texts(entries.values(), value), strict=True)
        return "{" + ", ".join(f"{k}={v}" for k, v in pairs) + "}"

    return write


def _row_writer(type_: Type) -> Writer:
    writers = [writer(element) for element in type_.elements]

    def write(values: dict[str, Any]) -> str:
        texts = ("null" if v is None else w(v) for v, w in zip(values.values(), writers, strict=True))
        return "{" + ", ".join(f"{f}={t}" for f, t in zip(type_.fields, texts, strict=True)) + "}"

    return write


def _texts(values: Iterable[Any], write: Writer) -> list[str]:
    return ["null" if value is None else write(value) for value in values]


_WRITERS: dict[str, Writer] = {
    "boolean": _boolean,
    "decimal": _decimal,
    "double": java_double,
    "real": java_float,
    "varbinary": _binary,
    "interval day to second": _days,
    YEAR_TO_MONTH: _months,
}

_DIGITS: dict[str, Callable[[str], Writer]] = {
    "timestamp": _timestamp,
    TIMESTAMP_TZ: _zoned,
    "time": _time,
}
