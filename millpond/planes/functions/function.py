"""A function version, an invocation and its outcome: what the plane takes and gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from millpond.planes.functions.runtimes import Interpreter


@dataclass(frozen=True)
class FunctionVersion:
    """What is run.

    Parameters
    ----------
    name, version : str
        For example ``plan`` and ``$LATEST``.
    runtime : str
        For example ``python3.13``.
    handler : str
        ``module.function`` or ``folder/module.function``.
    code_dir : Path
        The unzipped code.
    timeout : float
        Seconds that one invocation may take.
    memory_mb : int
        Resident memory that the process may have.
    temporary_mb : int
        What it may keep in its ``/tmp``.
    environment : mapping
        What Lambda and the function's configuration set; the paths of this machine are added to it.
    layers : sequence of Path
        The unzipped layers, the first one first on the path.
    """

    name: str
    version: str
    runtime: str
    handler: str
    code_dir: Path
    timeout: float
    memory_mb: int
    environment: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[Path, ...] = ()
    temporary_mb: int = 512


@dataclass(frozen=True)
class Invocation:
    """One event for a function; ``event`` is JSON text, and so is the caller's ``client_context``."""

    request_id: str
    arn: str
    event: str
    trace_id: str = ""
    client_context: str = ""


@dataclass(frozen=True)
class Outcome:
    """What an invocation ended with: JSON text, whether it is an error, the lines for its log, its time."""

    payload: str
    is_error: bool
    log: str
    duration_ms: float


def process_environment(function: FunctionVersion, interpreter: Interpreter, own_dir: Path) -> dict[str, str]:
    """The environment of a function's process ("Using Lambda environment variables", developer guide).

    Paths that are fixed on AWS are the machine's own here: ``LAMBDA_TASK_ROOT`` for ``/var/task``,
    ``TMPDIR`` for ``/tmp``, and layers on the language's search path for ``/opt``.
    """
    own = dict(function.environment)
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        **own,
        "_HANDLER": function.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "LAMBDA_TASK_ROOT": str(function.code_dir),
        "LAMBDA_RUNTIME_DIR": str(interpreter.bootstrap.parent),
        "HOME": str(own_dir),
        "TMPDIR": str(own_dir),
        **interpreter.search_path(function.layers, own),
    }


def error_payload(error_type: str, message: str) -> str:
    """The answer to an invocation that Lambda, not the function, ended."""
    return json.dumps({"errorType": error_type, "errorMessage": message})


def start_line(request_id: str, version: str) -> str:
    return f"START RequestId: {request_id} Version: {version}\n"


def end_lines(
    request_id: str, seconds: float, memory_mb: int, used_mb: int, init_seconds: float | None
) -> str:
    """The END and REPORT lines ("Viewing CloudWatch logs for Lambda functions", developer guide)."""
    milliseconds = seconds * 1000
    report = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {milliseconds:.2f} ms",
        f"Billed Duration: {int(milliseconds) + 1} ms",
        f"Memory Size: {memory_mb} MB",
        f"Max Memory Used: {used_mb} MB",
    ]
    if init_seconds is not None:
        report.append(f"Init Duration: {init_seconds * 1000:.2f} ms")
    return f"END RequestId: {request_id}\n" + "\t".join(report) + "\t\n"
