"""When a schedule is due."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from millpond.planes.common.cron import parse_schedule

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Timing:
    """What says when a schedule is due.

    Parameters
    ----------
    expression : str
        ``at(…)``, ``rate(…)`` or ``cron(…)``.
    timezone : str
        In which ``at`` and ``cron`` are read, for example ``Europe/Berlin``.
    created : datetime
        From which a rate is counted, unless there is a start.
    start, end : datetime, optional
        Between which a schedule that recurs is due.
    """

    expression: str
    timezone: str
    created: datetime
    start: datetime | None = None
    end: datetime | None = None

    def next(self, after: datetime) -> datetime | None:
        """The first time after a moment, in UTC; None if there is none.

        Raises
        ------
        ValueError
            If the expression or the time zone is none.
        """
        try:
            zone = ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{self.timezone} is no time zone") from error
        if once := _AT.fullmatch(self.expression):
            moment = datetime.fromisoformat(once[1]).replace(tzinfo=zone).astimezone(UTC)
            return moment if moment > after else None
        earliest = max(after, self.start - _TICK) if self.start else after
        instant = self._recurring(earliest, zone)
        return None if instant is None or (self.end and instant > self.end) else instant

    def _recurring(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        if rate := _RATE.fullmatch(self.expression):
            if not (period := timedelta(**{f"{rate[2]}s": int(rate[1])})):
                raise ValueError("a rate is at least 1")
            # Without a start, a rate is due for the first time when the schedule is made.
            base = self.start or self.created
            return base + max(0, (after - base) // period + 1) * period
        # Read as the clock on the wall of that time zone shows it.
        wall = after.astimezone(zone).replace(tzinfo=UTC)
        wall_time = parse_schedule(self.expression).after(wall)
        return None if wall_time is None else wall_time.replace(tzinfo=zone).astimezone(UTC)
