"""The errors of the Firehose API Reference."""

from __future__ import annotations

from millpond.planes.common.errors import AwsError


class FirehoseError(AwsError):
    """An error of Firehose."""


class ConcurrentModificationException(FirehoseError):  # noqa: N818
    code = "ConcurrentModificationException"


class InvalidArgumentException(FirehoseError):  # noqa: N818
    code = "InvalidArgumentException"


class ResourceInUseException(FirehoseError):  # noqa: N818
    code = "ResourceInUseException"


class ResourceNotFoundException(FirehoseError):  # noqa: N818
    code = "ResourceNotFoundException"


class ServiceUnavailableException(FirehoseError):  # noqa: N818
    code = "ServiceUnavailableException"
    status_code = 500
