"""Interactive sessions: a kept driver of Spark each, which runs statements one after the other.

Source: "Interactive Sessions API" of the Glue API Reference, for states, members and errors.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from millpond.planes.glue import jobs, runs
from millpond.planes.glue.bookmarks import JobBookmarks
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    EntityNotFoundException,
    IllegalSessionStateException,
    InvalidInputException,
)
from millpond.planes.glue.paging import page
from millpond.planes.glue.runs import JobRun, Shape, State
from millpond.planes.glue.supervisor import ActiveRun, Outcome, Supervisor

Request = Mapping[str, Any]

_COMMAND = "glueetl"
_DEFAULT_VERSION = "5.1"
_LOG_GROUP = "/aws-glue/sessions"
_DRIVER = "interactive_session.py"
_OPTION = "--millpond-session"
_STOP_SECONDS = 20.0
_SIZES = ("WorkerType", "NumberOfWorkers", "MaxCapacity")
_KEPT_AS_GIVEN = (
    "Description",
    "DefaultArguments",
    "Connections",
    "SecurityConfiguration",
    "NumberOfWorkers",
    "WorkerType",
)


class Status(StrEnum):
    """``SessionStatus`` of the Glue API."""

    PROVISIONING = "PROVISIONING"
    READY = "READY"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"

    @property
    def is_final(self) -> bool:
        return self in (Status.FAILED, Status.TIMEOUT, Status.STOPPED)


@dataclass
class Statement:
    """One statement: ``Statement`` of the API.

    Parameters
    ----------
    id : int
        1 for the first of a session.
    code : str
        Python.
    """

    id: int
    code: str
    state: str = "WAITING"
    output: Shape | None = None
    started_on: int = 0
    completed_on: int = 0

    @property
    def is_going(self) -> bool:
        return self.state in ("WAITING", "RUNNING", "CANCELLING")

    def to_api(self) -> Shape:
        """The structure of the API; times are milliseconds since 1970."""
        return {
            "Id": self.id,
            "Code": self.code,
            "State": self.state,
            "Progress": 0.0 if self.is_going else 1.0,
            "StartedOn": self.started_on,
            "CompletedOn": self.completed_on,
            **({"Output": self.output} if self.output else {}),
        }


class Channel:
    """The two FIFOs that join a session to its driver.

    Parameters
    ----------
    folder : Path
        Is made, with them in it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, mode=0o700)
        self.folder = folder
        for name in ("requests", "answers"):
            os.mkfifo(folder / name, 0o600)
        # Both ends of each are held here, so that nobody waits for the driver to open its own.
        self._requests = (folder / "requests").open("r+b", buffering=0)
        self._answers = (folder / "answers").open("r+b", buffering=0)
        self._lock = threading.Lock()

    def send(self, message: Shape) -> None:
        """Tell the driver."""
        left = memoryview(json.dumps(message).encode() + b"\n")
        with self._lock:
            while left:
                left = left[self._requests.write(left) or 0 :]

    def end(self) -> None:
        """Let :meth:`answers` end: the driver has gone."""
        self._answers.write(b"\n{}\n")

    def answers(self, take: Callable[[Shape], None]) -> None:
        """Hand each message of the driver to a function, until :meth:`end`."""
        for line in self._lines():
            message = json.loads(line) if line.strip() else None
            if message == {}:
                return
            if message is not None:
                take(message)

    def close(self) -> None:
        """Close both, and remove the folder."""
        self._requests.close()
        self._answers.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _lines(self) -> Any:
        rest = b""
        while True:
            *lines, rest = (rest + (self._answers.read(65_536) or b"")).split(b"\n")
            yield from lines


