"""Fires triggers, and follows what they started."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

from millpond.planes.common.clock import Clock
from millpond.planes.glue.exceptions import (
    ConcurrentRunsExceededException,
    EntityNotFoundException,
    GlueError,
    InvalidInputException,
)
from millpond.planes.glue.requests import now
from millpond.planes.glue.workflows import store
from millpond.planes.glue.workflows.definitions import schedule_of
from millpond.planes.glue.workflows.graph import graph_of, node_id, reached_from
from millpond.planes.glue.workflows.store import (
    AutomationState,
    Ended,
    Origin,
    Progress,
    Shape,
    Step,
    Trigger,
    Workflow,
    WorkflowRun,
)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """What triggers start: the jobs, or the crawlers.

    Parameters
    ----------
    start : callable
        Name, action and origin → the id of the run; raises a ``GlueError`` if it cannot be started.
    stop : callable
        Name and id of a run that goes on.
    look : callable
        Name and id → the run's structure of the API.
    """

    start: Callable[[str, Mapping[str, Any], Origin], str]
    stop: Callable[[str, str], None]
    look: Callable[[str, str], Shape]


class Automation:
    """Triggers and workflows of one account and region.

    Parameters
    ----------
    work : mapping of str to Work
        ``Job`` and ``Crawler``.
    clock : Clock
        For schedules and windows.

    Notes
    -----
    A conditional trigger outside of a workflow follows only what a trigger started, and one in a workflow
    only what the same run of the workflow did ("AWS Glue triggers" and "workflows" in the Developer Guide).
    """

    KEPT = ("state",)

    def __init__(self, work: Mapping[str, Work], clock: Clock) -> None:
        self.lock = threading.RLock()
        self.state = AutomationState()
        self._work = MappingProxyType(dict(work))
        self._clock = clock

    # Looking up; the lock is held

    def trigger(self, name: str) -> Trigger:
        if name not in self.state.triggers:
            raise EntityNotFoundException(f"Trigger {name} not found.")
        return self.state.triggers[name]

    def workflow(self, name: str) -> Workflow:
        if name not in self.state.workflows:
            raise EntityNotFoundException("Entity not found")
        return self.state.workflows[name]

    def run(self, name: str, run_id: str) -> WorkflowRun:
        for run in self.workflow(name).runs:
            if run.id == run_id:
                return run
        raise EntityNotFoundException("Entity not found")

    def triggers_of(self, workflow: str) -> list[Trigger]:
        return [one for one in self.state.triggers.values() if one.workflow == workflow]

    def graph(self, workflow: str, run: WorkflowRun | None) -> Shape:
        return graph_of(self.triggers_of(workflow), run, self._look)

    # Firing

    def settle(self) -> None:
        """Set the clock for every trigger, and end the runs that an engine before has left."""
        with self.lock:
            for trigger in self.state.triggers.values():
                self.set_clock(trigger)
            for run in (one for workflow in self.state.workflows.values() for one in workflow.runs):
                for step in run.steps:
                    step.state = step.state or "FAILED"
                self._settle(run)

    def set_clock(self, trigger: Trigger) -> None:
        """Have a scheduled trigger fire when it is due next, if it is active; the lock is held."""
        if trigger.kind != "SCHEDULED":
            return
        due = schedule_of(trigger.definition["Schedule"]).after(now()) if trigger.is_active else None
        self._clock.set(("trigger", trigger.name), due, partial(self._strike, trigger.name))

    def forget(self, trigger: Trigger) -> None:
        """Delete a trigger; the lock is held."""
        del self.state.triggers[trigger.name]
        self._clock.forget(("trigger", trigger.name))
        self._clock.forget(("window", trigger.name))

    def _strike(self, name: str) -> None:
        with self.lock:
            trigger = self.state.triggers.get(name)
            if trigger is None or not trigger.is_active:
                return
            self.set_clock(trigger)
            try:
                self.fire(trigger)
            except GlueError as error:
                _LOG.warning("trigger %s is due and cannot fire: %s", name, error)

    def fire(self, trigger: Trigger) -> None:
        """Fire a trigger that waits for nothing; one of a workflow starts a run of it. The lock is held."""
        if trigger.workflow:
            self.start_run(trigger.workflow, {}, only=trigger)
        else:
            self._start_actions(trigger, Origin(trigger.name), None)

    def notify_event(self, workflow: str, event_id: str) -> None:
        """An event came for a workflow: it starts a run, once there are as many as its batch has.

        Raises
        ------
        EntityNotFoundException
            If there is no such workflow.
        InvalidInputException
            If no trigger of it is for events.
        """
        with self.lock:
            self.workflow(workflow)
            waiting = [one for one in self.triggers_of(workflow) if one.kind == "EVENT" and one.is_active]
            if not waiting:
                raise InvalidInputException(f"Workflow {workflow} has no active trigger of type EVENT")
            for trigger in waiting:
                trigger.events.append(event_id)
                batching = trigger.definition["EventBatchingCondition"]
                if len(trigger.events) >= batching["BatchSize"]:
                    self._fire_batch(trigger.name)
                elif len(trigger.events) == 1:
                    due = now() + timedelta(seconds=batching["BatchWindow"])
                    self._clock.set(("window", trigger.name), due, partial(self._fire_batch, trigger.name))

    def _fire_batch(self, name: str) -> None:
        with self.lock:
            self._clock.forget(("window", name))
            trigger = self.state.triggers.get(name)
            if trigger is None or not trigger.events:
                return
            events, trigger.events = trigger.events, []
            shown = ",".join(f'"{one}"' for one in events)
            batch = {
                "BatchSize": len(events),
                "BatchWindow": trigger.definition["EventBatchingCondition"]["BatchWindow"],
            }
            try:
                self.start_run(trigger.workflow, {"aws:eventIds": f"[{shown}]"}, only=trigger, batch=batch)
            except GlueError as error:
                _LOG.warning("events for workflow %s started no run: %s", trigger.workflow, error)

    # Runs of workflows

    def start_run(
        self,
        name: str,
        properties: Mapping[str, str],
        *,
        only: Trigger | None = None,
        batch: Shape | None = None,
    ) -> WorkflowRun:
        """Start a run of a workflow by the trigger that it starts with; the lock is held."""
        workflow = self.workflow(name)
        most = workflow.definition.get("MaxConcurrentRuns")
        if most and sum(run.is_going for run in workflow.runs) >= most:
            raise ConcurrentRunsExceededException(f"Concurrent runs exceeded for workflow {name}")
        first = [only] if only else [one for one in self.triggers_of(name) if one.kind != "CONDITIONAL"]
        given = {**(workflow.definition.get("DefaultRunProperties") or {}), **properties}
        run = WorkflowRun(store.new_run_id(), given, now(), event_batch=batch or {})
        workflow.runs.append(run)
        for trigger in first:
            self._start_in(name, run, trigger, ())
        self._settle(run)
        return run

    def resume_run(self, name: str, run_id: str, node_ids: list[str]) -> WorkflowRun:
        """Do some nodes of a run again, and what comes after them; the lock is held.

        What is not done again counts as it ended in the run that is resumed.
        """
        old = self.run(name, run_id)
        graph = self.graph(name, old)
        nodes = {node["UniqueId"]: node for node in graph["Nodes"]}
        if unknown := [one for one in node_ids if one not in nodes or nodes[one]["Type"] == "TRIGGER"]:
            raise InvalidInputException(f"Nodes that are no job or crawler of the run: {', '.join(unknown)}")
        anew = reached_from(node_ids, graph)
        run = WorkflowRun(store.new_run_id(), dict(old.properties), now(), previous_run_id=old.id)
        self.workflow(name).runs.append(run)
        kept = [one for one in old.steps if node_id(one.kind, one.name) not in anew]
        run.steps = [Step(one.kind, one.name, one.id, one.trigger, one.state) for one in kept]
        run.fired = [one for one in old.fired if node_id("Trigger", one) not in anew]
        for trigger in self.triggers_of(name):
            if node_id("Trigger", trigger.name) in anew:
                progress = run.progress.setdefault(trigger.name, Progress())
                for step in run.steps:
                    store.note(trigger, progress, Ended(step.kind, step.name, step.id, step.state, None))
        for one in node_ids:
            self._restart(name, run, nodes[one]["Type"], nodes[one]["Name"], old)
        self._settle(run)
        return run

    def stop_run(self, name: str, run: WorkflowRun) -> None:
        """Stop whatever a run has started; the lock is held."""
        run.status = store.STOPPING
        for step in run.steps:
            if not step.state:
                try:
                    self._work[step.kind].stop(step.name, step.id)
                except GlueError as error:
                    _LOG.info("%s of workflow %s had ended: %s", step.id, name, error)
        self._settle(run)

    def ended(self, ended: Ended) -> None:
        """A job run or a crawl has ended: start what follows from it."""
        origin = ended.origin
        if origin is None:
            return
        with self.lock:
            if origin.workflow:
                self._follow_in(origin.workflow, origin.workflow_run, ended)
                return
            for trigger in [one for one in self.state.triggers.values() if not one.workflow]:
                if trigger.kind == "CONDITIONAL" and trigger.is_active:
                    self._follow(trigger, ended)

    def _follow(self, trigger: Trigger, ended: Ended) -> None:
        if store.note(trigger, trigger.progress, ended):
            met, trigger.progress = trigger.progress, Progress()
            self._start_actions(trigger, Origin(trigger.name, predecessors=_predecessors(met)), None)

    def _follow_in(self, workflow: str, run_id: str, ended: Ended) -> None:
        if workflow not in self.state.workflows:
            return
        run = self.run(workflow, run_id)
        for step in run.steps:
            if step.id == ended.id:
                step.state = ended.state
        for trigger in self.triggers_of(workflow):
            if trigger.kind != "CONDITIONAL" or trigger.name in run.fired or not trigger.is_active:
                continue
            progress = run.progress.setdefault(trigger.name, Progress())
            if store.note(trigger, progress, ended) and run.status == store.RUNNING:
                self._start_in(workflow, run, trigger, _predecessors(progress))
        self._settle(run)

    def _start_in(
        self, workflow: str, run: WorkflowRun, trigger: Trigger, predecessors: tuple[tuple[str, str], ...]
    ) -> None:
        run.fired.append(trigger.name)
        self._start_actions(trigger, Origin(trigger.name, workflow, run.id, predecessors), run)

    def _start_actions(self, trigger: Trigger, origin: Origin, run: WorkflowRun | None) -> None:
        for action in trigger.definition.get("Actions") or []:
            self._start_action(action, origin, run)

    def _start_action(self, action: Mapping[str, Any], origin: Origin, run: WorkflowRun | None) -> None:
        kind = "Job" if action.get("JobName") else "Crawler"
        name = action[f"{kind}Name"]
        try:
            started = self._work[kind].start(name, action, origin)
        except GlueError as error:
            _LOG.warning("trigger %s cannot start %s: %s", origin.trigger, name, error)
            if run is not None:
                run.errored += 1
            return
        if run is not None:
            run.steps.append(Step(kind, name, started, origin.trigger))

    def _restart(self, workflow: str, run: WorkflowRun, kind: str, name: str, old: WorkflowRun) -> None:
        member = "JobName" if kind == "JOB" else "CrawlerName"
        for trigger in self.triggers_of(workflow):
            for action in trigger.definition.get("Actions") or []:
                if action.get(member) == name and trigger.name in old.fired:
                    self._start_action(action, Origin(trigger.name, workflow, run.id), run)
                    return

    def _settle(self, run: WorkflowRun) -> None:
        """End a run in which nothing goes on any more."""
        if run.is_going and all(step.state for step in run.steps):
            run.status = store.STOPPED if run.status == store.STOPPING else store.COMPLETED
            run.completed_on = now()

    def _look(self, kind: str, name: str, run_id: str) -> Shape:
        shown: Shape = self._work[kind].look(name, run_id)
        return shown


def _predecessors(progress: Progress) -> tuple[tuple[str, str], ...]:
    return tuple((name, run_id) for kind, name, run_id in progress.met.values() if kind == "Job")
