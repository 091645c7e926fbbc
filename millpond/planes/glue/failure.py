"""The ``ErrorMessage`` of a run that failed."""

from __future__ import annotations

import json
from pathlib import Path

_LONGEST = 2_000


def error_message(exit_code: int, failure_file: Path, *, is_spark: bool) -> str:
    """What Glue shows for a script that ended badly: its last exception, else how it exited.

    Parameters
    ----------
    exit_code : int
        Of the script's interpreter; negative when a signal ended it.
    failure_file : Path
        Where the interpreter recorded the exception, if there was one.
    is_spark : bool
        A Spark script that calls ``sys.exit`` is reported as ``SystemExit``, a Python shell script by
        the exit code of its command.
    """
    if failure_file.exists():
        failure = json.loads(failure_file.read_text())
        return _of_exception(failure["type"], failure["message"])[:_LONGEST]
    if is_spark and exit_code > 0:
        return f"SystemExit: {exit_code}"
    # A shell reports a signal as 128 + its number, and so does Glue (137 is a process killed for memory).
    return f"Command failed with exit code {exit_code if exit_code >= 0 else 128 - exit_code}"


def _of_exception(kind: str, message: str) -> str:
    if kind != "Py4JJavaError":
        return f"{kind}: {message}" if message else kind
    # "An error occurred while calling o45.load.", then ": java.Class: why", then Java's stack.
    call, _, rest = message.partition("\n")
    cause = rest.partition("\n")[0].removeprefix(": ")
    return f"{call} {cause.partition(': ')[2] or cause}".strip()
