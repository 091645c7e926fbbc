"""Data quality and statistics runs, as their operations tell of them; a stand-in executes them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from telemetry_fakes import RecordedTelemetry
from waiting import wait_until

from millpond.base.config import CHECKOUT
from millpond.planes.common.clock import Clock
from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.common.telemetry import Reporter
from millpond.planes.glue.catalog.databases import Databases
from millpond.planes.glue.catalog.optimizers import Optimizers
from millpond.planes.glue.catalog.statistics_runs import StatisticsRuns
from millpond.planes.glue.catalog.store import Catalog
from millpond.planes.glue.catalog.tables import Tables
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    ColumnStatisticsTaskNotRunningException,
    ColumnStatisticsTaskRunningException,
    ConflictException,
    EntityNotFoundException,
    InvalidInputException,
    ValidationException,
)
from millpond.planes.glue.quality import QualityRuns, QualityState, QualityStatistics, Results, Rulesets
from millpond.planes.glue.requests import now
from millpond.planes.glue.runs import State
from millpond.planes.glue.tags import Tags
from millpond.planes.glue.tasks import Task

SOURCE = {"GlueTable": {"DatabaseName": "d", "TableName": "t"}}
RULES = 'Rules = [ IsComplete "id", RowCount > 3 ]'
EVALUATED = [
    {"Description": 'IsComplete "id"', "Result": "PASS", "EvaluationMessage": None, "EvaluatedMetrics": {}},
    {
        "Description": "RowCount > 3",
        "Result": "FAIL",
        "EvaluationMessage": "no",
        "EvaluatedMetrics": {"n": 2.0},
    },
]


@dataclass
class Executor:
    """Ends a task when it is told to, in place of Spark."""

    lock: Any = field(default_factory=threading.RLock)
    started: list[tuple[Task, str, dict[str, Any], Callable[[Task], None]]] = field(default_factory=list)

    def start(self, task: Task, script: str, work: dict[str, Any], ended: Callable[[Task], None]) -> None:
        task.run.advance(State.RUNNING, now())
        self.started.append((task, script, work, ended))

    def stop(self, task: Task) -> None:
        if not task.run.state.is_final:
            task.run.advance(State.STOPPING, now())

    def end(self, answer: dict[str, Any] | None) -> None:
        task, _, _, ended = self.started[-1]
        if task.run.state is State.STOPPING:
            task.run.advance(State.STOPPED, now())
        else:
            task.answer = answer
            task.run.advance(
                State.FAILED if answer is None else State.SUCCEEDED, now(), None if answer else "x"
            )
        ended(task)


@dataclass
class Glue:
    executor: Executor
    telemetry: RecordedTelemetry
    rulesets: Rulesets
    runs: QualityRuns
    results: Results
    measured: QualityStatistics
    statistics: StatisticsRuns
    optimizers: Optimizers


@pytest.fixture
def glue(tmp_path: Path) -> Iterator[Glue]:
    tools = Tools(*[tmp_path] * 5, CHECKOUT / "glue_runtime", {})
    context = PlaneContext("http://127.0.0.1:9", "eu-west-1", "000000000000", tmp_path, tools)
    catalog, tags, state = Catalog(context), Tags(context), QualityState()
    Databases(catalog, tags).create_database({"DatabaseInput": {"Name": "d"}})
    columns = [{"Name": "id", "Type": "bigint"}, {"Name": "name", "Type": "string"}]
    parameters = {"table_type": "ICEBERG"}
    table = {"Name": "t", "StorageDescriptor": {"Columns": columns}, "Parameters": parameters}
    Tables(catalog, lambda: None).create_table({"DatabaseName": "d", "TableInput": table})
    telemetry = RecordedTelemetry(context)
    executor: Any = Executor()
    rulesets = Rulesets(state, tags, CHECKOUT / "glue_runtime")
    results = Results(state, Reporter(telemetry, context))
    runs = QualityRuns(state, rulesets, results, catalog, executor)
    clock = Clock("t")
    statistics = StatisticsRuns(catalog, executor, clock)
    optimizers = Optimizers(catalog, executor, clock, lambda: pytest.fail("nothing is read"))
    measured = QualityStatistics(state)
    yield Glue(executor, telemetry, rulesets, runs, results, measured, statistics, optimizers)
    clock.close()


def evaluating(glue: Glue, **more: Any) -> str:
    request = {"DataSource": SOURCE, "Role": "r", "RulesetNames": ["rules"], **more}
    return str(glue.runs.start_data_quality_ruleset_evaluation_run(request)["RunId"])


def test_a_ruleset_is_read_when_it_comes_and_counted_when_it_is_listed(glue: Glue) -> None:
    for text, said in (("Rules = [ IsComplete", "ends"), ("Rules = [ RowCount > last(3) ]", "dynamic rules")):
        with pytest.raises(InvalidInputException, match=said):
            glue.rulesets.create_data_quality_ruleset({"Name": "rules", "Ruleset": text})
    given = {"Name": "rules", "Ruleset": RULES, "TargetTable": {"DatabaseName": "d", "TableName": "t"}}
    assert glue.rulesets.create_data_quality_ruleset({**given, "Tags": {"a": "b"}}) == {"Name": "rules"}
    with pytest.raises(AlreadyExistsException):
        glue.rulesets.create_data_quality_ruleset(given)
    assert given.items() <= glue.rulesets.get_data_quality_ruleset({"Name": "rules"}).items()
    for filters, names in (
        ({}, ["rules"]),
        ({"Tags": {"a": "b"}}, ["rules"]),
        ({"Tags": {"a": "c"}}, []),
        ({"Filter": {"TargetTable": {"DatabaseName": "d", "TableName": "t"}}}, ["rules"]),
        ({"Filter": {"TargetTable": {"DatabaseName": "d", "TableName": "u"}}}, []),
        ({"Filter": {"CreatedAfter": now()}}, []),
    ):
        listed = glue.rulesets.list_data_quality_rulesets(filters)["Rulesets"]
        assert [one["Name"] for one in listed] == names, filters
        assert all(one["RuleCount"] == 2 for one in listed)
    changed = glue.rulesets.update_data_quality_ruleset(
        {"Name": "rules", "Ruleset": "Rules = [ RowCount > 0 ]"}
    )
    assert changed == {"Name": "rules", "Ruleset": "Rules = [ RowCount > 0 ]"}
    glue.rulesets.delete_data_quality_ruleset({"Name": "rules"})
    with pytest.raises(EntityNotFoundException):
        glue.rulesets.get_data_quality_ruleset({"Name": "rules"})


def test_an_evaluation_leaves_a_result_an_event_and_metrics(glue: Glue) -> None:
    glue.rulesets.create_data_quality_ruleset({"Name": "rules", "Ruleset": RULES})
    options = {"CloudWatchMetricsEnabled": True, "ResultsS3Prefix": "s3://b/p"}
    run_id = evaluating(glue, AdditionalRunOptions=options, ClientToken="c")
    assert evaluating(glue, AdditionalRunOptions=options, ClientToken="c") == run_id
    with pytest.raises(ConflictException):
        evaluating(glue, ClientToken="c")
    task, script, work, _ = glue.executor.started[-1]
    assert (script, work["prefix"], work["rulesets"]) == (
        "evaluate_rulesets.py",
        "s3://b/p",
        [{"name": "rules", "text": RULES}],
    )
    assert task.run.all_arguments["--datalake-formats"] == "iceberg"
    glue.executor.end({"rows": 2, "rulesets": [{"ruleset": "rules", "results": EVALUATED}]})
    run = glue.runs.get_data_quality_ruleset_evaluation_run({"RunId": run_id})
    assert (run["Status"], run["DataSource"], run["NumberOfWorkers"]) == ("SUCCEEDED", SOURCE, 5)
    (result_id,) = run["ResultIds"]
    result = glue.results.get_data_quality_result({"ResultId": result_id})
    assert (result["Score"], result["RulesetName"]) == (0.5, "rules")
    assert [(one["Name"], one["Result"]) for one in result["RuleResults"]] == [
        ("Rule_1", "PASS"),
        ("Rule_2", "FAIL"),
    ]
    assert result["AggregatedMetrics"]["TotalRowsProcessed"] == 2.0
    both = glue.results.batch_get_data_quality_result({"ResultIds": [result_id, "no"]})
    assert (both["Results"], both["ResultsNotFound"]) == ([result], ["no"])
    elsewhere = {"GlueTable": {"DatabaseName": "d", "TableName": "other"}}
    for source, count in ((SOURCE, 1), (elsewhere, 0)):
        listed = glue.runs.list_data_quality_ruleset_evaluation_runs({"Filter": {"DataSource": source}})
        results = glue.results.list_data_quality_results({"Filter": {"DataSource": source}})
        assert (len(listed["Runs"]), len(results["Results"])) == (count, count)
    assert [one["DetailType"] for one in glue.telemetry.events] == [
        "Data Quality Evaluation Results Available"
    ]
    assert glue.telemetry.data == [
        ("Glue Data Quality", "glue.data.quality.rules.passed", 1.0),
        ("Glue Data Quality", "glue.data.quality.rules.failed", 1.0),
    ]


def test_what_rules_measured_is_kept_over_the_runs_and_left_out_where_it_is_said(glue: Glue) -> None:
    glue.rulesets.create_data_quality_ruleset({"Name": "rules", "Ruleset": RULES})
    for rows in (2.0, 5.0, 9.0):
        metrics = {"Dataset.*.RowCount": rows, "Column.id.Completeness": 1.0}
        evaluating(glue)
        results = [
            {**EVALUATED[1], "EvaluatedMetrics": metrics},
            {**EVALUATED[0], "EvaluatedMetrics": metrics},
        ]
        glue.executor.end({"rows": rows, "rulesets": [{"ruleset": "rules", "results": results}]})
    all_of_them = glue.measured.list_data_quality_statistics({})["Statistics"]
    assert len(all_of_them) == 6
    newest = all_of_them[0]
    assert newest["RunIdentifier"] == {"RunId": glue.executor.started[-1][0].id}
    of_rows = {"StatisticId": newest["StatisticId"]}
    first = glue.measured.list_data_quality_statistics({**of_rows, "MaxResults": 2})
    rest = glue.measured.list_data_quality_statistics({**of_rows, "NextToken": first["NextToken"]})
    over_time = [*first["Statistics"], *rest["Statistics"]]
    assert [one["DoubleValue"] for one in over_time] == [9.0, 5.0, 2.0]
    assert {(one["StatisticName"], one["EvaluationLevel"]) for one in over_time} == {("RowCount", "Dataset")}
    of_run = glue.measured.list_data_quality_statistics({"ProfileId": newest["ProfileId"]})["Statistics"]
    assert [one.get("ColumnsReferenced") for one in of_run] == [None, ["id"]]
    profiles = {one["ProfileId"] for one in glue.results._state.results.values()}
    assert {one["ProfileId"] for one in over_time} == profiles
    later = {"TimestampFilter": {"RecordedAfter": now()}}
    assert glue.measured.list_data_quality_statistics(later)["Statistics"] == []

    asked = [
        {**of_rows, "ProfileId": one["ProfileId"], "InclusionAnnotation": "EXCLUDE"} for one in over_time[1:]
    ]
    missing = {**of_rows, "ProfileId": "no", "InclusionAnnotation": "EXCLUDE"}
    request = {"InclusionAnnotations": [*asked, missing]}
    (failed,) = glue.measured.batch_put_data_quality_statistic_annotation(request)[
        "FailedInclusionAnnotations"
    ]
    assert failed["ProfileId"] == "no"
    kept = glue.measured.list_data_quality_statistic_annotations(of_rows)["Annotations"]
    assert [one["ProfileId"] for one in kept] == [one["ProfileId"] for one in over_time[1:]]
    assert {one["InclusionAnnotation"]["Value"] for one in kept} == {"EXCLUDE"}
    glue.measured.put_data_quality_profile_annotation(
        {"ProfileId": newest["ProfileId"], "InclusionAnnotation": "INCLUDE"}
    )
    of_run = glue.measured.list_data_quality_statistics({"ProfileId": newest["ProfileId"]})["Statistics"]
    assert [one["InclusionAnnotation"]["Value"] for one in of_run] == ["INCLUDE", "INCLUDE"]
    for wrong in (
        {"InclusionAnnotations": [asked[0], {**asked[0], "StatisticId": "other"}]},
        {"InclusionAnnotations": [{**asked[0], "InclusionAnnotation": "MAYBE"}]},
    ):
        with pytest.raises(InvalidInputException):
            glue.measured.batch_put_data_quality_statistic_annotation(wrong)
    for call in (
        glue.measured.list_data_quality_statistics,
        glue.measured.put_data_quality_profile_annotation,
    ):
        with pytest.raises(EntityNotFoundException):
            call({"ProfileId": "no", "InclusionAnnotation": "INCLUDE"})


def test_a_run_that_fails_or_is_cancelled_has_no_result(glue: Glue) -> None:
    with pytest.raises(EntityNotFoundException, match="rules"):
        evaluating(glue)
    glue.rulesets.create_data_quality_ruleset({"Name": "rules", "Ruleset": RULES})
    with pytest.raises(EntityNotFoundException, match="Table u"):
        evaluating(glue, DataSource={"GlueTable": {"DatabaseName": "d", "TableName": "u"}})
    for cancel, state in ((False, "FAILED"), (True, "STOPPED")):
        run_id = evaluating(glue)
        if cancel:
            glue.runs.cancel_data_quality_ruleset_evaluation_run({"RunId": run_id})
        glue.executor.end(None)
        run = glue.runs.get_data_quality_ruleset_evaluation_run({"RunId": run_id})
        assert (run["Status"], run.get("ResultIds")) == (state, None)
    assert not glue.results.list_data_quality_results({})["Results"]


def test_recommended_rules_become_a_ruleset_where_it_has_a_name(glue: Glue) -> None:
    request = {"DataSource": SOURCE, "Role": "r", "CreatedRulesetName": "made"}
    run_id = glue.runs.start_data_quality_rule_recommendation_run(request)["RunId"]
    glue.executor.end({"ruleset": RULES})
    run = glue.runs.get_data_quality_rule_recommendation_run({"RunId": run_id})
    assert (run["Status"], run["RecommendedRuleset"]) == ("SUCCEEDED", RULES)
    made = glue.rulesets.get_data_quality_ruleset({"Name": "made"})
    assert (made["RecommendationRunId"], made["TargetTable"]["TableName"]) == (run_id, "t")


def test_statistics_are_computed_one_run_a_table_at_a_time(glue: Glue) -> None:
    request = {"DatabaseName": "d", "TableName": "T", "Role": "r", "SampleSize": 50.0}
    with pytest.raises(InvalidInputException, match="no column nosuch"):
        glue.statistics.start_column_statistics_task_run({**request, "ColumnNameList": ["nosuch"]})
    run_id = glue.statistics.start_column_statistics_task_run(request)["ColumnStatisticsTaskRunId"]
    with pytest.raises(ColumnStatisticsTaskRunningException):
        glue.statistics.start_column_statistics_task_run(request)
    assert glue.executor.started[-1][2]["columns"] == ["id", "name"]
    glue.statistics.stop_column_statistics_task_run(request)
    glue.executor.end(None)
    run = glue.statistics.get_column_statistics_task_run({"ColumnStatisticsTaskRunId": run_id})
    assert run["ColumnStatisticsTaskRun"]["Status"] == "STOPPED"
    with pytest.raises(ColumnStatisticsTaskNotRunningException):
        glue.statistics.stop_column_statistics_task_run(request)
    assert glue.statistics.list_column_statistics_task_runs({}) == {"ColumnStatisticsTaskRunIds": [run_id]}
    assert len(glue.statistics.get_column_statistics_task_runs(request)["ColumnStatisticsTaskRuns"]) == 1


def test_a_schedule_of_statistics_starts_runs_until_it_is_stopped(glue: Glue) -> None:
    table = {"DatabaseName": "d", "TableName": "t"}
    settings = {**table, "Role": "r", "Schedule": "cron(0 3 * * ? *)"}
    glue.statistics.create_column_statistics_task_settings(settings)
    with pytest.raises(AlreadyExistsException):
        glue.statistics.create_column_statistics_task_settings(settings)
    glue.statistics._strike("d.t")
    found = glue.statistics.get_column_statistics_task_settings(table)["ColumnStatisticsTaskSettings"]
    assert found["Schedule"] == {"ScheduleExpression": "cron(0 3 * * ? *)", "State": "SCHEDULED"}
    assert found["LastExecutionAttempt"]["Status"] == "STARTED"
    glue.statistics._strike("d.t")
    found = glue.statistics.get_column_statistics_task_settings(table)["ColumnStatisticsTaskSettings"]
    assert "has not ended" in found["LastExecutionAttempt"]["ErrorMessage"]
    glue.statistics.stop_column_statistics_task_run_schedule(table)
    found = glue.statistics.get_column_statistics_task_settings(table)["ColumnStatisticsTaskSettings"]
    assert found["Schedule"]["State"] == "NOT_SCHEDULED"
    glue.statistics.delete_column_statistics_task_settings(table)
    with pytest.raises(EntityNotFoundException):
        glue.statistics.get_column_statistics_task_settings(table)


def test_an_optimizer_runs_as_soon_as_it_is_enabled_and_says_what_it_did(glue: Glue) -> None:
    place = {"CatalogId": "000000000000", "DatabaseName": "d", "TableName": "t"}
    configuration = {"roleArn": "arn:aws:iam::000000000000:role/r", "enabled": True}
    retention = {"icebergConfiguration": {"numberOfSnapshotsToRetain": 3}}
    given = {**place, "Type": "retention"}
    for wrong, said in (
        ({"enabled": True}, "roleArn"),
        ({**configuration, "compactionConfiguration": {"icebergConfiguration": {}}}, "type retention"),
    ):
        with pytest.raises(ValidationException, match=said):
            glue.optimizers.create_table_optimizer({**given, "TableOptimizerConfiguration": wrong})
    asked = {**configuration, "retentionConfiguration": retention}
    glue.optimizers.create_table_optimizer({**given, "TableOptimizerConfiguration": asked})
    with pytest.raises(AlreadyExistsException):
        glue.optimizers.create_table_optimizer({**given, "TableOptimizerConfiguration": asked})
    wait_until("start", lambda: bool(glue.executor.started))
    _, script, work, _ = glue.executor.started[-1]
    assert (script, work["type"], work["asked"]["numberOfSnapshotsToRetain"]) == (
        "optimize_table.py",
        "retention",
        3,
    )
    assert work["asked"]["snapshotRetentionPeriodInDays"] == 5
    glue.executor.end({"NumberOfDataFilesDeleted": 7})
    (run,) = glue.optimizers.list_table_optimizer_runs(given)["TableOptimizerRuns"]
    assert run["eventType"] == "completed"
    assert run["retentionMetrics"]["IcebergMetrics"]["NumberOfDataFilesDeleted"] == 7
    entries = [
        {"databaseName": "d", "tableName": "t", "type": kind}
        for kind in ("retention", "orphan_file_deletion")
    ]
    both = glue.optimizers.batch_get_table_optimizer({"Entries": entries})
    assert [one["tableOptimizer"]["lastRun"] for one in both["TableOptimizers"]] == [run]
    assert [one["error"]["ErrorCode"] for one in both["Failures"]] == ["EntityNotFoundException"]
    for _ in range(100):
        glue.optimizers._strike(("d", "t", "retention"))
        glue.executor.end({"NumberOfDataFilesDeleted": 0})
    page = {**given, "MaxResults": 60}
    newest = glue.optimizers.list_table_optimizer_runs(page)
    oldest = glue.optimizers.list_table_optimizer_runs({**page, "NextToken": newest["NextToken"]})
    listed = [*newest["TableOptimizerRuns"], *oldest["TableOptimizerRuns"]]
    assert len(listed) == 100
    assert run not in listed
    glue.optimizers.update_table_optimizer({**given, "TableOptimizerConfiguration": {"enabled": False}})
    found = glue.optimizers.get_table_optimizer(given)["TableOptimizer"]
    assert found["configuration"] == {**asked, "enabled": False}
    glue.optimizers.delete_table_optimizer(given)
    with pytest.raises(EntityNotFoundException):
        glue.optimizers.get_table_optimizer(given)
