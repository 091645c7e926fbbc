"""``millpond verify``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from lake.verify.compare import TableComparison
from lake.verify.compare import verify as compare
from millpond.base.config import Settings, load_settings
from millpond.cli import console
from millpond.cli.session import Json, Region, Target, opened
from millpond.client.aws import Aws


def verify(
    tables: Annotated[list[str] | None, typer.Argument(help="Tables, schema.table; all by default.")] = None,
    as_json: Json = False,
    target: Target = "local",
    region: Region = None,
) -> None:
    """Compare every table with the source, row by row; exit 1 when anything differs."""
    settings = load_settings()
    with opened(settings, target, region) as aws:
        comparisons = compared(settings, aws, tables or None)
    conclude(comparisons, as_json=as_json)


def compared(settings: Settings, aws: Aws, tables: Sequence[str] | None = None) -> list[TableComparison]:
    """The comparison of each table, told as it goes."""
    with console.step("Comparing source and lake") as say:
        return compare(settings, aws, tables=tables, progress=lambda comparison: say(comparison.table_id))


def conclude(comparisons: Sequence[TableComparison], *, as_json: bool) -> None:
    """Show the comparisons, and end with 1 where any is not equal."""
    if as_json:
        console.show_json([comparison.to_dict() for comparison in comparisons])
    else:
        _show_comparisons(comparisons)
    if not all(comparison.is_equal for comparison in comparisons):
        raise typer.Exit(1)


def _show_comparisons(comparisons: Sequence[TableComparison]) -> None:
    columns = (
        "table",
        "source\nrows",
        "Athena\nrows",
        "source\nchecksum",
        "Athena\nchecksum",
        "",
    )
    console.show_table(columns, [_comparison_row(comparison) for comparison in comparisons])
    different = [comparison for comparison in comparisons if not comparison.is_equal]
    for comparison in different:
        console.err.print(f"[red]{comparison.table_id}[/red] differs: {escape(_what_differs(comparison))}")
        for difference in comparison.differences:
            console.err.print(f"  {escape(str(difference))}")
        for row in comparison.quarantine_missing:
            console.err.print(f"  not in operations.quarantine: {escape(str(row))}")
    if different:
        console.err.print("  next:  millpond ingest, then millpond verify")


def _comparison_row(comparison: TableComparison) -> tuple[str, ...]:
    return (
        comparison.table_id,
        "" if comparison.rows_onprem is None else f"{comparison.rows_onprem:,}",
        "" if comparison.rows_athena is None else f"{comparison.rows_athena:,}",
        comparison.checksum_onprem or "",
        comparison.checksum_athena or "",
        "[green]equal[/green]" if comparison.is_equal else "[red]different[/red]",
    )


def _what_differs(comparison: TableComparison) -> str:
    if comparison.error:
        return comparison.error
    if comparison.columns:
        return f"columns {', '.join(comparison.columns)}"
    if comparison.rows_onprem == comparison.rows_athena and comparison.quarantine_missing:
        return "rows that break a rule are not in quarantine"
    return "number of rows"
