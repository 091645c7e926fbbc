"""What happens in an engine, as it happens: calls, changes of state and events, the newest of each kept.

Whoever listens asks for what came after the last thing that he has seen, and waits for it. What describes a
record is worked out when somebody asks for it, so that a record that nobody reads costs little.
The fields are in ``docs/stream.md``.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Protocol

Shape = dict[str, Any]

MOST_CALLS = 4000
MOST_OTHERS = 2000


class Record(Protocol):
    """One thing that happened."""

    @property
    def kind(self) -> str: ...

    def describe(self) -> Shape:
        """Its fields, without number and kind, as JSON has them."""
        ...


@dataclass(frozen=True)
class StateChange:
    """Something long-lived has entered a state.

    Parameters
    ----------
    time : str
        As of :func:`stamp`.
    account, region : str
        Where.
    service : str
        As the API names it, for example ``glue``.
    of : str
        What has the state: ``job run``, ``query`` …
    name : str
        The name of the definition: a job, a state machine, a workgroup.
    id : str
        Of this one, as the API takes it.
    state : str
        As the API names it.
    message : str
        Why, where the service says so.
    """

    time: str
    account: str
    region: str
    service: str
    of: str
    name: str
    id: str
    state: str
    message: str = ""

    kind = "state"

    def describe(self) -> Shape:
        return asdict(self)


@dataclass(frozen=True)
class Event:
    """An event on a bus of EventBridge that is no change of state in the sense of :class:`StateChange`."""

    time: str
    account: str
    region: str
    source: str
    detail_type: str
    bus: str
    detail: Any

    kind = "event"

    def describe(self) -> Shape:
        return asdict(self)


@dataclass(frozen=True)
class _StateField:
    """How an event of a service says which of its things entered which state."""

    service: str
    of: str
    name: tuple[str, ...]
    id: tuple[str, ...]
    state: tuple[str, ...]
    message: tuple[str, ...] = ()


# Source and ``detail-type`` of an event to the paths in its detail at which the state is described.
_STATES: Mapping[tuple[str, str], _StateField] = {
    ("aws.glue", "Glue Job State Change"): _StateField(
        "glue", "job run", ("jobName",), ("jobRunId",), ("state",), ("message",)
    ),
    ("aws.glue", "Glue Crawler State Change"): _StateField(
        "glue", "crawl", ("crawlerName",), (), ("state",), ("errorMessage",)
    ),
    ("aws.athena", "Athena Query State Change"): _StateField(
        "athena",
        "query",
        ("workgroupName",),
        ("queryExecutionId",),
        ("currentState",),
        ("athenaError", "errorMessage"),
    ),
    ("aws.codebuild", "CodeBuild Build State Change"): _StateField(
        "codebuild", "build", ("project-name",), ("build-id",), ("build-status",), ("current-phase-context",)
    ),
    ("aws.states", "Step Functions Execution Status Change"): _StateField(
        "stepfunctions", "execution", ("stateMachineArn",), ("executionArn",), ("status",), ("cause",)
    ),
    ("aws.cloudwatch", "CloudWatch Alarm State Change"): _StateField(
        "cloudwatch", "alarm", ("alarmName",), (), ("state", "value"), ("state", "reason")
    ),
}


def of_event(entry: Mapping[str, Any], account: str, region: str) -> StateChange | Event:
    """What an entry of ``PutEvents`` tells.

    Parameters
    ----------
    entry : mapping
        With ``Source``, ``DetailType`` and ``Detail``, which is JSON.
    account, region : str
        Where it was put.
    """
    source, detail_type = str(entry.get("Source", "")), str(entry.get("DetailType", ""))
    detail = _json(entry.get("Detail") or "{}")
    time = stamp(entry.get("Time"))
    field = _STATES.get((source, detail_type))
    if field is None:
        bus = str(entry.get("EventBusName") or "default")
        return Event(time, account, region, source, detail_type, bus, detail)
    name, identifier, message = (_at(detail, path) for path in (field.name, field.id, field.message))
    if field.of == "execution":
        name = name.rpartition(":")[2]
    if field.of == "build":
        # The event has its ARN; the API takes what stands behind the slash.
        identifier = identifier.rpartition("/")[2]
    # A phase without anything to say has a context of brackets alone.
    message = message if any(map(str.isalnum, message)) else ""
    state = _at(detail, field.state)
    return StateChange(time, account, region, field.service, field.of, name, identifier, state, message)


def stamp(moment: datetime | str | None = None) -> str:
    """A moment, now unless given, as records have it: ``2026-01-31T12:00:00.123Z``."""
    if isinstance(moment, str):
        return moment
    aware = (moment or datetime.now(UTC)).astimezone(UTC)
    return f"{aware:%Y-%m-%dT%H:%M:%S}.{aware.microsecond // 1000:03d}Z"


class Stream:
    """The newest records of an engine, in their order; any thread may add and read.

    Parameters
    ----------
    most_calls, most_others : int
        So many records of calls, and so many others, are kept: many calls push no change of state out.

    Examples
    --------
    >>> stream = Stream()
    >>> stream.add(of_event({"Source": "shop", "DetailType": "sold", "Detail": "{}"}, "1", "eu-west-1"))
    >>> [one["source"] for one in stream.after(0)["records"]]
    ['shop']
    """

    def __init__(self, most_calls: int = MOST_CALLS, most_others: int = MOST_OTHERS) -> None:
        self._id = uuid.uuid4().hex[:12]
        self._calls: deque[tuple[int, Record]] = deque(maxlen=most_calls)
        self._others: deque[tuple[int, Record]] = deque(maxlen=most_others)
        self._number = 0
        self._lost = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def add(self, record: Record) -> None:
        """Keep a record and wake who waits for it."""
        with self._changed:
            self._number += 1
            kept = self._calls if record.kind == "call" else self._others
            if len(kept) == kept.maxlen:
                self._lost = max(self._lost, kept[0][0])
            kept.append((self._number, record))
            self._changed.notify_all()

    def after(self, number: int, *, stream: str = "", wait: float = 0.0, most: int = 1000) -> Shape:
        """The records after one, oldest first.

        Parameters
        ----------
        number : int
            ``next`` of the answer before; 0 for all that are kept, -1 for none of them.
        stream : str
            ``stream`` of the answer before: after a restart of the engine numbers begin anew.
        wait : float
            So many seconds at most, if there is none yet.
        most : int
            So many records at most; the others come with the next answer.

        Returns
        -------
        dict
            ``stream``, ``next``, ``is_missing`` (whether records after that one were kept no longer) and
            ``records``.
        """
        with self._changed:
            if stream and stream != self._id:
                number = 0
            if number < 0:
                number = self._number
            number = min(number, self._number)
            self._changed.wait_for(lambda: self._number > number or self._is_closed, wait)
            is_missing = 0 < number < self._lost
            records = sorted(
                (entry for entry in chain(self._calls, self._others) if entry[0] > number),
                key=lambda entry: entry[0],
            )[:most]
            last = records[-1][0] if records else number
        return {
            "stream": self._id,
            "next": last,
            "is_missing": is_missing,
            "records": [_described(count, record) for count, record in records],
        }

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


def _described(number: int, record: Record) -> Shape:
    return {"number": number, "kind": record.kind, **record.describe()}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _at(detail: Any, path: Sequence[str]) -> str:
    """What stands at the end of a path; empty where there is none."""
    value: Any = detail if path else None
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)
