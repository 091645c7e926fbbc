"""What the Glue API answers when it refuses; each class is an exception of the Glue API Reference."""

from __future__ import annotations

from typing import ClassVar


class GlueError(Exception):
    """An answer other than success.

    Parameters
    ----------
    message : str
        What the caller reads.
    """

    code: ClassVar[str]
    status_code: ClassVar[int] = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class AlreadyExistsException(GlueError):  # noqa: N818
    code = "AlreadyExistsException"


class ConcurrentRunsExceededException(GlueError):  # noqa: N818
    code = "ConcurrentRunsExceededException"


class EntityNotFoundException(GlueError):  # noqa: N818
    code = "EntityNotFoundException"


class IdempotentParameterMismatchException(GlueError):  # noqa: N818
    code = "IdempotentParameterMismatchException"


class InvalidInputException(GlueError):  # noqa: N818
    code = "InvalidInputException"


class LaunchError(Exception):
    """A run could not be started: it ends as FAILED with this text as its ErrorMessage."""
