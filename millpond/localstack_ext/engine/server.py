"""The gateway's server: bound to the addresses that it was told, it knows who calls, and can hang up."""

from __future__ import annotations

from functools import cache
from typing import Any

from localstack import config
from localstack.aws.serving.twisted import TLSMultiplexerFactory
from localstack.runtime.server.core import RuntimeServerPlugin
from localstack.runtime.server.twisted import TwistedRuntimeServer
from rolo.gateway import Gateway
from rolo.gateway.wsgi import WsgiGateway
from rolo.serving.twisted import (
    HeaderPreservingWSGIResource,
    HeaderPreservingWSGIResponse,
    TwistedGateway,
    WebsocketResourceDecorator,
)
from rolo.websocket import WebSocketRequest
from twisted.internet import reactor, ssl, threads
from twisted.web.server import NOT_DONE_YET

from millpond.localstack_ext.engine import callers

_in_reactor: Any = threads.blockingCallFromThread
_Response: Any = HeaderPreservingWSGIResponse
_KNOWN = "millpond_is_stranger"
CONNECTION = "millpond.connection"
"""Key of a request's environment: its :class:`Connection`."""


class Connection:
    """The connection on which a request came, for the thread that answers it."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def is_lost(self) -> bool:
        """Whether the client has closed it."""
        # Asked in the reactor's thread, after what has arrived meanwhile.
        return bool(_in_reactor(reactor, lambda: self._response._requestFinished))

    def abort(self) -> None:
        """Close it without an answer."""
        _in_reactor(reactor, self._response.request.transport.abortConnection)


class _Resource(HeaderPreservingWSGIResource):
    def render(self, request: Any) -> Any:
        response = _Response(self._reactor, self._threadpool, self._application, request)
        response.environ[CONNECTION] = Connection(response)
        if _comes_from_stranger(request):
            response.environ[callers.STRANGER] = True
        response.start()
        return NOT_DONE_YET


class _Front(WebsocketResourceDecorator):
    def _processWebsocket(self, request: Any) -> None:  # noqa: N802 (their name)
        if _comes_from_stranger(request):
            request.transport.abortConnection()
        else:
            super()._processWebsocket(request)


@cache
def _admitted() -> frozenset[int] | None:
    return callers.admitted()


def _comes_from_stranger(request: Any) -> bool:
    """Whether the caller may not call, which does not change while a connection is open."""
    connection = request.channel
    if (known := getattr(connection, _KNOWN, None)) is None:
        peer, own = request.getClientAddress(), request.getHost()
        known = callers.is_stranger(_admitted(), (peer.host, peer.port), (own.host, own.port))
        setattr(connection, _KNOWN, known)
    return bool(known)


class _Site(TwistedGateway):
    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        pool = reactor.getThreadPool()  # type: ignore[attr-defined]
        self.resource = _Front(
            original=_Resource(reactor, pool, WsgiGateway(gateway)),  # type: ignore[no-untyped-call]
            websocketListener=WebSocketRequest.listener(gateway.accept),
        )


class InterfaceBoundServer(TwistedRuntimeServer):
    """LocalStack's own server binds every interface, whatever ``GATEWAY_LISTEN`` says; this one does not."""

    def register(
        self, gateway: Gateway, listen: list[config.HostAndPort], ssl_creds: tuple[str, str] | None = None
    ) -> None:
        first: Any = callers.refuse_strangers
        gateway.request_handlers.insert(0, first)
        site: Any = _Site(gateway)
        if ssl_creds:
            certificate, key = ssl_creds
            tls = ssl.DefaultOpenSSLContextFactory(key, certificate)  # type: ignore[no-untyped-call]
            tls.getContext().use_certificate_chain_file(certificate)  # type: ignore[no-untyped-call]
            site = TLSMultiplexerFactory(tls, False, site)  # type: ignore[no-untyped-call]
        for address in listen:
            reactor.listenTCP(  # type: ignore[attr-defined]
                address.port, site, interface=address.host
            )


class MillpondServerPlugin(RuntimeServerPlugin):
    """Chosen by ``GATEWAY_SERVER=millpond``."""

    name = "millpond"

    def load(self, *_args: Any, **_kwargs: Any) -> InterfaceBoundServer:
        return InterfaceBoundServer()  # type: ignore[no-untyped-call]
