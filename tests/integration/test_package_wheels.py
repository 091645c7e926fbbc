"""What the Python shell job brings is all that it needs, on Glue's Python and without a package index."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from lake.package import SHELL_MODULES, build
from millpond.base.config import CHECKOUT, Settings, load_settings
from millpond.toolchain import bootstrap
from millpond.toolchain import components as toolchain

PROGRAM = """
import sys
sys.path += sys.argv[1:]
import adbc_driver_postgresql.dbapi, boto3, psycopg, pyarrow.parquet, pyiceberg.catalog.glue, pyiceberg_core
import ingest.shell_engine
print(pyarrow.__version__, psycopg.pq.__impl__)
"""


@pytest.fixture
def settings() -> Settings:
    settings = load_settings()
    if platform.machine() != "x86_64" or bootstrap.find_python("3.9", settings.home) is None:
        pytest.skip("this machine has no Python 3.9 for x86-64, which Glue runs the wheels on")
    return settings


def test_the_wheels_installed_each_by_itself_without_an_index_are_all_that_the_job_imports(
    settings: Settings, tmp_path: Path
) -> None:
    python = toolchain.find_shell(settings).path
    assert python is not None
    manifest = build(tmp_path / "dist", CHECKOUT)
    installed = []
    for key in (manifest.libraries["shell"], *manifest.modules["shell"]):
        # Each in a directory of its own: then none finds what another brought.
        installed.append(str(tmp_path / str(len(installed))))
        command = [
            bootstrap.ensure_uv(settings.home),
            "pip",
            "install",
            "--quiet",
            "--no-config",
            "--no-index",
        ]
        command += ["--python", python, "--target", installed[-1], manifest.directory / key]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, (key, result.stderr)

    # -S leaves out the environment of the shell job, which would have had all of it.
    command = [python, "-I", "-S", "-c", PROGRAM, *installed]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    version, implementation = result.stdout.split()
    assert f"pyarrow=={version} " in (CHECKOUT / SHELL_MODULES).read_text()
    assert implementation == "binary"
