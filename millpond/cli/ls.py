"""``millpond ls``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import Json, Region, Target, clients
from millpond.client.listing import KINDS

Kind = StrEnum("Kind", {name: name for name in KINDS})  # type: ignore[misc]


def ls(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    as_json: Json = False,
    target: Target = "local",
    region: Region = None,
) -> None:
    """List what is there; of what only grows, the newest fifty."""
    listed = KINDS[kind.value]
    records = list(listed.list(clients(load_settings(), target, region)))
    if as_json:
        console.show_json(records)
        return
    rows = [tuple(escape(str(record[name])) for name in listed.columns) for record in records]
    console.show_table(listed.columns, rows)
    console.note(f"{len(rows)} {kind.value}")
