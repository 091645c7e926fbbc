"""The Glue plane: jobs that really run.

``serve(context, telemetry)`` answers the operations named in ``OPERATIONS``, in every account and region;
Glue's Data Catalog is not its own.
"""

from __future__ import annotations

from millpond.planes.common.context import PlaneContext
from millpond.planes.common.regions import Planes
from millpond.planes.common.telemetry import Telemetry
from millpond.planes.glue.operations import OPERATIONS
from millpond.planes.glue.plane import GluePlane
from millpond.planes.glue.workers import GlueSettings, Workers

__all__ = ["OPERATIONS", "GluePlane", "GlueSettings", "Workers", "serve"]


def serve(
    context: PlaneContext, telemetry: Telemetry, settings: GlueSettings | None = None
) -> Planes[GluePlane]:
    """Glue in every account and region of a stack."""
    workers = Workers(context, settings)
    return Planes(context, lambda there: GluePlane(there, telemetry, workers), workers.close)
