"""From raw files to Athena's answer: a crawler, a job with a bookmark, a crawler, each after the other's end.

The chain is started by hand, by a schedule and by events of S3, each time with new files of four formats:
what a round has taken no other takes again.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from checkouts import IS_EMBEDDED
from job_runs import RUN_SECONDS, GlueJobs
from pyarrow import orc, parquet
from waiting import wait_until

from millpond.client.query import run_query
from millpond.testing.jobs import ROLE, make_bucket

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not IS_EMBEDDED, reason="the catalog's jobs run embedded"),
]
BUCKET = "pipeline"
CURATES = """
import sys
from functools import reduce
from awsglue.context import GlueContext
from awsglue.dynamicframe import DynamicFrame
from awsglue.job import Job
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
from pyspark.sql import functions as F

args = getResolvedOptions(sys.argv, ["JOB_NAME", "WORKFLOW_NAME", "WORKFLOW_RUN_ID"])
context = GlueContext(SparkContext.getOrCreate())
job = Job(context)
job.init(args["JOB_NAME"], args)
new = []
for kind in ("csv", "json", "orc", "parquet"):
    frame = context.create_dynamic_frame.from_catalog(
        database="raw", table_name="orders_" + kind, transformation_ctx=kind
    )
    if frame.count():
        columns = [F.col("id").cast("long"), F.col("amount").cast("double"), "day", F.lit(kind).alias("kind")]
        new.append(frame.toDF().select(*columns))
if new:
    rows = reduce(lambda one, other: one.unionByName(other), new)
    rows = rows.withColumn("by", F.lit(args["WORKFLOW_NAME"]))
    context.write_dynamic_frame.from_options(
        frame=DynamicFrame.fromDF(rows.coalesce(1), context, "rows"),
        connection_type="s3",
        connection_options={"path": "s3://pipeline/curated/orders/", "partitionKeys": ["kind"]},
        format="parquet",
        transformation_ctx="sink",
    )
job.commit()
"""


def _packed(write: Callable[[pa.Table, Any], object], rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    write(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def _csv(rows: list[dict[str, Any]]) -> bytes:
    return "".join(["id,amount\n", *(f"{row['id']},{row['amount']}\n" for row in rows)]).encode()


def _json(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


FORMATS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "csv": _csv,
    "json": _json,
    "orc": lambda rows: _packed(orc.write_table, rows),
    "parquet": lambda rows: _packed(parquet.write_table, rows),
}
STARTS: dict[str, dict[str, Any]] = {
    "by-hand": {"Type": "ON_DEMAND"},
    "by-schedule": {"Type": "SCHEDULED", "Schedule": "cron(0 0 1 1 ? 2199)", "StartOnCreation": True},
    # The files of a round are one batch.
    "by-event": {"Type": "EVENT", "EventBatchingCondition": {"BatchSize": 4, "BatchWindow": 900}},
}


@pytest.fixture(scope="module")
def chain(glue: GlueJobs) -> Any:
    """Three workflows over the same crawlers and the same job; Glue's client."""
    client: Any = glue.aws.glue
    role = f"arn:aws:iam::000000000000:role/{ROLE}"
    make_bucket(glue.aws, BUCKET)
    for name, path in (("raw", "raw/"), ("curated", "curated/orders/")):
        client.create_database(DatabaseInput={"Name": name})
        target = {"S3Targets": [{"Path": f"s3://{BUCKET}/{path}"}]}
        client.create_crawler(Name=name, Role=role, DatabaseName=name, Targets=target)
    make_bucket(glue.aws, "pipeline-events")
    enabled = {
        "--job-bookmark-option": "job-bookmark-enable",
        "--enable-spark-ui": "true",
        "--spark-event-logs-path": "s3://pipeline-events/",
    }
    job = glue.job(CURATES, command="glueetl", DefaultArguments=enabled)
    follows = (
        ("job", {"CrawlerName": "raw", "CrawlState": "SUCCEEDED"}, {"JobName": job}),
        ("crawl", {"JobName": job, "State": "SUCCEEDED"}, {"CrawlerName": "curated"}),
    )
    for flow, start in STARTS.items():
        client.create_workflow(Name=flow)
        client.create_trigger(
            Name=f"{flow}-start", WorkflowName=flow, Actions=[{"CrawlerName": "raw"}], **start
        )
        for name, condition, action in follows:
            client.create_trigger(
                Name=f"{flow}-{name}",
                WorkflowName=flow,
                Type="CONDITIONAL",
                StartOnCreation=True,
                Predicate={"Conditions": [{"LogicalOperator": "EQUALS", **condition}]},
                Actions=[action],
            )
    glue.aws.s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    return client


