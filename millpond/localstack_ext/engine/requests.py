"""Requests that are none: what cannot be read, is of other types than the model says, or breaks its rules.

AWS's services refuse them before they look at anything else. LocalStack's parsers take what they get, so that
a number where a name should be is kept, or becomes an internal error with the engine's own words in it.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, MapShape, OperationNotFoundError, Shape, StructureShape
from botocore.utils import InvalidArnException
from localstack.aws import handlers
from localstack.aws.api import CommonServiceException, RequestContext, ServiceException
from localstack.aws.handlers.service import ServiceExceptionSerializer, ServiceRequestParser
from localstack.aws.protocol.parser import OperationNotFoundParserError, RequestParserError
from localstack.aws.spec import load_service
from localstack.http import Response
from moto.core.exceptions import RESTError
from moto.core.exceptions import ServiceException as MotoServiceException
from rolo.gateway.chain import HandlerChain

from millpond.localstack_ext.engine import patches
from millpond.localstack_ext.engine.refusals import REFUSED, exception_of, refusal
from millpond.planes.common import constraints, tags

_LOG = logging.getLogger(__name__)

CHECKED: Mapping[str, str] = {
    "backup": "InvalidParameterValueException",
    "budgets": "InvalidParameterException",
    "cloudformation": "ValidationError",
    "cloudtrail": "ValidationException",
    "codepipeline": "ValidationException",
    "dynamodbstreams": "ValidationException",
    "ecr": "InvalidParameterException",
    "ecs": "InvalidParameterException",
    "events": "ValidationException",
    "iam": "ValidationError",
    "kms": "ValidationException",
    "lakeformation": "ValidationException",
    "logs": "InvalidParameterException",
    "scheduler": "ValidationException",
    "secretsmanager": "ValidationException",
    "sns": "ValidationError",
    "ssm": "ValidationException",
    "stepfunctions": "ValidationException",
    "sts": "ValidationError",
}
"""Services whose requests are held against their models before anything else, with the code of a refusal.

Those of planes say it in their tables of operations. The others have own words for most of it (S3, DynamoDB,
SQS, EC2, Lambda, CloudWatch); what they stumble over is held against the model then (:data:`STUMBLING`).
"""
STUMBLING: Mapping[str, str] = {
    "cloudwatch": "ValidationError",
    "dynamodb": "ValidationException",
    "ec2": "InvalidParameterValue",
    "lambda": "InvalidParameterValueException",
    "s3": "InvalidRequest",
    "sqs": "InvalidParameterValue",
}
"""Services whose own code reads a request first, with the code of a refusal of what it could not read."""

STUMBLED = "with these values"

# The error for a text that is no ARN, of services whose models have no pattern for ARNs.
_INVALID_ARN = {
    "events": ("ValidationException", "Provided Arn is not in correct format."),
    "logs": ("InvalidParameterException", "{} is not a valid ARN."),
    "stepfunctions": ("InvalidArn", "Invalid Arn: 'Invalid ARN prefix: {}'"),
}
_COLONS = 5
_THEIRS = ("localstack", "moto")
# What code raises that did not expect a value; not what a machine does to it, such as a full disk.
_UNEXPECTED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
# The words of AWS's own reader of JSON, by the kind of value that was found and the one that was wanted.
_FOUND = {bool: "{}_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE", str: "STRING_VALUE"}
_WANTED = {
    "string": ("String", (str,)),
    "boolean": ("Boolean", (bool,)),
    "integer": ("Integer", (int, float)),
    "long": ("Long", (int, float)),
    "float": ("Float", (int, float)),
    "double": ("Double", (int, float)),
    "blob": ("Blob", (str, bytes)),
}
_MISPLACED = "Start of structure or map found where not expected."
_MISPLACED_LIST = "Unexpected token START_ARRAY in payload."
_DEEPEST = 1000


def install_requests() -> None:
    """Put the above into the gateway."""

    def parse(theirs: Any, self: Any, context: RequestContext) -> None:
        try:
            theirs(self, context)
        except RequestParserError as error:
            raise _unreadable(context, error) from error
        if not context.is_internal_call and (wrong := _mistyped(context)):
            raise _serialization(wrong)

    def answer(theirs: Any, self: Any, exception: Exception, context: RequestContext) -> Any:
        known = (ServiceException, MotoServiceException, RESTError, NotImplementedError)
        if isinstance(exception, NotImplementedError) and context.operation:
            exception = exception_of(context, exception)
        elif not isinstance(exception, known):
            exception = (
                _of_moto(context, exception)
                or _of_model(context, exception)
                or _of_others(context, exception)
                or _internal(context, exception)
            )
        if type(exception) is CommonServiceException:
            # SQS and CloudWatch tell the name of its class.
            exception.__class__ = type(exception.code, (CommonServiceException,), {})
        if context.operation is not None:
            return theirs(self, exception, context)
        # An error has no form without an operation; which one does not matter.
        service: Any = context.service
        context.operation = service.operation_model(service.operation_names[0])
        try:
            return theirs(self, exception, context)
        finally:
            context.operation = None

    constraints.read_by(load_service)
    patches.wrap(ServiceRequestParser, "parse_and_enrich", parse)
    patches.wrap(ServiceExceptionSerializer, "create_exception_response", answer)
    calls: Any = handlers.serve_custom_service_request_handlers
    calls.append(_check)


def _check(_chain: HandlerChain[Any], context: RequestContext, _response: Response) -> None:
    """A handler of the gateway's chain."""
    if context.operation is None or context.service is None:
        return
    service: Any = context.service
    if reason := REFUSED.get(service.service_name, {}).get(context.operation.name):
        raise refusal(context, reason)
    if context.is_internal_call:
        return
    name, operation, request = service.service_name, context.operation.name, context.service_request or {}
    code = CHECKED.get(name, "")
    if code:
        check(name, operation, request, code)
        _check_arns(name, request)
    if wrong := tags.problem(name, operation, request):
        # A tag that the API's model itself refuses gets the model's message, from the plane if there is one.
        errors = constraints.problems(name, operation, request)
        if not errors:
            raise CommonServiceException(*wrong)
        if name in STUMBLING:
            raise CommonServiceException(STUMBLING[name], constraints.message(errors))


