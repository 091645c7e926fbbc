"""``millpond workload``."""

from __future__ import annotations

from typing import Annotated

import typer

from lake.load import run_workload
from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import Json, exclusive, require_running


def workload(
    changes: Annotated[int, typer.Option(min=1, help="How many rows to insert, update and delete.")] = 500,
    seed: Annotated[int, typer.Option(help="The same seed makes the same changes.")] = 1,
    rate: Annotated[
        float | None, typer.Option(help="Changes per second; as fast as it can unless given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change rows in the on-premises database, as its users would."""
    settings = load_settings()
    with exclusive(settings):
        require_running(settings)
        with console.step(f"Changing {changes} rows"):
            result = run_workload(settings, changes=changes, seed=seed, rate=rate)
        if as_json:
            console.show_json(result.to_dict())
