"""Deploy the platform to the local stack: build the packages, then run Terraform."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millpond import package
from millpond.config import CHECKOUT, Settings
from millpond.errors import MillpondError
from millpond.terraform import Changes, OnEvent, Terraform, TerraformTool

ONPREM_DATABASE = "erp"


@dataclass(frozen=True)
class Deployment:
    """What a deploy made.

    Parameters
    ----------
    outputs : mapping
        Terraform's outputs, by name.
    changes : Changes
        How many resources were added, changed and removed.
    seconds : float
        How long it took.
    """

    outputs: Mapping[str, Any]
    changes: Changes
    seconds: float


@dataclass(frozen=True)
class PlanResult:
    """What a deploy would change.

    Parameters
    ----------
    changes : Changes
        How many resources; a total of 0 means that what is deployed is what the configuration says.
    text : str
        Terraform's own text.
    """

    changes: Changes
    text: str


def deploy(
    settings: Settings,
    tool: TerraformTool,
    on_event: OnEvent | None = None,
    *,
    fixtures: Path = CHECKOUT / "fixtures",
) -> Deployment:
    """Make the stack what ``terraform/`` says.

    An engine that was started anew is empty; Terraform finds everything gone and makes it again.

    Parameters
    ----------
    settings : Settings
        The stack.
    tool : TerraformTool
        Terraform, as the toolchain found it.
    on_event : callable, optional
        Called as each resource is done.
    fixtures : Path
        Directory of the job settings and table structures.

    Raises
    ------
    MillpondError
        If the engine does not answer, a package cannot be built, or Terraform refuses; then with its own
        diagnostic.
    """
    began = time.monotonic()
    terraform = _terraform(settings, tool, fixtures)
    changes, outputs = terraform.apply(on_event)
    return Deployment(outputs, changes, time.monotonic() - began)


def plan(settings: Settings, tool: TerraformTool, *, fixtures: Path = CHECKOUT / "fixtures") -> PlanResult:
    """What :func:`deploy` would change now; it changes nothing."""
    return PlanResult(*_terraform(settings, tool, fixtures).plan())


def destroy(
    settings: Settings,
    tool: TerraformTool,
    on_event: OnEvent | None = None,
    *,
    fixtures: Path = CHECKOUT / "fixtures",
) -> Changes:
    """Remove everything that :func:`deploy` made, with the data in it."""
    return _terraform(settings, tool, fixtures).destroy(on_event)


def _terraform(settings: Settings, tool: TerraformTool, fixtures: Path) -> Terraform:
    _require_engine(settings)
    manifest = package.build(settings.state / "dist")
    terraform = Terraform(
        tool,
        source=CHECKOUT / "terraform",
        work=settings.state / "terraform",
        cache=settings.home / "terraform" / "providers",
        pid_file=settings.state / "pids" / "terraform.pid",
        log_file=settings.state / "logs" / "terraform.log",
        endpoint_url=settings.endpoint_url,
        region=settings.region,
        variables={
            "region": settings.region,
            "project": settings.project,
            "environment": settings.environment,
            "package_dir": str(manifest.directory),
            "fixtures_dir": str(fixtures),
            "onprem_db": {"host": "127.0.0.1", "port": settings.onprem_port, "name": ONPREM_DATABASE},
            "is_protected": False,
        },
    )
    terraform.prepare()
    return terraform


def _require_engine(settings: Settings) -> None:
    try:
        socket.create_connection(("127.0.0.1", settings.gateway_port), timeout=5).close()
    except OSError as error:
        raise MillpondError(
            f"The engine does not answer: {error.strerror or error}.",
            where=settings.endpoint_url,
            next_step="millpond up",
        ) from error
