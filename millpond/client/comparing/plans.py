"""The plans of a run, out of the event log that Spark writes (``--enable-spark-ui``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQL"
# What Spark shows of a plan and what is no step of it: stages of generated code, and what adapts it.
_FRAMES = re.compile(
    r"WholeStageCodegen \(\d+\)|InputAdapter|AdaptiveSparkPlan|\w*QueryStage|ResultQueryStage"
)

Plan = tuple[str, ...]
"""The steps of one query, outermost first, each indented by its depth."""


def plans(lines: Iterable[str]) -> tuple[Plan, ...]:
    """The queries that an event log tells of, in their order, as they were executed in the end.

    Parameters
    ----------
    lines : iterable of str
        Of the log, each a JSON object (``SparkListenerSQLExecutionStart``, and
        ``SparkListenerSQLAdaptiveExecutionUpdate`` for what changed while it ran).
    """
    by_execution: dict[int, Mapping[str, Any]] = {}
    for line in lines:
        if _SQL not in line:
            continue
        event = json.loads(line)
        if event["Event"] in (f"{_SQL}ExecutionStart", f"{_SQL}AdaptiveExecutionUpdate"):
            by_execution[event["executionId"]] = event["sparkPlanInfo"]
    return tuple(tuple(_steps(by_execution[number], 0)) for number in sorted(by_execution))


def _steps(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    name = str(node["nodeName"])
    is_frame = _FRAMES.fullmatch(name) is not None
    if not is_frame:
        yield "  " * depth + name.strip()
    for child in node["children"]:
        yield from _steps(child, depth + (not is_frame))
