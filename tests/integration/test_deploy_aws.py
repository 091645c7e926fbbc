"""The way to AWS, up to the last step: the endpoint is in the SDK's environment, and nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import aws_environment
from deploy_fixtures import Stack, small_checkout, started_stack

from millpond.project.repository import Mirror
from millpond.project.targets import Target, terraform_version

pytestmark = pytest.mark.long

MILLPOND = Path(sys.executable).with_name("millpond")


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    base = tmp_path_factory.mktemp("account")
    with started_stack(base, small_checkout(base / "checkout")) as stack:
        yield stack


@pytest.fixture(scope="module")
def parameters(account: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a company writes down of its account."""
    base = tmp_path_factory.mktemp("company")
    network = Target.local(account.settings).default_network()
    snapshot = Mirror(account.checkout, base / "repository.git").snapshot()
    content = {
        "VpcID": network["VpcID"],
        "PrivateSubnetIDs": network["PrivateSubnetIDs"].split(","),
        "ConfigRepoURL": snapshot.url,
        "GitBranch": snapshot.branch,
        "TerraformVersion": terraform_version(account.terraform),
        "TerraformVariables": {},
    }
    path = base / "parameters.json"
    path.write_text(json.dumps(content))
    return path


def millpond(account: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MILLPOND, *arguments, "--target", "aws"],
        env=aws_environment(account.settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_is_deployed_before_somebody_has_seen_it_and_said_yes(
    account: Stack, parameters: Path
) -> None:
    answer = millpond(account, "deploy", "--parameters", str(parameters))

    assert answer.returncode == 1
    assert (
        f"account {account.settings.account_id}, region eu-west-1, stack millpond-dev-seed" in answer.stderr
    )
    assert "Add    DeployProject AWS::CodeBuild::Project" in answer.stderr
    assert "--yes" in answer.stderr
    stacks = account.client("cloudformation").describe_stacks()["Stacks"]
    assert [one["StackStatus"] for one in stacks if one["StackStatus"] != "DELETE_COMPLETE"] == []


def test_a_first_deployment_names_what_it_needs(account: Stack) -> None:
    answer = millpond(account, "deploy", "--yes")
    assert answer.returncode == 1
    assert "VpcID, PrivateSubnetIDs" in answer.stderr
    assert "--parameters FILE" in answer.stderr


def test_the_same_stack_and_build_deploy_there_and_keep_their_parameters(
    account: Stack, parameters: Path
) -> None:
    first = millpond(account, "deploy", "--yes", "--parameters", str(parameters))
    assert first.returncode == 0, first.stderr
    assert "Apply complete! Resources: 1 added" in first.stderr
    assert "hello millpond dev" in first.stdout

    again = millpond(account, "deploy", "--yes")
    assert again.returncode == 0, again.stderr
    assert "stack of the build: no change" in again.stderr
    assert "No changes" in millpond(account, "plan").stdout

    gone = millpond(account, "destroy", "--yes")
    assert gone.returncode == 0, gone.stderr
    buckets = [one["Name"] for one in account.aws.s3.list_buckets()["Buckets"]]
    assert buckets == [f"millpond-dev-tfstate-{account.settings.account_id}-eu-west-1"]
    # The bucket of the state is retained, and taken over.
    for taken in (("deploy", "--yes", "--parameters", str(parameters)), ("destroy", "--yes")):
        answer = millpond(account, *taken)
        assert answer.returncode == 0, answer.stderr


def test_without_a_region_or_credentials_it_says_what_to_type(account: Stack) -> None:
    bare = {"PATH": os.environ["PATH"], "HOME": str(account.checkout), "AWS_EC2_METADATA_DISABLED": "true"}
    for extra, expected in (({}, "AWS_REGION"), ({"AWS_REGION": "eu-west-1"}, "aws sso login")):
        answer = subprocess.run(
            [MILLPOND, "deploy", "--target", "aws"],
            env=bare | extra,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 1
        assert expected in answer.stderr
        assert "Traceback" not in answer.stderr
