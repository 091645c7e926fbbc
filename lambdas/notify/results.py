"""What became of the tables of a run, from the executions of its batches: pure functions.

Source: "ResultWriter (Map)" in the Step Functions developer guide: each execution is an object whose
``Status``, ``Output``, ``Error`` and ``Cause`` say how it ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Item = Mapping[str, Any]


def outcomes(
    planned: Sequence[Item], executions: Sequence[Item], items: Mapping[str, Item]
) -> list[dict[str, Any]]:
    """``table_id``, ``engine``, ``previous_rows``, ``outcome`` and perhaps ``failure`` of each table.

    An execution that did not come to its end says nothing of its tables. Then the item of the run does:
    what is not committed has failed.

    Parameters
    ----------
    planned : sequence of mapping
        The tables of the plan.
    executions : sequence of mapping
        Of the batches, as the result files of the Map have them.
    items : mapping
        Item of ``ingest_runs`` by table.
    """
    told: dict[str, Item] = {}
    lost: dict[str, Item] = {}
    for one in executions:
        if one["Status"] == "SUCCEEDED":
            told |= {table["table_id"]: table for table in json.loads(one["Output"])}
            continue
        failure = {"Error": one.get("Error", one["Status"]), "Cause": one.get("Cause", one["Status"])}
        of_batch = json.loads(one["Input"])["checked"]["items"]
        lost |= {item["table"]["table_id"]: failure for item in of_batch}
    return [
        dict(told[table["table_id"]])
        if table["table_id"] in told
        else _of_item(table, items.get(table["table_id"], {}), lost.get(table["table_id"]))
        for table in planned
    ]


def _of_item(table: Item, item: Item, failure: Item | None) -> dict[str, Any]:
    """A table whose batch did not come to its end, or was not begun."""
    known = {name: table[name] for name in ("table_id", "engine", "previous_rows")}
    if item.get("status") == "COMMITTED":
        return {**known, "outcome": "COMMITTED"}
    not_begun = {"Error": "NotBegun", "Cause": "The run ended before the table's turn."}
    return {**known, "outcome": "FAILED", "failure": failure or not_begun}