@dataclass
class Session:
    """A session that was created.

    Parameters
    ----------
    request : mapping
        ``CreateSessionRequest``.
    run : JobRun
        Its driver, as what the supervisor executes.
    channel : Channel
        To the driver.
    """

    request: Request
    run: JobRun
    channel: Channel
    idle_minutes: float
    active: ActiveRun
    status: Status = Status.PROVISIONING
    error: str = ""
    completed_on: datetime | None = None
    ready_on: datetime | None = None
    idle_since: float = field(default_factory=time.monotonic)
    statements: list[Statement] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.request["Id"])

    def idle_left(self, allowed: float, now: float) -> float:
        """Seconds that it may still be idle, of those allowed; all of them while it is not idle.

        Parameters
        ----------
        allowed : float
            Seconds.
        now : float
            Of the monotonic clock.
        """
        is_going = any(one.is_going for one in self.statements)
        if is_going or self.status is not Status.READY:
            return allowed
        return allowed - (now - self.idle_since)

    def statement(self, number: Any) -> Statement:
        """A statement by its id.

        Raises
        ------
        EntityNotFoundException
            If there is none.
        """
        for one in self.statements:
            if one.id == number:
                return one
        raise EntityNotFoundException(f"Statement {number} of session {self.id} not found.")

    def to_api(self) -> Shape:
        """The ``Session`` structure of the API."""
        end = self.completed_on or datetime.now(UTC)
        seconds = (end - self.ready_on).total_seconds() if self.ready_on else 0.0
        session: Shape = {
            "Id": self.id,
            "CreatedOn": self.run.started_on,
            "Status": str(self.status),
            "ErrorMessage": self.error,
            "Role": self.request["Role"],
            "Command": dict(self.request["Command"]),
            "Progress": 0.0 if self.status is Status.PROVISIONING else 1.0,
            "GlueVersion": self.run.job["GlueVersion"],
            "MaxCapacity": self.run.settings["MaxCapacity"],
            "IdleTimeout": int(self.idle_minutes),
            "ExecutionTime": seconds,
            "DPUSeconds": seconds * self.run.settings["MaxCapacity"],
        }
        session.update({key: self.request[key] for key in _KEPT_AS_GIVEN if self.request.get(key)})
        if self.completed_on:
            session["CompletedOn"] = self.completed_on
        return session


