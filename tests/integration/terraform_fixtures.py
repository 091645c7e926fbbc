"""Bare Terraform on a running engine, for a few resources."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from millpond.base.config import Settings
from millpond.base.terraform import cli_config
from millpond.toolchain import components as toolchain


@dataclass(frozen=True)
class BareTerraform:
    """Terraform in a directory, with its state beside the configuration."""

    binary: Path
    directory: Path
    environment: dict[str, str]

    @classmethod
    def of(cls, settings: Settings, directory: Path) -> BareTerraform:
        found = toolchain.ensure(settings)
        configuration = directory / "terraform.rc"
        configuration.write_text(cli_config(found.mirror))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "TF_CLI_CONFIG_FILE": str(configuration),
            "CHECKPOINT_DISABLE": "1",
            "AWS_ENDPOINT_URL": settings.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": settings.region,
            "AWS_MAX_ATTEMPTS": "3",
        }
        return cls(found.terraform, directory, environment)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.binary, *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def must(self, *arguments: str) -> str:
        """Run a command that has to succeed; what it prints."""
        answer = self.run(*arguments)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    def has_changes(self, *variables: str) -> bool:
        """Whether a plan shows a difference."""
        answer = self.run("plan", "-input=false", "-no-color", "-detailed-exitcode", *variables)
        assert answer.returncode in (0, 2), answer.stdout + answer.stderr
        return answer.returncode == 2
