"""The step of the GitHub Action, with a configuration and jobs that know nothing of Millpond."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import state_directories
import yaml
from ports import free_port

from millpond.base import process
from millpond.base.config import CHECKOUT, Settings
from millpond.stack import open_stack

ACTION = CHECKOUT / ".github/actions/millpond"
RUN_JOB = f"{shlex.quote(sys.executable)} {shlex.quote(str(CHECKOUT / 'examples/ci/run_job.py'))}"
LEFT_BEHIND = ("ENV", "PATH", "OUTPUT")  # the files that GITHUB_ENV and the others name
MAIN = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

resource "aws_s3_bucket" "this" {
  bucket = "somebodys-bucket"
}

resource "aws_s3_object" "script" {
  for_each = { good = "print('done')", bad = "raise SystemExit('the source is gone')" }
  bucket   = aws_s3_bucket.this.id
  key      = "scripts/${each.key}.py"
  content  = each.value
}

resource "aws_iam_role" "this" {
  name = "somebodys-role"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "glue.amazonaws.com" } }
    ]
  })
}

resource "aws_glue_job" "this" {
  for_each     = aws_s3_object.script
  name         = "somebodys-${each.key}-job"
  role_arn     = aws_iam_role.this.arn
  max_capacity = 0.0625
  command {
    name            = "pythonshell"
    python_version  = "3.9"
    script_location = "s3://${each.value.bucket}/${each.value.key}"
  }
}
"""


@dataclass(frozen=True)
class Runner:
    """What GitHub's runner gives a step, and a project as its work directory."""

    project: Path
    settings: Settings

    def use_action(self, **given: str) -> subprocess.CompletedProcess[str]:
        """Run the action's only step with its inputs filled in."""
        action = yaml.safe_load((ACTION / "action.yml").read_text())
        defaults = {name: one["default"] for name, one in action["inputs"].items()}
        inputs = {**defaults, "terraform": "terraform", "port": str(self.settings.gateway_port), **given}
        (step,) = action["runs"]["steps"]
        variables = {
            name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: inputs[found[1]], value)
            for name, value in step["env"].items()
        }
        return self.run(step["run"], {**variables, "GITHUB_ACTION_PATH": str(ACTION)})

    def run(self, script: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        mine = {
            "MILLPOND_STATE_DIR": str(self.settings.state),
            "MILLPOND_ONPREM_PORT": str(self.settings.onprem_port),
            **{f"GITHUB_{name}": str(self.project / name) for name in LEFT_BEHIND},
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
            cwd=self.project,
            env={**os.environ, **mine, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def left_behind(self, name: str) -> dict[str, str]:
        """The environment or the outputs that later steps have of this one."""
        lines = (self.project / name).read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def is_stopped(self) -> bool:
        return process.find_all(self.settings.state) == []


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    (tmp_path / "terraform").mkdir()
    (tmp_path / "terraform" / "main.tf").write_text(MAIN)
    for name in LEFT_BEHIND:
        (tmp_path / name).touch()
    state_dir = state_directories.make()
    settings = Settings(
        tier="embedded", state_dir=state_dir, gateway_port=free_port(), onprem_port=free_port()
    )
    try:
        yield Runner(tmp_path, settings)
    finally:
        open_stack(settings).down()
        shutil.rmtree(state_dir)


def test_terraform_is_applied_the_commands_run_and_the_stack_is_stopped(runner: Runner) -> None:
    commands = f"""
        {RUN_JOB} somebodys-good-job
        terraform -chdir=terraform plan -input=false -detailed-exitcode
    """
    done = runner.use_action(run=commands)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Apply complete! Resources: 6 added" in done.stdout
    assert "somebodys-good-job: SUCCEEDED" in done.stdout
    assert "No changes." in done.stdout
    assert runner.is_stopped()
    assert [runner.left_behind(name) for name in LEFT_BEHIND] == [{}, {}, {}]


def test_a_job_that_fails_fails_the_step_and_the_stack_is_stopped(runner: Runner) -> None:
    done = runner.use_action(run=f"{RUN_JOB} somebodys-bad-job\necho never")
    assert done.returncode == 1
    assert "somebodys-bad-job: FAILED: " in done.stderr
    assert "the source is gone" in done.stderr
    assert "never" not in done.stdout
    assert runner.is_stopped()


def test_without_commands_the_stack_stays_for_the_later_steps_and_make_down_stops_it(runner: Runner) -> None:
    done = runner.use_action(run="")
    assert done.returncode == 0, done.stdout + done.stderr
    variables = runner.left_behind("ENV")
    assert runner.left_behind("OUTPUT") == {"endpoint-url": variables["AWS_ENDPOINT_URL"]}
    path = f"{(runner.project / 'PATH').read_text().strip()}:{os.environ['PATH']}"
    later = runner.run(
        f"{RUN_JOB} somebodys-good-job; terraform -chdir=terraform plan -input=false -detailed-exitcode",
        {**variables, "PATH": path},
    )
    assert later.returncode == 0, later.stdout + later.stderr
    assert not runner.is_stopped()
    last = runner.run(f"make -C {shlex.quote(str(CHECKOUT))} down", variables)
    assert last.returncode == 0, last.stderr
    assert runner.is_stopped()
