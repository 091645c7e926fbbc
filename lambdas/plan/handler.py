"""The planning Lambda: reads the settings, sizes each table, and writes into S3 what a run has to do.

Its input, its answer and the plan are described in docs/contracts.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from batches import batches
from boto3.dynamodb.conditions import Key
from costs import Rates
from errors import BadSettingsError, UnknownRunError
from onprem import read_secret
from planning import (
    History,
    Load,
    Request,
    catalog_names,
    choose_engine,
    choose_tables,
    dropped_table,
    expected_load,
    order,
    plan_table,
)
from schedules import is_due
from sizes import Size, read_sizes

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource, Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient

CURRENT = "CURRENT"
PARAMETERS = ("max_concurrency", "spark_threshold_bytes")
KEPT = timedelta(days=400)
MOST_KEYS_OF_A_BATCH = 100
# More structures than this are read by one scan, fewer by a query each.
MOST_QUERIES = 20

Item = Mapping[str, Any]
Sizes = Mapping[tuple[str, str], Size]


@dataclass(frozen=True)
class Known:
    """What is known of the tables, by ``table_id``: each is read for all of them at once.

    Parameters
    ----------
    runs : mapping
        CURRENT and the item of the run that it names.
    sizes : mapping
        By schema and table of the source.
    structures : mapping
        The newest version of each.
    """

    runs: Mapping[str, tuple[Item, Item]]
    sizes: Sizes
    structures: Mapping[str, Item]


@dataclass(frozen=True)
class Sources:
    """Where a plan is read from."""

    dynamodb: DynamoDBServiceResource
    job_settings: Table
    table_structures: Table
    ingest_runs: Table
    parameter_store: SSMClient
    parameter_path: str
    jobs: Mapping[str, str]
    rates: Rates
    sizes: Callable[[Iterable[str]], Sizes]
    s3: S3Client
    plans_bucket: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Sources:
        dynamodb = boto3.resource("dynamodb")
        return cls(
            dynamodb=dynamodb,
            job_settings=dynamodb.Table(environment["JOB_SETTINGS_TABLE"]),
            table_structures=dynamodb.Table(environment["TABLE_STRUCTURES_TABLE"]),
            ingest_runs=dynamodb.Table(environment["INGEST_RUNS_TABLE"]),
            parameter_store=boto3.client("ssm"),
            parameter_path=environment["PARAMETER_PATH"],
            jobs={"shell": environment["SHELL_JOB"], "spark": environment["SPARK_JOB"]},
            rates=Rates.from_environment(environment),
            sizes=lambda schemas: read_sizes(read_secret(environment["SECRET_ID"]), schemas),
            s3=boto3.client("s3"),
            plans_bucket=environment["PLANS_BUCKET"],
        )


def handler(event: Item, _context: object) -> dict[str, Any]:
    return plan(event, Sources.from_environment(os.environ))


def plan(event: Item, sources: Sources) -> dict[str, Any]:
    """Write the plan of a run; answer the state machine where it is.

    Parameters
    ----------
    event : mapping
        The execution's input with its ``run_id``, ``ingest_date`` and ``started_at``.
    sources : Sources
        Where all else is read.
    """
    request = Request.from_event(event)
    parameters = read_parameters(sources)
    asked = (dropped_table(request.file),) if request.file else request.tables
    chosen = choose_tables(_scan(sources.job_settings), asked)
    skipped: dict[str, str] = {}
    if request.is_replay:
        skipped = _not_to_replay(sources, request, chosen)
    runs = _committed_runs(sources, [settings["table_id"] for settings in chosen])
    started_at = datetime.fromisoformat(request.started_at)
    if asked is None and not request.is_replay:
        skipped = _not_due(chosen, runs, started_at)
    wanted = [settings for settings in chosen if settings["table_id"] not in skipped]
    known = Known(
        runs,
        sources.sizes(s["source_schema"] for s in wanted) if wanted and not request.file else {},
        _structures(sources, [settings["table_id"] for settings in wanted]),
    )
    tables = order(
        _plan_table(sources, request, settings, known, parameters["spark_threshold_bytes"])
        for settings in wanted
    )
    head = {
        "run_id": request.run_id,
        "ingest_date": request.ingest_date,
        "expires_at": str(int((started_at + KEPT).timestamp())),
        "max_concurrency": parameters["max_concurrency"],
    }
    content = {
        **head,
        "batches": batches(tables, sources.rates),
        "skipped": [{"table_id": name, "reason": reason} for name, reason in sorted(skipped.items())],
    }
    # By the execution's name: a replay has the run_id of an older one.
    prefix = f"plans/{event['run_id']}"
    place = {"bucket": sources.plans_bucket, "key": f"{prefix}/plan.json", "prefix": prefix}
    sources.s3.put_object(
        Bucket=place["bucket"],
        Key=place["key"],
        Body=json.dumps(content, default=float).encode(),
        ContentType="application/json",
    )
    return {**head, **place, "tables": len(tables), "skipped": len(skipped)}


def read_parameters(sources: Sources) -> dict[str, int]:
    """The numbers that operators turn in Parameter Store."""
    paths = {f"{sources.parameter_path}/{name}": name for name in PARAMETERS}
    answer = sources.parameter_store.get_parameters(Names=list(paths))
    if answer["InvalidParameters"]:
        raise BadSettingsError(f"Parameter Store holds no {', '.join(answer['InvalidParameters'])}.")
    return {
        paths[found["Name"]]: _whole_number(found["Name"], found["Value"]) for found in answer["Parameters"]
    }


def _plan_table(
    sources: Sources,
    request: Request,
    settings: Item,
    known: Known,
    spark_threshold_bytes: int,
) -> dict[str, Any]:
    history = _history(*known.runs.get(settings["table_id"], ({}, {})))
    if request.file:
        # Dropped files are small, and only the Python shell job reads them.
        load, settings = Load(None, None), {**settings, "engine": "shell"}
    else:
        size = known.sizes.get((settings["source_schema"], settings["source_table"]))
        load = expected_load(settings, size, history)
    estimate, _ = choose_engine(settings, load, spark_threshold_bytes, sources.rates)
    keys = catalog_names(known.structures.get(settings["table_id"]), settings["key_columns"])
    planned = plan_table(settings, request, load, estimate, sources.jobs, keys)
    return {**planned, "previous_rows": history.rows_total}


def _history(current: Item, run: Item) -> History:
    """What CURRENT and the item of the run that it names say."""
    return History(
        has_watermark=current.get("watermark") is not None,
        rows_read=_optional_int(run.get("rows_read")),
        rows_total=_optional_int(run.get("rows_total")),
    )


def _not_due(chosen: Sequence[Item], runs: Mapping[str, tuple[Item, Item]], now: datetime) -> dict[str, str]:
    """Tables with a schedule of their own whose time has not come, and the schedule."""
    skipped = {}
    for settings in chosen:
        expression = settings.get("schedule")
        _, run = runs.get(settings["table_id"], ({}, {}))
        last = datetime.fromisoformat(run["started_at"]) if "started_at" in run else None
        if not is_due(expression, last, now):
            skipped[settings["table_id"]] = f"not due: {expression}"
    return skipped


def _not_to_replay(sources: Sources, request: Request, chosen: Sequence[Item]) -> dict[str, str]:
    """Tables that the run did not have, or that it committed."""
    keys = [(settings["table_id"], request.run_id) for settings in chosen]
    found = {item["table_id"]: item for item in _get_all(sources, keys)}
    if not found:
        raise UnknownRunError(f"ingest_runs holds no table of the run {request.run_id}.")
    skipped = {table_id: "not part of that run" for table_id, _ in keys if table_id not in found}
    done = {name: "committed already" for name, item in found.items() if item["status"] == "COMMITTED"}
    return skipped | done


def _committed_runs(sources: Sources, table_ids: Sequence[str]) -> dict[str, tuple[Item, Item]]:
    """CURRENT of each table and the item of the run that it names; empty where there is none."""
    currents = _get_all(sources, [(name, CURRENT) for name in table_ids])
    named = [
        (item["table_id"], item["committed_run_id"]) for item in currents if item.get("committed_run_id")
    ]
    runs = {item["table_id"]: item for item in _get_all(sources, named)}
    return {item["table_id"]: (item, runs.get(item["table_id"], {})) for item in currents}


def _get_all(sources: Sources, keys: Sequence[tuple[str, str]]) -> list[Item]:
    """Items of ingest_runs by table and run; those that are not there are left out."""
    name = sources.ingest_runs.name
    items: list[Item] = []
    for start in range(0, len(keys), MOST_KEYS_OF_A_BATCH):
        asked: list[dict[str, Any]] = [
            {"table_id": table_id, "run_id": run_id}
            for table_id, run_id in keys[start : start + MOST_KEYS_OF_A_BATCH]
        ]
        while asked:
            answer = sources.dynamodb.batch_get_item(RequestItems={name: {"Keys": asked}})
            items += answer["Responses"].get(name, [])
            asked = list(answer["UnprocessedKeys"].get(name, {"Keys": []})["Keys"])
    return items


def _structures(sources: Sources, table_ids: Sequence[str]) -> dict[str, Item]:
    """The newest version of each table's structure; a table that has none is left out."""
    newest: dict[str, Item] = {}
    if len(table_ids) > MOST_QUERIES:
        for item in _scan(sources.table_structures):
            known = newest.get(str(item["table_id"]))
            if known is None or known["version"] < item["version"]:
                newest[str(item["table_id"])] = item
        return newest
    for table_id in table_ids:
        found = sources.table_structures.query(
            KeyConditionExpression=Key("table_id").eq(table_id), ScanIndexForward=False, Limit=1
        )["Items"]
        if found:
            newest[table_id] = found[0]
    return newest


def _scan(table: Table) -> Iterator[Item]:
    for page in table.meta.client.get_paginator("scan").paginate(TableName=table.name):
        yield from page["Items"]


def _optional_int(value: Any) -> int | None:
    return None if value is None else int(value)


def _whole_number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise BadSettingsError(f"The parameter {name} is {text!r}; it is a whole number.")
    return int(text)
