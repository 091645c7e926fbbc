"""``AWS::CloudFormation::Stack``: a stack of a stack, made, changed and deleted with it.

Source: "Embed stacks within other stacks using nested stacks" in the CloudFormation User Guide, and the type
in the Template Reference. A change of the parent reaches each child, whose template may be another under the
same address.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from localstack.aws.connect import connect_to
from localstack.services.cloudformation import api_utils
from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceRequest,
)
from localstack.services.cloudformation.stores import get_cloudformation_store

from millpond.localstack_ext.cloudformation.generic import PHYSICAL_ID, made_up_name

Properties = dict[str, Any]
KIND = "AWS::CloudFormation::Stack"
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Former:
    """What a nested stack was.

    Parameters
    ----------
    stack_id : str
        Its ARN.
    template : str
        Its template.
    parameters : dict of str to str
        What its parameters were given.
    """

    stack_id: str
    template: str
    parameters: dict[str, str]


def former(parent: Any, name: str) -> Former:
    """What the nested stack of a logical id is at this moment."""
    child = _child(parent, name)
    parameters = {
        key: str(parameter["given_value"])
        for key, parameter in child.resolved_parameters.items()
        if parameter.get("given_value") is not None
    }
    return Former(child.stack_id, child.template_body or "", parameters)


def has_changed(parent: Any, name: str) -> bool:
    """Whether the template of a nested stack, or of one inside of it, is another under the same address."""
    properties = parent.resolved_resources[name]["Properties"]
    child = _child(parent, name)
    if api_utils.extract_template_body({"TemplateURL": properties["TemplateURL"]}) != child.template_body:
        return True
    return has_changed_child(child)


def has_changed_child(stack: Any) -> bool:
    """Whether the template of any nested stack of a stack is another."""
    return any(
        has_changed(stack, name)
        for name, resource in stack.resolved_resources.items()
        if resource.get("Type") == KIND
    )


def restore(parent: Any, was: Former) -> str:
    """Make a nested stack what it was; why that did not go well, or nothing."""
    clients = connect_to(aws_access_key_id=parent.account_id, region_name=parent.region_name)
    child = get_cloudformation_store(parent.account_id, parent.region_name).stacks_v2[was.stack_id]
    try:
        clients.cloudformation.update_stack(
            StackName=was.stack_id,
            TemplateBody=was.template,
            Parameters=_parameters(was.parameters),
            Capabilities=_CAPABILITIES,  # type: ignore[arg-type]
        )
    except ClientError as error:
        return "" if _is_unchanged(error) else str(error)
    status = _ended(child)
    return "" if status == "UPDATE_COMPLETE" else f"Embedded stack {was.stack_id} is {status}"


class NestedStackProvider(ResourceProvider[Properties]):
    """Makes a stack with the parent's rules for failures; ``Ref`` is its ARN."""

    TYPE = KIND
    SCHEMA: Properties = {  # noqa: RUF012 (LocalStack's base declares it so)
        "typeName": KIND,
        "primaryIdentifier": [f"/properties/{PHYSICAL_ID}"],
        "readOnlyProperties": ["/properties/Outputs", f"/properties/{PHYSICAL_ID}"],
        "createOnlyProperties": [],
        "properties": {
            name: {} for name in ("TemplateURL", "Parameters", "Tags", "TimeoutInMinutes", "NotificationARNs")
        },
    }

    def create(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        model = dict(request.desired_state)
        if unknown := sorted(set(model) - {"TemplateURL", "Parameters", "Tags"}):
            message = f"{self.TYPE} is made here without {', '.join(unknown)}: leave it out"
            return ProgressEvent(OperationStatus.FAILED, model, message=message)
        parent = _stack(request, request.stack_id)
        policy = getattr(parent, "on_failure", "ROLLBACK")
        made = request.aws_client_factory.cloudformation.create_stack(
            StackName=made_up_name(request.stack_name, request.logical_resource_id),
            **_arguments(model),
            OnFailure="DO_NOTHING" if policy == "DO_NOTHING" else "ROLLBACK",
        )
        model[PHYSICAL_ID] = made["StackId"]
        child = _stack(request, made["StackId"])
        child.parent_id = parent.stack_id
        child.root_id = getattr(parent, "root_id", None) or parent.stack_id
        status = _ended(child)
        if status != "CREATE_COMPLETE":
            return ProgressEvent(OperationStatus.FAILED, model, message=_words(child, "created"))
        return ProgressEvent(OperationStatus.SUCCESS, {**model, "Outputs": _outputs(child)})

    def update(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        old, model = dict(request.previous_state or {}), dict(request.desired_state)
        model[PHYSICAL_ID] = old[PHYSICAL_ID]
        child = _stack(request, old[PHYSICAL_ID])
        try:
            request.aws_client_factory.cloudformation.update_stack(
                StackName=child.stack_id, **_arguments(model)
            )
        except ClientError as error:
            if not _is_unchanged(error):
                return ProgressEvent(OperationStatus.FAILED, old, message=str(error))
        else:
            if _ended(child) != "UPDATE_COMPLETE":
                return ProgressEvent(OperationStatus.FAILED, old, message=_words(child, "updated"))
        return ProgressEvent(OperationStatus.SUCCESS, {**model, "Outputs": _outputs(child)})

    def delete(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        old = dict(request.previous_state or request.desired_state)
        child = _stack(request, old[PHYSICAL_ID])
        request.aws_client_factory.cloudformation.delete_stack(StackName=child.stack_id)
        if _ended(child) != "DELETE_COMPLETE":
            return ProgressEvent(OperationStatus.FAILED, old, message=_words(child, "deleted"))
        return ProgressEvent(OperationStatus.SUCCESS, {})


def _arguments(model: Properties) -> Properties:
    tags = {"Tags": model["Tags"]} if "Tags" in model else {}
    return {
        "TemplateURL": model["TemplateURL"],
        "Parameters": _parameters(model.get("Parameters") or {}),
        "Capabilities": _CAPABILITIES,
        **tags,
    }


def _parameters(values: dict[str, Any]) -> list[Any]:
    return [{"ParameterKey": key, "ParameterValue": _text(value)} for key, value in values.items()]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _ended(stack: Any) -> str:
    """The status of a stack once nothing goes on in it any more."""
    while str(stack.status).endswith("_IN_PROGRESS"):
        time.sleep(_POLL_SECONDS)
    return str(stack.status)


def _outputs(stack: Any) -> dict[str, Any]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.resolved_outputs}


def _words(stack: Any, done: str) -> str:
    said = stack.status_reason or ""
    return f"Embedded stack {stack.stack_id} was not successfully {done}: {said}".strip()


def _is_unchanged(error: ClientError) -> bool:
    return "No updates are to be performed" in error.response["Error"].get("Message", "")


def _stack(request: ResourceRequest[Properties], stack_id: str) -> Any:
    return get_cloudformation_store(request.account_id, request.region_name).stacks_v2[stack_id]


def _child(parent: Any, name: str) -> Any:
    store = get_cloudformation_store(parent.account_id, parent.region_name)
    return store.stacks_v2[parent.resolved_resources[name]["PhysicalResourceId"]]
