"""``millpond init``."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from millpond.base.config import PROJECT_FILE
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.session import Yes
from millpond.project.discovery import Deployable, Findings, look_around
from millpond.project.initial import project_file


def init(yes: Yes = False) -> None:
    """Look at this folder and write its millpond.toml; asks only what it cannot see."""
    folder = Path.cwd()
    target = folder / PROJECT_FILE
    if target.exists():
        raise MillpondError(
            "There is a millpond.toml here already.", where=str(target), next_step="millpond up, or edit it"
        )
    found = look_around(folder)
    _tell(folder, found)
    asks = not yes and sys.stdin.isatty()
    deployable = _chosen(folder, found, asks=asks)
    has_database = bool(found.compose_databases)
    if asks and has_database:
        has_database = typer.confirm("Start a PostgreSQL with the stack?", default=True, err=True)
    target.write_text(project_file(folder, found, deployable, has_database=has_database))
    console.note(f"written: {target}")
    console.note(f"next: millpond up{', then millpond deploy' if deployable else ''}")


def _tell(folder: Path, found: Findings) -> None:
    rows = [(one.kind.value, str(one.path.relative_to(folder))) for one in found.deployables]
    for title, paths in (
        ("state machine", found.state_machines),
        ("Glue script", found.glue_scripts),
        ("PostgreSQL in", found.compose_databases),
    ):
        rows += [(title, str(path.relative_to(folder))) for path in paths]
    for title, path in rows:
        console.note(f"{title}: {path}")
    if not rows:
        console.note("nothing that Millpond knows is here yet")


def _chosen(folder: Path, found: Findings, *, asks: bool) -> Deployable | None:
    """The first one, unless there are others and somebody is there to choose."""
    if not found.deployables:
        return None
    if not asks or len(found.deployables) == 1:
        return found.deployables[0]
    for number, one in enumerate(found.deployables, 1):
        console.note(f"{number}  {one.kind.value} {one.path.relative_to(folder)}")
    chosen: int = typer.prompt("Which one does `millpond deploy` deploy?", default=1, type=int, err=True)
    if not 1 <= chosen <= len(found.deployables):
        raise MillpondError(
            f"There is no number {chosen}.", next_step="millpond init, and choose one of these"
        )
    return found.deployables[chosen - 1]
