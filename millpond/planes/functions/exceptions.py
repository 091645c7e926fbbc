"""What is wrong with a function."""

from __future__ import annotations

from millpond.planes.common.errors import AwsError


class FunctionError(AwsError):
    """A function that cannot be run, with the error code that AWS has for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
