"""moto's own tests of Glue, of which no line was written for Millpond, against an engine.

The source archive comes by pip, its hash is in ``requirements/moto-tests.txt``. A test that fails has a
reason in ``assumptions.py``, and a reason whose test passes is out of date: both fail here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from engine_fixtures import started_engine
from junit_reports import outcomes

from millpond.base.config import CHECKOUT

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from assumptions import RACES, REASONS, REWRITTEN  # noqa: E402

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(1200)]

LOCK = CHECKOUT / "requirements" / "moto-tests.txt"


def fetched(directory: Path) -> Path:
    """The folder with moto's tests, rewritten where they suppose what AWS refuses."""
    pip = [str(Path(sys.base_prefix) / "bin" / "python3"), "-m", "pip", "--quiet"]
    downloads = directory / "downloads"
    asked = ["--no-deps", "--require-hashes", "--no-binary", "moto", "-r", str(LOCK)]
    subprocess.run([*pip, "download", *asked, "--dest", str(downloads)], check=True)
    (wheel,) = downloads.glob("freezegun-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(directory / "lib"), str(wheel)], check=True)
    (archive,) = downloads.glob("moto-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(directory, filter="data")
    (unpacked,) = (one for one in directory.glob("moto-*") if one.is_dir())
    for name, there, instead in REWRITTEN:
        file = unpacked / "tests" / "test_glue" / name
        text = file.read_text()
        assert there in text, f"{name} has no {there!r} (any more)"
        file.write_text(text.replace(there, instead))
    return unpacked / "tests"


def test_the_tests_of_moto_pass_but_those_that_suppose_what_aws_does_not_do(tmp_path: Path) -> None:
    tests = fetched(tmp_path)
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "server_mode", "-p", "no:cacheprovider"]
    command += ["-c", os.devnull, f"--rootdir={tests.parent}", f"--junitxml={report}", "tests/test_glue"]
    with started_engine(tmp_path) as engine:
        subprocess.run(
            command,
            cwd=tests.parent,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(HERE), str(tmp_path / "lib")]),
                "MOTO_TESTS_ENDPOINT": engine.settings.endpoint_url,
            },
            check=False,
        )
    found = {name: message for name, message in outcomes(report).items() if name not in RACES}
    failed = {name: message for name, message in found.items() if message}
    unexplained = {name: message[:400] for name, message in failed.items() if name not in REASONS}
    assert len(found) > 250, found
    assert not unexplained
    assert not sorted(set(REASONS) - set(failed)), "these pass now: take their reasons away"
