"""Stacks that tests deploy by change sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine_fixtures import RunningEngine, wait_for


class Stack:
    """One stack, deployed by change sets."""

    def __init__(self, engine: RunningEngine, name: str) -> None:
        self.client = engine.client("cloudformation")
        self.name = name
        self._s3 = engine.client("s3")

    def deploy(self, template: Mapping[str, Any], **parameters: str) -> str:
        """The status it ends with."""
        kind = "CREATE"
        if any(one["StackName"] == self.name for one in self.client.describe_stacks()["Stacks"]):
            kind = "UPDATE"
        made = self.client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"c{kind.lower()}",
            ChangeSetType=kind,
            TemplateURL=self._uploaded(template),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        described = wait_for("change set", lambda: self._settled(made["Id"]))
        assert described["Status"] == "CREATE_COMPLETE", described.get("StatusReason")
        self.client.execute_change_set(ChangeSetName=made["Id"])
        return str(wait_for("status", self._status, 120))

    def delete(self) -> str:
        stack = self.client.describe_stacks(StackName=self.name)["Stacks"][0]["StackId"]
        self.client.delete_stack(StackName=stack)
        return str(wait_for("deletion", lambda: self._status(stack), 120))

    def reasons(self) -> str:
        events = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)

    def failures(self) -> str:
        """What has failed in it, the latest first."""
        events = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
        return "\n".join(
            f"{one['LogicalResourceId']} {one['ResourceStatus']} {one.get('ResourceStatusReason', '')}"
            for one in events
            if "FAILED" in one["ResourceStatus"]
        )

    def resources(self) -> dict[str, str]:
        found = self.client.describe_stack_resources(StackName=self.name)["StackResources"]
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}

    def _uploaded(self, template: Mapping[str, Any]) -> str:
        bucket = "templates-of-tests"
        if bucket not in [one["Name"] for one in self._s3.list_buckets()["Buckets"]]:
            place = {"LocationConstraint": self._s3.meta.region_name}
            self._s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
        self._s3.put_object(Bucket=bucket, Key=self.name, Body=json.dumps(template).encode())
        return f"https://{bucket}.s3.amazonaws.com/{self.name}"

    def _settled(self, change_set: str) -> dict[str, Any] | None:
        found = self.client.describe_change_set(ChangeSetName=change_set)
        return None if found["Status"].endswith(("_IN_PROGRESS", "_PENDING")) else dict(found)

    def _status(self, name: str | None = None) -> str | None:
        status = self.client.describe_stacks(StackName=name or self.name)["Stacks"][0]["StackStatus"]
        return None if status.endswith(("_IN_PROGRESS",)) else str(status)
