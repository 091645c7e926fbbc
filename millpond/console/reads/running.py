"""What of a stack runs: its parts and the processes that they started, with memory and since when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from millpond.base import process
from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.client.listing import KINDS, OF_A_DEPLOYMENT
from millpond.stack import open_stack


@dataclass(frozen=True)
class Part:
    """A part of a stack.

    Parameters
    ----------
    name : str
        ``engine``, ``onprem``, a plane's process.
    is_running : bool
        Whether its process is there.
    address : str
        Where it listens; empty where it does not.
    memory : int or None
        Bytes that it and its children are resident with, but for those that are parts themselves; what
        processes share counts in each. None where it is no process of this machine.
    since : float or None
        When it started, in seconds since the epoch.
    log : str
        Its log.
    """

    name: str
    is_running: bool
    address: str = ""
    memory: int | None = None
    since: float | None = None
    log: str = ""


def parts(settings: Settings) -> list[Part]:
    """The parts of a stack, then every other process that it started."""
    owned = process.find_all(settings.state)
    memory = _memory(owned)
    found = []
    for service in open_stack(settings).services():
        own = [one for one in owned if one.pid_file.stem in (service.name, service.address)]
        found.append(
            Part(
                service.name,
                service.is_running,
                service.address,
                sum(memory[one] for one in own) if own else None,
                min((one.created for one in own), default=None),
                service.log,
            )
        )
        owned = [one for one in owned if one not in own]
    return found + [
        Part(_name(one.pid_file, settings.state), True, "", memory[one], one.created)
        for one in sorted(owned, key=lambda one: one.created)
    ]


def _name(pid_file: Path, state: Path) -> str:
    inner = pid_file.relative_to(state).with_suffix("").parts
    return "/".join(part for part in inner if part != "pids")


def _memory(owned: list[process.OwnedProcess]) -> dict[process.OwnedProcess, int]:
    found, counted_already = {}, set[int]()
    # The engine has started the others: the youngest takes its children first.
    for one in sorted(owned, key=lambda one: one.created, reverse=True):
        own = [child for child in one.tree() if child.pid not in counted_already]
        counted_already.update(child.pid for child in own)
        found[one] = sum(map(_resident, own))
    return found


def _resident(one: psutil.Process) -> int:
    try:
        return int(one.memory_info().rss)
    except psutil.Error:
        # It has ended meanwhile.
        return 0


@dataclass(frozen=True)
class Counted:
    """How much of a kind there is.

    Parameters
    ----------
    kind : str
        As ``millpond ls`` names it.
    count : int or None
        None where the service does not say.
    refused : str
        What it said instead.
    """

    kind: str
    count: int | None
    refused: str = ""


def counted(aws: Aws) -> Iterator[Counted]:
    """What is deployed, by kind."""
    for kind in OF_A_DEPLOYMENT:
        try:
            yield Counted(kind, sum(1 for _ in KINDS[kind].list(aws)))
        except (ClientError, BotoCoreError) as error:
            yield Counted(kind, None, str(error))


class Remembered[T]:
    """An answer that is asked for again only when it has become old: at most once in some seconds.

    What takes long to ask is asked more seldom still, so that asking costs a fiftieth of the time at most.

    Parameters
    ----------
    ask : callable
        Gives the answer.
    seconds : float
        How old it may be.
    """

    def __init__(self, ask: Callable[[], T], seconds: float = 2.0) -> None:
        self._ask = ask
        self._seconds = seconds
        self._until = 0.0
        self._lock = threading.Lock()
        self._answer: T | None = None
        self.error: str = ""

    @property
    def is_due(self) -> bool:
        """Whether asking again would ask."""
        return time.monotonic() >= self._until

    def get(self) -> T | None:
        """The answer; None where it never came, with ``error`` saying why."""
        with self._lock:
            if self.is_due:
                self._renew()
            return self._answer

    def _renew(self) -> None:
        begun = time.monotonic()
        try:
            self._answer, self.error = self._ask(), ""
        except (ClientError, BotoCoreError, MillpondError, OSError) as error:
            self.error = str(error)
        took = time.monotonic() - begun
        self._until = time.monotonic() + max(self._seconds, 50 * took)
