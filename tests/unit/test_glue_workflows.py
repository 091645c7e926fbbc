"""Triggers fire when they should, once, and workflows follow what was started for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from millpond.planes.common.clock import Clock
from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.common.cron import parse_schedule
from millpond.planes.glue.exceptions import (
    ConcurrentRunsExceededException,
    GlueError,
    IllegalWorkflowStateException,
    InvalidInputException,
)
from millpond.planes.glue.tags import Tags
from millpond.planes.glue.workflows import Automation, Ended, Origin
from millpond.planes.glue.workflows.triggers import Triggers
from millpond.planes.glue.workflows.workflows import Workflows

CONDITION = {"JobName": "a"}


class FakeWork:
    """Jobs or crawlers that end when they are told to."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.started: list[tuple[str, str, Origin]] = []
        self.stopped: list[str] = []
        self.arguments: list[Any] = []
        self.is_refusing = False

    def start(self, name: str, action: Any, origin: Origin) -> str:
        if self.is_refusing:
            raise ConcurrentRunsExceededException("no")
        self.started.append((name, f"{self.kind}{len(self.started)}", origin))
        self.arguments.append(action.get("Arguments"))
        return self.started[-1][1]

    def stop(self, _name: str, run_id: str) -> None:
        self.stopped.append(run_id)

    def look(self, name: str, run_id: str) -> dict[str, Any]:
        return {"Id": run_id, "JobName": name}

    def names(self) -> list[str]:
        return [name for name, _, _ in self.started]


class Everything(Triggers, Workflows):
    def __init__(self, tmp_path: Any) -> None:
        self.jobs, self.crawlers = FakeWork("jr"), FakeWork("cr")
        self.clock = Clock("test")
        self._automation = Automation({"Job": self.jobs, "Crawler": self.crawlers}, self.clock)  # type: ignore[dict-item]
        tools = Tools(tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, {})
        self._tags = Tags(PlaneContext("http://127.0.0.1:9", "eu-west-1", "0" * 12, tmp_path, tools))

    def end(self, name: str, state: str = "SUCCEEDED", kind: str = "Job") -> None:
        work = self.jobs if kind == "Job" else self.crawlers
        found = [one for one in work.started if one[0] == name][-1]
        self._automation.ended(Ended(kind, name, found[1], state, found[2]))

    def make(self, name: str, kind: str, *jobs: str, **more: Any) -> None:
        actions = [{"JobName": job} for job in jobs]
        self.create_trigger({"Name": name, "Type": kind, "Actions": actions, **more})

    def after(self, name: str, watched: str, *jobs: str, logical: str = "AND", **more: Any) -> None:
        conditions = [
            {"LogicalOperator": "EQUALS", "JobName": one, "State": "SUCCEEDED"} for one in watched.split()
        ]
        predicate = {"Logical": logical, "Conditions": conditions}
        self.make(name, "CONDITIONAL", *jobs, Predicate=predicate, StartOnCreation=True, **more)

    def run_of(self, name: str, run_id: str) -> dict[str, Any]:
        run: dict[str, Any] = self.get_workflow_run({"Name": name, "RunId": run_id, "IncludeGraph": True})[
            "Run"
        ]
        return run


@pytest.fixture
def glue(tmp_path: Any) -> Iterator[Everything]:
    glue = Everything(tmp_path)
    yield glue
    glue.clock.close()


