"""State machines: one that is deployed, or a definition of one's own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_millpond.clients import Aws
from pytest_millpond.glue import role_of
from pytest_millpond.waiting import wait_until

EXECUTION_SECONDS = 600.0
SHOWN_EVENTS = 15


@dataclass(frozen=True)
class Execution:
    """An execution that has ended.

    Parameters
    ----------
    machine : str
        The state machine's name.
    status : str
        ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``ABORTED``.
    output : object
        What it put out, from JSON; None unless it succeeded.
    error, cause : str
        Of its failure.
    states : tuple of str
        The states that it entered, in order; empty for an express machine, which keeps no history.
    events : tuple of str
        What went wrong in its tasks, in order, also what the machine caught.
    """

    machine: str
    status: str
    output: Any
    error: str
    cause: str
    states: tuple[str, ...]
    events: tuple[str, ...]

    def assert_succeeded(self, output: Any = ...) -> Execution:
        """Assert that it succeeded, and what it put out where that is given."""
        __tracebackhide__ = True
        if self.status != "SUCCEEDED":
            raise AssertionError(self._told())
        if output is not ... and self.output != output:
            raise AssertionError(
                f"The execution of {self.machine} put out\n    {self.output!r}\n  and not\n    {output!r}"
            )
        return self

    def assert_failed(self, error: str = "") -> Execution:
        """Assert that it did not succeed, with an error of that name where one is given."""
        __tracebackhide__ = True
        if self.status == "SUCCEEDED" or (error and self.error != error):
            raise AssertionError(f"It was expected to fail{f' by {error}' if error else ''}. {self._told()}")
        return self

    def assert_states(self, states: Sequence[str]) -> Execution:
        """Assert that it entered these states, in this order, and no others."""
        __tracebackhide__ = True
        if list(self.states) != list(states):
            raise AssertionError(
                f"The execution of {self.machine} went through\n    {' → '.join(self.states)}\n  and not\n"
                f"    {' → '.join(states)}"
            )
        return self

    def _told(self) -> str:
        why = ": ".join(part for part in (self.error, self.cause) if part) or "no error"
        lines = [f"The execution of {self.machine} ended as {self.status}. {why}"]
        if self.states:
            lines.append(f"  states: {' → '.join(self.states)}")
        lines += [f"    {event}" for event in self.events[-SHOWN_EVENTS:]]
        return "\n".join(lines)


class StateMachine:
    """A state machine."""

    def __init__(self, aws: Aws, name: str, arn: str, *, is_express: bool) -> None:
        self._aws = aws
        self.name = name
        self.arn = arn
        self._is_express = is_express

    def start(self, input: Any = None, timeout: float = EXECUTION_SECONDS) -> Execution:  # noqa: A002 (AWS's name)
        """Execute it and wait for its end.

        Parameters
        ----------
        input : object
            Becomes JSON; ``{}`` unless given.
        timeout : float
            Seconds to wait at most; the execution is stopped then.

        Raises
        ------
        AssertionError
            If it has not ended by then.
        """
        machines = self._aws("stepfunctions")
        text = json.dumps({} if input is None else input)
        if self._is_express:
            return self._execution(machines.start_sync_execution(stateMachineArn=self.arn, input=text), [])
        arn = machines.start_execution(stateMachineArn=self.arn, input=text)["executionArn"]

        def ended() -> dict[str, Any] | None:
            told: dict[str, Any] = machines.describe_execution(executionArn=arn)
            return told if told["status"] != "RUNNING" else None

        execution = wait_until(ended, timeout)
        if execution is None:
            machines.stop_execution(executionArn=arn)
            raise AssertionError(
                f"An execution of {self.name} had not ended after {timeout:g} s, and was stopped."
            )
        pages = machines.get_paginator("get_execution_history").paginate(executionArn=arn)
        return self._execution(execution, [event for page in pages for event in page["events"]])

    def _execution(self, told: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> Execution:
        output = told.get("output")
        return Execution(
            machine=self.name,
            status=told["status"],
            output=json.loads(output) if output else None,
            error=told.get("error") or "",
            cause=told.get("cause") or "",
            states=tuple(
                event["stateEnteredEventDetails"]["name"]
                for event in events
                if "stateEnteredEventDetails" in event
            ),
            events=tuple(text for text in map(_failure, events) if text),
        )


class StateMachines:
    """Finds or makes machines: ``state_machine("nightly")``, or ``state_machine("nightly.asl.json")``."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._own: list[str] = []

    def remove_own(self) -> None:
        """Remove the machines that were made of definitions."""
        for arn in self._own:
            self._aws("stepfunctions").delete_state_machine(stateMachineArn=arn)

    def __call__(
        self,
        machine: str | Path | Mapping[str, Any],
        substitutions: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> StateMachine:
        """A state machine.

        Parameters
        ----------
        machine : str, Path or mapping
            The name or the ARN of one that is deployed; the path of a definition (``.json``); a definition.
        substitutions : mapping
            What ``${name}`` in a file's definition stands for.
        settings
            Of a definition: further members of ``CreateStateMachine``, for example ``type="EXPRESS"``.

        Raises
        ------
        LookupError
            If there is no such machine, or no such file.
        """
        __tracebackhide__ = True
        if isinstance(machine, Mapping):
            return self._made("machine", json.dumps(machine), settings)
        if isinstance(machine, str) and not machine.endswith(".json"):
            return self._deployed(machine)
        path = Path(machine)
        if not path.is_file():
            raise LookupError(f"There is no file {path.resolve()}.")
        text = path.read_text()
        for name, value in (substitutions or {}).items():
            text = text.replace("${" + name + "}", value)
        return self._made(path.name.split(".")[0], text, settings)

    def _deployed(self, name: str) -> StateMachine:
        __tracebackhide__ = True
        pages = self._aws("stepfunctions").get_paginator("list_state_machines").paginate()
        found = [one for page in pages for one in page["stateMachines"]]
        for one in found:
            if name in (one["name"], one["stateMachineArn"]):
                return StateMachine(
                    self._aws, one["name"], one["stateMachineArn"], is_express=one["type"] == "EXPRESS"
                )
        known = ", ".join(sorted(one["name"] for one in found)) or "none is deployed"
        raise LookupError(f"There is no state machine {name}; the state machines: {known}.")

    def _made(self, stem: str, definition: str, settings: Mapping[str, Any]) -> StateMachine:
        name = f"{stem}-{uuid.uuid4().hex[:8]}"
        made = self._aws("stepfunctions").create_state_machine(
            **{"name": name, "roleArn": role_of(self._aws), "definition": definition, **settings}
        )
        self._own.append(made["stateMachineArn"])
        return StateMachine(
            self._aws, name, made["stateMachineArn"], is_express=settings.get("type") == "EXPRESS"
        )


def _failure(event: Mapping[str, Any]) -> str:
    """What went wrong in an event; empty where nothing did."""
    if not event["type"].endswith(("Failed", "TimedOut", "Aborted")) or event["type"].startswith("Execution"):
        return ""
    details: Mapping[str, Any] = next((v for k, v in event.items() if k.endswith("EventDetails")), {})
    return ": ".join(part for part in (event["type"], details.get("error"), details.get("cause")) if part)
