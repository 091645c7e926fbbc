"""When a metric alarm changes its state.

Source: "Using Amazon CloudWatch alarms" in the CloudWatch User Guide, "Evaluating an alarm", "Configuring how
CloudWatch alarms treat missing data" and "How alarm state is evaluated when data is missing".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"

_COMPARISONS: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (
        lambda value, threshold: value >= threshold,
        "greater than or equal to",
    ),
    "GreaterThanThreshold": (lambda value, threshold: value > threshold, "greater than"),
    "LessThanThreshold": (lambda value, threshold: value < threshold, "less than"),
    "LessThanOrEqualToThreshold": (lambda value, threshold: value <= threshold, "less than or equal to"),
}


@dataclass(frozen=True)
class Settings:
    """What of an alarm's definition matters for its state.

    Parameters
    ----------
    comparison : str
        ``ComparisonOperator``.
    threshold : float
        What it is compared with.
    periods : int
        ``EvaluationPeriods`` (N).
    to_alarm : int
        ``DatapointsToAlarm`` (M).
    missing : str
        ``TreatMissingData``.
    """

    comparison: str
    threshold: float
    periods: int
    to_alarm: int
    missing: str

    @classmethod
    def of(cls, alarm: Mapping[str, Any]) -> Settings:
        """The settings of a ``MetricAlarm``."""
        periods = int(alarm["EvaluationPeriods"])
        return cls(
            comparison=alarm["ComparisonOperator"],
            threshold=float(alarm["Threshold"]),
            periods=periods,
            to_alarm=int(alarm.get("DatapointsToAlarm") or periods),
            missing=alarm.get("TreatMissingData") or "missing",
        )

    @property
    def range(self) -> int:
        """How many periods are looked at: more than are evaluated, by a number that AWS leaves open."""
        return self.periods + max(2, self.periods // 3)

    @property
    def is_supported(self) -> bool:
        """Whether it compares with a fixed threshold, not with a band."""
        return self.comparison in _COMPARISONS

    def is_breaching(self, value: float) -> bool:
        return _COMPARISONS[self.comparison][0](value, self.threshold)


@dataclass(frozen=True)
class Verdict:
    """A state, and why."""

    state: str
    reason: str


@dataclass(frozen=True)
class Point:
    """A period's value, None if it has none."""

    start: datetime
    value: float | None


def evaluate(points: Sequence[Point], settings: Settings, current: str) -> Verdict:
    """The state that an alarm ought to have.

    Parameters
    ----------
    points : sequence of Point
        The evaluation range, oldest first.
    settings : Settings
        Of the alarm.
    current : str
        The state it has.
    """
    real = [point for point in points if point.value is not None]
    if not real:
        return _without_data(settings, current)
    considered = real[-settings.periods :]
    lacking = settings.periods - len(considered)
    breaching = sum(settings.is_breaching(_value(point)) for point in considered)
    if settings.missing == "breaching":
        breaching += lacking
    reason = _reason(considered, settings, lacking)
    if breaching >= settings.to_alarm:
        return Verdict(ALARM, reason)
    if lacking and settings.missing in ("missing", "ignore") and _is_premature(points, settings):
        return Verdict(ALARM if settings.missing == "missing" else current, reason)
    if lacking and settings.missing == "ignore" and breaching:
        return Verdict(current, reason)
    return Verdict(OK, reason)


def _without_data(settings: Settings, current: str) -> Verdict:
    count = f"{settings.periods} datapoint{_s(settings.periods)} {_were(settings.periods)}"
    match settings.missing:
        case "breaching":
            return Verdict(ALARM, f"Threshold Crossed: no datapoints were received for {count} [Breaching].")
        case "notBreaching":
            return Verdict(OK, f"Threshold Crossed: no datapoints were received for {count} [NonBreaching].")
        case "ignore":
            return Verdict(current, "No datapoints were received; the state is kept.")
    return Verdict(INSUFFICIENT_DATA, f"Insufficient Data: {count} unknown.")


def _is_premature(points: Sequence[Point], settings: Settings) -> bool:
    """Whether the oldest point is as old as M periods, and it and all later ones are breaching or missing."""
    ages = [len(points) - at for at, point in enumerate(points) if point.value is not None]
    values = [point.value for point in points if point.value is not None]
    return bool(ages) and ages[0] >= settings.to_alarm and all(map(settings.is_breaching, values))


def _reason(considered: Sequence[Point], settings: Settings, lacking: int) -> str:
    marks = [point for point in considered if settings.is_breaching(_value(point))]
    is_alarm = len(marks) >= settings.to_alarm
    shown = marks if is_alarm else [point for point in considered if point not in marks]
    values = ", ".join(
        f"{_value(point)} ({point.start.astimezone(UTC):%d/%m/%y %H:%M:%S})" for point in shown
    )
    words = _COMPARISONS[settings.comparison][1]
    no = "" if is_alarm else "not "
    missing = f", {lacking} missing" if lacking else ""
    return (
        f"Threshold Crossed: {len(shown)} out of the last {settings.periods} datapoints [{values}] "
        f"{_were(len(shown))} {no}{words} the threshold ({settings.threshold}){missing} "
        f"(minimum {settings.to_alarm} datapoint{_s(settings.to_alarm)} for OK -> ALARM transition)."
    )


def _value(point: Point) -> float:
    assert point.value is not None
    return point.value


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
