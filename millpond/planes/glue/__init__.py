"""The Glue plane: jobs that really run.

``serve(context, telemetry)`` answers the operations named in ``OPERATIONS``, in every account and region;
Glue's Data Catalog is not its own.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millpond.planes.common.context import PlaneContext
    from millpond.planes.common.regions import Planes
    from millpond.planes.common.telemetry import Telemetry
    from millpond.planes.glue.operations import OPERATIONS
    from millpond.planes.glue.plane import GluePlane
    from millpond.planes.glue.workers import GlueSettings, Workers

__all__ = ["OPERATIONS", "GluePlane", "GlueSettings", "Workers", "serve"]


_HOMES = {
    "OPERATIONS": "operations",
    "GluePlane": "plane",
    "GlueSettings": "workers",
    "Workers": "workers",
}


def __getattr__(name: str) -> Any:
    """Load the plane when it is asked for: the command line reads its tables of versions alone."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def serve(
    context: PlaneContext,
    telemetry: Telemetry,
    settings: GlueSettings | None = None,
    iam_mode: Callable[[], str] = lambda: "off",
) -> Planes[GluePlane]:
    """Glue in every account and region of a stack."""
    from millpond.planes.common.regions import Planes
    from millpond.planes.glue.plane import GluePlane
    from millpond.planes.glue.workers import Workers

    workers = Workers(context, settings, iam_mode)
    return Planes(context, lambda there: GluePlane(there, telemetry, workers), workers.close)
