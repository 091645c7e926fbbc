"""``millpond deploy``."""

from __future__ import annotations

from typing import Annotated

import typer

from millpond.base.config import load_settings
from millpond.cli.deployments import Branch, GitKey, Parameters, narrator, show_deployment
from millpond.cli.session import Region, Target, Yes, bring_up, exclusive, terraform_of
from millpond.project import deployment


def deploy(
    target: Target = "local",
    branch: Branch = None,
    git_key: GitKey = None,
    parameters: Parameters = None,
    region: Region = None,
    unlock: Annotated[
        str, typer.Option(help="Remove a lock that was left behind first: DIRECTORY=LOCK-ID.")
    ] = "",
    yes: Yes = False,
) -> None:
    """Make the stack of the build, and let the build run Terraform: locally, or in an AWS account."""
    settings = load_settings()
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
    show_deployment(result)
