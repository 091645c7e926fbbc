"""``millpond ingest``, ``replay``, ``approve``, ``reject``: runs of the state machine and what they ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from lake import ingest as ingestion
from millpond.base.config import Settings, load_settings
from millpond.cli import console
from millpond.cli.session import Region, Target, clients, going_on, opened, stop_execution
from millpond.client.aws import Aws

Question = Annotated[str, typer.Argument(help="A table that waits, or the token of its question.")]


def ingest(
    tables: Annotated[list[str] | None, typer.Argument(help="Source tables; all when none is named.")] = None,
    target: Target = "local",
    region: Region = None,
) -> None:
    """Run the state machine and follow it to its end."""
    settings = load_settings()
    with opened(settings, target, region) as aws:
        follow(aws, settings, lambda: ingestion.start_ingest(aws, settings, tables))


def replay(
    run_id: Annotated[str, typer.Argument(help="A run: the name of its execution.")],
    tables: Annotated[list[str] | None, typer.Argument(help="Only these of its tables.")] = None,
    target: Target = "local",
    region: Region = None,
) -> None:
    """Finish a run that failed: what it landed is not read again, what it committed stays."""
    settings = load_settings()
    with opened(settings, target, region) as aws:
        follow(aws, settings, lambda: ingestion.start_replay(aws, settings, run_id, tables))


def approve(question: Question, target: Target = "local", region: Region = None) -> None:
    """Let a run go on with the source's new structure."""
    settings = load_settings()
    aws = clients(settings, target, region)
    for answered in ingestion.answer(aws, settings, question, is_approved=True):
        console.note(f"approved: {answered}")


def reject(
    question: Question,
    reason: Annotated[str, typer.Option(help="What the run's item says of it.")] = "",
    target: Target = "local",
    region: Region = None,
) -> None:
    """Let a run leave a table whose source has a new structure as it is."""
    settings = load_settings()
    aws = clients(settings, target, region)
    for answered in ingestion.answer(aws, settings, question, is_approved=False, reason=reason):
        console.note(f"rejected: {answered}")


def follow(aws: Aws, settings: Settings, start: Callable[[], str]) -> None:
    """Start an execution and tell what becomes of each table."""
    latest: dict[str, ingestion.TableEvent] = {}
    started = ""
    with (
        going_on("The ingest", lambda: stop_execution(aws, started) if started else ""),
        console.step("Ingesting") as say,
    ):
        started = start()
        for event in ingestion.follow(aws, settings, started):
            latest[event.table_id] = event
            ended = [table for table in latest.values() if table.status in ingestion.FINAL]
            say(f"{len(ended)}/{len(latest)} tables, {event.table_id} {event.status}")
            if event.status == ingestion.AWAITING_APPROVAL:
                where = ingestion.target_options(aws)
                console.note(f"{event.table_id} waits for an answer: {event.error}")
                console.note(
                    f"  next:  millpond approve {event.table_id}{where},"
                    f" or millpond reject {event.table_id}{where}"
                )
    skipped = [event for event in latest.values() if event.status == "SKIPPED"]
    for event in skipped:
        console.note(f"{event.table_id} is skipped: {event.error}")
    engines = [event.engine for event in latest.values() if event.status != "SKIPPED"]
    console.note(
        f"{len(engines)} tables: {engines.count('spark')} by Spark, {engines.count('shell')} by Python shell"
    )
