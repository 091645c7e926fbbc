"""The gateway's server, bound to the addresses it was told to bind to, and able to hang up."""

from __future__ import annotations

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

_in_reactor: Any = threads.blockingCallFromThread
_Response: Any = HeaderPreservingWSGIResponse
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
        response.start()
        return NOT_DONE_YET


class _Site(TwistedGateway):
    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        pool = reactor.getThreadPool()  # type: ignore[attr-defined]
        self.resource = WebsocketResourceDecorator(
            original=_Resource(reactor, pool, WsgiGateway(gateway)),  # type: ignore[no-untyped-call]
            websocketListener=WebSocketRequest.listener(gateway.accept),
        )


class InterfaceBoundServer(TwistedRuntimeServer):
    """LocalStack's own server binds every interface, whatever ``GATEWAY_LISTEN`` says; this one does not."""

    def register(
        self, gateway: Gateway, listen: list[config.HostAndPort], ssl_creds: tuple[str, str] | None = None
    ) -> None:
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
