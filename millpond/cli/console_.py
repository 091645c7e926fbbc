"""``millpond console``."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated

import typer

from millpond.base.config import Settings, load_settings
from millpond.base.errors import MillpondError
from millpond.base.waiting import wait_until
from millpond.cli import console
from millpond.cli.session import Region, Target
from millpond.console.source import Opening
from millpond.toolchain.bootstrap import BootstrapError
from millpond.toolchain.console import install, is_installed

PORT = 8477
START_SECONDS = 60.0


def console_(
    port: Annotated[
        int | None, typer.Option(help=f"Where it listens, on this machine only; {PORT} if that is free.")
    ] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(help="Any endpoint that speaks AWS's API, to look at only.")
    ] = None,
    browse: Annotated[bool, typer.Option("--open", help="Open it in the browser, too.")] = False,
    target: Target = "local",
    region: Region = None,
) -> None:
    """See the platform, its data and every run in a browser, until ctrl-C."""
    settings = load_settings()
    interpreter = _installed(settings)
    for number in _ports(port):
        opening = Opening(
            number,
            secrets.token_urlsafe(24),
            "endpoint" if endpoint_url else target,
            endpoint_url or "",
            region or "",
        )
        with tempfile.TemporaryFile() as log:
            if _serve(interpreter, opening, log, browse=browse):
                return
            log.seek(0)
            said = log.read().decode(errors="replace")
        if "address already in use" not in said:
            raise MillpondError(
                "The console does not start.",
                next_step="millpond status; of an account, aws sts get-caller-identity",
                detail=said[-2000:],
            )
    raise MillpondError(f"The port {port} is in use.", next_step="millpond console --port, with another one")


def _serve(interpreter: Path, opening: Opening, log: IO[bytes], *, browse: bool) -> bool:
    """Serve until ctrl-C; whether it began to."""
    child = subprocess.Popen(
        [interpreter, "-m", "millpond.console"],
        env={**os.environ, **opening.to_environment()},
        # It ends when this is closed, however this process ends.
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
    )
    try:
        wait_until("the console", lambda: _answers(opening) or child.poll() is not None, START_SECONDS)
        if child.poll() is not None:
            return False
        _say(opening, browse=browse)
        with contextlib.suppress(KeyboardInterrupt):
            child.wait()
        return True
    finally:
        _end(child)


def _installed(settings: Settings) -> Path:
    try:
        if is_installed(settings):
            return install(settings, lambda _: None)
        with console.step("Setting up the console, once") as say:
            return install(settings, say)
    except BootstrapError as error:
        raise MillpondError(str(error), next_step="millpond console") from error


def _ports(wanted: int | None) -> Iterator[int]:
    """The ports to try: the one that is asked for, else the usual one and then any that is free."""
    if wanted is not None:
        yield wanted
        return
    yield PORT
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    yield int(number)


def _say(opening: Opening, *, browse: bool) -> None:
    address = _address(opening)
    # On stdout and alone on its line: for a terminal to make a link of, and for a script to read.
    console.out.print(address, markup=False, highlight=False)
    console.note("whoever has this address may do what you may; ctrl-C ends it")
    if browse and not webbrowser.open(address):
        console.note("no browser was found to open it with")


def _address(opening: Opening) -> str:
    return f"http://127.0.0.1:{opening.port}/?token={opening.token}"


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow none."""


def _answers(opening: Opening) -> bool:
    # Through no proxy: it is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)
    try:
        with opener.open(_address(opening), timeout=5):
            return True
    except urllib.error.HTTPError as answer:
        # It lets us in: the redirect to the page without the token.
        return answer.code == 303
    except OSError:
        return False


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
