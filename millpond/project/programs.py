"""Programs that deploy, as a person would run them: what they print is heard line by line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def run_heard(
    command: Sequence[str], directory: Path, environment: Mapping[str, str], hear: Callable[[str], None]
) -> tuple[int, list[str]]:
    """Run a program that is asked nothing, and tell each line of its output and its errors as it comes.

    Returns
    -------
    tuple of int and list of str
        Its exit code, and the lines.
    """
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        for line in running.stdout or ():
            lines.append(line.rstrip("\n"))
            hear(lines[-1])
    return running.returncode, lines
