"""``millpond trino``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from millpond.base.config import Settings, load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.toolchain.bootstrap import BootstrapError
from millpond.toolchain.trino import INSTALL, VERSION, Installation, find_trino, install_trino


class Action(StrEnum):
    install = "install"
    show = "show"


def trino(
    action: Annotated[Action, typer.Argument(help="install: fetch it. show: say where it is.")],
) -> None:
    """Fetch Trino, which answers what Athena's compiler does not."""
    settings = load_settings()
    if action is Action.install:
        installed: Installation | None = install(settings)
    else:
        installed = find_trino(settings)
    if installed is None:
        console.note(f"Trino is not installed; next: {INSTALL}")
        return
    console.note(f"Trino {VERSION} is in {installed.directory}; it runs on {installed.java_home}")


def install(settings: Settings) -> Installation:
    """Have Trino, and show how far it is.

    Raises
    ------
    MillpondError
        If it cannot be had.
    """
    columns = (TextColumn("fetching Trino"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console.err, transient=True) as shown:
        task = shown.add_task("trino", total=None, visible=False)

        def on_progress(there: int, total: int) -> None:
            shown.update(task, completed=there, total=total, visible=True)

        try:
            return install_trino(settings, on_progress)
        except BootstrapError as error:
            raise MillpondError(str(error), next_step=INSTALL) from error
