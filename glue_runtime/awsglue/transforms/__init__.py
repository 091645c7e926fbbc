"""Glue's transforms as classes, each with ``apply``."""

from __future__ import annotations

from awsglue.transforms.base import GlueTransform
from awsglue.transforms.collections import (
    ErrorsAsDynamicFrame,
    FlatMap,
    MapToCollection,
    SelectFromCollection,
)
from awsglue.transforms.fields import (
    ApplyMapping,
    DropFields,
    DropNullFields,
    RenameField,
    ResolveChoice,
    SelectFields,
    SplitFields,
)
from awsglue.transforms.nested import Relationalize, SimplifyDdbJson, Unbox, UnnestFrame
from awsglue.transforms.refused import FillMissingValues, FindIncrementalMatches, FindMatches
from awsglue.transforms.rows import Filter, Join, Map, Spigot, SplitRows, Union

__all__ = [
    "ApplyMapping",
    "DropFields",
    "DropNullFields",
    "ErrorsAsDynamicFrame",
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
    "Union",
    "UnnestFrame",
]
