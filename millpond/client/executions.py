"""Starting a state machine and following its execution, state by state."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.client.listing import pages

POLL_SECONDS = 0.3


@dataclass(frozen=True)
class StateEvent:
    """A state that was entered or left, or the end of an execution.

    Parameters
    ----------
    kind : {"entered", "exited", "failed", "ended"}
        What happened; ``failed`` is an event of a task that an execution may still catch.
    name : str
        The state; of the end the execution's status.
    detail : str
        Error and cause, or the output of an execution that has ended.
    """

    kind: str
    name: str
    detail: str = ""


@dataclass(frozen=True)
class Machine:
    """A state machine.

    Parameters
    ----------
    arn : str
        Its ARN.
    is_express : bool
        Whether its executions keep no history that could be asked for ("Choosing workflow type" in the Step
        Functions Developer Guide).
    """

    arn: str
    is_express: bool


def find_machine(aws: Aws, name: str) -> Machine:
    """A state machine by its name or ARN.

    Raises
    ------
    MillpondError
        If there is none; it names those that are there.
    """
    machines = {
        machine["name"]: Machine(machine["stateMachineArn"], machine["type"] == "EXPRESS")
        for machine in pages(aws.stepfunctions, "list_state_machines", "stateMachines")
    }
    by_arn = {machine.arn: machine for machine in machines.values()}
    if (match := machines.get(name) or by_arn.get(name)) is None:
        known = ", ".join(sorted(machines)) or "none is deployed"
        raise MillpondError(
            f"There is no state machine {name}.", next_step=f"name one of the state machines: {known}"
        )
    return match


def start_execution(aws: Aws, machine: Machine, text: str) -> str:
    """Start an execution with an input; its ARN.

    Raises
    ------
    MillpondError
        If the input is not JSON.
    """
    _check_input(text)
    return aws.stepfunctions.start_execution(stateMachineArn=machine.arn, input=text)["executionArn"]


def run_express(aws: Aws, machine: Machine, text: str) -> StateEvent:
    """The end of an execution that is waited for, by ``StartSyncExecution``.

    Raises
    ------
    MillpondError
        If the input is not JSON.
    """
    _check_input(text)
    return _end_of(aws.stepfunctions.start_sync_execution(stateMachineArn=machine.arn, input=text))


def _check_input(text: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        raise MillpondError(f"The input is not JSON: {error}.", where=text[:200]) from error


def _end_of(execution: Mapping[str, Any]) -> StateEvent:
    error = ": ".join(part for part in (execution.get("error"), execution.get("cause")) if part)
    return StateEvent("ended", execution["status"], execution.get("output") or error)


def follow_execution(aws: Aws, arn: str) -> Iterator[StateEvent]:
    """What an execution does, until it has ended; the last event is its end."""
    seen = 0
    while True:
        # Asked before the history is read, so that what is read after the end is all there is.
        execution = aws.stepfunctions.describe_execution(executionArn=arn)
        events = list(pages(aws.stepfunctions, "get_execution_history", "events", executionArn=arn))
        for event in events[seen:]:
            if state_event := _state_event(event):
                yield state_event
        seen = len(events)
        if execution["status"] != "RUNNING":
            yield _end_of(execution)
            return
        time.sleep(POLL_SECONDS)


def _state_event(event: dict[str, Any]) -> StateEvent | None:
    if details := event.get("stateEnteredEventDetails"):
        return StateEvent("entered", details["name"])
    if details := event.get("stateExitedEventDetails"):
        return StateEvent("exited", details["name"])
    if event["type"].endswith(("Failed", "TimedOut")) and not event["type"].startswith("Execution"):
        of_event: dict[str, Any] = next((v for k, v in event.items() if k.endswith("EventDetails")), {})
        parts = (of_event.get("error"), of_event.get("cause"))
        return StateEvent("failed", event["type"], ": ".join(part for part in parts if part))
    return None
