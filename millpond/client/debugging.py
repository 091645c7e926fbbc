"""A job under a debugger: a copy of it, equal in all but its name and that its script is run by pdb."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.client.debug_script import WAITING

__all__ = ["WAITING", "DebuggedJob", "debugged"]
_SCRIPT = Path(__file__).with_name("debug_script.py")
# What GetJob says and CreateJob does not take; the capacity is said by workers, or else by MaxCapacity.
_NOT_GIVEN = ("Name", "CreatedOn", "LastModifiedOn", "AllocatedCapacity", "ProfileName")


@dataclass(frozen=True)
class DebuggedJob:
    """A job that waits for its terminal once it runs.

    Parameters
    ----------
    name : str
        Of the copy.
    port : int
        Where pdb listens, on this machine.
    path : str
        What the script is called: the file of the project that is equal to it, else its place in S3.
    """

    name: str
    port: int
    path: str


@contextmanager
def debugged(aws: Aws, job_name: str, project: Path) -> Iterator[DebuggedJob]:
    """Make the copy, and remove it at the end.

    Raises
    ------
    MillpondError
        If there is no such job, or its script is not in Python.
    """
    job = _job(aws, job_name)
    bucket, key = _place(job, job_name)
    source = aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    path = _local(project, Path(key).name, source) or f"s3://{bucket}/{key}"
    made = DebuggedJob(f"{job_name}-debug-{uuid.uuid4().hex[:8]}", _free_port(), path)
    # Beside the script: whatever the job's role may read, it may read this.
    script = f"{key.rpartition('.')[0]}-{made.name[-8:]}.py"
    aws.s3.put_object(Bucket=bucket, Key=script, Body=_wrapped(made, source).encode())
    given: dict[str, Any] = {name: value for name, value in job.items() if name not in _NOT_GIVEN}
    if "WorkerType" in given:
        given.pop("MaxCapacity", None)
    given["Command"] = {**given["Command"], "ScriptLocation": f"s3://{bucket}/{script}"}
    try:
        aws.glue.create_job(Name=made.name, **given)
        yield made
    finally:
        aws.glue.delete_job(JobName=made.name)
        aws.s3.delete_object(Bucket=bucket, Key=script)


def _job(aws: Aws, name: str) -> dict[str, Any]:
    try:
        return dict(aws.glue.get_job(JobName=name)["Job"])
    except aws.glue.exceptions.EntityNotFoundException as error:
        names = ", ".join(aws.glue.list_jobs()["JobNames"]) or "none is deployed"
        raise MillpondError(
            f"There is no Glue job {name}.", next_step=f"name one of the jobs: {names}"
        ) from error


def _place(job: dict[str, Any], name: str) -> tuple[str, str]:
    location = str(job["Command"].get("ScriptLocation", ""))
    found = re.fullmatch(r"s3://([^/]+)/(.+\.py)", location)
    if found is None or job.get("DefaultArguments", {}).get("--job-language") == "scala":
        raise MillpondError(f"The script of {name} is not one in Python on S3.", where=location)
    return found[1], found[2]


def _local(project: Path, name: str, source: str) -> str:
    """The file of the project that the script was uploaded from; empty where none is equal."""
    for path in sorted(project.rglob(name)):
        is_hidden = any(part.startswith(".") for part in path.relative_to(project).parts)
        if not is_hidden and path.read_text(errors="replace") == source:
            return str(path)
    return ""


def _wrapped(job: DebuggedJob, source: str) -> str:
    text = _SCRIPT.read_text()
    for name, value in (("PORT", job.port), ("PATH", job.path), ("SOURCE", source)):
        text = re.sub(rf"^{name} = .*$", lambda _: f"{name} = {value!r}", text, count=1, flags=re.MULTILINE)  # noqa: B023
    return text


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
