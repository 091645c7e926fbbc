"""What the ingest says of itself in CloudWatch, in the namespace ``Millpond``: pure functions.

A metric costs money for each hour that it is given a value, so a table has one of its own only for what went
wrong with it, and for its age where its settings limit that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ingest.settings_schema import completed

NAMESPACE = "Millpond"
# A table that has less than this share of the rows of the run before has lost some.
EXPECTED_SHARE = 0.5

Item = Mapping[str, Any]
Datum = dict[str, Any]


def of_run(tables: Iterable[Item], items: Mapping[str, Item]) -> list[Datum]:
    """Rows in quarantine and rows that went missing, in all and for each table that has some.

    Parameters
    ----------
    tables : iterable of mapping
        ``table_id`` and ``previous_rows`` of each table of a run.
    items : mapping
        Item of ``ingest_runs`` by table.
    """
    data: list[Datum] = []
    quarantined = dropped = 0
    for table in tables:
        table_id = table["table_id"]
        item = items.get(table_id, {})
        if rows := int(item.get("rows_quarantined") or 0):
            data.append(_datum("RowsQuarantined", rows, "Count", table_id))
            quarantined += rows
        if rows := rows_dropped(table.get("previous_rows"), item):
            data.append(_datum("RowsDropped", rows, "Count", table_id))
            dropped += rows
    return [
        _datum("RowsQuarantined", quarantined, "Count"),
        _datum("RowsDropped", dropped, "Count"),
        *data,
    ]


def rows_dropped(previous: Any, item: Item) -> int:
    """How many rows a table lost since the run before, when it lost more than half; else 0."""
    now = item.get("rows_total")
    if previous is None or now is None or int(now) >= int(previous) * EXPECTED_SHARE:
        return 0
    return int(previous) - int(now)


def cost_of_day(usd: float) -> list[Datum]:
    """What the runs of a day cost so far."""
    return [_datum("CostOfDayUSD", usd, "None")]


def of_age(settings: Iterable[Item], currents: Mapping[str, Item], now: datetime) -> list[Datum]:
    """Minutes since the last commit of each table whose settings limit its age, and the most of them.

    A table that never was committed has no age.

    Parameters
    ----------
    settings : iterable of mapping
        Items of ``job_settings``.
    currents : mapping
        Item ``CURRENT`` of ``ingest_runs`` by table.
    now : datetime
        Now.
    """
    ages = {}
    for one in map(completed, settings):
        committed = currents.get(one["table_id"], {}).get("committed_at")
        if one["enabled"] and one["freshness_minutes"] is not None and committed:
            ages[one["table_id"]] = (now - datetime.fromisoformat(committed)).total_seconds() / 60
    data = [_datum("MinutesSinceCommit", age, "None", table_id) for table_id, age in sorted(ages.items())]
    return [*data, _datum("MinutesSinceCommit", max(ages.values()), "None")] if ages else []


def _datum(name: str, value: float, unit: str, table_id: str | None = None) -> Datum:
    dimensions = [{"Name": "TableId", "Value": table_id}] if table_id else []
    return {"MetricName": name, "Value": value, "Unit": unit, "Dimensions": dimensions}
