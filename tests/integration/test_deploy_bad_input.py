"""What goes wrong with a deployment is said in words, with the next command, and the state stays whole."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deploy_fixtures import SMALL_CONFIGURATION, TEMPLATE, Lines, Stack, small_checkout, started_stack
from engine_fixtures import wait_for

from millpond.base.errors import MillpondError
from millpond.project import deployment as deploy
from millpond.project.deployment import Deployer
from millpond.project.targets import Target

pytestmark = pytest.mark.long

LOCK_ID = "0f0e0d0c-0b0a-0908-0706-050403020100"
SECOND = 'resource "terraform_data" "second" { input = "second greeting" }\n'
# What the condition is about is known only when the second has been made.
CANNOT_BE_MADE = """
resource "terraform_data" "broken" {
  lifecycle {
    precondition {
      condition     = terraform_data.second.id == "never"
      error_message = "It is not to be."
    }
  }
}
"""
SLOW = """
resource "terraform_data" "slow" {
  depends_on = [terraform_data.greeting]
  provisioner "local-exec" { command = "sleep 300" }
}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A small configuration, deployed."""
    base = tmp_path_factory.mktemp("bad-input")
    with started_stack(base, small_checkout(base / "checkout")) as stack:
        stack.deploy()
        yield stack


@pytest.fixture
def configuration(stack: Stack) -> Iterator[Path]:
    """The configuration, for one test to change; deployed as it was afterwards."""
    path = stack.checkout / "terraform/main.tf"
    yield path
    path.write_text(SMALL_CONFIGURATION)
    stack.deploy()


def refusal(stack: Stack, **options: Any) -> MillpondError:
    with pytest.raises(MillpondError) as raised:
        stack.deployer(**options).deploy()
    assert raised.value.next_step
    assert len(raised.value.what) < 300
    return raised.value


def with_parameters(stack: Stack, **parameters: str) -> Deployer:
    made = stack.deployer()
    return Deployer(
        Target.local(stack.settings), {**made._parameters, **parameters}, stack.checkout / TEMPLATE
    )


def test_outputs_are_those_of_terraform_without_its_secrets(stack: Stack) -> None:
    assert stack.deploy().outputs == {"greeting": "hello millpond dev"}
    assert "hello millpond dev" in stack.terraform_state
    assert stack.aws.dynamodb.scan(TableName="tf-state-lock-bootstrap")["Items"][0]["LockID"]["S"].endswith(
        "-md5"
    )


def test_a_branch_that_is_not_there_is_named_and_whoever_listens_is_told(stack: Stack) -> None:
    topic = stack.deployer().stack.outputs["FailureTopicARN"]
    listener = f"arn:aws:sqs:eu-west-1:{stack.settings.account_id}:listener"
    admitting = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": listener,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [admitting]})
    made = stack.client("sqs").create_queue(QueueName="listener", Attributes={"Policy": policy})
    queue = made["QueueUrl"]
    stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=listener)
    error = refusal(stack, branch="nope")

    assert error.what == "The repository has no branch nope."
    assert "--branch" in error.next_step

    def message() -> Any:
        return stack.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages")

    event = json.loads(json.loads(wait_for("message", message)[0]["Body"])["Message"])
    assert event["detail"]["build-status"] == "FAILED"
    assert event["detail"]["project-name"] == "millpond-dev-deploy"


@pytest.mark.parametrize("url", ["file:///there/is/nothing", "ssh://git@127.0.0.1:1/lake.git"])
def test_a_repository_that_cannot_be_read_is_said_to_be_so(stack: Stack, url: str) -> None:
    with pytest.raises(MillpondError, match="cannot read the repository") as raised:
        with_parameters(stack, ConfigRepoURL=url).deploy()
    assert "ConfigRepoURL" in raised.value.next_step


def test_a_key_that_is_none_is_refused_and_never_shown(stack: Stack, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("-----BEGIN NOTHING-----\nsesame\n-----END NOTHING-----\n")
    error = refusal(stack, git_key=key)
    assert error.what == "GitSSHPrivateKey is not a private SSH key without a passphrase."
    assert "--git-key" in error.next_step
    group = "/aws/codebuild/millpond-dev-deploy"
    pages = stack.aws.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    assert not [event for page in pages for event in page["events"] if "sesame" in event["message"]]
    assert "sesame" not in str(stack.client("cloudformation").describe_stacks())


def test_a_syntax_error_is_shown_with_its_place(stack: Stack, configuration: Path) -> None:
    configuration.write_text(SMALL_CONFIGURATION + "\nresource {\n")
    error = refusal(stack)
    assert error.what.startswith("Terraform: ")
    assert error.where.startswith("terraform/main.tf:")


def test_after_an_apply_that_fails_half_way_the_next_one_goes_on(stack: Stack, configuration: Path) -> None:
    configuration.write_text(SMALL_CONFIGURATION + SECOND + CANNOT_BE_MADE)
    error = refusal(stack)
    assert error.what == "Terraform: Resource precondition failed"
    assert error.where.startswith("terraform/main.tf:")

    configuration.write_text(SMALL_CONFIGURATION + SECOND)
    # What was made by then is known.
    assert stack.plan().changes.total == 0
    assert "second greeting" in stack.terraform_state


def test_a_lock_that_was_left_behind_is_named_with_the_command_that_removes_it(stack: Stack) -> None:
    key = "terraform/terraform.tfstate"
    info = {
        "ID": LOCK_ID,
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": "somebody",
        "Version": "1.11.4",
        "Created": "2026-01-01T00:00:00Z",
        "Path": f"{stack.state_bucket}/{key}",
    }
    stack.aws.s3.put_object(Bucket=stack.state_bucket, Key=f"{key}.tflock", Body=json.dumps(info).encode())
    stack.aws.dynamodb.put_item(
        TableName="tf-state-lock-bootstrap",
        Item={"LockID": {"S": f"{stack.state_bucket}/{key}"}, "Info": {"S": json.dumps(info)}},
    )
    error = refusal(stack)
    assert f"millpond deploy --unlock terraform={LOCK_ID}" in error.next_step

    assert stack.deployer().deploy(unlock=f"terraform={LOCK_ID}").changes.total == 0


def test_a_build_that_is_stopped_half_way_leaves_a_state_that_the_next_one_goes_on_with(
    stack: Stack, configuration: Path
) -> None:
    configuration.write_text(SMALL_CONFIGURATION.replace('"hello ', '"hello again ') + SLOW)
    heard, errors = Lines(), []

    def deploy_it() -> None:
        try:
            stack.deployer(watcher=heard.watcher).deploy()
        except MillpondError as error:
            errors.append(error)

    thread = threading.Thread(target=deploy_it)
    thread.start()
    wait_for("slow resource", lambda: any("local-exec" in one for one in heard.lines))
    codebuild = stack.client("codebuild")
    codebuild.stop_build(id=codebuild.list_builds()["ids"][0])
    thread.join(120)

    assert [error.what.startswith("The build was stopped.") for error in errors] == [True]
    assert "millpond deploy" in errors[0].next_step
    assert "hello again millpond dev" in stack.terraform_state


def test_a_stack_that_was_never_made_can_only_be_deleted_and_is(tmp_path: Path, stack: Stack) -> None:
    taken = "/deployment/millpond/int/git_branch"
    stack.aws.ssm.put_parameter(Name=taken, Value="mine", Type="String")
    deployer = with_parameters(stack, Environment="int", CreateStateLockTable="false")
    with pytest.raises(MillpondError, match="BranchParameter"):
        deployer.deploy()
    with pytest.raises(MillpondError, match="ROLLBACK_COMPLETE") as raised:
        deployer.deploy()
    assert raised.value.next_step == "millpond destroy, then millpond deploy"

    stack.aws.ssm.delete_parameter(Name=taken)
    deployer.destroy()
    assert deployer.deploy().outputs == {"greeting": "hello millpond int"}
    assert deployer.destroy().remove == 1


def test_a_change_that_would_lose_the_state_is_refused(stack: Stack) -> None:
    template = stack.checkout / "CFN/seed.yaml"
    text = template.read_text()
    template.write_text(text.replace("${Environment}-tfstate-", "${Environment}-elsewhere-"))
    try:
        error = refusal(stack)
    finally:
        template.write_text(text)
    assert "replace the bucket of Terraform's state" in error.what
    assert stack.deploy().changes.total == 0


def test_a_value_that_the_template_does_not_take_is_refused_with_its_name(stack: Stack) -> None:
    with pytest.raises(MillpondError, match="TerraformVersion"):
        with_parameters(stack, TerraformVersion="newest").deploy()
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    with pytest.raises(MillpondError, match="works without AdministratorAccess"):
        with_parameters(stack, IAMCodeBuildPoliciesARNs=administrator).deploy()
    assert stack.deploy().stack_changes == ()


def test_a_plan_for_production_waits_until_somebody_approves_it(stack: Stack) -> None:
    parameters = stack.deployer()._parameters | {"Environment": "prod", "CreateStateLockTable": "false"}
    target = Target.local(stack.settings)
    heard = Lines(answer=False)
    proposed = Deployer(target, parameters, stack.checkout / TEMPLATE, watcher=heard.watcher)
    with pytest.raises(MillpondError, match="Not approved"):
        proposed.deploy()
    assert any("Plan: 1 to add" in line for line in heard.asked[0].lines)
    made = stack.aws.s3.list_objects_v2(Bucket=proposed.stack.outputs["StateBucket"])
    assert "terraform/terraform.tfstate" not in [one["Key"] for one in made.get("Contents", [])]

    heard.answer = True
    approved = Deployer(target, parameters, stack.checkout / TEMPLATE, watcher=heard.watcher)
    deployment = approved.deploy()
    assert (deployment.changes.add, deployment.outputs) == (1, {"greeting": "hello millpond prod"})
    assert approved.destroy().remove == 1


def test_a_stack_is_deployed_anew_after_its_engine_lost_everything(stack: Stack) -> None:
    stack.engine.stop()
    stack.engine.start()
    assert stack.client("s3").list_buckets()["Buckets"] == []
    again = stack.deploy()
    assert (again.changes.add, again.outputs) == (1, {"greeting": "hello millpond dev"})


def test_an_engine_that_does_not_run_says_to_start_it(stack: Stack, tmp_path: Path) -> None:
    stopped = stack.settings.model_copy(update={"gateway_port": 1})
    with pytest.raises(MillpondError) as raised:
        deploy.local(stopped, stack.terraform, checkout=stack.checkout)
    assert raised.value.next_step == "millpond up"