def _check_arns(service: str, request: Mapping[str, Any]) -> None:
    for name, value in request.items():
        if service not in _INVALID_ARN or not name.lower().endswith("arn") or not isinstance(value, str):
            continue
        if not value.startswith("arn:") or value.count(":") < _COLONS:
            code, message = _INVALID_ARN[service]
            raise CommonServiceException(code, message.format(value))


def check(service: str, operation: str, request: Mapping[str, Any], code: str) -> None:
    """Hold a request against the service's model.

    Raises
    ------
    CommonServiceException
        With the code, and every problem there is.
    """
    if errors := constraints.problems(service, operation, request):
        raise CommonServiceException(code, constraints.message(errors))


def _internal(context: RequestContext, exception: Exception) -> CommonServiceException:
    asked = context.operation.name if context.operation else "a call"
    _LOG.error("%s failed", asked, exc_info=exception)
    return CommonServiceException(
        "InternalFailure",
        f"Millpond failed at {asked}, which is a fault of its own: the engine's log says why.",
        status_code=500,
    )


def _of_moto(context: RequestContext, exception: Exception) -> CommonServiceException | None:
    """What moto, or LocalStack, means when it looks for something without asking whether it is there."""
    if isinstance(exception, InvalidArnException):
        return CommonServiceException("ValidationException", "Provided Arn is not in correct format.")
    request, operation = context.service_request, context.operation
    if not isinstance(exception, KeyError) or operation is None or not isinstance(request, Mapping):
        return None
    _LOG.info("%s asked for what is not there", operation.name, exc_info=exception)
    key = str(exception.args[0]) if exception.args else ""
    origin = _raised_in(exception)
    shape: Any = operation.input_shape
    if shape is not None and key in shape.members and key not in request:
        return refusal(context, f"without {key}")
    if origin == "moto.core.base_backend":
        return CommonServiceException("ResourceNotFoundException", f"There is no region {key!r}.")
    if key and key in request.values() and origin.startswith("moto."):
        return CommonServiceException("ResourceNotFoundException", f"There is no {key}.")
    return None


def _of_model(context: RequestContext, exception: Exception) -> CommonServiceException | None:
    """What a service stumbled over, if its model does not allow the request in the first place."""
    service: Any = context.service
    if context.operation is None or service.service_name not in STUMBLING:
        return None
    errors = constraints.problems(service.service_name, context.operation.name, context.service_request or {})
    if not errors:
        return None
    _LOG.info("%s was asked what its model does not allow", context.operation.name, exc_info=exception)
    return CommonServiceException(STUMBLING[service.service_name], constraints.message(errors))


