"""``millpond uninstall``."""

from __future__ import annotations

import shlex
import shutil

import typer

from millpond.base.config import load_settings
from millpond.base.errors import MillpondError
from millpond.base.places import IS_CHECKOUT
from millpond.cli import console
from millpond.cli.session import Yes, size_of
from millpond.stack.onprem import programs_for_everybody
from millpond.stack.ports import folders_of

REMOVE_THE_TOOL = "uv tool uninstall millpond, pipx uninstall millpond or pip uninstall millpond"


def uninstall(yes: Yes = False) -> None:
    """Remove all that Millpond has made for this user: environments, jars and caches, of no project."""
    settings = load_settings()
    if IS_CHECKOUT:
        raise MillpondError("This Millpond is a checkout.", where=str(settings.home), next_step="make clean")
    harness = settings.home / "venvs" / "harness" / "bin" / "python"
    if running := folders_of(harness):
        raise MillpondError(
            f"A stack still runs from it, of {running[0]}.",
            next_step=f"cd {shlex.quote(str(running[0]))} && millpond down",
        )
    places = [place for place in (settings.home, settings.cache, programs_for_everybody()) if place.exists()]
    for place in places:
        console.note(f"{place}, {size_of(place) >> 20:,} MiB")
    if not (yes or typer.confirm("Remove these?", err=True)):
        raise typer.Exit(1)
    # Said before, since what says it goes too.
    console.note(f"removed; the program itself: {REMOVE_THE_TOOL}")
    for place in places:
        shutil.rmtree(place)
