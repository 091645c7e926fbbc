"""Partition projection: the partitions of a table as its properties tell them, whatever is registered.

"Partition projection with Amazon Athena" of the Athena User Guide: types enum, integer, date and injected,
the template of locations, and what stands where nothing is said.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from millpond.planes.athena.exceptions import NotSupported, QueryFailed

_NOW = re.compile(r"NOW\s*(?:([+-])\s*(\d+)\s*([A-Z]+?)S?)?", re.IGNORECASE)
# The letters of Java's patterns that are read here: their width in a text, and the part of a time they are.
_FIELDS = {"y": "year", "M": "month", "d": "day", "H": "hour", "m": "minute", "s": "second"}
_TOKENS = re.compile(r"'((?:[^']|'')*)'|(([A-Za-z])\3*)|([^A-Za-z']+)")
_SPANS = {"WEEK": "weeks", "DAY": "days", "HOUR": "hours", "MINUTE": "minutes", "SECOND": "seconds"}
_PLACE = re.compile(r"\$\{([^}]*)\}")
_MOST_VALUES = 1_000_000


@dataclass(frozen=True)
class Projected:
    """How the values of one partition key are told.

    Parameters
    ----------
    name : str
        The key.
    values : tuple of str, optional
        All of them; None for an injected key, whose values the query tells.
    """

    name: str
    values: tuple[str, ...] | None


def is_projected(parameters: Mapping[str, str]) -> bool:
    """Whether a table with these properties has its partitions told by them."""
    return str(parameters.get("projection.enabled", "")).lower() == "true"


def projected_keys(keys: Sequence[str], parameters: Mapping[str, str], now: dt.datetime) -> list[Projected]:
    """What the properties of a table say of its partition keys.

    Parameters
    ----------
    keys : sequence of str
        Names of the keys, lower case.
    parameters : mapping
        Properties of the table.
    now : datetime
        What ``NOW`` means, without a zone.

    Raises
    ------
    QueryFailed
        ``INVALID_TABLE_PROPERTY`` if something is missing or cannot be read.
    NotSupported
        For what Millpond does not project.
    """
    known = {name.lower(): str(value).strip() for name, value in parameters.items()}
    return [Projected(key, _values(key, known, now)) for key in keys]


def location_of(values: Mapping[str, str], template: str, default: str) -> str:
    """Where the partition of some values is.

    Parameters
    ----------
    values : mapping
        Value of each key, in the order of the keys.
    template : str
        ``storage.location.template``, or empty.
    default : str
        Location of the table.
    """
    if not template:
        return "/".join([default.rstrip("/"), *(f"{key}={value}" for key, value in values.items()), ""])
    named = {key.lower(): value for key, value in values.items()}
    filled = _PLACE.sub(lambda place: named.get(place[1].lower(), place[0]), template)
    return filled if filled.endswith("/") else f"{filled}/"


def _values(key: str, known: Mapping[str, str], now: dt.datetime) -> tuple[str, ...] | None:
    kind = _property(key, "type", known).lower()
    if kind == "injected":
        return None
    if kind == "enum":
        return tuple(value.strip() for value in _property(key, "values", known).split(","))
    if kind == "integer":
        return _integers(key, known)
    if kind == "date":
        return tuple(_dates(key, known, now))
    raise _invalid(key, "type", known)


def _property(key: str, name: str, known: Mapping[str, str], default: str | None = None) -> str:
    value = known.get(f"projection.{key}.{name}", default)
    if value is None:
        raise _invalid(key, name, known)
    return value


def _invalid(key: str, name: str, known: Mapping[str, str]) -> QueryFailed:
    property_ = f"projection.{key}.{name}"
    found = f"has the value {known[property_]!r}" if property_ in known else "is missing"
    return QueryFailed(
        "INVALID_TABLE_PROPERTY",
        f"Column projection for column '{key}' failed. The table property '{property_}' {found}",
    )


def _range(key: str, known: Mapping[str, str]) -> tuple[str, str]:
    start, _, end = _property(key, "range", known).partition(",")
    if not start.strip() or not end.strip():
        raise _invalid(key, "range", known)
    return start.strip(), end.strip()


def _number(key: str, name: str, known: Mapping[str, str], default: str) -> int:
    text = _property(key, name, known, default)
    if not text.isdigit() or int(text) < 1:
        raise _invalid(key, name, known)
    return int(text)


def _integers(key: str, known: Mapping[str, str]) -> tuple[str, ...]:
    try:
        start, end = map(int, _range(key, known))
    except ValueError as error:
        raise _invalid(key, "range", known) from error
    step, digits = _number(key, "interval", known, "1"), _number(key, "digits", known, "1")
    if (end - start) // step > _MOST_VALUES:
        raise NotSupported(f"A projection of more than {_MOST_VALUES} values of the partition key {key}")
    return tuple(f"{'-' if value < 0 else ''}{abs(value):0{digits}}" for value in range(start, end + 1, step))


def _dates(key: str, known: Mapping[str, str], now: dt.datetime) -> Iterator[str]:
    pattern = _Pattern(_property(key, "format", known), key)
    start, end = (_moment(text, pattern, now, key, known) for text in _range(key, known))
    unit = _property(key, "interval.unit", known, pattern.unit).upper().removesuffix("S")
    step = _number(key, "interval", known, "1" if pattern.unit else "")
    moment, count, last = start, 0, ""
    while moment <= end:
        text = pattern.write(moment)
        if text != last:
            yield text
        last = text
        count += 1
        if count > _MOST_VALUES:
            raise NotSupported(f"A projection of more than {_MOST_VALUES} values of the partition key {key}")
        moment = _later(start, step * count, unit, key, known)


def _moment(
    text: str, pattern: _Pattern, now: dt.datetime, key: str, known: Mapping[str, str]
) -> dt.datetime:
    if found := _NOW.fullmatch(text):
        shifted = now
        if found[1]:
            shifted = _later(now, int(f"{found[1]}{found[2]}"), found[3].upper(), key, known)
        # As exact as the pattern is, so that the last day is among the values at any hour of it.
        return pattern.read(pattern.write(shifted)) or shifted
    moment = pattern.read(text)
    if moment is None:
        raise _invalid(key, "range", known)
    return moment


def _later(moment: dt.datetime, count: int, unit: str, key: str, known: Mapping[str, str]) -> dt.datetime:
    """So many units after a moment; the last day of a month stays within the month."""
    if unit in ("MONTH", "YEAR"):
        months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "YEAR" else 1)
        year, month = divmod(months, 12)
        day = min(moment.day, calendar.monthrange(year, month + 1)[1])
        return moment.replace(year=year, month=month + 1, day=day)
    if unit not in _SPANS:
        raise _invalid(key, "interval.unit", known)
    return moment + dt.timedelta(**{_SPANS[unit]: count})


class _Pattern:
    """A pattern of Java's ``DateTimeFormatter``, of years to seconds in digits.

    Raises
    ------
    NotSupported
        For other letters, such as the name of a month.
    """

    def __init__(self, text: str, key: str) -> None:
        self._parts: list[tuple[str, int]] = []
        expression = ""
        for quoted, letters, letter, literal in _TOKENS.findall(text):
            if not letters:
                plain = literal or quoted.replace("''", "'") or "'"
                self._parts.append((plain, 0))
                expression += re.escape(plain)
                continue
            field, width = _FIELDS.get(letter), len(letters)
            if field is None or width > (4 if letter == "y" else 2) or (letter == "y" and width != 4):
                raise NotSupported(f"The format {text!r} of the projected partition key {key}")
            self._parts.append((field, width))
            expression += rf"(?P<{field}>\d{{{width}}})" if width > 1 else rf"(?P<{field}>\d{{1,2}})"
        try:
            self._expression = re.compile(expression)
        except re.error as error:
            raise NotSupported(f"The format {text!r} of the projected partition key {key}") from error

    @property
    def unit(self) -> str:
        """The interval that need not be told: of a day's precision a day, of a month's a month."""
        fields = {field for field, width in self._parts if width}
        if fields == {"year", "month", "day"}:
            return "DAYS"
        return "MONTHS" if fields == {"year", "month"} else ""

    def read(self, text: str) -> dt.datetime | None:
        found = self._expression.fullmatch(text)
        if found is None:
            return None
        try:
            given = {name: int(value) for name, value in found.groupdict().items()}
            return dt.datetime(1970, 1, 1).replace(**given)  # type: ignore[arg-type]
        except ValueError:
            return None

    def write(self, moment: dt.datetime) -> str:
        return "".join(f"{getattr(moment, part):0{width}}" if width else part for part, width in self._parts)
