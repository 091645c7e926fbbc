"""Transactions of DynamoDB that are asked for twice are done once, which moto does not know.

Source: ``ClientRequestToken`` of ``TransactWriteItems`` in the DynamoDB API Reference: the same request with
the same token within ten minutes changes nothing more, another request is refused.
"""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext
from moto.dynamodb.models.dynamo_type import LimitedSizeDict

from millpond.localstack_ext.engine import patches
from millpond.localstack_ext.engine.dispatch import Handler

REMEMBERED_SECONDS = 600.0


def once_for_each_token(handler: Handler, clock: Callable[[], float] = time.monotonic) -> Handler:
    """Let a handler of ``TransactWriteItems`` keep the promise of the token.

    Parameters
    ----------
    handler : callable
        What does a transaction.
    clock : callable, optional
        Seconds.
    """
    done: dict[tuple[str, str, str], tuple[float, str, Any]] = {}
    lock = threading.Lock()

    def handle(context: RequestContext, request: Any) -> Any:
        token = (request or {}).get("ClientRequestToken")
        if token is None:
            return handler(context, request)
        key = (context.account_id, context.region, token)
        asked = json.dumps(request["TransactItems"], sort_keys=True, default=repr)
        with lock:
            for old in [call for call, (at, _, _) in done.items() if at < clock() - REMEMBERED_SECONDS]:
                del done[old]
            if key not in done:
                done[key] = (clock(), asked, handler(context, request))
            _, first, answer = done[key]
        if asked != first:
            raise CommonServiceException(
                "IdempotentParameterMismatchException",
                "The request was already used with another transaction.",
                sender_fault=True,
            )
        return answer

    return handle


def install_copies() -> None:
    """Let a table be copied without measuring its items anew.

    moto copies the tables of a transaction, to put them back where it fails. What it changes of them is
    measured when it is changed.
    """

    def copied(attributes: LimitedSizeDict, memo: dict[int, Any]) -> LimitedSizeDict:
        new = LimitedSizeDict()
        memo[id(attributes)] = new
        dict.update(new, {name: copy.deepcopy(value, memo) for name, value in attributes.items()})
        return new

    patches.add(LimitedSizeDict, "__deepcopy__", copied)
