"""What a table's run would take and cost with each engine, and which one to use: pure functions.

AWS bills a Glue job run by the second, with a minimum of one minute ("AWS Glue pricing"); a Python shell
job takes 0.0625 or 1 DPU, a Spark worker of type G.1X takes 1 ("Worker types", AWS Glue Developer Guide).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BILLED_SECONDS = 60
FEWEST_WORKERS = 2
BYTES_PER_PARTITION = 128 * 1024 * 1024
PARTITIONS_PER_WORKER = 8


@dataclass(frozen=True)
class Rates:
    """Prices, and how fast an engine is. The function's environment holds each in capital letters.

    Parameters
    ----------
    dpu_hour_usd, flex_dpu_hour_usd : float
        Price of a DPU for an hour, with standard and with flexible execution.
    shell_dpu : float
        Size of a Python shell job.
    shell_bytes_per_second, spark_bytes_per_second : float
        Of the table as it is in PostgreSQL: a Python shell job of that size, and one Spark worker.
    shell_table_seconds : float
        What a table takes in a Python shell job besides its rows.
    spark_start_seconds : float
        Until a Spark job reads its first row; a Python shell job starts at once beside it.
    target_seconds : float
        How long a table may take before a faster engine is worth more money.
    max_workers : int
        Most workers of a Spark run.
    """

    dpu_hour_usd: float
    flex_dpu_hour_usd: float
    shell_dpu: float
    shell_bytes_per_second: float
    spark_bytes_per_second: float
    shell_table_seconds: float
    spark_start_seconds: float
    target_seconds: float
    max_workers: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Rates:
        values: dict[str, Any] = {
            name: int(environment[name.upper()]) if kind == "int" else float(environment[name.upper()])
            for name, kind in cls.__annotations__.items()
        }
        return cls(**values)


@dataclass(frozen=True)
class Estimate:
    """What a run would take.

    Parameters
    ----------
    engine : {"shell", "spark"}
        Which job.
    seconds, usd : float
        Run time and price.
    dpu : float
        DPUs that it takes.
    dpu_hour_usd : float
        Price of each.
    workers : int, optional
        Spark workers; None for the Python shell.
    """

    engine: str
    seconds: float
    usd: float
    dpu: float
    dpu_hour_usd: float
    workers: int | None = None


def estimate_shell(size: int, rates: Rates) -> Estimate:
    """A run of the Python shell job over that many bytes."""
    return _estimate("shell", size / rates.shell_bytes_per_second, rates.shell_dpu, rates.dpu_hour_usd, None)


def estimate_spark(size: int, rates: Rates, *, is_urgent: bool) -> Estimate:
    """The smallest Spark run that is done in time, else the largest there may be.

    A table that is not urgent runs with flexible execution: cheaper, and it may wait for spare capacity.
    """
    left = rates.target_seconds - rates.spark_start_seconds
    wanted = math.ceil(size / rates.spark_bytes_per_second / left) if left > 0 else rates.max_workers
    workers = min(max(wanted, FEWEST_WORKERS), rates.max_workers)
    seconds = rates.spark_start_seconds + size / (rates.spark_bytes_per_second * workers)
    price = rates.dpu_hour_usd if is_urgent else rates.flex_dpu_hour_usd
    return _estimate("spark", seconds, float(workers), price, workers)


def choose(shell: Estimate, spark: Estimate, rates: Rates) -> Estimate:
    """The cheaper one of those that are done in time; the faster one when neither is."""
    in_time = [one for one in (shell, spark) if one.seconds <= rates.target_seconds]
    if in_time:
        return min(in_time, key=lambda one: one.usd)
    return min((shell, spark), key=lambda one: one.seconds)


def partitions(size: int, workers: int, most: int) -> int:
    """How many parallel reads a Spark run makes: enough to keep each small, not more than may be."""
    return max(
        1, min(most, max(workers, math.ceil(size / BYTES_PER_PARTITION)), workers * PARTITIONS_PER_WORKER)
    )


def _estimate(engine: str, seconds: float, dpu: float, price: float, workers: int | None) -> Estimate:
    usd = max(seconds, BILLED_SECONDS) / 3600 * dpu * price
    return Estimate(engine, seconds, usd, dpu, price, workers)
