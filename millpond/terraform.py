"""How Terraform is set up where this machine has it: where its provider comes from."""

from __future__ import annotations

import json
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
