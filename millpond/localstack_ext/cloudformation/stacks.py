"""CloudFormation's API: what a stack is asked for is checked, and its status is what has become of it.

Source: the CloudFormation API Reference, and the stack status codes in the CloudFormation User Guide.
LocalStack's own creates without rolling back, updates as if it created, and calls both a success.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError
from localstack.aws.api import RequestContext, handler
from localstack.aws.api.cloudformation import (
    AlreadyExistsException,
    ChangeSetNotFoundException,
    ChangeSetStatus,
    ChangeSetType,
    ExecutionStatus,
    InsufficientCapabilitiesException,
    InvalidChangeSetStatusException,
    StackStatus,
)
from localstack.aws.connect import connect_to
from localstack.services.cloudformation.engine.v2.change_set_model import ChangeType
from localstack.services.cloudformation.engine.v2.change_set_model_describer import ChangeSetModelDescriber
from localstack.services.cloudformation.stores import get_cloudformation_store
from localstack.services.cloudformation.v2 import provider as stack_provider
from localstack.services.cloudformation.v2.entities import ChangeSet, Stack
from localstack.services.cloudformation.v2.provider import CloudformationProviderV2
from localstack.utils.threads import start_worker_thread

from millpond.localstack_ext.cloudformation import executor, nested, parameters, standstill, templates
from millpond.localstack_ext.cloudformation.drift import drift_of
from millpond.localstack_ext.cloudformation.executor import Outcome, RollingBackExecutor
from millpond.localstack_ext.cloudformation.templates import refused
from millpond.localstack_ext.iam.guard import GUARD, Mode
from millpond.localstack_ext.iam.roles import assume

LOG = logging.getLogger(__name__)

# States of a stack that can only be deleted.
_BEYOND_UPDATE = (StackStatus.ROLLBACK_COMPLETE, StackStatus.ROLLBACK_FAILED, StackStatus.CREATE_FAILED)
_DRIFTED = ("MODIFIED", "DELETED")
_UNCHANGED = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)
_NOT_KEPT = ("StackPolicyBody", "StackPolicyURL")
_OPERATION_TYPES = {"CREATE": "CREATE_STACK", "UPDATE": "UPDATE_STACK", "DELETE": "DELETE_STACK"}


class StackProvider(CloudformationProviderV2):
    """LocalStack's CloudFormation, whose stacks end as they should."""

    def on_after_state_load(self) -> None:
        standstill.settle_all()

    @handler("CreateStack", expand=False)
    def create_stack(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        name = request["StackName"]
        store = get_cloudformation_store(context.account_id, context.region)
        if _active(store, name) is not None:
            raise AlreadyExistsException(f"Stack [{name}] already exists")
        text = templates.text_of(request, None)
        template = _checked(context, request, text, None)
        stack = Stack(context.account_id, context.region, request, tags=request.get("Tags"))
        stack.enable_termination_protection = bool(request.get("EnableTerminationProtection"))
        change_set = self._planned(stack, request, text, template, ChangeSetType.CREATE)
        if change_set.status == ChangeSetStatus.FAILED:
            raise refused(change_set.status_reason or "")
        _act(context, request, stack)
        store.stacks_v2[stack.stack_id] = stack
        self._start(change_set, _policy(request))
        return {"StackId": stack.stack_id}

    @handler("UpdateStack", expand=False)
    def update_stack(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        stack = _existing(context, request["StackName"])
        _refuse_busy(stack)
        text = templates.text_of(request, stack.template_body)
        template = _checked(context, request, text, stack)
        change_set = self._planned(stack, request, text, template, ChangeSetType.UPDATE)
        if change_set.status == ChangeSetStatus.FAILED:
            raise refused(change_set.status_reason or "")
        if not _has_changes(change_set):
            raise refused("No updates are to be performed.")
        _act(context, request, stack)
        self._start(change_set, _policy(request))
        return {"StackId": stack.stack_id}

    @handler("CreateChangeSet", expand=False)
    def create_change_set(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        kind = request.get("ChangeSetType") or ChangeSetType.UPDATE
        if kind not in (ChangeSetType.CREATE, ChangeSetType.UPDATE):
            raise refused(f"Change sets of type {kind} are not made here: create the stack, or update it")
        store = get_cloudformation_store(context.account_id, context.region)
        stack = _active(store, request["StackName"])
        is_new = stack is None and kind == ChangeSetType.CREATE
        if is_new:
            stack = Stack(context.account_id, context.region, request, StackStatus.REVIEW_IN_PROGRESS)
        elif stack is None:
            raise refused(f"Stack [{request['StackName']}] does not exist")
        elif kind == ChangeSetType.CREATE and stack.status != StackStatus.REVIEW_IN_PROGRESS:
            raise refused(
                f"Stack [{stack.stack_name}] already exists and cannot be created again with the changeSet "
                f"[{request['ChangeSetName']}]."
            )
        _refuse_busy(stack, allowed=StackStatus.REVIEW_IN_PROGRESS)
        is_update = kind == ChangeSetType.UPDATE
        text = templates.text_of(request, stack.template_body if is_update else None)
        template = _checked(context, request, text, stack if is_update else None)
        change_set = self._planned(stack, request, text, template, kind)
        if change_set.status != ChangeSetStatus.FAILED and not _has_changes(change_set):
            change_set.set_change_set_status(ChangeSetStatus.FAILED)
            change_set.status_reason = _UNCHANGED
        if change_set.status == ChangeSetStatus.FAILED:
            change_set.set_execution_status(ExecutionStatus.UNAVAILABLE)
        else:
            change_set.set_change_set_status(ChangeSetStatus.CREATE_COMPLETE)
        if is_new:
            stack.set_stack_status(StackStatus.REVIEW_IN_PROGRESS, "User Initiated")
            store.stacks_v2[stack.stack_id] = stack
        made: Any = change_set
        made.role_arn = request.get("RoleARN")
        stack.change_set_ids.add(change_set.change_set_id)
        store.change_sets[change_set.change_set_id] = change_set
        return {"StackId": stack.stack_id, "Id": change_set.change_set_id}

    @handler("ExecuteChangeSet", expand=False)
    def execute_change_set(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        store = get_cloudformation_store(context.account_id, context.region)
        name = request["ChangeSetName"]
        change_set = stack_provider.find_change_set_v2(store, name, request.get("StackName"))
        if not change_set:
            raise ChangeSetNotFoundException(f"ChangeSet [{name}] does not exist")
        if change_set.execution_status != ExecutionStatus.AVAILABLE:
            raise InvalidChangeSetStatusException(
                f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current status of "
                f"[{change_set.status}]"
            )
        _refuse_busy(change_set.stack, allowed=StackStatus.REVIEW_IN_PROGRESS)
        made: Any = change_set
        policy = executor.DO_NOTHING if request.get("DisableRollback") else made.on_failure
        _act(context, {"RoleARN": getattr(made, "role_arn", None)}, made.stack)
        change_set.set_execution_status(ExecutionStatus.EXECUTE_IN_PROGRESS)
        self._start(change_set, policy)
        return {}

    @handler("DeleteStack", expand=False)
    def delete_stack(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        stack = _find(context, request["StackName"])
        if stack is None or stack.status == StackStatus.DELETE_COMPLETE:
            return None
        if stack.enable_termination_protection:
            raise refused(
                f"Stack [{stack.stack_name}] cannot be deleted while TerminationProtection is enabled"
            )
        store = get_cloudformation_store(context.account_id, context.region)
        if users := _users_of_exports(store, stack):
            export, user = users[0]
            raise refused(f"Delete canceled. Cannot delete export {export} as it is in use by {user}.")
        if stack.status == StackStatus.REVIEW_IN_PROGRESS and not stack.resolved_resources:
            _set_deleted(stack)
            return None
        _refuse_busy(stack, allowed=StackStatus.REVIEW_IN_PROGRESS)
        retained = tuple(request.get("RetainResources") or ())
        if retained and stack.status != StackStatus.DELETE_FAILED:
            raise refused("Retain resources can only be given for a stack in the state DELETE_FAILED")
        _act(context, request, stack)
        stack.set_stack_status(StackStatus.DELETE_IN_PROGRESS, "User Initiated")
        change_set = ChangeSet(stack, {"ChangeSetName": f"delete-{stack.stack_name}"}, template_body="")
        self._setup_change_set_model(
            change_set=change_set,
            before_template=stack.processed_template,
            after_template=None,
            before_parameters=stack.resolved_parameters,
            after_parameters=None,
        )
        start_worker_thread(lambda *_: _deleted(stack, RollingBackExecutor(change_set, retained=retained)))
        return None

    @handler("ListImports", expand=False)
    def list_imports(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        store = get_cloudformation_store(context.account_id, context.region)
        name = request["ExportName"]
        importing = [
            other.stack_name
            for other in store.stacks_v2.values()
            if other.status != StackStatus.DELETE_COMPLETE and name in getattr(other, "imports", ())
        ]
        if not importing:
            raise refused(f"Export '{name}' is not imported by any stack.")
        return {"Imports": sorted(importing)}

    @handler("DescribeEvents", expand=False)
    def describe_events(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """The events of a stack, or of the operation that a change set was."""
        store = get_cloudformation_store(context.account_id, context.region)
        name = request.get("StackName")
        if (change := request.get("ChangeSetName")) and stack_provider.is_changeset_arn(change):
            change_set = store.change_sets.get(change)
            stack = change_set.stack if change_set else None
        else:
            stack = _find(context, name) if name else None
        if stack is None:
            raise refused(f"Stack [{name or change}] does not exist")
        events = [_operation_event(event) for event in stack.events]
        if (request.get("Filters") or {}).get("FailedEvents"):
            events = [event for event in events if event["EventType"] == "PROVISIONING_ERROR"]
        return {"OperationEvents": events}

    @handler("DetectStackDrift", expand=False)
    def detect_stack_drift(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        stack: Any = _existing(context, request["StackName"])
        _refuse_busy(stack)
        names = request.get("LogicalResourceIds") or list(stack.resolved_resources)
        drifts = [drift_of(stack, name) for name in names]
        status = (
            "DRIFTED" if any(drift["StackResourceDriftStatus"] in _DRIFTED for drift in drifts) else "IN_SYNC"
        )
        stack.drifts = {
            **getattr(stack, "drifts", {}),
            **{drift["LogicalResourceId"]: drift for drift in drifts},
        }
        stack.drift = {
            "StackId": stack.stack_id,
            "StackDriftDetectionId": str(uuid4()),
            "StackDriftStatus": status,
            "DetectionStatus": "DETECTION_COMPLETE",
            "DriftedStackResourceCount": sum(
                drift["StackResourceDriftStatus"] in _DRIFTED for drift in drifts
            ),
            "Timestamp": datetime.now(tz=UTC),
        }
        return {"StackDriftDetectionId": stack.drift["StackDriftDetectionId"]}

    @handler("DescribeStackDriftDetectionStatus", expand=False)
    def describe_stack_drift_detection_status(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        store = get_cloudformation_store(context.account_id, context.region)
        detection = request["StackDriftDetectionId"]
        for stack in store.stacks_v2.values():
            if (detected := getattr(stack, "drift", None)) and detected["StackDriftDetectionId"] == detection:
                return detected
        raise refused(f"StackDriftDetectionId {detection} does not exist")

    @handler("DescribeStackResourceDrifts", expand=False)
    def describe_stack_resource_drifts(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        wanted = request.get("StackResourceDriftStatusFilters") or (*_DRIFTED, "IN_SYNC")
        drifts = getattr(_existing(context, request["StackName"]), "drifts", {})
        return {
            "StackResourceDrifts": [
                drift for drift in drifts.values() if drift["StackResourceDriftStatus"] in wanted
            ]
        }

    @handler("DetectStackResourceDrift", expand=False)
    def detect_stack_resource_drift(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        stack, name = _existing(context, request["StackName"]), request["LogicalResourceId"]
        if name not in stack.resolved_resources:
            raise refused(f"Resource {name} does not exist for stack {stack.stack_name}")
        return {"StackResourceDrift": drift_of(stack, name)}

    def _describe_stack(self, stack: Stack) -> Any:
        described: Any = super()._describe_stack(stack)
        described.pop("LastUpdatedTime", None)
        extra = {
            "LastUpdatedTime": getattr(stack, "last_updated", None),
            "ParentId": getattr(stack, "parent_id", None),
            "RootId": getattr(stack, "root_id", None),
            "DisableRollback": getattr(stack, "on_failure", "") == executor.DO_NOTHING,
        }
        if drift := getattr(stack, "drift", None):
            extra["DriftInformation"] = {
                "StackDriftStatus": drift["StackDriftStatus"],
                "LastCheckTimestamp": drift["Timestamp"],
            }
        return {**described, **{name: value for name, value in extra.items() if value is not None}}

    def _planned(
        self, stack: Stack, request: Mapping[str, Any], text: str, template: dict[str, Any], kind: str
    ) -> Any:
        """What a request would change; a failed change set, with the reason, if it cannot be done at all."""
        is_update = kind == ChangeSetType.UPDATE
        before: Any = stack.resolved_parameters if is_update else None
        change_set: Any = ChangeSet(
            stack,
            {
                **request,  # type: ignore[typeddict-item]
                "ChangeSetName": request.get("ChangeSetName") or f"{kind.lower()}-{stack.stack_name}",
                "ChangeSetType": kind,
            },
            template_body=text,
            template=template,
        )
        change_set.given_tags = request.get("Tags")
        change_set.capabilities = request.get("Capabilities") or []
        change_set.on_failure = request.get("OnStackFailure") or executor.ROLLBACK
        change_set.tags = stack.tags if request.get("Tags") is None else request["Tags"]
        status, reason, events = stack.status, stack.status_reason, list(stack.events)
        self._setup_change_set_model(
            change_set=change_set,
            before_template=stack.template if is_update else None,
            after_template=template,
            before_parameters=before,
            after_parameters=self._extract_after_parameters(request.get("Parameters") or [], before),
            previous_update_model=self._previous_model(stack),
        )
        # A plan that fails changes nothing about the stack.
        stack.status, stack.status_reason, stack.events = status, reason, events
        return change_set

    def _previous_model(self, stack: Stack) -> Any:
        store = get_cloudformation_store(stack.account_id, stack.region_name)
        previous = store.change_sets.get(stack.change_set_id or "")
        return previous.update_model if previous is not None else None

    def _start(self, change_set: Any, on_failure: str) -> None:
        """Change the stack, in the background."""
        stack = change_set.stack
        is_update = change_set.change_set_type == ChangeSetType.UPDATE
        stack.status_reason = None
        stack.on_failure = on_failure
        stack.capabilities = change_set.capabilities
        stack.processed_template = stack.processed_template or change_set.processed_template
        status = StackStatus.UPDATE_IN_PROGRESS if is_update else StackStatus.CREATE_IN_PROGRESS
        stack.set_stack_status(status, "User Initiated")
        start_worker_thread(lambda *_: _changed(change_set, RollingBackExecutor(change_set, on_failure)))


def _act(context: RequestContext, request: Any, stack: Any) -> None:
    """Let a stack's next change be made by its role, or else by who asks for it.

    A role that was given once is the stack's from then on: "CloudFormation service role" of the user guide.

    Raises
    ------
    CommonServiceException
        If the role cannot be assumed.
    """
    role = request.get("RoleARN") or getattr(stack, "role_arn", None)
    stack.role_arn = role
    stack.acting = None
    if role is None:
        stack.acting = {"AccessKeyId": GUARD.acting_key(context)}
    elif GUARD.mode is not Mode.OFF:
        try:
            stack.acting = assume(role, "cloudformation", stack.stack_id, stack.account_id, stack.region_name)
        except ClientError as error:
            raise refused(f"Role {role} is invalid or cannot be assumed") from error


def _changed(change_set: Any, changes: RollingBackExecutor) -> None:
    """Change a stack; its status is set last, for that is what is waited for."""
    stack = change_set.stack
    is_update = change_set.change_set_type == ChangeSetType.UPDATE
    try:
        outcome = changes.run()
    except Exception as error:
        LOG.exception("The change of stack %s broke off", stack.stack_name)
        status = StackStatus.UPDATE_ROLLBACK_FAILED if is_update else StackStatus.ROLLBACK_FAILED
        outcome = Outcome(status, {**stack.resolved_resources, **changes.resources}, reason=str(error))
    stack.resolved_resources = outcome.resources
    stack.drift, stack.drifts = None, {}
    if is_update:
        stack.last_updated = datetime.now(tz=UTC)
    if outcome.is_made or not is_update or outcome.status == StackStatus.UPDATE_FAILED:
        stack.template, stack.template_body = change_set.template, change_set.template_body
        stack.processed_template = change_set.processed_template
        stack.resolved_parameters = change_set.resolved_parameters
        stack.description = change_set.template.get("Description")
        stack.tags = change_set.tags
        stack.change_set_id = change_set.change_set_id
    if outcome.is_made:
        stack.resolved_outputs = _described_outputs(outcome.outputs, change_set.processed_template)
        stack.resolved_exports = {
            output["ExportName"]: output["OutputValue"]
            for output in outcome.outputs
            if output.get("ExportName")
        }
        stack.imports = outcome.imports
        get_cloudformation_store(stack.account_id, stack.region_name).change_sets[
            change_set.change_set_id
        ] = change_set
    elif not is_update:
        _keep_only(stack, outcome.left)
    if outcome.status == StackStatus.DELETE_COMPLETE:
        stack.deletion_time = datetime.now(tz=UTC)
    change_set.set_execution_status(
        ExecutionStatus.EXECUTE_COMPLETE if outcome.is_made else ExecutionStatus.EXECUTE_FAILED
    )
    if outcome.is_made:
        # Why it was begun is the reason of that event alone.
        stack.status_reason = None
    stack.set_stack_status(outcome.status, None if outcome.status.endswith("COMPLETE") else outcome.reason)


def _deleted(stack: Stack, changes: RollingBackExecutor) -> None:
    try:
        outcome = changes.run()
    except Exception as error:
        LOG.exception("The deletion of stack %s broke off", stack.stack_name)
        stack.set_stack_status(StackStatus.DELETE_FAILED, str(error))
        return
    stack.resolved_resources = outcome.resources
    if outcome.status == StackStatus.DELETE_COMPLETE:
        _set_deleted(stack)
        return
    _keep_only(stack, outcome.left)
    stack.set_stack_status(outcome.status, outcome.reason)


def _set_deleted(stack: Stack) -> None:
    stack.resolved_outputs, stack.resolved_exports = [], {}
    stack.deletion_time = datetime.now(tz=UTC)
    stack.set_stack_status(StackStatus.DELETE_COMPLETE)


def _keep_only(stack: Any, left: Iterable[str]) -> None:
    """Let what is left of a stack be all that a deletion has to do; what it refers to may be gone already."""
    declared = (stack.processed_template or {}).get("Resources") or {}
    kept = {
        name: {key: declared[name][key] for key in ("Type", "DeletionPolicy") if key in declared[name]}
        for name in left
    }
    stack.processed_template = {"Resources": kept}


def _described_outputs(outputs: list[Any], template: Any) -> list[Any]:
    declared = (template or {}).get("Outputs") or {}
    return [
        {
            **output,
            **{
                key: value
                for key, value in declared.get(output["OutputKey"], {}).items()
                if key == "Description"
            },
        }
        for output in outputs
    ]


def _checked(context: RequestContext, request: Any, text: str, stack: Any) -> dict[str, Any]:
    """The template of a request, if it and its parameters can be taken.

    Raises
    ------
    ValidationError, InsufficientCapabilitiesException
        With what is wrong.
    """
    if stack is not None and stack.status in _BEYOND_UPDATE:
        raise refused(f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")
    if ignored := [name for name in _NOT_KEPT if request.get(name)]:
        raise refused(f"{', '.join(ignored)} is not kept here: leave it out")
    template = templates.parsed(text)
    is_expanded = "Transform" in template or "Fn::Transform" in text
    is_allowed = "ChangeSetName" in request or "CAPABILITY_AUTO_EXPAND" in (request.get("Capabilities") or ())
    if is_expanded and not is_allowed:
        raise InsufficientCapabilitiesException("Requires capabilities : [CAPABILITY_AUTO_EXPAND]")
    known: Any = stack.resolved_parameters if stack is not None else {}
    values: dict[str, str] = {}
    for parameter in request.get("Parameters") or []:
        former = known.get(parameter["ParameterKey"], {})
        value = (
            former.get("given_value")
            if parameter.get("UsePreviousValue")
            else parameter.get("ParameterValue")
        )
        if value is not None:
            # LocalStack keeps the number of a parameter of that type, not the text that was given.
            values[parameter["ParameterKey"]] = str(value)
    try:
        parameters.check(template, values, partial(_attribute, context))
    except parameters.ParameterProblem as problem:
        raise refused(str(problem)) from problem
    return template


def _has_changes(change_set: Any) -> bool:
    """Whether it changes anything: a resource, an output, the tags, or the template of a nested stack."""
    stack = change_set.stack
    if change_set.change_set_type == ChangeSetType.CREATE:
        return True
    if change_set.given_tags is not None and _sorted(change_set.given_tags) != _sorted(stack.tags):
        return True
    if nested.has_changed_child(stack):
        return True
    root = change_set.update_model.node_template
    if root.outputs.change_type != ChangeType.UNCHANGED:
        return True
    if root.change_type == ChangeType.UNCHANGED:
        return False
    return bool(ChangeSetModelDescriber(change_set, include_property_values=False).get_changes())


def _sorted(tags: Any) -> list[tuple[str, str]]:
    return sorted((tag["Key"], tag["Value"]) for tag in tags)


def _policy(request: Mapping[str, Any]) -> str:
    """What is done if the stack cannot be made or changed."""
    if request.get("DisableRollback") is not None and request.get("OnFailure"):
        raise refused("You can specify either DisableRollback or OnFailure, but not both.")
    if request.get("DisableRollback"):
        return executor.DO_NOTHING
    return str(request.get("OnFailure") or executor.ROLLBACK)


def _refuse_busy(stack: Any, allowed: str = "") -> None:
    status = str(stack.status)
    if status.endswith("_IN_PROGRESS") and status != allowed:
        raise refused(f"Stack:{stack.stack_id} is in {status} state and can not be updated.")


def _users_of_exports(store: Any, stack: Any) -> list[tuple[str, str]]:
    return [
        (name, other.stack_name)
        for name in stack.resolved_exports
        for other in store.stacks_v2.values()
        if other is not stack
        and other.status != StackStatus.DELETE_COMPLETE
        and name in getattr(other, "imports", ())
    ]


def _operation_event(event: Mapping[str, Any]) -> dict[str, Any]:
    status = str(event["ResourceStatus"])
    is_stack = event["LogicalResourceId"] == event["StackName"]
    is_failed = status.endswith("FAILED")
    kept = ("EventId", "StackId", "LogicalResourceId", "PhysicalResourceId", "ResourceType", "Timestamp")
    result = {name: event[name] for name in kept if event.get(name)}
    result |= {"ResourceStatus": status, "EventType": "STACK_EVENT" if is_stack else "PROGRESS_EVENT"}
    if is_failed and not is_stack:
        result["EventType"] = "PROVISIONING_ERROR"
    if (kind := _OPERATION_TYPES.get(status.split("_")[0])) and is_stack:
        result["OperationType"] = kind
    if reason := event.get("ResourceStatusReason"):
        result["ResourceStatusReason"] = reason
    return result


def _attribute(context: RequestContext, kind: str, value: str, name: str) -> str:
    """An attribute that a rule asks for: of subnets and VPCs, as EC2 describes them."""
    if kind not in ("AWS::EC2::Subnet::Id", "AWS::EC2::VPC::Id"):
        raise parameters.ParameterProblem(f"Template validation error: {kind} cannot be looked up here")
    ec2 = connect_to(aws_access_key_id=context.account_id, region_name=context.region).ec2
    try:
        if kind == "AWS::EC2::VPC::Id":
            resource: Any = ec2.describe_vpcs(VpcIds=[value])["Vpcs"][0]
        else:
            resource = ec2.describe_subnets(SubnetIds=[value])["Subnets"][0]
    except ClientError as error:
        raise parameters.ParameterProblem(error.response["Error"].get("Message", str(error))) from error
    return str(resource[name])


def _find(context: RequestContext, name: str) -> Any:
    """A stack by name or ARN, deleted or not if by ARN."""
    store = get_cloudformation_store(context.account_id, context.region)
    if stack_provider.is_stack_arn(name):
        return store.stacks_v2.get(name)
    return stack_provider.find_stack_v2(store, name)


def _active(store: Any, name: str) -> Any:
    if stack_provider.is_stack_arn(name):
        stack = store.stacks_v2.get(name)
        return stack if stack is not None and stack.status != StackStatus.DELETE_COMPLETE else None
    return stack_provider.find_stack_v2(store, name)


def _existing(context: RequestContext, name: str) -> Any:
    stack = _active(get_cloudformation_store(context.account_id, context.region), name)
    if stack is None:
        raise refused(f"Stack [{name}] does not exist")
    return stack
