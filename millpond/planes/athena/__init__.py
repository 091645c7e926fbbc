"""Amazon Athena: SQL over the tables of the Glue catalog, run by DuckDB in its own processes, or by Trino."""

from __future__ import annotations

from millpond.planes.athena.files import Linker, link_nothing
from millpond.planes.athena.operations import OPERATIONS
from millpond.planes.athena.plane import AthenaPlane
from millpond.planes.athena.pool import WorkerPool
from millpond.planes.athena.trino.server import TrinoServers
from millpond.planes.common.context import PlaneContext
from millpond.planes.common.regions import Planes
from millpond.planes.common.telemetry import Telemetry
from millpond.planes.common.trino import EngineSettings

__all__ = ["OPERATIONS", "AthenaPlane", "WorkerPool", "serve"]


def serve(context: PlaneContext, telemetry: Telemetry, link: Linker = link_nothing) -> Planes[AthenaPlane]:
    """Athena in every account and region of a stack, with what links the objects that are files here."""
    workers, trino = WorkerPool(context, link), TrinoServers(EngineSettings.from_environment())

    def close() -> None:
        workers.close()
        trino.close()

    return Planes(context, lambda there: AthenaPlane(there, telemetry, workers, trino), close)
