"""What a notebook's kernel is given, so that its session of Glue is like a job's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from millpond.base.errors import MillpondError
from millpond.client.aws import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Aws
from millpond.client.job_runs import SPARK_COMMANDS, job_named

KERNEL = "glue_pyspark"
# The variable of notebook_kernel.py; that module imports what only its own environment has.
_ARGUMENTS = "MILLPOND_NOTEBOOK_ARGUMENTS"
RUN = Path(__file__).with_name("notebook_run.py")
_SCRIPT = Path(__file__).with_name("notebook_kernel.py")
_PROFILE = "millpond"
_IDLE_MINUTES = 120


@dataclass(frozen=True)
class SessionOf:
    """A session as it will be created.

    Parameters
    ----------
    title : str
        What the kernel is called.
    role : str
        Its ARN.
    settings : mapping of str to str
        Variables that AWS's kernel reads, but for the role.
    arguments : mapping of str to str
        ``DefaultArguments``.
    """

    title: str
    role: str
    settings: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)


def session_of_job(aws: Aws, name: str, arguments: Mapping[str, str]) -> SessionOf:
    """A session with a job's role, version, workers, connections and arguments.

    Parameters
    ----------
    aws : Aws
    name : str
        The job.
    arguments : mapping of str to str
        In the place of the job's own, names with their two dashes.

    Raises
    ------
    MillpondError
        If there is no such job, or it is none of Spark in Python.
    """
    job = job_named(aws, name)
    merged: dict[str, str] = {**job.get("DefaultArguments", {}), **arguments}
    if job["Command"].get("Name") not in SPARK_COMMANDS or merged.get("--job-language") == "scala":
        raise MillpondError(
            f"{name} is no job of Spark in Python, and sessions are that.", next_step="name another job"
        )
    return SessionOf(f"Glue PySpark, as {name}", role_arn(aws, str(job["Role"])), _settings(job), merged)


def role_arn(aws: Aws, role: str) -> str:
    """The ARN of a role that is named, or given by it."""
    return role if role.startswith("arn:") else f"arn:aws:iam::{aws.account_id}:role/{role}"


def _settings(job: Mapping[str, Any]) -> dict[str, str]:
    """What AWS's kernel takes from its environment (Developer Guide, "Configuring interactive sessions")."""
    variables = {
        "glue_version": job.get("GlueVersion"),
        "glue_worker_type": job.get("WorkerType"),
        "glue_number_of_workers": job.get("NumberOfWorkers"),
        "glue_connections": ",".join(job.get("Connections", {}).get("Connections", ())),
        "glue_security_config": job.get("SecurityConfiguration"),
    }
    return {name: str(value) for name, value in variables.items() if value}


def environment(aws: Aws, session: SessionOf, folder: Path, python: Path) -> dict[str, str]:
    """Write what Jupyter and the kernel read below a folder; the variables that name it.

    Nothing of the user's own Jupyter or AWS configuration is read or written.

    Parameters
    ----------
    aws : Aws
    session : SessionOf
    folder : Path
        Is made.
    python : Path
        The interpreter of the environment of notebooks.
    """
    kernel = folder / "jupyter" / "kernels" / KERNEL
    kernel.mkdir(parents=True, exist_ok=True)
    described = {
        "argv": [str(python), str(_SCRIPT), "-f", "{connection_file}", "--log-level=ERROR"],
        "display_name": session.title,
        "language": "python",
    }
    (kernel / "kernel.json").write_text(json.dumps(described))
    config = folder / "aws-config"
    config.write_text(
        f"[profile {_PROFILE}]\nregion = {aws.region}\nendpoint_url = {aws.glue.meta.endpoint_url}\n"
        f"aws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n"
    )
    return {
        "AWS_CONFIG_FILE": str(config),
        "AWS_REGION": aws.region,
        "glue_profile": _PROFILE,
        "glue_role_arn": session.role,
        "glue_idle_timeout": str(_IDLE_MINUTES),
        **session.settings,
        _ARGUMENTS: json.dumps(dict(session.arguments)),
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter" / "config"),
        "JUPYTER_DATA_DIR": str(folder / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(folder / "jupyter" / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
