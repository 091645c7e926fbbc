"""``millpond down``."""

from __future__ import annotations

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import REACHED, exclusive
from millpond.stack import open_stack


def down() -> None:
    """Stop them, and whatever else of this stack still runs."""
    settings = load_settings()
    with exclusive(settings), console.step("Stopping the stack"):
        open_stack(settings).down()
        (settings.state / REACHED).unlink(missing_ok=True)
