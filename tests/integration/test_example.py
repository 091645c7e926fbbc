"""The projects in `examples/`, as their README says, with pytest-millpond in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import plugin_environments
import pytest
import state_directories
from ports import free_port

from millpond.base.config import CHECKOUT

PROJECTS = sorted(path.parent.name for path in (CHECKOUT / "examples").glob("*/millpond.toml"))


@dataclass(frozen=True)
class Person:
    """Somebody with a copy of the examples, and one stack that all of them are tested on."""

    python: Path
    examples: Path
    environment: dict[str, str]

    def run(self, project: str, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.examples / project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    base, state = tmp_path_factory.mktemp("examples"), state_directories.make()
    shutil.copytree(CHECKOUT / "examples", base / "examples")
    millpond = Path(sys.executable).with_name("millpond")
    environment = {
        **os.environ,
        "MILLPOND_STATE_DIR": str(state),
        "MILLPOND_GATEWAY_PORT": str(free_port()),
        "MILLPOND_GLUE_WARM_JVMS": "0",
        "MILLPOND_PROGRAM": str(millpond),
    }
    made = Person(plugin_environments.make(base, Path(sys.executable)), base / "examples", environment)
    up = made.run(PROJECTS[0], millpond, "up")
    try:
        assert up.returncode == 0, up.stderr
        yield made
    finally:
        made.run(PROJECTS[0], millpond, "down")
        shutil.rmtree(state)


@pytest.mark.parametrize("project", PROJECTS)
def test_the_example_project_passes(person: Person, project: str) -> None:
    result = person.run(project, person.python, "-m", "pytest", "-p", "no:cacheprovider")
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    assert "millpond: joined " in result.stdout


def test_there_are_three_of_them() -> None:
    assert PROJECTS == ["dynamic_frames", "state_machine", "terraform"]
