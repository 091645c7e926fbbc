"""Patterns of MySQL's and Joda's for dates; reference: "MySQL date functions", "Java date functions"."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from millpond.planes.athena.kernels import fail, unsupported
from millpond.planes.athena.kernels.times import (
    DAY,
    HOUR,
    MINUTE,
    MONTHS,
    SECOND,
    WEEKDAYS,
    Zone,
    civil,
    days_of,
    iso_week,
    month_length,
    offset_name,
    rounded,
    weekday,
    zone,
)
from millpond.planes.athena.types import UTC


class Moment:
    """A local time with its fields."""

    def __init__(self, micros: int, where: Zone | None = None, offset: int = 0) -> None:
        self.days, clock = divmod(micros, DAY)
        self.year, self.month, self.day = civil(self.days)
        self.hour, self.minute = clock // HOUR, clock // MINUTE % 60
        self.second, self.millis = clock // SECOND % 60, clock // 1000 % 1000
        self.where, self.offset = where, offset

    @property
    def day_of_year(self) -> int:
        return self.days - days_of(self.year, 1, 1) + 1

    @property
    def hour12(self) -> int:
        return self.hour % 12 or 12

    @property
    def half(self) -> str:
        return "AM" if self.hour < 12 else "PM"


_Writer = Callable[[Moment], str]

_MYSQL: dict[str, _Writer] = {
    "a": lambda m: WEEKDAYS[weekday(m.days) - 1][:3],
    "b": lambda m: MONTHS[m.month - 1][:3],
    "c": lambda m: str(m.month),
    "d": lambda m: f"{m.day:02}",
    "e": lambda m: str(m.day),
    "f": lambda m: f"{m.millis:03}000",
    "H": lambda m: f"{m.hour:02}",
    "h": lambda m: f"{m.hour12:02}",
    "I": lambda m: f"{m.hour12:02}",
    "i": lambda m: f"{m.minute:02}",
    "j": lambda m: f"{m.day_of_year:03}",
    "k": lambda m: str(m.hour),
    "l": lambda m: str(m.hour12),
    "M": lambda m: MONTHS[m.month - 1],
    "m": lambda m: f"{m.month:02}",
    "p": lambda m: m.half,
    "r": lambda m: f"{m.hour12:02}:{m.minute:02}:{m.second:02} {m.half}",
    "S": lambda m: f"{m.second:02}",
    "s": lambda m: f"{m.second:02}",
    "T": lambda m: f"{m.hour:02}:{m.minute:02}:{m.second:02}",
    "v": lambda m: f"{iso_week(m.days)[1]:02}",
    "W": lambda m: WEEKDAYS[weekday(m.days) - 1],
    "x": lambda m: _year(iso_week(m.days)[0], 4),
    "Y": lambda m: _year(m.year, 4),
    "y": lambda m: f"{m.year % 100:02}",
    "%": lambda _: "%",
}


def _year(year: int, width: int) -> str:
    return f"{'-' if year < 0 else ''}{abs(year):0{width}}"


@lru_cache(1024)
def _mysql(pattern: str) -> tuple[_Writer | str, ...]:
    parts: list[_Writer | str] = []
    at = 0
    while at < len(pattern):
        if pattern[at] != "%":
            parts.append(pattern[at])
            at += 1
            continue
        if at + 1 == len(pattern):
            raise fail("INVALID_FUNCTION_ARGUMENT", "Both printing and parsing not supported")
        letter = pattern[at + 1]
        if letter in "DUuVwX":
            raise fail("INVALID_FUNCTION_ARGUMENT", f"%{letter} not supported in date format string")
        parts.append(_MYSQL.get(letter, letter))
        at += 2
    if not parts:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Both printing and parsing not supported")
    return tuple(parts)


def _written(parts: tuple[_Writer | str, ...], moment: Moment) -> str:
    return "".join(part if isinstance(part, str) else part(moment) for part in parts)


def date_format(micros: int, pattern: str) -> str:
    return _written(_mysql(pattern), Moment(rounded(micros, 3)))


def date_format_zoned(name: str) -> Callable[[int, str], str]:
    where = zone(name)
    assert where is not None
    return lambda instant, pattern: _written(_mysql(pattern), _zoned(instant, where))


def _zoned(instant: int, where: Zone) -> Moment:
    instant = instant // 1000 * 1000
    return Moment(where.local(instant), where, where.offset(instant))


# Joda

_TEXTS = {"E", "a", "G", "z", "M"}
_JODA_LETTERS = "GCYxweEyDMdaKhHkmsSzZ"


_JODA_TOKEN = re.compile(r"(?P<letters>([A-Za-z])\2*)|''|'(?P<text>(?:[^']|'')*)'?|(?P<other>.)", re.DOTALL)


@lru_cache(1024)
def joda_tokens(pattern: str) -> tuple[tuple[str, str], ...]:
    """Letters with how often they stand, and text under an empty letter."""
    tokens: list[tuple[str, str]] = []
    for found in _JODA_TOKEN.finditer(pattern):
        letters, text, other = found["letters"], found["text"], found["other"]
        if letters is not None:
            if letters[0] not in _JODA_LETTERS:
                raise fail("INVALID_FUNCTION_ARGUMENT", f"Illegal pattern component: {letters}")
            tokens.append((letters[0], letters))
        elif text is not None:
            tokens.append(("", text.replace("''", "'")))
        else:
            tokens.append(("", other or "'"))
    if not tokens:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Invalid pattern specification")
    return tuple(tokens)


def _joda_field(letter: str, count: int, m: Moment) -> str:
    if letter == "G":
        return "AD" if m.year > 0 else "BC"
    if letter == "C":
        return f"{abs(m.year) // 100:0{count}}"
    if letter in "Yyx":
        year = iso_week(m.days)[0] if letter == "x" else m.year
        if letter == "Y" and year <= 0:
            year = 1 - year
        return f"{year % 100:02}" if count == 2 else _year(year, count)
    if letter == "E":
        name = WEEKDAYS[weekday(m.days) - 1]
        return name if count >= 4 else name[:3]
    if letter == "M" and count >= 3:
        return MONTHS[m.month - 1] if count >= 4 else MONTHS[m.month - 1][:3]
    if letter == "a":
        return m.half
    if letter == "S":
        return f"{m.millis:03}".ljust(count, "0")[:count]
    if letter in "Zz":
        return _joda_zone(letter, count, m)
    numbers = {
        "w": iso_week(m.days)[1],
        "e": weekday(m.days),
        "D": m.day_of_year,
        "M": m.month,
        "d": m.day,
        "K": m.hour % 12,
        "h": m.hour12,
        "H": m.hour,
        "k": m.hour or 24,
        "m": m.minute,
        "s": m.second,
    }
    return f"{numbers[letter]:0{count}}"


def _joda_zone(letter: str, count: int, m: Moment) -> str:
    assert m.where is not None
    if letter == "Z":
        if count >= 3:
            return m.where.name
        text = offset_name(m.offset // MINUTE)
        return text.replace(":", "") if count == 1 else text
    if m.where.name == UTC:
        return "UTC" if count < 4 else "Coordinated Universal Time"
    raise unsupported("The name of a zone in a date pattern")


def format_datetime(micros: int, pattern: str) -> str:
    tokens = joda_tokens(pattern)
    if any(letter in ("z", "Z") for letter, _ in tokens):
        message = (
            "format_datetime for TIMESTAMP type, cannot use 'Z' nor 'z' in format, as this type does not "
            "contain TZ information"
        )
        raise fail("INVALID_FUNCTION_ARGUMENT", message)
    return _joda(tokens, Moment(rounded(micros, 3)))


def format_datetime_zoned(name: str) -> Callable[[int, str], str]:
    where = zone(name)
    assert where is not None
    return lambda instant, pattern: _joda(joda_tokens(pattern), _zoned(instant, where))


def _joda(tokens: tuple[tuple[str, str], ...], moment: Moment) -> str:
    return "".join(_joda_field(letter, len(text), moment) if letter else text for letter, text in tokens)


# Reading

_Token = tuple[str, int, int]
"""Name of a field, fewest and most digits; or of a text."""


_DATES = {"month", "day", "day_of_year", "week", "weekday"}


class _Reader:
    """Reads a text by tokens as Joda does: each number takes as many digits as it may."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.fields: dict[str, int] = {}
        self.zone: Zone | None = None

    def refuse(self) -> Exception:
        rest = self.text[self.at :]
        if self.at == 0 or not rest:
            short = f'Invalid format: "{self.text}"'
            return fail(
                "INVALID_FUNCTION_ARGUMENT",
                short if self.at == 0 or not self.text else f"{short} is too short",
            )
        return fail("INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{self.text}" is malformed at "{rest}"')

    def literal(self, text: str) -> None:
        if self.text[self.at : self.at + len(text)].lower() != text.lower():
            raise self.refuse()
        self.at += len(text)

    def number(self, field: str, most: int, *, is_signed: bool = False) -> str:
        sign = r"[+-]?" if is_signed else ""
        found = re.compile(rf"{sign}[0-9]{{1,{most}}}").match(self.text, self.at)
        if found is None:
            raise self.refuse()
        self.at = found.end()
        self.fields[field] = int(found[0])
        return found[0]

    def millis(self, most: int) -> None:
        """A fraction of a second, of which thousandths are kept."""
        self.fields["millis"] = int(self.number("fraction", most)[:3].ljust(3, "0"))

    def short_year(self, field: str, most: int, first: int) -> None:
        """A year; of two digits it is one of the hundred years from the first on."""
        text = self.number(field, most, is_signed=most > 2)
        if re.fullmatch(r"\d\d", text):
            self.fields[field] = first + (int(text) - first) % 100

    def name(self, field: str, names: dict[str, int]) -> None:
        for name in sorted(names, key=len, reverse=True):
            if self.text[self.at : self.at + len(name)].lower() == name:
                self.at += len(name)
                self.fields[field] = names[name]
                return
        raise self.refuse()

    def offset(self) -> None:
        found = re.compile(r"Z|[+-]\d{2}:?(\d{2})?").match(self.text, self.at)
        if found is None:
            raise self.refuse()
        text = found[0]
        where = zone(UTC if text == "Z" else f"{text[:3]}:{text[-2:] if len(text) > 3 else '00'}")
        if where is None:
            raise self.refuse()
        self.at, self.zone = found.end(), where

    def zone_id(self) -> None:
        found = re.compile(r"[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)*|[+-]\d{2}:\d{2}").match(self.text, self.at)
        where = zone(found[0]) if found else None
        if found is None or where is None:
            raise self.refuse()
        self.at, self.zone = found.end(), where

    def end(self) -> None:
        if self.at < len(self.text):
            rest = self.text[self.at :]
            raise fail(
                "INVALID_FUNCTION_ARGUMENT",
                f'Invalid format: "{self.text}" is malformed at "{rest}"'
                if self.at
                else f'Invalid format: "{self.text}"',
            )

    def local(self, default_year: int) -> int:
        """The local time that the fields say.

        Raises
        ------
        KernelFailed
            ``INVALID_FUNCTION_ARGUMENT`` where one is out of its range.
        """
        f = self.fields
        for field, (low, high) in _RANGES.items():
            if field in f and not low <= f[field] <= high:
                self._out(field, f[field], low, high)
        clock = self._hour() * HOUR + f.get("minute", 0) * MINUTE + f.get("second", 0) * SECOND
        # A time of day alone is one of 1970.
        year = default_year if _DATES & f.keys() else 1970
        return self._days(f.get("year", year)) * DAY + clock + f.get("millis", 0) * 1000

    def _days(self, year: int) -> int:
        f = self.fields
        if "week_year" in f or "week" in f:
            fourth = days_of(f.get("week_year", year), 1, 4)
            return fourth - weekday(fourth) + 1 + (f.get("week", 1) - 1) * 7 + f.get("weekday", 1) - 1
        if "day_of_year" in f:
            length = days_of(year + 1, 1, 1) - days_of(year, 1, 1)
            if f["day_of_year"] > length:
                self._out("day_of_year", f["day_of_year"], 1, length)
            return days_of(year, 1, 1) + f["day_of_year"] - 1
        month, day = f.get("month", 1), f.get("day", 1)
        if day > month_length(year, month):
            self._out("day", day, 1, month_length(year, month))
        days = days_of(year, month, day)
        return days + f["weekday"] - weekday(days) if "weekday" in f else days

    def _hour(self) -> int:
        f = self.fields
        if "hour12" in f or "hour0" in f:
            return f.get("hour12", f.get("hour0", 0)) % 12 + 12 * f.get("half", 0)
        hour = f["hour24"] % 24 if "hour24" in f else f.get("hour", 0)
        return hour % 12 + 12 * f["half"] if "half" in f else hour

    def _out(self, field: str, value: int, low: int, high: int) -> None:
        shown = _FIELD_NAMES[field]
        raise fail(
            "INVALID_FUNCTION_ARGUMENT",
            f'Cannot parse "{self.text}": Value {value} for {shown} must be in the range [{low},{high}]',
        )


_RANGES = {
    "month": (1, 12), "day": (1, 31), "hour": (0, 23), "hour24": (1, 24), "hour12": (1, 12), "hour0": (0, 11),
    "minute": (0, 59), "second": (0, 59), "week": (1, 53), "day_of_year": (1, 366), "weekday": (1, 7),
}  # fmt: skip
_FIELD_NAMES = {
    "month": "monthOfYear", "day": "dayOfMonth", "hour": "hourOfDay", "hour24": "clockhourOfDay",
    "hour12": "clockhourOfHalfday", "hour0": "hourOfHalfday", "minute": "minuteOfHour",
    "second": "secondOfMinute", "week": "weekOfWeekyear", "day_of_year": "dayOfYear", "weekday": "dayOfWeek",
}  # fmt: skip
_MONTH_NAMES = {n.lower(): i for i, name in enumerate(MONTHS, 1) for n in (name, name[:3])}
_DAY_NAMES = {n.lower(): i for i, name in enumerate(WEEKDAYS, 1) for n in (name, name[:3])}
_HALVES = {"am": 0, "pm": 1}

_MYSQL_NUMBERS = {
    "c": ("month", 2), "d": ("day", 2), "e": ("day", 2), "H": ("hour", 2), "h": ("hour12", 2),
    "I": ("hour12", 2), "i": ("minute", 2),
    "j": ("day_of_year", 3), "k": ("hour", 2), "l": ("hour12", 2), "m": ("month", 2),
    "S": ("second", 2), "s": ("second", 2), "v": ("week", 2),
}  # fmt: skip
_MYSQL_COMPOUND = {"r": "%h:%i:%s %p", "T": "%H:%i:%s"}
_NAMES = {
    "a": ("weekday", _DAY_NAMES), "W": ("weekday", _DAY_NAMES), "b": ("month", _MONTH_NAMES),
    "M": ("month", _MONTH_NAMES), "p": ("half", _HALVES),
}  # fmt: skip


def _read_mysql(reader: _Reader, pattern: str) -> None:
    for found in re.finditer(r"%(.)|(.)", pattern, re.DOTALL):
        if found[1] is None:
            reader.literal(found[2])
        else:
            _read_specifier(reader, found[1])


def _read_specifier(reader: _Reader, letter: str) -> None:
    if letter in _MYSQL_NUMBERS:
        reader.number(*_MYSQL_NUMBERS[letter])
    elif letter in _MYSQL_COMPOUND:
        _read_mysql(reader, _MYSQL_COMPOUND[letter])
    elif letter in _NAMES:
        reader.name(*_NAMES[letter])
    elif letter == "f":
        reader.millis(9)
    elif letter in "Yx":
        reader.number("year" if letter == "Y" else "week_year", 4, is_signed=True)
    elif letter == "y":
        reader.short_year("year", 2, 1970)
    else:
        reader.literal(letter)


def date_parse(text: str, pattern: str) -> int:
    _mysql(pattern)
    reader = _Reader(text)
    _read_mysql(reader, pattern)
    reader.end()
    return reader.local(2000)


_JODA_NUMBERS = {
    "C": "century", "w": "week", "e": "weekday", "D": "day_of_year", "d": "day", "K": "hour0", "h": "hour12",
    "H": "hour", "k": "hour24", "m": "minute", "s": "second", "M": "month",
}  # fmt: skip
_JODA_NAMES = {
    "E": ("weekday", _DAY_NAMES), "a": ("half", _HALVES), "G": ("era", {"ad": 1, "bc": 0}),
    "M": ("month", _MONTH_NAMES),
}  # fmt: skip
_JODA_DIGITS = {"D": 3, "C": 9, "M": 2}
_PACKED = "CYxweyDdHhKkmsSM"


def _read_joda(reader: _Reader, letter: str, count: int, *, is_packed: bool) -> None:
    """Read one field; one that is followed by another at once takes no more digits than it has letters."""
    if letter in "Yyx":
        field = "week_year" if letter == "x" else "year"
        if count == 2 and not is_packed:
            reader.short_year(field, 9, 1980)
        else:
            reader.number(field, count if is_packed else 9, is_signed=True)
    elif letter in "EaG" or (letter == "M" and count >= 3):
        reader.name(*_JODA_NAMES[letter])
    elif letter == "S":
        reader.millis(count if is_packed else max(count, 3))
    elif letter == "Z":
        reader.zone_id() if count >= 3 else reader.offset()
    elif letter == "z":
        raise unsupported("The name of a zone in a date pattern")
    else:
        reader.number(_JODA_NUMBERS[letter], _JODA_DIGITS.get(letter, 2))


def parse_joda(text: str, pattern: str) -> tuple[int, str]:
    """The instant and its zone."""
    reader = _Reader(text)
    tokens = joda_tokens(pattern)
    for index, (letter, written) in enumerate(tokens):
        following = tokens[index + 1][0] if index + 1 < len(tokens) else ""
        if letter:
            _read_joda(reader, letter, len(written), is_packed=bool(following) and following in _PACKED)
        else:
            reader.literal(written)
    reader.end()
    where = reader.zone or zone(UTC)
    assert where is not None
    if "era" in reader.fields or "century" in reader.fields:
        raise unsupported("Reading an era or a century")
    return where.instant(reader.local(2000)), where.name


def parse_datetime(expected: str) -> Callable[[str, str], int]:
    def convert(text: str, pattern: str) -> int:
        instant, name = parse_joda(text, pattern)
        if expected not in ("*", name):
            raise unsupported(f"The zone {name} in a column of {expected}")
        return instant

    return convert