def by_schedule(glue: GlueJobs) -> None:
    """Let the trigger of the schedule be due in the next minute but one at most."""
    due = datetime.now(UTC) + timedelta(seconds=70)
    update = {"Schedule": f"cron({due.minute} {due.hour} {due.day} {due.month} ? {due.year})"}
    client: Any = glue.aws.glue
    client.update_trigger(
        Name="by-schedule-start", TriggerUpdate={**update, "Actions": [{"CrawlerName": "raw"}]}
    )


def by_event(glue: GlueJobs) -> None:
    """Send what arrives in the raw folder to the workflow."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    notify = {"Effect": "Allow", "Action": "glue:NotifyEvent", "Resource": "*"}
    iam, events = glue.aws.client("iam"), glue.aws.client("events")
    role = iam.create_role(RoleName="notifies", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [notify]})
    iam.put_role_policy(RoleName="notifies", PolicyName="own", PolicyDocument=policy)
    detail = {"bucket": {"name": [BUCKET]}, "object": {"key": [{"prefix": "raw/"}]}}
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}
    events.put_rule(Name="arrived", EventPattern=json.dumps(pattern))
    place = f"arn:aws:glue:{glue.aws.glue.meta.region_name}:000000000000:workflow/by-event"
    events.put_targets(Rule="arrived", Targets=[{"Id": "1", "Arn": place, "RoleArn": role}])


def test_each_round_takes_what_is_new_through_the_whole_chain(glue: GlueJobs, chain: Any) -> None:
    number, expected = 0, dict[tuple[str, str], tuple[str, str]]()
    make_bucket(glue.aws, "pipeline-answers")
    glue.aws.athena.create_work_group(
        Name="pipeline",
        Configuration={"ResultConfiguration": {"OutputLocation": "s3://pipeline-answers/"}},
    )
    for day, flow in enumerate(STARTS, 1):
        if flow == "by-event":
            by_event(glue)
        for kind, packed in FORMATS.items():
            rows = [{"id": number + n, "amount": (number + n) / 2 + 0.25} for n in range(day + 1)]
            number += len(rows)
            expected[kind, flow] = (str(len(rows)), str(sum(row["amount"] for row in rows)))
            key = f"raw/orders_{kind}/day=0{day}/part-{day}.{kind}"
            glue.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=packed(rows))
        if flow == "by-hand":
            chain.start_workflow_run(Name=flow)
        elif flow == "by-schedule":
            by_schedule(glue)

        def ended(flow: str = flow) -> Any:
            runs = chain.get_workflow_runs(Name=flow)["Runs"]
            return runs[0] if runs and runs[0]["Status"] != "RUNNING" else None

        run = wait_until(f"end of {flow}", ended, RUN_SECONDS)
        crawls = [chain.get_crawler(Name=one)["Crawler"].get("LastCrawl") for one in ("raw", "curated")]
        assert run["Statistics"]["SucceededActions"] == 3, (run["Statistics"], crawls)
        answer = run_query(
            glue.aws.athena,
            'SELECT kind, "by", count(*), sum(amount) FROM curated.orders GROUP BY 1, 2',
            workgroup="pipeline",
        )
        assert {(kind, by): (count, total) for kind, by, count, total in answer.rows} == expected
    assert len(chain.get_workflow_runs(Name="by-event")["Runs"]) == 1
    logged = glue.aws.s3.list_objects_v2(Bucket="pipeline-events")["Contents"]
    assert len({one["Key"].partition("/")[0] for one in logged}) == len(STARTS)
    days = chain.get_partitions(DatabaseName="raw", TableName="orders_orc")["Partitions"]
    assert sorted(one["Values"] for one in days) == [["01"], ["02"], ["03"]]
