"""How a project is deployed: which of the ways fits what a person names, or what the project says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.project.apps import CdkApp
from millpond.project.deployment import PlanResult, Watcher
from millpond.project.discovery import Deployable, Kind, deployables_at
from millpond.project.targets import filled
from millpond.project.templates import TemplateFile
from millpond.project.terraform import TerraformDirectory
from millpond.project.terraform_log import Changes


class Way(Protocol):
    """What deploys one thing to the local stack."""

    def deploy(self) -> Changes:
        """Make the stack what the thing says; how many resources were changed."""

    def plan(self) -> PlanResult:
        """What :meth:`deploy` would change now."""

    def destroy(self) -> Changes:
        """Remove all that it has made."""


def is_by_build(settings: Settings) -> bool:
    """Whether the project is deployed by a stack whose build runs Terraform."""
    return settings.deploy.kind == "build"


def deployable(settings: Settings, path: Path | None) -> Deployable:
    """What is deployed.

    Parameters
    ----------
    settings : Settings
        The project's.
    path : Path, optional
        A directory or a template that a person names.

    Raises
    ------
    MillpondError
        If there is nothing there, or more than one thing.
    """
    deploy, project = settings.deploy, settings.project_dir
    if path is None and deploy.kind not in ("", "build"):
        kind = Kind(deploy.kind)
        name = deploy.directory if kind in (Kind.TERRAFORM, Kind.CDK) else deploy.template
        return Deployable(kind, _existing(project / name, "[deploy] in millpond.toml"))
    place = _existing(path, "the command line") if path else project / deploy.directory
    deployables = deployables_at(place)
    if not deployables:
        raise MillpondError(
            "There is no Terraform, CDK or template of CloudFormation here.",
            where=str(place.resolve()),
            next_step="millpond deploy DIR, or millpond init to look for it",
        )
    if len(deployables) > 1 and deployables[0].kind not in (Kind.TERRAFORM, Kind.CDK):
        names = ", ".join(candidate.path.name for candidate in deployables)
        raise MillpondError(
            f"There are several templates here: {names}.",
            where=str(place.resolve()),
            next_step=f"millpond deploy {deployables[0].path}",
        )
    return deployables[0]


def way(
    settings: Settings, what: Deployable, terraform: Path, overrides: Mapping[str, str], watcher: Watcher
) -> Way:
    """What deploys a thing.

    Parameters
    ----------
    settings : Settings
        The project and its stack.
    what : Deployable
        The thing.
    terraform : Path
        Terraform or OpenTofu.
    overrides : mapping of str to str
        Values of variables or parameters that go before those of ``millpond.toml``.
    watcher : Watcher
        Whom to tell.
    """
    if what.kind is Kind.TERRAFORM:
        variables: dict[str, Any] = {**filled(settings.deploy.variables, settings), **overrides}
        return TerraformDirectory(settings, what.path, terraform, variables, watcher)
    if what.kind is Kind.CDK:
        return CdkApp(settings, what.path, overrides, watcher)
    parameters = {**settings.deploy.parameters, **overrides}
    return TemplateFile(settings, what.path, parameters, watcher, is_sam=what.kind is Kind.SAM)


def parsed(values: list[str]) -> dict[str, str]:
    """Values as a person gives them, ``NAME=VALUE``.

    Raises
    ------
    MillpondError
        If one has no ``=``.
    """
    pairs = [value.partition("=") for value in values]
    for name, equals, _ in pairs:
        if not equals:
            raise MillpondError(f"The variable {name} has no value.", next_step=f"--var {name}=VALUE")
    return {name: value for name, _, value in pairs}


def _existing(path: Path, where: str) -> Path:
    if not path.exists():
        raise MillpondError(
            f"There is no {path}.",
            where=where,
            next_step=f"name what is there: ls {json.dumps(str(path.parent))}",
        )
    return path
