"""``millpond query``."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import Json, Region, Target, clients
from millpond.client.aws import Aws
from millpond.client.query import run_query


def query(
    sql: str,
    as_json: Json = False,
    target: Target = "local",
    region: Region = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say which engine answered, too.")] = False,
) -> None:
    """Ask Athena."""
    settings = load_settings()
    asked = clients(settings, target, region)
    result = run_query(asked.athena, sql, workgroup=settings.prefix)
    if as_json:
        console.show_json(result.to_dict())
        return
    rows = [tuple("[dim]NULL[/dim]" if v is None else escape(v) for v in row) for row in result.rows]
    console.show_table([escape(column) for column in result.columns], rows)
    console.note(f"{len(rows)} rows, {result.seconds:.2f} s, {result.scanned_bytes:,} bytes scanned")
    console.note(result.output_location)
    if verbose:
        console.note(f"answered by {_engine(asked, result.output_location)}")


def _engine(asked: Aws, output_location: str) -> str:
    """Which engine the metadata beside a result name; AWS's own are not JSON."""
    bucket, _, key = output_location.removeprefix("s3://").partition("/")
    content = asked.s3.get_object(Bucket=bucket, Key=f"{key}.metadata")["Body"].read()
    try:
        return str(json.loads(content)["Engine"])
    except (ValueError, KeyError):
        return "Athena"
