"""What checkov has to say about ``terraform/`` and ``CFN/``: ``make checkov``, in an environment of its own.

It is large and pins what the harness has at other versions, so it is installed when it is first asked for.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from millpond.base.config import CHECKOUT, load_settings
from millpond.toolchain import bootstrap

PYTHON = "3.11"
CHECKED = ("terraform", "CFN")


def installed(home: Path) -> Path:
    """The program, which is installed when it is missing."""
    uv = bootstrap.ensure_uv(home)
    python = bootstrap.ensure_python(PYTHON, home, uv)
    requirements = bootstrap.REQUIREMENTS / "checkov.txt"
    interpreter = bootstrap.ensure_environment("checkov", python, requirements, home, uv)
    return interpreter.with_name("checkov")


def check(program: Path, directory: Path) -> bool:
    """Whether every check of a directory passes or is waived there; what does not is printed. No network."""
    options = ["--quiet", "--compact", "--skip-download"]
    return subprocess.run([program, "--directory", directory, *options], check=False).returncode == 0


def main() -> int:
    """Check all that is deployed; 1 when a check fails."""
    try:
        program = installed(load_settings().home)
    except bootstrap.BootstrapError as error:
        sys.stderr.write(f"millpond: {error}\n")
        return 1
    results = [check(program, CHECKOUT / name) for name in CHECKED]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
