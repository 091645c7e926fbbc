"""The interpreters of functions: those that the stack came with, others installed on first use."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from millpond.localstack_ext.engine import planes
from millpond.localstack_ext.engine.service_index import VARIABLE
from millpond.planes.functions import FunctionError, Interpreter, runtime_named
from millpond.toolchain.runtimes import interpreter_elsewhere

_lock = threading.Lock()
_interpreters: dict[str, Interpreter] = {}


def interpreter_for(name: str) -> Interpreter:
    """What runs a runtime.

    Raises
    ------
    FunctionError
        If the runtime is none that runs here, or cannot be had.
    """
    runtime = runtime_named(name)
    with _lock:
        if name not in _interpreters:
            at_hand = planes.context().tools.lambda_python.get(name)
            _interpreters[name] = Interpreter(runtime, at_hand) if at_hand else _installed(name)
        return _interpreters[name]


def home_of_installs() -> Path:
    """Where environments are made.

    Raises
    ------
    FunctionError
        In a container, which makes none.
    """
    home = os.environ.get(VARIABLE)
    if home is None:
        raise FunctionError(
            "InvalidParameterValueException",
            "Nothing is installed in this container. Run the stack without containers: there it is.",
        )
    return Path(home).parent


def _installed(name: str) -> Interpreter:
    try:
        home = home_of_installs()
    except FunctionError as error:
        known = ", ".join(sorted(planes.context().tools.lambda_python))
        raise FunctionError(
            "InvalidParameterValueException",
            f"The runtime {name} is not in this container, which has {known}. Run the stack without "
            "containers: there it is installed on first use.",
        ) from error
    return interpreter_elsewhere(name, home)
