"""The driver of an interactive session: runs statements one after the other, in one interpreter.

It is what a session has in a script's place. Two FIFOs in the folder that ``--millpond-session`` names join
it to the session. From ``requests`` it reads a JSON object a line, ``{"run": ID, "code": TEXT}`` or
``{"cancel": ID}``; to ``answers`` it writes ``{"ready": true}``, ``{"running": ID}`` and
``{"done": ID, "cancelled": …, "output": …}``, the last in the shape of ``StatementOutput`` of the Glue API.
It ends when nobody holds ``requests`` any more.
"""

from __future__ import annotations

import ast
import io
import json
import linecache
import os
import queue
import signal
import sys
import threading
import traceback
import types
from typing import Any, Dict, List, Optional, TextIO

_OPTION = "--millpond-session"
_SECONDS_BETWEEN_INTERRUPTS = 0.2

Message = Dict[str, Any]


class Tee(io.TextIOBase):
    """Standard output that is also kept, for the output of a statement.

    Parameters
    ----------
    target : text stream
        Where what is written goes on to: the log of the session.
    """

    def __init__(self, target: TextIO) -> None:
        self._target = target
        self._kept: List[str] = []

    def write(self, text: str) -> int:
        self._kept.append(text)
        return self._target.write(text)

    def flush(self) -> None:
        self._target.flush()

    def fileno(self) -> int:
        return self._target.fileno()

    def writable(self) -> bool:
        return True

    def take(self) -> str:
        """What was written since it was last asked."""
        text, self._kept = "".join(self._kept), []
        return text


def run_statement(code: str, namespace: Dict[str, Any], number: int, out: Tee) -> Message:
    """Run the code of a statement; ``StatementOutput`` of the Glue API.

    Parameters
    ----------
    code : str
        Python. Of an expression at its end the value is shown, unless it is ``None``.
    namespace : dict
        Names that earlier statements left, and to which this one adds.
    number : int
        Of the statement, for tracebacks and ``ExecutionCount``.
    out : Tee
        Standard output while it runs.
    """
    source = f"<statement {number}>"
    # Tracebacks show lines of the code, and inspect finds the source of what is defined in it.
    linecache.cache[source] = (len(code), None, code.splitlines(True), source)
    out.take()
    try:
        tree = ast.parse(code, source)
        last: Optional[ast.Expression] = None
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
        exec(compile(tree, source, "exec"), namespace)  # noqa: S102 - it is what a session is for
        if last is not None:
            value = eval(compile(last, source, "eval"), namespace)  # noqa: S307
            if value is not None:
                namespace["_"] = value
                print(repr(value), file=out)
    except BaseException as error:  # noqa: BLE001 - also SystemExit: a statement does not end the session
        lines = traceback.format_exception(type(error), error, _of_statements(error))
        sys.stderr.write("".join(lines))
        return {
            "ExecutionCount": number,
            "Status": "error",
            "ErrorName": type(error).__name__,
            "ErrorValue": str(error),
            "Traceback": lines,
        }
    return {"ExecutionCount": number, "Status": "ok", "Data": {"TextPlain": out.take()}}


def _of_statements(error: BaseException) -> Optional[types.TracebackType]:
    """The traceback from where the statement's own code begins."""
    frames = error.__traceback__
    while frames is not None and not frames.tb_frame.f_code.co_filename.startswith("<statement "):
        frames = frames.tb_next
    return frames


class Driver:
    """Takes requests in one thread and runs statements in the main one.

    Parameters
    ----------
    folder : str
        With the two FIFOs.
    """

    def __init__(self, folder: str) -> None:
        self._requests = open(os.path.join(folder, "requests"), encoding="utf-8")  # noqa: PTH118, PTH123, SIM115
        self._answers = open(os.path.join(folder, "answers"), "w", encoding="utf-8")  # noqa: PTH118, PTH123, SIM115
        self._waiting: queue.Queue[Optional[Message]] = queue.Queue()
        self._cancelled: set[int] = set()
        self._running: Optional[int] = None
        self._main = threading.get_ident()
        self._context: Any = None

    def run(self) -> None:
        """Begin Spark, then run what is asked for until nothing can be asked any more."""
        module = types.ModuleType("__main__")
        # What statements define is pickled by value for Spark's workers, as it is from any main module.
        sys.modules["__main__"] = module
        out = Tee(sys.stdout)
        sys.stdout = out  # type: ignore[assignment]
        from pyspark.sql import SparkSession

        session = SparkSession.builder.getOrCreate()
        self._context = session.sparkContext
        module.__dict__.update(spark=session, sc=self._context)
        signal.signal(signal.SIGINT, self._interrupted)
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        self._answer({"ready": True})
        while (request := self._waiting.get()) is not None:
            self._run(request, module.__dict__, out)

    def _run(self, request: Message, namespace: Dict[str, Any], out: Tee) -> None:
        number = request["run"]
        output = None
        if number not in self._cancelled:
            self._answer({"running": number})
            self._running = number
            output = run_statement(request["code"], namespace, number, out)
            self._running = None
        cancelled = number in self._cancelled
        self._answer({"done": number, "cancelled": cancelled, "output": output})

    def _read(self) -> None:
        for line in self._requests:
            request = json.loads(line)
            if "cancel" in request:
                self._cancelled.add(request["cancel"])
                threading.Thread(target=self._cancel, args=(request["cancel"],), daemon=True).start()
            else:
                self._waiting.put(request)
        self._waiting.put(None)

    def _cancel(self, number: int) -> None:
        done = threading.Event()
        while self._running == number:
            # A call into Spark ends with its jobs; Python's own work ends with the signal.
            self._context.cancelAllJobs()
            signal.pthread_kill(self._main, signal.SIGINT)
            done.wait(_SECONDS_BETWEEN_INTERRUPTS)

    def _interrupted(self, _signal: int, frame: Optional[types.FrameType]) -> None:
        if self._running not in self._cancelled:
            return
        inner = frame
        while inner is not None:
            # An exception in there would leave an answer of Spark's unread, for the next call to take.
            if inner.f_globals.get("__name__", "").startswith("py4j."):
                return
            if inner.f_code is run_statement.__code__:
                raise KeyboardInterrupt("the statement was cancelled")
            inner = inner.f_back

    def _answer(self, message: Message) -> None:
        self._answers.write(json.dumps(message) + "\n")
        self._answers.flush()


if __name__ == "__main__":
    position = sys.argv.index(_OPTION)
    folder = sys.argv[position + 1]
    del sys.argv[position : position + 2]
    Driver(folder).run()
