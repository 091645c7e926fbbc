"""Worker processes: one a query, and the next one always warm."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from millpond.base import process
from millpond.base.waiting import scaled
from millpond.planes.athena import files
from millpond.planes.athena.files import Reader
from millpond.planes.athena.jobs import (
    ANSWERS,
    DOORBELL,
    PID_FILE,
    WANTS,
    WORKER_LOG,
    Job,
    Outcome,
)
from millpond.planes.common import isolation
from millpond.planes.common.context import PlaneContext

_START_DEADLINE = 60.0
_KILL_AFTER = 2.0
_AT_ONCE = 4
_LOOK = 0.01


class WorkerDied(Exception):  # noqa: N818 - says what happened
    """A worker ended before it took its job; the message is the end of its log."""


class NotTakenError(WorkerDied):
    """A worker ended while it waited for its job."""


@dataclass(frozen=True)
class Worker:
    """A process that runs one query, or will as soon as it is there.

    Parameters
    ----------
    directory : Path
        Its job, its outcome and its log.
    pid_file : Path
        Where the process records itself.
    parent : OwnedProcess
        The process that forks it.
    """

    directory: Path
    pid_file: Path
    parent: process.OwnedProcess

    def answer(self, job: Job, link: files.Linker, seconds: float) -> bool:
        """Hand it its job, link what it wants to read, and wait; False if it is not done after so long.

        Raises
        ------
        NotTakenError
            If it does not live to take it.
        """
        job.write(self.directory)
        # Open before the worker takes the job: the pipe ends when the worker does.
        answers = os.open(self.directory / ANSWERS, os.O_RDONLY | os.O_NONBLOCK)
        try:
            try:
                self._ring()
            except WorkerDied as error:
                raise NotTakenError(str(error)) from error
            is_done = self._serve(answers, lambda: self._link(job, link), seconds)
            if is_done and Job.is_waiting(self.directory):
                raise NotTakenError("it was killed while it waited")
            return is_done
        finally:
            os.close(answers)

    def _serve(self, answers: int, link: Callable[[], None], seconds: float) -> bool:
        poll = select.poll()
        poll.register(answers, select.POLLIN)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if poll.poll(left * 1000):
                told = os.read(answers, select.PIPE_BUF)
                if told != WANTS:
                    return True
                link()
        return False

    def _link(self, job: Job, link: files.Linker) -> None:
        """Link what it has written down that it wants, and tell it."""
        link(
            Reader(job.account_id, job.region, job.key, job.query_id),
            files.wanted(self.directory),
            self.directory / files.OBJECTS,
        )
        # Where it has gone, the pipe says so next.
        with contextlib.suppress(WorkerDied):
            self._ring()

    def _ring(self) -> None:
        ring(self.directory / DOORBELL, "!", lambda: self.is_coming)

    @property
    def is_coming(self) -> bool:
        """Whether it is there, or will be."""
        # Without its directory it was stopped before it had started.
        is_wanted = self.directory.exists()
        has_begun = is_wanted and not (self.directory / PID_FILE).exists()
        return is_wanted and (
            process.find(self.pid_file) is not None if has_begun else self.parent.is_running
        )

    def outcome(self) -> Outcome | None:
        return Outcome.read(self.directory)

    def log(self) -> str:
        return process.last_lines(self.directory / WORKER_LOG, 5)

    def stop(self) -> None:
        """End it, whatever it does, and remove what it left."""
        if owned := process.find(self.pid_file):
            owned.stop(_KILL_AFTER)
        self.pid_file.unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)


class WorkerPool:
    """Has workers forked, for the queries of every account and region; each is used once.

    Parameters
    ----------
    context : PlaneContext
        The stack they serve.
    link : callable
        Links the objects that are files here.
    """

    def __init__(self, context: PlaneContext, link: files.Linker = files.link_nothing) -> None:
        self._context = context
        self.link = link
        self._lock = threading.Lock()
        self._home = context.state_dir / "athena"
        self._parent: process.OwnedProcess | None = None
        self._spare: Worker | None = None
        self._busy: set[Worker] = set()
        self._is_closed = False
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="athena")

    def run(self, work: Callable[[], None]) -> None:
        """Do something that needs a worker; a few at a time, the others wait."""
        self._threads.submit(work)

    def take(self) -> Worker:
        """A worker that nobody else has; another one starts to warm up in its place.

        Raises
        ------
        WorkerDied
            If there can be none.
        """
        with self._lock:
            if self._is_closed:
                raise WorkerDied("the engine is stopping")
            spare = self._spare
            is_alive = spare is not None and spare.parent.is_running and spare.is_coming
            worker = spare if spare is not None and is_alive else self._start()
            self._spare = self._start()
            self._busy.add(worker)
        if spare is not None and spare is not worker:
            spare.stop()
        return worker

    def release(self, worker: Worker) -> None:
        """A worker whose query has ended."""
        with self._lock:
            self._busy.discard(worker)
        worker.stop()

    def close(self) -> None:
        """Stop every worker, and take no more work; queries that still run fail."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._is_closed = True
            workers = [*self._busy, *([self._spare] if self._spare else [])]
            self._spare = None
        if self._parent is not None:
            self._parent.stop(_KILL_AFTER)
        for worker in workers:
            worker.stop()

    def _start(self) -> Worker:
        if self._parent is None or not self._parent.is_running:
            self._parent = self._start_parent()
        parent, name = self._parent, uuid.uuid4().hex[:12]
        worker = Worker(self._home / name, self._context.pid_dir / "athena" / f"{name}.pid", parent)
        worker.directory.mkdir(parents=True)
        (worker.directory / PID_FILE).write_text(str(worker.pid_file))
        for pipe in (DOORBELL, ANSWERS):
            os.mkfifo(worker.directory / pipe)
        ring(self._home / DOORBELL, f"{name}\n", lambda: parent.is_running)
        return worker

    def _start_parent(self) -> process.OwnedProcess:
        if self._parent is None:
            # An engine that was killed leaves links here, and with them the disk of objects that are gone.
            shutil.rmtree(self._home, ignore_errors=True)
        self._home.mkdir(parents=True, exist_ok=True)
        (self._home / DOORBELL).unlink(missing_ok=True)
        os.mkfifo(self._home / DOORBELL)
        return process.start(
            [self._context.tools.harness_python, "-m", "millpond.planes.athena.worker", self._home],
            pid_file=self._context.pid_dir / "athena" / "workers.pid",
            log_file=self._context.state_dir / "logs" / "athena.log",
            env=self._environment(),
            cwd=self._home,
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "HOME": str(self._home),
            "TMPDIR": str(self._home),
            "PYTHONUNBUFFERED": "1",
            isolation.SETTING: os.environ.get(isolation.SETTING, ""),
            "AWS_ENDPOINT_URL": self._context.endpoint_url,
            # Region and account of a query come with it; these are the ones that clients are kept ready for.
            "AWS_DEFAULT_REGION": self._context.region,
            "AWS_ACCESS_KEY_ID": self._context.account_id,
            "AWS_SECRET_ACCESS_KEY": "athena",
            "AWS_EC2_METADATA_DISABLED": "true",
            # Who reads the calls of a stack tells a query's from those of a person by their user agent.
            "AWS_SDK_UA_APP_ID": "athena",
            "NO_PROXY": "127.0.0.1,localhost",
        }


def ring(doorbell: Path, message: str, is_alive: Callable[[], bool]) -> None:
    """Write to a process that reads a named pipe, once it has opened it.

    Raises
    ------
    WorkerDied
        If the process ends before, or takes too long.
    """
    deadline = time.monotonic() + scaled(_START_DEADLINE)
    while is_alive() and time.monotonic() < deadline:
        # ENXIO: nobody has opened the other end yet; EPIPE: who had is gone.
        with contextlib.suppress(OSError):
            handle = os.open(doorbell, os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(handle, message.encode())
                return
            finally:
                os.close(handle)
        time.sleep(_LOOK)
    raise WorkerDied("the process that runs queries did not start")
