"""The errors of the Kinesis API Reference."""

from __future__ import annotations

from millpond.planes.common.errors import AwsError


class KinesisError(AwsError):
    """An error of Kinesis."""


class ExpiredIteratorException(KinesisError):  # noqa: N818
    code = "ExpiredIteratorException"


class InvalidArgumentException(KinesisError):  # noqa: N818
    code = "InvalidArgumentException"


class LimitExceededException(KinesisError):  # noqa: N818
    code = "LimitExceededException"


class ProvisionedThroughputExceededException(KinesisError):  # noqa: N818
    code = "ProvisionedThroughputExceededException"


class ResourceInUseException(KinesisError):  # noqa: N818
    code = "ResourceInUseException"


class ResourceNotFoundException(KinesisError):  # noqa: N818
    code = "ResourceNotFoundException"


class ValidationException(KinesisError):  # noqa: N818
    code = "ValidationException"
