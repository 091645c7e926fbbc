"""When a secret is rotated next: windows that rules of rotation open, in UTC.

Sources: ``RotationRulesType`` in the Secrets Manager API Reference and "Rotation schedules" in the User
Guide: windows open on the hour, those of a rate in days at midnight. Without ``Duration`` a window of a
schedule in hours closes after one hour, another at the end of the day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from millpond.planes.common.cron import parse_schedule

LONGEST_INTERVAL_DAYS = 1000
LONGEST_RATE_DAYS = 999
SHORTEST_RATE_HOURS = 4
_RATE = re.compile(r"rate\(([1-9]\d*) (hour|day)s?\)")
_CRON = re.compile(r"cron\(0 (\S+) (\S+ \S+ \S+) \*\)")
_DURATION = re.compile(r"([1-9]|1\d|2[0-4])h")
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """Within which a secret is rotated.

    Parameters
    ----------
    opens : datetime
        Its first moment.
    closes : datetime
        Its last second, which is ``NextRotationDate``.
    """

    opens: datetime
    closes: datetime


def next_window(rules: Mapping[str, Any], after: datetime) -> Window | None:
    """The first window that opens after a moment, None without a schedule.

    Parameters
    ----------
    rules : mapping
        ``RotationRules`` of the API.
    after : datetime
        In UTC; from which a rate is counted.

    Raises
    ------
    ValueError
        If the rules are none; the message is for the caller.
    """
    days, schedule = rules.get("AutomaticallyAfterDays"), rules.get("ScheduleExpression")
    if days is not None and schedule is not None:
        raise ValueError(
            "You can't specify both AutomaticallyAfterDays and ScheduleExpression in RotationRules."
        )
    length = _length(rules.get("Duration"))
    if days is not None:
        if not 1 <= days <= LONGEST_INTERVAL_DAYS:
            raise ValueError("RotationRules.AutomaticallyAfterDays must be within 1-1000.")
        return _window(_midnight(after) + days * _DAY, _DAY, length, is_of_days=True)
    if schedule is None:
        return None
    return _of_rate(schedule, after, length) or _of_cron(schedule, after, length)


def _of_rate(schedule: str, after: datetime, length: timedelta | None) -> Window | None:
    """None if the schedule is no rate."""
    if not (rate := _RATE.fullmatch(schedule)):
        return None
    is_of_days = rate[2] == "day"
    interval = int(rate[1]) * (_DAY if is_of_days else _HOUR)
    if not SHORTEST_RATE_HOURS * _HOUR <= interval <= LONGEST_RATE_DAYS * _DAY:
        raise _wrong_schedule(schedule, "a secret is rotated every 4 hours at most, every 999 days at least")
    start = _midnight(after) if is_of_days else after.replace(minute=0, second=0, microsecond=0)
    return _window(start + interval, interval, length, is_of_days=is_of_days)


def _of_cron(schedule: str, after: datetime, length: timedelta | None) -> Window | None:
    """None if it is never due."""
    if not (cron := _CRON.fullmatch(schedule)):
        raise _wrong_schedule(schedule, "it is rate(…) in hours or days, or cron(0 … *)")
    # Secrets Manager takes "/8" for "*/8".
    hours = re.sub(r"^/", "*/", cron[1])
    try:
        due = parse_schedule(f"cron(0 {hours} {cron[2]} *)")
    except ValueError as error:
        raise _wrong_schedule(schedule, str(error)) from error
    if (opens := due.after(after)) is None:
        return None
    following = due.after(opens)
    interval = following - opens if following else LONGEST_RATE_DAYS * _DAY
    return _window(opens, interval, length, is_of_days=len(due.hours) == 1)


def _window(opens: datetime, interval: timedelta, length: timedelta | None, *, is_of_days: bool) -> Window:
    rest_of_day = _midnight(opens) + _DAY - opens
    longest = min(interval, rest_of_day) if is_of_days else interval
    if length is not None and length > longest:
        raise ValueError(
            "RotationRules.Duration must not extend into the next UTC day or into the next rotation window."
        )
    lasts = length or (rest_of_day if is_of_days else _HOUR)
    return Window(opens, opens + lasts - timedelta(seconds=1))


def _length(duration: str | None) -> timedelta | None:
    if duration is None:
        return None
    if not (hours := _DURATION.fullmatch(duration)):
        raise ValueError(f"RotationRules.Duration {duration} is not valid: 1h to 24h.")
    return int(hours[1]) * _HOUR


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _wrong_schedule(schedule: str, why: str) -> ValueError:
    return ValueError(f"RotationRules.ScheduleExpression {schedule} is not valid: {why}.")