class Sessions:
    """The sessions of one account and region.

    Parameters
    ----------
    supervisor : callable
        Makes what executes a driver, from what it tells when the process has started.
    folder : Path
        Where the folders of their channels are.
    glue_runtime : Path
        Where the driver's script is.
    seconds_per_minute : float
        How many seconds a minute of ``IdleTimeout`` lasts.
    """

    def __init__(
        self,
        supervisor: Callable[[Callable[[JobRun], None]], Supervisor],
        folder: Path,
        glue_runtime: Path,
        seconds_per_minute: float,
    ) -> None:
        self._supervisor = supervisor(_mark_running)
        # What an engine that was killed left behind: its sessions ended with it.
        shutil.rmtree(folder, ignore_errors=True)
        self._folder = folder
        self._script = glue_runtime / _DRIVER
        self._seconds_per_minute = seconds_per_minute
        self._lock = threading.RLock()
        self._sessions: dict[str, Session] = {}
        self._threads: dict[str, list[threading.Thread]] = {}

    def close(self) -> None:
        """Stop every session."""
        with self._lock:
            for one in self._sessions.values():
                one.active.stop.set()
            threads = [thread for some in self._threads.values() for thread in some]
        for thread in threads:
            thread.join(timeout=_STOP_SECONDS)

    # Operations

    def create(self, request: Request) -> Session:
        """``CreateSession``.

        Raises
        ------
        InvalidInputException
            If a member is missing, or of a kind that is not here.
        AlreadyExistsException
            If there is a session of that id.
        """
        name = str(_required(request, "Id"))
        definition = _job(request)
        with self._lock:
            if name in self._sessions:
                raise AlreadyExistsException(f"Session {name} already exists.")
            channel = Channel(self._folder / _file_name(name))
            run = JobRun(
                id=_file_name(name),
                job=definition,
                arguments={_OPTION: str(channel.folder)},
                settings=runs.settings_of(definition, {}),
                started_on=datetime.now(UTC),
            )
            active = ActiveRun(run, JobBookmarks(), script=self._script, folders=(channel.folder,))
            idle = float(request.get("IdleTimeout") or definition["Timeout"])
            session = Session(request, run, channel, idle, active, tags=dict(request.get("Tags") or {}))
            self._sessions[name] = session
            self._threads[name] = [
                threading.Thread(target=target, args=(session,), name=f"glue session {name}", daemon=True)
                for target in (self._execute, self._listen, self._watch_idleness)
            ]
            for thread in self._threads[name]:
                thread.start()
        return session

    def get(self, request: Request, member: str = "Id") -> Session:
        """A session by the id that a member of a request names.

        Raises
        ------
        EntityNotFoundException
            If there is none.
        """
        name = str(_required(request, member))
        with self._lock:
            if name not in self._sessions:
                raise EntityNotFoundException(f"Session {name} not found.")
            return self._sessions[name]

    def all(self, tags: Mapping[str, str]) -> list[Session]:
        """Those that have the tags, in the order in which they were created."""
        with self._lock:
            return [one for one in self._sessions.values() if tags.items() <= one.tags.items()]

    def stop(self, session: Session) -> None:
        """``StopSession``."""
        with self._lock:
            if session.status not in (Status.PROVISIONING, Status.READY):
                raise IllegalSessionStateException(f"Session {session.id} is {session.status}.")
            session.status = Status.STOPPING
            session.active.stop.set()

    def delete(self, session: Session) -> None:
        """``DeleteSession``: of one that has ended."""
        with self._lock:
            if not session.status.is_final:
                raise IllegalSessionStateException(
                    f"Session {session.id} is {session.status}: stop it before it is deleted."
                )
            del self._sessions[session.id]
            del self._threads[session.id]

    def run_statement(self, session: Session, code: str) -> Statement:
        """``RunStatement``: it waits for those before it."""
        with self._lock:
            _check_ready(session)
            statement = Statement(len(session.statements) + 1, code)
            session.statements.append(statement)
            session.channel.send({"run": statement.id, "code": code})
            return statement

    def cancel(self, session: Session, statement: Statement) -> None:
        """``CancelStatement``: of one that has ended nothing changes."""
        with self._lock:
            _check_ready(session)
            if statement.is_going:
                statement.state = "CANCELLING"
                session.channel.send({"cancel": statement.id})

    # The threads of a session

    def _execute(self, session: Session) -> None:
        outcome = self._supervisor.execute(session.active)
        with self._lock:
            self._end(session, outcome)
        session.channel.end()

    def _end(self, session: Session, outcome: Outcome) -> None:
        if session.status is not Status.TIMEOUT:
            stopped = session.active.stop.is_set() or outcome.state is State.SUCCEEDED
            timed_out = outcome.state is State.TIMEOUT
            session.status = Status.TIMEOUT if timed_out else Status.STOPPED if stopped else Status.FAILED
        if session.status is Status.FAILED:
            session.error = outcome.error_message or "The driver of the session ended."
        session.completed_on = datetime.now(UTC)
        for one in session.statements:
            if one.is_going:
                one.state, one.completed_on = "CANCELLED", _milliseconds()

    def _listen(self, session: Session) -> None:
        session.channel.answers(lambda message: self._take(session, message))
        session.channel.close()

    def _take(self, session: Session, message: Shape) -> None:
        with self._lock:
            session.idle_since = time.monotonic()
            if "ready" in message and session.status is Status.PROVISIONING:
                session.status, session.ready_on = Status.READY, datetime.now(UTC)
            elif "running" in message:
                statement = session.statement(message["running"])
                statement.started_on = _milliseconds()
                if statement.state == "WAITING":
                    statement.state = "RUNNING"
            elif "done" in message:
                statement = session.statement(message["done"])
                statement.completed_on = _milliseconds()
                statement.state = "CANCELLED" if message["cancelled"] else "AVAILABLE"
                if not message["cancelled"]:
                    statement.output = message["output"]

    def _watch_idleness(self, session: Session) -> None:
        allowed = session.idle_minutes * self._seconds_per_minute
        left = allowed
        while not session.active.stop.wait(left):
            with self._lock:
                if session.status.is_final:
                    return
                left = session.idle_left(allowed, time.monotonic())
                if left <= 0:
                    session.status = Status.TIMEOUT
                    session.active.stop.set()
                    return


