"""When a table is due: the schedule expressions of Amazon EventBridge, as pure functions.

Source: "Schedule types in EventBridge" (cron and rate expressions) in the EventBridge User Guide. Times are
in UTC.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from errors import BadSettingsError

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\((.+)\)")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
# EventBridge starts a run some time within the minute, and a run does not read its first row at once.
_TOLERANCE = timedelta(minutes=15)

DayTest = Callable[[date], bool]


def is_due(expression: str | None, last_start: datetime | None, now: datetime) -> bool:
    """Whether a table with a schedule of its own is due in a scheduled run.

    Parameters
    ----------
    expression : str, optional
        ``rate(...)`` or ``cron(...)``; None is due in every scheduled run.
    last_start : datetime, optional
        When the run that committed last was started; None when there was none.
    now : datetime
        When this run was started.

    Raises
    ------
    BadSettingsError
        If the expression is none of EventBridge's.
    """
    if expression is None:
        return True
    found = _RATE.fullmatch(expression)
    if found:
        period = _period(expression, int(found[1]), found[2], has_s=bool(found[3]))
        return last_start is None or now - last_start >= period - min(period / 10, _TOLERANCE)
    fired = Cron.parse(expression).previous(now)
    return last_start is None or (fired is not None and fired > last_start)


def _period(expression: str, value: int, unit: str, *, has_s: bool) -> timedelta:
    if value < 1 or (value == 1) == has_s:
        raise BadSettingsError(f"{expression} is not a schedule: rate(1 hour), rate(2 hours).")
    return timedelta(**{f"{unit}s": value})


@dataclass(frozen=True)
class Cron:
    """A cron expression: when it fires.

    Parameters
    ----------
    minutes, hours, months : frozenset of int
        Where it fires.
    years : frozenset of int
        The same.
    fits : callable
        Whether it fires on a day, by the day of the month or of the week.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    fits: DayTest

    @classmethod
    def parse(cls, expression: str) -> Cron:
        """Take ``cron(minutes hours day-of-month month day-of-week year)`` apart.

        Raises
        ------
        BadSettingsError
            If EventBridge would not take it.
        """
        found = _CRON.fullmatch(expression)
        fields = found[1].split() if found else []
        try:
            if len(fields) != 6:
                raise ValueError("six fields")
            minutes, hours, day, month, weekday, year = fields
            if (day == "?") == (weekday == "?"):
                raise ValueError("one of day-of-month and day-of-week is ?, the other not")
            return cls(
                _values(minutes, 0, 59),
                _values(hours, 0, 23),
                _values(month, 1, 12, _MONTHS),
                _values(year, _FIRST_YEAR, _LAST_YEAR),
                _day_of_month(day) if weekday == "?" else _day_of_week(weekday),
            )
        except ValueError as error:
            raise BadSettingsError(f"{expression} is not a schedule of EventBridge: {error}.") from error

    def previous(self, now: datetime) -> datetime | None:
        """The last time, not after ``now``, that it fired; None if it never did."""
        day = now.date()
        latest = (now.hour, now.minute)
        while day.year >= min(self.years):
            if day.year in self.years and day.month in self.months and self.fits(day):
                times = [
                    (hour, minute)
                    for hour in self.hours
                    for minute in self.minutes
                    if (hour, minute) <= latest
                ]
                if times:
                    hour, minute = max(times)
                    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
            latest = (23, 59)
            if day == date.min:
                return None
            day -= timedelta(days=1)
        return None


def _values(field: str, lowest: int, highest: int, names: Sequence[str] = ()) -> frozenset[int]:
    """The numbers that ``*``, ``a``, ``a-b``, ``a/step`` and lists of these stand for."""
    values: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        begin = lowest if span == "*" else _number(first, lowest, highest, names)
        open_end = highest if slash or span == "*" else begin
        end = _number(last, lowest, highest, names) if dash else open_end
        if end < begin or (slash and not step.isdecimal()) or (slash and int(step) < 1):
            raise ValueError(f"{part!r} is no range")
        values.update(range(begin, end + 1, int(step) if slash else 1))
    return frozenset(values)


def _number(text: str, lowest: int, highest: int, names: Sequence[str]) -> int:
    if text.upper() in names:
        return names.index(text.upper()) + lowest
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise ValueError(f"{text!r} is not from {lowest} to {highest}")
    return int(text)


def _day_of_month(field: str) -> DayTest:
    if field == "L":
        return lambda day: day.day == _last(day)
    if field.endswith("W"):
        wanted = _number(field[:-1], 1, 31, ())
        return lambda day: day == _nearest_weekday(day, wanted)
    days = _values(field, 1, 31)
    return lambda day: day.day in days


def _day_of_week(field: str) -> DayTest:
    if "#" in field:
        name, _, week = field.partition("#")
        weekday, ordinal = _number(name, 1, 7, _DAYS), _number(week, 1, 5, ())
        return lambda day: _weekday(day) == weekday and (day.day - 1) // 7 + 1 == ordinal
    if field.endswith("L"):
        weekday = 7 if field == "L" else _number(field[:-1], 1, 7, _DAYS)
        return lambda day: _weekday(day) == weekday and day.day > _last(day) - 7
    weekdays = _values(field, 1, 7, _DAYS)
    return lambda day: _weekday(day) in weekdays


def _weekday(day: date) -> int:
    """Sunday is 1, as in EventBridge."""
    return day.isoweekday() % 7 + 1


def _last(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date, wanted: int) -> date | None:
    """The weekday nearest to a day of this month, without leaving the month."""
    if wanted > _last(day):
        return None
    target = day.replace(day=wanted)
    match target.isoweekday():
        case 6:
            return target - timedelta(days=1) if wanted > 1 else target + timedelta(days=2)
        case 7:
            return target + timedelta(days=1) if wanted < _last(day) else target - timedelta(days=2)
    return target
