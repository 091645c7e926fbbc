"""How a plane refuses a request."""

from __future__ import annotations


class AwsError(Exception):
    """An answer other than success; each subclass is an exception of a service's API Reference.

    Attributes of an instance that have the name of a member of the error's shape become that member.

    Parameters
    ----------
    message : str
        What the caller reads.
    """

    code: str
    status_code: int = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
