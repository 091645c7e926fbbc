"""The Lambda plane: runs function versions in processes of their own."""

from millpond.planes.functions.exceptions import FunctionError
from millpond.planes.functions.function import FunctionVersion, Invocation, Outcome
from millpond.planes.functions.runtimes import RUNTIMES, Interpreter, runtime_named
from millpond.planes.functions.sandbox import Sandbox

__all__ = [
    "RUNTIMES",
    "FunctionError",
    "FunctionVersion",
    "Interpreter",
    "Invocation",
    "Outcome",
    "Sandbox",
    "runtime_named",
]
