"""A job that is rehearsed on two Glue versions, as a person types it beside a stack of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from engine_fixtures import ROLE_POLICY
from ports import free_port

from millpond.base.config import Settings
from millpond.client.aws import Aws

# The first run of a version makes its environment and fetches its jars; two engines start besides.
pytestmark = [pytest.mark.foreign, pytest.mark.timeout(1500)]
MILLPOND = Path(sys.executable).with_name("millpond")
SCRIPT = """
import sys
import boto3
from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
from pyspark.sql import functions as f

args = getResolvedOptions(sys.argv, ["JOB_NAME", "text"])
context = GlueContext(SparkContext())
spark = context.spark_session
job = Job(context)
job.init(args["JOB_NAME"], args)
orders = context.create_dynamic_frame.from_options(
    "s3", {"paths": ["s3://lake/orders/"]}, "csv", {"withHeader": True}, transformation_ctx="orders"
).toDF()
assert orders.count() == 2, "the first run has left its bookmark"
boto3.client("dynamodb").put_item(TableName="runs", Item={"id": {"S": args["JOB_NAME"]}})
# Spark 4 has the rules of ANSI in force: a text that is no number fails there, and was NULL before.
orders = orders.withColumn("number", f.lit(args["text"]).cast("int"))
orders.write.mode("overwrite").partitionBy("day").parquet("s3://lake/curated/")
spark.range(3).selectExpr("id", "current_timestamp() as loaded").write.parquet("s3://lake/appended/")
job.commit()
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Aws, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("stack")
    (folder / "millpond.toml").write_text('iam_mode = "enforce"\n')
    port = free_port()
    environment = {
        **os.environ,
        "MILLPOND_GATEWAY_PORT": str(port),
        "MILLPOND_STATE_DIR": str(folder / "state"),
        "MILLPOND_GLUE_WARM_JVMS": "0",
        "MILLPOND_KEEP_STATE": "1",
    }
    aws = Aws(Settings(gateway_port=port))
    ran(environment, folder, "up")
    try:
        deploy(aws)
        yield aws, {**environment, "PWD": str(folder)}
    finally:
        ran(environment, folder, "down")


def ran(environment: dict[str, str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MILLPOND, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def deploy(aws: Aws) -> None:
    aws.s3.create_bucket(Bucket="lake", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    aws.s3.put_object(Bucket="lake", Key="orders/1.csv", Body=b"id,day\n1,a\n2,b\n")
    aws.s3.put_object(Bucket="lake", Key="jobs/curate.py", Body=SCRIPT.encode())
    aws.dynamodb.create_table(
        TableName="runs",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    iam = aws.client("iam")
    iam.create_role(RoleName="curate", AssumeRolePolicyDocument=ROLE_POLICY)
    statement = [
        {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::lake", "arn:aws:s3:::lake/*"]},
        {"Effect": "Allow", "Action": ["dynamodb:PutItem", "logs:*", "glue:*"], "Resource": "*"},
    ]
    iam.put_role_policy(
        RoleName="curate",
        PolicyName="all",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}),
    )
    aws.glue.create_job(
        Name="curate",
        Role="curate",
        GlueVersion="5.1",
        WorkerType="G.1X",
        NumberOfWorkers=2,
        Command={"Name": "glueetl", "ScriptLocation": "s3://lake/jobs/curate.py"},
        DefaultArguments={"--job-bookmark-option": "job-bookmark-enable"},
    )


def compared(stack: tuple[Aws, dict[str, str]], *words: str) -> tuple[int, dict[str, Any]]:
    _, environment = stack
    done = ran(
        environment,
        Path(environment["PWD"]),
        *("glue", "compare", "curate", "--versions", "5.1,6.0", "--json"),
        *words,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def subjects(told: dict[str, Any]) -> Sequence[tuple[str, str]]:
    return [(one["subject"], one["where"]) for one in told["differences"][0]["found"]]


def test_what_differs_is_shown_and_the_stack_is_as_it_was(stack: tuple[Aws, dict[str, str]]) -> None:
    aws, _ = stack
    status, told = compared(stack, "--arg", "text=12")
    assert [(run["state"], run["error"]) for run in told["runs"]] == [("SUCCEEDED", "")] * 2
    for run in told["runs"]:
        assert set(run["outputs"]) == {"s3://lake/curated/", "s3://lake/appended/"}
        assert run["plans"]
    found = subjects(told)
    assert ("rows", "s3://lake/appended/") in found
    assert not any(one in found for one in [("rows", "s3://lake/curated/"), ("calls", "dynamodb PutItem")])
    assert status == 1
    assert [one["Key"] for one in aws.s3.list_objects_v2(Bucket="lake")["Contents"]] == [
        "jobs/curate.py",
        "orders/1.csv",
    ]
    assert aws.glue.get_job(JobName="curate")["Job"]["GlueVersion"] == "5.1"
    assert aws.glue.get_job_runs(JobName="curate")["JobRuns"] == []
    assert aws.dynamodb.scan(TableName="runs")["Items"] == []


def test_what_fails_on_the_newer_version_says_why(stack: tuple[Aws, dict[str, str]]) -> None:
    status, told = compared(stack, "--arg", "text=twelve", "--ignore", "loaded")
    assert status == 1
    assert [run["state"] for run in told["runs"]] == ["SUCCEEDED", "FAILED"]
    found = subjects(told)
    assert ("state", "") in found
    assert ("error", "") in found
    assert ("output", "s3://lake/appended/") in found
    assert "CAST_INVALID_INPUT" in told["runs"][1]["error"]
