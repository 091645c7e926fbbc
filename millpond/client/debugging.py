"""A job under a debugger: a copy of it, equal in all but its name and that pdb or debugpy runs its script."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.client.debug_script import WAITING
from millpond.client.job_runs import definition_of, job_named

__all__ = ["WAITING", "DebuggedJob", "debugged"]
_SCRIPT = Path(__file__).with_name("debug_script.py")
# The argument that takes wheels from S3: of a job of Spark, and of Python shell.
_WHEELS = ("--additional-python-modules", "--extra-py-files")


@dataclass(frozen=True)
class DebuggedJob:
    """A job that waits for its debugger once it runs.

    Parameters
    ----------
    name : str
        Of the copy.
    port : int
        Where it listens, on this machine.
    path : str
        What the script is called: the file of the project that is equal to it, else its place in S3.
    """

    name: str
    port: int
    path: str


@contextmanager
def debugged(
    aws: Aws, job_name: str, project: Path, port: int | None = None, debugpy: Path | None = None
) -> Iterator[DebuggedJob]:
    """Make the copy, and remove it at the end.

    Parameters
    ----------
    aws : Aws
        Where the job is.
    job_name : str
        Its name.
    project : Path
        Where the file may be that the script was uploaded from.
    port : int, optional
        Where to wait for the debugger; any that is free unless given.
    debugpy : Path, optional
        The wheel of what waits for an editor; pdb waits for its terminal unless given.

    Raises
    ------
    MillpondError
        If there is no such job, or its script is not in Python.
    """
    job = job_named(aws, job_name)
    bucket, key = _place(job, job_name)
    source = aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    path = _local(project, Path(key).name, source) or f"s3://{bucket}/{key}"
    made = DebuggedJob(f"{job_name}-debug-{uuid.uuid4().hex[:8]}", port or _free_port(), path)
    # Beside the script: whatever the job's role may read, it may read these.
    base = f"{key.rpartition('.')[0]}-{made.name[-8:]}"
    files = {f"{base}.py": _wrapped(made, source, debugpy is not None).encode()}
    if debugpy:
        files[f"{base}/{debugpy.name}"] = debugpy.read_bytes()
    for name, content in files.items():
        aws.s3.put_object(Bucket=bucket, Key=name, Body=content)
    definition = definition_of(job)
    definition["Command"] = {**definition["Command"], "ScriptLocation": f"s3://{bucket}/{base}.py"}
    if debugpy:
        arguments = definition.get("DefaultArguments", {})
        argument = _WHEELS[definition["Command"]["Name"] == "pythonshell"]
        wheels = [
            wheel for wheel in (arguments.get(argument), f"s3://{bucket}/{base}/{debugpy.name}") if wheel
        ]
        definition["DefaultArguments"] = {**arguments, argument: ",".join(wheels)}
    try:
        aws.glue.create_job(Name=made.name, **definition)
        yield made
    finally:
        aws.glue.delete_job(JobName=made.name)
        for name in files:
            aws.s3.delete_object(Bucket=bucket, Key=name)


def _place(job: Mapping[str, Any], name: str) -> tuple[str, str]:
    location = str(job["Command"].get("ScriptLocation", ""))
    location_parts = re.fullmatch(r"s3://([^/]+)/(.+\.py)", location)
    if location_parts is None or job.get("DefaultArguments", {}).get("--job-language") == "scala":
        raise MillpondError(f"The script of {name} is not one in Python on S3.", where=location)
    return location_parts[1], location_parts[2]


def _local(project: Path, name: str, source: str) -> str:
    """The file of the project that the script was uploaded from; empty where none is equal."""
    for path in sorted(project.rglob(name)):
        is_hidden = any(part.startswith(".") for part in path.relative_to(project).parts)
        if not is_hidden and path.read_text(errors="replace") == source:
            return str(path)
    return ""


def _wrapped(job: DebuggedJob, source: str, is_for_editor: bool) -> str:
    text = _SCRIPT.read_text()
    values = {"IS_FOR_EDITOR": is_for_editor, "PORT": job.port, "PATH": job.path, "SOURCE": source}
    for name, value in values.items():
        text = re.sub(rf"^{name} = .*$", lambda _: f"{name} = {value!r}", text, count=1, flags=re.MULTILINE)  # noqa: B023
    return text


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
