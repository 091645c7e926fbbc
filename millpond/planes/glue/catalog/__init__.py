"""The Data Catalog: databases, tables, partitions, and what belongs to them."""

from millpond.planes.glue.catalog.store import Catalog

__all__ = ["Catalog"]
