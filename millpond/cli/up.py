"""``millpond up``."""

from __future__ import annotations

import os

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import bring_up, exclusive


def up() -> None:
    """Start the engine and the on-premises database."""
    settings = load_settings()
    with exclusive(settings):
        bring_up(settings)
    if os.geteuid() == 0 and settings.tier == "embedded":
        console.note("As root, so jobs, functions, builds and queries run as root too: docs/isolation.md")
    console.note(f"AWS endpoint {settings.endpoint_url}, region {settings.region}")
    console.note("to see it in a browser: millpond console")
