"""Git servers on loopback: HTTPS with a password, and SSH with a key."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import ipaddress
import os
import shlex
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncssh
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

USER = "x-access-token"


@dataclass
class HttpsServer:
    """Repositories below a directory, for who knows the token.

    Parameters
    ----------
    url : str
        Of the directory.
    token : str
        The password.
    sent : list of int
        Sizes of the packs that were sent.
    """

    url: str
    token: str
    sent: list[int] = field(default_factory=list)


@contextmanager
def https_server(root: Path, directory: Path, token: str) -> Iterator[HttpsServer]:
    """Serve the repositories in ``root`` through Git's own CGI program; the certificate is nobody's."""
    found = HttpsServer("", token)
    expected = "Basic " + base64.b64encode(f"{USER}:{token}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

        def _answer(self, body: bytes) -> None:
            if self.headers.get("Authorization") != expected:
                self._send(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
                return
            address = urlsplit(self.path)
            environment = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "REQUEST_METHOD": self.command,
                "PATH_INFO": address.path,
                "QUERY_STRING": address.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
            }
            answer = subprocess.run(
                ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True
            )
            head, _, content = answer.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
            status = HTTPStatus(int(headers.pop("Status", "200").split()[0]))
            if address.path.endswith("git-upload-pack"):
                found.sent.append(len(content))
            self._send(status, headers, content)

        def _send(self, status: HTTPStatus, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(directory / "server.pem"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    found.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _certificate(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(pem))
    return path


@dataclass(frozen=True)
class SshServer:
    """Every repository on this machine, for who has the key.

    Parameters
    ----------
    url : str
        The absolute path of a repository follows it.
    private_key, other_key : str
        The key that it accepts, and one that it does not.
    known_hosts, false_known_hosts : str
        The line for this server, and one with a key that it does not have.
    """

    url: str
    private_key: str
    other_key: str
    known_hosts: str
    false_known_hosts: str


@contextmanager
def ssh_server() -> Iterator[SshServer]:
    """Serve ``git-upload-pack`` and nothing else."""
    host_key, user_key, other_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(3))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> asyncssh.SSHAcceptor:
        public = user_key.export_public_key("openssh").decode()
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(public),
            process_factory=_upload_pack,
            encoding=None,
        )

    async def end(acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()
        await acceptor.wait_closed()

    try:
        acceptor = asyncio.run_coroutine_threadsafe(begin(), loop).result(30)
        port = acceptor.get_port()
        yield SshServer(
            url=f"ssh://git@127.0.0.1:{port}",
            private_key=user_key.export_private_key("openssh").decode(),
            other_key=other_key.export_private_key("openssh").decode(),
            known_hosts=_known(port, host_key),
            false_known_hosts=_known(port, other_key),
        )
        asyncio.run_coroutine_threadsafe(end(acceptor), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _known(port: int, key: asyncssh.SSHKey) -> str:
    return f"[127.0.0.1]:{port} {key.export_public_key('openssh').decode().strip()}"


async def _upload_pack(process: asyncssh.SSHServerProcess[bytes]) -> None:
    program, path = shlex.split(process.command or "")
    assert program == "git-upload-pack"
    pipe = subprocess.PIPE
    child = subprocess.Popen(["git", "upload-pack", path], bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe)
    await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
    process.exit(await asyncio.get_running_loop().run_in_executor(None, child.wait))
    await process.wait_closed()
