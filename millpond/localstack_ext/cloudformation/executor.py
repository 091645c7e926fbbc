"""How a stack changes: what fails is rolled back, and what cannot be deleted is said.

Source: "Understand CloudFormation stack creation events", "Stack failure options" and the stack status codes
in the CloudFormation User Guide. LocalStack leaves a half-made change as it is and forgets what the stack
held.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from localstack.aws.api.cloudformation import ChangeAction, ChangeSetType, ResourceStatus, StackStatus
from localstack.services.cloudformation.engine.v2.change_set_model import is_nothing
from localstack.services.cloudformation.engine.v2.change_set_model_executor import (
    ChangeSetModelExecutor,
    TriggerRollback,
)
from localstack.services.cloudformation.engine.v2.change_set_model_preproc import PreprocProperties
from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent
from localstack.services.cloudformation.stores import get_cloudformation_store

from millpond.localstack_ext.cloudformation import nested, references, schemas
from millpond.localstack_ext.cloudformation.custom import GIVEN, is_custom
from millpond.localstack_ext.cloudformation.generic import PHYSICAL_ID
from millpond.localstack_ext.cloudformation.resources import Properties, names

ROLLBACK, DO_NOTHING, DELETE = "ROLLBACK", "DO_NOTHING", "DELETE"
_DONE = (ResourceStatus.CREATE_COMPLETE, ResourceStatus.UPDATE_COMPLETE)


@dataclass(frozen=True)
class Outcome:
    """How a change ended.

    Parameters
    ----------
    status : StackStatus
        What the stack's status is to be.
    resources : dict
        The stack's resources by logical id.
    outputs : list
        Its outputs, if the change was made.
    reason : str
        Why it was not.
    left : list of str
        Logical ids of resources that could not be removed.
    imports : frozenset of str
        Exports of other stacks that it uses.
    """

    status: StackStatus
    resources: dict[str, Any]
    outputs: list[Any] = field(default_factory=list)
    reason: str = ""
    left: tuple[str, ...] = ()
    imports: frozenset[str] = frozenset()

    @property
    def is_made(self) -> bool:
        return self.status in (StackStatus.CREATE_COMPLETE, StackStatus.UPDATE_COMPLETE)


class RollingBackExecutor(ChangeSetModelExecutor):
    """LocalStack's executor, which undoes what it has done when it cannot do the rest.

    Parameters
    ----------
    change_set : ChangeSet
        What to do.
    on_failure : str
        ``ROLLBACK``, ``DO_NOTHING`` or ``DELETE``.
    retained : collection of str
        Logical ids of resources that a deletion leaves alone.
    """

    def __init__(self, change_set: Any, on_failure: str = ROLLBACK, retained: tuple[str, ...] = ()) -> None:
        super().__init__(change_set=change_set)
        self._on_failure = on_failure
        self._retained = retained
        self._imports: set[str] = set()
        self._lookup = references.lookup_of(change_set.account_id, change_set.region_name)
        # What a nested stack was before this change, by logical id.
        self._children: dict[str, nested.Former] = {}

    def run(self) -> Outcome:
        """Make the change, or undo it."""
        if self._change_set.stack.status == StackStatus.DELETE_IN_PROGRESS:
            return self._delete()
        if (reason := self._make()) is not None:
            return self._fail(reason)
        if self._deferred_actions:
            self._change_set.stack.set_stack_status(StackStatus.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS)
            for deferred in reversed(self._deferred_actions):
                deferred.action()
        status = StackStatus.UPDATE_COMPLETE if self._is_update else StackStatus.CREATE_COMPLETE
        kept = {
            name: resource
            for name, resource in self.resources.items()
            if resource.get("ResourceStatus") in _DONE
        }
        return Outcome(status, kept, self.outputs, imports=frozenset(self._imports))

    def _make(self) -> str | None:
        """Make the change; why it could not be made."""
        try:
            self.process()
            self._check_exports()
        except TriggerRollback as error:
            return f"The following resource(s) failed to {self._verb}: [{error.logical_resource_id}]."
        except Exception as error:  # noqa: BLE001 - the stack has to end as it began, and says why
            # Whatever the error is, the stack goes back to what it was; the reason is shown as the stack's.
            return str(error)
        return None

    def create_resource_provider_payload(self, *args: Any, **named: Any) -> Any:
        """What a provider is told; its calls are those of who changes the stack."""
        payload: Any = super().create_resource_provider_payload(*args, **named)
        acting = getattr(self._change_set.stack, "acting", None)
        if payload is not None and acting:
            payload["requestData"]["callerCredentials"] |= {
                f"{name[0].lower()}{name[1:]}": value
                for name, value in acting.items()
                if name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
            }
        return payload

    @property
    def _is_update(self) -> bool:
        return bool(self._change_set.change_set_type == ChangeSetType.UPDATE)

    @property
    def _verb(self) -> str:
        return "update" if self._is_update else "create"

    def _check_exports(self) -> None:
        """Refuse a change of exports that other stacks use, and names that other stacks export."""
        stack = self._change_set.stack
        store = get_cloudformation_store(stack.account_id, stack.region_name)
        others = [
            other
            for other in store.stacks_v2.values()
            if other is not stack and other.status != "DELETE_COMPLETE"
        ]
        exported: dict[str, Any] = {
            str(output["ExportName"]): output["OutputValue"]
            for output in self.outputs
            if "ExportName" in output
        }
        for name, value in stack.resolved_exports.items():
            if exported.get(name) == value:
                continue
            for other in others:
                if name in getattr(other, "imports", ()):
                    raise RuntimeError(
                        f"Export {name} cannot be {'updated' if name in exported else 'deleted'} "
                        f"as it is in use by {other.stack_name}"
                    )
        for export in exported:
            for other in others:
                if export in other.resolved_exports:
                    raise RuntimeError(
                        f"Export with name {export} is already exported by stack {other.stack_name}."
                    )

    def visit_node_resources(self, node_resources: Any) -> None:
        """Visit every resource, also one whose condition has become false: it is to be removed."""
        for node_resource in node_resources.resources:
            reference = node_resource.condition_reference
            if not is_nothing(reference):
                condition = self._resolve_resource_condition_reference(reference)
                was = condition.before is True and node_resource.name in self._before_resolved_resources
                if condition.after is False and not was:
                    continue
            self.visit(node_resource)

    def _maybe_perform_dynamic_replacements(self, delta: Any) -> Any:
        """Resolve the references of a text; one that is the same as before is no change."""
        if isinstance(delta.after, str):
            resolved = references.resolve(delta.after, self._lookup)
            if delta.before == delta.after:
                delta.before = resolved
            delta.after = resolved
        return delta

    def visit_node_resource(self, node_resource: Any) -> Any:
        try:
            delta = super().visit_node_resource(node_resource=node_resource)
        except references.UnresolvedReferenceError as error:
            raise TriggerRollback(node_resource.name, str(error)) from error
        before: Any = delta.before
        after: Any = delta.after
        if (
            not is_nothing(before)
            and not is_nothing(after)
            and after.resource_type == nested.KIND
            and before == after
            and nested.has_changed(self._change_set.stack, node_resource.name)
        ):
            # The properties of a nested stack are what they were, and its template is another.
            self._execute_resource_change(name=node_resource.name, before=before, after=after)
            if self.resources[node_resource.name]["ResourceStatus"] == ResourceStatus.UPDATE_FAILED:
                raise TriggerRollback(node_resource.name, "")
        return delta

    def visit_node_intrinsic_function_fn_import_value(self, node_intrinsic_function: Any) -> Any:
        delta = super().visit_node_intrinsic_function_fn_import_value(node_intrinsic_function)
        name = self.visit(node_intrinsic_function.arguments).after
        if isinstance(name, str):
            if is_nothing(delta.after):
                raise RuntimeError(f"No export named {name} found.")
            self._imports.add(name)
        return delta

    def _deployed_property_value_of(
        self, resource_logical_id: str, property_name: str, resolved_resources: dict[str, Any]
    ) -> Any:
        """An attribute; those of custom resources have dots in their names, and any value."""
        model: Any = self._change_set.update_model
        self._get_node_resource_for(resource_name=resource_logical_id, node_template=model.node_template)
        resource = resolved_resources.get(resource_logical_id) or {}
        properties = resource.get("Properties") or {}
        value = properties.get(property_name)
        if value is not None:
            return value if isinstance(value, str | list | dict) else str(value).lower()
        if is_custom(str(resource.get("Type"))):
            raise RuntimeError(
                f"CustomResource attribute error: Vendor response doesn't contain {property_name} attribute"
            )
        return super()._deployed_property_value_of(resource_logical_id, property_name, resolved_resources)

    def _execute_resource_change(self, name: str, before: Any, after: Any) -> None:
        """Change a resource, or replace it if a property that cannot be changed has another value.

        LocalStack replaces it as soon as such a property refers to a resource that changes, and then deletes
        the former one, which is the same; and it does not look inside of properties.
        """
        is_change = not is_nothing(before) and not is_nothing(after)
        if is_change and before.resource_type == after.resource_type:
            provider: Any = self.resource_provider_executor.try_load_resource_provider(after.resource_type)
            had, wanted = before.properties.properties, after.properties.properties
            after.requires_replacement = bool(schemas.changes_of(provider.SCHEMA, had, wanted))
            if after.resource_type == nested.KIND:
                self._children[name] = nested.former(self._change_set.stack, name)
        super()._execute_resource_change(name=name, before=before, after=after)
        if is_change and is_custom(after.resource_type):
            self._clean_up_replaced(name, after.resource_type)

    def _clean_up_replaced(self, name: str, kind: str) -> None:
        """Delete, in the end, what a custom resource was if it has answered with another physical id."""
        former = self._before_resolved_resources.get(name) or {}
        resource = self.resources[name]
        if resource.get("ResourceStatus") not in _DONE:
            return
        if former.get("PhysicalResourceId") == resource.get("PhysicalResourceId"):
            return

        def clean_up() -> None:
            event = self._execute_resource_action(
                action=ChangeAction.Remove,
                logical_resource_id=name,
                resource_type=kind,
                before_properties=PreprocProperties(properties=former["Properties"]),
                after_properties=None,
                part_of_replacement=True,
            )
            self._process_event(
                action=ChangeAction.Remove,
                logical_resource_id=name,
                event_status=event.status,
                resource_type=kind,
                reason=event.message,
            )

        self._defer_action(f"cleanup-from-replacement-{name}", clean_up)

    def _process_event(  # noqa: PLR0913 - the arguments are LocalStack's
        self,
        *,
        action: ChangeAction,
        logical_resource_id: str,
        event_status: OperationStatus,
        resource_type: str,
        special_action: str | None = None,
        reason: str | None = None,
        custom_status: Any = None,
    ) -> None:
        """Tell what becomes of a resource, and of nothing else.

        LocalStack also sets the stack's status, which a waiter takes for its end, forgets a resource
        whose former self is deleted, and calls one failed that was not begun since another has failed.
        """
        if isinstance(sys.exception(), TriggerRollback):
            return
        verb = special_action or {"Add": "CREATE", "Modify": "UPDATE", "Remove": "DELETE"}[action.value]
        ending = "COMPLETE" if event_status == OperationStatus.SUCCESS else event_status.name
        status = ResourceStatus(custom_status or f"{verb}_{ending}")
        stack, name = self._change_set.stack, logical_resource_id
        state = stack.resource_states.get(name)
        stack.resource_states.setdefault(name, {})
        stack.set_resource_status(
            logical_resource_id=name,
            physical_resource_id=self._physical_id_of(name),
            resource_type=resource_type,
            status=status,
            resource_status_reason=reason,
        )
        resource: Any = self.resources.get(name) or {}
        is_there = resource.get("ResourceStatus") in _DONE
        if status.startswith("DELETE") and is_there and state:
            stack.resource_states[name] = state
        elif status == ResourceStatus.DELETE_SKIPPED:
            stack.resource_states.pop(name, None)

    def _physical_id_of(self, name: str) -> str | None:
        for resource in (self.resources.get(name), self._before_resolved_resources.get(name)):
            if resource and (identifier := resource.get("PhysicalResourceId")):
                return str(identifier)
            if resource and (identifier := (resource.get("Properties") or {}).get(PHYSICAL_ID)):
                return str(identifier)
        return None

    def _execute_resource_action(  # type: ignore[override]
        self, action: ChangeAction, logical_resource_id: str, **others: Any
    ) -> ProgressEvent[Any]:
        if action == ChangeAction.Remove and logical_resource_id in self._retained:
            return ProgressEvent(status=OperationStatus.SUCCESS, resource_model={})
        return super()._execute_resource_action(
            action=action, logical_resource_id=logical_resource_id, **others
        )

    def _delete(self) -> Outcome:
        self.process()
        for deferred in reversed(self._deferred_actions):
            deferred.action()
        left = sorted(
            name
            for name, resource in self.resources.items()
            if resource.get("ResourceStatus") == ResourceStatus.DELETE_FAILED
        )
        if not left:
            return Outcome(StackStatus.DELETE_COMPLETE, {})
        before = self._before_resolved_resources
        reason = f"The following resource(s) failed to delete: [{', '.join(left)}]. "
        kept = {name: before[name] for name in left}
        return Outcome(StackStatus.DELETE_FAILED, kept, reason=reason, left=tuple(left))

    def _fail(self, reason: str) -> Outcome:
        stack = self._change_set.stack
        before: dict[str, Any] = dict(stack.resolved_resources)
        if self._on_failure == DO_NOTHING:
            status = StackStatus.UPDATE_FAILED if self._is_update else StackStatus.CREATE_FAILED
            made = {name: resource for name, resource in self.resources.items() if self._is_there(resource)}
            left = tuple(made) if not self._is_update else ()
            return Outcome(status, {**before, **made}, reason=reason, left=left)
        prefix = "UPDATE_ROLLBACK" if self._is_update else "ROLLBACK"
        is_deleted = self._on_failure == DELETE and not self._is_update
        going = "DELETE_IN_PROGRESS" if is_deleted else f"{prefix}_IN_PROGRESS"
        stack.set_stack_status(
            StackStatus(going), f"{reason} {'Delete' if is_deleted else 'Rollback'} requested by user."
        )
        problems = tuple(
            name
            for name, resource in reversed(list(self.resources.items()))
            if not self._undo(name, resource, before.get(name) or {})
        )
        prefix = "DELETE" if is_deleted else prefix
        status = StackStatus(f"{prefix}_{'FAILED' if problems else 'COMPLETE'}")
        kept = before if self._is_update else {name: self.resources[name] for name in problems}
        return Outcome(status, kept, reason=reason, left=problems)

    @staticmethod
    def _is_there(resource: Any) -> bool:
        """Whether something was made of a resource; of a nested stack or a custom one also if it failed."""
        if resource.get("ResourceStatus") != ResourceStatus.CREATE_FAILED:
            return True
        kind = str(resource["Type"])
        return (kind == nested.KIND or is_custom(kind)) and PHYSICAL_ID in (resource.get("Properties") or {})

    def _undo(self, name: str, resource: Any, before: Properties) -> bool:
        """Make one resource what it was, which is nothing if it is new; whether that went well."""
        status = str(resource.get("ResourceStatus", ""))
        if resource is before or status.startswith("DELETE") or not status or not self._is_there(resource):
            return True
        is_same = status == "UPDATE_FAILED" or before.get("PhysicalResourceId") == resource.get(
            "PhysicalResourceId"
        )
        if before and is_same:
            if name in self._children:
                return self._undo_nested(name)
            action, former = ChangeAction.Modify, resource.get("Properties") or before["Properties"]
            wanted = PreprocProperties(self._settable(resource, before["Properties"]))
        else:
            action, former, wanted = ChangeAction.Remove, resource["Properties"], None
            if not before and self._is_kept(name):
                self._tell(
                    action, name, resource["Type"], OperationStatus.SUCCESS, "", ResourceStatus.DELETE_SKIPPED
                )
                return True
        self._tell(action, name, resource["Type"], OperationStatus.IN_PROGRESS)
        event = self._execute_resource_action(
            action=action,
            logical_resource_id=name,
            resource_type=resource["Type"],
            before_properties=PreprocProperties(properties=former),
            after_properties=wanted,
        )
        self._tell(action, name, resource["Type"], event.status, event.message or "")
        return event.status is OperationStatus.SUCCESS

    def _undo_nested(self, name: str) -> bool:
        self._tell(ChangeAction.Modify, name, nested.KIND, OperationStatus.IN_PROGRESS)
        problem = nested.restore(self._change_set.stack, self._children[name])
        status = OperationStatus.FAILED if problem else OperationStatus.SUCCESS
        self._tell(ChangeAction.Modify, name, nested.KIND, status, problem)
        return not problem

    def _tell(
        self,
        action: ChangeAction,
        name: str,
        kind: str,
        status: OperationStatus,
        reason: str = "",
        custom_status: Any = None,
    ) -> None:
        self._process_event(
            action=action,
            logical_resource_id=name,
            event_status=status,
            resource_type=kind,
            reason=reason,
            custom_status=custom_status,
        )

    def _is_kept(self, name: str) -> bool:
        """Whether the template keeps a resource that a failed creation has made."""
        template: dict[str, Any] = self._change_set.processed_template or {}
        declared = (template.get("Resources") or {}).get(name) or {}
        return declared.get("DeletionPolicy") == "Retain"

    def _settable(self, resource: Any, properties: Properties) -> Properties:
        """Properties without those that only the service sets."""
        if GIVEN in properties:
            return dict(properties[GIVEN])
        provider: Any = self.resource_provider_executor.try_load_resource_provider(resource["Type"])
        read_only = names(provider.SCHEMA.get("readOnlyProperties")) | {PHYSICAL_ID}
        return {name: value for name, value in properties.items() if name not in read_only}
