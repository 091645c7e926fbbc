"""``millpond plan``."""

from __future__ import annotations

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.deployments import Branch, Directory, Parameters, Variables, way_of
from millpond.cli.session import Region, Target, exclusive, require_running, terraform_of
from millpond.project import deployment
from millpond.project.ways import is_by_build


def plan(
    directory: Directory = None,
    target: Target = "local",
    var: Variables = None,
    branch: Branch = None,
    parameters: Parameters = None,
    region: Region = None,
) -> None:
    """Show what a deployment would change."""
    settings = load_settings()
    with console.step("Planning") as say:
        watcher = deployment.Watcher(progress=say, line=say)
        if target == "aws":
            result = deployment.aws(
                settings, watcher, region=region, parameters=parameters, branch=branch
            ).plan()
        elif directory is not None or not is_by_build(settings):
            with exclusive(settings):
                require_running(settings)
                result = way_of(settings, directory, var or [], say)[1].plan()
        else:
            with exclusive(settings):
                result = deployment.local(settings, terraform_of(settings), watcher, branch=branch).plan()
    console.out.print(result.text, markup=False, highlight=False)
