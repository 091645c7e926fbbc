"""Terraform with one process of the AWS provider for all its commands.

Most of what a command of Terraform costs is the start of the provider. In the provider's debug mode its
process stays, and ``TF_REATTACH_PROVIDERS`` tells Terraform where it is (Terraform documentation, "Plugin
Development: Debugging Providers"). It has one configuration, so that aliases of the provider cannot be used.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millpond.base.config import Settings
from millpond.toolchain import components as toolchain

ATTACHED = re.compile(r"TF_REATTACH_PROVIDERS='(.*)'")


class NoProviderError(RuntimeError):
    """The provider is not in a directory of this machine, or did not start."""


@dataclass(frozen=True)
class Terraform:
    """Terraform in one directory."""

    binary: Path
    directory: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.binary, *arguments],
            cwd=self.directory,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )

    def events(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command with ``-json`` says, line by line."""
        lines = self.run(*arguments, "-json", "-input=false").stdout.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def shown(self, *plan: str) -> dict[str, Any]:
        """The state, or a plan, as ``terraform show -json`` has it."""
        shown: dict[str, Any] = json.loads(self.run("show", "-json", *plan).stdout)
        return shown


@contextmanager
def attached_terraform(settings: Settings, directory: Path) -> Iterator[Terraform]:
    """Terraform whose provider runs until the end."""
    found = toolchain.ensure(settings)
    programs = sorted(found.mirror.glob("**/terraform-provider-aws_v*")) if found.mirror else []
    if not programs:
        raise NoProviderError("The sweep needs Terraform's AWS provider, unpacked, in a mirror directory.")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "CHECKPOINT_DISABLE": "1",
        "AWS_ENDPOINT_URL": settings.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_MAX_ATTEMPTS": "2",
    }
    provider = subprocess.Popen(
        [programs[-1], "-debug"],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        for line in provider.stdout or ():
            if attached := ATTACHED.search(line):
                yield Terraform(
                    found.terraform, directory, {**environment, "TF_REATTACH_PROVIDERS": attached[1]}
                )
                break
        else:
            raise NoProviderError(f"{programs[-1]} ended before it could be attached to.")
    finally:
        provider.terminate()
        provider.wait()
