"""The process of a function, and the channel to it.

Its memory is watched, not limited: address space, all that the kernel limits for one process, says little of
what it uses. It is ended when its resident memory was seen above the limit, a tenth of a second late at most;
what processes of its own use is not counted.
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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from millpond.base import process

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
WATCH_SECONDS = 0.1
EXIT_SECONDS = 1.0
MEGABYTE = 1024 * 1024


class WorkerTimeoutError(Exception):
    """No answer before the deadline."""


class WorkerEndedError(Exception):
    """The process is gone; the message says how it ended."""


class Worker:
    """A started process; use :meth:`close` when done with it.

    Parameters
    ----------
    python : Path
        The interpreter.
    environment : mapping
        The whole environment of the process.
    cwd : Path
        Its working directory.
    directory : Path
        A directory of its own, removed with it; ``directory/tmp`` must be its ``TMPDIR``.
    pid_file : Path
        Where it is recorded.
    memory_mb : int
        Resident memory above which it is killed.
    """

    def __init__(
        self,
        python: Path,
        *,
        environment: Mapping[str, str],
        cwd: Path,
        directory: Path,
        pid_file: Path,
        memory_mb: int,
    ) -> None:
        self._directory = directory
        self._pid_file = pid_file
        self._memory_limit = memory_mb * MEGABYTE
        self._peak = 0
        self._unread = bytearray()
        (directory / "tmp").mkdir(parents=True, exist_ok=True)
        self._channel, theirs = socket.socketpair()
        self._output = directory / "output"
        with theirs, self._output.open("ab") as output:
            self._child = subprocess.Popen(
                [python, "-u", BOOTSTRAP, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=cwd,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
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
            If it ended, or was killed because it used too much memory.
        """
        deadline = time.monotonic() + seconds
        while True:
            line, newline, rest = self._unread.partition(b"\n")
            if newline:
                self._unread = rest
                self._watch_memory()
                message: dict[str, Any] = json.loads(line)
                return message
            self._unread += self._read(deadline)

    def take_output(self) -> str:
        """What it wrote to stdout and stderr since the last call."""
        text = self._output.read_text(errors="replace")
        # What a thread writes between the two calls is lost; on AWS such a thread is frozen by then.
        os.truncate(self._output, 0)
        return text

    def terminate(self) -> None:
        """End its process group; whoever waits for an answer of it is told so."""
        if self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def close(self) -> None:
        """End its process group and remove what it left."""
        self.terminate()
        self._child.wait()
        self._channel.close()
        self._pid_file.unlink(missing_ok=True)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _read(self, deadline: float) -> bytes:
        while (remaining := deadline - time.monotonic()) > 0:
            self._channel.settimeout(min(remaining, WATCH_SECONDS))
            try:
                chunk = self._channel.recv(MEGABYTE)
            except TimeoutError:
                self._watch_memory()
                continue
            except OSError as error:
                raise self._ended() from error
            if not chunk:
                raise self._ended()
            return chunk
        raise WorkerTimeoutError

    def _watch_memory(self) -> None:
        try:
            used = self._process.memory_info().rss
        except psutil.NoSuchProcess:
            return
        self._peak = max(self._peak, used)
        if used > self._memory_limit:
            self.terminate()
            raise self._ended()

    def _ended(self) -> WorkerEndedError:
        """How it ended, once it has; what is left of its group ends too."""
        deadline = time.monotonic() + EXIT_SECONDS
        # Not reaped yet: its process id must still name its group.
        while os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        self.terminate()
        return WorkerEndedError(describe_exit(self._child.wait()))


def describe_exit(code: int) -> str:
    """An exit code as Lambda words it ("Troubleshoot execution issues in Lambda", developer guide)."""
    if code == 0:
        return "Runtime exited without providing a reason"
    if code > 0:
        return f"Runtime exited with error: exit status {code}"
    return f"Runtime exited with error: signal: {(signal.strsignal(-code) or str(-code)).lower()}"
