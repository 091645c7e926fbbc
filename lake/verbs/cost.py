"""``millpond cost``."""

from __future__ import annotations

from dataclasses import asdict

from rich.markup import escape

from lake import cost as costs
from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import Json, Region, Target, clients, require_running


def cost(as_json: Json = False, target: Target = "local", region: Region = None) -> None:
    """What the last run and a month of them would cost on AWS, and what the other engine would have cost."""
    settings = load_settings()
    if target == "local":
        require_running(settings)
    report = costs.report(clients(settings, target, region), settings)
    if as_json:
        console.show_json({**asdict(report), **report.totals})
        return
    _show_cost(report)


def _show_cost(report: costs.CostReport) -> None:
    totals = report.totals
    tables: list[tuple[str, ...]] = [
        (
            escape(one.table_id),
            one.engine,
            f"{one.run_usd:.5f}",
            f"{one.month_usd:.4f}",
            one.other_engine,
            f"{one.other_run_usd:.5f}",
            f"{one.other_month_usd:.4f}",
        )
        for one in report.tables
    ]
    tables.append(
        _bold(
            "all tables",
            "",
            f"{totals['glue_run_usd']:.5f}",
            f"{totals['glue_month_usd']:.4f}",
            "",
            f"{totals['other_run_usd']:.5f}",
            f"{totals['other_month_usd']:.4f}",
        )
    )
    columns = ("table", "engine", "last run", "a month", "other engine", "a run", "a month")
    console.show_table(columns, tables, title="Glue, USD")
    services: list[tuple[str, ...]] = [
        (one.name, f"{one.run_usd:.5f}", f"{one.month_usd:.4f}") for one in report.services
    ]
    services.append(_bold("with Glue, everything", f"{totals['run_usd']:.5f}", f"{totals['month_usd']:.4f}"))
    console.show_table(("service", "last run", "a month"), services, title="All the rest, USD")
    if report.left_out:
        console.note(f"not priced, since no run ingests them any more: {', '.join(report.left_out)}")
    console.note(f"List prices of {report.region} as of {report.as_of}; fixtures/prices.json")


def _bold(*cells: str) -> tuple[str, ...]:
    return tuple(f"[bold]{cell}[/bold]" if cell else "" for cell in cells)
