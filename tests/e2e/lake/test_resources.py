"""What the deployment made, resource by resource."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from unittest.mock import ANY

import boto3
from checkouts import Checkout
from deploy_fixtures import Stack, copy_checkout
from ingest.settings_schema import DEFAULTS
from waiting import wait_until

from lake.package import SHELL_MODULES
from millpond.base.config import CHECKOUT
from millpond.toolchain.wheels import GLUE_SHELL, find_wheels

SECRET = "millpond/dev/onprem-db"


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
    deployed: Stack, demo: Checkout
) -> None:
    ssm, events = deployed.aws.ssm, deployed.client("events")
    parameter, rule = "/millpond/dev/ingest/schedule", "millpond-dev-ingest-schedule"

    def turn(schedule: str) -> None:
        ssm.put_parameter(Name=parameter, Value=schedule, Overwrite=True)
        wait_until("rule", lambda: events.describe_rule(Name=rule)["ScheduleExpression"] == schedule)

    before = events.describe_rule(Name=rule)
    turn("cron(30 4 * * ? *)")

    assert events.describe_rule(Name=rule) == {**before, "ScheduleExpression": "cron(30 4 * * ? *)"} | {
        "ResponseMetadata": ANY
    }
    assert "No changes" in demo.must("plan")
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
    locked = find_wheels(CHECKOUT / SHELL_MODULES, GLUE_SHELL)
    assert sorted(Path(file).name for file in wheels) == sorted(locked)
    assert len(wheels) > 30


def test_settings_and_structures_reach_dynamodb_as_the_files_say(deployed: Stack) -> None:
    dynamodb = boto3.resource(
        "dynamodb",
        endpoint_url=deployed.settings.endpoint_url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    for kind, defaults in (("job_settings", DEFAULTS), ("table_structures", {})):
        items = dynamodb.Table(f"millpond-dev-{kind}").scan()["Items"]
        found = {item["table_id"]: item for item in items}
        files = (CHECKOUT / "fixtures" / kind).glob("*.json")
        contents = (defaults | json.loads(path.read_text(), parse_float=Decimal) for path in files)
        expected = {content["table_id"]: content for content in contents}
        assert found == expected, kind


def test_terraform_never_sees_what_is_in_the_secret(deployed: Stack) -> None:
    secret = json.loads(deployed.aws.secretsmanager.get_secret_value(SecretId=SECRET)["SecretString"])
    state = deployed.terraform_state
    assert SECRET in state
    assert secret["password"] not in state
    assert "aws_secretsmanager_secret_version" not in state


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
