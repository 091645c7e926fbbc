"""Tasks that call an HTTPS API, which LocalStack has not.

Source: "Call HTTPS APIs in Step Functions workflows" in the developer guide: a connection of EventBridge
authorises the call; a status other than 2xx fails the task as ``States.Http.StatusCode.NNN``, a call without
an answer as ``States.Http.Socket``. An API on this machine may be called by ``http``, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import requests
from localstack.services.events.api_destination import add_api_destination_authorization
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.credentials import (
    StateCredentials,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service.resource import (  # noqa: E501
    ResourceRuntimePart,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service.state_task_service_callback import (  # noqa: E501
    StateTaskServiceCallback,
)
from localstack.services.stepfunctions.asl.eval.environment import Environment

from millpond.localstack_ext.stepfunctions.errors import RUNTIME, failure

METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"})
_LONGEST_SECONDS = 60
_PARAMETERS = frozenset(
    {
        "ApiEndpoint",
        "Authentication",
        "Headers",
        "InvocationConfig",
        "Method",
        "QueryParameters",
        "RequestBody",
        "Transform",
    }
)


class HttpTask(StateTaskServiceCallback):
    """A task of ``arn:aws:states:::http:invoke``."""

    def __init__(self) -> None:
        super().__init__(set())

    def _get_supported_parameters(self) -> set[str] | None:
        return set(_PARAMETERS) if self.resource.api_action == "invoke" else None

    def _normalise_parameters(self, *_args: Any, **_named: Any) -> None:
        """Nothing: the parameters are of no API of AWS, whose names would be put right here."""

    def _normalise_response(self, *_args: Any, **_named: Any) -> None:
        """Nothing: the response is of no API of AWS, whose names would be put right here."""

    def _eval_service_task(
        self,
        env: Environment,
        resource_runtime_part: ResourceRuntimePart,  # noqa: ARG002
        normalised_parameters: dict[str, Any],
        state_credentials: StateCredentials,  # noqa: ARG002
    ) -> None:
        try:
            request = _request(normalised_parameters)
        except (KeyError, TypeError, ValueError) as error:
            raise failure(env, RUNTIME, f"The parameters of the call are not valid: {error}") from error
        try:
            answer = requests.request(**request, timeout=_LONGEST_SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            raise failure(env, "States.Http.Socket", str(error)) from error
        if not answer.ok:
            raise failure(env, f"States.Http.StatusCode.{answer.status_code}", answer.text)
        env.stack.append(_result(answer))


def _request(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The call as ``requests`` makes it."""
    method = parameters["Method"]
    if method not in METHODS:
        raise ValueError(f"Method is one of {', '.join(sorted(METHODS))}")
    headers = {name: _text(value) for name, value in (parameters.get("Headers") or {}).items()}
    body = parameters.get("RequestBody")
    options = {"ConnectionArn": _connection(parameters), "InvocationEndpoint": parameters["ApiEndpoint"]}
    url = add_api_destination_authorization(options, headers, body if isinstance(body, dict) else {})  # type: ignore[no-untyped-call]
    return {
        "method": method,
        "url": url,
        "params": parameters.get("QueryParameters"),
        "headers": headers,
        "data": _body(body, parameters.get("Transform") or {}, headers),
    }


def _connection(parameters: Mapping[str, Any]) -> str:
    for holder in ("Authentication", "InvocationConfig"):
        if arn := (parameters.get(holder) or {}).get("ConnectionArn"):
            return str(arn)
    raise ValueError("Authentication with a ConnectionArn is missing")


def _body(body: Any, transform: Mapping[str, Any], headers: dict[str, str]) -> bytes | None:
    if body is None:
        return None
    if transform.get("RequestBodyEncoding") == "URL_ENCODED":
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
        return urlencode(body, doseq=True).encode()
    if isinstance(body, str):
        return body.encode()
    headers.setdefault("content-type", "application/json")
    return json.dumps(body).encode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _result(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = answer.text
    return {
        "Headers": {name: [value] for name, value in answer.headers.items()},
        "ResponseBody": body,
        "StatusCode": answer.status_code,
        "StatusText": answer.reason,
    }
