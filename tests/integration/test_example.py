"""The projects in `examples/`, as their README says, with pytest-millpond in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import plugin_environments
import pytest
import state_directories
from ports import free_port

from millpond.base.config import CHECKOUT, load_settings
from millpond.base.terraform import cli_config
from millpond.toolchain import components as toolchain

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


@pytest.mark.foreign
@pytest.mark.timeout(300)
def test_tflocal_applies_what_an_example_says_and_destroys_it(person: Person, tmp_path: Path) -> None:
    """LocalStack's own wrapper by ``millpond exec``, which sets all that it needs."""
    settings = load_settings()
    uv, python = settings.home / "uv" / "bin" / "uv", tmp_path / "venv" / "bin" / "python"
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"],
        [uv, "pip", "install", "--quiet", "--python", python, "terraform-local"],
    ):
        subprocess.run(command, check=True)
    terraform = toolchain.ensure(settings)
    rc = tmp_path / "terraform.rc"
    rc.write_text(cli_config(terraform.mirror))
    path = f"{python.parent}:{terraform.terraform.parent}:{os.environ['PATH']}"
    alone = replace(person, environment={**person.environment, "PATH": path, "TF_CLI_CONFIG_FILE": str(rc)})

    def tflocal(*words: str) -> str:
        command = (person.environment["MILLPOND_PROGRAM"], "exec", "--", "tflocal", *words)
        result = alone.run("terraform", *command)
        assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
        return result.stdout

    tflocal("init", "-input=false", "-no-color")
    stage = "-var=stage=tflocal"
    applied = tflocal("apply", "-auto-approve", "-input=false", "-no-color", stage)
    assert "Apply complete!" in applied
    tflocal("plan", "-detailed-exitcode", "-input=false", "-no-color", stage)
    assert "Destroy complete!" in tflocal("destroy", "-auto-approve", "-input=false", "-no-color", stage)


def test_there_are_three_of_them() -> None:
    assert PROJECTS == ["dynamic_frames", "state_machine", "terraform"]
