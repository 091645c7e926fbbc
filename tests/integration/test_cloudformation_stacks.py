"""What becomes of stacks: statuses, rollback, nested stacks, custom resources, drift; on one engine."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine, wait_for

# The second cannot be made: there is no such database.
FAILING = {
    "Resources": {
        "Made": {
            "Type": "AWS::Glue::Database",
            "Properties": {"CatalogId": "000000000000", "DatabaseInput": {"Name": "made"}},
        },
        "Fails": {
            "Type": "AWS::Glue::Table",
            "DependsOn": "Made",
            "Properties": {
                "CatalogId": "000000000000",
                "DatabaseName": "nowhere",
                "TableInput": {"Name": "t"},
            },
        },
    }
}
HANDLER = """
import json, urllib.request

def handler(event, context):
    given, former = event["ResourceProperties"], event.get("PhysicalResourceId")
    print(event["RequestType"], former, json.dumps(given))
    answer = {
        "Status": "FAILED" if given.get("Fail") == event["RequestType"] else "SUCCESS",
        "Reason": "as it was asked to",
        "PhysicalResourceId": given.get("Id", "one"),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {"Seen.Type": json.dumps([event["RequestType"], given.get("Flag"), former])},
    }
    body = json.dumps(answer).encode()
    request = urllib.request.Request(event["ResponseURL"], body, {"Content-Type": ""}, method="PUT")
    urllib.request.urlopen(request)
