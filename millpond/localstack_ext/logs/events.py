"""The events of log streams, in a database on disk: the engine's memory does not grow with what is logged.

moto keeps each event as an object in a list for good. Here a stream knows its number in the database only.
Sources: the CloudWatch Logs API Reference, ``GetLogEvents`` (a page has up to 10,000 events and 1 MB) and
``PutRetentionPolicy``.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from localstack.services.logs import provider as localstack_logs
from moto.logs.exceptions import InvalidParameterException
from moto.logs.models import LogEvent, LogGroup, LogStream, logs_backends

PAGE_EVENTS = 10_000
PAGE_BYTES = 2**20
TIDY_EVERY = 60.0
"""Seconds after which events are looked for again that are past their group's retention."""

_DAY = 24 * 3600 * 1000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, stream TEXT, timestamp INTEGER, ingested INTEGER, message TEXT
);
CREATE INDEX IF NOT EXISTS by_stream ON events (stream, timestamp, id)
"""
_BETWEEN = "FROM events WHERE stream = ? AND timestamp >= ? AND timestamp <= ?"
_EVER = (-(2**63), 2**63 - 1)
_READ_AT_ONCE = 1_000


class EventStore:
    """The database.

    Parameters
    ----------
    file : Path
        Made when it is first asked for. What an engine before this one left there is saved elsewhere, and
        comes back by that, or is of no use.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._tidied = time.monotonic()

    @property
    def directory(self) -> Path:
        return self._file.parent

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connected().execute(statement, values).fetchall()

    def append(self, stream: str, events: Iterable[LogEvent]) -> None:
        rows = [(stream, event.timestamp, event.ingestion_time, event.message) for event in events]
        with self._lock, self._connected() as transaction:
            transaction.execute("BEGIN")
            transaction.executemany(
                "INSERT INTO events (stream, timestamp, ingested, message) VALUES (?, ?, ?, ?)", rows
            )

    def tidy(self) -> None:
        """Forget, once in a while, what is past its retention and what no stream has any more."""
        if time.monotonic() - self._tidied < TIDY_EVERY:
            return
        self._tidied = time.monotonic()
        # In this order: a stream that is made meanwhile is known to the second, or not told of by the first.
        written = self.ask("SELECT DISTINCT stream FROM events")
        keep_from = dict(_kept_from(int(time.time() * 1000)))
        for (stream,) in written:
            before = keep_from.get(stream, _EVER[1])
            self.ask("DELETE FROM events WHERE stream = ? AND timestamp < ?", (stream, before))

    def forget(self) -> None:
        """Remove everything."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            self._file.unlink(missing_ok=True)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self._file, timeout=60, check_same_thread=False, isolation_level=None
            )
            # This file need not survive the engine: saved state has a copy of it.
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute("PRAGMA journal_mode = MEMORY")
            self._connection.executescript(_SCHEMA)
        return self._connection


def _kept_from(now: int) -> Iterator[tuple[str, int]]:
    """The streams that there are, and the first moment that each keeps (milliseconds since 1970)."""
    for regions in list(logs_backends.values()):
        for backend in list(regions.values()):
            for group in list(backend.groups.values()):
                days = group.retention_in_days
                for stream in list(group.streams.values()):
                    if isinstance(stream.events, Events):
                        yield stream.events.stream, now - int(days) * _DAY if days else _EVER[0]


_STORES: list[EventStore] = []


def store() -> EventStore:
    """The database of this engine."""
    return _STORES[-1]


def open_store(directory: Path) -> EventStore:
    """Begin with an empty database below a directory."""
    _STORES.append(EventStore(directory / "events.db"))
    store().forget()
    return store()


class Events:
    """The events of one stream, by the order in which they came; a list that moto can add to."""

    def __init__(self) -> None:
        self.stream = uuid.uuid4().hex

    def __iadd__(self, events: Iterable[LogEvent]) -> Events:
        store().append(self.stream, events)
        store().tidy()
        return self

    def __len__(self) -> int:
        return self.count(*_EVER)

    def __bool__(self) -> bool:
        return self.bounds() is not None

    def __iter__(self) -> Iterator[LogEvent]:
        return self.between(*_EVER)

    def __deepcopy__(self, _memo: object) -> Events:
        return self

    def bounds(self) -> tuple[int, int] | None:
        """The first and the last timestamp; None if there are no events."""
        # Two subqueries, each of which is a look into the index.
        timestamps = "SELECT timestamp FROM events WHERE stream = ? ORDER BY timestamp"
        ((first, last),) = store().ask(
            f"SELECT ({timestamps} LIMIT 1), ({timestamps} DESC LIMIT 1)", (self.stream, self.stream)
        )
        return None if first is None else (first, last)

    def count(self, start: int, end: int) -> int:
        """How many are between two moments, both included (milliseconds since 1970)."""
        return int(store().ask(f"SELECT count(*) {_BETWEEN}", (self.stream, start, end))[0][0])

    def page(self, start: int, end: int, first: int, limit: int) -> list[LogEvent]:
        """The events between two moments by time, from a position on."""
        rows = store().ask(
            f"SELECT id, timestamp, ingested, message {_BETWEEN} ORDER BY timestamp, id LIMIT ? OFFSET ?",
            (self.stream, start, end, limit, first),
        )
        return [_event(*row) for row in rows]

    def between(self, start: int, end: int) -> Iterator[LogEvent]:
        """The events between two moments by time; only some are in memory at once."""
        last_id = 0
        while True:
            rows = store().ask(
                f"SELECT id, timestamp, ingested, message {_BETWEEN} AND (timestamp, id) > (?, ?)"
                " ORDER BY timestamp, id LIMIT ?",
                (self.stream, start, end, start, last_id, _READ_AT_ONCE),
            )
            yield from (_event(*row) for row in rows)
            if len(rows) < _READ_AT_ONCE:
                return
            last_id, start = rows[-1][:2]


def _event(number: int, timestamp: int, ingested: int, message: str) -> LogEvent:
    # moto would give it a number of its own.
    event: Any = LogEvent.__new__(LogEvent)
    event.event_id, event.timestamp = number, timestamp
    event.ingestion_time, event.message = ingested, message
    return cast(LogEvent, event)


class StoredLogStream(LogStream):
    """moto's log stream over :class:`Events`."""

    events: Any

    def __init__(self, log_group: LogGroup, name: str) -> None:
        super().__init__(log_group, name)
        self.events = Events()

    def _update(self) -> None:
        self.first_event_timestamp, self.last_event_timestamp = self.events.bounds() or (None, None)

    def get_log_events(
        self,
        start_time: Any,
        end_time: Any,
        limit: Any,
        next_token: str | None,
        start_from_head: Any,
    ) -> tuple[list[dict[str, Any]], str | None, str | None]:
        """A page of events: the newest ones, the oldest ones, or those before or after another page."""
        # GetLogEvents leaves out events at the end time itself; FilterLogEvents does not.
        start, end = start_time or _EVER[0], _EVER[1] if end_time is None else end_time - 1
        many = min(limit or PAGE_EVENTS, PAGE_EVENTS)
        direction, place = _of_token(next_token)
        if direction is None:
            direction, place = ("f", -1) if start_from_head else ("b", self.events.count(start, end))
        if direction == "f":
            first = place + 1
            page = _within_bytes(self.events.page(start, end, first, many))
        else:
            first = max(0, place - many)
            stored = self.events.page(start, end, first, place - first)
            page = _within_bytes(reversed(stored))[::-1]
            first += len(stored) - len(page)
        # Without events both say what they said before: there is no more.
        return (
            [event.to_response_dict() for event in page],
            f"b/{first:056d}",
            f"f/{first + len(page) - 1:056d}",
        )

    def filter_log_events(
        self, start_time: int | None, end_time: int | None, filter_pattern: str | None
    ) -> list[dict[str, Any]]:
        """The events of a time that match a pattern."""
        start, end = start_time or _EVER[0], _EVER[1] if end_time is None else end_time
        matches = localstack_logs.get_pattern_matcher(filter_pattern) if filter_pattern else None
        return [
            {**event.to_filter_dict(), "logStreamName": self.log_stream_name}
            for event in self.events.between(start, end)
            if matches is None or matches(str(filter_pattern), {"message": event.message})
        ]


def _of_token(token: str | None) -> tuple[str | None, int]:
    if token is None:
        return None, 0
    direction, _, place = token.partition("/")
    if direction not in ("f", "b") or not re.fullmatch(r"-?0*[0-9]{1,15}", place):
        raise InvalidParameterException("The specified nextToken is invalid.")
    return direction, int(place)


def _within_bytes(events: Iterable[LogEvent]) -> list[LogEvent]:
    """The first of them that fit into a page, at least one."""
    page: list[LogEvent] = []
    left = PAGE_BYTES
    for event in events:
        left -= len(event.message.encode())
        if page and left < 0:
            break
        page.append(event)
    return page
