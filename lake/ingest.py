"""Start a run of the ingest state machine and follow it, table by table; finish an old one; answer it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from millpond.base.config import Settings
from millpond.base.errors import MillpondError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

    from millpond.client.aws import Aws

TIMEOUT = 3600.0
POLL_SECONDS = 0.5
MOST_KEYS_OF_A_BATCH = 100
# PostgreSQL's names have 63 bytes at most, and a dot is between the schema's and the table's.
LONGEST_TABLE_ID = 127
FINAL = ("COMMITTED", "FAILED", "SKIPPED")
# A run that failed may be tried again, by the state machine or as a replay.
UNCHANGING = ("COMMITTED", "SKIPPED")
AWAITING_APPROVAL = "AWAITING_APPROVAL"
REJECTED = "SchemaChangeRejected"


@dataclass(frozen=True)
class TableEvent:
    """What became of one table.

    Parameters
    ----------
    table_id : str
        The table.
    status : {"PLANNED", "AWAITING_APPROVAL", "LANDED", "COMMITTED", "FAILED", "SKIPPED"}
        How far it is; a table that is not due is skipped.
    engine, job_name : str
        What ingests it.
    rows : int or None
        Rows that a query of the whole table counts, once it has landed.
    error : str
        Why it failed or was skipped, or what it waits for.
    """

    table_id: str
    status: str
    engine: str
    job_name: str
    rows: int | None = None
    error: str = ""


@dataclass(frozen=True)
class Question:
    """A run of a table that waits for somebody to decide about a change of the source's schema.

    Parameters
    ----------
    table_id, run_id : str
        Which one.
    changes : tuple of str
        What changed.
    token : str
        What the answer is given with.
    """

    table_id: str
    run_id: str
    changes: tuple[str, ...]
    token: str


def start_ingest(aws: Aws, settings: Settings, tables: Sequence[str] | None = None) -> str:
    """Start an execution; answer its ARN.

    Parameters
    ----------
    aws : Aws
        Clients of the stack.
    settings : Settings
        Names the state machine.
    tables : sequence of str, optional
        The ``table_id`` of each table to ingest; every enabled one that is due unless given.

    Raises
    ------
    MillpondError
        If the state machine is not deployed.
    """
    return _start(aws, settings, {"tables": list(tables)} if tables else {})


def start_replay(aws: Aws, settings: Settings, run_id: str, tables: Sequence[str] | None = None) -> str:
    """Start an execution that finishes a run; answer its ARN.

    What the run had landed is curated without reading the source again, what it had committed stays.

    Parameters
    ----------
    aws : Aws
        Clients of the stack.
    settings : Settings
        Names the state machine.
    run_id : str
        The run: the name of its execution.
    tables : sequence of str, optional
        Only these of its tables.

    Raises
    ------
    MillpondError
        If there was no such run.
    """
    arn = _machine(aws, settings).replace(":stateMachine:", ":execution:") + f":{run_id}"
    stepfunctions = aws.stepfunctions
    try:
        execution = stepfunctions.describe_execution(executionArn=arn)
    except (stepfunctions.exceptions.ExecutionDoesNotExist, stepfunctions.exceptions.InvalidArn) as error:
        raise MillpondError(f"There was no run {run_id}.", where=arn, next_step="millpond status") from error
    if execution["status"] == "RUNNING":
        raise MillpondError(f"The run {run_id} is not over yet.", where=arn, next_step="wait for its end")
    # A replay of a replay is one of the first run.
    original = json.loads(execution["input"])
    replay = original.get("replay") or {
        "run_id": run_id,
        "ingest_date": execution["startDate"].astimezone(UTC).date().isoformat(),
    }
    request: dict[str, Any] = {"replay": replay}
    if "file" in original:
        request["file"] = original["file"]
    elif tables or "tables" in original:
        request["tables"] = list(tables or original["tables"])
    return _start(aws, settings, request)


def open_questions(aws: Aws, settings: Settings, table_id: str) -> list[Question]:
    """Every run of a table that waits for an answer, the oldest first."""
    pages = aws.dynamodb.get_paginator("query").paginate(
        TableName=f"{settings.prefix}-ingest_runs",
        KeyConditionExpression="table_id = :table",
        FilterExpression="#status = :waiting AND attribute_exists(approval_token)",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":table": {"S": table_id}, ":waiting": {"S": AWAITING_APPROVAL}},
    )
    items = [item for page in pages for item in page["Items"]]
    items.sort(key=lambda item: item["approval_requested_at"]["S"])
    return [
        Question(
            table_id,
            item["run_id"]["S"],
            tuple(change["S"] for change in item["schema_changes"]["L"]),
            item["approval_token"]["S"],
        )
        for item in items
    ]


def answer(aws: Aws, settings: Settings, target: str, *, is_approved: bool, reason: str = "") -> list[str]:
    """Answer a question about a change of the source's schema.

    Parameters
    ----------
    aws : Aws
        Clients of the stack.
    settings : Settings
        Names the table ``ingest_runs``.
    target : str
        A ``table_id``, for every run of it that waits, or the token of one question.
    is_approved : bool
        Whether the run goes on with the source's new structure; otherwise the table fails.
    reason : str
        Why not.

    Returns
    -------
    list of str
        What was answered, for a person.

    Raises
    ------
    MillpondError
        If nothing waits for that.
    """
    # A table_id is never as long as a token.
    questions = [] if len(target) > LONGEST_TABLE_ID else open_questions(aws, settings, target)
    if not questions and len(target) <= LONGEST_TABLE_ID:
        raise MillpondError(f"No run of {target} waits for an answer.", next_step="millpond ingest " + target)
    tokens = {f"{one.table_id}, run {one.run_id}": one.token for one in questions} or {"the run": target}
    answered = [
        title
        for title, token in tokens.items()
        if _takes_answer(aws, token, is_approved=is_approved, reason=reason)
    ]
    if not answered:
        raise MillpondError(
            f"The question of {', '.join(tokens)} is answered already, or its run is over.",
            next_step="millpond ingest",
        )
    return answered


def _takes_answer(aws: Aws, token: str, *, is_approved: bool, reason: str) -> bool:
    """Whether somebody still waits; a run that was stopped leaves its question behind."""
    stepfunctions = aws.stepfunctions
    errors = stepfunctions.exceptions
    try:
        if is_approved:
            stepfunctions.send_task_success(taskToken=token, output="{}")
        else:
            stepfunctions.send_task_failure(
                taskToken=token, error=REJECTED, cause=reason or "no reason given"
            )
    except (errors.TaskTimedOut, errors.TaskDoesNotExist, errors.InvalidToken):
        return False
    return True


def _machine(aws: Aws, settings: Settings) -> str:
    return f"arn:aws:states:{aws.region}:{aws.account_id}:stateMachine:{settings.prefix}-ingest"


def _start(aws: Aws, settings: Settings, request: Mapping[str, Any]) -> str:
    machine = _machine(aws, settings)
    stepfunctions = aws.stepfunctions
    try:
        started = stepfunctions.start_execution(
            stateMachineArn=machine,
            name=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
            input=json.dumps(request),
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
    runs_table = f"{settings.prefix}-ingest_runs"
    run_id = _run_id(aws, execution_arn)
    latest: dict[str, TableEvent] = {}
    while True:
        # Asked before the items are read, so that what is read after the end is all there is.
        execution = aws.stepfunctions.describe_execution(executionArn=execution_arn)
        if not latest:
            latest = {one.table_id: one for one in _planned(aws, execution_arn)}
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


def target_options(aws: Aws) -> str:
    """The options with which a command reaches the same stack or account."""
    return "" if aws.is_local else f" --target aws --region {aws.region}"


def log_command(aws: Aws, job_name: str, table_id: str, run_id: str) -> str:
    """The command that shows the log of the job run that ingested a table."""
    pages = aws.glue.get_paginator("get_job_runs").paginate(JobName=job_name)
    batch = ""
    for page in pages:
        for run in page["JobRuns"]:
            arguments = run.get("Arguments", {})
            if arguments.get("--run_id") != run_id:
                continue
            command = f"millpond logs {job_name} --run-id {run['Id']}{target_options(aws)}"
            if arguments.get("--table_id") == table_id:
                return command
            if table_id in json.loads(arguments.get("--table_ids", "[]")):
                batch = command
    # A table that ran alone after its batch has failed says more there.
    return batch or f"millpond logs {job_name}{target_options(aws)}"


def read_plan(aws: Aws, place: Mapping[str, Any]) -> dict[str, Any]:
    """The plan that the planning function wrote where its answer says, with ``tables`` of all batches."""
    content = aws.s3.get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
    plan: dict[str, Any] = json.loads(content)
    plan["tables"] = [item["table"] for batch in plan["batches"] for item in batch["items"]]
    return plan


def _run_id(aws: Aws, execution_arn: str) -> str:
    """The run that an execution is about: of a replay the older one."""
    execution = aws.stepfunctions.describe_execution(executionArn=execution_arn)
    replay = json.loads(execution["input"]).get("replay")
    return str(replay["run_id"]) if replay else execution_arn.rpartition(":")[2]


def _planned(aws: Aws, execution_arn: str) -> list[TableEvent]:
    """The tables of the plan; none until it was made."""
    history = aws.stepfunctions.get_execution_history(executionArn=execution_arn)
    for event in history["events"]:
        if event.get("stateEnteredEventDetails", {}).get("name") == "AnyTables":
            place = json.loads(event["stateEnteredEventDetails"]["input"])["plan"]["answer"]
            plan = read_plan(aws, place)
            return [
                TableEvent(table["table_id"], "PLANNED", table["engine"], table["job_name"])
                for table in plan["tables"]
            ] + [
                TableEvent(table["table_id"], "SKIPPED", "", "", error=table["reason"])
                for table in plan["skipped"]
            ]
    return []


def _changed(
    aws: Aws, runs_table: str, run_id: str, latest: Mapping[str, TableEvent]
) -> Iterator[TableEvent]:
    open_tables = [table_id for table_id, event in latest.items() if event.status not in UNCHANGING]
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
        "; ".join(change["S"] for change in item["schema_changes"]["L"])
        if item["status"]["S"] == AWAITING_APPROVAL
        else item.get("error", {}).get("S", ""),
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
    ingested = [event for event in latest.values() if event.status != "SKIPPED"]
    failed = [event for event in ingested if event.status != "COMMITTED"]
    lines, commands = [], []
    for event in failed:
        command = log_command(aws, event.job_name, event.table_id, run_id)
        commands.append(command)
        why = without_frames((event.error or _reason(execution)).removeprefix(f"{event.table_id}: "))
        lines += [f"{event.table_id}: {why}", f"  {command}"]
    return MillpondError(
        f"{len(failed)} of {len(ingested)} tables were not ingested: "
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
