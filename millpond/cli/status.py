"""``millpond status``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.markup import escape

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import Json
from millpond.client.aws import Aws
from millpond.client.listing import counts, last_runs
from millpond.project.deployment import deployed_outputs
from millpond.project.targets import Target
from millpond.stack import open_stack

NOTHING = "nothing is deployed; next: millpond deploy"


def status(as_json: Json = False) -> None:
    """Show what runs, where, and what is deployed."""
    settings = load_settings()
    services = open_stack(settings).services()
    is_running = any(service.name == "engine" and service.is_running for service in services)
    outputs = deployed_outputs(settings, Target.local(settings)) if is_running else {}
    aws = Aws(settings)
    counted = counts(aws) if is_running else {}
    runs = last_runs(aws) if is_running else []
    if as_json:
        console.show_json(
            {
                "services": [
                    {"name": s.name, "running": s.is_running, "address": s.address, "log": s.log}
                    for s in services
                ],
                "endpoint_url": settings.endpoint_url,
                "region": settings.region,
                "outputs": outputs,
                "counts": counted,
                "last_runs": [{**run, "started": run["started"].isoformat()} for run in runs],
            }
        )
        return
    rows = [
        (
            s.name,
            "[green]running[/green]" if s.is_running else "[red]stopped[/red]",
            s.address,
            escape(s.log),
        )
        for s in services
    ]
    console.show_table(("service", "state", "address", "log"), rows)
    if outputs:
        shown = [(name, escape(value)) for name, value in sorted(_flat(outputs))]
        console.show_table(("output", "value"), shown, title="deployed")
    if runs:
        last = [(escape(run["name"]), run["state"], f"{run['started']:%Y-%m-%d %H:%M:%S}") for run in runs]
        console.show_table(("last runs", "state", "started"), last)
    there = ", ".join(f"{count:,} {kind}" for kind, count in counted.items() if count)
    console.note(f"{there}; millpond ls KIND shows them" if there else NOTHING)


def _flat(outputs: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in outputs.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", str(inner)) for key, inner in value.items())
        else:
            yield name, ", ".join(value) if isinstance(value, list) else str(value)
