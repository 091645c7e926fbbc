"""AWS's cron expressions, in UTC.

Source: "Time-based schedules for jobs and crawlers" in the Glue Developer Guide, and "Cron-based schedules"
in the EventBridge Scheduler User Guide: six fields, of which either the day of the month or the day of the
week is ``?``; ``L``, ``W`` and ``#`` in those.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

_FORM = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = dict(zip(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), range(1, 8), strict=True))
_LAST_YEAR = 2199
# A schedule that has no time within this many years has none: 29 February comes every eighth at the latest.
_YEARS_AHEAD = 9


@dataclass(frozen=True)
class Schedule:
    """When something is due.

    Parameters
    ----------
    minutes, hours, months, years : frozenset of int
        In which it is.
    is_day : callable
        Whether it is due on a day, in those months and years.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    is_day: Callable[[date], bool]

    def after(self, moment: datetime) -> datetime | None:
        """The first time after a moment; None if there is none."""
        start = (moment + timedelta(minutes=1)).astimezone(UTC).replace(second=0, microsecond=0)
        day = start.date()
        while day.year <= min(_LAST_YEAR, start.year + _YEARS_AHEAD):
            if day.year in self.years and day.month in self.months and self.is_day(day):
                earliest = start.time() if day == start.date() else time.min
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        if time(hour, minute) >= earliest:
                            return datetime.combine(day, time(hour, minute), UTC)
            day += timedelta(days=1)
        return None


def parse_schedule(text: str) -> Schedule:
    """Read ``cron(…)``.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> parse_schedule("cron(15 12 ? * MON-FRI *)").after(datetime(2026, 1, 2, 13, tzinfo=UTC)).isoformat()
    '2026-01-05T12:15:00+00:00'
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text} is not of the form cron(minutes hours day-of-month month day-of-week year)")
    minutes, hours, of_month, months, of_week, years = match.groups()
    if (of_month == "?") == (of_week == "?"):
        raise ValueError("either the day of the month or the day of the week must be ?")
    return Schedule(
        _numbers(minutes, 0, 59),
        _numbers(hours, 0, 23),
        _numbers(months, 1, 12, _MONTHS),
        _numbers(years, 1970, _LAST_YEAR),
        _day_of_month(of_month) if of_week == "?" else _day_of_week(of_week),
    )


def _numbers(text: str, least: int, most: int, names: dict[str, int] | None = None) -> frozenset[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = least, most
        else:
            head, dash, tail = span.partition("-")
            first = _number(head, names)
            last = _number(tail, names) if dash else (most if step else first)
        if not least <= first <= last <= most:
            raise ValueError(f"{part} is not within {least} and {most}")
        numbers.update(range(first, last + 1, int(step) if step else 1))
    return frozenset(numbers)


def _number(text: str, names: dict[str, int] | None) -> int:
    return names[text.upper()] if names and text.upper() in names else int(text)


def _last_of_month(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _day_of_month(text: str) -> Callable[[date], bool]:
    if text == "L":
        return lambda day: day.day == _last_of_month(day)
    if weekday := re.fullmatch(r"(\d+)W", text):
        return lambda day: day.day == _nearest_weekday(day, int(weekday[1]))
    days = _numbers(text, 1, 31)
    return lambda day: day.day in days


def _nearest_weekday(day: date, wanted: int) -> int:
    target = day.replace(day=min(wanted, _last_of_month(day)))
    offset = {5: -1, 6: 1}.get(target.weekday(), 0)
    moved = target + timedelta(days=offset)
    if moved.month != target.month:
        moved = target + timedelta(days=2 if offset < 0 else -2)
    return moved.day


def _day_of_week(text: str) -> Callable[[date], bool]:
    if last := re.fullmatch(r"(\w+)L", text):
        wanted = _number(last[1], _DAYS)
        return lambda day: _weekday(day) == wanted and day.day > _last_of_month(day) - 7
    if nth := re.fullmatch(r"(\w+)#([1-5])", text):
        wanted, place = _number(nth[1], _DAYS), int(nth[2])
        return lambda day: _weekday(day) == wanted and (day.day - 1) // 7 + 1 == place
    days = _numbers(text, 1, 7, _DAYS)
    return lambda day: _weekday(day) in days


def _weekday(day: date) -> int:
    """1 for Sunday to 7 for Saturday, as AWS counts."""
    return day.isoweekday() % 7 + 1
