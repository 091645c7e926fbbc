"""The items of ``ingest_runs``: where a run starts from, and what became of it.

What is committed is in the item ``CURRENT``. The state machine alone writes it, after it has seen what
Athena counts; the job writes only the lease there (:mod:`ingest.lease`).
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Dict, Mapping

from boto3.dynamodb.conditions import Attr

from ingest.arguments import JobArguments

_log = logging.getLogger(__name__)

CURRENT = "CURRENT"
KEPT = timedelta(days=400)
"""How long an item stays; DynamoDB's TTL removes it then."""


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
    load_mode : str
        What was really done: the first run of an incremental table is a ``full`` one, and ``file`` is a
        dropped file.
    rows_read, rows_written, rows_quarantined : int
        Rows that the source gave, that are in the data files of this run, that broke a rule.
    rows_inserted, rows_updated, rows_deleted : int or None
        What happened to the curated table; None when a retry finds the run applied and cannot know.
    rows_total : int
        Rows that a query sees now.
    bytes_landed, bytes_curated : int
        Size of the files in raw, and of those that were added to the curated table.
    watermark_from, watermark_to : str or None
        Committed watermark that the run started from and the one to commit, if there is one.
    snapshot_id : int or None
        The curated table's current snapshot.
    structure_version : int
    location, raw_location : str
        The curated table, and where this run landed.
    maintenance_due, quarantine_due : bool
        Whether compaction and expiry are worth their cost, of the table and of the quarantine.
    """

    load_mode: str
    rows_read: int
    rows_written: int
    rows_quarantined: int
    rows_inserted: int | None
    rows_updated: int | None
    rows_deleted: int | None
    rows_total: int
    bytes_landed: int
    bytes_curated: int
    watermark_from: str | None
    watermark_to: str | None
    snapshot_id: int | None
    structure_version: int
    location: str
    raw_location: str
    maintenance_due: bool
    quarantine_due: bool


@dataclass(frozen=True)
class Effort:
    """What an attempt took; the fields are keys of the run's item, which adds its attempts up."""

    duration_seconds: Decimal
    dpu_seconds: Decimal
    estimated_cost_usd: Decimal


def now() -> datetime:
    return datetime.now(timezone.utc)


def timestamp(moment: datetime) -> str:
    """ISO 8601 with milliseconds."""
    return moment.isoformat(timespec="milliseconds")


def read_current(table: Any, table_id: str) -> Current:
    """Read the item ``CURRENT`` from a boto3 DynamoDB table; empty when nothing is committed yet."""
    item = _read(table, table_id, CURRENT)
    return Current(item.get("watermark"), item.get("committed_run_id"))


def is_committed(table: Any, table_id: str, run_id: str) -> bool:
    """Whether the state machine has completed the run already."""
    return bool(_read(table, table_id, run_id).get("status") == "COMMITTED")


def write_landed(
    table: Any, arguments: JobArguments, engine: str, started_at: datetime, effort: Effort, landed: Landed
) -> None:
    """Record that the rows are in the curated table, unless the run is committed by now."""
    head = _head(arguments, engine, started_at)
    _put(table, {**head, "status": "LANDED", **asdict(landed)}, effort)


def write_failed(
    table: Any,
    arguments: JobArguments,
    engine: str,
    started_at: datetime,
    effort: Effort,
    error: BaseException,
) -> None:
    """Record that the run failed and why, unless it is committed by now."""
    message = f"{type(error).__name__}: {error}"
    head = _head(arguments, engine, started_at)
    _put(table, {**head, "status": "FAILED", "error": message[:4000]}, effort)


def _put(table: Any, item: Mapping[str, Any], effort: Effort) -> None:
    """Write an item that is not COMMITTED, and add what the attempt took to what others took before.

    When the answer to StartJobRun is lost, Step Functions starts a second job for the same run, and the
    first one ends whenever it ends.
    """
    while True:
        found = _read(table, item["table_id"], item["run_id"])
        if found.get("status") == "COMMITTED":
            _log.info("%s: the run %s is committed by another job", item["table_id"], item["run_id"])
            return
        if found.get("started_at") == item["started_at"]:
            return  # It is this attempt's: only the answer to the write was lost.
        try:
            table.put_item(
                Item={**item, **_sum(found, effort)},
                ConditionExpression=_is_still("status", found) & _is_still("finished_at", found),
            )
            return
        except table.meta.client.exceptions.ConditionalCheckFailedException:
            _log.info("%s: the item of the run %s changed meanwhile", item["table_id"], item["run_id"])


def _read(table: Any, table_id: str, run_id: str) -> Dict[str, Any]:
    answer = table.get_item(Key={"table_id": table_id, "run_id": run_id}, ConsistentRead=True)
    item: Dict[str, Any] = answer.get("Item", {})
    return item


def _sum(found: Mapping[str, Any], effort: Effort) -> Dict[str, Decimal]:
    return {name: found.get(name, Decimal(0)) + value for name, value in asdict(effort).items()}


def _is_still(name: str, found: Mapping[str, Any]) -> Any:
    return Attr(name).eq(found[name]) if name in found else Attr(name).not_exists()


def _head(arguments: JobArguments, engine: str, started_at: datetime) -> Mapping[str, str | int | None]:
    finished_at = now()
    return {
        "table_id": arguments.table_id,
        "run_id": arguments.run_id,
        "engine": engine,
        "started_at": timestamp(started_at),
        "finished_at": timestamp(finished_at),
        "glue_job": arguments.job_name or None,
        "job_run_id": arguments.job_run_id or None,
        "expires_at": int((finished_at + KEPT).timestamp()),
    }
