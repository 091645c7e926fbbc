"""Glue's transforms of dynamic frames can be imported, and say so when they are used."""

from __future__ import annotations

from awsglue._unavailable import RefusingMeta

_NAMES = (
    "ApplyMapping",
    "DropFields",
    "DropNullFields",
    "ErrorsAsDynamicFrame",
    "EvaluateDataQuality",
    "FillMissingValues",
    "Filter",
    "FindIncrementalMatches",
    "FindMatches",
    "FlatMap",
    "GlueTransform",
    "Join",
    "Map",
    "MapToCollection",
    "Relationalize",
    "RenameField",
    "ResolveChoice",
    "SelectFields",
    "SelectFromCollection",
    "SimplifyDdbJson",
    "Spigot",
    "SplitFields",
    "SplitRows",
    "Unbox",
    "UnnestFrame",
)

__all__ = list(_NAMES)

globals().update({name: RefusingMeta(name, (), {}) for name in _NAMES})
