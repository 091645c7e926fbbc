"""The Lambda plane: runs function versions in processes of their own."""

from millpond.planes.functions.function import (
    FunctionError,
    FunctionVersion,
    Invocation,
    Outcome,
    interpreter_for,
)
from millpond.planes.functions.sandbox import Sandbox

__all__ = ["FunctionError", "FunctionVersion", "Invocation", "Outcome", "Sandbox", "interpreter_for"]
