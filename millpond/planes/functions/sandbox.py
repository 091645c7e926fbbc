"""Runs the invocations of one function version: one at a time, in a process that stays warm."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass

from millpond.planes.common import isolation
from millpond.planes.common.context import PlaneContext
from millpond.planes.common.isolation import Fence
from millpond.planes.functions.function import (
    FunctionVersion,
    Invocation,
    Outcome,
    end_lines,
    error_payload,
    process_environment,
    start_line,
)
from millpond.planes.functions.runtimes import Interpreter
from millpond.planes.functions.worker import (
    AnswerTooLargeError,
    Limits,
    Worker,
    WorkerEndedError,
    WorkerTimeoutError,
)

# "Lambda quotas", developer guide: 10 seconds for initialisation, 6 MB for a synchronous answer.
INIT_SECONDS = 10.0
MAX_RESPONSE_BYTES = 6_291_556
_TOO_LARGE = error_payload(
    "Function.ResponseSizeTooLarge",
    f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes).",
)


@dataclass(frozen=True)
class _Answer:
    """What came of an event; ``note`` is Lambda's own line in the log, a spent worker is not used again."""

    payload: str
    is_error: bool = False
    note: str = ""
    is_worker_spent: bool = False


class Sandbox:
    """One execution environment of a function version.

    Parameters
    ----------
    context : PlaneContext
        Machine and stack.
    function : FunctionVersion
        What to run.
    interpreter : Interpreter
        What runs it.
    sandbox_id : str
        Name of its directory and its pid file.
    """

    def __init__(
        self, context: PlaneContext, function: FunctionVersion, interpreter: Interpreter, sandbox_id: str
    ) -> None:
        self._context = context
        self._function = function
        self._interpreter = interpreter
        self._pid_file = context.pid_dir / "functions" / f"{sandbox_id}.pid"
        self._directory = context.state_dir / "functions" / sandbox_id
        self._worker: Worker | None = None
        self._lock = threading.Lock()
        self._is_stopped = False

    def invoke(self, invocation: Invocation) -> Outcome:
        """Run one event; what goes wrong in the function is its outcome, not an exception.

        Raises
        ------
        RuntimeError
            If the sandbox is stopped.
        """
        with self._lock:
            if self._is_stopped:
                raise RuntimeError(f"The sandbox {self._pid_file.stem} is stopped")
            worker, init_seconds, failure = self._warm_worker(invocation)
            began = time.monotonic()
            answer = failure or self._ask(worker, invocation)
            seconds = time.monotonic() - began
            log = "".join(
                (
                    start_line(invocation.request_id, self._function.version),
                    _closed_line(worker.take_output()),
                    answer.note,
                    end_lines(
                        invocation.request_id,
                        seconds,
                        self._function.memory_mb,
                        worker.peak_mb,
                        init_seconds,
                    ),
                )
            )
            if answer.is_worker_spent:
                self._discard_worker()
            return Outcome(answer.payload, answer.is_error, log, seconds * 1000)

    def stop(self) -> None:
        """End its process, whatever it does just now; the sandbox cannot be used again."""
        self._is_stopped = True
        if worker := self._worker:
            worker.terminate()
        with self._lock:
            self._discard_worker()

    def _warm_worker(self, invocation: Invocation) -> tuple[Worker, float | None, _Answer | None]:
        """A process that found its handler; if it is new, how long that took; if it failed, the answer."""
        if self._worker is not None:
            return self._worker, None, None
        began = time.monotonic()
        self._worker = self._start_worker()
        failure = None
        try:
            first = self._worker.receive(INIT_SECONDS + self._function.timeout)
            if first["kind"] == "init_error":
                failure = _Answer(json.dumps(first["error"]), is_error=True, is_worker_spent=True)
        except (WorkerTimeoutError, WorkerEndedError) as error:
            failure = self._broken(invocation, error)
        return self._worker, time.monotonic() - began, failure

    def _start_worker(self) -> Worker:
        return Worker(
            self._interpreter.command,
            environment=process_environment(self._function, self._interpreter, self._directory / "tmp"),
            cwd=self._function.code_dir,
            directory=self._directory,
            pid_file=self._pid_file,
            limits=Limits(self._function.memory_mb, self._function.temporary_mb, self._fence()),
        )

    def _fence(self) -> Fence:
        interpreter, function = self._interpreter, self._function
        modules = [interpreter.modules] if interpreter.modules else []
        return isolation.fence(
            self._context,
            readable=(
                *isolation.installation(interpreter.program),
                *modules,
                function.code_dir,
                *function.layers,
            ),
            writable=(self._directory,),
        )

    def _ask(self, worker: Worker, invocation: Invocation) -> _Answer:
        try:
            worker.send(
                {
                    "request_id": invocation.request_id,
                    "arn": invocation.arn,
                    "trace_id": invocation.trace_id,
                    "client_context": invocation.client_context,
                    "deadline_ms": (time.time() + self._function.timeout) * 1000,
                    "event": invocation.event,
                }
            )
            answer = worker.receive(self._function.timeout)
        except (WorkerTimeoutError, WorkerEndedError) as error:
            return self._broken(invocation, error)
        except AnswerTooLargeError:
            return _Answer(_TOO_LARGE, is_error=True, is_worker_spent=True)
        if answer["kind"] in ("error", "fatal"):
            is_spent = answer["kind"] == "fatal"
            return _Answer(json.dumps(answer["error"]), is_error=True, is_worker_spent=is_spent)
        payload: str = answer["payload"]
        if len(payload.encode()) > MAX_RESPONSE_BYTES:
            return _Answer(_TOO_LARGE, is_error=True)
        return _Answer(payload)

    def _broken(self, invocation: Invocation, error: WorkerTimeoutError | WorkerEndedError) -> _Answer:
        if isinstance(error, WorkerTimeoutError):
            error_type, text = (
                "Sandbox.Timedout",
                f"Task timed out after {self._function.timeout:.2f} seconds",
            )
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            note = f"{now} {invocation.request_id} {text}\n"
        else:
            error_type, text = "Runtime.ExitError", str(error)
            note = f"RequestId: {invocation.request_id} Error: {text}\n"
        payload = error_payload(error_type, f"RequestId: {invocation.request_id} Error: {text}")
        return _Answer(payload, is_error=True, note=note, is_worker_spent=True)

    def _discard_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def _closed_line(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
