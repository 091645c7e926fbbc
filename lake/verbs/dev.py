"""``millpond dev``."""

from __future__ import annotations

from lake.dev import Reloader
from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import require_running
from millpond.client.aws import Aws
from millpond.project.deployment import deployed_outputs
from millpond.project.targets import Target
from millpond.toolchain import components


def dev() -> None:
    """Watch glue_jobs/ and lambdas/, and bring each change to the running stack at once."""
    settings = load_settings()
    require_running(settings)
    components.find_wheels(settings)
    aws = Aws(settings)
    outputs = deployed_outputs(settings, Target.local(settings))
    reloader = Reloader(settings, aws.s3, aws.lambda_, outputs)
    console.note("watching glue_jobs/ and lambdas/; ctrl-C ends it")
    for done in reloader.follow():
        if done.error is not None:
            console.show_error(done.error)
        else:
            console.note(f"reloaded {', '.join((*done.objects, *done.functions))}")
