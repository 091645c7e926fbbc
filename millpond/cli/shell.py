"""``millpond shell``: a shell in an environment that reaches the stack."""

from __future__ import annotations

import os

from millpond.cli.exec_ import become


def shell() -> None:
    """Open a shell whose AWS tools speak to the stack."""
    become([os.environ.get("SHELL") or "/bin/sh"])
