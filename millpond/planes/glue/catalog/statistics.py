"""Column statistics of tables and partitions, as they are given."""

from __future__ import annotations

from collections.abc import Mapping

from millpond.planes.glue.catalog.store import Catalog
from millpond.planes.glue.requests import Request, Shape, now, required


class ColumnStatistics:
    """Operations of column statistics.

    Parameters
    ----------
    catalog : Catalog
        Where they are.
    """

    OPERATIONS = (
        "DeleteColumnStatisticsForPartition",
        "DeleteColumnStatisticsForTable",
        "GetColumnStatisticsForPartition",
        "GetColumnStatisticsForTable",
        "UpdateColumnStatisticsForPartition",
        "UpdateColumnStatisticsForTable",
    )

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def update_column_statistics_for_table(self, request: Request) -> Shape:
        with self._catalog.lock:
            _store(self._catalog.asked_table(request).statistics, request)
        return {"Errors": []}

    def update_column_statistics_for_partition(self, request: Request) -> Shape:
        with self._catalog.lock:
            _store(self._catalog.asked_partition(request).statistics, request)
        return {"Errors": []}

    def get_column_statistics_for_table(self, request: Request) -> Shape:
        with self._catalog.lock:
            return _shown(self._catalog.asked_table(request).statistics, request)

    def get_column_statistics_for_partition(self, request: Request) -> Shape:
        with self._catalog.lock:
            return _shown(self._catalog.asked_partition(request).statistics, request)

    def delete_column_statistics_for_table(self, request: Request) -> Shape:
        """Forget the statistics of a column; that there are none is no error, as clients rely on."""
        with self._catalog.lock:
            self._catalog.asked_table(request).statistics.pop(required(request, "ColumnName").lower(), None)
        return {}

    def delete_column_statistics_for_partition(self, request: Request) -> Shape:
        """Forget the statistics of a column in a partition; that there are none is no error."""
        with self._catalog.lock:
            statistics = self._catalog.asked_partition(request).statistics
            statistics.pop(required(request, "ColumnName").lower(), None)
        return {}


def _store(statistics: dict[str, Shape], request: Request) -> None:
    for one in required(request, "ColumnStatisticsList"):
        statistics[one["ColumnName"].lower()] = {"AnalyzedTime": now(), **one}


def _shown(statistics: Mapping[str, Shape], request: Request) -> Shape:
    wanted = list(required(request, "ColumnNames"))
    missing = [name for name in wanted if name.lower() not in statistics]
    return {
        "ColumnStatisticsList": [statistics[name.lower()] for name in wanted if name.lower() in statistics],
        "Errors": [
            {
                "ColumnName": name,
                "Error": {
                    "ErrorCode": "EntityNotFoundException",
                    "ErrorMessage": f"Statistics of column {name} not found.",
                },
            }
            for name in missing
        ],
    }
