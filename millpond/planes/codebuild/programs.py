"""The programs that come first on a build's path: what a build image has on AWS, set up for this stack.

Terraform needs no other configuration than on AWS: its provider and its S3 backend take endpoint, region and
credentials from the environment, and address buckets by path as soon as the endpoint is an IP address. The
program here only knows where Terraform is, and where its providers are.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from millpond.planes.codebuild.environment import SYSTEM_PATH
from millpond.planes.codebuild.runtimes import Runtime
from millpond.planes.context import Tools
from millpond.terraform import MAX_RETRIES, cli_config


def install(directory: Path, tools: Tools, runtimes: Sequence[Runtime] = ()) -> None:
    """Write the programs.

    Parameters
    ----------
    directory : Path
        Where to; it is first on the build's path.
    tools : Tools
        What this machine has.
    runtimes : sequence of Runtime
        What the buildspec asks for.
    """
    for name, program in tools.lambda_python.items():
        _write(directory / name, program)
    if shutil.which("python3", path=SYSTEM_PATH) is None:
        _write(directory / "python3", tools.harness_python)
    if tools.terraform is not None:
        _write(directory / "terraform", tools.terraform, terraform_environment(tools, directory))
    for runtime in runtimes:
        for name, program in runtime.programs.items():
            _write(directory / name, program)


def terraform_environment(tools: Tools, directory: Path) -> dict[str, str]:
    """What Terraform gets beyond the environment of the build; its CLI configuration is written."""
    configuration = directory / "terraform.rc"
    configuration.write_text(cli_config(tools.terraform_mirror))
    environment = {
        "TF_CLI_CONFIG_FILE": str(configuration),
        "CHECKPOINT_DISABLE": "1",
        "AWS_MAX_ATTEMPTS": str(MAX_RETRIES),
    }
    if tools.terraform_mirror is None:
        cache = tools.jars_dir.parent / "terraform" / "providers"
        cache.mkdir(parents=True, exist_ok=True)
        environment |= {"TF_PLUGIN_CACHE_DIR": str(cache)}
    return environment


def _write(path: Path, program: Path, environment: Mapping[str, str] | None = None) -> None:
    exports = [f"export {name}={shlex.quote(value)}" for name, value in (environment or {}).items()]
    path.write_text("\n".join(["#!/bin/sh", *exports, f'exec {shlex.quote(str(program))} "$@"', ""]))
    path.chmod(0o755)
