"""What a job run costs: Glue bills DPU-seconds, a minute at least."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

MINIMUM_SECONDS = 60
"""Glue's minimum for Spark (Glue 2.0 and later) and Python shell jobs."""

_SECONDS_PER_HOUR = 3600


def dpu_seconds(duration_seconds: Decimal, dpu: Decimal, sharing: int = 1) -> Decimal:
    """DPU-seconds that are billed for a run, or for one of the tables that share it.

    Each of these has an equal part of the minute, and what it takes beyond; so they are together never
    less than what is billed.

    Examples
    --------
    >>> dpu_seconds(Decimal(90), Decimal("0.0625"))
    Decimal('5.625')
    >>> dpu_seconds(Decimal(2), Decimal("0.0625"), sharing=20)
    Decimal('0.188')
    """
    return (max(duration_seconds, Decimal(MINIMUM_SECONDS) / sharing) * dpu).quantize(Decimal("0.001"))


def estimated_cost(billed_dpu_seconds: Decimal, dpu_hour_usd: Decimal) -> Decimal:
    """Its price in US dollars.

    Examples
    --------
    >>> estimated_cost(Decimal("7200"), Decimal("0.44"))
    Decimal('0.880000')
    """
    return (billed_dpu_seconds * dpu_hour_usd / _SECONDS_PER_HOUR).quantize(
        Decimal("0.000001"), ROUND_HALF_UP
    )
