"""What ``deploy``, ``plan`` and ``destroy`` share: options, and how a deployment is told and approved."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.session import terraform_of
from millpond.project import deployment
from millpond.project.discovery import Deployable
from millpond.project.stacks import StackChange
from millpond.project.ways import Way, deployable, parsed, way
from millpond.toolchain import components

Branch = Annotated[str | None, typer.Option(help="Branch to deploy; the work tree when not given.")]
GitKey = Annotated[Path | None, typer.Option(help="Private key that may read the repository.")]
Directory = Annotated[
    Path | None, typer.Argument(help="A directory or a template; what millpond.toml says when not given.")
]
Variables = Annotated[
    list[str] | None, typer.Option(help="A variable or parameter, NAME=VALUE; may be repeated.")
]
Parameters = Annotated[Path | None, typer.Option(help="JSON file of the template's parameters, for aws.")]


def way_of(
    settings: Settings, directory: Path | None, variables: list[str], say: Callable[[str], None]
) -> tuple[Deployable, Way]:
    """What is deployed to the stack as it is, and what does it."""
    what = deployable(settings, directory)
    watcher = deployment.Watcher(progress=say, event=lambda event: say(str(event)))
    terraform = components.offer_terraform(settings) / "terraform"
    return what, way(settings, what, terraform, parsed(variables), watcher)


def narrator(*, is_approved: bool) -> deployment.Watcher:
    """Shows all that a deployment says, and asks a person."""

    def approve(proposal: deployment.Proposal) -> bool:
        if is_approved:
            return True
        for line in proposal.lines:
            console.err.print(line, markup=False, highlight=False)
        if not sys.stdin.isatty():
            raise MillpondError(
                f"{proposal.title}? Nobody is there to answer.",
                next_step="run it in a terminal, or add --yes",
            )
        return typer.confirm(f"{proposal.title}?", err=True)

    def show_stack(changes: Sequence[StackChange]) -> None:
        console.note(
            f"stack of the build: {len(changes)} changes" if changes else "stack of the build: no change"
        )
        for change in changes:
            console.note(str(change))

    return deployment.Watcher(
        progress=console.note,
        line=lambda line: console.err.print(line, markup=False, highlight=False),
        stack=show_stack,
        approve=approve,
    )


def show_deployment(result: deployment.Deployment) -> None:
    """What was changed, and Terraform's outputs."""
    console.note(f"{result.changes} in {console.duration(result.seconds)}, build {result.build_id}")
    shown = [(name, escape(json.dumps(value))) for name, value in sorted(result.outputs.items())]
    console.show_table(("output", "value"), shown)


def deploy_quietly(settings: Settings) -> None:
    """Deploy the work tree to the running stack, as one step of something larger."""
    with console.step("Deploying the platform") as say:
        watcher = deployment.Watcher(
            progress=say, event=lambda event: say(f"{event.done}/{event.total} {event.address}")
        )
        result = deployment.local(settings, terraform_of(settings), watcher).deploy()
    console.note(str(result.changes))
