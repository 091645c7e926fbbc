"""What Glue tells EventBridge and CloudWatch of runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from millpond.planes.glue import events, jobs, metrics, runs
from millpond.planes.glue.runs import JobRun, State

NOW = datetime(2024, 5, 31, 12, 0, tzinfo=UTC)


def ended(state: str, error: str | None = None, command: str = "glueetl") -> JobRun:
    request = {
        "Role": "r",
        "Command": {"Name": command, "ScriptLocation": "s3://b/s.py"},
        "GlueVersion": "3.0",
    }
    definition = jobs.define("ingest", request, created=NOW, modified=NOW)
    run = JobRun("jr_1", definition, {}, runs.settings_of(definition, {}), NOW)
    run.advance(State.RUNNING, NOW)
    if state == "STOPPED":
        run.advance(State.STOPPING, NOW)
    run.advance(State(state), NOW + timedelta(seconds=90), error)
    return run


@pytest.mark.parametrize(
    ("state", "severity", "message"),
    [
        ("SUCCEEDED", "INFO", "Job run succeeded"),
        ("STOPPED", "INFO", "Job run stopped"),
        ("TIMEOUT", "WARN", "Job run timed out"),
        (
            "FAILED",
            "ERROR",
            "JobName:ingest and JobRunId:jr_1 failed to execute with exception no such table",
        ),
    ],
)
def test_ended_run_is_told_as_a_state_change(state: str, severity: str, message: str) -> None:
    entry = events.state_change(ended(state, "no such table" if state == "FAILED" else None))
    assert (entry["Source"], entry["DetailType"]) == ("aws.glue", "Glue Job State Change")
    assert json.loads(entry["Detail"]) == {
        "jobName": "ingest",
        "severity": severity,
        "state": state,
        "jobRunId": "jr_1",
        "message": message,
    }


def test_late_run_is_told_with_its_threshold_and_its_state() -> None:
    run = ended("SUCCEEDED")
    run.state = State.RUNNING
    entry = events.run_status(run, 5)
    assert entry["DetailType"] == "Glue Job Run Status"
    assert json.loads(entry["Detail"]) == {
        "jobName": "ingest",
        "severity": "INFO",
        "notificationCondition": {"NotifyDelayAfter": 5.0},
        "state": "RUNNING",
        "jobRunId": "jr_1",
        "message": "Job is in RUNNING state",
        "startedOn": "2024-05-31T12:00:00.000Z",
    }


def of_run(run: JobRun, job_arguments: dict[str, str]) -> list[dict[str, Any]]:
    run.job["DefaultArguments"] = job_arguments
    return metrics.of_run(run)


def by_dimensions(data: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    return {
        (one["MetricName"], next(d["Value"] for d in one["Dimensions"] if d["Name"] == "JobRunId")): one[
            "Value"
        ]
        for one in data
    }


def test_spark_run_reports_the_metrics_that_its_job_enables() -> None:
    run = ended("SUCCEEDED")
    assert of_run(run, {}) == []
    assert of_run(run, {"--enable-metrics": "false"}) == []
    elapsed = "glue.driver.aggregate.elapsedTime"
    assert by_dimensions(of_run(run, {"--enable-metrics": ""})) == {
        (elapsed, "jr_1"): 90_000,
        (elapsed, "ALL"): 90_000,
    }
    observed = {"--enable-observability-metrics": "true"}
    assert set(by_dimensions(of_run(run, observed))) == {
        ("glue.succeed.ALL", "jr_1"),
        ("glue.succeed.ALL", "ALL"),
    }
    assert ("glue.error.ALL", "ALL") in by_dimensions(of_run(ended("FAILED", "x"), observed))


def test_what_spark_counts_is_told_under_the_names_of_glue() -> None:
    run = ended("SUCCEEDED")
    counted = ("bytes_read", "bytes_written", "shuffle_bytes_written", "shuffle_bytes_read", "disk_bytes")
    tasks = ("completed_tasks", "failed_tasks", "killed_tasks", "completed_stages")
    records = ("records_read", "records_written", "heap_used", "heap_most")
    run.measures = {name: number for number, name in enumerate((*counted, *tasks, *records), 1)}
    profiled = by_dimensions(of_run(run, {"--enable-metrics": ""}))
    assert profiled["glue.driver.aggregate.numCompletedTasks", "jr_1"] == 6
    assert profiled["glue.driver.aggregate.recordsRead", "ALL"] == 10
    assert profiled["glue.ALL.jvm.heap.usage", "jr_1"] == 12 / 13
    observed = by_dimensions(of_run(run, {"--enable-observability-metrics": ""}))
    assert observed["glue.driver.recordsWritten", "jr_1"] == 11
    assert observed["glue.driver.memory.heap.used.percentage", "ALL"] == 100 * 12 / 13
    assert not profiled.keys() & observed.keys()


def test_shell_run_reports_no_metrics() -> None:
    assert of_run(ended("SUCCEEDED", command="pythonshell"), {"--enable-metrics": ""}) == []
