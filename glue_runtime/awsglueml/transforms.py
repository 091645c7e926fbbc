"""The transforms of ``awsglueml``: each is refused by its name when it is applied."""

from __future__ import annotations

from typing import Any

from awsglue._refuse import refuse
from awsglue.transforms import FillMissingValues, FindIncrementalMatches, FindMatches

__all__ = ["EntityDetector", "FillMissingValues", "FindIncrementalMatches", "FindMatches"]


class EntityDetector:
    """Refused: what AWS takes for sensitive data is not published."""

    def detect(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: mark or redact sensitive data in each cell."""
        refuse("EntityDetector.detect", "detection of sensitive data")

    def classify_columns(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: the columns that hold sensitive data."""
        refuse("EntityDetector.classify_columns", "detection of sensitive data")
