"""The pages behind the guard, on loopback."""

from __future__ import annotations

from nicegui import app, ui

from millpond.console.guard import Guard
from millpond.console.pages import lake, now, run, runs, sql
from millpond.console.pages.frame import Console
from millpond.console.source import Opening, Source

MODULES = (now, runs, run, sql, lake)


def register(console: Console) -> None:
    """Make every page."""
    for module in MODULES:
        module.register(console)


def serve(opening: Opening, source: Source) -> None:
    """Serve the pages until the process is ended."""
    register(Console(source))
    app.add_middleware(Guard, port=opening.port, token=opening.token)
    ui.run(
        host="127.0.0.1",
        port=opening.port,
        title="Millpond",
        favicon="🦆",
        language="en-US",
        dark=None,
        # The pages have a style sheet of their own; nothing is bound that would have to be looked at again.
        tailwind=False,
        binding_refresh_interval=None,
        reload=False,
        show=False,
        show_welcome_message=False,
    )
