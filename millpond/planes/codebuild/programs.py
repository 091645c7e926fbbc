"""The programs that come first on a build's path: what a build image has on AWS, set up for this stack.

Terraform needs no other configuration than on AWS: its provider and its S3 backend take endpoint, region and
credentials from the environment, and address buckets by path as soon as the endpoint is an IP address. The
program here only knows where Terraform is, and where its providers are. The command line of AWS is that of
this machine, else the harness's own, which is of version 1 where images have version 2.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from millpond.base.terraform import install_terraform, write_program
from millpond.planes.codebuild.environment import SYSTEM_PATH
from millpond.planes.codebuild.runtimes import Runtime
from millpond.planes.common.context import Tools


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
        write_program(directory / name, program)
    if shutil.which("python3", path=SYSTEM_PATH) is None:
        write_program(directory / "python3", tools.harness_python)
    command_line = tools.harness_python.with_name("aws")
    if shutil.which("aws", path=SYSTEM_PATH) is None and command_line.exists():
        write_program(directory / "aws", command_line)
    if tools.terraform is not None:
        cache = tools.jars_dir.parent / "terraform" / "providers"
        install_terraform(directory, tools.terraform, tools.terraform_mirror, cache)
    for runtime in runtimes:
        for name, program in runtime.programs.items():
            write_program(directory / name, program)
