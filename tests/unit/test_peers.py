"""Whose process is at the other end of a connection."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from sockets import NOBODY, connected_as

from millpond.base import peers
from millpond.localstack_ext.engine import callers

pytestmark = pytest.mark.skipif(not peers.is_told(), reason="this system does not tell whose a socket is")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_own_connection_is_ones_own(server: socket.socket) -> None:
    with socket.create_connection(server.getsockname()) as client:
        assert peers.owner(client.getsockname(), server.getsockname()) == os.geteuid()


def test_connection_of_a_client_that_speaks_ipv6_is_found(server: socket.socket) -> None:
    with socket.socket(socket.AF_INET6) as client:
        client.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        port = client.getsockname()[1]
        assert peers.owner(("127.0.0.1", port), server.getsockname()) == os.geteuid()


@AS_ROOT
def test_connection_of_somebody_else_is_his(server: socket.socket) -> None:
    with connected_as(NOBODY, server.getsockname()) as client:
        assert peers.owner(client.getsockname(), server.getsockname()) == NOBODY


def test_socket_that_was_closed_is_nobodys(server: socket.socket) -> None:
    with socket.create_connection(server.getsockname()) as client:
        peer = client.getsockname()
    accepted, _ = server.accept()
    with accepted:
        assert peers.owner(peer, server.getsockname()) is None


@pytest.mark.parametrize(
    ("setting", "users"), [("", None), ("1000", frozenset({0, 1000})), ("1,2", frozenset({0, 1, 2}))]
)
def test_users_who_may_call_are_those_of_the_setting_and_root(
    setting: str, users: frozenset[int] | None
) -> None:
    assert callers.admitted(setting) == users


def test_stranger_is_who_is_none_of_the_users(server: socket.socket) -> None:
    with socket.create_connection(server.getsockname()) as client:
        ends = client.getsockname(), server.getsockname()
        assert not callers.is_stranger(None, *ends)
        assert not callers.is_stranger(frozenset({os.geteuid()}), *ends)
        assert callers.is_stranger(frozenset({os.geteuid() + 1}), *ends)
