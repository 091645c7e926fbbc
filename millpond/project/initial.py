"""The ``millpond.toml`` that a project begins with."""

from __future__ import annotations

import json
import re
from pathlib import Path

from millpond.project.discovery import Deployable, Findings, Kind

_REGION = re.compile(r"^\s*region\s*=\s*\"([a-z]{2}-[a-z]+-\d)\"", re.MULTILINE)


def project_name(folder: Path) -> str:
    """A name for the folder's project: what AWS takes in names, of the folder's own."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return name or "project"


def project_file(
    folder: Path, findings: Findings, deployable: Deployable | None, *, has_database: bool
) -> str:
    """The text of ``millpond.toml``.

    Parameters
    ----------
    folder : Path
        Where it will be.
    findings : Findings
        What is there.
    deployable : Deployable, optional
        What ``millpond deploy`` deploys.
    has_database : bool
        Whether a PostgreSQL starts with the stack.
    """
    lines = [
        "# What Millpond has to know of this project. Every key at the top is a setting of the stack, and",
        "# MILLPOND_<KEY> in the environment goes before it.",
        f"project = {json.dumps(project_name(folder))}",
        f"region = {json.dumps(_region(deployable))}",
        "# Port of the AWS endpoint on 127.0.0.1; choose another one for stacks of two projects at once.",
        "# gateway_port = 4566",
        "",
        *_deploy(folder, findings, deployable),
        "",
        *_database(has_database),
    ]
    return "\n".join(lines) + "\n"


def _deploy(folder: Path, findings: Findings, deployable: Deployable | None) -> list[str]:
    if deployable is None:
        return [
            "# `millpond deploy DIR` deploys Terraform, CloudFormation, SAM or CDK; name here what it is.",
            "# [deploy]",
            '# directory = "."',
        ]
    is_directory = deployable.kind in (Kind.TERRAFORM, Kind.CDK)
    others = [
        str(candidate.path.relative_to(folder)) or "."
        for candidate in findings.deployables
        if candidate != deployable
    ]
    lines = ["# What `millpond deploy` deploys." + (f" Also here: {', '.join(others[:8])}" if others else "")]
    lines += ["[deploy]", f"kind = {json.dumps(deployable.kind.value)}"]
    name = "directory" if is_directory else "template"
    lines.append(f"{name} = {json.dumps(str(deployable.path.relative_to(folder)))}")
    what = "variables" if is_directory else "parameters"
    lines += ["", f"# Values of {what} that have no default.", f"# [deploy.{what}]", '# name = "value"']
    return lines


def _database(has_database: bool) -> list[str]:
    table = ["[onprem]", 'database = "onprem"', 'role = "reader"']
    if has_database:
        return ["# A PostgreSQL beside the stack: a database, and the role that reads it.", *table]
    return [
        "# A PostgreSQL starts with the stack where there is this table.",
        *(f"# {line}" for line in table),
    ]


def _region(deployable: Deployable | None) -> str:
    """The region that a configuration of Terraform names; the usual one where none does."""
    if deployable and deployable.kind is Kind.TERRAFORM:
        for file in sorted(deployable.path.glob("*.tf")):
            if region := _REGION.search(file.read_text(errors="replace")):
                return region[1]
    return "eu-west-1"
