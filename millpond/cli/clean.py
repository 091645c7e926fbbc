"""``millpond clean``."""

from __future__ import annotations

import shutil

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import exclusive
from millpond.stack import open_stack


def clean() -> None:
    """Stop everything and remove all that Millpond made in this project."""
    settings = load_settings()
    with exclusive(settings), console.step("Stopping the stack"):
        open_stack(settings).remove(shared=True)
    with console.step(f"Removing {settings.project_home}"):
        for directory in (settings.state, settings.project_home):
            shutil.rmtree(directory, ignore_errors=True)
