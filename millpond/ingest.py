"""Start a run of the ingest state machine and follow it, table by table."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from millpond.config import Settings
from millpond.errors import MillpondError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

    from millpond.aws import Aws

TIMEOUT = 3600.0
POLL_SECONDS = 0.5
MOST_KEYS_OF_A_BATCH = 100
FINAL = ("COMMITTED", "FAILED")


@dataclass(frozen=True)
class TableEvent:
    """What became of one table.

    Parameters
    ----------
    table_id : str
        The table.
    status : {"PLANNED", "LANDED", "COMMITTED", "FAILED"}
        How far it is.
    engine, job_name : str
        What ingests it.
    rows : int or None
        Rows that a query of the whole table counts, once it has landed.
    error : str
        Why it failed.
    """

    table_id: str
    status: str
    engine: str
    job_name: str
    rows: int | None = None
    error: str = ""


def start_ingest(aws: Aws, settings: Settings, tables: Sequence[str] | None = None) -> str:
    """Start an execution; answer its ARN.

    Parameters
    ----------
    aws : Aws
        Clients of the stack.
    settings : Settings
        Names the state machine.
    tables : sequence of str, optional
        The ``table_id`` of each table to ingest; every enabled one unless given.

    Raises
    ------
    MillpondError
        If the state machine is not deployed.
    """
    machine = f"arn:aws:states:{settings.region}:{settings.account_id}:stateMachine:{settings.prefix}-ingest"
    stepfunctions = aws.stepfunctions
    try:
        started = stepfunctions.start_execution(
            stateMachineArn=machine,
            name=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
            input=json.dumps({"tables": list(tables)} if tables else {}),
        )
    except stepfunctions.exceptions.StateMachineDoesNotExist as error:
        raise MillpondError(
            "The ingest is not deployed.", where=machine, next_step="millpond deploy"
        ) from error
    return started["executionArn"]


def follow(
    aws: Aws, settings: Settings, execution_arn: str, timeout: float = TIMEOUT
) -> Iterator[TableEvent]:
    """Yield what becomes of each table until the execution ends.

    Parameters
    ----------
    aws : Aws
        Clients of the stack.
    settings : Settings
        Names the table ``ingest_runs``.
    execution_arn : str
        From :func:`start_ingest`.
    timeout : float
        Seconds to follow; the execution goes on afterwards.

    Raises
    ------
    MillpondError
        At the end, if the run could not be planned or a table was not ingested: it names each one, why,
        and where its log is. Also when the time is over.
    """
    deadline = time.monotonic() + timeout
    runs_table, run_id = f"{settings.prefix}-ingest_runs", execution_arn.rpartition(":")[2]
    latest: dict[str, TableEvent] = {}
    while True:
        # Asked before the items are read, so that what is read after the end is all there is.
        execution = aws.stepfunctions.describe_execution(executionArn=execution_arn)
        if not latest:
            latest = {planned.table_id: planned for planned in _planned(aws, execution_arn)}
            yield from latest.values()
        for event in _changed(aws, runs_table, run_id, latest):
            latest[event.table_id] = event
            yield event
        if execution["status"] != "RUNNING":
            break
        if time.monotonic() > deadline:
            raise MillpondError(
                f"The ingest did not end within {timeout:.0f} seconds; it goes on.",
                where=execution_arn,
                next_step="millpond status",
            )
        time.sleep(POLL_SECONDS)
    if execution["status"] != "SUCCEEDED":
        raise _failure(aws, execution, run_id, latest)


def log_command(aws: Aws, job_name: str, table_id: str, run_id: str) -> str:
    """The command that shows the log of the job run that ingested a table."""
    pages = aws.glue.get_paginator("get_job_runs").paginate(JobName=job_name)
    for page in pages:
        for run in page["JobRuns"]:
            arguments = run.get("Arguments", {})
            if (arguments.get("--table_id"), arguments.get("--run_id")) == (table_id, run_id):
                return f"millpond logs {job_name} {run['Id']}"
    return f"millpond logs {job_name}"


def _planned(aws: Aws, execution_arn: str) -> list[TableEvent]:
    """The tables of the plan; none until the Map state is entered."""
    history = aws.stepfunctions.get_execution_history(executionArn=execution_arn)
    for event in history["events"]:
        if event["type"] == "MapStateEntered":
            plan = json.loads(event["stateEnteredEventDetails"]["input"])["plan"]["answer"]
            return [
                TableEvent(table["table_id"], "PLANNED", table["engine"], table["job_name"])
                for table in plan["tables"]
            ]
    return []


def _changed(
    aws: Aws, runs_table: str, run_id: str, latest: Mapping[str, TableEvent]
) -> Iterator[TableEvent]:
    open_tables = [table_id for table_id, event in latest.items() if event.status not in FINAL]
    for start in range(0, len(open_tables), MOST_KEYS_OF_A_BATCH):
        for item in _read(aws, runs_table, run_id, open_tables[start : start + MOST_KEYS_OF_A_BATCH]):
            event = _event(item, latest[item["table_id"]["S"]])
            if event != latest[event.table_id]:
                yield event


def _read(
    aws: Aws, runs_table: str, run_id: str, tables: Sequence[str]
) -> list[dict[str, AttributeValueTypeDef]]:
    keys: list[Mapping[str, Any]] = [{"table_id": {"S": name}, "run_id": {"S": run_id}} for name in tables]
    # What is left unprocessed is read at the next poll.
    answer = aws.dynamodb.batch_get_item(RequestItems={runs_table: {"Keys": keys, "ConsistentRead": True}})
    return answer["Responses"].get(runs_table, [])


def _event(item: Mapping[str, AttributeValueTypeDef], before: TableEvent) -> TableEvent:
    rows = item.get("rows_total", {}).get("N")
    return TableEvent(
        before.table_id,
        item["status"]["S"],
        before.engine,
        before.job_name,
        None if rows is None else int(rows),
        item.get("error", {}).get("S", ""),
    )


def _failure(
    aws: Aws,
    execution: DescribeExecutionOutputTypeDef,
    run_id: str,
    latest: Mapping[str, TableEvent],
) -> MillpondError:
    if not latest:
        return MillpondError(
            f"The ingest could not be planned: {_reason(execution)}", where=execution["executionArn"]
        )
    failed = [event for event in latest.values() if event.status != "COMMITTED"]
    lines, commands = [], []
    for event in failed:
        command = log_command(aws, event.job_name, event.table_id, run_id)
        commands.append(command)
        why = without_frames((event.error or _reason(execution)).removeprefix(f"{event.table_id}: "))
        lines += [f"{event.table_id}: {why}", f"  {command}"]
    return MillpondError(
        f"{len(failed)} of {len(latest)} tables were not ingested: "
        + ", ".join(event.table_id for event in failed),
        where=execution["executionArn"],
        next_step=commands[0] if commands else "",
        detail="\n".join(lines),
    )


def without_frames(error: str, lines: int = 4) -> str:
    """An error without its Java stack frames, and no longer than a few lines: the log has all of it."""
    said = [
        line for line in error.splitlines() if line.strip() and not line.strip().startswith(("at ", "... "))
    ]
    return "\n".join(said[:lines])


def _reason(execution: DescribeExecutionOutputTypeDef) -> str:
    cause = execution.get("cause", "") or execution.get("error", "") or execution["status"]
    try:
        return str(json.loads(cause)["errorMessage"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return cause