def _of_others(context: RequestContext, exception: Exception) -> CommonServiceException | None:
    """What moto, or LocalStack, did not expect: nobody here can do it, however often it is asked."""
    if context.operation is None or not isinstance(exception, _UNEXPECTED):
        return None
    owners = [name.partition(".")[0] for name in _modules(exception)]
    owner = next((module for module in reversed(owners) if module in (*_THEIRS, "millpond")), "")
    if owner not in _THEIRS:
        return None
    _LOG.warning("%s stumbled at %s", owner, context.operation.name, exc_info=exception)
    return refusal(context, STUMBLED)


def _raised_in(exception: Exception) -> str:
    """The module that an exception comes from."""
    return next(iter(reversed(_modules(exception))), "")


def _modules(exception: Exception) -> list[str]:
    """The modules that an exception went through, those that called first."""
    frames = traceback.walk_tb(exception.__traceback__)
    return [str(frame.f_globals.get("__name__", "")) for frame, _ in frames]


def _unreadable(context: RequestContext, error: RequestParserError) -> CommonServiceException:
    if isinstance(error, OperationNotFoundParserError) or isinstance(error.__cause__, OperationNotFoundError):
        return CommonServiceException("UnknownOperationException", "", status_code=400, sender_fault=True)
    try:
        return _serialization(_mistyped(context))
    except Exception:  # noqa: BLE001 - it could not be read, and that is what is said
        return _serialization("")


def _serialization(message: str) -> CommonServiceException:
    return CommonServiceException("SerializationException", message, status_code=400, sender_fault=True)


def _mistyped(context: RequestContext) -> str:
    """What of a body of JSON is of another type than the model says; empty if nothing is."""
    service: Any = context.service
    if context.protocol not in ("json", "rest-json") or "cbor" in context.request.mimetype:
        return ""
    operation: Any = context.operation or service.operation_model(
        context.request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    )
    shape = operation.input_shape
    if shape is None or shape.serialization.get("payload") or not context.request.data:
        return ""
    body = context.request.get_json(force=True)
    if body is None:
        return "" if context.protocol == "rest-json" else "Unexpected token VALUE_NULL in payload."
    return of_shape(shape, body)


def of_shape(shape: Shape, value: Any, depth: int = 0) -> str:
    """What of a value of JSON is of another type than a shape; empty if nothing is.

    Examples
    --------
    >>> from botocore.session import Session
    >>> shape = Session().get_service_model("glue").operation_model("GetJob").input_shape
    >>> of_shape(shape, {"JobName": 5})
    'NUMBER_VALUE can not be converted to a String'
    """
    if value is None or getattr(shape, "is_document_type", False) or depth > _DEEPEST:
        return ""
    if isinstance(shape, StructureShape | MapShape):
        if not isinstance(value, dict):
            return _MISPLACED_LIST if isinstance(value, list) else "Unexpected field type"
        return _within(shape, value, depth)
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            return _MISPLACED if isinstance(value, dict) else "Unexpected field type"
        return next((problem for item in value if (problem := of_shape(shape.member, item, depth + 1))), "")
    return _of_scalar(shape, value)


def _within(shape: Any, value: Mapping[str, Any], depth: int) -> str:
    if not all(map(_is_text, value)):
        return "Invalid UTF-16 surrogate in payload."
    if isinstance(shape, MapShape):
        inner: Any = ((shape.value, item) for item in value.values())
    else:
        inner = (
            (member, value[key])
            for name, member in shape.members.items()
            if not member.serialization.get("location")
            and (key := member.serialization.get("name", name)) in value
        )
    return next((problem for member, item in inner if (problem := of_shape(member, item, depth + 1))), "")


def _is_text(value: str) -> bool:
    """Whether a text has no half of a character, which JSON can write and nothing can store."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _of_scalar(shape: Shape, value: Any) -> str:
    if isinstance(value, list):
        return _MISPLACED_LIST
    if isinstance(value, dict):
        return _MISPLACED
    if isinstance(value, str) and not _is_text(value):
        return "Invalid UTF-16 surrogate in payload."
    name, fitting = _WANTED.get(shape.type_name, ("", ()))
    if not name or (isinstance(value, fitting) and (name == "Boolean" or not isinstance(value, bool))):
        return ""
    json_type = _FOUND[type(value)].format(str(value).upper())
    return f"{json_type} can not be converted to {'an' if name == 'Integer' else 'a'} {name}"
