"""Faults in the gateway: every call passes here, whoever answers it, and the rules are set over HTTP.

``/_localstack/chaos/faults`` takes and gives a JSON list of rules
(:mod:`millpond.localstack_ext.engine.faults`):
``GET`` shows them, ``POST`` replaces them, ``PATCH`` adds some, ``DELETE`` takes some or all back.
"""

from __future__ import annotations

import json
from typing import Any

from localstack.aws import handlers
from localstack.aws.api import CommonServiceException, RequestContext
from localstack.http import Request, Resource, Response
from localstack.services.internal import get_internal_apis
from localstack.utils.aws.request_context import extract_access_key_id_from_auth_header
from rolo.gateway.chain import HandlerChain

from millpond.localstack_ext.engine.faults import (
    Action,
    ArmedRule,
    Call,
    Faults,
    RefusedRuleError,
    readable,
    rules_from_json,
)
from millpond.localstack_ext.engine.server import CONNECTION, Connection

PATH = "/_localstack/chaos/faults"
FAULTS = Faults()
_STRUCK = "millpond_fault"


class FaultsResource:
    """The rules over HTTP."""

    def on_get(self, _request: Request) -> Response:
        return _answer(FAULTS.to_json())

    def on_post(self, request: Request) -> Response:
        return self._change(request, is_new=True)

    def on_patch(self, request: Request) -> Response:
        return self._change(request, is_new=False)

    def on_delete(self, request: Request) -> Response:
        try:
            FAULTS.remove(rules_from_json(_content(request)) if request.get_data() else None)
        except RefusedRuleError as error:
            return _refusal(error)
        return _answer(FAULTS.to_json())

    def _change(self, request: Request, *, is_new: bool) -> Response:
        try:
            rules = rules_from_json(_content(request))
        except RefusedRuleError as error:
            return _refusal(error)
        if is_new:
            FAULTS.remove()
        FAULTS.add(rules)
        return _answer(FAULTS.to_json())


def install() -> None:
    """Put the rules into the gateway's chain; as long as there is none, each call pays one comparison."""
    calls: Any = handlers.serve_custom_service_request_handlers
    answers: Any = handlers.run_custom_response_handlers
    calls.append(strike_call)
    answers.append(strike_answer)
    get_internal_apis().add(Resource(PATH, FaultsResource()))


def strike_call(chain: HandlerChain[Any], context: RequestContext, _response: Response) -> None:
    """What a rule does to a call before anybody has looked at it."""
    if not FAULTS or context.operation is None:
        return
    struck = FAULTS.strike(_call(context))
    if struck is None:
        return
    setattr(context, _STRUCK, struck)
    match struck.rule.action:
        case Action.ERROR:
            message = "An injected fault: see /_localstack/chaos/faults."
            raise CommonServiceException(struck.rule.code, message, status_code=struck.rule.status_code)
        case Action.DROP:
            _connection(context).abort()
            chain.terminate()
        case Action.HOLD:
            struck.hold()
            if _connection(context).is_lost():
                chain.terminate()


def strike_answer(_chain: HandlerChain[Any], context: RequestContext, _response: Response) -> None:
    """What a rule does to a call that is done."""
    struck: ArmedRule | None = context.get(_STRUCK)
    if struck is None:
        return
    match struck.rule.action:
        case Action.DROP_ANSWER:
            _connection(context).abort()
        case Action.HOLD_ANSWER:
            struck.hold()


def _call(context: RequestContext) -> Call:
    operation: Any = context.operation
    return Call(
        service=operation.service_model.service_name,
        operation=operation.name,
        region=context.region,
        caller=_caller(context),
        user_agent=context.request.headers.get("User-Agent", ""),
        request=readable(operation.input_shape, context.service_request) or {},
    )


def _caller(context: RequestContext) -> str:
    from moto.sts.models import sts_backends

    headers: Any = context.request.headers
    key = extract_access_key_id_from_auth_header(headers)
    backend = sts_backends[context.account_id][context.partition]
    role = backend.get_assumed_role_from_access_key(key) if key else None
    return str(role.arn) if role else f"arn:{context.partition}:iam::{context.account_id}:root"


def _connection(context: RequestContext) -> Connection:
    connection: Connection = context.request.environ[CONNECTION]
    return connection


def _content(request: Request) -> object:
    try:
        content: object = json.loads(request.get_data())
    except ValueError:
        raise RefusedRuleError("The rules are not JSON.") from None
    return content


def _refusal(error: RefusedRuleError) -> Response:
    return _answer({"message": str(error)}, 400)


def _answer(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status=status, content_type="application/json")
