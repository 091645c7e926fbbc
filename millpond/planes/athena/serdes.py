"""What a line of a file of JSON is as a row, by the two SerDes that Athena has for it.

"OpenX JSON SerDe" and "Hive JSON SerDe" of the Athena User Guide. A value of another kind than its column's
is converted where both do it alike, and is refused by name otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from millpond.planes.athena.kernels import Kernel, fail, times, unsupported
from millpond.planes.athena.relations import Column
from millpond.planes.athena.types import INTEGRAL, VARCHAR, Type, row

_WHOLE = re.compile(r"-?\d{1,19}")
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_BITS = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}


class _Number(str):
    """A number of JSON, as it is written."""

    __slots__ = ()


def json_rows(columns: Sequence[Column], options: Mapping[str, str], *, is_openx: bool) -> Kernel:
    """The kernel that makes a row of a line.

    Parameters
    ----------
    columns : sequence of Column
        Those of the table that are in its files.
    options : mapping
        ``SERDEPROPERTIES``.
    is_openx : bool
        Whether it is the SerDe of OpenX, which alone has options.
    """
    known = {name.lower(): value for name, value in options.items()} if is_openx else {}
    keys = {column.name: known.get(f"mapping.{column.name}", column.name) for column in columns}
    reads_dots = known.get("dots.in.keys", "").lower() == "true"
    is_exact = known.get("case.insensitive", "").lower() == "false"
    skips = known.get("ignore.malformed.json", "").lower() == "true"

    def named(key: str) -> str:
        key = key.replace(".", "_") if reads_dots else key
        return key if is_exact else key.lower()

    fields = [(column.sql_name, named(keys[column.name]), column.type) for column in columns]

    def read(line: str) -> dict[str, Any]:
        # The SerDe of OpenX reads what begins as an object or an array alone; all else is an empty row to it.
        is_read = not is_openx or line.lstrip()[:1] in ("{", "[")
        try:
            found = json.loads(line, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            if skips or not is_read:
                return dict.fromkeys(name for name, *_ in fields)
            raise fail("HIVE_CURSOR_ERROR", f"Row is not a valid JSON Object - {line[:80]}")
        values = _by_name(found, named)
        return {name: _value(values.get(key), type_, named) for name, key, type_ in fields}

    result = row([column.type for column in columns], [column.sql_name for column in columns])
    described = json.dumps([[name, key, str(type_)] for name, key, type_ in fields])
    return Kernel(read, (VARCHAR,), result, key=f"{described}{is_openx}{reads_dots}{is_exact}{skips}")


def _by_name(found: Mapping[str, Any], named: Callable[[str], str]) -> dict[str, Any]:
    values = {named(key): value for key, value in found.items()}
    if len(values) != len(found):
        raise unsupported("A JSON object with two keys of one name")
    return values


def _value(value: Any, type_: Type, named: Callable[[str], str]) -> Any:
    if value is None:
        return None
    if type_.name == "array" and isinstance(value, list):
        return [_value(item, type_.elements[0], named) for item in value]
    if type_.name == "map" and isinstance(value, dict):
        return _map(value, type_, named)
    if type_.name == "row" and isinstance(value, dict):
        values = _by_name(value, named)
        members = zip(type_.field_names, type_.elements, strict=True)
        return {name: _value(values.get(named(name)), element, named) for name, element in members}
    converted = _simple(value, type_)
    if converted is None:
        raise unsupported(f"The JSON value {json.dumps(value)[:80]} in a column of type {type_}")
    return converted


def _map(value: Mapping[str, Any], type_: Type, named: Callable[[str], str]) -> list[tuple[str, Any]]:
    key, element = type_.elements
    if not key.is_text or any(one != named(one) for one in value):
        raise unsupported("A JSON object with such keys in a column of type map")
    return [(one, _value(item, element, named)) for one, item in value.items()]


def _simple(value: Any, type_: Type) -> Any:
    """A value of a simple type; None where the value is of another kind."""
    if isinstance(value, bool):
        return value if type_.name == "boolean" else str(value).lower() if type_.is_text else None
    if not isinstance(value, str):
        return None
    if type_.is_text:
        return str(value)
    if type_.name == "date":
        return _day(value)
    if type_.name in INTEGRAL:
        return _whole(value, _BITS[type_.name])
    if not isinstance(value, _Number):
        return None
    if type_.name in ("double", "real"):
        return float(value)
    return _decimal(value, type_) if type_.name == "decimal" else None


def _day(text: str) -> int | None:
    """Days since 1970 of a date as ISO 8601 writes it."""
    found = None if isinstance(text, _Number) else _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day = map(int, found.groups())
    is_one = 1 <= month <= 12 and 1 <= day <= times.month_length(year, month)
    return times.days_of(year, month, day) if is_one else None


def _whole(text: str, bits: int) -> int | None:
    number = int(text) if _WHOLE.fullmatch(text) else None
    return number if number is not None and -(1 << bits - 1) <= number < 1 << bits - 1 else None


def _decimal(text: str, type_: Type) -> Decimal | None:
    try:
        number = Decimal(text)
        exact = number.quantize(Decimal(1).scaleb(-type_.scale))
    except InvalidOperation:
        return None
    return exact if exact == number and len(exact.as_tuple().digits) <= type_.precision else None
