"""The stream of what happens in this engine, over HTTP: ``GET /_localstack/stream`` (``docs/stream.md``)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from localstack.aws import handlers
from localstack.aws.api import RequestContext
from localstack.http import Request, Resource, Response
from localstack.services.internal import get_internal_apis
from rolo.gateway.chain import HandlerChain

from millpond.localstack_ext.engine import planes
from millpond.localstack_ext.iam.principals import access_key, by_key
from millpond.planes.common.callers import OWN_CALLS
from millpond.planes.common.stream import Shape, Stream, of_event, stamp
from millpond.planes.iam.calls import needs

_LOG = logging.getLogger(__name__)
PATH = "/_localstack/stream"
STREAM = Stream()
_SINCE = "millpond_since"
_LONGEST_WAIT = 30.0


@dataclass(frozen=True)
class Call:
    """A call of the API that was answered."""

    time: str
    account: str
    region: str
    partition: str
    service: str
    operation: str
    resource: str
    key: str
    principal: str
    is_own: bool
    status: int
    error: str
    message: str
    milliseconds: float

    kind = "call"

    def describe(self) -> Shape:
        """Its fields as JSON has them."""
        arn = _session_or_user(self.key, self.account, self.partition) if self.key else ""
        root = f"arn:{self.partition}:iam::{self.account}:root"
        return {
            "time": self.time,
            "account": self.account,
            "region": self.region,
            "service": self.service,
            "operation": self.operation,
            "resource": self.resource,
            "caller": arn or self.principal or root,
            "is_own": self.is_own and not arn and not self.principal,
            "status": self.status,
            "error": self.error,
            "message": self.message,
            "milliseconds": self.milliseconds,
        }


@lru_cache(maxsize=512)
def _session_or_user(key: str, account: str, partition: str) -> str:
    identity = by_key(key, account, partition)
    return identity.arn if identity else ""


def install_stream() -> None:
    """Put the stream into the gateway's chain."""
    calls: Any = handlers.serve_custom_service_request_handlers
    answers: Any = handlers.run_custom_response_handlers
    calls.handlers.insert(0, begin)
    answers.append(note)
    planes.telemetry().listen(STREAM.add)
    get_internal_apis().add(Resource(PATH, StreamResource()))


def begin(_chain: HandlerChain[Any], context: RequestContext, _response: Response) -> None:
    """A call begins."""
    setattr(context, _SINCE, time.perf_counter())


def note(_chain: HandlerChain[Any], context: RequestContext, response: Response) -> None:
    """A call was answered."""
    since = context.get(_SINCE)
    if since is None or context.operation is None:
        return
    call = _call(context, response, time.perf_counter() - since)
    request: Mapping[str, Any] = context.service_request or {}
    if call.operation == "PutEvents" and call.status < 300:
        answered: Mapping[str, Any] = context.service_response or {}
        results = answered.get("Entries") or []
        for number, entry in enumerate(request.get("Entries") or []):
            if number >= len(results) or not results[number].get("ErrorCode"):
                STREAM.add(of_event(entry, call.account, call.region))
    STREAM.add(call)


def _call(context: RequestContext, response: Response, seconds: float) -> Call:
    operation: Any = context.operation
    internal: Mapping[str, Any] = context.internal_request_params or {}
    principal = str(internal.get("service_principal") or "")
    error: Any = context.service_exception
    return Call(
        stamp(),
        context.account_id,
        context.region,
        context.partition,
        operation.service_model.service_name,
        operation.name,
        _resource(context),
        access_key(context.request) or "",
        f"{principal}.amazonaws.com" if principal else "",
        context.is_internal_call or OWN_CALLS in context.request.headers.get("User-Agent", ""),
        response.status_code,
        "" if error is None else str(error.code),
        "" if error is None else str(error.message),
        round(seconds * 1000, 1),
    )


def _resource(context: RequestContext) -> str:
    """What a call is about; empty where the request does not name it."""
    operation: Any = context.operation
    members: Mapping[str, Any] = context.service_request or {}
    service = operation.service_model.service_name
    try:
        need = next(iter(needs(service, operation.name, members, context.account_id, context.region)), None)
    except Exception:  # noqa: BLE001 - of a request that its service has refused already
        _LOG.info("no resource was found in %s of %s", operation.name, service, exc_info=True)
        return ""
    return "" if need is None or need.resource == "*" else need.resource


class StreamResource:
    """The stream over HTTP."""

    def on_get(self, request: Request) -> Response:
        asked: Mapping[str, str] = request.args
        try:
            after, most = int(asked.get("after", 0)), int(asked.get("most", 1000))
            wait = min(float(asked.get("wait", 0)), _LONGEST_WAIT)
        except ValueError:
            refusal = {"message": "after and most are whole numbers, wait is a number of seconds."}
            return _answer(refusal, 400)
        stream = asked.get("stream", "")
        return _answer(STREAM.after(after, stream=stream, wait=wait, most=max(1, most)))


def _answer(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content, default=str), status=status, content_type="application/json")