@pytest.mark.parametrize(
    ("text", "after", "due"),
    [
        ("cron(15 12 * * ? *)", "2026-01-01T12:15", "2026-01-02T12:15"),
        ("cron(0/20 8-9 ? * MON-FRI *)", "2026-01-02T09:40", "2026-01-05T08:00"),
        ("cron(0 0 L * ? *)", "2024-02-01T00:00", "2024-02-29T00:00"),
        ("cron(0 0 1W * ? *)", "2026-08-01T00:00", "2026-08-03T00:00"),
        ("cron(0 6 ? * 6L *)", "2026-01-01T00:00", "2026-01-30T06:00"),
        ("cron(0 6 ? * TUE#2 *)", "2026-01-01T00:00", "2026-01-13T06:00"),
        ("cron(30 4 29 FEB ? *)", "2026-01-01T00:00", "2028-02-29T04:30"),
        ("cron(0 0 1 1 ? 2020)", "2026-01-01T00:00", None),
    ],
)
def test_a_schedule_is_due_when_awss_cron_says(text: str, after: str, due: str | None) -> None:
    found = parse_schedule(text).after(datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert (found and found.strftime("%Y-%m-%dT%H:%M")) == due


@pytest.mark.parametrize(
    "text", ["rate(5 minutes)", "cron(* * * * * *)", "cron(60 * * * ? *)", "cron(0 0 0 * ?)"]
)
def test_what_is_no_schedule_is_refused(text: str, glue: Everything) -> None:
    with pytest.raises(InvalidInputException, match="Schedule is not valid"):
        glue.make("t", "SCHEDULED", "j", Schedule=text)


def test_a_clock_does_what_is_due_and_nothing_that_was_forgotten() -> None:
    times = [datetime(2026, 1, 1, tzinfo=UTC)]
    clock, done = Clock("test", lambda: times[0]), threading.Event()
    clock.set(("a", ""), times[0], lambda: (_ for _ in ()).throw(RuntimeError("goes on")))
    clock.set(("b", ""), None, lambda: None)
    clock.set(("c", ""), times[0], done.set)
    assert done.wait(5)
    clock.close()


def test_a_chain_follows_what_triggers_started_and_not_what_was_started_by_hand(glue: Everything) -> None:
    glue.make("first", "ON_DEMAND", "a", "b")
    glue.after("both", "a b", "c")
    glue.after("any", "a b", "d", logical="ANY")
    glue._automation.ended(Ended("Job", "a", "jr", "SUCCEEDED", None))
    assert glue.jobs.names() == []
    glue.start_trigger({"Name": "first"})
    glue.end("a")
    assert glue.jobs.names() == ["a", "b", "d"]
    glue.end("b", "FAILED")
    assert glue.jobs.names() == ["a", "b", "d"]
    glue.start_trigger({"Name": "first"})
    glue.end("b")
    assert sorted(glue.jobs.names()) == ["a", "a", "b", "b", "c", "d", "d"]
    assert dict(next(one[2] for one in glue.jobs.started if one[0] == "c").predecessors).keys() == {"a", "b"}


def test_a_trigger_that_is_stopped_does_not_fire(glue: Everything) -> None:
    glue.make("first", "ON_DEMAND", "a")
    glue.after("then", "a", "b")
    glue.stop_trigger({"Name": "then"})
    glue.start_trigger({"Name": "first"})
    glue.end("a")
    assert glue.jobs.names() == ["a"]
    with pytest.raises(InvalidInputException):
        glue.stop_trigger({"Name": "first"})


def test_a_workflow_run_goes_through_its_graph_with_its_properties(glue: Everything) -> None:
    glue.create_workflow({"Name": "w", "DefaultRunProperties": {"a": "1", "b": "1"}, "MaxConcurrentRuns": 1})
    glue.make("start", "ON_DEMAND", "a", WorkflowName="w")
    glue.after("then", "a", "b", WorkflowName="w")
    run_id = glue.start_workflow_run({"Name": "w", "RunProperties": {"b": "2"}})["RunId"]
    assert glue.jobs.started[0][2].arguments() == {"--WORKFLOW_NAME": "w", "--WORKFLOW_RUN_ID": run_id}
    with pytest.raises(ConcurrentRunsExceededException):
        glue.start_workflow_run({"Name": "w"})
    glue.end("a")
    run = glue.run_of("w", run_id)
    assert (run["Status"], run["WorkflowRunProperties"]) == ("RUNNING", {"a": "1", "b": "2"})
    assert (run["Statistics"]["SucceededActions"], run["Statistics"]["RunningActions"]) == (1, 1)
    assert sorted(node["Name"] for node in run["Graph"]["Nodes"]) == ["a", "b", "start", "then"]
    assert len(run["Graph"]["Edges"]) == 3
    glue.end("b")
    run = glue.run_of("w", run_id)
    assert (run["Status"], run["Statistics"]["SucceededActions"], "CompletedOn" in run) == (
        "COMPLETED",
        2,
        True,
    )


def test_a_run_is_resumed_from_what_failed(glue: Everything) -> None:
    glue.create_workflow({"Name": "w"})
    glue.make("start", "ON_DEMAND", "a", "x", WorkflowName="w")
    glue.after("then", "a x", "b", WorkflowName="w")
    run_id = glue.start_workflow_run({"Name": "w"})["RunId"]
    glue.end("x"), glue.end("a", "FAILED")
    run = glue.run_of("w", run_id)
    assert (run["Status"], run["Statistics"]["FailedActions"]) == ("COMPLETED", 1)
    node = next(one["UniqueId"] for one in run["Graph"]["Nodes"] if one["Name"] == "a")
    resumed = glue.resume_workflow_run({"Name": "w", "RunId": run_id, "NodeIds": [node]})["RunId"]
    glue.end("a"), glue.end("b")
    run = glue.run_of("w", resumed)
    assert (run["Status"], run["PreviousRunId"], glue.jobs.names()) == (
        "COMPLETED",
        run_id,
        ["a", "x", "a", "b"],
    )


def test_a_run_that_is_stopped_stops_what_it_started_and_starts_no_more(glue: Everything) -> None:
    glue.create_workflow({"Name": "w"})
    glue.make("start", "ON_DEMAND", "a", WorkflowName="w")
    glue.after("then", "a", "b", WorkflowName="w")
    run_id = glue.start_workflow_run({"Name": "w"})["RunId"]
    glue.stop_workflow_run({"Name": "w", "RunId": run_id})
    assert (glue.jobs.stopped, glue.run_of("w", run_id)["Status"]) == (["jr0"], "STOPPING")
    glue.end("a", "STOPPED")
    assert (glue.run_of("w", run_id)["Status"], glue.jobs.names()) == ("STOPPED", ["a"])
    with pytest.raises(IllegalWorkflowStateException):
        glue.stop_workflow_run({"Name": "w", "RunId": run_id})


def test_an_action_that_cannot_be_started_is_counted(glue: Everything) -> None:
    glue.jobs.is_refusing = True
    glue.create_workflow({"Name": "w"})
    glue.make("start", "ON_DEMAND", "a", WorkflowName="w")
    run_id = glue.start_workflow_run({"Name": "w"})["RunId"]
    run = glue.run_of("w", run_id)
    assert (run["Status"], run["Statistics"]["ErroredActions"]) == ("COMPLETED", 1)


def test_events_start_a_run_for_each_batch(glue: Everything) -> None:
    glue.create_workflow({"Name": "w"})
    glue.make(
        "start", "EVENT", "a", WorkflowName="w", EventBatchingCondition={"BatchSize": 2, "BatchWindow": 900}
    )
    for event in ("e1", "e2", "e3"):
        glue._automation.notify_event("w", event)
    (run,) = glue.get_workflow_runs({"Name": "w"})["Runs"]
    assert run["WorkflowRunProperties"] == {"aws:eventIds": '["e1","e2"]'}
    assert run["StartingEventBatchCondition"]["BatchSize"] == 2
    glue._automation._fire_batch("start")
    assert len(glue.get_workflow_runs({"Name": "w"})["Runs"]) == 2


def test_a_crawl_is_waited_for_as_a_job_is(glue: Everything) -> None:
    glue.create_trigger({"Name": "go", "Type": "ON_DEMAND", "Actions": [{"CrawlerName": "c"}]})
    condition = {"LogicalOperator": "EQUALS", "CrawlerName": "c", "CrawlState": "SUCCEEDED"}
    glue.make("then", "CONDITIONAL", "a", Predicate={"Conditions": [condition]}, StartOnCreation=True)
    glue.start_trigger({"Name": "go"})
    glue.end("c", kind="Crawler")
    assert glue.jobs.names() == ["a"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"Type": "CONDITIONAL", "Predicate": {"Conditions": [CONDITION]}}, "Logical operator cannot be"),
        (
            {"Type": "CONDITIONAL", "Predicate": {"Conditions": [CONDITION | {"LogicalOperator": "EQUALS"}]}},
            "State cannot be null or empty, choose from one of the following job state",
        ),
        ({"Actions": [{"JobName": "a", "CrawlerName": "b"}]}, "Both JobName and CrawlerName"),
        ({"Type": "CONDITIONAL"}, "Predicate cannot be null or empty"),
        (
            {"Type": "CONDITIONAL", "Predicate": {"Conditions": [{"JobName": "a"}]}},
            "Logical operator cannot be",
        ),
        (
            {
                "Type": "CONDITIONAL",
                "Predicate": {"Conditions": [{"JobName": "a", "LogicalOperator": "EQUALS"}]},
            },
            "State cannot be null or empty, choose from one of the following job state",
        ),
        ({"Type": "SCHEDULED"}, "Schedule cannot be null"),
        ({"StartOnCreation": True}, "StartOnCreation is not supported for ON_DEMAND"),
        ({"Type": "EVENT"}, "must be part of a workflow"),
    ],
)
def test_a_trigger_that_could_not_fire_is_refused(
    more: dict[str, Any], message: str, glue: Everything
) -> None:
    with pytest.raises(GlueError, match=message):
        glue.create_trigger({"Name": "t", "Type": "ON_DEMAND", "Actions": [{"JobName": "a"}], **more})
