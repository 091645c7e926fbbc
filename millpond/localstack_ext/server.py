"""The gateway's server, bound to the addresses it was told to bind to."""

from __future__ import annotations

from typing import Any

from localstack import config
from localstack.aws.serving.twisted import TLSMultiplexerFactory
from localstack.runtime.server.core import RuntimeServerPlugin
from localstack.runtime.server.twisted import TwistedRuntimeServer
from rolo.gateway import Gateway
from rolo.serving.twisted import TwistedGateway
from twisted.internet import reactor, ssl


class InterfaceBoundServer(TwistedRuntimeServer):
    """LocalStack's own server binds every interface, whatever ``GATEWAY_LISTEN`` says; this one does not."""

    def register(
        self, gateway: Gateway, listen: list[config.HostAndPort], ssl_creds: tuple[str, str] | None = None
    ) -> None:
        site: Any = TwistedGateway(gateway)
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
