"""The workflows, the action and the examples for other people's pipelines say what they have to."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from millpond.base.config import CHECKOUT, Settings

ACTION = CHECKOUT / ".github/actions/millpond"
WORKFLOW = CHECKOUT / ".github/workflows/ci.yml"
EXAMPLE = CHECKOUT / "examples/ci/github-workflow.yml"
GITLAB = CHECKOUT / "examples/ci/gitlab-ci.yml"
RUN_JOB = CHECKOUT / "examples/ci/run_job.py"
ACTIONLINT = Path(sys.executable).parent / "actionlint"
# Of the image that the GitLab job names; `export` is the shell's.
IMAGE_HAS = {"export", "git", "make", "pip", "python"}


def lint(*workflows: Path, project: Path = CHECKOUT) -> str:
    """What actionlint has to say; it finds the actions of a project beside its workflows."""
    command = [ACTIONLINT, "-no-color", "-oneline", "-shellcheck=", "-pyflakes=", *workflows]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1), result.stderr
    return result.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The example as a workflow of a project that has the action, so that both are looked at together."""
    (tmp_path / ".git").mkdir()
    shutil.copytree(ACTION, tmp_path / ".github/actions/millpond")
    (tmp_path / ".github/workflows").mkdir()
    text = EXAMPLE.read_text()
    assert "uses: ./.lake/.github/actions/millpond" in text
    (tmp_path / ".github/workflows/lake.yml").write_text(text.replace("./.lake/.github", "./.github"))
    return tmp_path


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize("path", [WORKFLOW, EXAMPLE], ids=lambda path: path.name)
def test_actionlint_finds_nothing_in_a_workflow(path: Path) -> None:
    assert lint(path) == ""


def test_the_example_fits_the_action(project: Path) -> None:
    assert lint(project=project) == ""


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        (
            "workflows/lake.yml",
            "terraform: terraform",
            "terrafrm: terraform",
            'input "terrafrm" is not defined',
        ),
        ("workflows/lake.yml", "path: .lake", "pth: .lake", 'input "pth" is not defined'),
        ("workflows/lake.yml", "runs-on:", "run-on:", '"runs-on" section is missing'),
        (
            "actions/millpond/action.yml",
            "using: composite",
            "using: nothing",
            'invalid runner name "nothing"',
        ),
    ],
)
def test_actionlint_finds_a_mistake(project: Path, file: str, before: str, after: str, said: str) -> None:
    change(project / ".github" / file, before, after)
    assert said in lint(project=project)


@pytest.mark.parametrize("path", [WORKFLOW, EXAMPLE], ids=lambda path: path.name)
def test_a_workflow_has_limits_and_least_permissions_and_runs_verbs_that_there_are(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert_verbs_exist(step.get("run", ""))


def assert_verbs_exist(command: str) -> None:
    """Check that the goals of a ``make`` are in the Makefile."""
    words = re.sub(r"^make( -C \S+)?|\S+=\S+", "", command).split() if command.startswith("make ") else []
    makefile = (CHECKOUT / "Makefile").read_text()
    assert [verb for verb in words if f"\n{verb}:" not in makefile] == []


def test_the_cached_images_are_those_that_docker_compose_yml_asks_for() -> None:
    names = yaml.safe_load(WORKFLOW.read_text())["jobs"]["compose"]["env"]["IMAGES"].split()
    defaults = Settings.model_fields
    wanted = [defaults[f"{name}_image"].default for name in ("localstack", "postgres", "glue")]
    assert names == wanted


def test_every_input_of_the_action_is_used() -> None:
    text = (ACTION / "action.yml").read_text()
    assert [name for name in yaml.safe_load(text)["inputs"] if f"inputs.{name} " not in text] == []


def test_the_actions_script_is_bash() -> None:
    result = subprocess.run(["bash", "-n", ACTION / "run.sh"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.fixture(scope="module")
def gitlab_job() -> dict[str, Any]:
    job: dict[str, Any] = yaml.safe_load(GITLAB.read_text())["lake"]
    return job


def test_each_program_of_the_gitlab_job_is_in_its_image_or_was_brought_before(gitlab_job) -> None:
    known = set(IMAGE_HAS)
    for command in [*gitlab_job["before_script"], *gitlab_job["script"], *gitlab_job["after_script"]]:
        words = shlex.split(command)
        assert words[0] in known, command
        assert_verbs_exist(command)
        if words[:2] == ["pip", "install"]:
            known |= {*words[2:]}
        if words[0] == "export":
            assert words[1] == "PATH=$MILLPOND_HOME/programs:$PATH"
            known.add("terraform")
        if words[0] == "python":
            assert Path(words[1]) == Path(".lake") / RUN_JOB.relative_to(CHECKOUT)
            assert imports_of(RUN_JOB) - sys.stdlib_module_names <= known


def imports_of(path: Path) -> set[str]:
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import)]
    return {one.name for node in found for one in node.names}


def test_the_variables_of_the_gitlab_job_are_settings_and_no_others_of_that_name() -> None:
    named = {name.lower() for name in re.findall(r"MILLPOND_([A-Z_]+)", GITLAB.read_text())}
    assert "home" in named
    assert named <= set(Settings.model_fields)


def test_what_the_gitlab_job_keeps_is_below_the_home_and_not_where_it_clones_to(gitlab_job) -> None:
    home = gitlab_job["variables"]["MILLPOND_HOME"].removeprefix("$CI_PROJECT_DIR/")
    target = shlex.split(gitlab_job["before_script"][0])[-1]
    for path in map(Path, gitlab_job["cache"]["paths"]):
        assert path.is_relative_to(home)
        assert not path.is_relative_to(target)
