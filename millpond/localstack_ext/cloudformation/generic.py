"""The provider of every resource type that is a row in the table: AWS's schema, and the service's own API."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any
from uuid import uuid4

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceRequest,
)
from localstack.utils.aws.arns import get_partition

from millpond.localstack_ext.cloudformation import rows, schemas
from millpond.localstack_ext.cloudformation.rows import Call, Properties, Refusal, Row
from millpond.localstack_ext.cloudformation.shaping import as_mapping

# Where a resource's properties keep its physical id; no type has a property of this name.
PHYSICAL_ID = "PhysicalResourceId"
_MADE = "made"


class GenericProvider(ResourceProvider[Properties]):
    """A resource of one type.

    Parameters
    ----------
    kind : str
        For example ``AWS::Glue::Job``.
    row : Row
        How the type's service makes it.
    """

    def __init__(self, kind: str, row: Row) -> None:
        self.TYPE = kind
        self._row = row
        schema = schemas.schema_of(kind)
        self.SCHEMA = {
            **schema,
            "typeName": kind,
            "primaryIdentifier": [f"/properties/{PHYSICAL_ID}"],
            "createOnlyProperties": [*(schema.get("createOnlyProperties") or ()), *row.replaces],
        }
        self._read_only = {
            pointer[0]
            for pointer in map(schemas.members, schema.get("readOnlyProperties") or ())
            if len(pointer) == 1
        }

    def create(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        if request.custom_context.get(_MADE):
            return self._progress(request, dict(request.desired_state))
        if problems := schemas.problems_of(self.SCHEMA, request.desired_state):
            words = "; ".join(f"#: {problem}" for problem in problems)
            name = request.logical_resource_id
            return _failed(request, f"Properties validation failed for resource {name} with message: {words}")
        try:
            model = self._made(request)
        except (Refusal, rows.NoSuchMember, ClientError, BotoCoreError) as error:
            return _failed(request, self._words(error))
        return self._progress(request, model)

    def update(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        try:
            model = self._changed(request)
        except (Refusal, rows.NoSuchMember, ClientError, BotoCoreError) as error:
            return _failed(request, self._words(error))
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)

    def delete(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        try:
            self._call(request, self._row.delete, dict(request.previous_state or request.desired_state))
        except (ClientError, BotoCoreError) as error:
            if not is_not_found(error):
                return _failed(request, self._words(error))
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model={})

    def read(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        """The resource as the service describes it, in the properties that the request names."""
        try:
            properties = self._described(request, dict(request.desired_state))
        except (ClientError, BotoCoreError) as error:
            if is_not_found(error):
                return ProgressEvent(status=OperationStatus.FAILED, error_code="NotFound", message=str(error))
            return _failed(request, self._words(error))
        if properties is None:
            raise NotImplementedError
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=properties)

    def _made(self, request: ResourceRequest[Properties]) -> Properties:
        row, model = self._row, self._named(request, deepcopy(dict(request.desired_state)))
        context = self._derived(request, model)
        answer, used = self._call(request, row.create, {**model, **context})
        self._attributed(model, context, answer)
        try:
            for call in row.then:
                if call.when & set(model):
                    used |= self._call(request, call, {**model, **context})[1]
            if "Tags" in model and "Tags" not in used and self._tag(request, model, {}):
                used.add("Tags")
            used |= self._arguments(request, row.delete, model)[1]
            if left_out := sorted(set(request.desired_state) - used - row.named - row.derived):
                raise Refusal(f"{self.TYPE} is made here without {', '.join(left_out)}: leave it out")
            self._refreshed(request, model, context)
        except Exception:
            self._call(request, row.delete, model)
            raise
        model[PHYSICAL_ID] = rows.physical_id(row, model)
        return model

    def _changed(self, request: ResourceRequest[Properties]) -> Properties:
        row, old = self._row, dict(request.previous_state or {})
        wanted = deepcopy(dict(request.desired_state))
        kept = {name: old[name] for name in self._read_only | {PHYSICAL_ID} if name in old}
        model = self._named(request, {**kept, **wanted}, old)
        fixed = self._read_only | {PHYSICAL_ID}
        settable = (model.keys() | old.keys()) - fixed
        changed = {name for name in settable if model.get(name) != old.get(name)}
        removed = {name for name in changed if name not in model}
        unset = {name: row.unset[name] for name in removed if name in row.unset}
        sent = {**model, **unset, **self._derived(request, model)}
        done = set(row.derived) | self._arguments(request, row.delete, model)[1]
        for call in row.update:
            if call.when and not call.when & changed:
                continue
            answer, used = self._call(request, call, sent)
            self._attributed(model, sent, answer)
            done |= used | call.when | (removed if call.whole else removed & set(row.unset))
        if "Tags" in changed and self._tag(request, model, old):
            done.add("Tags")
        if left := sorted(changed - done - row.named):
            raise Refusal(f"{', '.join(left)} of {self.TYPE} cannot be changed here")
        self._refreshed(request, model, sent)
        return model

    def _refreshed(
        self, request: ResourceRequest[Properties], model: Properties, context: Properties
    ) -> None:
        """Add the attributes that the service tells."""
        if self._row.read is not None:
            described, _ = self._call(request, self._row.read, {**model, **context})
            self._attributed(model, context, rows.value_at(described, self._row.described_at) or {})

    def _named(
        self, request: ResourceRequest[Properties], model: Properties, old: Properties | None = None
    ) -> Properties:
        """The properties with a name, which is made up unless the template or the resource has one."""
        row = self._row
        if not row.name:
            return model
        given_name = next((value for path in row.name if (value := rows.value_at(model, path))), None)
        if given_name is None:
            given_name = rows.value_at(old, row.name[0]) if old else None
        if given_name is None:
            given_name = made_up_name(request.stack_name, request.logical_resource_id)
            given_name = given_name.lower() if row.plain else given_name
        for path in row.name:
            model = rows.put_at(model, path, given_name)
        return model

    def _derived(self, request: ResourceRequest[Properties], model: Properties) -> Properties:
        """What operations can be given beside the properties."""
        derive = self._row.derive
        return {**_context(request), **(derive(request.aws_client_factory, model) if derive else {})}

    def _attributed(self, model: Properties, context: Properties, answer: Mapping[str, Any]) -> None:
        """Add what the service has set."""
        for name in self._read_only:
            if name in answer and name not in self._row.attributes:
                model[name] = (
                    answer[name] if isinstance(answer[name], str | list | dict) else str(answer[name])
                )
        for name, source in self._row.attributes.items():
            if "{" in source:
                model[name] = rows.text_of(source, {**context, **model})
            elif (value := rows.value_at(answer, source)) is not None:
                model[name] = value if isinstance(value, str | list | dict) else str(value)

    def _progress(self, request: ResourceRequest[Properties], model: Properties) -> ProgressEvent[Properties]:
        """Whether the resource that was made can be used yet."""
        ready, read = self._row.ready, self._row.read
        if ready is None or read is None:
            return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)
        answer, _ = self._call(request, read, {**model, **_context(request)})
        status = str(rows.value_at(answer, ready.path))
        if status == ready.done:
            return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)
        if "FAIL" in status:
            return _failed(request, f"{self.TYPE} is in state {status}")
        return ProgressEvent(
            status=OperationStatus.IN_PROGRESS, resource_model=model, custom_context={_MADE: True}
        )

    def _described(self, request: ResourceRequest[Properties], model: Properties) -> Properties | None:
        row = self._row
        if row.read is None:
            return None
        answer, used = self._call(request, row.read, {**model, **_context(request)})
        resource = rows.value_at(answer, row.described_at) or {}
        # The properties that the read was asked with are true of its answer; of those that the service
        # does not tell, the template's values are taken.
        trusted = {name for name in used | row.derived | set(row.untold) if name in model} - set(row.shown)
        result = {name: model[name] for name in trusted}
        lower = {name.lower(): value for name, value in resource.items()}
        for name in model.keys() - trusted:
            path = row.shown.get(name, name)
            value = resource if path == "" else lower.get(path.lower(), rows.value_at(resource, path))
            if value is not None:
                result[name] = value
        return result

    def _tag(self, request: ResourceRequest[Properties], model: Properties, old: Properties) -> bool:
        """Change the tags; whether the service can."""
        wanted, had = as_mapping(model.get("Tags")), as_mapping(old.get("Tags"))
        client = _client(request, self._row.service)
        add, remove = (
            self._row.tag or _tagging(client, "TagResource"),
            self._row.untag or _tagging(client, "UntagResource"),
        )
        if add is None or remove is None:
            return False
        context = _context(request)
        arn = rows.text_of(self._row.arn, {**context, **model})
        changes = {
            "Added": dict(wanted.items() - had.items()),
            "Removed": [name for name in had if name not in wanted],
        }
        for call, part in ((add, "Added"), (remove, "Removed")):
            if changes[part]:
                self._call(
                    request,
                    call,
                    {"TaggedArn": arn, part: changes[part], PHYSICAL_ID: model.get(PHYSICAL_ID)},
                )
        return True

    def _call(
        self, request: ResourceRequest[Properties], call: Call, model: Properties
    ) -> tuple[Properties, set[str]]:
        """The answer of the service, and the properties that it was asked with."""
        arguments, used = self._arguments(request, call, model)
        client = _client(request, self._row.service)
        return dict(getattr(client, xform_name(call.operation))(**arguments)), used

    def _arguments(
        self, request: ResourceRequest[Properties], call: Call, model: Properties
    ) -> tuple[Properties, set[str]]:
        model_of_service = _client(request, self._row.service).meta.service_model
        shape = model_of_service.operation_model(call.operation).input_shape
        hidden = self._read_only | set(_context(request)) | {PHYSICAL_ID}
        return rows.arguments_of(call, shape, model, hidden)

    def _words(self, error: Exception) -> str:
        if isinstance(error, rows.NoSuchMember):
            return f"{self.TYPE} has no property {error}"
        if isinstance(error, ClientError):
            answer = error.response["Error"]
            said, code = answer.get("Message", ""), answer["Code"]
            return f'Resource handler returned message: "{said}" ({self._row.service}: {code})'
        return str(error)


def made_up_name(stack_name: str, logical_id: str) -> str:
    """A name as CloudFormation makes one up: the stack's, the resource's, and what makes it unique."""
    return f"{stack_name[:24]}-{logical_id[:24]}-{uuid4().hex[:12]}"


def is_not_found(error: Exception) -> bool:
    """Whether a service says that there is no such resource."""
    if not isinstance(error, ClientError):
        return False
    code, message = str(error.response["Error"]["Code"]), str(error.response["Error"].get("Message", ""))
    if any(word in code for word in ("NotFound", "NoSuch", "DoesNotExist")):
        return True
    return code in ("InvalidRequestException", "ValidationError", "ValidationException") and any(
        word in message.lower() for word in ("not found", "not exist", "notfound", "doesn't exist")
    )


def _failed(request: ResourceRequest[Properties], message: str) -> ProgressEvent[Properties]:
    return ProgressEvent(
        status=OperationStatus.FAILED,
        resource_model=dict(request.previous_state or request.desired_state),
        message=message,
    )


def _context(request: ResourceRequest[Properties]) -> Properties:
    """What rows can name beside properties."""
    region = request.region_name
    return {"account": request.account_id, "region": region, "partition": get_partition(region)}


def _client(request: ResourceRequest[Properties], service: str) -> Any:
    return getattr(
        request.aws_client_factory, "lambda_" if service == "lambda" else service.replace("-", "_")
    )


def _tagging(client: Any, operation: str) -> Call | None:
    """How a service tags: nearly all of them call it alike, and each its arguments in its own way."""
    model = client.meta.service_model
    return _tag_call(model.service_name, operation) if operation in model.operation_names else None


@cache
def _tag_call(service: str, operation: str) -> Call:
    from botocore.session import get_session

    shape: Any = get_session().get_service_model(service).operation_model(operation).input_shape
    arn = next(name for name, member in shape.members.items() if member.type_name == "string")
    tags = next(name for name, member in shape.members.items() if member.type_name in ("map", "list"))
    return Call(operation, {arn: "TaggedArn", tags: "Added" if operation == "TagResource" else "Removed"})
