"""The platform, deployed for real: stack, build, Terraform."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from unittest.mock import ANY

import boto3
import permissions
import pytest
from deploy_fixtures import Stack, copy_checkout, started_stack, write_fixtures
from engine_fixtures import wait_for
from terraform_fixtures import BareTerraform

from millpond.base.config import CHECKOUT, load_settings
from millpond.base.errors import MillpondError
from millpond.toolchain.wheels import GLUE_SHELL, read_lock

SECRET = "millpond/dev/onprem-db"


@dataclass(frozen=True)
class Deployed:
    """The whole platform, and the permissions that were needed to deploy it."""

    stack: Stack
    needed: set[str]


@pytest.fixture(scope="module")
def first_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with started_stack(tmp_path_factory.mktemp("deploy")) as stack:
        with calls_of_builds(stack) as calls:
            stack.deploy()
        yield Deployed(stack, calls)


@pytest.fixture(scope="module")
def deployed(first_deployment: Deployed) -> Stack:
    return first_deployment.stack


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Stack]:
    checkout = copy_checkout(tmp_path / "checkout")
    write_fixtures(checkout / "fixtures", ["one"])
    leave_out_what_is_waited_for(checkout)
    with started_stack(tmp_path / "stack", checkout) as stack:
        yield stack


def test_a_plan_right_after_an_apply_says_no_changes(deployed: Stack) -> None:
    result = deployed.plan()

    assert result.text.startswith("No changes.")
    assert result.changes.total == 0


def test_every_resource_has_the_name_that_the_contracts_give_it(deployed: Stack) -> None:
    aws, account = deployed.aws, deployed.settings.account_id

    assert {bucket["Name"] for bucket in aws.s3.list_buckets()["Buckets"]} == {
        f"millpond-dev-{purpose}-{account}-eu-west-1"
        for purpose in ("raw", "curated", "artifacts", "athena-results", "logs", "tfstate")
    }
    assert set(aws.dynamodb.list_tables()["TableNames"]) == {
        *(f"millpond-dev-{name}" for name in ("job_settings", "table_structures", "ingest_runs")),
        "tf-state-lock-bootstrap",
    }
    assert {database["Name"] for database in aws.glue.get_databases()["DatabaseList"]} == {
        "erp",
        "operations",
        "tpch",
    }
    assert set(aws.glue.list_jobs()["JobNames"]) == {"millpond-dev-ingest-spark", "millpond-dev-ingest-shell"}
    assert aws.glue.get_connection(Name="millpond-dev-onprem")["Connection"]["ConnectionType"] == "JDBC"
    parameters = aws.ssm.get_parameters_by_path(Path="/millpond/dev/ingest")["Parameters"]
    assert {found["Name"].rpartition("/")[2]: found["Value"] for found in parameters} == {
        "schedule": "cron(0 2 * * ? *)",
        "max_concurrency": "3",
        "spark_threshold_bytes": "1073741824",
    }
    machines = aws.stepfunctions.list_state_machines()["stateMachines"]
    assert [machine["name"] for machine in machines] == ["millpond-dev-ingest"]
    workgroup = aws.athena.get_work_group(WorkGroup="millpond-dev")["WorkGroup"]
    assert workgroup["Configuration"]["EnforceWorkGroupConfiguration"]
    topics = {one["TopicArn"].rpartition(":")[2] for one in deployed.client("sns").list_topics()["Topics"]}
    assert topics == {"millpond-dev-deploy-failed", "millpond-dev-ingest-events", "millpond-dev-operators"}
    rules = deployed.client("events").list_rules(NamePrefix="millpond-dev-")["Rules"]
    assert {rule["Name"].removeprefix("millpond-dev-") for rule in rules} == {
        *("deploy-failed", "file-dropped", "freshness", "ingest-schedule", "job-failed", "schedule-turned"),
    }
    aliases = deployed.client("kms").list_aliases()["Aliases"]
    assert "alias/millpond-dev-data" in {alias["AliasName"] for alias in aliases}
    alarms = deployed.client("cloudwatch").describe_alarms(
        AlarmTypes=["MetricAlarm", "CompositeAlarm"], AlarmNamePrefix="millpond-dev-"
    )
    late = {one["AlarmName"] for one in alarms["MetricAlarms"] if "-late-" in one["AlarmName"]}
    watched = ("erp.audit_log", "erp.order_lines", "erp.orders", "erp.payments", "tpch.nation", "tpch.region")
    assert late == {f"millpond-dev-late-{table_id}" for table_id in watched}
    assert [one["AlarmName"] for one in alarms["CompositeAlarms"]] == ["millpond-dev-tables-late"]
    assert [
        one["DashboardName"] for one in deployed.client("cloudwatch").list_dashboards()["DashboardEntries"]
    ] == ["millpond-dev"]


def test_the_rule_follows_the_parameter_that_operators_turn_and_the_next_deployment_leaves_both(
    deployed: Stack,
) -> None:
    ssm, events = deployed.aws.ssm, deployed.client("events")
    parameter, rule = "/millpond/dev/ingest/schedule", "millpond-dev-ingest-schedule"

    def turn(schedule: str) -> None:
        ssm.put_parameter(Name=parameter, Value=schedule, Overwrite=True)
        wait_for("rule", lambda: events.describe_rule(Name=rule)["ScheduleExpression"] == schedule)

    before = events.describe_rule(Name=rule)
    turn("cron(30 4 * * ? *)")

    assert events.describe_rule(Name=rule) == {**before, "ScheduleExpression": "cron(30 4 * * ? *)"} | {
        "ResponseMetadata": ANY
    }
    assert deployed.plan().text.startswith("No changes.")
    assert ssm.get_parameter(Name=parameter)["Parameter"]["Value"] == "cron(30 4 * * ? *)"
    turn("cron(0 2 * * ? *)")


def test_buckets_take_nothing_in_the_clear_and_answer_only_over_tls(deployed: Stack) -> None:
    key = deployed.client("kms").describe_key(KeyId="alias/millpond-dev-data")
    arn = key["KeyMetadata"]["Arn"]
    for purpose in ("raw", "curated", "artifacts", "athena-results", "logs"):
        bucket = f"millpond-dev-{purpose}-{deployed.settings.account_id}-eu-west-1"
        policy = json.loads(deployed.aws.s3.get_bucket_policy(Bucket=bucket)["Policy"])
        denied = {one["Sid"]: one for one in policy["Statement"] if one["Effect"] == "Deny"}
        assert denied["OnlyOverTLS"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        if purpose == "logs":
            continue
        header = "s3:x-amz-server-side-encryption"
        for sid, name, value in (
            ("OnlyEncryptedByKMS", header, "aws:kms"),
            ("OnlyWithOurKey", f"{header}-aws-kms-key-id", arn),
        ):
            # What says nothing is encrypted by the bucket: only another word is refused.
            assert denied[sid]["Condition"] == {"StringNotEquals": {name: value}, "Null": {name: "false"}}
            assert denied[sid]["Action"] == "s3:PutObject"
        put = deployed.aws.s3.put_object(Bucket=bucket, Key="drop/probe", Body=b"x")
        assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", arn)
        deployed.aws.s3.delete_object(Bucket=bucket, Key="drop/probe")


def test_jobs_reach_the_site_and_aws_and_nothing_else(deployed: Stack) -> None:
    ec2 = deployed.client("ec2")
    site = [{"Name": "tag:Name", "Values": ["millpond-dev-glue"]}]
    group = ec2.describe_security_groups(Filters=site)["SecurityGroups"][0]
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group["GroupId"]]}])
    out = [rule for rule in rules["SecurityGroupRules"] if rule["IsEgress"]]
    by_address = {rule["CidrIpv4"]: rule["FromPort"] for rule in out if "CidrIpv4" in rule}
    assert by_address == {"10.20.0.0/16": deployed.settings.onprem_port}
    assert all(rule["Description"] for rule in rules["SecurityGroupRules"])
    route_tables = ec2.describe_route_tables(
        Filters=[{"Name": "tag:Name", "Values": ["millpond-dev-private"]}]
    )
    routes = {
        route["DestinationCidrBlock"]: route["Origin"]
        for route in route_tables["RouteTables"][0]["Routes"]
        if "DestinationCidrBlock" in route
    }
    assert routes == {"10.60.0.0/20": "CreateRouteTable", "10.20.0.0/16": "EnableVgwRoutePropagation"}


def test_the_jobs_ask_no_package_index_and_may_read_what_they_bring(deployed: Stack) -> None:
    bucket = f"millpond-dev-artifacts-{deployed.settings.account_id}-eu-west-1"
    kept = {
        one["Key"]: f"s3://{bucket}/{one['Key']}"
        for page in deployed.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for one in page["Contents"]
    }
    brought = {}
    for engine in ("shell", "spark"):
        arguments = deployed.aws.glue.get_job(JobName=f"millpond-dev-ingest-{engine}")["Job"][
            "DefaultArguments"
        ]
        assert "--additional-python-modules" not in arguments
        brought[engine] = arguments["--extra-py-files"].split(",")
        role = f"millpond-dev-glue-ingest-{engine}"
        policy = deployed.client("iam").get_role_policy(RoleName=role, PolicyName="ingest")["PolicyDocument"]
        [readable] = [one["Resource"] for one in policy["Statement"] if one["Sid"] == "ReadOwnCode"]
        for file in brought[engine]:
            arn = file.replace("s3://", "arn:aws:s3:::")
            assert any(fnmatchcase(arn, pattern) for pattern in readable), file
    assert brought["spark"] == [kept["glue/ingest.zip"]]
    library, *wheels = brought["shell"]
    assert library == kept["glue/millpond_ingest-0.1.0-py3-none-any.whl"]
    assert sorted(wheels) == sorted(kept[key] for key in kept if key.startswith("wheels/"))
    lock = read_lock(CHECKOUT / "requirements/glue-shell.txt", GLUE_SHELL)
    assert [one.name for one in lock if not any(one.is_named_by(Path(file).name) for file in wheels)] == []
    assert len(wheels) == len(lock) > 30


def test_settings_and_structures_reach_dynamodb_as_the_files_say(deployed: Stack) -> None:
    dynamodb = boto3.resource(
        "dynamodb",
        endpoint_url=deployed.settings.endpoint_url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    for kind, name in (("job_settings", "settings"), ("table_structures", "structures")):
        items = dynamodb.Table(f"millpond-dev-{kind}").scan()["Items"]
        found = {item["table_id"]: item for item in items}
        files = (CHECKOUT / "fixtures" / kind).glob("*.json")
        contents = (json.loads(path.read_text(), parse_float=Decimal) for path in files)
        expected = {content["table_id"]: content for content in contents}
        assert found == expected, name


def test_terraform_never_sees_what_is_in_the_secret(deployed: Stack) -> None:
    secrets = deployed.aws.secretsmanager
    assert "VersionIdsToStages" not in secrets.describe_secret(SecretId=SECRET)

    secrets.put_secret_value(SecretId=SECRET, SecretString='{"password": "correct horse"}')
    deployed.deploy()

    assert "correct horse" not in deployed.terraform_state


def test_the_checkout_is_left_as_it_was(deployed: Stack) -> None:
    untracked = subprocess.run(
        ["git", "status", "--porcelain", "--ignored", "terraform"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    written = [line for line in untracked.stdout.splitlines() if "override" in line or ".terraform" in line]
    assert written == []


def test_what_was_uploaded_are_the_bytes_of_the_package(deployed: Stack, tmp_path: Path) -> None:
    copy = copy_checkout(tmp_path / "elsewhere")
    manifests = []
    for checkout, name in ((CHECKOUT, "first"), (copy, "second")):
        command = [sys.executable, "-m", "lake.package", str(tmp_path / name)]
        at_hand = {**os.environ, "PIP_FIND_LINKS": str(CHECKOUT / ".millpond/wheels")}
        subprocess.run(command, cwd=checkout, env=at_hand, check=True, capture_output=True)
        manifests.append((tmp_path / name / "manifest.json").read_text())
    assert manifests[0] == manifests[1]
    bucket = f"millpond-dev-artifacts-{deployed.settings.account_id}-eu-west-1"
    for key, digest in json.loads(manifests[0])["files"].items():
        uploaded = deployed.aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert hashlib.sha256(uploaded).hexdigest() == digest["sha256"], key
        assert uploaded == (tmp_path / "second" / key).read_bytes()


def test_every_role_has_the_boundary(deployed: Stack) -> None:
    iam = deployed.client("iam")
    roles = [one for one in iam.list_roles()["Roles"] if one["RoleName"].startswith("millpond-dev-")]
    assert len(roles) > 4
    for role in roles:
        boundary = iam.get_role(RoleName=role["RoleName"])["Role"]["PermissionsBoundary"]
        arn = f"arn:aws:iam::{deployed.settings.account_id}:policy/millpond-dev-boundary"
        assert boundary["PermissionsBoundaryArn"] == arn


def test_every_log_group_of_the_platform_is_encrypted_and_has_an_end(deployed: Stack) -> None:
    groups = {
        group["logGroupName"]: group
        for page in deployed.aws.logs.get_paginator("describe_log_groups").paginate()
        for group in page["logGroups"]
        if "millpond-dev" in group["logGroupName"]
    }
    functions = ("notify", "plan", "register", "reschedule", "rotate")
    assert groups.keys() == {
        "/aws/codebuild/millpond-dev-deploy",
        "/aws/vendedlogs/states/millpond-dev-ingest",
        *(f"/aws-glue/millpond-dev-ingest-spark/{name}" for name in ("error", "output")),
        *(f"/aws/lambda/millpond-dev-{name}" for name in functions),
    }
    assert {name for name, group in groups.items() if not group.get("retentionInDays")} == set()
    assert {name for name, group in groups.items() if not group.get("kmsKeyId")} == set()


def test_the_log_of_the_build_is_where_aws_logs_tail_looks(deployed: Stack) -> None:
    group = "/aws/codebuild/millpond-dev-deploy"
    pages = deployed.aws.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    assert any("Apply complete!" in event["message"] for page in pages for event in page["events"])


def test_the_configuration_is_formatted_and_valid(deployed: Stack, tmp_path: Path) -> None:
    for name in ("terraform", "glue_jobs"):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/manifest.json").write_text("{}")
    terraform = BareTerraform.of(deployed.settings, tmp_path / "terraform")
    terraform.must("fmt", "-check", "-diff", "-recursive")
    terraform.must("init", "-backend=false", "-input=false")
    terraform.must("validate")


def test_what_follows_from_the_variables_is_what_terraforms_own_tests_say(tmp_path: Path) -> None:
    for name in ("terraform", "glue_jobs"):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    terraform = BareTerraform.of(load_settings(), tmp_path / "terraform")
    terraform.must("init", "-backend=false", "-input=false")
    assert ", 0 failed" in terraform.must("test", "-no-color")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_stack_is_deployed_anew_after_its_engine_was_restarted_then_changed_then_destroyed_with_its_data(
    empty: Stack, first_deployment: Deployed
) -> None:
    first = empty.deploy()
    role = permissions.role(empty.client("iam"), "millpond-dev-deploy")
    empty.engine.stop()
    empty.engine.start()

    with calls_of_builds(empty) as calls:
        again = empty.deploy()
        change_a_job_a_function_and_a_name(empty.checkout)
        planned = empty.plan().changes
        changed = empty.deploy()
    assert again.changes == first.changes
    # AWS gives the names of these, anew each time.
    given = {"network", "data_key_arn"}
    assert again.outputs.keys() == first.outputs.keys() > given
    assert all(again.outputs[name] == first.outputs[name] for name in first.outputs.keys() - given)
    # The connection is made anew under its name; two jobs, an object, the function and policies change.
    assert changed.changes == planned
    assert (planned.add, planned.remove) == (1, 1)
    assert 4 <= planned.change <= 8
    connections = empty.aws.glue.get_connections()["ConnectionList"]
    assert [one["Name"] for one in connections] == ["millpond-dev-premises"]
    assert empty.aws.glue.get_job(JobName="millpond-dev-ingest-shell")["Job"]["Timeout"] == 7

    for bucket in again.outputs["buckets"].values():
        empty.aws.s3.put_object(Bucket=bucket, Key="lab/one/part-0.parquet", Body=b"x")
    empty.aws.secretsmanager.put_secret_value(SecretId=again.outputs["secret_name"], SecretString="{}")
    with calls_of_builds(empty) as last_calls:
        removed = empty.destroy()
    assert removed.remove == first.changes.add
    assert [one["CidrBlock"] for one in empty.client("ec2").describe_vpcs()["Vpcs"]] == ["172.31.0.0/16"]
    assert empty.aws.s3.list_buckets()["Buckets"] == []
    assert empty.aws.dynamodb.list_tables()["TableNames"] == []
    assert empty.aws.glue.get_databases()["DatabaseList"] == []
    assert empty.aws.secretsmanager.list_secrets()["SecretList"] == []
    assert empty.deployer().stack.status is None

    needed = first_deployment.needed | calls | last_calls
    assert len(needed) > 80
    assert {one.effect for one in role.statements} == {"Allow"}
    allowed = {action.lower() for _, action in role.granted()}
    assert {one for one in needed if not any(permissions.matches(a, one.lower()) for a in allowed)} == set()


def test_settings_that_cannot_work_are_refused_before_anything_is_made(empty: Stack) -> None:
    wrong = {
        "one": {"engine": "flink"},
        "two": {"load_mode": "append", "key_columns": []},
        "three": {"table_id": "lab.four"},
    }
    write_fixtures(empty.fixtures, list(wrong), **wrong)
    (empty.fixtures / "job_settings/lab.four.json").rename(empty.fixtures / "job_settings/lab.three.json")

    with pytest.raises(MillpondError) as raised:
        empty.deploy()

    text = " ".join(str(raised.value).split())
    assert "terraform/settings.tf:" in raised.value.where
    assert "job_settings/lab.one.json: engine is not one of auto, shell, spark." in text
    needs = "load_mode append needs"
    assert f"job_settings/lab.two.json: {needs} key_columns; {needs} watermark_column." in text
    assert "job_settings/lab.three.json is about the table lab.four" in text
    assert [one["Name"] for one in empty.aws.s3.list_buckets()["Buckets"]] == [empty.state_bucket]


@contextmanager
def calls_of_builds(stack: Stack) -> Iterator[set[str]]:
    """The permissions, by name, of what the role of the build asks the engine meanwhile."""
    needed: set[str] = set()
    caller = f"arn:aws:sts::{stack.settings.account_id}:assumed-role/millpond-dev-deploy/*"
    with permissions.recorded(stack.settings.endpoint_url, {"build": {"caller": caller}}) as calls:
        yield needed
    needed |= {action for call in calls["build"] if (action := permissions.action_of(call))}


def leave_out_what_is_waited_for(checkout: Path) -> None:
    """The provider looks at a lifecycle for a minute before it believes it; one deployment waits for that."""
    storage = checkout / "terraform/storage.tf"
    block = r'^resource "aws_s3_bucket_lifecycle_configuration" "this" {\n.*?^}\n'
    text, count = re.subn(block, "", storage.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert count == 1
    storage.write_text(text)


def change_a_job_a_function_and_a_name(checkout: Path) -> None:
    jobs = checkout / "terraform/glue_jobs.tf"
    jobs.write_text(re.sub(r"(timeout +)= var.job_timeout_minutes", r"\1= 7", jobs.read_text()))
    handler = checkout / "lambdas/plan/handler.py"
    handler.write_text(handler.read_text() + "\n# changed\n")
    catalog = checkout / "terraform/catalog.tf"
    catalog.write_text(catalog.read_text().replace("${local.prefix}-onprem", "${local.prefix}-premises"))
