"""Operations of triggers."""

from __future__ import annotations

from millpond.planes.glue.exceptions import AlreadyExistsException, InvalidInputException
from millpond.planes.glue.paging import page
from millpond.planes.glue.requests import Request, Shape, required
from millpond.planes.glue.tags import Tags
from millpond.planes.glue.workflows.automation import Automation
from millpond.planes.glue.workflows.definitions import define
from millpond.planes.glue.workflows.store import Trigger

_PAGE = 200


class Triggers:
    """Operations of triggers.

    Parameters
    ----------
    automation : Automation
        Fires them.
    tags : Tags
        Theirs.
    """

    OPERATIONS = (
        "BatchGetTriggers",
        "CreateTrigger",
        "DeleteTrigger",
        "GetTrigger",
        "GetTriggers",
        "ListTriggers",
        "StartTrigger",
        "StopTrigger",
        "UpdateTrigger",
    )

    def __init__(self, automation: Automation, tags: Tags) -> None:
        self._automation = automation
        self._tags = tags

    def create_trigger(self, request: Request) -> Shape:
        name, kind = str(required(request, "Name")), str(required(request, "Type"))
        starts = bool(request.get("StartOnCreation"))
        if starts and kind == "ON_DEMAND":
            raise InvalidInputException("StartOnCreation is not supported for ON_DEMAND triggers")
        workflow = request.get("WorkflowName") or ""
        # On AWS an EVENT trigger waits for events from its making on.
        state = "ACTIVATED" if starts or kind == "EVENT" else "CREATED"
        trigger = Trigger(define(name, kind, request, workflow, state))
        with self._automation.lock:
            if name in self._automation.state.triggers:
                raise AlreadyExistsException(f"Trigger {name} already exists.")
            if workflow:
                self._automation.workflow(workflow)
                first = [one for one in self._automation.triggers_of(workflow) if one.kind != "CONDITIONAL"]
                if first and kind != "CONDITIONAL":
                    raise InvalidInputException(f"Workflow {workflow} has a starting trigger already")
            self._automation.state.triggers[name] = trigger
            self._tags.create("trigger", name, request.get("Tags"))
            self._automation.set_clock(trigger)
        return {"Name": name}

    def get_trigger(self, request: Request) -> Shape:
        with self._automation.lock:
            return {"Trigger": self._automation.trigger(required(request, "Name")).definition}

    def get_triggers(self, request: Request) -> Shape:
        some, token = page(self._dependent(request), request, _PAGE)
        return {"Triggers": [one.definition for one in some], **token}

    def list_triggers(self, request: Request) -> Shape:
        names = self._tags.fitting("trigger", [one.name for one in self._dependent(request)], request)
        some, token = page(names, request, _PAGE)
        return {"TriggerNames": some, **token}

    def batch_get_triggers(self, request: Request) -> Shape:
        names = required(request, "TriggerNames")
        with self._automation.lock:
            triggers = self._automation.state.triggers
            return {
                "Triggers": [triggers[name].definition for name in names if name in triggers],
                "TriggersNotFound": [name for name in names if name not in triggers],
            }

    def update_trigger(self, request: Request) -> Shape:
        name, update = required(request, "Name"), dict(required(request, "TriggerUpdate"))
        if update.get("Name") not in (None, name):
            raise InvalidInputException("The name of a trigger cannot be changed")
        with self._automation.lock:
            trigger = self._automation.trigger(name)
            old = trigger.definition
            given = {**{key: value for key, value in old.items() if key not in ("Name", "Type")}, **update}
            trigger.definition = define(name, trigger.kind, given, trigger.workflow, old["State"])
            self._automation.set_clock(trigger)
            return {"Trigger": trigger.definition}

    def delete_trigger(self, request: Request) -> Shape:
        """Forget a trigger; AWS answers the same when there was none."""
        name = required(request, "Name")
        with self._automation.lock:
            if name in self._automation.state.triggers:
                self._automation.forget(self._automation.trigger(name))
                self._tags.forget("trigger", name)
        return {"Name": name}

    def start_trigger(self, request: Request) -> Shape:
        """Fire a trigger on demand; let any other fire from now on."""
        with self._automation.lock:
            trigger = self._automation.trigger(required(request, "Name"))
            if trigger.kind == "ON_DEMAND":
                self._automation.fire(trigger)
            else:
                self._set_state(trigger, "ACTIVATED")
        return {"Name": trigger.name}

    def stop_trigger(self, request: Request) -> Shape:
        with self._automation.lock:
            trigger = self._automation.trigger(required(request, "Name"))
            if trigger.kind == "ON_DEMAND":
                raise InvalidInputException("A trigger of type ON_DEMAND cannot be stopped")
            self._set_state(trigger, "DEACTIVATED")
        return {"Name": trigger.name}

    def _set_state(self, trigger: Trigger, state: str) -> None:
        trigger.definition = {**trigger.definition, "State": state}
        self._automation.set_clock(trigger)

    def _dependent(self, request: Request) -> list[Trigger]:
        job = request.get("DependentJobName")
        with self._automation.lock:
            triggers = [
                self._automation.state.triggers[one] for one in sorted(self._automation.state.triggers)
            ]
        return [
            one
            for one in triggers
            if not job or any(action.get("JobName") == job for action in one.definition.get("Actions") or [])
        ]
