"""What must hold of CFN/seed.yaml without deploying it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import lint
from cfnlint.decode import cfn_yaml

from millpond.base.config import CHECKOUT, Settings
from millpond.base.errors import MillpondError
from millpond.localstack_ext.cloudformation.list_parameters import typed
from millpond.localstack_ext.cloudformation.parameters import ParameterProblem, check
from millpond.planes.codebuild import buildspec
from millpond.project.targets import NEEDED_ON_AWS, aws_parameters

PATH = CHECKOUT / "CFN/seed.yaml"
TEXT = PATH.read_text()
TEMPLATE: dict[str, Any] = json.loads(json.dumps(cfn_yaml.load(str(PATH))))
RESOURCES = TEMPLATE["Resources"]
POLICIES = {name: one for name, one in RESOURCES.items() if one["Type"] == "AWS::IAM::ManagedPolicy"}
BRIEF = {
    "ProjectName",
    "Environment",
    "VpcID",
    "PrivateSubnetIDs",
    "IAMCodeBuildPoliciesARNs",
    "ConfigRepoURL",
    "GitSSHPrivateKey",
    "GitBranch",
    "DeploymentDirPath",
    "TerraformVersion",
}


def test_the_linter_has_nothing_to_say() -> None:
    assert lint(TEXT) == []


def test_it_is_small_enough_to_be_sent_with_a_request() -> None:
    assert len(TEXT.encode()) <= 51_200


def test_every_parameter_is_described_and_grouped_and_the_briefs_are_there() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(TEMPLATE["Parameters"])
    assert set(TEMPLATE["Parameters"]) >= BRIEF
    assert all(len(one["Description"]) > 10 for one in TEMPLATE["Parameters"].values())
    assert TEMPLATE["Parameters"]["GitSSHPrivateKey"]["NoEcho"] is True


@pytest.mark.parametrize(
    "word", ["localstack", "emulator", "127.0.0.1", "4566", "endpoint_url", "IsLocal", "moto"]
)
def test_it_does_not_know_where_it_runs(word: str) -> None:
    assert word.lower() not in TEXT.lower()


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_fits_and_names_its_resources(name: str) -> None:
    document = POLICIES[name]["Properties"]["PolicyDocument"]
    # The quota of a managed policy; the substituted values are about as long as what stands for them.
    assert len(re.sub(r"\s", "", json.dumps(document))) < 6_144
    if name == "Boundary":
        return
    wild = {one["Sid"] for one in document["Statement"] if one["Resource"] == "*"}
    # AWS has no resource for these; a key is made with the tags of the environment.
    assert wild <= {
        "PlaceBuildIntoTheVpc",
        "CheckStateMachines",
        "LookAtTheNetwork",
        "LetFlowLogsBeDelivered",
        "MakeKeys",
    }
    assert not [a for one in document["Statement"] for a in one["Action"] if a.endswith(":*")]


def test_the_build_cannot_make_a_role_that_may_more_than_itself() -> None:
    statements = {
        one["Sid"]: one for one in POLICIES["RolesPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    }
    made = statements["MakeRolesWithinTheBoundary"]
    assert made["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": {"Ref": "Boundary"}}}
    elsewhere = {a for sid, one in statements.items() if one is not made for a in one["Action"]}
    assert not {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"} & elsewhere
    assert RESOURCES["BuildRole"]["Properties"]["PermissionsBoundary"] == {"Ref": "Boundary"}


def test_the_build_touches_only_the_network_and_the_keys_with_the_tags_of_its_environment() -> None:
    network = POLICIES["NetworkPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    unnamed = POLICIES["UnnamedResourcesPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    statements = {one["Sid"]: one for one in [*network, *unnamed]}
    tags = {"project": {"Ref": "ProjectName"}, "environment": {"Ref": "Environment"}}
    for sid, key in (
        ("MakeNetwork", "Request"),
        ("MakeKeys", "Request"),
        ("ManageNetwork", "Resource"),
        ("Keys", "Resource"),
    ):
        expected = {f"aws:{key}Tag/{name}": value for name, value in tags.items()}
        assert statements[sid]["Condition"] == {"StringEquals": expected}, sid
    # What has no tags can be emptied, and given nothing.
    assert statements["EmptyTheDefaults"]["Action"] == [
        "ec2:ReplaceNetworkAclAssociation",
        "ec2:RevokeSecurityGroup*",
    ]


def test_eventbridge_reaches_the_topic_and_its_key_without_a_condition_since_it_fulfils_none() -> None:
    key = RESOURCES["DeploymentKey"]["Properties"]["KeyPolicy"]
    topic = RESOURCES["FailureTopicPolicy"]["Properties"]["PolicyDocument"]
    events = [
        one
        for document in (key, topic)
        for one in document["Statement"]
        if one["Principal"] == {"Service": "events.amazonaws.com"}
    ]
    assert [one["Action"] for one in events] == [["kms:Decrypt", "kms:GenerateDataKey*"], "sns:Publish"]
    assert [one for one in events if "Condition" in one] == []


def test_every_role_of_the_platform_has_the_boundary() -> None:
    text = "\n".join(path.read_text() for path in (CHECKOUT / "terraform").glob("*.tf"))
    roles = re.findall(r'^resource "aws_iam_role" "(\w+)" {\n(.*?)^}', text, re.MULTILINE | re.DOTALL)
    assert len(roles) >= 4
    assert [
        name for name, body in roles if "permissions_boundary = var.permissions_boundary" not in body
    ] == []


def test_the_state_outlives_the_stack_with_its_key() -> None:
    for name in ("StateBucket", "DeploymentKey"):
        assert (RESOURCES[name]["DeletionPolicy"], RESOURCES[name]["UpdateReplacePolicy"]) == (
            "Retain",
            "Retain",
        )
    bucket = RESOURCES["StateBucket"]["Properties"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert RESOURCES["StateLockTable"]["Properties"]["TableName"] == "tf-state-lock-bootstrap"


def test_the_buildspec_is_one_and_its_scripts_are_bash() -> None:
    text = RESOURCES["DeployProject"]["Properties"]["Source"]["BuildSpec"]
    spec = buildspec.parse(text)
    assert set(spec.phases) == {"install", "pre_build", "build", "post_build"}
    for phase in yaml.safe_load(text)["phases"].values():
        for command in phase["commands"] + phase.get("finally", []):
            checked = subprocess.run(
                ["bash", "-n"], input=command, capture_output=True, text=True, check=False
            )
            assert checked.returncode == 0, checked.stderr


def test_no_value_in_the_clear_would_be_hidden_in_the_log() -> None:
    """CodeBuild hides values from Parameter Store: "main" would be hidden wherever it stands."""
    variables = RESOURCES["DeployProject"]["Properties"]["Environment"]["EnvironmentVariables"]
    assert not [one for one in variables if one.get("Type") == "PARAMETER_STORE"]


@pytest.mark.parametrize(
    ("name", "value", "is_fine"),
    [
        ("ConfigRepoURL", "git@host.example:team/lake.git", True),
        ("ConfigRepoURL", "ssh://git@host.example/lake.git", True),
        ("ConfigRepoURL", "host.example/lake", False),
        ("Environment", "stage", False),
        ("TerraformVersion", "1.11", False),
        ("TerraformVariables", '{"a": 1}', True),
        ("TerraformVariables", "a = 1", False),
        ("BuildTimeoutMinutes", "4", False),
        ("ProjectName", "x" * 16, False),
    ],
)
def test_values_are_constrained(name: str, value: str, is_fine: bool) -> None:
    template = {"Parameters": {name: TEMPLATE["Parameters"][name]}}
    if is_fine:
        check(template, {name: value})
        return
    with pytest.raises(ParameterProblem, match=f"{name} failed to satisfy constraint"):
        check(template, {name: value})


def test_a_former_value_has_the_type_of_its_parameter() -> None:
    assert typed("a, b", "CommaDelimitedList") == ["a", "b"]
    assert typed("subnet-1", "List<AWS::EC2::Subnet::Id>") == ["subnet-1"]
    assert (typed("60", "Number"), typed("a,b", "String")) == (60, "a,b")


def test_an_account_is_described_by_a_file_and_the_checkout(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_text(
        '{"PrivateSubnetIDs": ["a", "b"], "TerraformVariables": {"is_protected": true}, "VpcID": "v"}'
    )

    def parameters(**more: Any) -> dict[str, str]:
        given = {"file": file, "branch": None, "git_key": None, "has_stack": False} | more
        return aws_parameters(Settings(), tmp_path, **given)

    with pytest.raises(MillpondError, match="needs ConfigRepoURL"):
        parameters()
    found = parameters(has_stack=True, branch="next")
    assert found["PrivateSubnetIDs"] == "a,b"
    assert json.loads(found["TerraformVariables"]) == {"is_protected": True}
    assert found["GitBranch"] == "next"
    assert set(NEEDED_ON_AWS) - set(found) == {"ConfigRepoURL"}
