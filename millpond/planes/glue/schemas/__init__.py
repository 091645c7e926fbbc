"""The schema registry: registries, schemas, and versions that are compatible as their schema says."""

from millpond.planes.glue.schemas.registry import SchemaRegistry

__all__ = ["SchemaRegistry"]
