"""Amazon Athena: SQL over the tables of the Glue catalog, run by DuckDB in processes of their own."""

from __future__ import annotations

from millpond.planes.athena.operations import OPERATIONS
from millpond.planes.athena.plane import AthenaPlane
from millpond.planes.athena.pool import WorkerPool
from millpond.planes.common.context import PlaneContext
from millpond.planes.common.regions import Planes
from millpond.planes.common.telemetry import Telemetry

__all__ = ["OPERATIONS", "AthenaPlane", "WorkerPool", "serve"]


def serve(context: PlaneContext, telemetry: Telemetry) -> Planes[AthenaPlane]:
    """Athena in every account and region of a stack."""
    workers = WorkerPool(context)
    return Planes(context, lambda there: AthenaPlane(there, telemetry, workers), workers.close)
