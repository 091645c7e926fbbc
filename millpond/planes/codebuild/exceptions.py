"""What the CodeBuild API answers when it refuses, and what ends a phase of a build."""

from __future__ import annotations

from millpond.planes.common.errors import AwsError


class CodeBuildError(AwsError):
    """An answer of CodeBuild other than success."""


class AccountLimitExceededException(CodeBuildError):  # noqa: N818
    code = "AccountLimitExceededException"


class InvalidInputException(CodeBuildError):  # noqa: N818
    code = "InvalidInputException"


class ResourceAlreadyExistsException(CodeBuildError):  # noqa: N818
    code = "ResourceAlreadyExistsException"


class ResourceNotFoundException(CodeBuildError):  # noqa: N818
    code = "ResourceNotFoundException"


class PhaseFailure(Exception):  # noqa: N818
    """A phase of a build ends as FAILED with this as its ``PhaseContext``.

    Parameters
    ----------
    status_code : str
        For example ``COMMAND_EXECUTION_ERROR``.
    message : str
        What a person reads.
    """

    def __init__(self, status_code: str, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.message = message


class BuildspecError(PhaseFailure):
    """The buildspec cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__("YAML_FILE_ERROR", message)


class ClientFailure(PhaseFailure):
    """Something that the project names cannot be had."""

    def __init__(self, message: str) -> None:
        super().__init__("CLIENT_ERROR", message)


class Interrupted(Exception):  # noqa: N818
    """The build is over before its phase is: it was stopped, or it took too long.

    Parameters
    ----------
    status : str
        ``STOPPED`` or ``TIMED_OUT``.
    """

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status
