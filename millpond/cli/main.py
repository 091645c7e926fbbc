"""The verbs: one function each."""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from filelock import FileLock, Timeout
from rich.markup import escape

from lake import cost as costs
from lake import ingest as ingestion
from lake import load as onprem_load
from lake import verify as verification
from lake.dev import Reloader
from lake.verify import TableComparison
from millpond.base.config import Settings, load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.client import logs as joblogs
from millpond.client.aws import Aws
from millpond.client.query import run_query
from millpond.project import deployment
from millpond.project.stacks import StackChange
from millpond.stack import open_stack
from millpond.stack.onprem import OnPremDatabase
from millpond.toolchain import components as tools

app = typer.Typer(
    help="A data lake that fits on a laptop.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Target = Annotated[Literal["local", "aws"], typer.Option(help="The local stack, or an AWS account.")]
Branch = Annotated[str | None, typer.Option(help="Branch to deploy; the work tree when not given.")]
GitKey = Annotated[Path | None, typer.Option(help="Private key that may read the repository.")]
Parameters = Annotated[Path | None, typer.Option(help="JSON file of the template's parameters, for aws.")]
Region = Annotated[str | None, typer.Option(help="AWS region, for aws; the usual one when not given.")]
Yes = Annotated[bool, typer.Option("--yes", help="Answer every question with yes.")]


@app.callback()
def _options(
    tier: Annotated[
        str | None, typer.Option(help="What the stack is made of: embedded (the default) or compose.")
    ] = None,
) -> None:
    if tier is not None:
        os.environ["MILLPOND_TIER"] = tier


@app.command()
def up() -> None:
    """Start the engine and the on-premises database."""
    settings = load_settings()
    with _exclusive(settings):
        _up(settings)
    console.note(f"AWS endpoint {settings.endpoint_url}, region {settings.region}")


@app.command()
def down() -> None:
    """Stop them, and whatever else of this stack still runs."""
    settings = load_settings()
    with _exclusive(settings), console.step("Stopping the stack"):
        open_stack(settings).down()


@app.command()
def status(as_json: Json = False) -> None:
    """Show what runs, where, and what is deployed."""
    settings = load_settings()
    services = open_stack(settings).services()
    outputs = _deployed_outputs(settings)
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
    else:
        console.note("nothing is deployed; next: millpond deploy")


@app.command()
def doctor(
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Say only what is missing or being installed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find or install the toolchain and show it."""
    settings = load_settings()
    found: dict[str, tools.Component | MillpondError] = {}
    with console.err.status("Looking at the toolchain") as shown:
        for name, component in tools.find_all(settings):
            found[name] = component
            shown.update(f"Looking at the toolchain: {name} done")
    working = {name: value for name, value in found.items() if not isinstance(value, MillpondError)}
    broken = {name: value for name, value in found.items() if isinstance(value, MillpondError)}
    if not broken:
        tools.record(settings, working)
    if as_json:
        console.show_json([_component_dict(name, value) for name, value in found.items()])
    elif not quiet:
        console.show_table(
            ("component", "version", "where", "note"), [_component_row(n, v) for n, v in found.items()]
        )
    for error in broken.values():
        console.show_error(error)
    if broken:
        raise typer.Exit(1)


@app.command()
def deploy(
    target: Target = "local",
    branch: Branch = None,
    git_key: GitKey = None,
    parameters: Parameters = None,
    region: Region = None,
    unlock: Annotated[
        str, typer.Option(help="Remove a lock that was left behind first: DIRECTORY=LOCK-ID.")
    ] = "",
    yes: Yes = False,
) -> None:
    """Make the stack of the build, and let the build run Terraform: locally, or in an AWS account."""
    settings = load_settings()
    if target == "aws":
        deployer = deployment.aws(
            settings,
            _narrator(is_approved=yes),
            region=region,
            parameters=parameters,
            branch=branch,
            git_key=git_key,
        )
        _show_deployment(deployer.deploy(unlock=unlock))
        return
    with _exclusive(settings):
        _up(settings)
        deployer = deployment.local(
            settings, _terraform(settings), _narrator(is_approved=yes), branch=branch, git_key=git_key
        )
        result = deployer.deploy(unlock=unlock)
        _keep_outputs(settings, result.outputs)
    _show_deployment(result)


@app.command()
def plan(
    target: Target = "local",
    branch: Branch = None,
    parameters: Parameters = None,
    region: Region = None,
) -> None:
    """Show what a deployment would change, as a build of its own plans it."""
    settings = load_settings()
    with console.step("Planning") as say:
        watcher = deployment.Watcher(progress=say, line=say)
        if target == "aws":
            result = deployment.aws(
                settings, watcher, region=region, parameters=parameters, branch=branch
            ).plan()
        else:
            with _exclusive(settings):
                result = deployment.local(settings, _terraform(settings), watcher, branch=branch).plan()
    console.out.print(result.text, markup=False, highlight=False)


@app.command()
def destroy(
    target: Target = "local",
    parameters: Parameters = None,
    region: Region = None,
    yes: Yes = False,
) -> None:
    """Remove the platform with its data, by a build, and then the stack of the build."""
    settings = load_settings()
    if target == "aws":
        changes = deployment.aws(
            settings, _narrator(is_approved=yes), region=region, parameters=parameters
        ).destroy()
    else:
        with _exclusive(settings):
            _require_running(settings)
            watcher = _narrator(is_approved=yes)
            changes = deployment.local(settings, _terraform(settings), watcher).destroy()
            _outputs_file(settings).unlink(missing_ok=True)
    console.note(str(changes))


@app.command()
def load() -> None:
    """Create and fill the on-premises database, and put its secret where the jobs read it."""
    settings = load_settings()
    with _exclusive(settings):
        _require_running(settings)
        _load(settings)


@app.command()
def workload(
    changes: Annotated[int, typer.Option(min=1, help="How many rows to insert, update and delete.")] = 500,
    seed: Annotated[int, typer.Option(help="The same seed makes the same changes.")] = 1,
    rate: Annotated[
        float | None, typer.Option(help="Changes per second; as fast as it can unless given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change rows in the on-premises database, as its users would."""
    settings = load_settings()
    with _exclusive(settings):
        _require_running(settings)
        with console.step(f"Changing {changes} rows"):
            result = onprem_load.run_workload(settings, changes=changes, seed=seed, rate=rate)
        if as_json:
            console.show_json(result.to_dict())


@app.command()
def ingest(
    tables: Annotated[list[str] | None, typer.Argument(help="Source tables; all when none is named.")] = None,
) -> None:
    """Run the state machine and follow it to its end."""
    settings = load_settings()
    with _exclusive(settings):
        _require_running(settings)
        _ingest(settings, tables)


@app.command()
def replay(
    run_id: Annotated[str, typer.Argument(help="A run: the name of its execution.")],
    tables: Annotated[list[str] | None, typer.Argument(help="Only these of its tables.")] = None,
) -> None:
    """Finish a run that failed: what it landed is not read again, what it committed stays."""
    settings = load_settings()
    with _exclusive(settings):
        _require_running(settings)
        aws = Aws(settings)
        _follow(settings, lambda: ingestion.start_replay(aws, settings, run_id, tables))


@app.command()
def approve(
    target: Annotated[str, typer.Argument(help="A table that waits, or the token of its question.")],
) -> None:
    """Let a run go on with the source's new structure."""
    settings = load_settings()
    for answered in ingestion.answer(Aws(settings), settings, target, is_approved=True):
        console.note(f"approved: {answered}")


@app.command()
def reject(
    target: Annotated[str, typer.Argument(help="A table that waits, or the token of its question.")],
    reason: Annotated[str, typer.Option(help="What the run's item says of it.")] = "",
) -> None:
    """Let a run leave a table whose source has a new structure as it is."""
    settings = load_settings()
    for answered in ingestion.answer(Aws(settings), settings, target, is_approved=False, reason=reason):
        console.note(f"rejected: {answered}")


@app.command()
def verify(as_json: Json = False) -> None:
    """Compare every table with the source, row by row; exit 1 when anything differs."""
    settings = load_settings()
    with _exclusive(settings):
        _require_running(settings)
        comparisons = _verify(settings)
    if as_json:
        console.show_json([comparison.to_dict() for comparison in comparisons])
    else:
        _show_comparisons(comparisons)
    if not all(comparison.is_equal for comparison in comparisons):
        raise typer.Exit(1)


@app.command()
def cost(as_json: Json = False) -> None:
    """What the last run and a month of them would cost on AWS, and what the other engine would have cost."""
    settings = load_settings()
    _require_running(settings)
    report = costs.report(Aws(settings), settings)
    if as_json:
        console.show_json({**asdict(report), **report.totals})
        return
    _show_cost(report)


@app.command()
def query(sql: str, as_json: Json = False) -> None:
    """Ask Athena."""
    settings = load_settings()
    result = run_query(Aws(settings).athena, sql, workgroup=settings.prefix)
    if as_json:
        console.show_json(result.to_dict())
        return
    rows = [tuple("[dim]NULL[/dim]" if v is None else escape(v) for v in row) for row in result.rows]
    console.show_table([escape(column) for column in result.columns], rows)
    console.note(f"{len(rows)} rows, {result.seconds:.2f} s, {result.scanned_bytes:,} bytes scanned")
    console.note(result.output_location)


@app.command()
def logs(
    job: Annotated[str, typer.Argument(help="A Glue job or a Lambda function; or engine, onprem.")],
    run_id: Annotated[str | None, typer.Option(help="A run of the job; the newest when not given.")] = None,
) -> None:
    """Show what the last run of a job wrote."""
    settings = load_settings()
    stack = open_stack(settings)
    if job in {service.name for service in stack.services()}:
        console.out.print(stack.log(job, 200), markup=False, highlight=False)
        return
    aws = Aws(settings)
    lines = joblogs.lambda_log(aws.logs, job) if run_id is None else []
    if not lines:
        title, lines = joblogs.job_run_log(aws.glue, aws.logs, job, run_id)
        console.note(title)
    for line in lines:
        style = "red" if line.source == "error" else ""
        console.out.print(line.message, style=style, markup=False, highlight=False)


@app.command()
def demo(as_json: Json = False) -> None:
    """Set everything up, run the whole lake, and show source and lake side by side."""
    settings = load_settings()
    with _exclusive(settings):
        _up(settings)
        _deploy(settings)
        _load(settings)
        _ingest(settings, None)
        comparisons = _verify(settings)
    if as_json:
        console.show_json([comparison.to_dict() for comparison in comparisons])
    else:
        _show_comparisons(comparisons)
    if not all(comparison.is_equal for comparison in comparisons):
        raise typer.Exit(1)
    console.note(f"It keeps running at {settings.endpoint_url}. Next: millpond query, status, logs, down.")


@app.command()
def dev() -> None:
    """Watch glue_jobs/ and lambdas/, and bring each change to the running stack at once."""
    settings = load_settings()
    _require_running(settings)
    tools.find_wheels(settings)
    aws = Aws(settings)
    reloader = Reloader(settings, aws.s3, aws.lambda_, _deployed_outputs(settings))
    console.note("watching glue_jobs/ and lambdas/; ctrl-C ends it")
    for done in reloader.follow():
        if done.error is not None:
            console.show_error(done.error)
        else:
            console.note(f"reloaded {', '.join((*done.objects, *done.functions))}")


@app.command()
def clean() -> None:
    """Stop everything and remove all that Millpond made in this checkout."""
    settings = load_settings()
    with _exclusive(settings), console.step("Stopping the stack"):
        open_stack(settings).remove(shared=True)
    with console.step(f"Removing {settings.home}"):
        for directory in (settings.state, settings.home):
            shutil.rmtree(directory, ignore_errors=True)


def main() -> None:
    """Run a verb; whatever goes wrong is told in words."""
    try:
        app()
    except MillpondError as error:
        console.show_error(error)
        sys.exit(1)
    except EndpointConnectionError as error:
        console.show_error(
            MillpondError("The engine does not answer.", where=str(error), next_step="millpond up")
        )
        sys.exit(1)
    except ClientError as error:
        console.show_error(
            MillpondError(
                f"{error.operation_name}: {error.response['Error'].get('Message', error)}",
                where=error.response["Error"].get("Code", ""),
                next_step="millpond status; if nothing is deployed, millpond deploy",
            )
        )
        sys.exit(1)
    except KeyboardInterrupt:
        console.err.print("[yellow]interrupted[/yellow]; next: millpond status, or millpond down to stop all")
        sys.exit(130)
    except (OSError, BotoCoreError, RuntimeError) as error:
        console.show_error(_unexpected(error))
        sys.exit(1)


def _unexpected(error: Exception) -> MillpondError:
    """An error nobody foresaw: its traceback goes to a file, not to the screen."""
    log = load_settings().state / "logs" / "millpond-error.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(traceback.format_exc())
    return MillpondError(
        f"{type(error).__name__}: {error}", where=str(log), next_step="millpond status, then try again"
    )


@contextmanager
def _exclusive(settings: Settings) -> Iterator[None]:
    """One command at a time may change a stack."""
    settings.state.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(settings.state / ".lock").acquire(timeout=0)
    except Timeout as error:
        raise MillpondError(
            "Another millpond command is working on this stack.",
            where=str(settings.state),
            next_step="wait for it, or stop it with ctrl-C, then run the command again",
        ) from error
    with held:
        yield


def _toolchain(settings: Settings) -> tools.Toolchain:
    with console.step("Toolchain"):
        return tools.ensure(settings)


def _up(settings: Settings) -> None:
    if settings.tier == "embedded":
        _toolchain(settings)
    with console.step("Starting the stack") as say:
        open_stack(settings).up(say)
    tools.offer_terraform(settings)


def _terraform(settings: Settings) -> Path:
    if settings.tier == "compose":
        return tools.find_deployer(settings)[0]
    return tools.ensure(settings).terraform


def _deploy(settings: Settings) -> None:
    with console.step("Deploying the platform") as say:
        watcher = deployment.Watcher(
            progress=say, event=lambda event: say(f"{event.done}/{event.total} {event.address}")
        )
        result = deployment.local(settings, _terraform(settings), watcher).deploy()
    console.note(str(result.changes))
    _keep_outputs(settings, result.outputs)


def _narrator(*, is_approved: bool) -> deployment.Watcher:
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


def _show_deployment(result: deployment.Deployment) -> None:
    console.note(f"{result.changes} in {console.duration(result.seconds)}, build {result.build_id}")
    shown = [(name, escape(json.dumps(value))) for name, value in sorted(result.outputs.items())]
    console.show_table(("output", "value"), shown)


def _keep_outputs(settings: Settings, outputs: Mapping[str, object]) -> None:
    _outputs_file(settings).write_text(json.dumps(outputs, indent=2))


def _outputs_file(settings: Settings) -> Path:
    return settings.state / "outputs.json"


def _deployed_outputs(settings: Settings) -> dict[str, object]:
    """Terraform's outputs, as long as the engine that they speak of is the one that runs."""
    path = _outputs_file(settings)
    running = {service.name for service in open_stack(settings).services() if service.is_running}
    if not path.exists() or "engine" not in running:
        return {}
    outputs: dict[str, object] = json.loads(path.read_text())
    machine = str(outputs.get("state_machine_arn", ""))
    try:
        Aws(settings).stepfunctions.describe_state_machine(stateMachineArn=machine)
    except ClientError:
        return {}
    return outputs


def _flat(outputs: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in outputs.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", str(inner)) for key, inner in value.items())
        else:
            yield name, ", ".join(value) if isinstance(value, list) else str(value)


def _load(settings: Settings) -> None:
    with console.step("Loading the on-premises database") as say:
        result = onprem_load.load(settings, progress=say)
        database = OnPremDatabase(settings)
        secretsmanager = Aws(settings).secretsmanager
        onprem_load.put_secret(settings, secretsmanager, database.secret())
        onprem_load.put_masking_key(settings, secretsmanager)
    done = f"loaded {', '.join(result.loaded)}" if result.loaded else "already loaded"
    console.note(f"{done}: {sum(result.rows.values()):,} rows in {len(result.rows)} tables")


def _ingest(settings: Settings, tables: Sequence[str] | None) -> None:
    _follow(settings, lambda: ingestion.start_ingest(Aws(settings), settings, tables))


def _follow(settings: Settings, start: Callable[[], str]) -> None:
    latest: dict[str, ingestion.TableEvent] = {}
    with console.step("Ingesting") as say:
        for event in ingestion.follow(Aws(settings), settings, start()):
            latest[event.table_id] = event
            ended = [table for table in latest.values() if table.status in ingestion.FINAL]
            say(f"{len(ended)}/{len(latest)} tables, {event.table_id} {event.status}")
            if event.status == ingestion.AWAITING_APPROVAL:
                console.note(f"{event.table_id} waits for an answer: {event.error}")
                console.note(
                    f"  next:  millpond approve {event.table_id}, or millpond reject {event.table_id}"
                )
    skipped = [event for event in latest.values() if event.status == "SKIPPED"]
    for event in skipped:
        console.note(f"{event.table_id} is skipped: {event.error}")
    engines = [event.engine for event in latest.values() if event.status != "SKIPPED"]
    console.note(
        f"{len(engines)} tables: {engines.count('spark')} by Spark, {engines.count('shell')} by Python shell"
    )


def _verify(settings: Settings) -> list[TableComparison]:
    with console.step("Comparing source and lake") as say:
        return verification.verify(
            settings, Aws(settings).session, progress=lambda comparison: say(comparison.table_id)
        )


def _show_comparisons(comparisons: Sequence[TableComparison]) -> None:
    columns = (
        "table",
        "PostgreSQL\nrows",
        "Athena\nrows",
        "PostgreSQL\nchecksum",
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


def _require_running(settings: Settings) -> None:
    stopped = [service.name for service in open_stack(settings).services() if not service.is_running]
    if stopped:
        raise MillpondError(f"Not running: {', '.join(stopped)}.", next_step="millpond up")


def _component_dict(name: str, found: tools.Component | MillpondError) -> dict[str, object]:
    if isinstance(found, MillpondError):
        return {"name": name, "ok": False, "error": found.what, "next": found.next_step}
    return {"name": name, "ok": True, "version": found.version, "path": found.path and str(found.path)}


def _component_row(name: str, found: tools.Component | MillpondError) -> tuple[str, ...]:
    if isinstance(found, MillpondError):
        return name, "[red]missing[/red]", "", escape(found.what)
    return name, escape(found.version), str(found.path or ""), escape(found.note)


if __name__ == "__main__":
    main()
