"""Which code answers an operation of a service: a plane where it has a handler, else moto."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn, Protocol

from botocore import xform_name
from botocore.exceptions import ClientError
from localstack.aws.api import CommonServiceException, RequestContext, ServiceException
from localstack.aws.spec import load_service
from localstack.services.moto import call_moto
from moto.core.responses import BaseResponse

from millpond.localstack_ext.engine.refusals import refusal
from millpond.localstack_ext.engine.requests import check
from millpond.localstack_ext.iam.guard import GUARD
from millpond.planes.common.callers import acting_as
from millpond.planes.common.errors import AwsError
from millpond.planes.common.operations import Answer, Operations

Handler = Callable[[RequestContext, Any], Any]
Observer = Callable[[RequestContext, Any, Any], None]


class Plane(Protocol):
    """What a plane of one account and region is to the adapter: it has a method for each of its operations.

    It may have a method ``handles(operation, request)`` that leaves single requests to moto, for example to
    tag a resource that is not the plane's.
    """


@dataclass(frozen=True)
class Served:
    """A service that planes answer.

    Parameters
    ----------
    operations : Operations
        Its table.
    plane_of : callable
        ``(account_id, region)`` → plane.
    """

    operations: Operations
    plane_of: Callable[[str, str], Plane]


def dispatch_table(
    service: str,
    served: Served | None = None,
    observers: Mapping[str, Observer] | None = None,
) -> dict[str, Handler]:
    """Every operation of a service with the code that answers it.

    LocalStack ships no stubs for some services, so the names come from botocore's model.

    Parameters
    ----------
    service : str
        botocore's name of the service, for example ``glue``.
    served : Served, optional
        The planes of the service, whose methods win over moto's.
    observers : mapping of str to callable, optional
        Operation → who is told of its request and answer once it has succeeded.

    Raises
    ------
    ValueError
        If the table has an operation that the service does not have.
    """
    ask_moto = _moto_one_at_a_time()
    table: dict[str, Handler] = dict.fromkeys(load_service(service).operation_names, ask_moto)
    if served is not None:
        table = {operation: _checked(served.operations, operation, ask_moto) for operation in table}
        # Asked so that a mistake in the table is seen when the service starts.
        answers(service, served.operations)
        table |= dict.fromkeys(served.operations.refused, refuse)
        for operation, method in served.operations.methods().items():
            table[operation] = _checked(
                served.operations, operation, _ask_plane(served, operation, method, ask_moto)
            )
    for operation, observer in (observers or {}).items():
        table[operation] = _observed(table[operation], observer)
    return table


def answers(service: str, operations: Operations) -> dict[str, Answer]:
    """What becomes of every operation of a service.

    Raises
    ------
    ValueError
        If the table has an operation that the service does not have.
    """
    existing = load_service(service).operation_names
    module = import_module(f"moto.{service}.responses")
    (responses,) = (
        candidate
        for candidate in vars(module).values()
        if isinstance(candidate, type)
        and issubclass(candidate, BaseResponse)
        and candidate is not BaseResponse
    )
    return operations.answers(existing, [name for name in existing if hasattr(responses, xform_name(name))])


def _observed(handler: Handler, observer: Observer) -> Handler:
    def handle(context: RequestContext, request: Any) -> Any:
        answer = handler(context, request)
        observer(context, request, answer)
        return answer

    return handle


def _moto_one_at_a_time() -> Handler:
    """Moto keeps a service's state in dictionaries that it changes and iterates without a lock."""
    lock = threading.Lock()

    def ask_moto(context: RequestContext, _request: Any) -> Any:
        with lock:
            try:
                return call_moto(context)
            except NotImplementedError as error:
                raise refusal(context, str(error)) from error

    return ask_moto


def refuse(context: RequestContext, _request: Any) -> NoReturn:
    """Answer an operation that is not to be had here."""
    raise refusal(context)


def _checked(operations: Operations, operation: str, handler: Handler) -> Handler:
    """A handler that sees only requests that the service's model allows, if the table wants it so."""
    if not operations.is_checked or operation in operations.worded:
        return handler

    def handle(context: RequestContext, request: Any) -> Any:
        check(operations.service, operation, request or {}, operations.refusal)
        return handler(context, request)

    return handle


def _ask_plane(served: Served, operation: str, method: str, ask_moto: Handler) -> Handler:
    def handle(context: RequestContext, request: Any) -> Any:
        plane = served.plane_of(context.account_id, context.region)
        arguments = dict(request or {})
        handles: Callable[[str, dict[str, Any]], bool] = getattr(plane, "handles", lambda *_: True)
        if not handles(operation, arguments):
            return ask_moto(context, request)
        try:
            with acting_as(GUARD.acting_key(context)):
                return getattr(plane, method)(arguments)
        except ServiceException:
            raise
        except Exception as error:
            if (aws_error := to_aws_error(error)) is None:
                raise
            raise aws_error from error

    return handle


def to_aws_error(error: Exception) -> CommonServiceException | None:
    """A plane's refusal as the error LocalStack serialises; None if it is another exception.

    What another service denied to the caller, for whom the plane asked, is denied with its sentence.
    """
    if isinstance(error, ClientError) and error.response["Error"]["Code"].startswith("AccessDenied"):
        return CommonServiceException("AccessDeniedException", error.response["Error"]["Message"], 400, True)
    if not isinstance(error, AwsError):
        return None
    aws_error = CommonServiceException(error.code, error.message, status_code=error.status_code)
    for name, value in vars(error).items():
        if not hasattr(aws_error, name):
            setattr(aws_error, name, value)
    return aws_error
