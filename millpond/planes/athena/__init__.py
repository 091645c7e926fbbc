"""Amazon Athena: SQL over the tables of the Glue catalog, run by DuckDB in processes of their own."""

from millpond.planes.athena.plane import OPERATIONS, AthenaPlane

__all__ = ["OPERATIONS", "AthenaPlane"]
