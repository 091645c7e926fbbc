"""``millpond doctor``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from millpond.base.config import load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.session import Json
from millpond.toolchain import components


def doctor(
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Say only what is missing or being installed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find or install the toolchain and show it."""
    settings = load_settings()
    found: dict[str, components.Component | MillpondError] = {}
    with console.err.status("Looking at the toolchain") as shown:
        for name, component in components.find_all(settings):
            found[name] = component
            shown.update(f"Looking at the toolchain: {name} done")
    found = {name: found[name] for name in ("uv", *components.FINDERS) if name in found}
    working = {name: value for name, value in found.items() if not isinstance(value, MillpondError)}
    broken = {name: value for name, value in found.items() if isinstance(value, MillpondError)}
    if not broken:
        components.record(settings, working)
    if as_json:
        console.show_json([_as_dict(name, value) for name, value in found.items()])
    elif not quiet:
        console.show_table(
            ("component", "version", "where", "note"), [_row(name, value) for name, value in found.items()]
        )
    for error in broken.values():
        console.show_error(error)
    if broken:
        raise typer.Exit(1)


def _as_dict(name: str, found: components.Component | MillpondError) -> dict[str, object]:
    if isinstance(found, MillpondError):
        return {"name": name, "ok": False, "error": found.what, "next": found.next_step}
    return {"name": name, "ok": True, "version": found.version, "path": found.path and str(found.path)}


def _row(name: str, found: components.Component | MillpondError) -> tuple[str, ...]:
    if isinstance(found, MillpondError):
        return name, "[red]missing[/red]", "", escape(found.what)
    return name, escape(found.version), str(found.path or ""), escape(found.note)
