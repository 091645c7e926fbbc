"""Configurations of the platform, and what becomes of a deployment later."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import permissions
import pytest
from deploy_fixtures import Stack, copy_checkout, started_stack, write_fixtures
from terraform_fixtures import BareTerraform

from millpond.base.config import CHECKOUT, load_settings
from millpond.base.errors import MillpondError


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Stack]:
    checkout = copy_checkout(tmp_path / "checkout")
    write_fixtures(checkout / "fixtures", ["one"])
    leave_out_what_is_waited_for(checkout)
    with started_stack(tmp_path / "stack", checkout) as stack:
        yield stack


def test_the_configuration_is_formatted_and_valid(tmp_path: Path) -> None:
    for name in ("terraform", "glue_jobs"):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/manifest.json").write_text("{}")
    terraform = BareTerraform.of(load_settings(), tmp_path / "terraform")
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
@pytest.mark.timeout(900)
def test_a_stack_is_deployed_then_changed_then_destroyed_with_its_data(
    empty: Stack,
) -> None:
    first = empty.deploy()
    role = permissions.role(empty.client("iam"), "millpond-dev-deploy")
    change_a_job_a_function_and_a_name(empty.checkout)
    planned = empty.plan().changes
    changed = empty.deploy()
    # The connection is made anew under its name; two jobs, an object, the function and policies change.
    assert changed.changes == planned
    assert (planned.add, planned.remove) == (1, 1)
    assert 4 <= planned.change <= 8
    connections = empty.aws.glue.get_connections()["ConnectionList"]
    assert [one["Name"] for one in connections] == ["millpond-dev-premises"]
    assert empty.aws.glue.get_job(JobName="millpond-dev-ingest-shell")["Job"]["Timeout"] == 7

    for bucket in first.outputs["buckets"].values():
        empty.aws.s3.put_object(Bucket=bucket, Key="lab/one/part-0.parquet", Body=b"x")
    empty.aws.secretsmanager.put_secret_value(SecretId=first.outputs["secret_name"], SecretString="{}")
    removed = empty.destroy()
    assert removed.remove == first.changes.add
    assert [one["CidrBlock"] for one in empty.client("ec2").describe_vpcs()["Vpcs"]] == ["172.31.0.0/16"]
    assert empty.aws.s3.list_buckets()["Buckets"] == []
    assert empty.aws.dynamodb.list_tables()["TableNames"] == []
    assert empty.aws.glue.get_databases()["DatabaseList"] == []
    assert empty.aws.secretsmanager.list_secrets()["SecretList"] == []
    assert empty.deployer().stack.status is None

    judged = permissions.judged(empty.settings)
    assert len({one.action for one in judged if one.principal.endswith("/millpond-dev-deploy")}) > 80
    assert not any(one.is_denial for one in role.statements)
    assert list(permissions.denied(judged)) == []


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
