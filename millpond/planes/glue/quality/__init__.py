"""Data quality: rulesets, their evaluation over tables of the catalog, results, and recommended rules."""

from __future__ import annotations

from millpond.planes.glue.quality.results import Results
from millpond.planes.glue.quality.rulesets import Rulesets
from millpond.planes.glue.quality.runs import QualityRuns
from millpond.planes.glue.quality.statistics import QualityStatistics
from millpond.planes.glue.quality.store import QualityState

__all__ = ["QualityRuns", "QualityState", "QualityStatistics", "Results", "Rulesets"]
