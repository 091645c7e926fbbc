"""The server of one run's metastore: Thrift on a port of its own, by which it is known who asks."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from thriftpy2.protocol import TBinaryProtocolFactory
from thriftpy2.server import TThreadedServer
from thriftpy2.thrift import TProcessor
from thriftpy2.transport import TBufferedTransportFactory, TServerSocket

from millpond.planes.glue.metastore.handler import Handler
from millpond.planes.glue.metastore.interface import SERVICE, declared_exceptions, hive

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

LOOPBACK = "127.0.0.1"
_LOG = logging.getLogger(__name__)
_EXCEPTIONS = {
    "EntityNotFoundException": hive.NoSuchObjectException,
    "AlreadyExistsException": hive.AlreadyExistsException,
}


class Metastore:
    """The Data Catalog as a Hive metastore, for one run.

    Parameters
    ----------
    glue, s3 : client
        Act for the role of the run, so its policies and faults hold here too.
    endpoint_url : str
        The stack's endpoint as the run reaches it: where that is another machine, so is the metastore.

    Examples
    --------
    >>> metastore = Metastore(glue, s3, "http://127.0.0.1:4566")  # doctest: +SKIP
    >>> metastore.start()  # doctest: +SKIP
    'thrift://127.0.0.1:41953'
    """

    def __init__(self, glue: GlueClient, s3: S3Client, endpoint_url: str) -> None:
        host = urlsplit(endpoint_url).hostname or LOOPBACK
        self._host = LOOPBACK if host in (LOOPBACK, "localhost") else host
        listen = LOOPBACK if self._host == LOOPBACK else "0.0.0.0"  # noqa: S104 (in the engine's container)
        listener = socket.create_server((listen, 0))
        self._port = listener.getsockname()[1]
        self._server = TThreadedServer(
            TProcessor(SERVICE, _Answering(Handler(glue, s3))),
            _Listening(listener),
            iprot_factory=TBinaryProtocolFactory(),
            itrans_factory=TBufferedTransportFactory(),
            daemon=True,
        )
        self._thread = threading.Thread(target=self._serve, name="glue-metastore", daemon=True)

    def start(self) -> str:
        """Listen; the address for ``hive.metastore.uris``."""
        self._thread.start()
        return f"thrift://{self._host}:{self._port}"

    def stop(self) -> None:
        """Take no more connections; those of the run end with it."""
        self._server.close()

    def _serve(self) -> None:
        try:
            self._server.serve()
        except OSError:
            # How its accept ends when the socket is closed.
            _LOG.debug("The metastore on port %d is closed", self._port)


class _Listening(TServerSocket):  # type: ignore[misc]
    """A server's socket that listens already, so that its port is known."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(host=LOOPBACK, port=0)
        self.sock = listener

    def listen(self) -> None:
        """It does."""

    def close(self) -> None:
        try:
            # Wakes a thread that waits for a connection.
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            _LOG.debug("The metastore's socket was closed before")
        self.sock.close()


class _Answering:
    """Calls the handler, and answers with nothing but exceptions that the method declares.

    Any other would reach the client as a broken connection, which it would try again for seconds.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method, declared = getattr(self._handler, name), declared_exceptions(name)

        def answer(*arguments: Any) -> Any:
            try:
                return method(*arguments)
            except declared:
                raise
            except Exception as error:
                raise _declared(error, declared) from error

        return answer


def _declared(error: Exception, declared: tuple[type[Exception], ...]) -> Exception:
    """An error in the form that a method may answer with."""
    message = getattr(error, "message", None) or str(error)
    wanted = hive.MetaException
    if isinstance(error, ClientError):
        message = error.response["Error"].get("Message", message)
        wanted = _EXCEPTIONS.get(error.response["Error"].get("Code", ""), wanted)
    elif not isinstance(error, BotoCoreError) and type(error).__module__ != hive.__name__:
        _LOG.warning("The metastore failed", exc_info=error)
    for kind in (wanted, hive.MetaException, hive.InvalidOperationException):
        if kind in declared:
            answer: Exception = kind(message=message)
            return answer
    return error
