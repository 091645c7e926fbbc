"""``millpond start``."""

from __future__ import annotations

from typing import Annotated

import typer

from millpond.base.config import load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.session import Region, Target, clients, going_on, stop_execution
from millpond.client.executions import (
    StateEvent,
    find_machine,
    follow_execution,
    run_express,
    start_execution,
)

MARKS = {"entered": "→", "exited": "✓", "failed": "✗"}


def start(
    state_machine: Annotated[str, typer.Argument(help="A state machine, by name or ARN.")],
    text: Annotated[str, typer.Option("--input", help="The input, JSON.")] = "{}",
    follow: Annotated[bool, typer.Option(help="Show its states, and end as it ends.")] = True,
    target: Target = "local",
    region: Region = None,
) -> None:
    """Start a state machine and show its states as they go; exit 1 unless it succeeds."""
    aws = clients(load_settings(), target, region)
    machine = find_machine(aws, state_machine)
    if machine.is_express and follow:
        # Its states cannot be asked for: they are in its log alone.
        _show_end(
            run_express(aws, machine, text), machine.arn, "look into the log group of the state machine"
        )
        return
    arn = start_execution(aws, machine, text)
    console.note(arn)
    if not follow:
        return
    event = StateEvent("entered", "")
    with going_on("The execution", lambda: stop_execution(aws, arn)):
        for event in follow_execution(aws, arn):
            if event.kind != "ended":
                console.note(f"{MARKS[event.kind]} {event.name} {event.detail}".rstrip())
    _show_end(event, arn, f"aws stepfunctions get-execution-history --execution-arn {arn}")


def _show_end(event: StateEvent, where: str, next_step: str) -> None:
    if event.name != "SUCCEEDED":
        what = f"The execution ended as {event.name}. {event.detail}".strip()
        raise MillpondError(what, where=where, next_step=next_step)
    console.out.print(event.detail, markup=False, highlight=False)
