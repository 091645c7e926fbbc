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


class ConcurrentModificationException(GlueError):  # noqa: N818
    code = "ConcurrentModificationException"


class ConditionCheckFailureException(GlueError):  # noqa: N818
    code = "ConditionCheckFailureException"


class ColumnStatisticsTaskNotRunningException(GlueError):  # noqa: N818
    code = "ColumnStatisticsTaskNotRunningException"


class ColumnStatisticsTaskRunningException(GlueError):  # noqa: N818
    code = "ColumnStatisticsTaskRunningException"


class ColumnStatisticsTaskStoppingException(GlueError):  # noqa: N818
    code = "ColumnStatisticsTaskStoppingException"


class ConflictException(GlueError):  # noqa: N818
    code = "ConflictException"


class CrawlerNotRunningException(GlueError):  # noqa: N818
    code = "CrawlerNotRunningException"


class CrawlerRunningException(GlueError):  # noqa: N818
    code = "CrawlerRunningException"


class CrawlerStoppingException(GlueError):  # noqa: N818
    code = "CrawlerStoppingException"


class IllegalWorkflowStateException(GlueError):  # noqa: N818
    code = "IllegalWorkflowStateException"


class InvalidStateException(GlueError):  # noqa: N818
    code = "InvalidStateException"


class NoScheduleException(GlueError):  # noqa: N818
    code = "NoScheduleException"


class ResourceNumberLimitExceededException(GlueError):  # noqa: N818
    code = "ResourceNumberLimitExceededException"


class SchedulerNotRunningException(GlueError):  # noqa: N818
    code = "SchedulerNotRunningException"


class SchedulerRunningException(GlueError):  # noqa: N818
    code = "SchedulerRunningException"


class ValidationException(GlueError):  # noqa: N818
    code = "ValidationException"


class VersionMismatchException(GlueError):  # noqa: N818
    code = "VersionMismatchException"


class LaunchError(Exception):
    """A run could not be started: it ends as FAILED with this text as its ErrorMessage."""
