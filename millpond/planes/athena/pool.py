"""Worker processes: one a query, and the next one always warm."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil

from millpond import process
from millpond.planes.athena.jobs import DOORBELL, Job, Outcome
from millpond.planes.context import PlaneContext

_START_DEADLINE = 30.0
_KILL_AFTER = 2.0
_LOG = "worker.log"


class WorkerDied(Exception):  # noqa: N818 - says what happened
    """A worker ended before it took its job; the message is the end of its log."""


@dataclass(frozen=True)
class WorkerProcess:
    """A process that runs one query.

    Parameters
    ----------
    owned : OwnedProcess
        The process.
    directory : Path
        Its job, its outcome and its log.
    """

    owned: process.OwnedProcess
    directory: Path

    def give(self, job: Job) -> None:
        """Hand it its job.

        Raises
        ------
        WorkerDied
            If it does not live to take it.
        """
        job.write(self.directory)
        waited = threading.Event()
        for _ in range(int(_START_DEADLINE / 0.02)):
            try:
                bell = os.open(self.directory / DOORBELL, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                # Nobody has the other end open yet: it is still starting, or gone.
                if not self.owned.is_running:
                    break
                waited.wait(0.02)
                continue
            os.write(bell, b"!")
            os.close(bell)
            return
        raise WorkerDied(self.log())

    def wait(self, seconds: float | None) -> bool:
        """Wait until it has ended; False if it has not after so long."""
        try:
            psutil.Process(self.owned.pid).wait(timeout=seconds)
        except psutil.NoSuchProcess:
            return True
        except psutil.TimeoutExpired:
            return False
        return True

    def outcome(self) -> Outcome | None:
        return Outcome.read(self.directory)

    def log(self) -> str:
        return process.last_lines(self.directory / _LOG, 5)

    def stop(self) -> None:
        """End it, whatever it does, and remove what it left."""
        self.owned.stop(_KILL_AFTER)
        shutil.rmtree(self.directory, ignore_errors=True)


class WorkerPool:
    """Starts workers; each is used once.

    Parameters
    ----------
    context : PlaneContext
        The stack they serve.
    """

    def __init__(self, context: PlaneContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._spare: WorkerProcess | None = None
        self._busy: set[WorkerProcess] = set()
        self._is_closed = False

    def take(self) -> WorkerProcess:
        """A worker that nobody else has; another one starts to warm up in its place."""
        with self._lock:
            if self._is_closed:
                raise WorkerDied("the engine is stopping")
            spare = self._spare
            worker = spare if spare is not None and spare.owned.is_running else self._start()
            self._spare = self._start()
            self._busy.add(worker)
        return worker

    def release(self, worker: WorkerProcess) -> None:
        """A worker whose query has ended."""
        with self._lock:
            self._busy.discard(worker)
        worker.stop()

    def close(self) -> None:
        """Stop every worker; queries that still run fail."""
        with self._lock:
            self._is_closed = True
            workers = [*self._busy, *([self._spare] if self._spare else [])]
            self._spare = None
        for worker in workers:
            worker.stop()

    def _start(self) -> WorkerProcess:
        name = uuid.uuid4().hex[:12]
        directory = self._context.state_dir / "athena" / name
        directory.mkdir(parents=True)
        os.mkfifo(directory / DOORBELL)
        python = self._context.tools.harness_python
        owned = process.start(
            [python, "-m", "millpond.planes.athena.worker", directory],
            pid_file=self._context.pid_dir / "athena" / f"{name}.pid",
            log_file=directory / _LOG,
            env=self._environment(directory),
            cwd=directory,
        )
        return WorkerProcess(owned, directory)

    def _environment(self, directory: Path) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "HOME": str(directory),
            "TMPDIR": str(directory),
            "PYTHONUNBUFFERED": "1",
            "AWS_ENDPOINT_URL": self._context.endpoint_url,
            "AWS_DEFAULT_REGION": self._context.region,
            "AWS_ACCESS_KEY_ID": self._context.account_id,
            "AWS_SECRET_ACCESS_KEY": "athena",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
        }
