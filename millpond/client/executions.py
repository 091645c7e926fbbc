"""Starting a state machine and following its execution, state by state."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
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


def start_execution(aws: Aws, name: str, text: str) -> str:
    """Start an execution of a state machine, given by name or ARN; its ARN.

    Raises
    ------
    MillpondError
        If the input is not JSON, or there is no such state machine; it names those that are there.
    """
    try:
        json.loads(text)
    except ValueError as error:
        raise MillpondError(f"The input is not JSON: {error}.", where=text[:200]) from error
    machines = {
        machine["name"]: machine["stateMachineArn"]
        for machine in pages(aws.stepfunctions, "list_state_machines", "stateMachines")
    }
    arn = name if name in machines.values() else machines.get(name)
    if arn is None:
        known = ", ".join(sorted(machines)) or "none is deployed"
        raise MillpondError(
            f"There is no state machine {name}.", next_step=f"name one of the state machines: {known}"
        )
    return aws.stepfunctions.start_execution(stateMachineArn=arn, input=text)["executionArn"]


def follow_execution(aws: Aws, arn: str) -> Iterator[StateEvent]:
    """What an execution does, until it has ended; the last event is its end."""
    seen = 0
    while True:
        # Asked before the history is read, so that what is read after the end is all there is.
        execution = aws.stepfunctions.describe_execution(executionArn=arn)
        events = list(pages(aws.stepfunctions, "get_execution_history", "events", executionArn=arn))
        for event in events[seen:]:
            if told := _told(event):
                yield told
        seen = len(events)
        if execution["status"] != "RUNNING":
            error = ": ".join(part for part in (execution.get("error"), execution.get("cause")) if part)
            yield StateEvent("ended", execution["status"], execution.get("output") or error)
            return
        time.sleep(POLL_SECONDS)


def _told(event: dict[str, Any]) -> StateEvent | None:
    if details := event.get("stateEnteredEventDetails"):
        return StateEvent("entered", details["name"])
    if details := event.get("stateExitedEventDetails"):
        return StateEvent("exited", details["name"])
    if event["type"].endswith(("Failed", "TimedOut")) and not event["type"].startswith("Execution"):
        of_event: dict[str, Any] = next((v for k, v in event.items() if k.endswith("EventDetails")), {})
        parts = (of_event.get("error"), of_event.get("cause"))
        return StateEvent("failed", event["type"], ": ".join(part for part in parts if part))
    return None
