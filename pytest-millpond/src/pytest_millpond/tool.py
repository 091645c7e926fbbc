"""The installed ``millpond``: where it is, and what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PROGRAM = "MILLPOND_PROGRAM"
LAST_LINES = 30


class MillpondMissing(Exception):  # noqa: N818
    """The tool is not on this machine, or did not do what it was asked."""


def find_program() -> Path:
    """``MILLPOND_PROGRAM``, else beside this Python, else on the path, else where uv and pipx put programs.

    Raises
    ------
    MillpondMissing
        If it is in none of these places.
    """
    told = os.environ.get(PROGRAM)
    on_path = shutil.which("millpond")
    candidates = [Path(told)] if told else [Path(sys.prefix) / "bin" / "millpond"]
    if not told:
        candidates += [Path(on_path)] if on_path else []
        candidates += [Path.home() / ".local" / "bin" / "millpond"]
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    where = f"{PROGRAM} names {told}, which is no program." if told else "Millpond is not installed."
    raise MillpondMissing(
        f"{where} Install it (uv tool install millpond, or pipx install millpond), or name it in {PROGRAM}."
    )


def run(
    arguments: list[str], project: Path, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a verb in a project's folder.

    Parameters
    ----------
    arguments : list of str
        The verb and what follows it.
    project : Path
        Where ``millpond.toml`` is looked for from, upwards.
    variables : mapping
        Of the environment, beside this process's.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [str(find_program()), *arguments],
        cwd=project,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def require(arguments: list[str], project: Path, variables: Mapping[str, str]) -> str:
    """What a verb prints.

    Raises
    ------
    MillpondMissing
        If it fails; with the end of what it says.
    """
    done = run(arguments, project, variables)
    if done.returncode:
        said = last_lines(done.stderr or done.stdout)
        raise MillpondMissing(f"`millpond {' '.join(arguments)}` failed in {project}:\n{said}")
    return done.stdout


def last_lines(text: str, count: int = LAST_LINES) -> str:
    """The end of a text, each line indented."""
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-count:])
