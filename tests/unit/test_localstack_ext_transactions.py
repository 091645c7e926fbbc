"""A transaction that is asked for twice with one token."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from localstack.aws.api import CommonServiceException

from millpond.localstack_ext.dynamodb.transactions import REMEMBERED_SECONDS, once_for_each_token

CONTEXT: Any = SimpleNamespace(account_id="000000000000", region="eu-west-1")


def request(number: int, token: str | None = "t") -> dict[str, Any]:
    items = [{"Update": {"Key": {"id": {"N": str(number)}}}}]
    return {"TransactItems": items, **({"ClientRequestToken": token} if token else {})}


def test_the_same_request_is_done_once_for_ten_minutes_and_another_one_is_refused() -> None:
    done: list[Any] = []
    now = [0.0]
    handle = once_for_each_token(lambda _, asked: done.append(asked) or len(done), lambda: now[0])
    assert [handle(CONTEXT, request(1)), handle(CONTEXT, request(1))] == [1, 1]
    with pytest.raises(CommonServiceException) as refused:
        handle(CONTEXT, request(2))
    assert refused.value.code == "IdempotentParameterMismatchException"
    assert handle(CONTEXT, request(2, token=None)) == 2
    now[0] = REMEMBERED_SECONDS + 1
    assert handle(CONTEXT, request(1)) == 3


def test_a_request_that_failed_is_done_when_it_comes_again() -> None:
    outcomes = iter([RuntimeError("cancelled"), "done"])

    def transact(_context: Any, _request: Any) -> Any:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    handle = once_for_each_token(transact)
    with pytest.raises(RuntimeError):
        handle(CONTEXT, request(1))
    assert handle(CONTEXT, request(1)) == "done"
