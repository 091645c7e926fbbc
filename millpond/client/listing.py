"""What is there, by kind: one row of the table below for each kind that ``millpond ls`` knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from millpond.client.aws import Aws

# How many runs, executions and the like are listed, the newest first.
NEWEST = 50

Record = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of thing that can be listed.

    Parameters
    ----------
    columns : tuple of str
        Names of the values of a record, in the order in which they are shown.
    list : callable
        Yields a record for each thing.
    """

    columns: tuple[str, ...]
    list: Callable[[Aws], Iterator[Record]]


def pages(client: Any, operation: str, member: str, **arguments: Any) -> Iterator[Any]:
    """Everything that an operation answers under one name, page by page."""
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(member, [])


def _jobs(aws: Aws) -> Iterator[Record]:
    for job in pages(aws.glue, "get_jobs", "Jobs"):
        yield {
            "name": job["Name"],
            "command": job["Command"]["Name"],
            "version": job.get("GlueVersion", ""),
            "script": job["Command"].get("ScriptLocation", ""),
        }


def _runs(aws: Aws) -> Iterator[Record]:
    runs = [
        run
        for job in pages(aws.glue, "get_jobs", "Jobs")
        for run in pages(aws.glue, "get_job_runs", "JobRuns", JobName=job["Name"])
    ]
    for run in sorted(runs, key=lambda run: run["StartedOn"], reverse=True)[:NEWEST]:
        yield {
            "job": run["JobName"],
            "run": run["Id"],
            "state": run["JobRunState"],
            "started": run["StartedOn"],
            "seconds": run.get("ExecutionTime", 0),
            "error": run.get("ErrorMessage", ""),
        }


def _tables(aws: Aws) -> Iterator[Record]:
    for database in pages(aws.glue, "get_databases", "DatabaseList"):
        for table in pages(aws.glue, "get_tables", "TableList", DatabaseName=database["Name"]):
            parameters = table.get("Parameters", {})
            yield {
                "database": database["Name"],
                "table": table["Name"],
                "type": parameters.get("table_type") or table.get("TableType", ""),
                "location": table.get("StorageDescriptor", {}).get("Location", ""),
            }


def _buckets(aws: Aws) -> Iterator[Record]:
    for bucket in aws.s3.list_buckets()["Buckets"]:
        yield {"bucket": bucket["Name"], "created": bucket["CreationDate"]}


def _executions(aws: Aws) -> Iterator[Record]:
    client = aws.stepfunctions
    executions = [
        execution
        for machine in pages(client, "list_state_machines", "stateMachines")
        if machine["type"] == "STANDARD"
        for execution in pages(
            client, "list_executions", "executions", stateMachineArn=machine["stateMachineArn"]
        )
    ]
    for execution in sorted(executions, key=lambda run: run["startDate"], reverse=True)[:NEWEST]:
        yield {
            "state machine": execution["stateMachineArn"].rpartition(":")[2],
            "execution": execution["name"],
            "status": execution["status"],
            "started": execution["startDate"],
        }


def _queries(aws: Aws) -> Iterator[Record]:
    client = aws.athena
    groups = [group["Name"] for group in client.list_work_groups()["WorkGroups"]]
    for group in groups:
        ids = client.list_query_executions(WorkGroup=group, MaxResults=NEWEST)["QueryExecutionIds"]
        if not ids:
            continue
        for execution in client.batch_get_query_execution(QueryExecutionIds=ids)["QueryExecutions"]:
            yield {
                "workgroup": group,
                "query": execution["QueryExecutionId"],
                "state": execution["Status"]["State"],
                "scanned bytes": execution.get("Statistics", {}).get("DataScannedInBytes", 0),
                "sql": " ".join(execution["Query"].split()),
            }


def _functions(aws: Aws) -> Iterator[Record]:
    for function in pages(aws.lambda_, "list_functions", "Functions"):
        yield {
            "function": function["FunctionName"],
            "runtime": function.get("Runtime", "image"),
            "state": function.get("State", ""),
            "handler": function.get("Handler", ""),
        }


def _state_machines(aws: Aws) -> Iterator[Record]:
    for machine in pages(aws.stepfunctions, "list_state_machines", "stateMachines"):
        yield {"name": machine["name"], "type": machine["type"], "arn": machine["stateMachineArn"]}


def _stacks(aws: Aws) -> Iterator[Record]:
    for stack in pages(aws.cloudformation, "describe_stacks", "Stacks"):
        yield {"stack": stack["StackName"], "status": stack["StackStatus"], "created": stack["CreationTime"]}


KINDS: Mapping[str, Kind] = {
    "jobs": Kind(("name", "command", "version", "script"), _jobs),
    "runs": Kind(("job", "run", "state", "started", "seconds", "error"), _runs),
    "tables": Kind(("database", "table", "type", "location"), _tables),
    "buckets": Kind(("bucket", "created"), _buckets),
    "state-machines": Kind(("name", "type", "arn"), _state_machines),
    "executions": Kind(("state machine", "execution", "status", "started"), _executions),
    "queries": Kind(("workgroup", "query", "state", "scanned bytes", "sql"), _queries),
    "functions": Kind(("function", "runtime", "state", "handler"), _functions),
    "stacks": Kind(("stack", "status", "created"), _stacks),
}

# What is deployed, not what has happened.
OF_A_DEPLOYMENT = ("jobs", "state-machines", "functions", "tables", "buckets", "stacks")
# What has happened, for a glance at it.
LAST = 5


def counts(aws: Aws) -> dict[str, int]:
    """How many there are of each kind that is deployed."""
    return {kind: sum(1 for _ in KINDS[kind].list(aws)) for kind in OF_A_DEPLOYMENT}


def last_runs(aws: Aws) -> list[Record]:
    """The newest runs of jobs and state machines: name, state and start, the newest first."""
    runs = [{"name": run["job"], "state": run["state"], "started": run["started"]} for run in _runs(aws)]
    runs += [
        {"name": execution["state machine"], "state": execution["status"], "started": execution["started"]}
        for execution in _executions(aws)
    ]
    return sorted(runs, key=lambda run: run["started"], reverse=True)[:LAST]
