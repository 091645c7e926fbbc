"""How Terraform is set up where this machine has it: the program, and where its provider comes from."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

PROVIDER = "registry.terraform.io/hashicorp/aws"
# The provider's default of 25 turns a refusal of the engine into a wait of many minutes.
MAX_RETRIES = 3


def cli_config(mirror: Path | None) -> str:
    """Terraform's CLI configuration: where providers come from.

    Parameters
    ----------
    mirror : Path or None
        Directory that holds ``registry.terraform.io/hashicorp/aws``; None to ask the registry.
    """
    if mirror is None:
        return "provider_installation {\n  direct {}\n}\n"
    return (
        "provider_installation {\n"
        "  filesystem_mirror {\n"
        f"    path    = {json.dumps(str(mirror))}\n"
        f'    include = ["{PROVIDER}"]\n'
        "  }\n"
        "  direct {\n"
        f'    exclude = ["{PROVIDER}"]\n'
        "  }\n"
        "}\n"
    )


def install_terraform(directory: Path, terraform: Path, mirror: Path | None, cache: Path) -> None:
    """Write the program ``terraform`` and its CLI configuration.

    Parameters
    ----------
    directory : Path
        Where to.
    terraform : Path
        Terraform or OpenTofu.
    mirror : Path or None
        Directory to take providers from; None to ask Terraform's registry.
    cache : Path
        Where providers of the registry are kept.
    """
    configuration = directory / "terraform.rc"
    _keep(configuration, cli_config(mirror))
    environment = {
        "TF_CLI_CONFIG_FILE": str(configuration),
        "CHECKPOINT_DISABLE": "1",
        "AWS_MAX_ATTEMPTS": str(MAX_RETRIES),
    }
    if mirror is None:
        cache.mkdir(parents=True, exist_ok=True)
        environment |= {"TF_PLUGIN_CACHE_DIR": str(cache)}
    write_program(directory / "terraform", terraform, environment)


def write_program(path: Path, program: Path, environment: Mapping[str, str] | None = None) -> None:
    """Write a program that runs another one.

    Parameters
    ----------
    path, program : Path
        The one that is written, and the one that it runs.
    environment : mapping, optional
        What that one gets beyond the environment of the first.
    """
    exports = [f"export {name}={shlex.quote(value)}" for name, value in (environment or {}).items()]
    _keep(path, "\n".join(["#!/bin/sh", *exports, f'exec {shlex.quote(str(program))} "$@"', ""]))
    path.chmod(0o755)


def _keep(path: Path, text: str) -> None:
    # A shell reads its script while it runs: a file that is not rewritten cannot break one that is running.
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
