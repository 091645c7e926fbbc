"""What acted on what in this engine, over HTTP: ``GET /_localstack/trail`` (``docs/stream.md``)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from localstack.aws import handlers
from localstack.aws.api import RequestContext
from localstack.http import Request, Resource, Response
from localstack.services.internal import get_internal_apis
from rolo.gateway.chain import HandlerChain

from millpond.localstack_ext.iam.guard import NEEDED, Needed
from millpond.localstack_ext.iam.principals import Caller, access_key
from millpond.localstack_ext.iam.sources import Sources
from millpond.planes.common.callers import OWN_CALLS, QUERY
from millpond.planes.common.trail import Trail

PATH = "/_localstack/trail"
TRAIL = Trail()
SOURCES = Sources()
_ATHENA = "athena.amazonaws.com"


def install_trail() -> None:
    """Put the trail behind the gateway's chain."""
    answers: Any = handlers.run_custom_response_handlers
    answers.append(follow)
    get_internal_apis().add(Resource(PATH, TrailResource()))


def note_query(query_id: str, locations: Iterable[str]) -> None:
    """A query has read objects as files: ``s3://bucket/key`` each."""
    read = (("s3:GetObject", f"arn:aws:s3:::{location.removeprefix('s3://')}") for location in locations)
    TRAIL.add(_ATHENA, query_id, read)


def follow(_chain: HandlerChain[Any], context: RequestContext, response: Response) -> None:
    """A call was answered: what failed has read and written nothing."""
    needed: Needed | None = context.get(NEEDED)
    if needed is None or response.status_code >= 400:
        return
    caller = needed.caller
    operation: Any = context.operation
    if operation.name == "AssumeRole":
        answered: Mapping[str, Any] = context.service_response or {}
        SOURCES.assumed(caller, context.service_request or {}, answered)
        return
    headers = context.request.headers
    if query := headers.get(QUERY):
        actor, run = _ATHENA, query
    elif caller.is_root and OWN_CALLS in headers.get("User-Agent", ""):
        return
    else:
        actor, run = _actor(caller, access_key(context.request) or "")
    TRAIL.add(actor, run, ((need.action, need.resource) for need in needed.needs))


def _actor(caller: Caller, key: str) -> tuple[str, str]:
    if caller.role:
        return SOURCES.of(key) or caller.role, caller.arn.rpartition("/")[2]
    source = caller.context.get("aws:sourcearn", ()) if caller.is_service else ()
    return (source[0] if source else caller.arn), ""


class TrailResource:
    """The trail over HTTP."""

    def on_get(self, request: Request) -> Response:
        try:
            after = int(request.args.get("after", 0))
        except ValueError:
            return _answer({"message": "after is a whole number."}, 400)
        return _answer(TRAIL.after(after, request.args.get("trail", "")))


def _answer(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status=status, content_type="application/json")
