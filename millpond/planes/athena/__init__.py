"""Amazon Athena: SQL over the tables of the Glue catalog, run by DuckDB in processes of their own."""

from millpond.planes.athena.operations import OPERATIONS
from millpond.planes.athena.plane import AthenaPlane

__all__ = ["OPERATIONS", "AthenaPlane"]
