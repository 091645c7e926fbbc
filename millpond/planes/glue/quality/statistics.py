"""Statistics: what the rules have measured, over the runs, and which of it shall count.

Source: "Data Quality API" in the Glue API Reference, and "Anomaly detection in AWS Glue Data Quality" in the
Developer Guide. The result of a ruleset is a profile; a statistic is the same one in each profile of the same
data. What AWS learns from them is refused by name: the models are AWS's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from millpond.planes.glue.exceptions import EntityNotFoundException, InvalidInputException
from millpond.planes.glue.paging import page
from millpond.planes.glue.quality.store import QualityState, is_between, table_of
from millpond.planes.glue.requests import Request, Shape, chosen, now, required

# A name of a metric: Dataset.*.RowCount, Column.price.Mean, Multicolumn.a,b.Uniqueness. What follows the
# column begins with a capital, so that a column may have points in its name.
_METRIC = re.compile(r"(Dataset|Column|Multicolumn)\.(.+?)\.([A-Z]\w*(?:\.[A-Z]\w*)*)")
_VALUES = ("INCLUDE", "EXCLUDE")


class QualityStatistics:
    """Operations of statistics and their annotations.

    Parameters
    ----------
    state : QualityState
        Where the results are that have them.
    """

    OPERATIONS = (
        "BatchPutDataQualityStatisticAnnotation",
        "ListDataQualityStatisticAnnotations",
        "ListDataQualityStatistics",
        "PutDataQualityProfileAnnotation",
    )

    def __init__(self, state: QualityState) -> None:
        self._state = state

    def list_data_quality_statistics(self, request: Request) -> Shape:
        profile = request.get("ProfileId")
        if profile and profile not in self._profiles():
            raise EntityNotFoundException(f"Data quality profile {profile} not found.")
        some, token = page(list(self._fitting(request)), request)
        return {"Statistics": some, **token}

    def batch_put_data_quality_statistic_annotation(self, request: Request) -> Shape:
        asked = required(request, "InclusionAnnotations")
        if len({one.get("StatisticId") for one in asked}) > 1:
            raise InvalidInputException("The annotations of a request must be of a single StatisticId")
        there = {(one["ProfileId"], one["StatisticId"]) for one in self._all()}
        failed = []
        for one in asked:
            key = one.get("ProfileId", ""), one.get("StatisticId", "")
            if key in there:
                self._annotate(key, required(one, "InclusionAnnotation"))
            else:
                named = chosen(one, "ProfileId", "StatisticId")
                failed.append({**named, "FailureReason": "There is no such statistic in the profile."})
        return {"FailedInclusionAnnotations": failed}

    def put_data_quality_profile_annotation(self, request: Request) -> Shape:
        profile, value = required(request, "ProfileId"), required(request, "InclusionAnnotation")
        if profile not in self._profiles():
            raise EntityNotFoundException(f"Data quality profile {profile} not found.")
        for one in self._fitting({"ProfileId": profile}):
            self._annotate((profile, one["StatisticId"]), value)
        return {}

    def list_data_quality_statistic_annotations(self, request: Request) -> Shape:
        annotated = [
            {
                **chosen(one, "ProfileId", "StatisticId", "InclusionAnnotation"),
                "StatisticRecordedOn": one["RecordedOn"],
            }
            for one in self._fitting(request)
            if "InclusionAnnotation" in one
        ]
        some, token = page(annotated, request)
        return {"Annotations": some, **token}

    def _annotate(self, key: tuple[str, str], value: str) -> None:
        if value not in _VALUES:
            raise InvalidInputException(f"InclusionAnnotation must be one of {', '.join(_VALUES)}")
        self._state.annotations[key] = {"Value": value, "LastModifiedOn": now()}

    def _profiles(self) -> set[str]:
        return {one["ProfileId"] for one in self._state.results.values() if "ProfileId" in one}

    def _fitting(self, request: Request) -> Iterator[Shape]:
        times = request.get("TimestampFilter") or {}
        for one in self._all():
            if all(request.get(name) in (None, "", one[name]) for name in ("ProfileId", "StatisticId")) and (
                is_between(one["RecordedOn"], times, "RecordedAfter", "RecordedBefore")
            ):
                yield one

    def _all(self) -> Iterator[Shape]:
        """Each statistic of each profile, the newest first."""
        for result in reversed(list(self._state.results.values())):
            # One that a Millpond of before has kept is no profile.
            for one in statistics_of(result) if "ProfileId" in result else ():
                annotation = self._state.annotations.get((one["ProfileId"], one["StatisticId"]))
                yield one if annotation is None else {**one, "InclusionAnnotation": annotation}


def statistics_of(result: Mapping[str, Any]) -> list[Shape]:
    """What the rules of a result have measured, each metric once.

    Examples
    --------
    >>> rules = [{"EvaluatedMetrics": {"Column.a.b.Mean": 2.0, "Dataset.*.RowCount": 3.0}}]
    >>> result = {"RuleResults": rules, "JobName": "j", "JobRunId": "r", "ProfileId": "p", "CompletedOn": 0}
    >>> [(one["StatisticName"], one.get("ColumnsReferenced")) for one in statistics_of(result)]
    [('Mean', ['a.b']), ('RowCount', None)]
    """
    found: dict[str, Shape] = {}
    run = chosen(
        {"RunId": result.get("RulesetEvaluationRunId"), "JobRunId": result.get("JobRunId")},
        "RunId",
        "JobRunId",
    )
    for metric, value in (
        pair for rule in result["RuleResults"] for pair in (rule.get("EvaluatedMetrics") or {}).items()
    ):
        if (parts := _METRIC.fullmatch(metric)) is None:
            continue
        level, columns, name = parts.groups()
        found[metric] = {
            "StatisticId": _identifier(result, metric),
            "ProfileId": result["ProfileId"],
            "RunIdentifier": run,
            "StatisticName": name,
            "DoubleValue": float(value),
            "EvaluationLevel": level,
            **({} if level == "Dataset" else {"ColumnsReferenced": columns.split(",")}),
            "RecordedOn": result["CompletedOn"],
        }
    return list(found.values())


def _identifier(result: Mapping[str, Any], metric: str) -> str:
    """The same for the same metric of the same data: a table, or what a job evaluates in a context."""
    if result.get("DataSource"):
        table = table_of(result["DataSource"])
        data = ["table", table["DatabaseName"].lower(), table["TableName"].lower()]
    else:
        data = ["job", result.get("JobName", ""), result.get("EvaluationContext", "")]
    return hashlib.sha256("\x1f".join([*data, metric]).encode()).hexdigest()[:40]
