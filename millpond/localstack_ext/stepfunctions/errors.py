"""The names of errors in state machines: which there are, and which ``Retry`` and ``Catch`` match.

Source: "Handling errors in Step Functions workflows" in the developer guide. ``States.ALL`` matches every
error but ``States.DataLimitExceeded`` and ``States.Runtime``; ``States.TaskFailed`` matches every error but
those and ``States.Timeout``; a missed heartbeat is a ``States.HeartbeatTimeout``, and also found by
``States.Timeout``. LocalStack lets ``States.ALL`` match every error, and breaks off where an error is passed
on whose name begins with ``States.``, for example out of a branch.
"""

from __future__ import annotations

from typing import Any

from localstack.aws.api.stepfunctions import (
    EvaluationFailedEventDetails,
    HistoryEventType,
    TaskFailedEventDetails,
)
from localstack.services.stepfunctions.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from localstack.services.stepfunctions.asl.component.common.error_name.error_equals_decl import (
    ErrorEqualsDecl,
)
from localstack.services.stepfunctions.asl.component.common.error_name.error_name import ErrorName
from localstack.services.stepfunctions.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from localstack.services.stepfunctions.asl.eval.environment import Environment
from localstack.services.stepfunctions.asl.eval.event.event_detail import EventDetails

from millpond.localstack_ext.engine import patches

ALL = "States.ALL"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
RUNTIME = "States.Runtime"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
INTRINSIC_FAILURE = "States.IntrinsicFailure"
ITEM_READER_FAILED = "States.ItemReaderFailed"
QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
RESULT_WRITER_FAILED = "States.ResultWriterFailed"
THRESHOLD_EXCEEDED = "States.ExceedToleratedFailureThreshold"

RESERVED = frozenset(
    {
        ALL,
        TASK_FAILED,
        TIMEOUT,
        HEARTBEAT_TIMEOUT,
        RUNTIME,
        DATA_LIMIT_EXCEEDED,
        INTRINSIC_FAILURE,
        ITEM_READER_FAILED,
        QUERY_EVALUATION_ERROR,
        RESULT_WRITER_FAILED,
        THRESHOLD_EXCEEDED,
        "States.BranchFailed",
        "States.Http.Socket",
        "States.NoChoiceMatched",
        "States.ParameterPathFailure",
        "States.Permissions",
        "States.ResultPathMatchFailure",
    }
)
"""The names that begin with ``States.``; a definition may use no others."""

_NEVER_BY_WILDCARD = frozenset({RUNTIME, DATA_LIMIT_EXCEEDED})


def matches(name: str | None, wanted: set[str]) -> bool:
    """Whether an error is one of the ``ErrorEquals`` of a retrier or a catcher.

    Parameters
    ----------
    name : str, optional
        Name of the error; a ``Fail`` state may give none.
    wanted : set of str
        The ``ErrorEquals``.
    """
    if name in wanted or (name == HEARTBEAT_TIMEOUT and TIMEOUT in wanted):
        return True
    if name in _NEVER_BY_WILDCARD:
        return False
    return ALL in wanted or (TASK_FAILED in wanted and name != TIMEOUT)


def failure(
    env: Environment,
    name: str,
    cause: str,
    kind: HistoryEventType = HistoryEventType.TaskFailed,
) -> FailureEventException:
    """The exception that lets a state fail with an error, for its ``Retry`` and ``Catch``."""
    details = EventDetails(taskFailedEventDetails=TaskFailedEventDetails(error=name, cause=cause))
    return FailureEventException(FailureEvent(env, CustomErrorName(name), kind, details))


def query_failure(env: Environment, cause: str) -> FailureEventException:
    """The exception of a JSONata expression that cannot be evaluated."""
    details = EvaluationFailedEventDetails(error=QUERY_EVALUATION_ERROR, cause=cause)
    return FailureEventException(
        FailureEvent(
            env,
            CustomErrorName(QUERY_EVALUATION_ERROR),
            HistoryEventType.EvaluationFailed,
            EventDetails(evaluationFailedEventDetails=details),
        )
    )


def install_errors() -> None:
    """Let LocalStack's states name, retry and catch errors by the above."""

    def name(_theirs: Any, self: ErrorName, error_name: str | None) -> None:
        ErrorName.__init__(self, error_name=error_name)

    def match(_theirs: Any, self: Any, env: Environment) -> None:
        failed: Any = env.stack.pop()
        env.stack.append(
            matches(failed and failed.error_name, {pattern.error_name for pattern in self.error_names})
        )

    patches.wrap(CustomErrorName, "__init__", name)
    patches.wrap(ErrorEqualsDecl, "_eval_body", match)
