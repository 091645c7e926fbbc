"""``millpond query``."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Literal

import typer
from rich.markup import escape

from millpond.base.config import Settings, load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.session import Json, Region, Target, clients
from millpond.client.aws import Aws
from millpond.client.query import QueryFailedError, QueryResult, engine_of, run_query
from millpond.project.terraform import ensure_bucket

with suppress(ImportError):
    # Lines at the prompt can be edited and called back, where Python was built with it.
    import readline  # noqa: F401

# Of the stack, for queries in a workgroup that says nothing of results.
RESULTS = "millpond-query-results"


def query(
    sql: Annotated[
        str | None, typer.Argument(help="One statement; without it they are read, each up to a semicolon.")
    ] = None,
    as_json: Json = False,
    workgroup: Annotated[
        str | None, typer.Option(help="A workgroup; the project's own when not given, or primary.")
    ] = None,
    database: Annotated[str, typer.Option(help="What names without a database belong to.")] = "default",
    form: Annotated[
        Literal["table", "csv", "json", "parquet"],
        typer.Option("--format", help="Of the result; parquet of a SELECT, into a file or a pipe."),
    ] = "table",
    target: Target = "local",
    region: Region = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say which engine answered, too.")] = False,
) -> None:
    """Ask Athena."""
    settings = load_settings()
    asked = clients(settings, target, region)
    group, output_location = _where(asked, settings, workgroup)
    if form == "parquet":
        _write_parquet(asked, sql, group, database, output_location)
        return

    def answer(statement: str) -> None:
        result = run_query(
            asked.athena, statement, workgroup=group, database=database, output_location=output_location
        )
        _show(result, "json" if as_json else form)
        if verbose:
            console.note(f"answered by {engine_of(asked.s3, result.output_location) or 'Athena'}")

    if sql is not None:
        answer(sql)
        return
    for statement in statements():
        try:
            answer(statement)
        except QueryFailedError as error:
            if not sys.stdin.isatty():
                raise
            console.show_error(error)


def _write_parquet(asked: Aws, sql: str | None, group: str, database: str, output_location: str) -> None:
    from millpond.client.unloading import unload

    if sys.stdout.isatty() or sql is None:
        raise MillpondError(
            "Parquet is written of one statement, and not to a terminal.",
            next_step='millpond query "SELECT …" --format parquet > FILE',
        )
    rows = unload(
        asked, sql, sys.stdout.buffer, workgroup=group, database=database, output_location=output_location
    )
    console.note(f"{rows:,} rows")


def statements() -> Iterator[str]:
    """Statements from standard input: each goes on to a line that ends with a semicolon."""
    lines: list[str] = []
    while True:
        try:
            line = input(_asking(lines))
        except EOFError:
            if text := "\n".join(lines).strip():
                yield text
            return
        except KeyboardInterrupt:
            # What was begun is forgotten, as shells of databases do; on an empty line it ends the prompt.
            if not lines:
                return
            lines = []
            continue
        lines.append(line)
        if line.rstrip().endswith(";"):
            if text := "\n".join(lines).strip().rstrip("; \n"):
                yield text
            lines = []


def _asking(lines: list[str]) -> str:
    if not sys.stdin.isatty():
        return ""
    return "     -> " if lines else "athena> "


def _show(result: QueryResult, form: str) -> None:
    if form == "json":
        console.show_json(result.to_dict())
        return
    if form == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows([result.columns, *result.rows])
        return
    rows = [tuple("[dim]NULL[/dim]" if v is None else escape(v) for v in row) for row in result.rows]
    console.show_table([escape(column) for column in result.columns], rows)
    console.note(f"{len(rows)} rows, {result.seconds:.2f} s, {result.scanned_bytes:,} bytes scanned")
    console.note(result.output_location)


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
