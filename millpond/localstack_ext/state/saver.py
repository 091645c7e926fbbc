"""When the engine's state is saved: a few seconds after a call has changed something, and when it stops.

A save forks the engine. The child has everything as it was at that one moment, makes it bytes and writes
them, while the engine goes on; nothing waits for it. Only services that were written to since the last save
are written again. State that takes long is saved less often: at most a tenth of the time goes into saving.

The child does nothing but read objects and write files, since a lock that another thread of the engine held
at the fork stays held in it; one that does not end in time is killed, and what it should have saved is tried
again.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import resource
import signal
import threading
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

from millpond.base.saved_state import Manifest, SavedState, versions
from millpond.localstack_ext.state import parts, pickling

_LOG = logging.getLogger(__name__)

PAUSE = 3.0
"""Seconds that a change waits for others that are saved with it."""
SHARE = 10.0
"""A save that took a second is followed by none for this many seconds."""
DEADLINE = 60.0
_READS = re.compile(
    r"(BatchGet|Describe|Estimate|Filter|Get|Head|List|Lookup|Query|Scan|Search|Select|Simulate|Test|"
    r"TransactGet|Validate)(?![a-z])"
)


def is_change(operation: str) -> bool:
    """Whether an operation may change something, by its name."""
    return _READS.match(operation) is None


class Saver:
    """Saves what has changed.

    Parameters
    ----------
    saved : SavedState
        Where.
    """

    def __init__(self, saved: SavedState) -> None:
        self._saved = saved
        self._changed: set[str] = set()
        self._going: set[str] = set()
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._wake = threading.Event()
        self._is_stopped = False
        self._thread: threading.Thread | None = None
        self.on_save: dict[str, Callable[[], Callable[[], None]]] = {}
        """Service → called before it is saved; what that gives back is called once the save is done."""

    @property
    def is_started(self) -> bool:
        return self._thread is not None

    @property
    def unsaved(self) -> list[str]:
        """The services that were written to since what is saved."""
        with self._lock:
            return sorted(self._changed | self._going)

    def start(self) -> None:
        """Begin to save in the background."""
        self._thread = threading.Thread(target=self._run, name="state-saver", daemon=True)
        self._thread.start()

    def note(self, service: str) -> None:
        """A service may have changed."""
        with self._lock:
            self._changed.add(service)
        self._wake.set()

    def stop(self) -> None:
        """Save once more, and no more."""
        self._is_stopped = True
        self._wake.set()
        self.save()

    def save(self) -> Manifest | None:
        """Save now what has changed since the last save; what is saved then.

        Raises
        ------
        RuntimeError
            If something could not be saved. It says what, and the log has why.
        """
        with self._saving:
            with self._lock:
                changed, self._changed = self._changed, set()
                self._going = changed
            if not changed:
                return self._saved.manifest()
            before = self._saved.manifest()
            then = [self.on_save[name]() for name in sorted(changed & set(self.on_save))]
            pickling.install_reducers()
            collected = parts.collect(changed)
            failure = self._fork_and_write(collected, before)
            if failure:
                with self._lock:
                    self._changed |= changed
                    self._going = set()
                raise RuntimeError(f"The state was not saved: {failure}")
            with self._lock:
                self._going = set()
            for finish in then:
                finish()
            return self._saved.manifest()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if self._is_stopped:
                return
            time.sleep(PAUSE)
            self._wake.clear()
            began = time.monotonic()
            try:
                self.save()
            except Exception:  # noqa: BLE001 - the next save tries it again
                _LOG.exception("the state could not be saved; what was saved before is as it was")
            time.sleep(SHARE * (time.monotonic() - began))

    def _fork_and_write(self, collected: list[parts.Part], before: Manifest | None) -> str:
        """Write parts in a child; what went wrong, empty if nothing did."""
        report, said = os.pipe()
        engine = os.getpid()
        child = os.fork()
        if child == 0:
            self._write_and_exit(collected, before, said, engine)
        os.close(said)
        return _outcome(child, report)

    def _write_and_exit(
        self, collected: list[parts.Part], before: Manifest | None, said: int, engine: int
    ) -> NoReturn:
        """What the child does: it has one thread, and must never return into the engine's code."""
        code = 1
        try:
            gc.disable()
            # An inherited socket would keep the engine's port taken if the engine were killed meanwhile.
            os.closerange(3, said)
            os.closerange(said + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
            os.nice(5)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            manifest = write_all(self._saved, collected, before)
            # If the engine has ended, the next one may be reading the files that a commit removes.
            if os.getppid() == engine:
                self._saved.commit(manifest)
            code = 0
        except BaseException:  # noqa: BLE001 - the parent reads it
            os.write(said, traceback.format_exc()[-8000:].encode())
        finally:
            os._exit(code)


def write_all(saved: SavedState, collected: list[parts.Part], before: Manifest | None) -> Manifest:
    """Write parts beside those of a manifest; the manifest of them and of the others."""
    number = before.number + 1 if before else 1
    files = dict(before.parts) if before else {}
    for part in collected:
        try:
            files |= parts.write(saved, part, number)
        except Exception as error:
            error.add_note(f"while the state of {part.name} was written")
            raise
    return Manifest(number, versions(), files)


def _outcome(child: int, report: int) -> str:
    deadline = time.monotonic() + DEADLINE
    with os.fdopen(report, "rb", closefd=True) as pipe:
        os.set_blocking(pipe.fileno(), False)
        said = b""
        while True:
            said += pipe.read() or b""
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                said += pipe.read() or b""
                break
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return f"it took longer than {DEADLINE:.0f} seconds"
            time.sleep(0.01)
    if said or status:
        return said.decode(errors="replace") or f"the process that saves ended with status {status}"
    return ""
