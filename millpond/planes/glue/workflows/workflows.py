"""Operations of workflows and their runs."""

from __future__ import annotations

from collections.abc import Iterable

from millpond.planes.glue.exceptions import AlreadyExistsException, IllegalWorkflowStateException
from millpond.planes.glue.paging import page
from millpond.planes.glue.requests import Request, Shape, chosen, now, required
from millpond.planes.glue.tags import Tags
from millpond.planes.glue.workflows import store
from millpond.planes.glue.workflows.automation import Automation
from millpond.planes.glue.workflows.store import Step, Workflow, WorkflowRun

_MEMBERS = ("Description", "DefaultRunProperties", "MaxConcurrentRuns")
_COUNTED = {
    "TIMEOUT": "TimeoutActions",
    "FAILED": "FailedActions",
    "ERROR": "FailedActions",
    "STOPPED": "StoppedActions",
    "CANCELLED": "StoppedActions",
    "SUCCEEDED": "SucceededActions",
}


class Workflows:
    """Operations of workflows.

    Parameters
    ----------
    automation : Automation
        Runs them.
    tags : Tags
        Theirs.
    """

    OPERATIONS = (
        "BatchGetWorkflows",
        "CreateWorkflow",
        "DeleteWorkflow",
        "GetWorkflow",
        "GetWorkflowRun",
        "GetWorkflowRunProperties",
        "GetWorkflowRuns",
        "ListWorkflows",
        "PutWorkflowRunProperties",
        "ResumeWorkflowRun",
        "StartWorkflowRun",
        "StopWorkflowRun",
        "UpdateWorkflow",
    )

    def __init__(self, automation: Automation, tags: Tags) -> None:
        self._automation = automation
        self._tags = tags

    def create_workflow(self, request: Request) -> Shape:
        name, made = str(required(request, "Name")), now()
        with self._automation.lock:
            if name in self._automation.state.workflows:
                raise AlreadyExistsException(f"Workflow {name} already exists.")
            self._automation.state.workflows[name] = Workflow(
                {"Name": name, "CreatedOn": made, "LastModifiedOn": made, **chosen(request, *_MEMBERS)}
            )
            self._tags.create("workflow", name, request.get("Tags"))
        return {"Name": name}

    def get_workflow(self, request: Request) -> Shape:
        name = required(request, "Name")
        with self._automation.lock:
            return {"Workflow": self._shown(name, bool(request.get("IncludeGraph")))}

    def batch_get_workflows(self, request: Request) -> Shape:
        names = required(request, "Names")
        with self._automation.lock:
            there = self._automation.state.workflows
            return {
                "Workflows": [
                    self._shown(name, bool(request.get("IncludeGraph"))) for name in names if name in there
                ],
                "MissingWorkflows": [name for name in names if name not in there],
            }

    def list_workflows(self, request: Request) -> Shape:
        with self._automation.lock:
            names = sorted(self._automation.state.workflows)
        some, token = page(names, request, 25)
        return {"Workflows": some, **token}

    def update_workflow(self, request: Request) -> Shape:
        name = required(request, "Name")
        with self._automation.lock:
            workflow = self._automation.workflow(name)
            update = {**chosen(request, *_MEMBERS), "LastModifiedOn": now()}
            workflow.definition = {**workflow.definition, **update}
        return {"Name": name}

    def delete_workflow(self, request: Request) -> Shape:
        """Forget a workflow with its triggers; AWS answers the same when there was none."""
        name = required(request, "Name")
        with self._automation.lock:
            if name in self._automation.state.workflows:
                for trigger in self._automation.triggers_of(name):
                    self._automation.forget(trigger)
                    self._tags.forget("trigger", trigger.name)
                del self._automation.state.workflows[name]
                self._tags.forget("workflow", name)
        return {"Name": name}

    # Runs

    def start_workflow_run(self, request: Request) -> Shape:
        with self._automation.lock:
            run = self._automation.start_run(required(request, "Name"), request.get("RunProperties") or {})
        return {"RunId": run.id}

    def get_workflow_run(self, request: Request) -> Shape:
        with self._automation.lock:
            run = self._run(request)
            return {"Run": self._shown_run(request["Name"], run, bool(request.get("IncludeGraph")))}

    def get_workflow_runs(self, request: Request) -> Shape:
        name = required(request, "Name")
        with self._automation.lock:
            some, token = page(list(reversed(self._automation.workflow(name).runs)), request)
            graph = bool(request.get("IncludeGraph"))
            return {"Runs": [self._shown_run(name, run, graph) for run in some], **token}

    def get_workflow_run_properties(self, request: Request) -> Shape:
        with self._automation.lock:
            return {"RunProperties": dict(self._run(request).properties)}

    def put_workflow_run_properties(self, request: Request) -> Shape:
        with self._automation.lock:
            run = self._run(request)
            run.properties = {**run.properties, **required(request, "RunProperties")}
        return {}

    def stop_workflow_run(self, request: Request) -> Shape:
        with self._automation.lock:
            run = self._run(request)
            if run.status != store.RUNNING:
                raise IllegalWorkflowStateException(
                    f"Workflow run {run.id} is {run.status} and cannot be stopped"
                )
            self._automation.stop_run(request["Name"], run)
        return {}

    def resume_workflow_run(self, request: Request) -> Shape:
        with self._automation.lock:
            old = self._run(request)
            if old.is_going:
                raise IllegalWorkflowStateException(f"Workflow run {old.id} has not ended")
            nodes = list(required(request, "NodeIds"))
            run = self._automation.resume_run(request["Name"], old.id, nodes)
        return {"RunId": run.id, "NodeIds": nodes}

    def _run(self, request: Request) -> WorkflowRun:
        return self._automation.run(required(request, "Name"), required(request, "RunId"))

    def _shown(self, name: str, with_graph: bool) -> Shape:
        workflow = self._automation.workflow(name)
        shape = dict(workflow.definition)
        if workflow.runs:
            shape["LastRun"] = self._shown_run(name, workflow.runs[-1], with_graph=False)
        if with_graph:
            shape["Graph"] = self._automation.graph(name, None)
        return shape

    def _shown_run(self, name: str, run: WorkflowRun, with_graph: bool) -> Shape:
        shape = {
            "Name": name,
            "WorkflowRunId": run.id,
            "WorkflowRunProperties": dict(run.properties),
            "StartedOn": run.started_on,
            "Status": run.status,
            "Statistics": statistics(run.steps, run.errored),
        }
        if run.completed_on:
            shape["CompletedOn"] = run.completed_on
        if run.previous_run_id:
            shape["PreviousRunId"] = run.previous_run_id
        if run.event_batch:
            shape["StartingEventBatchCondition"] = run.event_batch
        if with_graph:
            shape["Graph"] = self._automation.graph(name, run)
        return shape


def statistics(steps: Iterable[Step], errored: int) -> Shape:
    """The ``WorkflowRunStatistics`` structure."""
    steps = list(steps)
    counts = dict.fromkeys((*_COUNTED.values(), "RunningActions"), 0)
    for step in steps:
        counts[_COUNTED[step.state] if step.state else "RunningActions"] += 1
    return {"TotalActions": len(steps) + errored, "ErroredActions": errored, "WaitingActions": 0, **counts}
