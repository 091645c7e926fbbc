"""Which tables share a job run: pure functions over the tables of a plan.

AWS bills a run of a Python shell job for a minute at least (:mod:`costs`), and starts each anew. So tables
that take seconds go into one run, one after the other, until its minute is full; a table that fills one
by itself, a table of Spark and a dropped file run alone. Each table is landed, checked and committed by
itself all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from costs import BILLED_SECONDS, Rates

MOST_TABLES = 40
"""Of a batch: what a Map of Step Functions runs at once, so that no table waits for another's approval."""


def batches(tables: Iterable[Mapping[str, Any]], rates: Rates) -> list[dict[str, Any]]:
    """The batches of a plan, in the order of their first tables.

    Parameters
    ----------
    tables : iterable of mapping
        As :func:`planning.plan_table` makes them, those that take longest first.
    rates : Rates
        Prices, and what each table takes besides its rows.

    Returns
    -------
    list of dict
        ``job`` (name, DPU and price of the run) and ``items``: each ``table`` with its ``schema``, which
        nobody has looked at yet.
    """
    groups: list[list[Mapping[str, Any]]] = []
    filled: list[float] = []
    for table in tables:
        seconds = table["estimated_seconds"] + rates.shell_table_seconds
        is_shared = table["engine"] == "shell" and "source_file" not in table
        # A batch without room for more is as full as the minute that is billed for it.
        at = next(
            (
                number
                for number, taken in enumerate(filled)
                if taken + seconds <= BILLED_SECONDS and len(groups[number]) < MOST_TABLES
            ),
            None,
        )
        if is_shared and at is not None:
            groups[at].append(table)
            filled[at] += seconds
        else:
            groups.append([table])
            filled.append(seconds if is_shared else float(BILLED_SECONDS))
    return [_batch(group) for group in groups]


def _batch(tables: list[Mapping[str, Any]]) -> dict[str, Any]:
    arguments = tables[0]["arguments"]
    return {
        "job": {
            "job_name": tables[0]["job_name"],
            "dpu": arguments["--dpu"],
            "dpu_hour_usd": arguments["--dpu_hour_usd"],
        },
        "items": [
            {"table": _shared(table, len(tables)), "schema": {"is_ready": False, "schema_changes": []}}
            for table in tables
        ],
    }


def _shared(table: Mapping[str, Any], sharing: int) -> dict[str, Any]:
    """The table with its part of what is billed at least."""
    if sharing == 1:
        return dict(table)
    arguments = table["arguments"]
    seconds = max(table["estimated_seconds"], BILLED_SECONDS / sharing)
    usd = seconds / 3600 * float(arguments["--dpu"]) * float(arguments["--dpu_hour_usd"])
    return {**table, "estimated_cost_usd": round(usd, 6)}
