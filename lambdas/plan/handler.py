"""The planning Lambda: reads the settings, sizes each table, answers what a run has to do.

Its input and answer are described in docs/contracts.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.conditions import Key
from planning import (
    BadSettingsError,
    Request,
    choose_engine,
    choose_tables,
    estimate_row_bytes,
    plan_table,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_ssm import SSMClient

CURRENT = "CURRENT"
PARAMETERS = ("max_concurrency", "spark_threshold_bytes")


@dataclass(frozen=True)
class Sources:
    """Where a plan is read from."""

    job_settings: Table
    table_structures: Table
    ingest_runs: Table
    parameter_store: SSMClient
    parameter_path: str
    jobs: Mapping[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Sources:
        dynamodb = boto3.resource("dynamodb")
        return cls(
            job_settings=dynamodb.Table(environment["JOB_SETTINGS_TABLE"]),
            table_structures=dynamodb.Table(environment["TABLE_STRUCTURES_TABLE"]),
            ingest_runs=dynamodb.Table(environment["INGEST_RUNS_TABLE"]),
            parameter_store=boto3.client("ssm"),
            parameter_path=environment["PARAMETER_PATH"],
            jobs={"shell": environment["SHELL_JOB"], "spark": environment["SPARK_JOB"]},
        )


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    return plan(event, Sources.from_environment(os.environ))


def plan(event: Mapping[str, Any], sources: Sources) -> dict[str, Any]:
    """Answer the state machine. What takes longest comes first, so that no long one is left for the end."""
    request = Request.from_event(event)
    parameters = read_parameters(sources)
    planned = []
    for settings in choose_tables(_scan(sources.job_settings), request.tables):
        size = estimate_bytes(settings["table_id"], sources)
        engine = choose_engine(settings, size, parameters["spark_threshold_bytes"])
        planned.append((size or 0, plan_table(settings, engine, sources.jobs)))
    planned.sort(key=lambda pair: (pair[1]["engine"] != "spark", -pair[0], pair[1]["table_id"]))
    return {
        "run_id": request.run_id,
        "max_concurrency": parameters["max_concurrency"],
        "tables": [table for _, table in planned],
    }


def read_parameters(sources: Sources) -> dict[str, int]:
    """The numbers that operators turn in Parameter Store."""
    paths = {f"{sources.parameter_path}/{name}": name for name in PARAMETERS}
    answer = sources.parameter_store.get_parameters(Names=list(paths))
    if answer["InvalidParameters"]:
        raise BadSettingsError(f"Parameter Store holds no {', '.join(answer['InvalidParameters'])}.")
    return {
        paths[found["Name"]]: _whole_number(found["Name"], found["Value"]) for found in answer["Parameters"]
    }


def estimate_bytes(table_id: str, sources: Sources) -> int | None:
    """Size of a table from the rows of its last committed run; None when there was none."""
    current = _get(sources.ingest_runs, table_id, CURRENT)
    if current is None or "committed_run_id" not in current:
        return None
    run = _get(sources.ingest_runs, table_id, current["committed_run_id"])
    structures = sources.table_structures.query(
        KeyConditionExpression=Key("table_id").eq(table_id), ScanIndexForward=False, Limit=1
    )["Items"]
    if run is None or "rows_total" not in run or not structures:
        return None
    return int(run["rows_total"]) * estimate_row_bytes(structures[0])


def _get(table: Table, table_id: str, run_id: str) -> Mapping[str, Any] | None:
    return table.get_item(Key={"table_id": table_id, "run_id": run_id}).get("Item")


def _scan(table: Table) -> Iterator[Mapping[str, Any]]:
    arguments: dict[str, Any] = {}
    while True:
        page = table.scan(**arguments)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        arguments = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _whole_number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise BadSettingsError(f"The parameter {name} is {text!r}; it is a whole number.")
    return int(text)
