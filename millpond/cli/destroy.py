"""``millpond destroy``."""

from __future__ import annotations

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.deployments import Directory, Parameters, Variables, narrator, way_of
from millpond.cli.session import Region, Target, Yes, exclusive, require_running, terraform_of
from millpond.project import deployment
from millpond.project.ways import is_by_build


def destroy(
    directory: Directory = None,
    target: Target = "local",
    var: Variables = None,
    parameters: Parameters = None,
    region: Region = None,
    yes: Yes = False,
) -> None:
    """Remove what was deployed, with its data; what a build deployed with the stack of the build."""
    settings = load_settings()
    watcher = narrator(is_approved=yes)
    if target == "aws":
        changes = deployment.aws(settings, watcher, region=region, parameters=parameters).destroy()
    else:
        with exclusive(settings):
            require_running(settings)
            if directory is not None or not is_by_build(settings):
                with console.step("Removing") as say:
                    changes = way_of(settings, directory, var or [], say)[1].destroy()
            else:
                changes = deployment.local(settings, terraform_of(settings), watcher).destroy()
    console.note(str(changes))
