"""Clients by which LocalStack's services call each other: those of a role's session are not kept for long."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from localstack.aws.connect import ClientFactory

from millpond.localstack_ext.engine import patches

LASTING, PASSING = 256, 16
"""How many clients are kept: of accounts, and of sessions, each of which ends with what it was begun for."""


def bounded(make: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what is made, but little of what is made with a session's token.

    Parameters
    ----------
    make : callable
        Makes a client for a factory and arguments, one of which is ``aws_session_token``.
    """
    lasting, passing = lru_cache(maxsize=LASTING)(make), lru_cache(maxsize=PASSING)(make)

    def client(self: object, **arguments: Any) -> Any:
        return (passing if arguments["aws_session_token"] else lasting)(self, **arguments)

    return client


def install_clients() -> None:
    """Let few clients of sessions be kept: one takes 0.2 MB, and no other session uses it."""
    client = bounded(ClientFactory._get_client.__wrapped__)  # noqa: SLF001 (in the inventory)
    patches.replace(ClientFactory, "_get_client", client)