"""


class Stacks:
    """CloudFormation of the engine, each call waited for."""

    def __init__(self, engine: RunningEngine) -> None:
        self.engine = engine
        self.client = engine.client("cloudformation")

    def create(self, name: str, template: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        made = self.client.create_stack(StackName=name, TemplateBody=json.dumps(template), **more)
        return self.ended(made["StackId"])

    def update(self, name: str, template: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        body = {"UsePreviousTemplate": True} if template is None else {"TemplateBody": json.dumps(template)}
        return self.ended(self.client.update_stack(StackName=name, **body, **more)["StackId"])

    def delete(self, name: str) -> str:
        stack = self.client.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        self.client.delete_stack(StackName=stack)
        return str(self.ended(stack)["StackStatus"])

    def ended(self, stack: str) -> dict[str, Any]:
        def probe() -> dict[str, Any] | None:
            found = self.client.describe_stacks(StackName=stack)["Stacks"][0]
            return None if found["StackStatus"].endswith("_IN_PROGRESS") else dict(found)

        return dict(wait_for(stack, probe, 120))

    def statuses(self, name: str) -> dict[str, str]:
        found = self.client.describe_stack_resources(StackName=name)["StackResources"]
        return {one["LogicalResourceId"]: one["ResourceStatus"] for one in found}

    def databases(self) -> set[str]:
        return {one["Name"] for one in self.engine.client("glue").get_databases()["DatabaseList"]}


@pytest.fixture(scope="module")
def stacks(running_engine: RunningEngine) -> Stacks:
    return Stacks(running_engine)


def outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}


def test_failed_creation_is_rolled_back_and_a_waiter_calls_it_a_failure(stacks: Stacks) -> None:
    stack = stacks.create("back", FAILING)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stacks.databases() == set()
    events = stacks.client.describe_events(StackName="back", Filters={"FailedEvents": True})[
        "OperationEvents"
    ]
    assert [one["LogicalResourceId"] for one in events] == ["Fails"]
    assert stacks.delete("back") == "DELETE_COMPLETE"


def test_references_are_resolved_when_a_change_is_made_and_each_by_itself(
    running_engine: RunningEngine, stacks: Stacks
) -> None:
    ssm, secrets = running_engine.client("ssm"), running_engine.client("secretsmanager")
    ssm.put_parameter(Name="/referred/name", Value="lake", Type="String")
    secret = secrets.create_secret(Name="referred", SecretString=json.dumps({"user": "etl"}))["ARN"]
    user = f"resolve:secretsmanager:{secret}:SecretString:user"
    text = "{{resolve:ssm:/referred/name}} of {{" + user + "}}"
    database = {"CatalogId": "000000000000", "DatabaseInput": {"Name": "referred", "Description": text}}
    template: dict[str, Any] = {
        "Resources": {"Database": {"Type": "AWS::Glue::Database", "Properties": database}}
    }

    made = stacks.create("referred", template)
    assert (made["StackStatus"], made.get("StackStatusReason")) == ("CREATE_COMPLETE", None)
    glue = running_engine.client("glue")
    assert glue.get_database(Name="referred")["Database"]["Description"] == "lake of etl"

    # What a change set shows is the reference, and one that names nothing fails its resource alone.
    database["DatabaseInput"] = {"Name": "referred", "Description": "{{resolve:ssm:/referred/nothing}}"}
    changes = stacks.client.create_change_set(
        StackName="referred", ChangeSetName="next", TemplateBody=json.dumps(template)
    )
    stacks.client.get_waiter("change_set_create_complete").wait(
        ChangeSetName=changes["Id"], WaiterConfig={"Delay": 1}
    )
    shown = stacks.client.describe_change_set(ChangeSetName=changes["Id"], IncludePropertyValues=True)
    assert "etl" not in json.dumps(shown["Changes"])
    assert stacks.update("referred", template)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert glue.get_database(Name="referred")["Database"]["Description"] == "lake of etl"
    secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    assert stacks.delete("referred") == "DELETE_COMPLETE"


def test_what_waited_for_a_resource_that_fails_is_not_called_failed(stacks: Stacks) -> None:
    after = {"Type": "AWS::SNS::Topic", "DependsOn": "Fails", "Properties": {"TopicName": "after"}}
    stacks.create("waiting", {"Resources": {"After": after, **FAILING["Resources"]}})
    events = stacks.client.describe_stack_events(StackName="waiting")["StackEvents"]
    failed = {one["LogicalResourceId"]: one for one in events if one["ResourceStatus"] == "CREATE_FAILED"}
    assert set(failed) == {"Fails"}
    assert failed["Fails"]["ResourceStatusReason"]


def test_stack_that_fails_is_deleted_or_left_as_it_was_asked(stacks: Stacks) -> None:
    assert stacks.create("gone", FAILING, OnFailure="DELETE")["StackStatus"] == "DELETE_COMPLETE"
    assert stacks.databases() == set()
    left = stacks.create("left", FAILING, OnFailure="DO_NOTHING")
    assert left["StackStatus"] == "CREATE_FAILED"
    assert stacks.statuses("left") == {"Made": "CREATE_COMPLETE", "Fails": "CREATE_FAILED"}
    assert stacks.databases() == {"made"}
    assert stacks.delete("left") == "DELETE_COMPLETE"
    assert stacks.databases() == set()


def test_resource_whose_condition_becomes_false_is_removed(stacks: Stacks) -> None:
    database = {"CatalogId": "000000000000", "DatabaseInput": {"Name": "sometimes"}}
    template = {
        "Parameters": {"Is": {"Type": "String"}},
        "Conditions": {"Wanted": {"Fn::Equals": [{"Ref": "Is"}, "yes"]}},
        "Resources": {
            "Always": {"Type": "AWS::SNS::Topic"},
            "Sometimes": {"Type": "AWS::Glue::Database", "Condition": "Wanted", "Properties": database},
        },
    }

    def given(value: str) -> list[dict[str, str]]:
        return [{"ParameterKey": "Is", "ParameterValue": value}]

    stacks.create("some", template, Parameters=given("yes"))
    assert stacks.databases() == {"sometimes"}
    assert stacks.update("some", Parameters=given("no"))["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.databases() == set()
    assert stacks.update("some", Parameters=given("yes"), Tags=[{"Key": "a", "Value": "b"}])["Tags"]
    assert stacks.databases() == {"sometimes"}
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.update("some", Parameters=given("yes"))
    assert stacks.delete("some") == "DELETE_COMPLETE"


def test_update_reaches_nested_stacks_and_what_fails_is_undone_in_them(
    running_engine: RunningEngine, stacks: Stacks
) -> None:
    s3 = running_engine.client("s3")
    s3.create_bucket(Bucket="nest", CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})

    def put(name: str, value: str = "first") -> None:
        child = {
            "Resources": {
                "P": {
                    "Type": "AWS::SSM::Parameter",
                    "Properties": {"Name": "/n", "Type": "String", "Value": value},
                }
            },
            "Outputs": {"V": {"Value": {"Fn::GetAtt": ["P", "Value"]}}},
        }
        s3.put_object(Bucket="nest", Key=name, Body=json.dumps(child).encode())

    def parent(*, fails: bool = False) -> dict[str, Any]:
        nested = {"TemplateURL": "https://nest.s3.amazonaws.com/child.json"}
        resources: dict[str, Any] = {"C": {"Type": "AWS::CloudFormation::Stack", "Properties": nested}}
        if fails:
            resources["Fails"] = {**FAILING["Resources"]["Fails"], "DependsOn": "C"}
        return {"Resources": resources, "Outputs": {"V": {"Value": {"Fn::GetAtt": ["C", "Outputs.V"]}}}}

    put("child.json")
    assert outputs(stacks.create("parent", parent())) == {"V": "first"}
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.update("parent")
    put("child.json", "second")
    assert outputs(stacks.update("parent")) == {"V": "second"}
    put("child.json", "third")
    assert stacks.update("parent", parent(fails=True))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert running_engine.client("ssm").get_parameter(Name="/n")["Parameter"]["Value"] == "second"
    assert outputs(stacks.update("parent", parent())) == {"V": "third"}
    assert stacks.delete("parent") == "DELETE_COMPLETE"
    s3.put_object(Bucket="nest", Key="child.json", Body=json.dumps(FAILING).encode())
    assert stacks.create("parent", {"Resources": parent()["Resources"]})["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stacks.databases() == set()
    assert stacks.delete("parent") == "DELETE_COMPLETE"


def test_custom_resource_is_asked_and_answers(running_engine: RunningEngine, stacks: Stacks) -> None:
    token = running_engine.function("answers", HANDLER, Timeout=30)

    def template(**properties: Any) -> dict[str, Any]:
        resource = {
            "Type": "Custom::Thing",
            "Properties": {"ServiceToken": token, "ServiceTimeout": 60, **properties},
        }
        return {
            "Resources": {"Thing": resource},
            "Outputs": {
                "Ref": {"Value": {"Ref": "Thing"}},
                "Seen": {"Value": {"Fn::GetAtt": ["Thing", "Seen.Type"]}},
            },
        }

    def seen(stack: Mapping[str, Any]) -> list[Any]:
        assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        found = outputs(stack)
        return [found["Ref"], *json.loads(found["Seen"])]

    assert seen(stacks.create("custom", template(Flag=True))) == ["one", "Create", "true", None]
    assert seen(stacks.update("custom", template(Flag=False))) == ["one", "Update", "false", "one"]
    assert seen(stacks.update("custom", template(Id="two"))) == ["two", "Update", None, "one"]
    assert (
        stacks.update("custom", template(Id="two", Fail="Update"))["StackStatus"]
        == "UPDATE_ROLLBACK_COMPLETE"
    )
    assert stacks.delete("custom") == "DELETE_COMPLETE"
    failed = stacks.create("custom", template(Id="three", Fail="Create"))
    assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stacks.delete("custom") == "DELETE_COMPLETE"
    assert [one[:2] for one in asked(running_engine)] == [
        ["Create", "None"],
        ["Update", "one"],
        ["Update", "one"],
        ["Delete", "one"],
        ["Update", "two"],
        ["Update", "two"],
        ["Delete", "two"],
        ["Create", "None"],
        ["Delete", "three"],
    ]


def asked(engine: RunningEngine) -> list[list[str]]:
    """What the function of the custom resource was asked, in order."""
    logs = engine.client("logs")

    def lines() -> list[str] | None:
        events = logs.filter_log_events(logGroupName="/aws/lambda/answers")["events"]
        ordered = [one["message"] for one in sorted(events, key=lambda one: one["timestamp"])]
        found = [one for one in ordered if one.startswith(("Create", "Update", "Delete"))]
        return found if len(found) >= 9 else None

    return [one.split() for one in wait_for("log of the function", lines)]


def test_difference_from_the_template_is_found(running_engine: RunningEngine, stacks: Stacks) -> None:
    properties = {"Name": "drifting", "Description": "as it should be"}
    stacks.create("drift", {"Resources": {"Flow": {"Type": "AWS::Glue::Workflow", "Properties": properties}}})

    def found() -> tuple[str, list[Any]]:
        detection = stacks.client.detect_stack_drift(StackName="drift")["StackDriftDetectionId"]
        status = stacks.client.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        [drift] = stacks.client.describe_stack_resource_drifts(StackName="drift")["StackResourceDrifts"]
        differences = [(one["PropertyPath"], one["ActualValue"]) for one in drift["PropertyDifferences"]]
        return status["StackDriftStatus"], [drift["StackResourceDriftStatus"], *differences]

    assert found() == ("IN_SYNC", ["IN_SYNC"])
    glue = running_engine.client("glue")
    glue.update_workflow(Name="drifting", Description="by hand")
    assert found() == ("DRIFTED", ["MODIFIED", ("/Description", "by hand")])
    glue.delete_workflow(Name="drifting")
    assert found() == ("DRIFTED", ["DELETED"])
    assert stacks.delete("drift") == "DELETE_COMPLETE"


def test_template_of_aliases_is_refused_at_once(stacks: Stacks) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    started = time.monotonic()
    with pytest.raises(ClientError, match="YAML aliases are not allowed"):
        stacks.client.create_stack(StackName="bomb", TemplateBody="\n".join([*lines, "Resources: *a8"]))
    assert time.monotonic() - started < 2


def test_type_that_is_not_known_is_refused_before_there_is_a_stack(stacks: Stacks) -> None:
    template = {"Resources": {"Odd": {"Type": "AWS::Glue::Nothing"}}}
    with pytest.raises(ClientError, match="AWS::Glue::Nothing"):
        stacks.create("odd", template)
    with pytest.raises(ClientError, match="does not exist"):
        stacks.client.describe_stacks(StackName="odd")
