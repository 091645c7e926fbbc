"""The Terraform of the platform, applied for real."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from deploy_fixtures import Stack, started_stack, write_fixtures

from millpond.config import CHECKOUT
from millpond.errors import MillpondError

SECRET = "millpond/dev/onprem-db"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with started_stack(tmp_path_factory.mktemp("deploy")) as stack:
        stack.deploy()
        yield stack


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Stack]:
    fixtures = write_fixtures(tmp_path / "fixtures", ["one"])
    with started_stack(tmp_path / "stack", fixtures) as stack:
        yield stack


def test_a_plan_right_after_an_apply_says_no_changes(deployed: Stack) -> None:
    result = deployed.plan()

    assert result.text.startswith("No changes.")
    assert result.changes.total == 0


def test_every_resource_has_the_name_that_the_contracts_give_it(deployed: Stack) -> None:
    aws, account = deployed.aws, deployed.settings.account_id

    assert {bucket["Name"] for bucket in aws.s3.list_buckets()["Buckets"]} == {
        f"millpond-dev-{purpose}-{account}-eu-west-1" for purpose in ("lake", "artifacts", "athena-results")
    }
    assert set(aws.dynamodb.list_tables()["TableNames"]) == {
        f"millpond-dev-{name}" for name in ("job_settings", "table_structures", "ingest_runs")
    }
    assert {database["Name"] for database in aws.glue.get_databases()["DatabaseList"]} == {"erp", "tpch"}
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
        expected = {
            content["table_id"]: content for content in (json.loads(path.read_text()) for path in files)
        }
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


def test_the_configuration_is_formatted_and_valid(deployed: Stack) -> None:
    work = deployed.settings.state / "terraform"
    environment = {"PATH": "/usr/bin:/bin", "TF_CLI_CONFIG_FILE": str(work / "terraform.rc")}
    for arguments in (["fmt", "-check", "-diff", "-recursive", str(CHECKOUT / "terraform")], ["validate"]):
        answer = subprocess.run(
            [deployed.tool.binary, *arguments], cwd=work, env=environment, capture_output=True, text=True
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_stack_is_deployed_anew_after_its_engine_was_restarted_and_destroyed_with_its_data(
    empty: Stack,
) -> None:
    first = empty.deploy()
    empty.engine.stop()
    empty.engine.start()

    again = empty.deploy()
    assert again.changes == first.changes
    assert again.outputs == first.outputs

    empty.aws.s3.put_object(Bucket=again.outputs["buckets"]["lake"], Key="lab/one/part-0.parquet", Body=b"x")
    empty.aws.secretsmanager.put_secret_value(SecretId=again.outputs["secret_name"], SecretString="{}")
    removed = empty.destroy()
    assert removed.remove == first.changes.add
    assert empty.aws.s3.list_buckets()["Buckets"] == []
    assert empty.aws.dynamodb.list_tables()["TableNames"] == []
    assert empty.aws.glue.get_databases()["DatabaseList"] == []
    assert empty.aws.secretsmanager.list_secrets()["SecretList"] == []


def test_settings_that_cannot_work_are_refused_before_anything_is_made(empty: Stack) -> None:
    wrong = {
        "one": {"engine": "flink"},
        "two": {"load_mode": "incremental"},
        "three": {"table_id": "lab.four"},
    }
    write_fixtures(empty.fixtures, list(wrong), **wrong)
    (empty.fixtures / "job_settings/lab.four.json").rename(empty.fixtures / "job_settings/lab.three.json")

    with pytest.raises(MillpondError) as raised:
        empty.deploy()

    text = " ".join(str(raised.value).split())
    assert "terraform/settings.tf:" in raised.value.where
    assert "job_settings/lab.one.json: engine is auto, shell or spark." in text
    assert "job_settings/lab.two.json: an incremental load needs a watermark_column." in text
    assert "job_settings/lab.three.json is about the table lab.four" in text
    assert empty.aws.s3.list_buckets()["Buckets"] == []
