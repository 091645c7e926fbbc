"""Clients by which the engine's services call each other."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from millpond.localstack_ext.engine import clients


class Client:
    """What a factory makes."""


def test_clients_of_accounts_are_kept_and_those_of_ended_sessions_let_go() -> None:
    alive: WeakSet[Client] = WeakSet()

    def make(_factory: object, **_arguments: Any) -> Client:
        alive.add(made := Client())
        return made

    client = clients.bounded(make)
    factory = object()
    own = client(factory, service_name="sqs", aws_session_token=None)

    for session in range(10 * clients.PASSING):
        first = client(factory, service_name="sqs", aws_session_token=f"token{session}")
        assert client(factory, service_name="sqs", aws_session_token=f"token{session}") is first

    assert client(factory, service_name="sqs", aws_session_token=None) is own
    assert len(alive) == clients.PASSING + 1
