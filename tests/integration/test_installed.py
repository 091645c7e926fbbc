"""Millpond as a person has it who installed the wheel: away from the checkout, with a home of its own.

All of it lies in a folder that only its owner may enter, below names with blanks and umlauts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import state_directories
from ports import free_port

from millpond.base.config import CHECKOUT, load_settings
from millpond.toolchain import bootstrap

OLDEST = "3.9"


@dataclass(frozen=True)
class Installed:
    """A Millpond that was installed for one user."""

    program: Path
    home: Path
    projects: Path
    environment: dict[str, str]

    @property
    def data(self) -> Path:
        return self.home / ".local" / "share" / "millpond"

    def __call__(self, project: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        folder = self.projects / project
        folder.mkdir(exist_ok=True)
        return subprocess.run(
            [self.program, *arguments],
            cwd=folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def millpond(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    # Beside the environments that are here already, so that they can be shared by links.
    base = state_directories.make()
    base.chmod(0o700)
    uv = load_settings().home / "uv" / "bin" / "uv"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", base / "built"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    (wheel,) = (base / "built").glob("*.whl")
    tool = base / "tool"
    python = bootstrap.find_python(OLDEST, load_settings().home) or sys.executable
    subprocess.run([uv, "venv", "--quiet", "--python", python, tool], check=True)
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--offline", "--python", tool / "bin" / "python", wheel], check=True
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MILLPOND_", "XDG_"))}
    home = base / "Zu Hause für sie"
    # Not below the checkout, whose millpond.toml would be found.
    projects = tmp_path_factory.mktemp("installed") / "Ihre Projekte, schön"
    environment = {
        **kept,
        "HOME": str(home),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
        "MILLPOND_GATEWAY_PORT": str(free_port()),
        "MILLPOND_ONPREM_PORT": str(free_port()),
        "MILLPOND_GLUE_WARM_JVMS": "0",
    }
    projects.mkdir()
    made = Installed(tool / "bin" / "millpond", home, projects, environment)
    share(load_settings().home, made.data)
    yield made
    for project in projects.iterdir():
        if made.data.exists() and not project.is_symlink():
            made(project.name, "down")
    shutil.rmtree(base)


def share(ours: Path, theirs: Path) -> None:
    """What this checkout has installed, where the other Millpond would install the same by the same locks."""
    (theirs / "venvs").mkdir(parents=True)
    for one in (*ours.iterdir(), *(ours / "venvs").iterdir()):
        if one.is_dir() and one.name in {"uv", "pythons", "java", "jars", "wheels", "terraform"}:
            (theirs / one.name).symlink_to(one)
        elif one.is_dir() and one.name in {"glue-spark", "glue-shell", "lambda"}:
            (theirs / "venvs" / one.name).symlink_to(one)
    # Millpond itself is changed in it: a copy, by links to the files.
    subprocess.run(["cp", "-al", ours / "venvs" / "harness", theirs / "venvs" / "harness"], check=True)
    for stamp in ("dev", "harness"):
        (theirs / "venvs" / "harness" / f".millpond-{stamp}").unlink(missing_ok=True)
    if (ours / "engine").exists():
        shutil.copytree(ours / "engine", theirs / "engine")


def test_an_installed_millpond_runs_a_stack_in_an_empty_folder(millpond: Installed):
    assert millpond("leer", "--version").stdout == "millpond 0.1.0\n"
    up = millpond("leer", "up")
    assert up.returncode == 0, up.stderr
    status = json.loads(millpond("leer", "status", "--json").stdout)
    assert [(one["name"], one["running"]) for one in status["services"]] == [("engine", True)]
    assert (millpond.projects / "leer" / ".millpond" / "state").is_dir()
    tools = json.loads((millpond.data / "tools.json").read_text())
    assert Path(tools["glue_runtime"]).is_relative_to(millpond.data / "venvs" / "harness")

    (millpond.projects / "andere").mkdir()
    other = millpond("andere", "up")
    assert f"is taken by the Millpond of {millpond.projects / 'leer'}" in other.stderr
    assert f"cd '{millpond.projects / 'leer'}' && millpond down" in other.stderr
    refused = millpond("andere", "uninstall", "--yes")
    assert f"A stack still runs from it, of {millpond.projects / 'leer'}" in refused.stderr
    assert millpond("leer", "down").returncode == 0
    (millpond.projects / "andere" / "mine.txt").write_text("stays")
    cleaned = millpond("andere", "clean")
    assert cleaned.returncode == 0, cleaned.stderr
    assert [one.name for one in (millpond.projects / "andere").iterdir()] == ["mine.txt"]


def test_a_home_that_cannot_be_written_is_told_in_one_sentence(millpond: Installed):
    alone = replace(millpond, environment={**millpond.environment, "HOME": "/proc/self"})
    refused = alone("leer", "status")
    assert refused.returncode == 1
    assert refused.stderr.startswith("millpond: /proc/self/.local/share/millpond cannot be written: ")
    assert "Set MILLPOND_HOME to a directory that can" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_database_starts_for_a_project_that_asks_for_one_also_behind_a_link(millpond: Installed):
    project = millpond.projects / "mit Datenbank"
    project.mkdir()
    (project / "millpond.toml").write_text("[onprem]\n")
    (project / "darin").mkdir()
    (millpond.projects / "verknüpft").symlink_to(project / "darin")
    up = millpond("verknüpft", "up")
    assert up.returncode == 0, up.stderr
    status = json.loads(millpond("mit Datenbank", "status", "--json").stdout)
    assert [(one["name"], one["running"]) for one in status["services"]] == [
        ("engine", True),
        ("onprem", True),
    ]
    assert millpond("mit Datenbank", "down").returncode == 0


def test_what_was_made_for_a_user_is_removed_and_projects_stay(millpond: Installed):
    removed = millpond("leer", "uninstall", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert "uv tool uninstall millpond" in removed.stderr
    assert not millpond.data.exists()
    assert (millpond.projects / "leer" / ".millpond").is_dir()
