"""``millpond destroy``."""

from __future__ import annotations

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.deployments import Parameters, narrator
from millpond.cli.session import Region, Target, Yes, exclusive, require_running, terraform_of
from millpond.project import deployment


def destroy(
    target: Target = "local",
    parameters: Parameters = None,
    region: Region = None,
    yes: Yes = False,
) -> None:
    """Remove the platform with its data, by a build, and then the stack of the build."""
    settings = load_settings()
    watcher = narrator(is_approved=yes)
    if target == "aws":
        changes = deployment.aws(settings, watcher, region=region, parameters=parameters).destroy()
    else:
        with exclusive(settings):
            require_running(settings)
            changes = deployment.local(settings, terraform_of(settings), watcher).destroy()
    console.note(str(changes))
