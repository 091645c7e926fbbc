"""``millpond glue``."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from botocore.exceptions import ClientError
from rich.markup import escape

from millpond.base.config import Settings, load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console, snapshot
from millpond.cli.run import parsed
from millpond.cli.session import Json, exclusive, require_running
from millpond.client.aws import Aws
from millpond.client.job_runs import RunStep, follow_job
from millpond.client.logs import LogLine
from millpond.stack.snapshots import Snapshots

if TYPE_CHECKING:
    from millpond.client.comparing import Difference, Observed


_EXAMPLE = "millpond glue compare JOB --versions 4.0,6.0"


class Action(StrEnum):
    """What is done."""

    COMPARE = "compare"


def glue(
    action: Annotated[Action, typer.Argument(help="compare: one job on several Glue versions.")],  # noqa: ARG001 - there is one
    job: Annotated[str, typer.Argument(help="A Glue job of Spark.")],
    versions: Annotated[
        str, typer.Option(help="Two Glue versions or more, as 4.0,6.0; the first is the old one.")
    ],
    arg: Annotated[
        list[str] | None, typer.Option(help="An argument of the runs, NAME=VALUE; may be repeated.")
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="A column whose values are not compared, as a time of load; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a job on several Glue versions from the same state and show what differs; exit 1 if it does."""
    # What reads and compares tables takes a second to import, which other verbs shall not wait for.
    from millpond.client.comparing import differences

    settings = load_settings()
    snapshots = Snapshots(settings)
    named = comparable(versions, settings.glue.versions)
    with exclusive(settings), tempfile.TemporaryDirectory(prefix="millpond-compare-") as folder:
        require_running(settings)
        seen = _runs(settings, snapshots, job, named, parsed(arg or []), Path(folder))
        found = [differences(seen[0], other, frozenset(ignore or ())) for other in seen[1:]]
    if as_json:
        console.show_json(_told(seen, found))
    else:
        for other, of_pair in zip(seen[1:], found, strict=True):
            _show(seen[0], other, of_pair)
    if any(found):
        raise typer.Exit(1)


def comparable(versions: str, mapped: Mapping[str, str]) -> tuple[str, ...]:
    """The versions that are named, separated by commas.

    Parameters
    ----------
    versions : str
    mapped : mapping of str to str
        The setting ``glue.versions``.

    Raises
    ------
    MillpondError
        If they are fewer than two, one is not Glue's, or two of them run on one environment here.

    Examples
    --------
    >>> comparable("4.0, 6.0", {})
    ('4.0', '6.0')
    """
    # Glue's plane is large, and other verbs shall not wait for it.
    from millpond.planes.glue.exceptions import GlueError, LaunchError
    from millpond.planes.glue.versions import STAND_INS, check, resolve

    named = tuple(one.strip() for one in versions.split(",") if one.strip())
    try:
        for one in named:
            check(one)
        environments = [resolve(one, mapped)[0].name for one in named]
    except (GlueError, LaunchError) as error:
        raise MillpondError(str(error).removeprefix("LAUNCH ERROR | "), next_step=_EXAMPLE) from error
    if len(named) < 2:
        raise MillpondError("Two versions are compared, or more.", next_step=_EXAMPLE)
    for number, one in enumerate(environments):
        if one in environments[:number]:
            other = named[environments.index(one)]
            raise MillpondError(
                f"Glue {other} and {named[number]} both run on the environment of {one} here.",
                where=f"glue.versions: {dict(mapped)}"
                if mapped
                else f"not available: {', '.join(STAND_INS)}",
                next_step=_EXAMPLE,
            )
    return named


def _runs(
    settings: Settings,
    snapshots: Snapshots,
    job: str,
    versions: Sequence[str],
    arguments: Mapping[str, str],
    folder: Path,
) -> list[Observed]:
    """One run on each version; before each but the first, and at the end, the stack is put back."""
    from millpond.client.comparing import Before, job_of

    aws = Aws(settings)
    definition = job_of(aws, job)
    before = Before.of(aws)
    kept = f"compare-{uuid.uuid4().hex[:8]}"
    snapshot.save(settings, snapshots, kept)
    seen = []
    try:
        for number, version in enumerate(versions):
            if number:
                snapshot.load(settings, snapshots, kept)
            seen.append(_run(Aws(settings), definition, version, arguments, before, folder / version))
    finally:
        try:
            snapshot.load(settings, snapshots, kept)
        except BaseException:
            console.note(f"the stack as it was: millpond snapshot load {kept}")
            raise
    snapshots.remove(kept)
    return seen


def _run(
    aws: Aws,
    job: Mapping[str, Any],
    version: str,
    arguments: Mapping[str, str],
    before: Any,
    folder: Path,
) -> Observed:
    from millpond.client.comparing import Ended, Observed, observe, run_on

    bucket, name = f"millpond-compare-{uuid.uuid4().hex[:12]}", str(job["Name"])
    _make_bucket(aws, bucket, str(job["Role"]))
    with console.step(f"{name} on Glue {version}") as say:
        try:
            run_id = run_on(aws, job, version, arguments, f"s3://{bucket}/events/")
        except ClientError as error:
            return Observed(version, "REFUSED", error.response["Error"].get("Message", str(error)))
        step, lines = RunStep("STARTING", (), "", 0), list[LogLine]()
        for step in follow_job(aws, name, run_id):
            lines += step.lines
            say(step.state)
    console.note(f"{step.state} after {step.seconds:g} s")
    return observe(aws, Ended(version, name, run_id, step, tuple(lines)), before, (bucket, "events/"), folder)


def _make_bucket(aws: Aws, bucket: str, role: str) -> None:
    """A bucket for the event log, which the job's role may write to whatever its own policies say."""
    where: Any = (
        {} if aws.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
    )
    aws.s3.create_bucket(Bucket=bucket, **where)
    arn = role if role.startswith("arn:") else f"arn:aws:iam::{aws.account_id}:role/{role}"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": arn},
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    aws.s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )


def _show(first: Observed, other: Observed, found: Sequence[Difference]) -> None:
    title = f"Glue {first.version} and {other.version}"
    if not found:
        rows = f"{len(first.datasets)} outputs, {len(first.tables)} tables, {len(first.plans)} plans"
        console.out.print(f"{title}: {first.state} on both, and nothing differs ({rows}).", highlight=False)
        return
    cells = [(one.subject, escape(one.where), escape(one.text)) for one in found]
    console.show_table(("what", "where", "difference"), cells, title=title)


def _told(seen: Sequence[Observed], found: Sequence[Sequence[Difference]]) -> dict[str, object]:
    return {
        "runs": [
            {
                "version": one.version,
                "state": one.state,
                "error": one.error,
                "seconds": one.seconds,
                "outputs": {name: {"kind": d.kind, "files": d.files} for name, d in one.datasets.items()},
                "tables": sorted(one.tables),
                "plans": one.plans,
                "warnings": sorted(one.warnings),
            }
            for one in seen
        ],
        "differences": [
            {"first": seen[0].version, "other": other.version, "found": [asdict(one) for one in of_pair]}
            for other, of_pair in zip(seen[1:], found, strict=True)
        ],
    }
