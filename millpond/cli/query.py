"""``millpond query``."""

from __future__ import annotations

import csv
import json
import sys
from typing import Annotated, Literal

import typer
from rich.markup import escape

from millpond.base.config import Settings, load_settings
from millpond.cli import console
from millpond.cli.session import Json, Region, Target, clients
from millpond.client.aws import Aws
from millpond.client.query import run_query
from millpond.project.terraform import ensure_bucket

# Of the stack, for queries in a workgroup that says nothing of results.
RESULTS = "millpond-query-results"


def query(
    sql: str,
    as_json: Json = False,
    workgroup: Annotated[
        str | None, typer.Option(help="A workgroup; the project's own when not given, or primary.")
    ] = None,
    database: Annotated[str, typer.Option(help="What names without a database belong to.")] = "default",
    form: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="Of the result.")
    ] = "table",
    target: Target = "local",
    region: Region = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say which engine answered, too.")] = False,
) -> None:
    """Ask Athena."""
    settings = load_settings()
    asked = clients(settings, target, region)
    group, output_location = _where(asked, settings, workgroup)
    result = run_query(asked.athena, sql, workgroup=group, database=database, output_location=output_location)
    if as_json or form == "json":
        console.show_json(result.to_dict())
        return
    if form == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows([result.columns, *result.rows])
        return
    rows = [tuple("[dim]NULL[/dim]" if v is None else escape(v) for v in row) for row in result.rows]
    console.show_table([escape(column) for column in result.columns], rows)
    console.note(f"{len(rows)} rows, {result.seconds:.2f} s, {result.scanned_bytes:,} bytes scanned")
    console.note(result.output_location)
    if verbose:
        console.note(f"answered by {_engine(asked, result.output_location)}")


def _where(asked: Aws, settings: Settings, given: str | None) -> tuple[str, str]:
    """The workgroup of a query, and a place for its results if that has none."""
    there = {group["Name"] for group in asked.athena.list_work_groups()["WorkGroups"]}
    group = given or (settings.prefix if settings.prefix in there else "primary")
    if group not in there or not asked.is_local:
        return group, ""
    configuration = asked.athena.get_work_group(WorkGroup=group)["WorkGroup"].get("Configuration", {})
    if configuration.get("ResultConfiguration", {}).get("OutputLocation"):
        return group, ""
    ensure_bucket(asked, RESULTS, asked.region)
    return group, f"s3://{RESULTS}/"


def _engine(asked: Aws, output_location: str) -> str:
    """Which engine the metadata beside a result name; AWS's own are not JSON."""
    bucket, _, key = output_location.removeprefix("s3://").partition("/")
    content = asked.s3.get_object(Bucket=bucket, Key=f"{key}.metadata")["Body"].read()
    try:
        return str(json.loads(content)["Engine"])
    except (ValueError, KeyError):
        return "Athena"
