"""Runs the engine in its container: ``python -m millpond.localstack_ext.engine.container``.

The harness gives a process its whole environment; here the image and docker-compose.yml give the few values
that differ, and the rest is set before LocalStack is imported, which reads it when it is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from millpond.base.terraform import PROVIDER
from millpond.planes.common.context import Tools
from millpond.stack.engine_environment import DIRECTORIES, PLUGIN, engine_variables

GATEWAY = "0.0.0.0:4566"
# Where docker-compose.yml mounts what the machine has for builds.
TERRAFORM = Path("/usr/local/lib/millpond/terraform")
PROVIDERS = Path("/usr/local/lib/millpond/providers")


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """What is set beside the container's own environment.

    Parameters
    ----------
    variables : mapping
        The container's environment, with ``MILLPOND_PLANE_*``, ``MILLPOND_ADVERTISED_PORT`` and
        ``MILLPOND_LAMBDA_EXECUTOR`` (``process`` or ``docker``).
    """
    executor = variables.get("MILLPOND_LAMBDA_EXECUTOR", "process")
    return engine_variables(
        Path(variables["MILLPOND_PLANE_STATE_DIR"]) / "engine",
        region=variables["MILLPOND_PLANE_REGION"],
        listen=GATEWAY,
        advertised_port=int(variables["MILLPOND_ADVERTISED_PORT"]),
        lambda_executor=PLUGIN if executor == "process" else executor,
    )


def mounted_tools(tools: Tools, terraform: Path = TERRAFORM, providers: Path = PROVIDERS) -> Tools:
    """The tools of the image with those that are mounted; without Terraform a build brings its own."""
    return replace(
        tools,
        terraform=terraform if terraform.is_file() and os.access(terraform, os.X_OK) else None,
        terraform_mirror=providers if (providers / PROVIDER).is_dir() else None,
    )


def main() -> NoReturn:
    """Begin with an empty directory, as the engine keeps its state in memory, and run it."""
    directory = Path(os.environ["MILLPOND_PLANE_STATE_DIR"]) / "engine"
    shutil.rmtree(directory, ignore_errors=True)
    for name in DIRECTORIES:
        (directory / name).mkdir(parents=True)
    tools = Tools.from_json(Path(os.environ["MILLPOND_PLANE_TOOLS"]).read_text())
    tools_file = directory / "tools.json"
    tools_file.write_text(mounted_tools(tools).to_json())
    os.environ.update(environment(os.environ) | {"MILLPOND_PLANE_TOOLS": str(tools_file)})
    from millpond.localstack_ext.__main__ import main as run

    run()


if __name__ == "__main__":
    main()
