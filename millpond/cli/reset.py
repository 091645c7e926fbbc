"""``millpond reset``."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from millpond.base.config import load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.session import exclusive
from millpond.stack.embedded import EmbeddedStack


def reset(
    services: Annotated[list[str] | None, typer.Argument(help="Of AWS, as botocore names them.")] = None,
) -> None:
    """Forget the AWS side, or services of it; of a stopped stack, what it has saved."""
    settings = load_settings()
    if settings.tier != "embedded":
        raise MillpondError(
            "Only the tier embedded keeps state.", next_step=f"millpond --tier {settings.tier} down"
        )
    engine = EmbeddedStack(settings, settings.home / "tools.json").engine
    with exclusive(settings):
        if engine.is_running:
            console.note(f"forgotten: {', '.join(engine.reset(services or [])) or 'nothing'}")
            return
        if services:
            raise MillpondError("The engine does not run.", next_step="millpond up, then try again")
        for name in ("saved", "objects"):
            shutil.rmtree(settings.state / name, ignore_errors=True)
        console.note("what was saved is forgotten")
