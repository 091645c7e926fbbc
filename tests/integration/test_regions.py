"""One stack answers every account and region: the same names in four places, and none sees another's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest
from archives import zipped
from athena_fixtures import FINAL
from codebuild_fixtures import ENVIRONMENT
from engine_fixtures import RunningEngine
from terraform_fixtures import BareTerraform
from waiting import wait_until

from millpond.base.config import Settings

STACK_REGION = "eu-west-1"
SERVICES = ("glue", "athena", "codebuild", "lambda")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": [f"{name}.amazonaws.com" for name in SERVICES]},
            "Action": "sts:AssumeRole",
        }
    ],
}
SCRIPT = """
import boto3, os
identity = boto3.client("sts").get_caller_identity()
print(identity["Account"], os.environ["AWS_REGION"], identity["Arn"].split("/")[1])
"""
FUNCTION = """
import boto3, os
def handler(event, context):
    account = boto3.client("sts").get_caller_identity()["Account"]
    return f"{account} {os.environ['AWS_REGION']} {context.invoked_function_arn}"
"""


@dataclass
class Place:
    """An account and a region, and a client for each service there."""

    endpoint_url: str
    account: str
    region: str
    kept: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.endpoint_url)

    @cached_property
    def session(self) -> Any:
        return boto3.Session(self.account, "secret", region_name=self.region)

    @property
    def name(self) -> str:
        return f"{self.account} {self.region}"

    @property
    def bucket(self) -> str:
        return f"same-{self.account}-{self.region}"

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def log(self, group: str) -> str:
        """Everything in a log group of this place."""
        events = self.client("logs").filter_log_events(logGroupName=group)["events"]
        return "\n".join(event["message"] for event in events)

    @cached_property
    def role(self) -> str:
        iam = self.client("iam")
        try:
            made = iam.create_role(RoleName=f"g-{self.region}", AssumeRolePolicyDocument=json.dumps(TRUST))
        except iam.exceptions.EntityAlreadyExistsException:
            made = iam.get_role(RoleName=f"g-{self.region}")
        return str(made["Role"]["Arn"])


def use_events(place: Place) -> None:
    """Collect what the services here tell EventBridge."""
    queue = place.client("sqs").create_queue(QueueName="same")["QueueUrl"]
    events = place.client("events")
    events.put_rule(Name="same", EventPattern=json.dumps({"source": [{"prefix": "aws."}]}))
    events.put_targets(Rule="same", Targets=[{"Id": "queue", "Arn": place.arn("sqs", "same")}])
    place.kept["queue"] = queue


def use_glue(place: Place) -> None:
    glue = place.client("glue")
    place.client("s3").put_object(Bucket=place.bucket, Key="job.py", Body=SCRIPT)
    command = {"Name": "pythonshell", "ScriptLocation": f"s3://{place.bucket}/job.py"}
    tags = {"place": place.name}
    glue.create_job(Name="same", Role=place.role, Command=command, Description=place.name, Tags=tags)
    properties = {"JDBC_CONNECTION_URL": f"jdbc:postgresql://{place.account}/{place.region}"}
    glue.create_connection(
        ConnectionInput={"Name": "same", "ConnectionType": "JDBC", "ConnectionProperties": properties}
    )
    run = glue.start_job_run(JobName="same")["JobRunId"]

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = glue.get_job_run(JobName="same", RunId=run)["JobRun"]
        return found if found["JobRunState"] in ("SUCCEEDED", "FAILED") else None

    place.kept["run"] = wait_until("end of the run", ended)


def use_athena(place: Place) -> None:
    place.client("s3").put_object(Bucket=place.bucket, Key="t/1.csv", Body=place.name)
    columns = [{"Name": "place", "Type": "string"}]
    glue = place.client("glue")
    glue.create_database(DatabaseInput={"Name": "same"})
    storage = {
        "Columns": columns,
        "Location": f"s3://{place.bucket}/t/",
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde"},
    }
    table = {"Name": "same", "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage}
    glue.create_table(DatabaseName="same", TableInput=table)
    athena = place.client("athena")
    output = {"ResultConfiguration": {"OutputLocation": f"s3://{place.bucket}/results/"}}
    tags = [{"Key": "place", "Value": place.name}]
    athena.create_work_group(Name="same", Description=place.name, Configuration=output, Tags=tags)
    query = athena.start_query_execution(QueryString="SELECT place FROM same.same", WorkGroup="same")
    query_id = query["QueryExecutionId"]

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        return found if found["Status"]["State"] in FINAL else None

    place.kept["query"] = wait_until("end of the query", ended)
    place.kept["rows"] = athena.get_query_results(QueryExecutionId=query_id)["ResultSet"]["Rows"]


def use_codebuild(place: Place) -> None:
    codebuild = place.client("codebuild")
    commands = "version: 0.2\nphases: {build: {commands: ['echo $AWS_REGION $CODEBUILD_BUILD_ARN']}}"
    made = codebuild.create_project(
        name="same",
        description=place.name,
        source={"type": "NO_SOURCE", "buildspec": commands},
        artifacts={"type": "NO_ARTIFACTS"},
        environment=ENVIRONMENT,
        serviceRole=place.role,
    )
    build_id = codebuild.start_build(projectName="same")["build"]["id"]

    def ended() -> dict[str, Any] | None:
        [build] = codebuild.batch_get_builds(ids=[build_id])["builds"]
        return dict(build) if build["buildComplete"] else None

    place.kept |= {"project": made["project"], "build": wait_until("end of the build", ended)}


def use_lambda(place: Place) -> None:
    functions = place.client("lambda")
    functions.create_function(
        FunctionName="same",
        Role=place.role,
        Handler="app.handler",
        Runtime="python3.13",
        Description=place.name,
        Timeout=30,
        Code={"ZipFile": zipped({"app.py": FUNCTION})},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="same", WaiterConfig={"Delay": 1})
    place.kept["payload"] = json.loads(functions.invoke(FunctionName="same")["Payload"].read())


def use(place: Place) -> Place:
    """Do the same here as everywhere."""
    constraint = {"CreateBucketConfiguration": {"LocationConstraint": place.region}}
    s3 = place.client("s3")
    s3.create_bucket(Bucket=place.bucket, **({} if place.region == "us-east-1" else constraint))
    for step in (use_events, use_glue, use_athena, use_codebuild, use_lambda):
        step(place)
    return place


@pytest.fixture(scope="module")
def settings(running_engine: RunningEngine) -> Settings:
    assert running_engine.settings.region == STACK_REGION
    return running_engine.settings


@pytest.fixture(scope="module")
def places(settings: Settings) -> list[Place]:
    every = [
        Place(settings.endpoint_url, account, region)
        for account in ("000000000000", "111122223333")
        for region in (STACK_REGION, "us-east-1")
    ]
    with ThreadPoolExecutor() as threads:
        return list(threads.map(use, every))


def test_a_job_a_query_a_build_and_a_function_act_in_the_place_of_their_caller(places: list[Place]) -> None:
    for place in places:
        run, query, build = (place.kept[name] for name in ("run", "query", "build"))
        assert (run["JobRunState"], run.get("ErrorMessage")) == ("SUCCEEDED", None)
        said = f"{place.name} g-{place.region}"
        assert place.log("/aws-glue/python-jobs/output").strip() == said
        assert query["Status"]["State"] == "SUCCEEDED", query["Status"]
        assert [row["Data"][0]["VarCharValue"] for row in place.kept["rows"]] == ["place", place.name]
        assert build["buildStatus"] == "SUCCEEDED", build["phases"]
        assert build["arn"] == place.arn("codebuild", f"build/{build['id']}")
        assert f"{place.region} {build['arn']}" in place.log("/aws/codebuild/same").splitlines()
        assert place.kept["payload"] == f"{place.name} {place.arn('lambda', 'function:same')}"


LISTS: Mapping[str, Callable[[Place], list[Any]]] = {
    "jobs": lambda place: [
        (job["Name"], job["Description"]) for job in place.client("glue").get_jobs()["Jobs"]
    ],
    "connections": lambda place: [
        (one["Name"], place.name)
        for one in place.client("glue").get_connections()["ConnectionList"]
        if one["ConnectionProperties"]["JDBC_CONNECTION_URL"].endswith(f"{place.account}/{place.region}")
    ],
    "runs": lambda place: [
        (run["JobName"], place.name)
        for run in place.client("glue").get_job_runs(JobName="same")["JobRuns"]
        if run["Id"] == place.kept["run"]["Id"]
    ],
    "workgroups": lambda place: [
        (one["Name"], one["Description"])
        for one in place.client("athena").list_work_groups()["WorkGroups"]
        if one["Name"] != "primary"
    ],
    "queries": lambda place: [
        ("same", place.name)
        for query_id in place.client("athena").list_query_executions(WorkGroup="same")["QueryExecutionIds"]
        if query_id == place.kept["query"]["QueryExecutionId"]
    ],
    "databases": lambda place: [
        (one["Name"], place.name)
        for one in place.client("athena").list_databases(CatalogName="AwsDataCatalog")["DatabaseList"]
    ],
    "projects": lambda place: [
        (one["name"], one["description"])
        for one in place.client("codebuild").batch_get_projects(
            names=place.client("codebuild").list_projects()["projects"]
        )["projects"]
    ],
    "builds": lambda place: [
        ("same", place.name)
        for build_id in place.client("codebuild").list_builds()["ids"]
        if build_id == place.kept["build"]["id"]
    ],
    "functions": lambda place: [
        (one["FunctionName"], one["Description"])
        for one in place.client("lambda").list_functions()["Functions"]
    ],
}


@pytest.mark.parametrize("what", LISTS)
def test_each_place_lists_its_own_and_nothing_else(places: list[Place], what: str) -> None:
    assert [LISTS[what](place) for place in places] == [[("same", place.name)] for place in places]


def test_what_belongs_to_another_place_is_not_found(places: list[Place]) -> None:
    for place, other in zip(places, places[1:] + places[:1], strict=True):
        glue, athena, codebuild = (other.client(name) for name in ("glue", "athena", "codebuild"))
        with pytest.raises(glue.exceptions.EntityNotFoundException):
            glue.get_job_run(JobName="same", RunId=place.kept["run"]["Id"])
        with pytest.raises(glue.exceptions.EntityNotFoundException):
            glue.get_tags(ResourceArn=place.arn("glue", "job/same"))
        with pytest.raises(athena.exceptions.InvalidRequestException):
            athena.get_query_execution(QueryExecutionId=place.kept["query"]["QueryExecutionId"])
        with pytest.raises(athena.exceptions.ResourceNotFoundException):
            athena.list_tags_for_resource(ResourceARN=place.arn("athena", "workgroup/same"))
        found = codebuild.batch_get_builds(ids=[place.kept["build"]["id"]])
        assert found["buildsNotFound"] == [place.kept["build"]["id"]]


def test_an_arn_without_an_account_is_the_callers(places: list[Place]) -> None:
    for place in places:
        glue, athena, functions = (place.client(name) for name in ("glue", "athena", "lambda"))
        job, group, function = (
            f"arn:aws:{service}:{place.region}::{resource}"
            for service, resource in (
                ("glue", "job/same"),
                ("athena", "workgroup/same"),
                ("lambda", "function:same"),
            )
        )
        glue.tag_resource(ResourceArn=job, TagsToAdd={"more": "1"})
        assert glue.get_tags(ResourceArn=job)["Tags"] == {"place": place.name, "more": "1"}
        assert glue.get_tags(ResourceArn=place.arn("glue", "job/same"))["Tags"]["more"] == "1"
        # The database is one of the engine's own, so moto has to see the account too.
        glue.tag_resource(
            ResourceArn=f"arn:aws:glue:{place.region}::database/same", TagsToAdd={"place": place.name}
        )
        database = glue.get_tags(ResourceArn=place.arn("glue", "database/same"))
        assert database["Tags"] == {"place": place.name}
        tags = athena.list_tags_for_resource(ResourceARN=group)["Tags"]
        assert tags == [{"Key": "place", "Value": place.name}]
        functions.tag_resource(Resource=function, Tags={"place": place.name})
        assert functions.list_tags(Resource=function)["Tags"] == {"place": place.name}
        answer = functions.invoke(FunctionName=function, Payload=b'{"a": "::"}')
        assert json.loads(answer["Payload"].read()) == place.kept["payload"]


def test_events_and_metrics_are_told_in_the_place_where_it_happened(places: list[Place]) -> None:
    for place in places:
        told: set[tuple[str, str, str]] = set()

        def all_told(place: Place = place, told: set[tuple[str, str, str]] = told) -> bool:
            sqs, queue = place.client("sqs"), place.kept["queue"]
            for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
                event = json.loads(message["Body"])
                told.add((event["source"], event["account"], event["region"]))
            return {"aws.glue", "aws.athena", "aws.codebuild"} <= {source for source, *_ in told}

        wait_until(f"events in {place.name}", all_told, 60)
        assert {(account, region) for _, account, region in told} == {(place.account, place.region)}

        def metrics(place: Place = place) -> bool:
            found = place.client("cloudwatch").list_metrics()["Metrics"]
            return {"AWS/Athena", "AWS/Lambda"} <= {one["Namespace"] for one in found}

        wait_until(f"metrics in {place.name}", metrics, 60)


CONFIGURATION = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true
  default_tags { tags = { team = "data" } }
}
resource "aws_s3_bucket" "this" {
  bucket        = "elsewhere"
  force_destroy = true
}
resource "aws_iam_role" "this" {
  name               = "elsewhere"
  assume_role_policy = jsonencode(TRUST)
}
resource "aws_glue_catalog_database" "this" {
  name = "elsewhere"
}
resource "aws_glue_catalog_table" "this" {
  name          = "elsewhere"
  database_name = aws_glue_catalog_database.this.name
}
resource "aws_glue_connection" "this" {
  name       = "elsewhere"
  catalog_id = "000000000000" # without it the provider cannot read its own id
  connection_properties = {
    JDBC_CONNECTION_URL = "jdbc:postgresql://db/erp"
    USERNAME            = "u"
    PASSWORD            = "p"
  }
}
resource "aws_glue_job" "this" {
  name     = "elsewhere"
  role_arn = aws_iam_role.this.arn
  command {
    name            = "pythonshell"
    python_version  = "3.9"
    script_location = "s3://${aws_s3_bucket.this.bucket}/job.py"
  }
}
resource "aws_athena_workgroup" "this" {
  name          = "elsewhere"
  force_destroy = true
}
resource "aws_athena_named_query" "this" {
  name      = "elsewhere"
  workgroup = aws_athena_workgroup.this.id
  database  = aws_glue_catalog_database.this.name
  query     = "SELECT 1"
}
resource "aws_codebuild_project" "this" {
  name         = "elsewhere"
  service_role = aws_iam_role.this.arn
  source {
    type      = "NO_SOURCE"
    buildspec = "version: 0.2"
  }
  artifacts { type = "NO_ARTIFACTS" }
  environment {
    type         = "LINUX_CONTAINER"
    image        = "aws/codebuild/standard:7.0"
    compute_type = "BUILD_GENERAL1_SMALL"
  }
}
resource "aws_lambda_function" "this" {
  function_name    = "elsewhere"
  role             = aws_iam_role.this.arn
  runtime          = "python3.13"
  handler          = "app.handler"
  filename         = "app.zip"
  source_code_hash = filebase64sha256("app.zip")
}
resource "aws_cloudwatch_event_rule" "this" {
  name                = "elsewhere"
  schedule_expression = "rate(1 day)"
}
resource "aws_cloudwatch_event_target" "this" {
  rule = aws_cloudwatch_event_rule.this.name
  arn  = aws_lambda_function.this.arn
}
resource "aws_cloudwatch_log_group" "this" {
  name = "/elsewhere"
}
resource "aws_sns_topic" "this" {
  name = "elsewhere"
}
resource "aws_dynamodb_table" "this" {
  name         = "elsewhere"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "k"
  attribute {
    name = "k"
    type = "S"
  }
}
resource "aws_sfn_state_machine" "this" {
  name       = "elsewhere"
  role_arn   = aws_iam_role.this.arn
  definition = jsonencode({ StartAt = "A", States = { A = { Type = "Pass", End = true } } })
}
"""


def test_terraform_without_an_account_applies_elsewhere_plans_nothing_and_destroys(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "main.tf").write_text(CONFIGURATION.replace("TRUST", json.dumps(TRUST)))
    (tmp_path / "app.zip").write_bytes(zipped({"app.py": FUNCTION}))
    terraform = BareTerraform.of(settings, tmp_path)
    terraform.must("init", "-input=false", "-no-color")
    terraform.must("apply", "-input=false", "-no-color", "-auto-approve")
    here = Place(settings.endpoint_url, "000000000000", "us-east-1")
    assert "elsewhere" in here.client("glue").list_jobs()["JobNames"]
    stack = Place(settings.endpoint_url, "000000000000", STACK_REGION)
    assert "elsewhere" not in stack.client("glue").list_jobs()["JobNames"]
    assert not terraform.has_changes()
    terraform.must("destroy", "-input=false", "-no-color", "-auto-approve")
    assert "elsewhere" not in here.client("glue").list_jobs()["JobNames"]
