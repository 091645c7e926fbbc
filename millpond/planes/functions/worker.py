"""The process of a function, and the channel to it.

Its memory is watched, not limited: address space, all that the kernel limits for one process, says little of
what it uses. It is ended when its resident memory was seen above the limit, a tenth of a second late at most;
what processes of its own use is not counted. Its ``/tmp`` is watched in the same way, and what it prints goes
to a file of which no more than ``MAX_OUTPUT_BYTES`` are kept for each invocation.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from millpond.base import process
from millpond.planes.common.isolation import Fence

WATCH_SECONDS = 0.1
EXIT_SECONDS = 1.0
# How often the files of /tmp are counted, which costs more than a look at the memory.
TEMPORARY_SECONDS = 1.0
MEGABYTE = 1024 * 1024
MAX_OUTPUT_BYTES = 4 * MEGABYTE
# An answer of 6 MB in which every character is escaped.
MAX_MESSAGE_BYTES = 40 * MEGABYTE


class WorkerTimeoutError(Exception):
    """No answer before the deadline."""


class WorkerEndedError(Exception):
    """The process is gone; the message says how it ended."""


class AnswerTooLargeError(Exception):
    """The process sent more than an answer may have, and was ended."""


@dataclass(frozen=True)
class Limits:
    """What a process may have: megabytes of memory and of ``/tmp``, and what is not behind the fence."""

    memory_mb: int
    temporary_mb: int
    fence: Fence


class Worker:
    """A started process; use :meth:`close` when done with it.

    Parameters
    ----------
    command : callable
        What starts it, from the descriptor of its end of the channel.
    environment : mapping
        The whole environment of the process.
    cwd : Path
        Its working directory.
    directory : Path
        A directory of its own, removed with it; ``directory/tmp`` must be its ``TMPDIR``.
    pid_file : Path
        Where it is recorded.
    limits : Limits
        Above which it is killed, and what it sees.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        *,
        environment: Mapping[str, str],
        cwd: Path,
        directory: Path,
        pid_file: Path,
        limits: Limits,
    ) -> None:
        self._directory = directory
        self._pid_file = pid_file
        self._limits = limits
        self._peak = 0
        self._dropped = 0
        self._temporary_counted = 0.0
        self._unread = bytearray()
        (directory / "tmp").mkdir(parents=True, exist_ok=True)
        self._channel, theirs = socket.socketpair()
        self._output = directory / "output"
        with theirs, self._output.open("ab") as output:
            self._child = limits.fence.start(
                lambda: subprocess.Popen(
                    command(theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**environment, **process.marked(directory)},
                    cwd=cwd,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            )
        self._process = psutil.Process(self._child.pid)
        process.record(self._child.pid, pid_file)

    @property
    def peak_mb(self) -> int:
        """The most resident memory it was seen to use."""
        return -(-self._peak // MEGABYTE)

    def send(self, message: Mapping[str, Any]) -> None:
        """Give it a message.

        Raises
        ------
        WorkerEndedError
            If it is gone.
        """
        self._channel.settimeout(None)
        try:
            self._channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise self._ended() from error

    def receive(self, seconds: float) -> dict[str, Any]:
        """Wait for its next message.

        Raises
        ------
        WorkerTimeoutError
            If there is none within the time.
        WorkerEndedError
            If it ended, or was killed because it used too much memory or too much of its ``/tmp``.
        AnswerTooLargeError
            If its message has no end.
        """
        deadline = time.monotonic() + seconds
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            searched = len(self._unread)
            if len(self._unread) > MAX_MESSAGE_BYTES:
                self.terminate()
                raise AnswerTooLargeError
            self._unread += self._read(deadline)
        message: dict[str, Any] = json.loads(self._unread[:end])
        del self._unread[: end + 1]
        self._watch()
        return message

    def take_output(self) -> str:
        """What it wrote to stdout and stderr since the last call, as much of it as is kept."""
        self._bound_output()
        text = self._output.read_bytes().decode(errors="replace")
        # What a thread writes between the two calls is lost; on AWS such a thread is frozen by then.
        os.truncate(self._output, 0)
        if self._dropped:
            text += f"\n[{self._dropped} more bytes of output are not kept: {MAX_OUTPUT_BYTES} at most]\n"
            self._dropped = 0
        return text

    def terminate(self) -> None:
        """End its process group; whoever waits for an answer of it is told so."""
        if self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def close(self) -> None:
        """End its process group and the daemons that left it, and remove its files."""
        self.terminate()
        self._child.wait()
        process.end_marked(self._directory)
        self._channel.close()
        self._pid_file.unlink(missing_ok=True)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _read(self, deadline: float) -> bytes:
        while (remaining := deadline - time.monotonic()) > 0:
            self._channel.settimeout(min(remaining, WATCH_SECONDS))
            try:
                chunk = self._channel.recv(MEGABYTE)
            except TimeoutError:
                self._watch()
                continue
            except OSError as error:
                raise self._ended() from error
            if not chunk:
                raise self._ended()
            return chunk
        raise WorkerTimeoutError

    def _watch(self) -> None:
        self._bound_output()
        self._watch_temporary()
        self._watch_memory()

    def _bound_output(self) -> None:
        written = self._output.stat().st_size
        if written > MAX_OUTPUT_BYTES:
            # The process has it open for appending, so what it writes next follows what is left.
            os.truncate(self._output, MAX_OUTPUT_BYTES)
            self._dropped += written - MAX_OUTPUT_BYTES

    def _watch_temporary(self) -> None:
        if time.monotonic() - self._temporary_counted < TEMPORARY_SECONDS:
            return
        self._temporary_counted = time.monotonic()
        if _bytes_below(self._directory / "tmp") > self._limits.temporary_mb * MEGABYTE:
            self.terminate()
            self._ended()
            raise WorkerEndedError(
                f"[Errno 28] No space left on device: /tmp holds more than {self._limits.temporary_mb} MB"
            )

    def _watch_memory(self) -> None:
        try:
            used = self._process.memory_info().rss
        except psutil.NoSuchProcess:
            return
        self._peak = max(self._peak, used)
        if used > self._limits.memory_mb * MEGABYTE:
            self.terminate()
            raise self._ended()

    def _ended(self) -> WorkerEndedError:
        """How it ended, once it has; what is left of its group ends too."""
        deadline = time.monotonic() + EXIT_SECONDS
        # WNOWAIT leaves the process unreaped, so that its id still names its group.
        while os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        self.terminate()
        return WorkerEndedError(describe_exit(self._child.wait()))


def _bytes_below(directory: Path) -> int:
    """What the files below a directory take on the disk; those that go away meanwhile are nothing."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(f"{folder}/{name}").st_blocks * 512
    return total


def describe_exit(code: int) -> str:
    """An exit code as Lambda words it ("Troubleshoot execution issues in Lambda", developer guide)."""
    if code == 0:
        return "Runtime exited without providing a reason"
    if code > 0:
        return f"Runtime exited with error: exit status {code}"
    return f"Runtime exited with error: signal: {(signal.strsignal(-code) or str(-code)).lower()}"
