"""The queries of one ``GetMetricData`` or alarm: metrics, and expressions over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from millpond.localstack_ext.cloudwatch import metric_math
from millpond.localstack_ext.cloudwatch.metric_math import MathError, Series, Value

Query = Mapping[str, Any]


class Queries:
    """Queries that may refer to each other by their ids.

    Parameters
    ----------
    queries : sequence of mapping
        ``MetricDataQueries``.
    ask : callable
        The values of a query that has ``MetricStat``.
    start, end : datetime
        What is asked for.
    """

    def __init__(
        self, queries: Sequence[Query], ask: Callable[[Query], Series], start: datetime, end: datetime
    ) -> None:
        self._queries = {str(query["Id"]): query for query in queries}
        self._ask = ask
        self._start, self._end = int(start.timestamp()), math.ceil(end.timestamp())
        self._values: dict[str, Value] = {}

    def results(self, scan_by: str) -> list[dict[str, Any]]:
        """``MetricDataResults`` of the queries that return data.

        Raises
        ------
        MathError
            If an expression is wrong.
        """
        shown = [query for query in self._queries.values() if query.get("ReturnData", True)]
        return [
            _result(query, series, is_descending=scan_by == "TimestampDescending")
            for query in shown
            for series in self._series_of(str(query["Id"]))
        ]

    def _series_of(self, query_id: str) -> list[Series]:
        value = self._value_of(query_id, ())
        if isinstance(value, float):
            # A single number is shown once for each period.
            return [dict.fromkeys(self._instants(self._period(self._queries[query_id])), value)]
        return value if isinstance(value, list) else [value]

    def _value_of(self, query_id: str, waiting: tuple[str, ...]) -> Value:
        if query_id in waiting or query_id not in self._queries:
            raise MathError(f"The id {query_id} is not known, or its expression needs itself")
        if query_id not in self._values:
            query = self._queries[query_id]
            if "MetricStat" in query:
                self._values[query_id] = self._ask(query)
            else:
                self._values[query_id] = self._computed(query, (*waiting, query_id))
        return self._values[query_id]

    def _computed(self, query: Query, waiting: tuple[str, ...]) -> Value:
        expression = str(query["Expression"])
        needed = {name: self._value_of(name, waiting) for name in metric_math.names(expression)}
        if "METRICS" in expression:
            metrics = [query_id for query_id, other in self._queries.items() if "MetricStat" in other]
            needed |= {name: self._value_of(name, waiting) for name in metrics}
        period = self._period(query)
        return metric_math.evaluate(expression, needed, period, self._instants(period))

    def _period(self, query: Query) -> int:
        """The period of a query, else the longest of the metrics that it may use."""
        if own := query.get("Period") or query.get("MetricStat", {}).get("Period"):
            return int(own)
        periods = [query["MetricStat"]["Period"] for query in self._queries.values() if "MetricStat" in query]
        return max((int(period) for period in periods), default=60)

    def _instants(self, period: int) -> range:
        return range(self._start, self._end, period)


def _result(query: Query, series: Series, *, is_descending: bool) -> dict[str, Any]:
    instants = sorted(series, reverse=is_descending)
    metric = query.get("MetricStat", {}).get("Metric", {})
    return {
        "Id": query["Id"],
        "Label": query.get("Label") or metric.get("MetricName") or query["Id"],
        "StatusCode": "Complete",
        "Timestamps": [datetime.fromtimestamp(at, UTC) for at in instants],
        "Values": [float(series[at]) for at in instants],
    }
