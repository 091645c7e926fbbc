"""How a stack changes: what fails is rolled back, and what cannot be deleted is said.

Source: "Understand CloudFormation stack creation events" and the stack status codes in the CloudFormation
User Guide. LocalStack leaves a half-made change as it is and forgets what the stack held.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from localstack.aws.api import RequestContext, handler
from localstack.aws.api.cloudformation import ChangeAction, ChangeSetType, StackStatus
from localstack.aws.connect import connect_to
from localstack.services.cloudformation import api_utils
from localstack.services.cloudformation.engine import template_preparer
from localstack.services.cloudformation.engine.v2.change_set_model import is_nothing
from localstack.services.cloudformation.engine.v2.change_set_model_executor import (
    ChangeSetModelExecutor,
    ChangeSetModelExecutorResult,
    TriggerRollback,
)
from localstack.services.cloudformation.engine.v2.change_set_model_preproc import PreprocProperties
from localstack.services.cloudformation.engine.validations import ValidationError
from localstack.services.cloudformation.resource_provider import OperationStatus
from localstack.services.cloudformation.stores import get_cloudformation_store
from localstack.services.cloudformation.v2 import provider as stack_provider
from localstack.services.cloudformation.v2.entities import Stack
from localstack.services.cloudformation.v2.provider import CloudformationProviderV2

from millpond.localstack_ext.cloudformation import parameters
from millpond.localstack_ext.cloudformation.resources import Properties, names
from millpond.localstack_ext.engine import patches

_REMOVED = "DELETE_FAILED"
# States of a stack that can only be deleted.
_BEYOND_UPDATE = (StackStatus.ROLLBACK_COMPLETE, StackStatus.ROLLBACK_FAILED, StackStatus.CREATE_FAILED)


class RollingBackExecutor(ChangeSetModelExecutor):
    """LocalStack's executor, which undoes what it has done when it cannot do the rest."""

    def execute(self) -> ChangeSetModelExecutorResult:
        stack = self._change_set.stack
        if stack.status == StackStatus.DELETE_IN_PROGRESS:
            return self._delete()
        try:
            self.process()
        except TriggerRollback as error:
            return self._roll_back(str(error.reason))
        except Exception as error:  # noqa: BLE001 - the stack has to end as it began, and says why
            return self._roll_back(str(error))
        if self._deferred_actions:
            stack.set_stack_status(StackStatus.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS)
            for deferred in reversed(self._deferred_actions):
                deferred.action()
        return ChangeSetModelExecutorResult(
            resources=self.resources, outputs=self.outputs, failure_message=None
        )

    def _execute_resource_change(self, name: str, before: Any, after: Any) -> None:
        """Replace a resource only if a property that cannot be changed has another value.

        LocalStack does so as soon as such a property refers to a resource that changes, and then deletes the
        former one, which is the same.
        """
        if getattr(after, "requires_replacement", False) and not is_nothing(before):
            provider: Any = self.resource_provider_executor.try_load_resource_provider(after.resource_type)
            fixed = names(provider.SCHEMA.get("createOnlyProperties"))
            had, wanted = before.properties.properties, after.properties.properties
            after.requires_replacement = any(had.get(one) != wanted.get(one) for one in fixed)
        super()._execute_resource_change(name=name, before=before, after=after)

    def _delete(self) -> ChangeSetModelExecutorResult:
        result = super().execute()
        kept = [name for name, one in result.resources.items() if one.get("ResourceStatus") == _REMOVED]
        if kept:
            raise RuntimeError(f"The following resources failed to delete: {', '.join(sorted(kept))}")
        return result

    def _roll_back(self, reason: str) -> ChangeSetModelExecutorResult:
        change_set, stack = self._change_set, self._change_set.stack
        is_update = change_set.change_set_type == ChangeSetType.UPDATE
        prefix = "UPDATE_ROLLBACK" if is_update else "ROLLBACK"
        stack.set_stack_status(StackStatus(f"{prefix}_IN_PROGRESS"), reason)
        before: dict[str, Any] = dict(stack.resolved_resources)
        problems = [
            name
            for name, resource in reversed(list(self.resources.items()))
            if not self._undo(name, resource, before.get(name) or {})
        ]
        stack.set_stack_status(StackStatus(f"{prefix}_{'FAILED' if problems else 'COMPLETE'}"), reason)
        if is_update:
            # What the provider copies to the stack next is what the stack was.
            change_set.resolved_parameters = stack.resolved_parameters
            change_set.template = stack.template
            change_set.processed_template = stack.processed_template
            change_set.template_body = stack.template_body or ""
        else:
            template: dict[str, Any] = change_set.processed_template or {}
            kept = {name: template["Resources"][name] for name in problems}
            change_set.processed_template = {**template, "Resources": kept, "Outputs": {}}
        left = before if is_update else {name: self.resources[name] for name in problems}
        return ChangeSetModelExecutorResult(resources=left, outputs=[], failure_message=reason)

    def _undo(self, name: str, resource: Any, before: Properties) -> bool:
        """Make one resource what it was, which is nothing if it is new; whether that went well."""
        status = str(resource.get("ResourceStatus", ""))
        if resource is before or status.startswith("DELETE") or status == "CREATE_FAILED":
            return True
        is_same = (
            status == "UPDATE_FAILED" or before.get("PhysicalResourceId") == resource["PhysicalResourceId"]
        )
        if before and is_same:
            action = ChangeAction.Modify
            former = resource["Properties"] or before["Properties"]
            wanted = PreprocProperties(self._settable(resource, before["Properties"]))
        else:
            action, former, wanted = ChangeAction.Remove, resource["Properties"], None
        event = self._execute_resource_action(
            action=action,
            logical_resource_id=name,
            resource_type=resource["Type"],
            before_properties=PreprocProperties(properties=former),
            after_properties=wanted,
        )
        self._process_event(
            action=action,
            logical_resource_id=name,
            event_status=event.status,
            resource_type=resource["Type"],
            reason=event.message or "",
        )
        return event.status is OperationStatus.SUCCESS

    def _settable(self, resource: Any, properties: Properties) -> Properties:
        """Properties without those that only the service sets."""
        provider: Any = self.resource_provider_executor.try_load_resource_provider(resource["Type"])
        read_only = names(provider.SCHEMA.get("readOnlyProperties"))
        return {name: value for name, value in properties.items() if name not in read_only}


