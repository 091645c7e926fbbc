"""Which code answers an operation of a service: a plane where it has a handler, else moto."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol

from localstack.aws.api import CommonServiceException, RequestContext, ServiceException
from localstack.aws.spec import load_service
from localstack.services.moto import call_moto

Handler = Callable[[RequestContext, Any], Any]
Observer = Callable[[RequestContext, Any, Any], None]
Check = Callable[[RequestContext, Any], None]

# What moto answers with a success although nothing runs; refused unless a plane does it.
PRETENDED_BY_MOTO: Mapping[str, frozenset[str]] = {
    "codebuild": frozenset({"StartBuild"}),
    "glue": frozenset(
        {"CreateDevEndpoint", "CreateSession", "StartCrawler", "StartTrigger", "StartWorkflowRun"}
    ),
}


class Plane(Protocol):
    """What a plane is to the adapter: a table of operations, and methods of that name.

    It may have a method ``handles(operation, request)`` that leaves single requests to moto, for example to
    tag a resource that is not the plane's.
    """

    @property
    def OPERATIONS(self) -> Mapping[str, str]: ...  # noqa: N802


def dispatch_table(
    service: str,
    plane: Plane | None = None,
    observers: Mapping[str, Observer] | None = None,
    check: Check | None = None,
) -> dict[str, Handler]:
    """Every operation of a service with the code that answers it.

    LocalStack ships no stubs for some services, so the names come from botocore's model.

    Parameters
    ----------
    service : str
        botocore's name of the service, for example ``glue``.
    plane : Plane, optional
        Its handlers win over moto's.
    observers : mapping of str to callable, optional
        Operation → who is told of its request and answer once it has succeeded.
    check : callable, optional
        Called before moto is, while nobody else calls it; what it raises is the answer.

    Raises
    ------
    ValueError
        If the plane names an operation that the service does not have.
    """
    ask_moto = _moto_one_at_a_time(check)
    table: dict[str, Handler] = dict.fromkeys(load_service(service).operation_names, ask_moto)
    table |= dict.fromkeys(PRETENDED_BY_MOTO.get(service, ()), _refuse)
    if plane is not None:
        table |= _plane_table(service, plane, ask_moto)
    for operation, observer in (observers or {}).items():
        table[operation] = _observed(table[operation], observer)
    return table


def _plane_table(service: str, plane: Plane, ask_moto: Handler) -> dict[str, Handler]:
    operations = load_service(service).operation_names
    for operation in plane.OPERATIONS:
        if operation not in operations:
            raise ValueError(f"{type(plane).__name__} handles {operation}, which {service} does not have")
    return {
        operation: _ask_plane(plane, operation, getattr(plane, method), ask_moto)
        for operation, method in plane.OPERATIONS.items()
    }


def _observed(handler: Handler, observer: Observer) -> Handler:
    def handle(context: RequestContext, request: Any) -> Any:
        answer = handler(context, request)
        observer(context, request, answer)
        return answer

    return handle


def _moto_one_at_a_time(check: Check | None) -> Handler:
    """Moto keeps a service's state in dictionaries that it changes and iterates without a lock."""
    lock = threading.Lock()

    def ask_moto(context: RequestContext, request: Any) -> Any:
        with lock:
            if check is not None:
                check(context, request or {})
            return call_moto(context)

    return ask_moto


def _refuse(context: RequestContext, _request: Any) -> NoReturn:
    name = context.operation.name if context.operation else "asked for"
    raise NotImplementedError(f"The operation {name} has not been implemented")


def _ask_plane(
    plane: Plane, operation: str, method: Callable[[dict[str, Any]], Any], ask_moto: Handler
) -> Handler:
    handles: Callable[[str, dict[str, Any]], bool] = getattr(plane, "handles", lambda *_: True)

    def handle(context: RequestContext, request: Any) -> Any:
        arguments = dict(request or {})
        if not handles(operation, arguments):
            return ask_moto(context, request)
        try:
            return method(arguments)
        except ServiceException:
            raise
        except Exception as error:
            if (aws_error := to_aws_error(error)) is None:
                raise
            raise aws_error from error

    return handle


def to_aws_error(error: Exception) -> CommonServiceException | None:
    """A plane's exception as the error LocalStack serialises; None if it is not one.

    A plane's exception carries ``code`` and ``message``; what else it carries goes into the members of
    the error's shape that have the same name.
    """
    code = getattr(error, "code", None)
    message = getattr(error, "message", None)
    if not isinstance(code, str) or not isinstance(message, str):
        return None
    aws_error = CommonServiceException(code, message, status_code=getattr(error, "status_code", 400))
    for name, value in vars(error).items():
        if not hasattr(aws_error, name):
            setattr(aws_error, name, value)
    return aws_error
