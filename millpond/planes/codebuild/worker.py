"""Runs the commands of one build, one after the other: leader of its process group, and heir of its orphans.

It is run as a file, by an interpreter that sees nothing but the standard library. It reads one JSON object a
line on standard input and writes the exit code of each, a line, on standard output; what commands print goes
to its standard error.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    # What a command leaves in the background stays a descendant, so that the build's end finds it.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for line in sys.stdin:
        print(_run(json.loads(line)), flush=True)  # noqa: T201 (the answer to the plane)


def _run(request: dict[str, Any]) -> int:
    arguments = {name: request[name] for name in ("env", "cwd", "user", "group", "extra_groups")}
    # Each opened to append, so that what others write into the log meanwhile is not overwritten.
    target = request["output"] or sys.stderr.fileno()
    try:
        with open(target, "ab", closefd=isinstance(target, str)) as log:
            child = subprocess.Popen(
                request["command"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **arguments
            )
            return int(child.wait())
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        return 127


if __name__ == "__main__":
    main()
