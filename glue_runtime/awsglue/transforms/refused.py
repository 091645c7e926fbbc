"""Transforms that need AWS's own models: each is refused by its name."""

from __future__ import annotations

from typing import Any

from awsglue._refuse import refuse
from awsglue.transforms.base import GlueTransform


class FillMissingValues(GlueTransform):
    """Refused: its values come from a model of AWS."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        refuse("FillMissingValues", "machine learning transforms")


class FindMatches(GlueTransform):
    """Refused: its matches come from a model of AWS."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        refuse("FindMatches", "machine learning transforms")


class FindIncrementalMatches(GlueTransform):
    """Refused: its matches come from a model of AWS."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        refuse("FindIncrementalMatches", "machine learning transforms")
