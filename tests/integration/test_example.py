"""The example project, as somebody runs it who has Millpond installed and a job to test."""

from __future__ import annotations

import subprocess
import sys

from waiting import scaled

from millpond.base.config import CHECKOUT


def test_the_example_project_passes_on_a_stack_of_its_own() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "."],
        cwd=CHECKOUT / "examples" / "glue_job",
        capture_output=True,
        text=True,
        timeout=scaled(300),
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
