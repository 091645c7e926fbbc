"""What a run or a build writes, copied to CloudWatch Logs as it grows."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import InputLogEventTypeDef

# Limits of PutLogEvents.
_MAX_EVENT_BYTES = 256 * 1024 - 26
_MAX_BATCH_BYTES = 1_000_000
_MAX_BATCH_EVENTS = 10_000


@dataclass(frozen=True)
class Destination:
    """A log stream."""

    group: str
    stream: str


@dataclass
class Tail:
    """Reads whole lines from a file that another process appends to.

    Parameters
    ----------
    path : Path
        The file; it need not exist yet.
    offset : int
        Byte from which on to read.
    """

    path: Path
    offset: int = 0

    def lines(self, *, is_last: bool = False) -> list[str]:
        """Lines written since the last call; an unfinished line waits, unless this is the last call."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self.offset)
            content = file.read()
        if not is_last:
            content = content[: content.rfind(b"\n") + 1]
        self.offset += len(content)
        return content.decode("utf-8", errors="replace").splitlines()


@dataclass
class LogShipper:
    """Copies files to log streams while they grow.

    Parameters
    ----------
    client : CloudWatchLogsClient
        Where to put them.
    routes : list of (Tail, destinations)
        Which file goes where.
    """

    client: CloudWatchLogsClient
    routes: list[tuple[Tail, tuple[Destination, ...]]]
    _ready: set[Destination] = field(default_factory=set)

    def open(self) -> None:
        """Make the groups and streams that are missing, so that a silent run has its streams too."""
        for _, targets in self.routes:
            for target in targets:
                self._ensure(target)

    def ship(self, *, is_last: bool = False) -> None:
        """Send what was written since the last call."""
        for tail, targets in self.routes:
            lines = tail.lines(is_last=is_last)
            for target in targets:
                for batch in batches(lines, int(time.time() * 1000)):
                    self._ensure(target)
                    self.client.put_log_events(
                        logGroupName=target.group, logStreamName=target.stream, logEvents=batch
                    )

    def _ensure(self, target: Destination) -> None:
        if target in self._ready:
            return
        exists = self.client.exceptions.ResourceAlreadyExistsException
        with contextlib.suppress(exists):  # Terraform may have made it, with a retention.
            self.client.create_log_group(logGroupName=target.group)
        with contextlib.suppress(exists):
            self.client.create_log_stream(logGroupName=target.group, logStreamName=target.stream)
        self._ready.add(target)


def batches(lines: Iterable[str], timestamp: int) -> list[list[InputLogEventTypeDef]]:
    """Lines as log events, cut so that each batch is within the limits of ``PutLogEvents``.

    Parameters
    ----------
    lines : iterable of str
        Empty ones are left out: the API refuses them.
    timestamp : int
        Milliseconds since the epoch.
    """
    result: list[list[InputLogEventTypeDef]] = []
    size = _MAX_BATCH_BYTES
    for line in lines:
        if not line:
            continue
        message = line.encode()[:_MAX_EVENT_BYTES].decode(errors="ignore")
        cost = len(message.encode()) + 26
        if size + cost > _MAX_BATCH_BYTES or len(result[-1]) == _MAX_BATCH_EVENTS:
            result.append([])
            size = 0
        result[-1].append({"timestamp": timestamp, "message": message})
        size += cost
    return result


def source_files(
    mapping: Mapping[Path, tuple[Destination, ...]],
) -> list[tuple[Tail, tuple[Destination, ...]]]:
    """Routes that begin at what each file holds now."""
    return [(Tail(path, path.stat().st_size if path.exists() else 0), to) for path, to in mapping.items()]
