"""What the Glue API answers when it refuses; each class is an exception of the Glue API Reference."""

from __future__ import annotations

from millpond.planes.common.errors import AwsError


class GlueError(AwsError):
    """An answer of Glue other than success."""


class AlreadyExistsException(GlueError):  # noqa: N818
    code = "AlreadyExistsException"


class ConcurrentRunsExceededException(GlueError):  # noqa: N818
    code = "ConcurrentRunsExceededException"


class EntityNotFoundException(GlueError):  # noqa: N818
    code = "EntityNotFoundException"


class IdempotentParameterMismatchException(GlueError):  # noqa: N818
    code = "IdempotentParameterMismatchException"


class IllegalSessionStateException(GlueError):  # noqa: N818
    code = "IllegalSessionStateException"


class InvalidInputException(GlueError):  # noqa: N818
    code = "InvalidInputException"


class LaunchError(Exception):
    """A run could not be started: it ends as FAILED with this text as its ErrorMessage."""
