"""Interactive sessions: what statements answer, and what a session takes in which state, without Spark."""

from __future__ import annotations

import importlib.util
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from millpond.base.waiting import wait_until
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    EntityNotFoundException,
    IllegalSessionStateException,
    InvalidInputException,
)
from millpond.planes.glue.runs import JobRun, State
from millpond.planes.glue.sessions import Channel, Sessions
from millpond.planes.glue.supervisor import ActiveRun, Outcome

RUNTIME = Path(__file__).parents[2] / "glue_runtime"
REQUEST = {
    "Id": "a-notebook",
    "Role": "arn:aws:iam::000000000000:role/glue",
    "Command": {"Name": "glueetl", "PythonVersion": "3"},
    "WorkerType": "G.1X",
    "NumberOfWorkers": 2,
}


@pytest.fixture(scope="module")
def driver() -> ModuleType:
    spec = importlib.util.spec_from_file_location("interactive_session", RUNTIME / "interactive_session.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_output_of_a_statement_is_what_it_prints_and_the_value_of_its_last_expression(
    driver: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = driver.Tee(io.StringIO())
    monkeypatch.setattr("sys.stdout", out)
    names: dict[str, Any] = {}
    answers = [
        driver.run_statement(code, names, number, out)
        for number, code in enumerate(["x = 20", "print('n')\nx + 1", "None", "_"], 1)
    ]
    assert answers == [
        {"ExecutionCount": number, "Status": "ok", "Data": {"TextPlain": text}}
        for number, text in enumerate(["", "n\n21\n", "", "21\n"], 1)
    ]


@pytest.mark.parametrize(
    ("code", "name", "value", "line"),
    [
        ("def f():\n    return 1 / 0\nf()", "ZeroDivisionError", "division by zero", "    return 1 / 0\n"),
        ("import sys\nsys.exit(3)", "SystemExit", "3", "    sys.exit(3)\n"),
        ("x = (", "SyntaxError", "'(' was never closed (<statement 7>, line 1)", "    x = (\n"),
    ],
)
def test_error_of_a_statement_has_name_value_and_the_lines_of_its_own_code(
    driver: ModuleType, code: str, name: str, value: str, line: str
) -> None:
    output = driver.run_statement(code, {}, 7, driver.Tee(io.StringIO()))
    assert (output["Status"], output["ErrorName"], output["ErrorValue"]) == ("error", name, value)
    text = "".join(output["Traceback"])
    assert line in text
    assert "interactive_session.py" not in text


class Supervised:
    """What executes a driver, without one: the test answers in its place."""

    def __init__(self, on_running: Callable[[JobRun], None]) -> None:
        self._on_running = on_running
        self.outcome = Outcome(State.SUCCEEDED)
        self.ended = threading.Event()

    def execute(self, active: ActiveRun) -> Outcome:
        self._on_running(active.run)
        while not active.stop.wait(0.01):
            if self.ended.is_set():
                return self.outcome
        return Outcome(State.STOPPED)


@pytest.fixture
def supervised() -> list[Supervised]:
    return []


@pytest.fixture
def sessions(tmp_path: Path, supervised: list[Supervised]) -> Iterator[Sessions]:
    def make(on_running: Callable[[JobRun], None]) -> Any:
        supervised.append(Supervised(on_running))
        return supervised[-1]

    made = Sessions(make, tmp_path / "sessions", RUNTIME, seconds_per_minute=0.05)
    yield made
    made.close()


def ready(sessions: Sessions, **given: Any) -> Any:
    session = sessions.create({**REQUEST, **given})
    say(session, {"ready": True})
    wait_until("ready session", lambda: session.status == "READY")
    return session


def say(session: Any, message: dict[str, Any]) -> None:
    """Answer in the driver's place."""
    sender = Channel.__new__(Channel)
    sender._lock = threading.Lock()
    sender._requests = (session.channel.folder / "answers").open("r+b", buffering=0)
    sender.send(message)
    sender._requests.close()


def test_statements_wait_for_one_another_and_have_their_outputs(sessions: Sessions) -> None:
    session = ready(sessions)
    first, second = (sessions.run_statement(session, code) for code in ("1", "2"))
    assert [one.id for one in (first, second)] == [1, 2]
    say(session, {"running": 1})
    wait_until("running statement", lambda: first.state == "RUNNING")
    assert second.state == "WAITING"
    say(session, {"done": 1, "cancelled": False, "output": {"Status": "ok"}})
    wait_until("end of the first", lambda: first.state == "AVAILABLE")
    sessions.cancel(session, second)
    assert second.to_api()["State"] == "CANCELLING"
    say(session, {"done": 2, "cancelled": True, "output": None})
    wait_until("end of the second", lambda: second.state == "CANCELLED")
    assert first.to_api()["Output"] == {"Status": "ok"}
    assert "Output" not in second.to_api()
    with pytest.raises(EntityNotFoundException):
        session.statement(3)


def test_session_takes_statements_when_it_is_ready_and_goes_when_it_has_ended(sessions: Sessions) -> None:
    session = sessions.create(REQUEST)
    with pytest.raises(IllegalSessionStateException):
        sessions.run_statement(session, "1")
    with pytest.raises(IllegalSessionStateException):
        sessions.delete(session)
    with pytest.raises(AlreadyExistsException):
        sessions.create(REQUEST)
    sessions.stop(session)
    wait_until("stopped session", lambda: session.status == "STOPPED")
    wait_until("removal of its folder", lambda: not session.channel.folder.exists())
    with pytest.raises(IllegalSessionStateException):
        sessions.stop(session)
    sessions.delete(session)
    with pytest.raises(EntityNotFoundException):
        sessions.get(REQUEST)


def test_session_that_is_idle_for_its_minutes_times_out(sessions: Sessions) -> None:
    session = sessions.create({**REQUEST, "IdleTimeout": 1})
    say(session, {"ready": True})
    wait_until("timeout", lambda: session.status == "TIMEOUT" and session.completed_on)


def test_session_is_not_idle_while_a_statement_waits_or_runs(sessions: Sessions) -> None:
    session = ready(sessions)
    assert session.idle_left(60, session.idle_since + 50) == pytest.approx(10)
    statement = sessions.run_statement(session, "1")
    assert session.idle_left(60, session.idle_since + 50) == 60
    say(session, {"done": statement.id, "cancelled": False, "output": {}})
    wait_until("end of the statement", lambda: statement.state == "AVAILABLE")
    assert session.idle_left(60, session.idle_since + 70) == pytest.approx(-10)


def test_driver_that_ends_by_itself_fails_the_session_and_its_statements(
    sessions: Sessions, supervised: list[Supervised]
) -> None:
    session = ready(sessions)
    statement = sessions.run_statement(session, "import os; os._exit(1)")
    supervised[0].outcome = Outcome(State.FAILED, "Command failed with exit code 1")
    supervised[0].ended.set()
    wait_until("failed session", lambda: session.status == "FAILED")
    assert session.to_api()["ErrorMessage"] == "Command failed with exit code 1"
    assert statement.state == "CANCELLED"


@pytest.mark.parametrize("missing", ["Id", "Role", "Command"])
def test_session_without_a_required_member_is_refused(sessions: Sessions, missing: str) -> None:
    with pytest.raises(InvalidInputException, match=missing):
        sessions.create({name: value for name, value in REQUEST.items() if name != missing})


def test_session_of_ray_is_refused_by_name(sessions: Sessions) -> None:
    with pytest.raises(InvalidInputException, match="glueray"):
        sessions.create({**REQUEST, "Command": {"Name": "glueray"}})
