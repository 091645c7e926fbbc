"""What is kept of triggers, workflows and their runs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

Shape = dict[str, Any]

RUNNING, COMPLETED, STOPPING, STOPPED = "RUNNING", "COMPLETED", "STOPPING", "STOPPED"


@dataclass(frozen=True)
class Origin:
    """What started a job run or a crawl.

    Parameters
    ----------
    trigger : str
        Name of the trigger.
    workflow, workflow_run : str
        Name of the workflow and id of its run; empty for a trigger of its own.
    predecessors : tuple of (str, str)
        Job and run id of the runs that its conditions were met by.
    """

    trigger: str
    workflow: str = ""
    workflow_run: str = ""
    predecessors: tuple[tuple[str, str], ...] = ()

    def arguments(self) -> dict[str, str]:
        """What a script finds of it among its arguments."""
        if not self.workflow:
            return {}
        return {"--WORKFLOW_NAME": self.workflow, "--WORKFLOW_RUN_ID": self.workflow_run}


@dataclass(frozen=True)
class Ended:
    """A job run or a crawl that has ended for good.

    Parameters
    ----------
    kind : str
        ``Job`` or ``Crawler``.
    name, id, state : str
        Of the job or crawler, of the run or crawl, and how it ended.
    origin : Origin, optional
        None if somebody started it by hand: then nothing follows from it.
    """

    kind: str
    name: str
    id: str
    state: str
    origin: Origin | None


@dataclass
class Progress:
    """Which conditions of a trigger are met: place of each, and by what."""

    met: dict[int, tuple[str, str, str]] = field(default_factory=dict)


@dataclass
class Trigger:
    """A trigger.

    Parameters
    ----------
    definition : dict
        The ``Trigger`` structure; replaced when it changes.
    progress : Progress
        Outside of workflows.
    events : list of str
        Ids of events that wait for their batch.
    """

    definition: Shape
    progress: Progress = field(default_factory=Progress)
    events: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.definition["Name"])

    @property
    def kind(self) -> str:
        return str(self.definition["Type"])

    @property
    def workflow(self) -> str:
        return str(self.definition.get("WorkflowName") or "")

    @property
    def is_active(self) -> bool:
        return bool(self.definition["State"] == "ACTIVATED")

    @property
    def conditions(self) -> list[Shape]:
        return list((self.definition.get("Predicate") or {}).get("Conditions") or [])


@dataclass
class Step:
    """A job run or a crawl of a workflow run: what it is, what started it, and how it has ended."""

    kind: str
    name: str
    id: str
    trigger: str
    state: str = ""


@dataclass
class WorkflowRun:
    """A run of a workflow.

    Parameters
    ----------
    id : str
        ``wr_`` and 64 hexadecimal digits.
    properties : dict
        Which scripts read and write.
    started_on, completed_on : datetime
        When it began and ended.
    previous_run_id : str
        That it resumes.
    event_batch : dict
        The events that started it.
    steps : list of Step
        What was started for it.
    progress : dict of str to Progress
        By trigger.
    fired : list of str
        Triggers that have.
    errored : int
        Actions that could not be started.
    """

    id: str
    properties: dict[str, str]
    started_on: datetime
    completed_on: datetime | None = None
    status: str = RUNNING
    previous_run_id: str = ""
    event_batch: Shape = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    progress: dict[str, Progress] = field(default_factory=dict)
    fired: list[str] = field(default_factory=list)
    errored: int = 0

    @property
    def is_going(self) -> bool:
        return self.status in (RUNNING, STOPPING)


@dataclass
class Workflow:
    """A workflow and its runs, the oldest first."""

    definition: Shape
    runs: list[WorkflowRun] = field(default_factory=list)


@dataclass
class AutomationState:
    """What is kept of triggers and workflows."""

    KEPT: ClassVar[tuple[str, ...]] = ("triggers", "workflows")

    triggers: dict[str, Trigger] = field(default_factory=dict)
    workflows: dict[str, Workflow] = field(default_factory=dict)


def new_run_id() -> str:
    return f"wr_{secrets.token_hex(32)}"


def meets(condition: Mapping[str, Any], ended: Ended) -> bool:
    """Whether something that ended is what a condition waits for."""
    state = condition.get("State") if ended.kind == "Job" else condition.get("CrawlState")
    return bool(condition.get(f"{ended.kind}Name") == ended.name and state == ended.state)


def note(trigger: Trigger, progress: Progress, ended: Ended) -> bool:
    """Take note of what ended; whether the trigger's conditions are met now."""
    matching = [place for place, one in enumerate(trigger.conditions) if meets(one, ended)]
    for place in matching:
        progress.met[place] = ended.kind, ended.name, ended.id
    if (trigger.definition["Predicate"].get("Logical") or "AND") == "ANY":
        return bool(matching)
    return bool(matching) and len(progress.met) == len(trigger.conditions)
