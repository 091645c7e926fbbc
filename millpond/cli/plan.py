"""``millpond plan``."""

from __future__ import annotations

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.deployments import Branch, Parameters
from millpond.cli.session import Region, Target, exclusive, terraform_of
from millpond.project import deployment


def plan(
    target: Target = "local",
    branch: Branch = None,
    parameters: Parameters = None,
    region: Region = None,
) -> None:
    """Show what a deployment would change, as a build of its own plans it."""
    settings = load_settings()
    with console.step("Planning") as say:
        watcher = deployment.Watcher(progress=say, line=say)
        if target == "aws":
            result = deployment.aws(
                settings, watcher, region=region, parameters=parameters, branch=branch
            ).plan()
        else:
            with exclusive(settings):
                result = deployment.local(settings, terraform_of(settings), watcher, branch=branch).plan()
    console.out.print(result.text, markup=False, highlight=False)
