"""Where metrics are kept, and how they are summed up, where LocalStack differs from AWS.

Source: "Metrics concepts" in the CloudWatch User Guide: each unique combination of dimensions is a metric of
its own (LocalStack also counts the metrics that have more dimensions); "Statistics definitions": percentiles.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localstack.services.cloudwatch.cloudwatch_database_helper import CloudwatchDatabase

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")
STATISTICS = ("Sum", "Average", "Minimum", "Maximum", "SampleCount")


@dataclass(frozen=True)
class Sample:
    """A value, or what ``StatisticValues`` says of several."""

    timestamp: int
    count: float
    total: float
    minimum: float
    maximum: float


class MetricStore(CloudwatchDatabase):
    """LocalStack's database of metrics: written once a request, asked for exactly one metric at a time."""

    def add_metric_data(
        self, account_id: str, region: str, namespace: str, metric_data: Sequence[Mapping[str, Any]]
    ) -> None:
        """Keep data in one transaction; LocalStack makes one of each datum."""
        now = datetime.now(UTC)
        singles: list[tuple[Any, ...]] = []
        sets: list[tuple[Any, ...]] = []
        for datum in metric_data:
            dimensions = [dict(dimension) for dimension in datum.get("Dimensions") or []]
            row = (
                account_id,
                region,
                datum["MetricName"],
                namespace,
                int((datum.get("Timestamp") or now).timestamp()),
                self._get_ordered_dimensions_with_separator(dimensions),
                datum.get("Unit"),
                datum.get("StorageResolution"),
            )
            singles.extend((*row, value) for value in _values(datum))
            if statistics := datum.get("StatisticValues"):
                sets.append(
                    (*row, *(statistics[name] for name in ("SampleCount", "Sum", "Minimum", "Maximum")))
                )
        with self.DATABASE_LOCK, sqlite3.connect(self.METRICS_DB) as connection:
            # The engine begins empty each time: nothing has to survive the machine.
            connection.execute("PRAGMA synchronous = OFF")
            columns = (
                "account_id, region, metric_name, namespace, timestamp, dimensions, unit, storage_resolution"
            )
            for table, more, rows in (
                (self.TABLE_SINGLE_METRICS, "value", singles),
                (self.TABLE_AGGREGATED_METRICS, "sample_count, sum, min, max", sets),
            ):
                if rows:
                    marks = ", ".join("?" * len(rows[0]))
                    statement = f"INSERT INTO {table} ({columns}, {more}) VALUES ({marks})"  # noqa: S608
                    connection.executemany(statement, rows)

    def get_metric_data_stat(
        self,
        account_id: str,
        region: str,
        query: Mapping[str, Any],
        start_time: datetime,
        end_time: datetime,
        scan_by: str | None,
    ) -> dict[str, list[Any]]:
        """A statistic for each period from the start on that has values."""
        asked = query["MetricStat"]
        start, end = int(start_time.timestamp()), math.ceil(end_time.timestamp())
        samples = self.samples(account_id, region, asked["Metric"], asked.get("Unit"), start, end)
        by_period = statistic_by_period(samples, asked["Stat"], start, int(asked["Period"]))
        instants = sorted(by_period, reverse=scan_by in (None, "TimestampDescending"))
        return {"timestamps": instants, "values": [by_period[at] for at in instants]}

    def samples(
        self, account_id: str, region: str, metric: Mapping[str, Any], unit: str | None, start: int, end: int
    ) -> list[Sample]:
        """What was put for a metric from one second until before another, oldest first."""
        dimensions = [dict(dimension) for dimension in metric.get("Dimensions") or []]
        exact = self._get_ordered_dimensions_with_separator(dimensions)
        where = (
            "account_id = ? AND region = ? AND namespace = ? AND metric_name = ? AND dimensions IS ? "
            "AND timestamp >= ? AND timestamp < ?"
        )
        values: list[Any] = [account_id, region, metric["Namespace"], metric["MetricName"], exact, start, end]
        if unit == "NULL_VALUE":
            where += " AND unit IS NULL"
        elif unit:
            where += " AND unit = ?"
            values.append(unit)
        statement = f"""
            SELECT timestamp, 1, value, value, value FROM {self.TABLE_SINGLE_METRICS} WHERE {where}
            UNION ALL
            SELECT timestamp, sample_count, sum, min, max FROM {self.TABLE_AGGREGATED_METRICS} WHERE {where}
            ORDER BY 1
            """  # noqa: S608 (the names are constants)
        with self.DATABASE_LOCK, sqlite3.connect(self.METRICS_DB_READ_ONLY, uri=True) as connection:
            rows = connection.execute(statement, values * 2).fetchall()
        return [Sample(*row) for row in rows]

    def _restore_dimensions_from_string(self, dimensions: str | None) -> list[dict[str, str]]:
        """The dimensions of a metric; their values may hold equals signs."""
        pairs = [pair.partition("=") for pair in (dimensions or "").split("\t") if pair]
        return [{"Name": name, "Value": value} for name, _, value in pairs]


def _values(datum: Mapping[str, Any]) -> list[float]:
    """The single values of a ``MetricDatum``, each as often as it counts."""
    if datum.get("Value") is not None:
        return [datum["Value"]]
    values = datum.get("Values") or []
    counts = datum.get("Counts") or [1] * len(values)
    return [value for value, count in zip(values, counts, strict=True) for _ in range(int(count))]


def is_statistic(name: str) -> bool:
    """Whether a statistic is available here."""
    return name in STATISTICS or _PERCENTILE.fullmatch(name) is not None


def statistic_by_period(
    samples: Iterable[Sample], statistic: str, start: int, period: int
) -> dict[int, float]:
    """The statistic of each period that has samples, by the period's start."""
    periods: dict[int, list[Sample]] = {}
    for sample in samples:
        at = start + (sample.timestamp - start) // period * period
        periods.setdefault(at, []).append(sample)
    values = {at: _statistic(inside, statistic) for at, inside in periods.items()}
    return {at: value for at, value in values.items() if value is not None}


def _statistic(samples: Sequence[Sample], statistic: str) -> float | None:
    count = sum(sample.count for sample in samples)
    match statistic:
        case "SampleCount":
            return count
        case "Sum":
            return sum(sample.total for sample in samples)
        case "Average":
            return sum(sample.total for sample in samples) / count if count else None
        case "Minimum":
            return min(sample.minimum for sample in samples)
        case "Maximum":
            return max(sample.maximum for sample in samples)
    if (percentile := _PERCENTILE.fullmatch(statistic)) is None:
        raise ValueError(f"{statistic} is not a statistic")
    # AWS, too, has no percentiles of metrics that were sent as StatisticValues of several values.
    if any(sample.count != 1 for sample in samples):
        return None
    ordered = sorted(sample.total for sample in samples)
    return ordered[max(0, math.ceil(float(percentile[1]) / 100 * len(ordered)) - 1)]
