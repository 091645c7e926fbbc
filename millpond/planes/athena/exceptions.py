"""What the plane refuses, and how a query fails, in Athena's own words."""

from __future__ import annotations

import re

from botocore.exceptions import BotoCoreError, ClientError

from millpond.planes.common.errors import AwsError

CATALOG = "awsdatacatalog"
"""What the catalog of the account is called in messages, and in names that are written out."""

Place = tuple[int | None, int | None]
"""Line and column in a statement, counted from one."""


class AthenaException(AwsError):  # noqa: N818 - the names of the API
    """An answer of Athena other than success."""


class InvalidRequestException(AthenaException):
    """Something in the request is not acceptable.

    Parameters
    ----------
    message : str
        Athena's message.
    athena_error_code : str
        Member ``AthenaErrorCode`` of the error, for example ``INVALID_INPUT``.
    """

    code = "InvalidRequestException"

    def __init__(self, message: str, athena_error_code: str = "INVALID_INPUT") -> None:
        super().__init__(message)
        self.AthenaErrorCode = athena_error_code


class ResourceNotFoundException(AthenaException):
    """A resource, such as a prepared statement, does not exist.

    Parameters
    ----------
    message : str
        Athena's message.
    resource_name : str
        Member ``ResourceName`` of the error.
    """

    code = "ResourceNotFoundException"

    def __init__(self, message: str, resource_name: str = "") -> None:
        super().__init__(message)
        self.ResourceName = resource_name


class MetadataException(AthenaException):
    """The catalog has no such database or table."""

    code = "MetadataException"


class QueryFailed(Exception):  # noqa: N818 - it is the state FAILED
    """A query that ends as FAILED.

    Parameters
    ----------
    reason : str
        Name of Trino's error, for example ``TABLE_NOT_FOUND``.
    message : str
        What follows it in ``StateChangeReason``.
    line, column : int, optional
        Where in the statement, counted from one.
    """

    def __init__(self, reason: str, message: str, line: int | None = None, column: int | None = None) -> None:
        self.reason = reason
        self.line = line
        self.message = message if line is None else f"line {line}:{column}: {message}"
        super().__init__(self.state_change_reason)

    def at(self, place: Place) -> QueryFailed:
        """The same with its place, unless it has one."""
        if self.line is None and place[0] is not None:
            self.line = place[0]
            self.message = f"line {place[0]}:{place[1]}: {self.message}"
            self.args = (self.state_change_reason,)
        return self

    @property
    def state_change_reason(self) -> str:
        return f"{self.reason}: {self.message}" if self.reason else self.message


def table_exists(database: str, name: str) -> QueryFailed:
    """The failure of a statement that makes a table which is there already."""
    message = f"Destination table '{CATALOG}.{database}.{name}' already exists"
    return QueryFailed("TABLE_ALREADY_EXISTS", message, 1, 1)


MOST_PARTITIONS = 100
"""What one statement may write: "Use CTAS and INSERT INTO to work around the 100 partition limit"."""


def too_many_partitions(connector: str, what: str) -> QueryFailed:
    """The failure of a statement that writes more partitions than it may."""
    message = f"Exceeded limit of {MOST_PARTITIONS} open writers for {what}"
    return QueryFailed(f"{connector}_TOO_MANY_OPEN_PARTITIONS", message)


class NotSupported(QueryFailed):
    """Valid for Athena, but Millpond does not do it.

    Parameters
    ----------
    what : str
        The thing, as the beginning of a sentence.
    line, column : int, optional
        Where in the statement, counted from one.
    """

    def __init__(self, what: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__("NOT_SUPPORTED", f"{what} is not supported by Millpond's Athena", line, column)


class KernelFailed(Exception):  # noqa: N818 - says what happened
    """A function of :mod:`millpond.planes.athena.kernels` fails as Trino's does.

    The text is marked at both ends: DuckDB puts words of its own around it.

    Parameters
    ----------
    reason : str
        Name of Trino's error.
    message : str
        Trino's words.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        self.message = message
        super().__init__(f"\x02{reason}: {message}\x03")


_DENIED = ("AccessDenied", "AccessDeniedException", "403")
_OBJECT = re.compile(r"on resource: arn:aws:s3:::(\S+)")


def is_denied(error: ClientError) -> bool:
    """Whether a service has refused something to the caller of a query."""
    return error.response["Error"]["Code"] in _DENIED


def refused(error: ClientError | BotoCoreError) -> QueryFailed:
    """What a service has refused, as the reason of a query: "Troubleshoot permissions" of the user guide."""
    if not isinstance(error, ClientError) or not is_denied(error):
        return QueryFailed("GENERIC_INTERNAL_ERROR", str(error))
    message = error.response["Error"].get("Message", "")
    if found := _OBJECT.search(message):
        return QueryFailed("", f"Permission denied on S3 path: s3://{found[1]}")
    return QueryFailed("", f"Insufficient permissions to execute the query. {message}")
