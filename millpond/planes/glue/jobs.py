"""Job definitions: what is stored of ``CreateJob`` and ``UpdateJob``, with the values AWS fills in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from millpond.planes.glue import versions
from millpond.planes.glue.exceptions import InvalidInputException

Shape = dict[str, Any]

SPARK_COMMANDS = ("glueetl", "gluestreaming")
SHELL_COMMAND = "pythonshell"

# DPUs of one worker (Glue Developer Guide, "AWS Glue worker types").
WORKER_DPUS = {
    "G.025X": 0.25,
    "Standard": 1.0,
    "G.1X": 1.0,
    "G.2X": 2.0,
    "G.4X": 4.0,
    "G.8X": 8.0,
    "G.12X": 12.0,
    "G.16X": 16.0,
    "R.1X": 1.0,
    "R.2X": 2.0,
    "R.4X": 4.0,
    "R.8X": 8.0,
}
_SHELL_CAPACITIES = (0.0625, 1.0)
_MAX_TIMEOUT_MINUTES = 10_080
_KEPT_AS_GIVEN = (
    "Description",
    "LogUri",
    "DefaultArguments",
    "NonOverridableArguments",
    "Connections",
    "SecurityConfiguration",
    "NotificationProperty",
    "CodeGenConfigurationNodes",
    "ExecutionClass",
    "SourceControlDetails",
    "MaintenanceWindow",
    "JobRunQueuingEnabled",
)


def define(name: str, request: Mapping[str, Any], *, created: datetime, modified: datetime) -> Shape:
    """The ``Job`` structure that ``GetJob`` returns.

    Parameters
    ----------
    name : str
        Name of the job.
    request : mapping
        ``CreateJobRequest`` or ``JobUpdate``: an update replaces the definition completely.
    created, modified : datetime
        ``CreatedOn`` and ``LastModifiedOn``.

    Raises
    ------
    InvalidInputException
        If the definition is one that AWS does not accept, or a kind of job that is not available here.
    """
    if not request.get("Role"):
        raise InvalidInputException("Role should not be null or empty")
    command = _command(request.get("Command") or {})
    glue_version = request.get("GlueVersion") or _default_glue_version(command)
    versions.check(glue_version)
    _check_flags(command["Name"], glue_version, request)
    job: Shape = {
        "Name": name,
        "JobMode": request.get("JobMode") or "SCRIPT",
        "Role": request["Role"],
        "CreatedOn": created,
        "LastModifiedOn": modified,
        "ExecutionProperty": {
            "MaxConcurrentRuns": (request.get("ExecutionProperty") or {}).get("MaxConcurrentRuns") or 1
        },
        "Command": command,
        "MaxRetries": request.get("MaxRetries") or 0,
        "Timeout": timeout_minutes(request.get("Timeout"), glue_version),
        "GlueVersion": glue_version,
        **capacity(command["Name"], glue_version, request),
    }
    job.update({key: request[key] for key in _KEPT_AS_GIVEN if request.get(key) is not None})
    return job


def capacity(command: str, glue_version: str, request: Mapping[str, Any]) -> Shape:
    """``MaxCapacity``, ``AllocatedCapacity`` and the worker settings of a job or a run.

    Parameters
    ----------
    command : str
        ``glueetl``, ``gluestreaming`` or ``pythonshell``.
    glue_version : str
        Glue version of the job.
    request : mapping
        What was asked for.

    Notes
    -----
    The rules are those of ``CreateJob`` in the API Reference: ``MaxCapacity`` and the worker settings
    exclude each other, a Python shell job has 0.0625 or 1 DPU, and from Glue 2.0 on a Spark job states
    workers. A Spark job that states neither has 10 DPUs.
    """
    worker_type, workers = request.get("WorkerType"), request.get("NumberOfWorkers")
    max_capacity = request.get("MaxCapacity")
    if max_capacity is not None and request.get("AllocatedCapacity"):
        raise InvalidInputException("Please set only Allocated Capacity or Max Capacity")
    if max_capacity is None and request.get("AllocatedCapacity"):
        max_capacity = float(request["AllocatedCapacity"])
    if command == SHELL_COMMAND:
        if worker_type or workers:
            raise InvalidInputException("Worker Type is not supported for Job Command pythonshell")
        max_capacity = 0.0625 if max_capacity is None else max_capacity
        if max_capacity not in _SHELL_CAPACITIES:
            raise InvalidInputException("Max Capacity of a Python shell job must be 0.0625 or 1.0")
        return {"MaxCapacity": max_capacity, "AllocatedCapacity": int(max_capacity)}
    if worker_type or workers:
        if max_capacity is not None:
            raise InvalidInputException(
                "Please do not set Max Capacity if using Worker Type and Number of Workers."
            )
        _check_worker_type(command, glue_version, worker_type)
        return _workers(worker_type, workers)
    if max_capacity is not None and versions.number(glue_version) >= 2.0:
        raise InvalidInputException(
            f"Max Capacity is not supported for Glue version {glue_version}: "
            "set Worker Type and Number of Workers."
        )
    max_capacity = 10.0 if max_capacity is None else max_capacity
    return {"MaxCapacity": max_capacity, "AllocatedCapacity": int(max_capacity)}


def timeout_minutes(requested: int | None, glue_version: str) -> int:
    """Minutes after which a run is ended: 2880 unless set, 480 from Glue 5.0 on, at most seven days."""
    if requested is None:
        return 480 if versions.number(glue_version) >= 5.0 else 2880
    if not 1 <= requested <= _MAX_TIMEOUT_MINUTES:
        raise InvalidInputException(f"Timeout must be between 1 and {_MAX_TIMEOUT_MINUTES} minutes")
    return requested


def _command(requested: Mapping[str, Any]) -> Shape:
    name = requested.get("Name") or ""
    if name == "glueray":
        raise InvalidInputException(
            "Job command 'glueray' is not available here: Millpond has no Ray. Use glueetl, gluestreaming or "
            "pythonshell"
        )
    if name not in (*SPARK_COMMANDS, SHELL_COMMAND):
        raise InvalidInputException(
            f"Job command {name!r} is not available here: use glueetl, gluestreaming or pythonshell"
        )
    if not requested.get("ScriptLocation"):
        raise InvalidInputException("ScriptLocation should not be null or empty")
    default_python = "3.9" if name == SHELL_COMMAND else "3"
    return {**requested, "PythonVersion": requested.get("PythonVersion") or default_python}


def _default_glue_version(command: Mapping[str, Any]) -> str:
    # Python shell 3.9 belongs to Glue 3.0 and 3.6 to 1.0.
    if command["Name"] == SHELL_COMMAND:
        return "3.0" if command["PythonVersion"] == "3.9" else "1.0"
    return versions.DEFAULT


def _check_worker_type(command: str, glue_version: str, worker_type: str | None) -> None:
    number = versions.number(glue_version)
    if worker_type == "G.025X" and (command != "gluestreaming" or number < 3.0):
        raise InvalidInputException(
            "Worker Type G.025X is supported for job command gluestreaming of Glue version 3.0 or later only"
        )
    if worker_type and worker_type.startswith("R.") and number < 4.0:
        raise InvalidInputException(
            f"Worker Type {worker_type} is supported for Glue version 4.0 or later only"
        )


def _workers(worker_type: str | None, workers: int | None) -> Shape:
    if worker_type not in WORKER_DPUS:
        raise InvalidInputException(f"Worker Type {worker_type} is not supported")
    if not workers or workers < 1:
        raise InvalidInputException("Number of Workers must be given with Worker Type, and be at least 1")
    max_capacity = WORKER_DPUS[worker_type] * workers
    return {
        "WorkerType": worker_type,
        "NumberOfWorkers": workers,
        "MaxCapacity": max_capacity,
        "AllocatedCapacity": int(max_capacity),
    }


def check_execution_class(command: str, glue_version: str, execution_class: str | None) -> None:
    """Refuse ``FLEX`` where Glue has only the standard class, of a job as of a run.

    Raises
    ------
    InvalidInputException
        Naming what there is.
    """
    is_of_3 = versions.number(glue_version) >= 3.0
    if execution_class == "FLEX" and not (command == "glueetl" and is_of_3):
        raise InvalidInputException(
            "Execution class FLEX is supported for job command glueetl of Glue version 3.0 or later only"
        )


def _check_flags(command: str, glue_version: str, request: Mapping[str, Any]) -> None:
    """Rules of ``CreateJob`` in the API Reference on execution classes, and what is not available here."""
    check_execution_class(command, glue_version, request.get("ExecutionClass"))
    language = {**request.get("DefaultArguments", {}), **request.get("NonOverridableArguments", {})}
    if command != SHELL_COMMAND and language.get("--job-language", "python") != "python":
        raise InvalidInputException(
            "Jobs in Scala are not available here: Millpond runs the scripts of Glue jobs in Python only. "
            "Set --job-language to python"
        )
