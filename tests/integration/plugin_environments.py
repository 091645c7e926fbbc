"""An environment of its own with pytest-millpond, as the tests of some other project have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from millpond.base.config import CHECKOUT, load_settings
from millpond.toolchain import bootstrap


def make(directory: Path, python: Path) -> Path:
    """Install the package with what is locked for it; the environment's Python."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", directory / "built"],
        cwd=CHECKOUT / "pytest-millpond",
        check=True,
        capture_output=True,
    )
    wheel = next((directory / "built").glob("*.whl"))
    uv, own = load_settings().home / "uv" / "bin" / "uv", directory / "venv" / "bin" / "python"
    lock = CHECKOUT / "requirements" / "pytest-millpond.txt"
    install = [uv, "pip", "install", "--quiet", "--python", own]
    for command in (
        [uv, "venv", "--quiet", "--python", python, directory / "venv"],
        [*install, "--require-hashes", "-r", lock],
        [*install, "--no-deps", wheel],
    ):
        bootstrap.run([str(part) for part in command], "The environment of pytest-millpond")
    return own