class StackProvider(CloudformationProviderV2):
    """LocalStack's CloudFormation, which also checks what a stack is asked for."""

    @handler("CreateChangeSet", expand=False)
    def create_change_set(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        is_update = request.get("ChangeSetType", "UPDATE") == ChangeSetType.UPDATE
        _check(context, request, is_update=is_update)
        return super().create_change_set(context, request)

    @handler("CreateStack", expand=False)
    def create_stack(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        _check(context, request, is_update=False)
        return super().create_stack(context, request)

    @handler("UpdateStack", expand=False)
    def update_stack(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        _check(context, request, is_update=True)
        return super().update_stack(context, request)

    @handler("DeleteStack", expand=False)
    def delete_stack(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        stack = _find(context, request["StackName"])
        if stack is not None and stack.enable_termination_protection:
            raise _refused(
                f"Stack [{stack.stack_name}] cannot be deleted while TerminationProtection is enabled"
            )
        return super().delete_stack(context, request["StackName"])


def _check(context: RequestContext, request: Any, *, is_update: bool) -> None:
    stack = _find(context, request.get("StackName", ""))
    if is_update and stack is not None and stack.status in _BEYOND_UPDATE:
        raise _refused(f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")
    if request.get("UsePreviousTemplate") and stack is not None:
        template: Any = stack.template
    else:
        template = template_preparer.parse_template(api_utils.extract_template_body(request))
    known: Any = stack.resolved_parameters if stack is not None else {}
    values: dict[str, str] = {}
    for one in request.get("Parameters") or []:
        former = known.get(one["ParameterKey"], {})
        value = former.get("given_value") if one.get("UsePreviousValue") else one.get("ParameterValue")
        if value is not None:
            # LocalStack keeps the number of a parameter of that type, not the text that was given.
            values[one["ParameterKey"]] = str(value)
    try:
        parameters.check(template, values, partial(_attribute, context))
    except parameters.ParameterProblem as problem:
        raise _refused(str(problem)) from problem


def _attribute(context: RequestContext, kind: str, value: str, name: str) -> str:
    """An attribute that a rule asks for: of subnets and VPCs, as EC2 describes them."""
    if kind not in ("AWS::EC2::Subnet::Id", "AWS::EC2::VPC::Id"):
        raise parameters.ParameterProblem(f"Template validation error: {kind} cannot be looked up here")
    ec2 = connect_to(aws_access_key_id=context.account_id, region_name=context.region).ec2
    try:
        if kind == "AWS::EC2::VPC::Id":
            found: Any = ec2.describe_vpcs(VpcIds=[value])["Vpcs"][0]
        else:
            found = ec2.describe_subnets(SubnetIds=[value])["Subnets"][0]
    except ClientError as error:
        raise parameters.ParameterProblem(error.response["Error"].get("Message", str(error))) from error
    return str(found[name])


def _refused(message: str) -> Exception:
    error: Exception = ValidationError(message)  # type: ignore[no-untyped-call]
    return error


def _find(context: RequestContext, name: str) -> Stack | None:
    store = get_cloudformation_store(context.account_id, context.region)
    return stack_provider.find_stack_v2(store, name)


def install_executor() -> None:
    """Let LocalStack's stacks change like this."""
    patches.replace(stack_provider, "ChangeSetModelExecutor", RollingBackExecutor)
