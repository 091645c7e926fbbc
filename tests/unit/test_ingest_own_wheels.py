"""What a job brought is imported, although Glue has older releases on its path and in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from millpond.base.config import CHECKOUT

# As Glue does it: imports its own, puts the job's wheels last, runs the script in the same process.
SCRIPT = """
import json, sys
import sdk, sdk.parts, other
sys.path.append(sys.argv[1])
from ingest.own_wheels import prefer_own_wheels
prefer_own_wheels()
own = sys.modules["ingest.own_wheels"]
import sdk, sdk.parts, other
kept = sys.modules["ingest.own_wheels"] is own
print(json.dumps([sdk.RELEASE, sdk.parts.RELEASE, other.RELEASE, kept]))
"""


def test_modules_of_the_jobs_wheels_come_before_those_that_are_loaded(tmp_path: Path) -> None:
    bundled, own = tmp_path / "bundled", tmp_path / "own"
    for directory, release in ((bundled, "old"), (own, "new")):
        (directory / "sdk").mkdir(parents=True)
        for name in ("sdk/__init__.py", "sdk/parts.py"):
            (directory / name).write_text(f"RELEASE = {release!r}")
    (bundled / "other.py").write_text("RELEASE = 'the only one'")
    (own / "ingest").mkdir()
    for name in ("__init__.py", "own_wheels.py"):
        (own / "ingest" / name).write_text((CHECKOUT / "glue_jobs/ingest" / name).read_text())

    answer = subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT, str(own)],
        env={"PYTHONPATH": str(bundled)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == ["new", "new", "the only one", True]
