"""``millpond console``."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from millpond.base.config import Settings, load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.session import Region, Target, free_port
from millpond.console.source import Opening
from millpond.toolchain.bootstrap import BootstrapError
from millpond.toolchain.console import install, is_installed

PORT = 8477


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
    opening = Opening(
        free_port(port, PORT, "millpond console"),
        secrets.token_urlsafe(24),
        "endpoint" if endpoint_url else target,
        endpoint_url or "",
        region or "",
        browse,
    )
    # In the place of this process, which would only wait.
    os.execve(  # noqa: S606 (no shell is wanted)
        interpreter,
        [str(interpreter), "-m", "millpond.console"],
        {**os.environ, **opening.to_environment()},
    )


def _installed(settings: Settings) -> Path:
    try:
        if is_installed(settings):
            return install(settings, lambda _: None)
        with console.step("Setting up the console, once") as say:
            return install(settings, say)
    except BootstrapError as error:
        raise MillpondError(str(error), next_step="millpond console") from error
