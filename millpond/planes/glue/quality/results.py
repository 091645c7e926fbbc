"""Results: what became of the rules of a ruleset, in a run of it or in a job.

Source: "Data Quality API" in the Glue API Reference; "Setting up alerts, deployments, and scheduling" in the
Developer Guide, for the events and the metrics.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from millpond.planes.common.telemetry import Reporter, datum
from millpond.planes.glue.paging import page
from millpond.planes.glue.quality.store import QualityState, is_between, is_of
from millpond.planes.glue.requests import Request, Shape, chosen, found, required
from millpond.planes.glue.runs import JobRun

NAMESPACE = "Glue Data Quality"
_EVENT = "Data Quality Evaluation Results Available"
_SOURCE = "aws.glue-dataquality"


class Results:
    """Operations of results.

    Parameters
    ----------
    state : QualityState
        Where they are.
    reporter : Reporter
        Takes their events and metrics.
    """

    OPERATIONS = ("BatchGetDataQualityResult", "GetDataQualityResult", "ListDataQualityResults")

    def __init__(self, state: QualityState, reporter: Reporter) -> None:
        self._state = state
        self._reporter = reporter

    def get_data_quality_result(self, request: Request) -> Shape:
        name = required(request, "ResultId")
        return dict(found(self._state.results, name, f"Data quality result {name} not found."))

    def batch_get_data_quality_result(self, request: Request) -> Shape:
        names = required(request, "ResultIds")
        results = self._state.results
        return {
            "Results": [results[name] for name in names if name in results],
            "ResultsNotFound": [name for name in names if name not in results],
        }

    def list_data_quality_results(self, request: Request) -> Shape:
        criteria = request.get("Filter") or {}
        fitting = [
            one
            for one in reversed(list(self._state.results.values()))
            if is_of(one.get("DataSource"), criteria)
            and all(criteria.get(name) in (None, one.get(name)) for name in ("JobName", "JobRunId"))
            and is_between(one["StartedOn"], criteria, "StartedAfter", "StartedBefore")
        ]
        some, token = page(fitting, request)
        members = ("ResultId", "DataSource", "JobName", "JobRunId", "StartedOn")
        return {"Results": [chosen(one, *members) for one in some], **token}

    def add(self, results: Sequence[Mapping[str, Any]], rows: float | None, members: Shape) -> Shape:
        """Keep a result.

        Parameters
        ----------
        results : sequence of mapping
            Of each rule ``Description``, ``Result``, ``EvaluationMessage``, ``EvaluatedMetrics``.
        rows : float, optional
            How many rows there were.
        members : dict
            What else is known: the ruleset, the run, the times.
        """
        rules = [
            {
                "Name": f"Rule_{number}",
                "EvaluatedRule": one["Description"],
                **{key: value for key, value in one.items() if value is not None},
            }
            for number, one in enumerate(results, 1)
        ]
        passed = sum(one["Result"] == "PASS" for one in rules)
        totals = {
            "TotalRulesProcessed": float(len(rules)),
            "TotalRulesPassed": float(passed),
            "TotalRulesFailed": float(len(rules) - passed),
        }
        identifier = f"dqresult-{secrets.token_hex(20)}"
        self._state.results[identifier] = {
            "ResultId": identifier,
            "ProfileId": f"dqprofile-{secrets.token_hex(20)}",
            "Score": passed / len(rules) if rules else 0.0,
            **members,
            "RuleResults": rules,
            "AggregatedMetrics": totals | ({} if rows is None else {"TotalRowsProcessed": float(rows)}),
        }
        return self._state.results[identifier]

    def add_of_job(self, run: JobRun, published: Sequence[Mapping[str, Any]]) -> None:
        """Keep the results that the script of a job run has published, and tell of them."""
        for one in published:
            result = self.add(
                one["results"],
                None,
                {
                    "EvaluationContext": one["context"],
                    "StartedOn": datetime.fromtimestamp(one["started"], UTC),
                    "CompletedOn": datetime.fromtimestamp(one["completed"], UTC),
                    "JobName": run.job_name,
                    "JobRunId": run.id,
                },
            )
            context = {
                "contextType": "GLUE_JOB",
                "jobId": run.id,
                "jobName": run.job_name,
                "evaluationContext": one["context"],
            }
            self.tell(result, context, [])

    def tell(self, result: Mapping[str, Any], context: Shape, rulesets: list[str]) -> None:
        """Send the event of a result."""
        totals = result["AggregatedMetrics"]
        detail = {
            "context": context,
            "resultId": result["ResultId"],
            "rulesetNames": rulesets,
            "state": "SUCCEEDED",
            "score": result["Score"],
            "rulesSucceeded": int(totals["TotalRulesPassed"]),
            "rulesFailed": int(totals["TotalRulesFailed"]),
            "rulesSkipped": 0,
        }
        self._reporter.event(
            {"Source": _SOURCE, "DetailType": _EVENT, "Detail": json.dumps(detail), "Resources": []}
        )

    def measure(self, result: Mapping[str, Any], **dimensions: str) -> None:
        """Send the metrics of a result."""
        totals = result["AggregatedMetrics"]
        self._reporter.metrics(
            NAMESPACE,
            [
                datum("glue.data.quality.rules.passed", totals["TotalRulesPassed"], "Count", **dimensions),
                datum("glue.data.quality.rules.failed", totals["TotalRulesFailed"], "Count", **dimensions),
            ],
        )
