"""``millpond clean``."""

from __future__ import annotations

import shutil

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import exclusive
from millpond.stack import open_stack


def clean() -> None:
    """Stop everything and remove all that Millpond made in this checkout."""
    settings = load_settings()
    with exclusive(settings), console.step("Stopping the stack"):
        open_stack(settings).remove(shared=True)
    with console.step(f"Removing {settings.home}"):
        for directory in (settings.state, settings.home):
            shutil.rmtree(directory, ignore_errors=True)
