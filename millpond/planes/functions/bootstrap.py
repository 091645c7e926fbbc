"""What runs inside a function's process: finds the handler and calls it for each event.

It is a program, not a module of the package: it runs on the function's own interpreter (Python 3.9 or
later), so it uses the standard library only. Sources of the rules: the AWS Lambda developer guide, pages
"Define Lambda function handler in Python", "Using the Lambda context object to retrieve Python function
information", "Log and monitor Python Lambda functions" and "Lambda runtime errors".

It talks to the sandbox over one inherited socket, one JSON object a line. The sandbox sends
``{"request_id", "arn", "trace_id", "client_context", "deadline_ms", "event"}``; the answers are
``{"kind": "ready"}`` once, then ``{"kind": "result", "payload"}`` or ``{"kind": "error", "error"}``. An
error before the handler was found is ``{"kind": "init_error", "error"}`` and the end of the process.
"""

from __future__ import annotations

import decimal
import importlib
import json
import logging
import os
import socket
import sys
import time
import traceback
import types
from collections.abc import Callable
from types import TracebackType
from typing import Any

Handler = Callable[[Any, Any], Any]


class LambdaFaultError(Exception):
    """An error that Lambda itself reports, under a name of its own."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class CognitoIdentity:
    """Who called from a mobile application: nobody here."""

    cognito_identity_id = None
    cognito_identity_pool_id = None


def client_context(text: str | None) -> Any:
    """What a caller gave as ``ClientContext``, as an object; None without."""
    if not text:
        return None
    members = json.loads(text)
    context = types.SimpleNamespace(custom=members.get("custom"), env=members.get("env"), client=None)
    if members.get("client"):
        context.client = types.SimpleNamespace(**members["client"])
    return context


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.aws_request_id = request["request_id"]
        self.invoked_function_arn = request["arn"]
        self.client_context = client_context(request.get("client_context"))
        self.identity = CognitoIdentity()
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._deadline_ms = request["deadline_ms"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(self._deadline_ms - time.time() * 1000))

    def log(self, message: Any) -> None:
        sys.stdout.write(str(message))


class RequestIdFilter(logging.Filter):
    """Gives each log record the id of the invocation that wrote it."""

    request_id = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.request_id
        return True


REQUEST_ID = RequestIdFilter()


def install_logging() -> None:
    """The root logger as Lambda sets it up: level WARNING, one line a record."""
    formatter = logging.Formatter(
        "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    handler.addFilter(REQUEST_ID)
    logging.getLogger().addHandler(handler)


def load_handler(name: str) -> Handler:
    """Import the module of ``module.function`` or ``folder/module.function`` and take the function."""
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        raise LambdaFaultError(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)",
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise LambdaFaultError(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
        ) from error
    except SyntaxError as error:
        raise LambdaFaultError(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}"
        ) from error
    try:
        handler: Handler = getattr(module, function_name)
    except AttributeError:
        raise LambdaFaultError(
            "Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'"
        ) from None
    return handler


def encode_result(result: Any) -> str:
    """A handler's result as JSON text."""
    if isinstance(result, bytes):
        return result.decode()
    try:
        return json.dumps(result, default=_encode_decimal)
    except (TypeError, ValueError, RecursionError) as error:
        raise LambdaFaultError("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def _encode_decimal(value: Any) -> Any:
    if not isinstance(value, decimal.Decimal):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    is_whole = value.is_finite() and value == value.to_integral_value()
    return int(value) if is_whole else float(value)


def describe_error(error: BaseException, request_id: str) -> dict[str, Any]:
    """An exception as Lambda's answer shows it, and as its log line shows it."""
    frames: list[str] = []
    error_type = type(error).__name__
    if isinstance(error, LambdaFaultError):
        error_type = error.error_type
    else:
        frames = traceback.format_tb(_own_code(error.__traceback__))
    trace = "Traceback (most recent call last):\n" + "".join(frames) if frames else ""
    sys.stdout.write(f"[ERROR] {error_type}: {error}\n{trace}")
    return {
        "errorMessage": str(error),
        "errorType": error_type,
        "requestId": request_id,
        "stackTrace": frames,
    }


def _own_code(frames: TracebackType | None) -> TracebackType | None:
    """The traceback without this program's and the import system's frames."""
    while frames is not None:
        filename = frames.tb_frame.f_code.co_filename
        if filename != __file__ and "importlib" not in filename:
            return frames
        frames = frames.tb_next
    return None


def invoke(handler: Handler, request: dict[str, Any]) -> dict[str, Any]:
    """Call the handler once; its exception is part of the answer."""
    request_id = request["request_id"]
    REQUEST_ID.request_id = request_id
    os.environ["_X_AMZN_TRACE_ID"] = request["trace_id"]
    try:
        event = json.loads(request["event"])
        result = handler(event, LambdaContext(request))
        return {"kind": "result", "payload": encode_result(result)}
    except Exception as error:  # noqa: BLE001 - what a handler raises is its answer
        return {"kind": "error", "error": describe_error(error, request_id)}


def serve(channel: socket.socket) -> None:
    """Answer events until the sandbox closes the channel."""

    def send(message: dict[str, Any]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        channel.sendall(json.dumps(message).encode() + b"\n")

    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Exception as error:  # noqa: BLE001 - what a module raises is the sandbox's answer
        send({"kind": "init_error", "error": describe_error(error, "")})
        sys.exit(1)
    send({"kind": "ready"})
    for line in channel.makefile("rb"):
        send(invoke(handler, json.loads(line)))


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv.pop()))
    channel.set_inheritable(False)
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    sys.argv = [sys.path[0]]
    install_logging()
    serve(channel)


if __name__ == "__main__":
    main()