class SessionOperations:
    """The operations of sessions, as methods of the plane."""

    _sessions: Sessions

    def create_session(self, request: Request) -> Shape:
        session = self._sessions.create(request)
        self._tag("session", session.id, session.tags)
        return {"Session": session.to_api()}

    def get_session(self, request: Request) -> Shape:
        return {"Session": self._sessions.get(request).to_api()}

    def list_sessions(self, request: Request) -> Shape:
        found, token = page(self._sessions.all(request.get("Tags") or {}), request)
        return {"Ids": [one.id for one in found], "Sessions": [one.to_api() for one in found], **token}

    def stop_session(self, request: Request) -> Shape:
        session = self._sessions.get(request)
        self._sessions.stop(session)
        return {"Id": session.id}

    def delete_session(self, request: Request) -> Shape:
        session = self._sessions.get(request)
        self._sessions.delete(session)
        self._tag("session", session.id, None)
        return {"Id": session.id}

    def run_statement(self, request: Request) -> Shape:
        session = self._sessions.get(request, "SessionId")
        return {"Id": self._sessions.run_statement(session, str(_required(request, "Code"))).id}

    def get_statement(self, request: Request) -> Shape:
        session = self._sessions.get(request, "SessionId")
        return {"Statement": session.statement(_required(request, "Id")).to_api()}

    def list_statements(self, request: Request) -> Shape:
        session = self._sessions.get(request, "SessionId")
        found, token = page(session.statements, request)
        return {"Statements": [one.to_api() for one in found], **token}

    def cancel_statement(self, request: Request) -> Shape:
        session = self._sessions.get(request, "SessionId")
        self._sessions.cancel(session, session.statement(_required(request, "Id")))
        return {}

    def _tag(self, kind: str, name: str, tags: dict[str, str] | None) -> None:
        raise NotImplementedError


def _job(request: Request) -> Shape:
    """The driver of a session, as a job's definition."""
    command = dict(_required(request, "Command"))
    if command.get("Name") != _COMMAND:
        raise InvalidInputException(
            f"Session command {command.get('Name')!r} is not available here: use {_COMMAND}"
        )
    version = request.get("GlueVersion") or _DEFAULT_VERSION
    sizes = {
        key: request[key] for key in ("WorkerType", "NumberOfWorkers", "MaxCapacity") if request.get(key)
    }
    # Jobs of these versions take no MaxCapacity, sessions do.
    capacity = (
        {"MaxCapacity": float(sizes["MaxCapacity"])}
        if set(sizes) == {"MaxCapacity"}
        else jobs.capacity(_COMMAND, version, sizes)
    )
    return {
        "Name": f"session-{request['Id']}",
        "JobMode": "NOTEBOOK",
        "Role": _required(request, "Role"),
        "Command": {"Name": _COMMAND, "ScriptLocation": "", "PythonVersion": "3"},
        "GlueVersion": version,
        "MaxRetries": 0,
        "Timeout": jobs.timeout_minutes(request.get("Timeout"), version),
        "DefaultArguments": {
            "--custom-logGroup-prefix": _LOG_GROUP,
            **(request.get("DefaultArguments") or {}),
        },
        "Connections": dict(request.get("Connections") or {}),
        **capacity,
    }


def _mark_running(run: JobRun) -> None:
    """The process has started; the session is ready when its driver says so."""
    if run.state is State.STARTING:
        run.advance(State.RUNNING, datetime.now(UTC))


def _check_ready(session: Session) -> None:
    if session.status is not Status.READY:
        raise IllegalSessionStateException(
            f"Session {session.id} is {session.status}. Statements are taken by a session that is READY."
        )


def _file_name(name: str) -> str:
    return quote(name, safe="").replace(".", "%2E")


def _milliseconds() -> int:
    return int(time.time() * 1000)


def _required(request: Request, member: str) -> Any:
    value = request.get(member)
    if value is None or value == "":
        raise InvalidInputException(f"{member} must not be null or empty")
    return value
