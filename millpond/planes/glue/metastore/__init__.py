"""The Data Catalog served to the Hive client of a run's Spark, as a Hive metastore on loopback."""

from __future__ import annotations

from millpond.planes.glue.metastore.server import Metastore

__all__ = ["Metastore"]
