"""Who may speak to the console: nobody without the token, and no page of another site for who has it.

The console acts with the rights of who started it, and a browser sends requests for any page that is open in
it. So three things are asked of each request and each websocket:

- ``Host`` is this console's own address: a name of somebody else's that resolves to this machine is refused
  (DNS rebinding);
- ``Origin``, where the browser sends it, is this console: pages of other sites, and of other ports, are
  refused, for websockets too, which no browser keeps apart by itself;
- the token: in the address that was printed, and from then on in a cookie that scripts do not see and that no
  other site makes the browser send.

What is answered may load nothing from elsewhere (``Content-Security-Policy``) and be in nobody's frame.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PARAMETER = "token"
REFUSED = (
    "This console answers only to the address that `millpond console` printed. "
    "Open that one; a new one is made each time the console starts."
)
# A websocket that is closed before it is accepted is answered with 403 (ASGI).
_POLICY_VIOLATION = 1008


class Guard:
    """ASGI middleware around the whole console.

    Parameters
    ----------
    app : callable
        What it guards.
    port : int
        Where the console listens on 127.0.0.1.
    token : str
        What lets in.
    """

    def __init__(self, app: App, *, port: int, token: str) -> None:
        self._app = app
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        # Browsers keep cookies of all ports of a host together.
        self._cookie = f"millpond_console_{port}"
        self._token = token
        self._headers = _headers(port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        if not self._is_from_here(headers):
            await _refuse(scope, send)
            return
        if self._is_right(self._of_cookie(headers)):
            await self._app(scope, receive, self._hardened(send))
            return
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        is_page = scope["type"] == "http" and scope["method"] == "GET"
        if is_page and self._is_right(dict(query).get(PARAMETER, "")):
            await self._let_in(scope, query, send)
            return
        await _refuse(scope, send)

    def _is_from_here(self, headers: dict[str, str]) -> bool:
        host, origin = headers.get("host", ""), headers.get("origin")
        return host in self._hosts and (origin is None or origin == f"http://{host}")

    def _is_right(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _of_cookie(self, headers: dict[str, str]) -> str:
        try:
            cookies: SimpleCookie = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return ""
        return cookies[self._cookie].value if self._cookie in cookies else ""

    async def _let_in(self, scope: Scope, query: Iterable[tuple[str, str]], send: Send) -> None:
        """Keep the token in a cookie, and open the same page without it, so that it is in no history."""
        rest = urlencode([(name, value) for name, value in query if name != PARAMETER])
        path = "/" + scope["path"].lstrip("/")
        location = path + (f"?{rest}" if rest else "")
        cookie = f"{self._cookie}={self._token}; HttpOnly; SameSite=Strict; Path=/"
        await _answer(
            send,
            303,
            b"",
            [(b"location", _quoted(location)), (b"set-cookie", cookie.encode()), *self._headers],
        )

    def _hardened(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        return sent


def _headers(port: int) -> list[tuple[bytes, bytes]]:
    # Vue compiles its templates in the browser, and NiceGUI's page has scripts and styles in it.
    policy = "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self' ws://127.0.0.1:{port} ws://localhost:{port}",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )
    return [
        (b"content-security-policy", policy.encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]


def _quoted(location: str) -> bytes:
    return b"".join(bytes([byte]) if 0x21 <= byte <= 0x7E else b"%%%02X" % byte for byte in location.encode())


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": "refused"})
        return
    await _answer(send, 403, REFUSED.encode(), [(b"content-type", b"text/plain; charset=utf-8")])


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
