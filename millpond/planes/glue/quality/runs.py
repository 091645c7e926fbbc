"""Runs that evaluate rulesets over a table, and runs that recommend rules for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millpond.planes.glue.catalog.store import Catalog
from millpond.planes.glue.exceptions import AlreadyExistsException, ConflictException
from millpond.planes.glue.paging import page
from millpond.planes.glue.quality.results import Results
from millpond.planes.glue.quality.rulesets import Rulesets
from millpond.planes.glue.quality.store import QualityState, is_between, is_of, table_of
from millpond.planes.glue.requests import Request, Shape, chosen, found, required
from millpond.planes.glue.runs import State
from millpond.planes.glue.tasks import Task, Tasks, found_task, new_task

_LOG_GROUP = "/aws-glue/data-quality"
# "StartDataQualityRulesetEvaluationRun" in the API Reference.
_WORKERS, _MINUTES = 5, 2880


class QualityRuns:
    """Operations of evaluation and recommendation runs.

    Parameters
    ----------
    state : QualityState
        Where they are.
    rulesets : Rulesets
        Takes the rules that a run recommends.
    results : Results
        Takes what an evaluation found.
    catalog : Catalog
        Where the tables are.
    tasks : Tasks
        Executes them.
    """

    OPERATIONS = (
        "CancelDataQualityRuleRecommendationRun",
        "CancelDataQualityRulesetEvaluationRun",
        "GetDataQualityRuleRecommendationRun",
        "GetDataQualityRulesetEvaluationRun",
        "ListDataQualityRuleRecommendationRuns",
        "ListDataQualityRulesetEvaluationRuns",
        "StartDataQualityRuleRecommendationRun",
        "StartDataQualityRulesetEvaluationRun",
    )

    def __init__(
        self, state: QualityState, rulesets: Rulesets, results: Results, catalog: Catalog, tasks: Tasks
    ) -> None:
        self._state = state
        self._rulesets = rulesets
        self._results = results
        self._catalog = catalog
        self._tasks = tasks

    # Evaluation

    def start_data_quality_ruleset_evaluation_run(self, request: Request) -> Shape:
        with self._tasks.lock:
            if again := _again(self._state.evaluations, request):
                return {"RunId": again}
            rulesets = [
                found(self._state.rulesets, name, f"Data quality ruleset {name} not found.")
                for name in required(request, "RulesetNames")
            ]
            others = request.get("AdditionalDataSources") or {}
            options = request.get("AdditionalRunOptions") or {}
            source = table_of(required(request, "DataSource"))
            named = {alias: table_of(one) for alias, one in others.items()}
            work = {
                "source": source,
                "others": named,
                "rulesets": [{"name": one["Name"], "text": one["Ruleset"]} for one in rulesets],
                "prefix": options.get("ResultsS3Prefix") or "",
            }
            task = self._task("dqrun-", request, [source, *named.values()])
            self._state.evaluations[task.id] = task
            self._tasks.start(task, "evaluate_rulesets.py", work, self._evaluated)
        return {"RunId": task.id}

    def get_data_quality_ruleset_evaluation_run(self, request: Request) -> Shape:
        with self._tasks.lock:
            task = found_task(self._state.evaluations, required(request, "RunId"))
            members = ("RulesetNames", "AdditionalRunOptions", "AdditionalDataSources")
            return {**_shown(task), **chosen(task.request, *members), **chosen(task.notes, "ResultIds")}

    def cancel_data_quality_ruleset_evaluation_run(self, request: Request) -> Shape:
        self._tasks.stop(found_task(self._state.evaluations, required(request, "RunId")))
        return {}

    def list_data_quality_ruleset_evaluation_runs(self, request: Request) -> Shape:
        return self._list(self._state.evaluations, request)

    def _evaluated(self, task: Task) -> None:
        if task.answer is None:
            return
        source = table_of(task.request["DataSource"])
        options = task.request.get("AdditionalRunOptions") or {}
        with self._tasks.lock:
            results = [
                self._results.add(
                    one["results"],
                    task.answer["rows"],
                    {
                        "DataSource": task.request["DataSource"],
                        "RulesetName": one["ruleset"],
                        "StartedOn": task.run.started_on,
                        "CompletedOn": task.run.completed_on,
                        "RulesetEvaluationRunId": task.id,
                    },
                )
                for one in task.answer["rulesets"]
            ]
            task.notes["ResultIds"] = [one["ResultId"] for one in results]
        account = self._catalog.context.account_id
        context = {
            "contextType": "GLUE_DATA_CATALOG",
            "runId": task.id,
            "databaseName": source["DatabaseName"],
            "tableName": source["TableName"],
            "catalogId": account,
        }
        place = {"CatalogId": account, "Database": source["DatabaseName"], "Table": source["TableName"]}
        for one in results:
            self._results.tell(one, context, [one["RulesetName"]])
            if options.get("CloudWatchMetricsEnabled"):
                self._results.measure(one, **place)

    # Recommendation

    def start_data_quality_rule_recommendation_run(self, request: Request) -> Shape:
        with self._tasks.lock:
            if again := _again(self._state.recommendations, request):
                return {"RunId": again}
            name = request.get("CreatedRulesetName")
            if name in self._state.rulesets:
                raise AlreadyExistsException(f"Data quality ruleset {name} already exists.")
            source = table_of(required(request, "DataSource"))
            task = self._task("dqrun-", request, [source])
            self._state.recommendations[task.id] = task
            self._tasks.start(task, "recommend_rules.py", {"source": source}, self._recommended)
        return {"RunId": task.id}

    def get_data_quality_rule_recommendation_run(self, request: Request) -> Shape:
        with self._tasks.lock:
            task = found_task(self._state.recommendations, required(request, "RunId"))
            recommended = {"RecommendedRuleset": task.answer["ruleset"]} if task.answer else {}
            return {**_shown(task), **chosen(task.request, "CreatedRulesetName"), **recommended}

    def cancel_data_quality_rule_recommendation_run(self, request: Request) -> Shape:
        self._tasks.stop(found_task(self._state.recommendations, required(request, "RunId")))
        return {}

    def list_data_quality_rule_recommendation_runs(self, request: Request) -> Shape:
        return self._list(self._state.recommendations, request)

    def _recommended(self, task: Task) -> None:
        name = task.request.get("CreatedRulesetName")
        if task.answer is None or not name:
            return
        source = table_of(task.request["DataSource"])
        with self._tasks.lock:
            self._rulesets.add(
                name,
                {
                    "Ruleset": task.answer["ruleset"],
                    "TargetTable": chosen(source, "DatabaseName", "TableName", "CatalogId"),
                    "RecommendationRunId": task.id,
                },
            )

    # Both

    def _task(self, prefix: str, request: Request, sources: list[Shape]) -> Task:
        with self._catalog.lock:
            tables = tuple(self._catalog.asked_table(one).current for one in sources)
        return new_task(
            prefix,
            request,
            workers=int(request.get("NumberOfWorkers") or _WORKERS),
            timeout=int(request.get("Timeout") or _MINUTES),
            log_group=_LOG_GROUP,
            tables=tables,
        )

    def _list(self, tasks: Mapping[str, Task], request: Request) -> Shape:
        criteria = request.get("Filter") or {}
        with self._tasks.lock:
            fitting = [
                {
                    "RunId": one.id,
                    "Status": str(one.run.state),
                    "StartedOn": one.run.started_on,
                    "DataSource": one.request["DataSource"],
                }
                for one in reversed(list(tasks.values()))
                if is_of(one.request["DataSource"], criteria)
                and is_between(one.run.started_on, criteria, "StartedAfter", "StartedBefore")
            ]
        some, token = page(fitting, request)
        return {"Runs": some, **token}


def _again(tasks: Mapping[str, Task], request: Request) -> str | None:
    """The run that the same ``ClientToken`` has started.

    Raises
    ------
    ConflictException
        If it was started by another request.
    """
    token = request.get("ClientToken")
    for one in tasks.values():
        if token and one.request.get("ClientToken") == token:
            if one.request != request:
                raise ConflictException("The client token was used for another request.")
            return one.id
    return None


def _shown(task: Task) -> Shape:
    run = task.run
    shape: dict[str, Any] = {
        "RunId": run.id,
        "DataSource": task.request["DataSource"],
        "Role": task.request["Role"],
        "NumberOfWorkers": int(task.request.get("NumberOfWorkers") or _WORKERS),
        "Timeout": run.job["Timeout"],
        "Status": str(run.state),
        "StartedOn": run.started_on,
        "LastModifiedOn": run.last_modified_on,
        "ExecutionTime": run.execution_seconds,
    }
    if run.completed_on:
        shape["CompletedOn"] = run.completed_on
    if run.error_message and run.state is not State.SUCCEEDED:
        shape["ErrorString"] = run.error_message
    return shape
