"""What people and consumers are told: pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Item = Mapping[str, Any]

LONGEST_SUBJECT = 100
LONGEST_ERROR = 1000
# SNS takes 256 KiB of a message, Step Functions as much of a state's output, which has more in it.
MOST_BYTES = 200_000
LONGEST_CAUSE = 8000
COUNTS = (
    "rows_read",
    "rows_quarantined",
    "rows_inserted",
    "rows_updated",
    "rows_deleted",
    "rows_total",
    "bytes_landed",
    "snapshot_id",
    "structure_version",
)


def subject(text: str) -> str:
    """A subject that SNS takes: printable ASCII, at most 100 characters ("Publish", SNS API Reference)."""
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return plain if len(plain) <= LONGEST_SUBJECT else plain[: LONGEST_SUBJECT - 3] + "..."


def summarise(run_id: str, tables: Sequence[Item], skipped: Sequence[Item], items: Mapping[str, Item]) -> Any:
    """The message to consumers: how each table went.

    Parameters
    ----------
    run_id : str
        The run.
    tables : sequence of mapping
        ``table_id``, ``engine``, ``outcome`` and perhaps ``failure`` of each, from the state machine.
    skipped : sequence of mapping
        ``table_id`` and ``reason``, from the plan.
    items : mapping
        Item of ``ingest_runs`` by table.
    """
    told = [_table(table, items.get(table["table_id"], {})) for table in tables]
    failed = [table["table_id"] for table in told if table["outcome"] == "FAILED"]
    return {
        "run_id": run_id,
        "status": "FAILED" if failed else "SUCCEEDED",
        "failed": failed,
        "tables": told,
        "skipped": list(skipped),
        "estimated_cost_usd": round(sum(table.get("estimated_cost_usd", 0) for table in told), 6),
    }


def summary_subject(summary: Item) -> str:
    failed, tables = len(summary["failed"]), len(summary["tables"])
    how = f"{failed} of {tables} tables failed" if failed else f"{tables} tables"
    return subject(f"Ingest {summary['run_id']}: {how}")


def shortened(summary: Item, where: str) -> dict[str, Any]:
    """The summary as a message: as it is, or without the tables that there is no room for.

    Those that failed are kept the longest. ``left_out`` is the number of tables and skipped tables that it
    does not name, ``summary`` the object that has them.
    """
    if _bytes(summary) <= MOST_BYTES:
        return dict(summary)
    told = sorted(summary["tables"], key=lambda table: table["outcome"] != "FAILED")
    short = {**summary, "failed": [], "tables": [], "skipped": [], "left_out": len(told), "summary": where}
    left = MOST_BYTES - _bytes(short)
    for table in told:
        left -= _bytes(table) + (_bytes(table["table_id"]) if table["outcome"] == "FAILED" else 0) + 4
        if left < 0:
            break
        short["tables"].append(table)
    short["failed"] = [table["table_id"] for table in short["tables"] if table["outcome"] == "FAILED"]
    short["left_out"] = len(told) - len(short["tables"]) + len(summary["skipped"])
    return short


def failed_cause(summary: Item) -> str:
    """Why the execution fails: the tables that were not ingested, as many as there is room for."""
    named = summary["failed"]
    text = f"Not ingested: {json.dumps(named)}"
    while len(text) > LONGEST_CAUSE:
        named = named[: len(named) // 2]
        more = len(summary["failed"]) - len(named)
        text = f"Not ingested: {json.dumps(named)} and {more} more"
    return text


def _bytes(value: Any) -> int:
    return len(json.dumps(value).encode())


def approval_text(request: Item, hours: float, region: str) -> str:
    """What an operator needs to answer: what changed, and the commands.

    Parameters
    ----------
    request : mapping
        ``table_id``, ``run_id``, ``version``, ``differences`` and ``token`` of the state machine's request.
    hours : float
        How long the run waits.
    region : str
        Where it waits.
    """
    table_id, token = request["table_id"], request["token"]
    changes = "\n".join(f"  - {one['text']}" for one in request["differences"])
    return f"""The source table {table_id} is not what version {request["version"]} of its structure says:
{changes}

The run {request["run_id"]} waits for your answer, at most {hours:g} hours.
It then goes on with this table, or leaves it as it is; other tables do not wait.

  millpond approve {table_id} --target aws --region {region}
  millpond reject {table_id} --target aws --region {region}

(In a local stack without --target and --region.)

A column that seems to have another name keeps its values under the new one. If it is another column, reject
this, and register a version of the structure that says so.

Without Millpond:

  aws stepfunctions send-task-success --task-output '{{}}' --task-token {token}
  aws stepfunctions send-task-failure --error SchemaChangeRejected --cause 'REASON' --task-token {token}
"""


def _table(table: Item, item: Item) -> dict[str, Any]:
    outcome = table["outcome"]
    told: dict[str, Any] = {
        "table_id": table["table_id"],
        "outcome": outcome,
        "engine": table["engine"],
        **{name: int(item[name]) for name in COUNTS if item.get(name) is not None},
    }
    for name in ("duration_seconds", "estimated_cost_usd"):
        if item.get(name) is not None:
            told[name] = float(item[name])
    if item.get("schema_changes"):
        told["schema_changes"] = item["schema_changes"]
    if outcome == "FAILED":
        error = item.get("error") or table.get("failure", {}).get("Cause", "")
        told["error"] = error[:LONGEST_ERROR]
    if table.get("maintenance"):
        told["maintenance"] = table["maintenance"]
    return told
