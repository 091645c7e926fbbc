"""``millpond query``."""

from __future__ import annotations

from rich.markup import escape

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import Json, Region, Target, clients
from millpond.client.query import run_query


def query(sql: str, as_json: Json = False, target: Target = "local", region: Region = None) -> None:
    """Ask Athena."""
    settings = load_settings()
    result = run_query(clients(settings, target, region).athena, sql, workgroup=settings.prefix)
    if as_json:
        console.show_json(result.to_dict())
        return
    rows = [tuple("[dim]NULL[/dim]" if v is None else escape(v) for v in row) for row in result.rows]
    console.show_table([escape(column) for column in result.columns], rows)
    console.note(f"{len(rows)} rows, {result.seconds:.2f} s, {result.scanned_bytes:,} bytes scanned")
    console.note(result.output_location)
