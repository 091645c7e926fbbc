"""The notifying Lambda: tells consumers how a run went, operators what to decide, and CloudWatch both.

``{"action": "summarise"}`` makes the message about a run and puts its metrics; the state machine publishes
it. ``{"action": "ask"}`` asks the operators about a change of the source's schema; whoever answers ends the
state machine's wait. ``{"action": "measure"}`` puts how old the tables are. See docs/contracts.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
from messages import approval_text, failed_cause, shortened, subject, summarise, summary_subject
from metrics import NAMESPACE, Datum, cost_of_day, of_age, of_run
from results import outcomes

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource, Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient

CURRENT = "CURRENT"
# Where the cost of each day is added up: no table has this name, since a table_id holds a dot.
ALL_TABLES = "ALL"
KEPT = timedelta(days=400)
MOST_KEYS_OF_A_BATCH = 100
MOST_DATA_OF_A_CALL = 1000

Item = Mapping[str, Any]


class BadRequestError(Exception):
    """The event is none that this function knows."""


@dataclass(frozen=True)
class Desk:
    """Whom and what the function writes to."""

    dynamodb: DynamoDBServiceResource
    job_settings: Table
    ingest_runs: Table
    sns: SNSClient
    cloudwatch: CloudWatchClient
    s3: S3Client
    operators_topic: str
    approval_hours: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Desk:
        dynamodb = boto3.resource("dynamodb")
        return cls(
            dynamodb,
            dynamodb.Table(environment["JOB_SETTINGS_TABLE"]),
            dynamodb.Table(environment["INGEST_RUNS_TABLE"]),
            boto3.client("sns"),
            boto3.client("cloudwatch"),
            boto3.client("s3"),
            environment["OPERATORS_TOPIC"],
            float(environment["APPROVAL_HOURS"]),
        )


def handler(event: Item, _context: object) -> Any:
    desk, now = Desk.from_environment(os.environ), datetime.now(UTC)
    match event.get("action"):
        case "summarise":
            return report(desk, event, now)
        case "ask":
            return ask(desk, event, now)
        case "measure":
            return measure(desk, now)
    raise BadRequestError(f"action is {event.get('action')!r}; it is summarise, ask or measure.")


def report(desk: Desk, event: Item, now: datetime) -> dict[str, Any]:
    """The message about a run, and whether a table failed; its metrics are put.

    The whole summary is an object beside the plan; the message leaves tables out that went well when it
    would be larger than SNS takes.
    """
    run_id, plan = event["run_id"], event["plan"]
    planned = _json(desk, plan["bucket"], plan["key"])
    manifest = _json(desk, event["results"]["Bucket"], event["results"]["Key"])
    files = [file for some in manifest["ResultFiles"].values() for file in some]
    ended = [one for file in files for one in _json(desk, manifest["DestinationBucket"], file["Key"])]
    tables_of_plan = [item["table"] for batch in planned["batches"] for item in batch["items"]]
    items = _get_all(desk, [(table["table_id"], run_id) for table in tables_of_plan])
    tables = outcomes(tables_of_plan, ended, items)
    summary = summarise(run_id, tables, planned["skipped"], items)
    cost = _add_cost(desk, run_id, summary["estimated_cost_usd"], now)
    _put(desk, [*of_run(tables, items), *cost_of_day(float(cost))])
    key = f"{plan['prefix']}/summary.json"
    desk.s3.put_object(
        Bucket=plan["bucket"],
        Key=key,
        Body=json.dumps(summary).encode(),
        ContentType="application/json",
    )
    return {
        "subject": summary_subject(summary),
        "message": shortened(summary, f"s3://{plan['bucket']}/{key}"),
        "failed": bool(summary["failed"]),
        "quarantine_due": any(item.get("quarantine_due") for item in items.values()),
        "cause": failed_cause(summary),
    }


def ask(desk: Desk, event: Item, now: datetime) -> None:
    """Keep the state machine's token with the run, for who answers, and ask the operators."""
    desk.ingest_runs.update_item(
        Key={"table_id": event["table_id"], "run_id": event["run_id"]},
        UpdateExpression="SET #status = :status, approval_token = :token, approval_requested_at = :now, "
        "approval_until = :until, schema_changes = :changes, expires_at = :expires",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={
            ":status": "AWAITING_APPROVAL",
            ":token": event["token"],
            ":now": now.isoformat(timespec="milliseconds"),
            ":until": (now + timedelta(hours=desk.approval_hours)).isoformat(timespec="milliseconds"),
            ":changes": [one["text"] for one in event["differences"]],
            ":expires": int((now + KEPT).timestamp()),
        },
    )
    desk.sns.publish(
        TopicArn=desk.operators_topic,
        Subject=subject(f"Approval needed: {event['table_id']} changed at the source"),
        Message=approval_text(event, desk.approval_hours, os.environ["AWS_REGION"]),
    )


