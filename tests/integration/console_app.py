"""The pages of the console without their guard, for NiceGUI's simulation of a user."""

from __future__ import annotations

from nicegui import ui

from millpond.console.pages.frame import Console
from millpond.console.server import register
from millpond.console.source import Opening, open_source

register(Console(open_source(Opening.from_environment())))
ui.run()
