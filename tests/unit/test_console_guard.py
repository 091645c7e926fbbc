from __future__ import annotations

import asyncio
from typing import Any

import pytest

from millpond.console.guard import Guard

PORT, TOKEN = 8477, "the-token"
HOST = f"127.0.0.1:{PORT}"
COOKIE = f"millpond_console_{PORT}={TOKEN}"


def asked(kind: str, headers: dict[str, str], query: str = "", path: str = "/runs") -> list[dict[str, Any]]:
    """What the guard answers to a request, or what it lets through to."""
    sent: list[dict[str, Any]] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a page"})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    scope = {
        "type": kind,
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(Guard(inner, port=PORT, token=TOKEN)(scope, receive, send))
    return sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ({"host": HOST, "cookie": COOKIE}, True),
        ({"host": f"localhost:{PORT}", "cookie": COOKIE}, True),
        ({"host": HOST, "cookie": f"a=b; {COOKIE}", "origin": f"http://{HOST}"}, True),
        ({"host": HOST}, False),
        ({"host": HOST, "cookie": COOKIE[:-1]}, False),
        ({"host": HOST, "cookie": f"millpond_console_1={TOKEN}"}, False),
        ({"host": f"evil.example:{PORT}", "cookie": COOKIE}, False),
        ({"host": "127.0.0.1:1", "cookie": COOKIE}, False),
        ({"cookie": COOKIE}, False),
        ({"host": HOST, "cookie": COOKIE, "origin": "http://evil.example"}, False),
        ({"host": HOST, "cookie": COOKIE, "origin": "http://127.0.0.1:1"}, False),
        ({"host": HOST, "cookie": COOKIE, "origin": f"https://{HOST}"}, False),
        ({"host": HOST, "cookie": COOKIE, "origin": "null"}, False),
    ],
)
def test_only_who_has_the_token_and_comes_from_the_console_itself_is_let_in(kind, headers, is_let_in):
    first = asked(kind, headers)[0]
    if kind == "http":
        assert first["status"] == (200 if is_let_in else 403)
    else:
        assert first["type"] == ("websocket.accept" if is_let_in else "websocket.close")


def test_the_token_in_the_address_becomes_a_cookie_that_scripts_and_other_sites_do_not_have():
    first = asked("http", {"host": HOST}, f"kind=job&token={TOKEN}&name=a%20b")[0]
    headers = {name.decode(): value.decode() for name, value in first["headers"]}
    assert first["status"] == 303
    assert headers["location"] == "/runs?kind=job&name=a+b"
    assert headers["set-cookie"] == f"{COOKIE}; HttpOnly; SameSite=Strict; Path=/"


def test_a_way_back_to_another_host_or_another_header_cannot_be_put_into_the_address():
    for path, location in (("//evil.example/x", "/evil.example/x"), ("/a\r\nx: y", "/a%0D%0Ax:%20y")):
        first = asked("http", {"host": HOST}, f"token={TOKEN}", path)[0]
        assert dict(first["headers"])[b"location"].decode() == location


@pytest.mark.parametrize("query", ["token=wrong", "token=", "", "token=the-token-and-more"])
def test_a_wrong_token_is_refused_and_told_how_to_come_in(query):
    sent = asked("http", {"host": HOST}, query)
    assert sent[0]["status"] == 403
    assert b"millpond console" in sent[1]["body"]


def test_a_websocket_is_not_opened_by_a_token_in_its_address():
    assert asked("websocket", {"host": HOST}, f"token={TOKEN}")[0]["type"] == "websocket.close"


def test_a_page_may_load_nothing_from_elsewhere_and_be_in_no_frame():
    headers = dict(asked("http", {"host": HOST, "cookie": COOKIE})[0]["headers"])
    policy = headers[b"content-security-policy"].decode()
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert headers[b"referrer-policy"] == b"no-referrer"