def measure(desk: Desk, now: datetime) -> dict[str, Any]:
    """Put how old the tables are whose age is limited; answer it, too."""
    settings = list(_scan(desk.job_settings))
    currents = _get_all(desk, [(one["table_id"], CURRENT) for one in settings])
    data = of_age(settings, currents, now)
    _put(desk, data)
    return {"metrics": len(data)}


def _add_cost(desk: Desk, run_id: str, usd: float, now: datetime) -> Decimal:
    """What this day's runs cost; a run is counted once, however often it is told of."""
    key = {"table_id": ALL_TABLES, "run_id": now.date().isoformat()}
    errors = desk.ingest_runs.meta.client.exceptions
    try:
        answer = desk.ingest_runs.update_item(
            Key=key,
            UpdateExpression="ADD estimated_cost_usd :usd, runs :run SET expires_at = :expires",
            ConditionExpression="attribute_not_exists(runs) OR NOT contains(runs, :run_id)",
            ExpressionAttributeValues={
                ":usd": Decimal(str(usd)),
                ":run": {run_id},
                ":run_id": run_id,
                ":expires": int((now + KEPT).timestamp()),
            },
            ReturnValues="ALL_NEW",
        )
    except errors.ConditionalCheckFailedException:
        return Decimal(str(desk.ingest_runs.get_item(Key=key)["Item"]["estimated_cost_usd"]))
    return Decimal(str(answer["Attributes"]["estimated_cost_usd"]))


def _json(desk: Desk, bucket: str, key: str) -> Any:
    return json.loads(desk.s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def _put(desk: Desk, data: Sequence[Datum]) -> None:
    for start in range(0, len(data), MOST_DATA_OF_A_CALL):
        part: Any = data[start : start + MOST_DATA_OF_A_CALL]
        desk.cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=part)


def _get_all(desk: Desk, keys: Sequence[tuple[str, str]]) -> dict[str, Item]:
    """Items of ingest_runs by table, one run of each; those that are not there are left out."""
    name = desk.ingest_runs.name
    items: dict[str, Item] = {}
    for start in range(0, len(keys), MOST_KEYS_OF_A_BATCH):
        asked: list[dict[str, Any]] = [
            {"table_id": table_id, "run_id": run_id}
            for table_id, run_id in keys[start : start + MOST_KEYS_OF_A_BATCH]
        ]
        while asked:
            answer = desk.dynamodb.batch_get_item(
                RequestItems={name: {"Keys": asked, "ConsistentRead": True}}
            )
            items |= {str(item["table_id"]): item for item in answer["Responses"].get(name, [])}
            asked = list(answer["UnprocessedKeys"].get(name, {"Keys": []})["Keys"])
    return items


def _scan(table: Table) -> Iterator[Item]:
    for page in table.meta.client.get_paginator("scan").paginate(TableName=table.name):
        yield from page["Items"]
