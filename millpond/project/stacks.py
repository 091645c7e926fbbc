"""The stack of the build that deploys: proposed as a change set, shown, executed, deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError

from millpond.base.errors import MillpondError
from millpond.base.waiting import DeadlinePassed, scaled, wait_until

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import (
        DescribeChangeSetOutputTypeDef,
        ParameterTypeDef,
        StackTypeDef,
    )

TIMEOUT = 1800.0
CAPABILITIES: Sequence[Literal["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]] = (
    "CAPABILITY_NAMED_IAM",
    "CAPABILITY_AUTO_EXPAND",
)
# The state of Terraform is in it: another bucket would be empty.
KEEPS_STATE = "StateBucket"
# A stack in one of these was never made, and can only be deleted.
NEVER_MADE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")

OnEvent = Callable[[str], None]


@dataclass(frozen=True)
class StackChange:
    """One line of a change set.

    Parameters
    ----------
    action : str
        ``Add``, ``Modify``, ``Remove`` or ``Import``.
    logical_id, resource_type : str
        The resource in the template.
    replacement : str
        ``True`` or ``Conditional`` when it may be made anew; else ``False`` or empty.
    """

    action: str
    logical_id: str
    resource_type: str
    replacement: str = ""

    def __str__(self) -> str:
        again = " (replaced)" if self.replacement == "True" else ""
        return f"{self.action:<7}{self.logical_id} {self.resource_type}{again}"


@dataclass(frozen=True)
class ChangeSet:
    """What a change set would do to a stack; nothing, when it has no changes."""

    arn: str
    kind: Literal["CREATE", "UPDATE"]
    changes: tuple[StackChange, ...]


class BuildStack:
    """One stack by its name.

    Parameters
    ----------
    cloudformation : client
        Where it is.
    name : str
        Name of the stack.
    poll_seconds : float
        How often to ask how it goes.
    """

    def __init__(self, cloudformation: CloudFormationClient, name: str, poll_seconds: float) -> None:
        self._client = cloudformation
        self.name = name
        self._poll_seconds = poll_seconds

    @property
    def status(self) -> str | None:
        """``CREATE_COMPLETE`` and so on; None when there is no such stack."""
        stack = self._describe(self.name)
        return stack["StackStatus"] if stack else None

    @property
    def exists(self) -> bool:
        """Whether there is a stack that can be updated and built with."""
        return self.status not in (None, "REVIEW_IN_PROGRESS", *NEVER_MADE)

    @property
    def outputs(self) -> dict[str, str]:
        stack = self._describe(self.name)
        return (
            {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
            if stack
            else {}
        )

    @property
    def parameters(self) -> dict[str, str]:
        """Values that the stack has; those of parameters that are not shown are stars."""
        stack = self._describe(self.name)
        parameters = stack.get("Parameters", []) if stack else []
        return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in parameters}

    def propose(self, template: str, parameters: Mapping[str, str]) -> ChangeSet:
        """Make a change set, and wait until it can be shown.

        Parameters
        ----------
        template : str
            The template's text.
        parameters : mapping
            Values of parameters; those of a stack that are not named keep theirs.

        Raises
        ------
        MillpondError
            If the stack is in no state to be changed, or CloudFormation refuses the template or a value.
        """
        status = self.status
        self._refuse(status)
        kind: Literal["CREATE", "UPDATE"] = "CREATE" if status in (None, "REVIEW_IN_PROGRESS") else "UPDATE"
        values: list[ParameterTypeDef] = [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ]
        if kind == "UPDATE":
            kept = [name for name in self.parameters if name not in parameters]
            values += [{"ParameterKey": name, "UsePreviousValue": True} for name in kept]
        try:
            arn = self._client.create_change_set(
                StackName=self.name,
                ChangeSetName=f"millpond-{time.time_ns()}",
                ChangeSetType=kind,
                TemplateBody=template,
                Parameters=values,
                Capabilities=CAPABILITIES,
                Tags=[{"Key": "managed_by", "Value": "millpond"}],
                # The bucket of the state outlives its stack, and is taken over by the next one.
                ImportExistingResources=True,
            )["Id"]
        except ClientError as error:
            raise self._refusal(error) from error
        return self._wait_for_change_set(arn, kind)

    def discard(self, change_set: ChangeSet) -> None:
        """Remove a change set that nobody executes, and the empty stack that it was for."""
        self._client.delete_change_set(ChangeSetName=change_set.arn, StackName=self.name)
        if change_set.kind == "CREATE":
            self._client.delete_stack(StackName=self.name)

    def execute(self, change_set: ChangeSet, on_event: OnEvent | None = None) -> None:
        """Make the changes, and wait until they are made.

        Raises
        ------
        MillpondError
            If they could not be made; with CloudFormation's own reason.
        """
        before = self._latest_event()
        self._client.execute_change_set(ChangeSetName=change_set.arn, StackName=self.name)
        status = self._wait(self.name, on_event, before)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
            raise self._failure(status, before)

    def delete(self, on_event: OnEvent | None = None) -> None:
        """Delete the stack, and wait until it is gone; what it retains stays.

        Raises
        ------
        MillpondError
            If something of it could not be deleted.
        """
        stack = self._describe(self.name)
        if stack is None:
            return
        before = self._latest_event()
        self._client.delete_stack(StackName=self.name)
        status = self._wait(stack["StackId"], on_event, before)
        if status not in (None, "DELETE_COMPLETE"):
            raise self._failure(status, before)

    def _refuse(self, status: str | None) -> None:
        if status in NEVER_MADE:
            raise MillpondError(
                f"The stack is in {status}: it was never made, and can only be deleted.",
                where=f"stack {self.name}",
                next_step="millpond destroy, then millpond deploy",
                detail="\n".join(self._reasons(None)),
            )
        if status and status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            raise MillpondError(
                f"Something is changing the stack right now: it is in {status}.",
                where=f"stack {self.name}",
                next_step="wait until it is done, then millpond deploy",
            )
        if status and status.endswith("ROLLBACK_FAILED"):
            raise MillpondError(
                f"The stack is in {status}: a change failed, and could not be undone.",
                where=f"stack {self.name}",
                next_step=f"aws cloudformation continue-update-rollback --stack-name {self.name}",
                detail="\n".join(self._reasons(None)),
            )

    def _refusal(self, error: ClientError) -> MillpondError:
        return MillpondError(
            f"CloudFormation refuses the stack: {error.response['Error'].get('Message', error)}",
            where=f"stack {self.name}",
            next_step="correct the parameter or the template that it names, then millpond deploy",
        )

    def _wait_for_change_set(self, arn: str, kind: Literal["CREATE", "UPDATE"]) -> ChangeSet:
        def made() -> DescribeChangeSetOutputTypeDef | None:
            change_set = self._client.describe_change_set(ChangeSetName=arn, StackName=self.name)
            return None if change_set["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS") else change_set

        change_set = self._wait_until("change set", made)
        proposed = ChangeSet(arn, kind, tuple(self._changes(arn)))
        if change_set["Status"] == "CREATE_COMPLETE":
            return proposed
        reason = change_set.get("StatusReason", "")
        self.discard(proposed)
        if any(words in reason for words in NO_CHANGES):
            return ChangeSet(arn, kind, ())
        raise MillpondError(
            f"CloudFormation cannot make this stack: {reason}",
            where=f"stack {self.name}",
            next_step="correct the parameter or the template that it names, then millpond deploy",
        )

    def _changes(self, arn: str) -> list[StackChange]:
        changes = []
        for page in self._client.get_paginator("describe_change_set").paginate(
            ChangeSetName=arn, StackName=self.name
        ):
            for entry in page.get("Changes", []):
                change = entry.get("ResourceChange", {})
                changes.append(
                    StackChange(
                        change.get("Action", ""),
                        change.get("LogicalResourceId", ""),
                        change.get("ResourceType", ""),
                        change.get("Replacement", ""),
                    )
                )
        return changes

    def _wait(self, stack: str, on_event: OnEvent | None, since: datetime | None) -> str | None:
        shown = 0

        def at_rest() -> tuple[str | None] | None:
            nonlocal shown
            described = self._describe(stack)
            status = described["StackStatus"] if described else None
            if on_event and described:
                events = self._events(stack, since)
                for line in events[shown:]:
                    on_event(line)
                shown = len(events)
            return (status,) if status is None or not status.endswith("_IN_PROGRESS") else None

        return self._wait_until("end of the change", at_rest)[0]

    def _wait_until[T](self, what: str, probe: Callable[[], T | None]) -> T:
        try:
            return wait_until(what, probe, TIMEOUT, pause=self._poll_seconds)
        except DeadlinePassed:
            raise MillpondError(
                f"CloudFormation was not done in {scaled(TIMEOUT) / 60:.0f} minutes.",
                where=f"stack {self.name}",
                next_step=f"aws cloudformation describe-stack-events --stack-name {self.name}",
            ) from None

    def _failure(self, status: str | None, since: datetime | None) -> MillpondError:
        reasons = self._reasons(since)
        is_lost = status in NEVER_MADE
        again = "millpond destroy, then millpond deploy" if is_lost else "correct it, then millpond deploy"
        return MillpondError(
            f"The stack is in {status}: {reasons[0] if reasons else 'CloudFormation gives no reason'}",
            where=f"stack {self.name}",
            next_step=again,
            detail="\n".join(reasons[1:]),
        )

    def _latest_event(self) -> datetime | None:
        try:
            events = self._client.describe_stack_events(StackName=self.name)["StackEvents"]
        except ClientError:
            return None
        return max((event["Timestamp"] for event in events), default=None)

    def _events(self, stack: str, since: datetime | None) -> list[str]:
        events = self._client.describe_stack_events(StackName=stack)["StackEvents"]
        new = [event for event in events if since is None or event["Timestamp"] > since]
        new.sort(key=lambda event: event["Timestamp"])
        return [f"{event.get('ResourceStatus', '')} {event.get('LogicalResourceId', '')}" for event in new]

    def _reasons(self, since: datetime | None) -> list[str]:
        """Why resources failed, the first one first: the others often were only cancelled because of it."""
        stack = self._describe(self.name)
        if stack is None:
            return []
        events = self._client.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
        failed = [
            event
            for event in events
            if "FAILED" in event.get("ResourceStatus", "")
            and event.get("ResourceStatusReason")
            and (since is None or event["Timestamp"] > since)
        ]
        failed.sort(key=lambda event: event["Timestamp"])
        reasons = [
            f"{event.get('LogicalResourceId', '')}: {event.get('ResourceStatusReason', '')}"
            for event in failed
        ]
        return reasons or [stack.get("StackStatusReason", "")]

    def _describe(self, stack: str) -> StackTypeDef | None:
        try:
            stacks = self._client.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise
        return stacks[0] if stacks and stacks[0]["StackStatus"] != "DELETE_COMPLETE" else None
