"""The items of ``ingest_runs``: where a run starts from, and what became of it.

The item ``CURRENT`` is written by the state machine alone, after it has seen what Athena counts.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from ingest.arguments import JobArguments

CURRENT = "CURRENT"


@dataclass(frozen=True)
class Current:
    """What is committed.

    Parameters
    ----------
    watermark : str or None
        Greatest watermark that is in the lake for sure.
    run_id : str or None
        Run that was committed last.
    """

    watermark: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class Landed:
    """What a run did; the fields are keys of its item.

    Parameters
    ----------
    load_mode : {"full", "incremental"}
        What was really done: the first run of an incremental table is a full one.
    rows_read : int
        Rows that the source gave.
    rows_written : int
        Rows in files that this run wrote.
    rows_total : int
        Rows that a query sees now.
    watermark_from, watermark_to : str or None
        Committed watermark that the run started from and the one to commit, if there is one.
    location : str
        The version that is visible now.
    """

    load_mode: str
    rows_read: int
    rows_written: int
    rows_total: int
    watermark_from: str | None
    watermark_to: str | None
    location: str


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def read_current(table: Any, table_id: str) -> Current:
    """Read the item ``CURRENT`` from a boto3 DynamoDB table; empty when nothing is committed yet."""
    item = table.get_item(Key={"table_id": table_id, "run_id": CURRENT}, ConsistentRead=True).get("Item", {})
    return Current(item.get("watermark"), item.get("committed_run_id"))


def read_status(table: Any, table_id: str, run_id: str) -> str | None:
    """The status of a run, or None when it left no item."""
    item = table.get_item(Key={"table_id": table_id, "run_id": run_id}, ConsistentRead=True).get("Item", {})
    status: str | None = item.get("status")
    return status


def write_landed(table: Any, arguments: JobArguments, engine: str, started_at: str, landed: Landed) -> None:
    """Record that the data has landed."""
    table.put_item(Item={**_head(arguments, engine, started_at), "status": "LANDED", **asdict(landed)})


def write_failed(
    table: Any, arguments: JobArguments, engine: str, started_at: str, error: BaseException
) -> None:
    """Record that the run failed and why."""
    message = f"{type(error).__name__}: {error}"
    table.put_item(Item={**_head(arguments, engine, started_at), "status": "FAILED", "error": message[:4000]})


def _head(arguments: JobArguments, engine: str, started_at: str) -> dict[str, str]:
    return {
        "table_id": arguments.table_id,
        "run_id": arguments.run_id,
        "engine": engine,
        "started_at": started_at,
        "finished_at": now(),
    }
