"""Statistics over the values of a group; reference: "Statistical aggregate functions"."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from millpond.planes.athena.kernels import fail
from millpond.planes.athena.kernels.numbers import WIDE, decimal_quotient
from millpond.planes.athena.types import Type


def _moments(values: list[float]) -> tuple[int, float, float, float, float]:
    """Count, mean, and the sums of the second to fourth powers of deviations, updated value by value."""
    n, mean, m2, m3, m4 = 0, 0.0, 0.0, 0.0, 0.0
    for value in values:
        if value is None:
            continue
        before, n = n, n + 1
        delta = value - mean
        step = delta / n
        square = step * step
        change = delta * step * before
        mean += step
        m4 += change * square * (n * n - 3 * n + 3) + 6 * square * m2 - 4 * step * m3
        m3 += change * step * (n - 2) - 3 * step * m2
        m2 += change
    return n, mean, m2, m3, m4


def skewness(values: list[float]) -> float | None:
    n, _, m2, m3, _ = _moments(values)
    if n < 3:
        return None
    return math.sqrt(n) * m3 / m2**1.5 if m2 else math.nan


def kurtosis(values: list[float]) -> float | None:
    n, _, m2, _, m4 = _moments(values)
    if n < 4:
        return None
    if not m2:
        return math.nan
    variance = m2 / (n - 1)
    return n * (n + 1) / ((n - 1) * (n - 2) * (n - 3)) * m4 / variance**2 - 3 * (n - 1) ** 2 / (
        (n - 2) * (n - 3)
    )


def known(value: float) -> float | None:
    """NULL for what cannot be told."""
    return None if value != value else value


def decimal_average(type_: Type) -> Callable[[list[Decimal | None]], Decimal | None]:
    """The average of decimals of many digits, rounded half up."""
    divide = decimal_quotient(type_)

    def call(values: list[Decimal | None]) -> Decimal | None:
        known_ = [value for value in values if value is not None]
        if not known_:
            return None
        total = Decimal(0)
        for value in known_:
            total = WIDE.add(total, value)
        return divide(total, Decimal(len(known_)))

    return call


def percentile(values: list[Any], share: float) -> Any:
    found = percentiles(values, [share])
    return None if found is None else found[0]


def percentiles(values: list[Any], shares: list[float]) -> list[Any] | None:
    """Values at their ranks; NULLs are left out."""
    known_ = sorted(v for v in values if v is not None)
    if any(s is None or not 0 <= s <= 1 for s in shares):
        raise fail("INVALID_FUNCTION_ARGUMENT", "Percentile must be between 0 and 1")
    if not known_:
        return None
    return [known_[min(int(share * len(known_)), len(known_) - 1)] for share in shares]
