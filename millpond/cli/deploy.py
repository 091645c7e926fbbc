"""``millpond deploy``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from millpond.base.config import Settings, load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.deployments import (
    Branch,
    Directory,
    GitKey,
    Parameters,
    Variables,
    narrator,
    show_deployment,
    way_of,
)
from millpond.cli.session import Region, Target, Yes, bring_up, exclusive, terraform_of
from millpond.project import deployment
from millpond.project.ways import is_by_build


def deploy(
    directory: Directory = None,
    target: Target = "local",
    var: Variables = None,
    check: Annotated[
        bool, typer.Option("--check", help="Plan again afterwards, and exit 1 unless nothing would change.")
    ] = False,
    branch: Branch = None,
    git_key: GitKey = None,
    parameters: Parameters = None,
    region: Region = None,
    unlock: Annotated[
        str, typer.Option(help="Remove a lock that was left behind first: DIRECTORY=LOCK-ID.")
    ] = "",
    yes: Yes = False,
) -> None:
    """Deploy Terraform, CloudFormation, SAM or CDK to the stack; or by a build, as millpond.toml says."""
    settings = load_settings()
    if directory is not None or not is_by_build(settings):
        if target == "aws":
            raise MillpondError(
                "Only what is deployed by a build goes to an account from here.",
                where='[deploy] kind = "build" in millpond.toml',
                next_step="use its own tool: terraform apply, aws cloudformation deploy, cdk deploy",
            )
        _deploy_as_it_is(settings, directory, var or [], is_checked=check)
        return
    watcher = narrator(is_approved=yes)
    if target == "aws":
        deployer = deployment.aws(
            settings, watcher, region=region, parameters=parameters, branch=branch, git_key=git_key
        )
        show_deployment(deployer.deploy(unlock=unlock))
        return
    with exclusive(settings):
        bring_up(settings)
        deployer = deployment.local(settings, terraform_of(settings), watcher, branch=branch, git_key=git_key)
        result = deployer.deploy(unlock=unlock)
        plan = deployer.plan() if check else None
    show_deployment(result)
    require_no_change(plan)


def _deploy_as_it_is(
    settings: Settings, directory: Path | None, variables: list[str], *, is_checked: bool
) -> None:
    with exclusive(settings):
        bring_up(settings)
        with console.step("Deploying") as say:
            what, way = way_of(settings, directory, variables, say)
            console.note(f"{what.kind.value}: {what.path}")
            changes = way.deploy()
        console.note(str(changes))
        if not is_checked:
            return
        with console.step("Planning again"):
            plan = way.plan()
    require_no_change(plan)


def require_no_change(plan: deployment.PlanResult | None) -> None:
    """Refuse a plan, right after a deployment, that would change something.

    Raises
    ------
    MillpondError
        It shows the plan.
    """
    if plan is not None and plan.changes.total:
        raise MillpondError(
            f"The plan after the deployment is not empty: {plan.changes}.",
            next_step="see what differs: the stack gives back something else than it was given",
            detail=plan.text,
        )
