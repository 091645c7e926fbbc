"""The pages behind the guard, on loopback."""

from __future__ import annotations

import asyncio
import sys
import webbrowser

from nicegui import app, background_tasks, ui

from millpond.console.guard import Guard
from millpond.console.pages import flow, lake, now, roles, run, runs, sql
from millpond.console.pages.frame import Console
from millpond.console.source import Opening, Source

MODULES = (now, flow, runs, run, sql, lake, roles)


def register(console: Console) -> None:
    """Make every page."""
    for module in MODULES:
        module.register(console)


async def _say(opening: Opening) -> None:
    """Print the address once it answers; alone on its line, for a terminal to make a link of."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", opening.port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        break
    sys.stdout.write(f"{opening.address}\n")
    sys.stdout.flush()
    sys.stderr.write("  whoever has this address may do what you may; ctrl-C ends it\n")
    if opening.is_browsed and not webbrowser.open(opening.address):
        sys.stderr.write("  no browser was found to open it with\n")


def serve(opening: Opening, source: Source) -> None:
    """Serve the pages until the process is ended."""
    register(Console(source))
    # A bar without a name, for requests that pages do not make.
    app.config.quasar_config["loadingBar"]["skipHijack"] = True
    app.on_startup(lambda: background_tasks.create(_say(opening)))
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
        # Over loopback compressing takes longer than sending.
        gzip_middleware_factory=None,
        binding_refresh_interval=None,
        reload=False,
        show=False,
        show_welcome_message=False,
    )
