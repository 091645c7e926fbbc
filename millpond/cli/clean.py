"""``millpond clean``."""

from __future__ import annotations

import shutil

from millpond.base.config import load_settings
from millpond.base.places import IS_CHECKOUT
from millpond.cli import console
from millpond.cli.session import exclusive
from millpond.stack import open_stack
from millpond.stack.onprem import programs_for_everybody


def clean() -> None:
    """Stop everything and remove all that Millpond made in this project."""
    settings = load_settings()
    with exclusive(settings), console.step("Stopping the stack"):
        open_stack(settings).remove(shared=True)
    with console.step(f"Removing {settings.project_home}"):
        # A checkout has its environments of its own.
        own = [programs_for_everybody()] if IS_CHECKOUT else []
        for directory in (settings.state, *own, settings.project_home):
            shutil.rmtree(directory, ignore_errors=True)
