"""What was judged: who used which permission on what, and what was or would have been denied."""

from __future__ import annotations

import statistics
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

MOST = 20_000
"""So many are kept; beyond, those that were not judged for longest go."""


@dataclass
class Judgement:
    """A permission that a principal needed, and the answer.

    Parameters
    ----------
    principal : str
        ARN of the role, the user or the account's root: sessions of a role count as the role.
    action, resource : str
        What was asked for.
    is_known : bool
        Whether the resource is in the tables; ``*`` stands for it otherwise.
    is_allowed : bool
        The answer.
    sid : str
        Name of the statement that decided; empty if none did, or it has none.
    text : str
        The denial in AWS's words.
    context : mapping
        Condition keys in lower case with their values, of the last time.
    count : int
        How often.
    last : float
        When last, in seconds of the epoch.
    by : str
        ARN of who asked last: of the session, which names the run, the build or the function.
    """

    principal: str
    action: str
    resource: str
    is_known: bool
    is_allowed: bool
    sid: str
    text: str
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)
    count: int = 0
    last: float = 0.0
    by: str = ""

    @property
    def session(self) -> str:
        """What the caller is named by its service: ``AWSCodeBuild-`` and a build, the name of a function."""
        return self.by.rpartition("/")[2]


class Cost:
    """What judging takes, in CPU seconds of its thread; safe for threads."""

    def __init__(self) -> None:
        self._newest: deque[int] = deque(maxlen=MOST)
        self._calls = self._nanoseconds = 0
        self._lock = threading.Lock()

    @contextmanager
    def measured(self) -> Iterator[None]:
        began = time.thread_time_ns()
        try:
            yield
        finally:
            spent = time.thread_time_ns() - began
            with self._lock:
                self._newest.append(spent)
                self._calls += 1
                self._nanoseconds += spent

    def to_json(self) -> dict[str, float]:
        """How many calls were judged, the seconds of all, and the median of the newest in milliseconds."""
        with self._lock:
            newest = list(self._newest)
            median = statistics.median(newest) / 1e6 if newest else 0.0
            return {"calls": self._calls, "seconds": self._nanoseconds / 1e9, "median_ms": median}


class Ledger:
    """Judgements, each kind once; safe for threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, str, bool], Judgement] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, judgement: Judgement) -> None:
        key = (judgement.principal, judgement.action, judgement.resource, judgement.is_allowed)
        with self._lock:
            kept = self._kept.setdefault(key, judgement)
            kept.sid, kept.text, kept.context = judgement.sid, judgement.text, judgement.context
            kept.last, kept.by = time.time(), judgement.by
            kept.count += 1
            self._kept.move_to_end(key)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def to_json(self) -> list[dict[str, Any]]:
        """All, the last one last."""
        with self._lock:
            kept = [dict(vars(one)) for one in self._kept.values()]
        return [{**one, "context": dict(one["context"].items())} for one in kept]


def from_json(records: Iterable[dict[str, Any]]) -> list[Judgement]:
    """What :meth:`Ledger.to_json` gave."""
    return [Judgement(**record) for record in records]
