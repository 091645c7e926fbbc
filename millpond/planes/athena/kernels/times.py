"""Dates, times and zones as whole numbers: days, and microseconds, in the proleptic Gregorian calendar.

Reference: "Date and time functions and operators"; zones by the tz database.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from millpond.planes.athena.kernels import fail, unsupported
from millpond.planes.athena.types import UTC

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_CYCLE_DAYS, _CYCLE_YEARS = 146_097, 400
_EPOCH = dt.date(1970, 1, 1).toordinal()
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of the month."""
    cycles, rest = divmod(days + _EPOCH - 1, _CYCLE_DAYS)
    date = dt.date.fromordinal(rest + 1)
    return date.year + cycles * _CYCLE_YEARS, date.month, date.day


def days_of(year: int, month: int, day: int) -> int:
    """Days since 1970.

    Raises
    ------
    ValueError
        If there is no such day.
    """
    cycles, rest = divmod(year - 1, _CYCLE_YEARS)
    return dt.date(rest + 1, month, day).toordinal() - _EPOCH + cycles * _CYCLE_DAYS


def month_length(year: int, month: int) -> int:
    following = days_of(year + month // 12, month % 12 + 1, 1)
    return following - days_of(year, month, 1)


def iso_week(days: int) -> tuple[int, int]:
    """Year of the week and number of the week."""
    cycles, rest = divmod(days + _EPOCH - 1, _CYCLE_DAYS)
    # A cycle on, so that the year before the first one is there too.
    year, week, _ = dt.date.fromordinal(rest + 1 + _CYCLE_DAYS).isocalendar()
    return year + (cycles - 1) * _CYCLE_YEARS, week


def weekday(days: int) -> int:
    """1 for Monday to 7 for Sunday."""
    return (days + 3) % 7 + 1


def add_months(days: int, months: int) -> int:
    year, month, day = civil(days)
    years, index = divmod(month - 1 + months, 12)
    year, month = year + years, index + 1
    return days_of(year, month, min(day, month_length(year, month)))


class Zone:
    """A zone of the tz database or a fixed offset."""

    def __init__(self, name: str, offset: int | None, zone: ZoneInfo | None) -> None:
        self.name = name
        self._offset = offset
        self._zone = zone

    def offset(self, instant: int) -> int:
        """Microseconds that local time is ahead of UTC at an instant."""
        if self._zone is None:
            return self._offset or 0
        size = _CYCLE_DAYS * 86400
        cycles, rest = divmod(instant // SECOND + (_EPOCH - 1) * 86400, size)
        # Far away years as others, cycles of 400 years nearer: the last rules go on for ever.
        seconds = rest + min(max(cycles, 0), 5) * size
        utc = dt.datetime(1, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
        try:
            offset = utc.astimezone(self._zone).utcoffset()
        except OverflowError:
            offset = (utc + dt.timedelta(days=2)).astimezone(self._zone).utcoffset()
        assert offset is not None
        return offset.days * DAY + offset.seconds * SECOND

    def local(self, instant: int) -> int:
        return instant + self.offset(instant)

    def instants(self, local: int) -> list[int]:
        """The instants that show a local time, the earlier one first; none in a gap."""
        offsets = {self.offset(local - 2 * DAY), self.offset(local + 2 * DAY)}
        found = {local - offset for offset in offsets if self.local(local - offset) == local}
        return sorted(found)

    def instant(self, local: int, preferred: int | None = None) -> int:
        """The instant of a local time: as in Java the earlier of two; later by a gap if it lies in one."""
        found = self.instants(local)
        if preferred is not None and local - preferred in found:
            return local - preferred
        if found:
            return found[0]
        return local - self.offset(local - 2 * DAY)


@lru_cache(1)
def _names() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


_UTC_NAMES = {"Z", "UTC", "ZULU", "GMT", "GMT0", "UT", "UCT", "UNIVERSAL", "GREENWICH"}


@lru_cache(4096)
def zone(name: str) -> Zone | None:
    """A zone by its name or as ``+05:30``; None if there is none."""
    found = re.fullmatch(r"(?:(?:UTC|GMT|UT)?)([+-])(\d{1,2}):?(\d{2})?", name)
    if name.upper().removeprefix("ETC/") in _UTC_NAMES:
        return Zone(UTC, 0, None)
    if found:
        hours, minutes = int(found[2]), int(found[3] or 0)
        if hours > 14 or minutes > 59 or hours * 60 + minutes > 840:
            return None
        total = (hours * 60 + minutes) * (-1 if found[1] == "-" else 1)
        return Zone(UTC if total == 0 else offset_name(total), total * MINUTE, None)
    canonical = _names().get(name.lower())
    return Zone(canonical, None, ZoneInfo(canonical)) if canonical and "/" in canonical else None


def offset_name(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


# Text

_DATE = re.compile(r"\s*([+-]?\d+)-(\d{1,2})-(\d{1,2})\s*", re.ASCII)
_STAMP = re.compile(
    r"([-+]?\d{4,})-(\d{1,2})-(\d{1,2})(?: (?:(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d+))?)?)?\s*(.+)?)?",
    re.ASCII,
)
_CLOCK = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d+))?)?\s*(?:([+-])(\d\d):(\d\d))?", re.ASCII)


def parse_date(text: str) -> int | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    try:
        days = days_of(int(found[1]), int(found[2]), int(found[3]))
    except (ValueError, OverflowError):
        return None
    return days if abs(days) < 2**31 else None


def parse_timestamp(text: str) -> tuple[int, int, str] | None:
    """Local microseconds, digits of the fraction, and the zone as it is written; None if it is no timestamp.

    The seventh digit of a fraction and those after it are not kept.
    """
    found = _STAMP.fullmatch(text.strip(" \t\n\r") if text != text.strip() else text)
    if found is None:
        return None
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    hour, minute, second = int(found[4] or 0), int(found[5] or 0), int(found[6] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    try:
        days = days_of(year, month, day)
    except (ValueError, OverflowError):
        return None
    fraction = found[7] or ""
    micros = int(fraction[:6].ljust(6, "0")) if fraction else 0
    return (
        days * DAY + hour * HOUR + minute * MINUTE + second * SECOND + micros,
        len(fraction),
        found[8] or "",
    )


def parse_clock(text: str) -> tuple[int, int, int | None] | None:
    """Microseconds of the day, digits of the fraction, and minutes of the offset if there is one."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    fraction = found[4] or ""
    micros = int(fraction[:6].ljust(6, "0")) if fraction else 0
    offset = None
    if found[5]:
        offset = (int(found[6]) * 60 + int(found[7])) * (-1 if found[5] == "-" else 1)
        if abs(offset) > 840:
            return None
    return hour * HOUR + minute * MINUTE + second * SECOND + micros, len(fraction), offset


def rounded(micros: int, digits: int) -> int:
    """Rounded half up to so many digits of a second."""
    if digits >= 6:
        return micros
    unit: int = 10 ** (6 - digits)
    return (micros + unit // 2) // unit * unit


def date_text(days: int) -> str:
    year, month, day = civil(days)
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04}-{month:02}-{day:02}"


def clock_text(micros: int, digits: int) -> str:
    micros %= DAY
    seconds, fraction = divmod(micros, SECOND)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{f'{fraction:06}'.ljust(12, '0')[:digits]}" if digits else text


def timestamp_text(micros: int, digits: int, between: str = " ") -> str:
    days, clock = divmod(micros, DAY)
    return f"{date_text(days)}{between}{clock_text(clock, digits)}"


def to_date(text: str) -> int:
    found = parse_date(text)
    if found is None:
        raise fail("INVALID_CAST_ARGUMENT", f"Value cannot be cast to date: {text}")
    return found


def to_timestamp(digits: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        found = parse_timestamp(text)
        if found is None:
            raise fail("INVALID_CAST_ARGUMENT", f"Value cannot be cast to timestamp: {text}")
        # A zone in the text is not looked at further than whether there is one.
        if found[2] and zone(found[2]) is None:
            raise fail("INVALID_CAST_ARGUMENT", f"Value cannot be cast to timestamp: {text}")
        if found[2]:
            raise fail("INVALID_CAST_ARGUMENT", f"Value cannot be cast to timestamp: {text}")
        return rounded(found[0], digits)

    return convert


def to_clock(digits: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        found = parse_clock(text)
        if found is None or found[2] is not None:
            raise fail("INVALID_CAST_ARGUMENT", f"Value cannot be cast to time: {text}")
        return rounded(found[0], digits) % DAY

    return convert


def to_instant(digits: int, expected: str) -> Callable[[str], int]:
    """Text with a zone; all of a column must have the zone that its type says."""

    def convert(text: str) -> int:
        found = parse_timestamp(text)
        where = zone(found[2]) if found is not None and found[2] else zone(UTC)
        if found is None or where is None:
            raise fail("INVALID_CAST_ARGUMENT", f"Value cannot be cast to timestamp with time zone: {text}")
        if where.name != expected:
            raise unsupported(f"The zone {where.name} in a column of {expected}")
        return where.instant(rounded(found[0], digits))

    return convert


# Fields and differences

_UNITS = ("millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")


def unit_of(text: str, what: str = "TIMESTAMP") -> str:
    unit = text.lower()
    known = _UNITS if what == "TIMESTAMP" else _UNITS[4:] if what == "DATE" else _UNITS[:4]
    if unit not in known:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"'{text}' is not a valid {what} field")
    return unit


_LENGTHS = {
    "millisecond": 1000,
    "second": SECOND,
    "minute": MINUTE,
    "hour": HOUR,
    "day": DAY,
    "week": 7 * DAY,
}


def truncated_days(unit: str, days: int) -> int:
    year, month, _ = civil(days)
    if unit == "day":
        return days
    if unit == "week":
        return days - weekday(days) + 1
    month = {"month": month, "quarter": (month - 1) // 3 * 3 + 1, "year": 1}[unit]
    return days_of(year, month, 1)


def truncated(unit: str, micros: int) -> int:
    if unit in ("millisecond", "second", "minute", "hour"):
        return micros // _LENGTHS[unit] * _LENGTHS[unit]
    return truncated_days(unit, micros // DAY) * DAY


def trunc_date(unit: str, days: int) -> int:
    return truncated_days(unit_of(unit, "DATE"), days)


def trunc_timestamp(unit: str, micros: int) -> int:
    return truncated(unit_of(unit), micros)


def trunc_clock(unit: str, micros: int) -> int:
    length = _LENGTHS[unit_of(unit, "TIME")]
    return micros // length * length


def trunc_instant(name: str) -> Callable[[str, int], int]:
    where = zone(name)
    assert where is not None

    def convert(unit: str, instant: int) -> int:
        return where.instant(truncated(unit_of(unit), where.local(instant)), where.offset(instant))

    return convert


def _months(unit: str) -> int:
    return {"month": 1, "quarter": 3, "year": 12}[unit]


def added(unit: str, amount: int, micros: int) -> int:
    if unit in _LENGTHS:
        return micros + amount * _LENGTHS[unit]
    days, clock = divmod(micros, DAY)
    return add_months(days, amount * _months(unit)) * DAY + clock


def add_date(unit: str, amount: int, days: int) -> int:
    result = added(unit_of(unit, "DATE"), amount, days * DAY) // DAY
    if not -(2**31) <= result < 2**31:
        raise fail("INVALID_FUNCTION_ARGUMENT", "date is out of range")
    return result


def add_timestamp(digits: int) -> Callable[[str, int, int], int]:
    def convert(unit: str, amount: int, micros: int) -> int:
        name = unit_of(unit)
        result = added(name, amount, micros)
        return _in_range(rounded(result, digits) if name == "millisecond" else result)

    return convert


def _in_range(micros: int) -> int:
    if not -(2**63) < micros < 2**63:
        raise fail("INVALID_FUNCTION_ARGUMENT", "timestamp is out of range")
    return micros


def add_clock(digits: int) -> Callable[[str, int, int], int]:
    def convert(unit: str, amount: int, micros: int) -> int:
        return rounded(micros + amount * _LENGTHS[unit_of(unit, "TIME")], digits) % DAY

    return convert


def add_instant(name: str, digits: int) -> Callable[[str, int, int], int]:
    where = zone(name)
    assert where is not None

    def convert(unit: str, amount: int, instant: int) -> int:
        kind = unit_of(unit)
        if kind in ("millisecond", "second", "minute", "hour"):
            return rounded(added(kind, amount, instant), digits)
        return where.instant(added(kind, amount, where.local(instant)), where.offset(instant))

    return convert


def months_instant(name: str) -> Callable[[int, int], int]:
    where = zone(name)
    assert where is not None

    def convert(instant: int, months: int) -> int:
        return where.instant(added("month", months, where.local(instant)), where.offset(instant))

    return convert


def difference(unit: str, start: int, end: int) -> int:
    """Complete units between two local times; towards zero."""
    if unit in _LENGTHS:
        apart = abs(end - start) // _LENGTHS[unit]
        return apart if end >= start else -apart
    if end < start:
        return -_complete(_months(unit), end, start, is_back=True)
    return _complete(_months(unit), start, end, is_back=False)


def _complete(size: int, early: int, late: int, *, is_back: bool) -> int:
    one, other = civil(early // DAY), civil(late // DAY)
    months = (other[0] - one[0]) * 12 + other[1] - one[1]
    if is_back:
        # Counted from the later one back.
        while months and added("month", -months, late) < early:
            months -= 1
    else:
        while months and added("month", months, early) > late:
            months -= 1
    return months // size


def _millis(micros: int) -> int:
    return rounded(micros, 3)


def diff_date(unit: str, start: int, end: int) -> int:
    return difference(unit_of(unit, "DATE"), start * DAY, end * DAY)


def diff_timestamp(unit: str, start: int, end: int) -> int:
    return difference(unit_of(unit), _millis(start), _millis(end))


def diff_clock(unit: str, start: int, end: int) -> int:
    return difference(unit_of(unit, "TIME"), start, end)


def diff_instant(name: str) -> Callable[[str, int, int], int]:
    where = zone(name)
    assert where is not None

    def convert(unit: str, start: int, end: int) -> int:
        kind = unit_of(unit)
        start, end = start // 1000 * 1000, end // 1000 * 1000
        if kind in ("millisecond", "second", "minute", "hour"):
            return difference(kind, start, end)
        return difference(kind, where.local(start), where.local(end))

    return convert


def to_local(name: str) -> Callable[[int], int]:
    where = zone(name)
    assert where is not None
    return where.local


def from_local(name: str) -> Callable[[int], int]:
    where = zone(name)
    assert where is not None

    def convert(local: int) -> int:
        return where.instant(local)

    return convert


def offset_minutes(name: str) -> Callable[[int], int]:
    where = zone(name)
    assert where is not None

    def convert(instant: int) -> int:
        seconds = where.offset(instant) // SECOND
        return -(-seconds // 60) if seconds < 0 else seconds // 60

    return convert


def instant_text(name: str, digits: int) -> Callable[[int], str]:
    where = zone(name)
    assert where is not None
    return lambda instant: f"{timestamp_text(where.local(instant), digits)} {where.name}"


def instant_iso(name: str, digits: int) -> Callable[[int], str]:
    where = zone(name)
    assert where is not None

    def convert(instant: int) -> str:
        offset = where.offset(instant) // MINUTE
        suffix = "Z" if offset == 0 else offset_name(offset)
        return f"{timestamp_text(where.local(instant), digits, 'T')}{suffix}"

    return convert


def timestamp_texts(digits: int, between: str) -> Callable[[int], str]:
    return lambda micros: timestamp_text(micros, digits, between)


def clock_texts(digits: int) -> Callable[[int], str]:
    return lambda micros: clock_text(micros, digits)


def from_unixtime(seconds: float) -> int:
    if seconds != seconds:
        return 0
    try:
        millis = _half_up(seconds * 1000)
    except OverflowError:
        millis = 2**63
    if not -(2**51) <= millis < 2**51:
        raise fail(
            "INVALID_FUNCTION_ARGUMENT", "Millis overflow: " + str(min(max(millis, -(2**63)), 2**63 - 1))
        )
    return millis * 1000


def _half_up(value: float) -> int:
    from math import floor

    return floor(value + 0.5)


def interval_days_text(millis: int) -> str:
    sign, rest = ("-", -millis) if millis < 0 else ("", millis)
    days, rest = divmod(rest, 86_400_000)
    seconds, thousandths = divmod(rest, 1000)
    return f"{sign}{days} {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{thousandths:03}"


def interval_months_text(months: int) -> str:
    sign = "-" if months < 0 else ""
    return f"{sign}{abs(months) // 12}-{abs(months) % 12}"


# ISO 8601

_ISO_DATE = re.compile(
    r"([+-]?\d{1,9})(?:-(?:W(\d{1,2})(?:-(\d))?|(\d{3})|(\d{1,2})(?:-(\d{1,2}))?))?", re.ASCII
)
_ISO_TIME = re.compile(
    r"(?:(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:[.,](\d+))?)?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?", re.ASCII
)


def _iso_days(text: str) -> int | None:
    found = _ISO_DATE.fullmatch(text)
    if found is None:
        return None
    year = int(found[1])
    try:
        if found[2]:
            if not 1 <= int(found[2]) <= 53 or not 1 <= int(found[3] or 1) <= 7:
                return None
            fourth = days_of(year, 1, 4)
            return fourth - weekday(fourth) + 1 + (int(found[2]) - 1) * 7 + int(found[3] or 1) - 1
        if found[4]:
            if not 1 <= int(found[4]) <= days_of(year + 1, 1, 1) - days_of(year, 1, 1):
                return None
            return days_of(year, 1, 1) + int(found[4]) - 1
        return days_of(year, int(found[5] or 1), int(found[6] or 1))
    except ValueError:
        return None


def from_iso8601_date(text: str) -> int:
    days = _iso_days(text)
    if days is None:
        raise fail("INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{text}"')
    return days


def iso_timestamp(text: str) -> tuple[int, str]:
    """The instant, in whole milliseconds, and the zone."""
    date, sign, clock = text.partition("T")
    days = _iso_days(date) if date else 0
    found = _ISO_TIME.fullmatch(clock)
    if days is None or found is None or not text or (sign and not date and not clock):
        raise fail("INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{text}"')
    hour, minute, second = int(found[1] or 0), int(found[2] or 0), int(found[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise fail("INVALID_FUNCTION_ARGUMENT", f'Cannot parse "{text}"')
    millis = int((found[4] or "0")[:3].ljust(3, "0"))
    name = found[5] or UTC
    where = zone(name if name in ("Z", UTC) else f"{name[:3]}:{name[-2:] if len(name) > 3 else '00'}")
    if where is None:
        raise fail("INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{text}"')
    local = days * DAY + hour * HOUR + minute * MINUTE + second * SECOND + millis * 1000
    return where.instant(local), where.name


def from_iso8601_timestamp(expected: str) -> Callable[[str], int]:
    def convert(text: str) -> int:
        instant, name = iso_timestamp(text)
        if expected not in ("*", name):
            raise unsupported(f"The zone {name} in a column of {expected}")
        return instant

    return convert
