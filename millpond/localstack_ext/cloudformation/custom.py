"""Custom resources: a function or a topic is asked, and its answer is waited for.

Source: "Custom resource request objects", "Custom resource response objects" and the type
``AWS::CloudFormation::CustomResource`` in the CloudFormation User Guide and Template Reference.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError
from localstack.http import Request, Resource, Response
from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceRequest,
)
from localstack.services.internal import get_internal_apis
from localstack.utils.urls import localstack_host

from millpond.localstack_ext.cloudformation.generic import PHYSICAL_ID, made_up_name

Properties = dict[str, Any]
KIND = "AWS::CloudFormation::CustomResource"
# Where a resource's model keeps the properties of the template apart from the answer.
GIVEN = "GivenProperties"
PATH = "/_localstack/millpond/custom-resources"
_LONGEST_ANSWER = 4096
_SECONDS = 3600


def is_custom(kind: str) -> bool:
    """Whether a resource type is one of the template's author."""
    return kind == KIND or kind.startswith("Custom::")


class Answers:
    """Answers that are waited for, each under the id of its request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[threading.Event, list[bytes]]] = {}

    def expect(self, request_id: str) -> None:
        with self._lock:
            self._waiting[request_id] = (threading.Event(), [])

    def put(self, request_id: str, body: bytes) -> bool:
        """Keep the first answer to a request; whether anybody waits for it."""
        with self._lock:
            waiting = self._waiting.get(request_id)
            if waiting is None:
                return False
            event, bodies = waiting
            bodies.append(body)
        event.set()
        return True

    def take(self, request_id: str, seconds: float) -> bytes | None:
        """The answer, or None if none has come in time."""
        event, bodies = self._waiting[request_id]
        event.wait(seconds)
        with self._lock:
            del self._waiting[request_id]
        return bodies[0] if bodies else None


ANSWERS = Answers()


class AnswersResource:
    """Where the URL of a request leads."""

    def on_put(self, request: Request, request_id: str) -> Response:
        if not ANSWERS.put(request_id, request.get_data()):
            return Response("Nobody waits for this answer", status=403)
        return Response("", status=200)


def install_answers() -> None:
    """Let the engine take answers."""
    get_internal_apis().add(Resource(f"{PATH}/<request_id>", AnswersResource()))


class Unanswered(Exception):  # noqa: N818
    """The words for a resource that has failed."""


class CustomProvider(ResourceProvider[Properties]):
    """``AWS::CloudFormation::CustomResource`` and every ``Custom::`` type.

    ``Ref`` is the physical id that was answered, and ``Fn::GetAtt`` a member of ``Data``.
    """

    TYPE = KIND
    SCHEMA: Properties = {  # noqa: RUF012 (LocalStack's base declares it so)
        "typeName": KIND,
        "properties": {},
        "primaryIdentifier": [f"/properties/{PHYSICAL_ID}"],
        "readOnlyProperties": [f"/properties/{PHYSICAL_ID}", f"/properties/{GIVEN}"],
        "createOnlyProperties": [],
    }

    def create(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        properties = _properties_of(request.desired_state)
        event = {"RequestType": "Create", "ResourceProperties": _texts(properties)}
        return self._asked(
            request, properties, event, made_up_name(request.stack_name, request.logical_resource_id)
        )

    def update(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        old = dict(request.previous_state or {})
        properties, before = _properties_of(request.desired_state), _properties_of(old)
        if properties.get("ServiceToken") != before.get("ServiceToken"):
            return _failed(old, "Modifying service token is not allowed.")
        event = {
            "RequestType": "Update",
            "PhysicalResourceId": old[PHYSICAL_ID],
            "ResourceProperties": _texts(properties),
            "OldResourceProperties": _texts(before),
        }
        return self._asked(request, properties, event, old[PHYSICAL_ID])

    def delete(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        old = dict(request.previous_state or request.desired_state)
        properties = _properties_of(old)
        event = {
            "RequestType": "Delete",
            "PhysicalResourceId": old.get(PHYSICAL_ID),
            "ResourceProperties": _texts(properties),
        }
        result = self._asked(request, properties, event, str(old.get(PHYSICAL_ID)))
        return (
            result if result.status is OperationStatus.FAILED else ProgressEvent(OperationStatus.SUCCESS, {})
        )

    def _asked(
        self,
        request: ResourceRequest[Properties],
        properties: Properties,
        event: Properties,
        physical_id: str,
    ) -> ProgressEvent[Properties]:
        model = {**properties, GIVEN: properties, PHYSICAL_ID: physical_id}
        if "ServiceToken" not in properties:
            message = "Properties validation failed: required key [ServiceToken] not found"
            return ProgressEvent(OperationStatus.FAILED, dict(properties), message=message)
        try:
            answer = _ask(request, properties, event)
        except (Unanswered, ClientError) as error:
            return _failed(model, str(error))
        model[PHYSICAL_ID] = answer.get("PhysicalResourceId") or physical_id
        if answer["Status"] == "FAILED":
            if "PhysicalResourceId" in event:
                model[PHYSICAL_ID] = physical_id
            said = answer.get("Reason") or "Unknown"
            return _failed(
                model, f"Received response status [FAILED] from custom resource. Message returned: {said}"
            )
        return ProgressEvent(
            OperationStatus.SUCCESS, {**model, **(answer.get("Data") or {}), PHYSICAL_ID: model[PHYSICAL_ID]}
        )


def _ask(request: ResourceRequest[Properties], properties: Properties, event: Properties) -> Properties:
    """The answer to a request; the first that comes counts.

    Raises
    ------
    Unanswered
        If there is none in time, or none that can be read.
    botocore.exceptions.ClientError
        If there is no such function or topic.
    """
    request_id = str(uuid4())
    token = str(properties["ServiceToken"])
    message = json.dumps(
        {
            **event,
            "ServiceToken": token,
            "ResponseURL": f"http://{localstack_host()}{PATH}/{request_id}",
            "StackId": request.stack_id,
            "RequestId": request_id,
            "LogicalResourceId": request.logical_resource_id,
            "ResourceType": request.resource_type,
        }
    )
    ANSWERS.expect(request_id)
    try:
        if ":sns:" in token:
            request.aws_client_factory.sns.publish(
                TopicArn=token, Subject="AWS CloudFormation custom resource request", Message=message
            )
        else:
            request.aws_client_factory.lambda_.invoke(
                FunctionName=token, InvocationType="Event", Payload=message.encode()
            )
        seconds = float(properties.get("ServiceTimeout") or _SECONDS)
    except BaseException:
        ANSWERS.take(request_id, 0)
        raise
    body = ANSWERS.take(request_id, seconds)
    if body is None:
        raise Unanswered(
            "CloudFormation did not receive a response from your custom resource. "
            f"Please check your logs for requestId [{request_id}]."
        )
    return read_answer(body)


def read_answer(body: bytes) -> Properties:
    """What a custom resource has answered.

    Raises
    ------
    Unanswered
        If it is too long, no JSON object, or has not what it must have.
    """
    if len(body) > _LONGEST_ANSWER:
        raise Unanswered("Response is too long.")
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise Unanswered(f"Invalid response object: {error}") from error
    if not isinstance(answer, dict) or answer.get("Status") not in ("SUCCESS", "FAILED"):
        raise Unanswered("Invalid response object: Value of Status must be SUCCESS or FAILED")
    if answer["Status"] == "SUCCESS" and not isinstance(answer.get("PhysicalResourceId"), str):
        raise Unanswered("Invalid PhysicalResourceId")
    if not isinstance(answer.get("Data") or {}, Mapping):
        raise Unanswered("Invalid response object: Value of Data must be an object")
    return answer


def _properties_of(model: Mapping[str, Any]) -> Properties:
    """The properties of the template."""
    return dict(model.get(GIVEN, model))


def _texts(value: Any) -> Any:
    """Properties as a request has them: every number and boolean is a text."""
    if isinstance(value, dict):
        return {name: _texts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None else str(value)


def _failed(model: Properties, message: str) -> ProgressEvent[Properties]:
    return ProgressEvent(OperationStatus.FAILED, model, message=message)
