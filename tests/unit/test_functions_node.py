"""Functions of the Node runtimes without an engine: real processes, AWS's answers."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.functions import (
    FunctionVersion,
    Interpreter,
    Invocation,
    Outcome,
    Sandbox,
    runtime_named,
)

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="this machine has no Node on its path")


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    version = subprocess.run([NODE or "", "--version"], capture_output=True, text=True, check=True).stdout
    return Interpreter(runtime_named(f"nodejs{version[1:].split('.')[0]}.x"), Path(NODE or ""))


@pytest.fixture
def run(tmp_path: Path, interpreter: Interpreter) -> Iterator[Callable[..., Outcome]]:
    tools = Tools(*[tmp_path] * 6, {})
    context = PlaneContext("http://127.0.0.1:1", "eu-west-1", "000000000000", tmp_path / "state", tools)
    boxes: dict[str, Sandbox] = {}

    def invoke(
        code: str, event: Any = None, file: str = "index.js", handler: str = "index.handler"
    ) -> Outcome:
        if code not in boxes:
            folder = tmp_path / f"code{len(boxes)}"
            (folder / file).parent.mkdir(parents=True)
            (folder / file).write_text(code)
            variables = {"AWS_LAMBDA_LOG_GROUP_NAME": "g", "AWS_LAMBDA_LOG_STREAM_NAME": "s"}
            function = FunctionVersion(
                "fn",
                "$LATEST",
                interpreter.runtime.name,
                handler,
                folder,
                5.0,
                512,
                environment={**variables, "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
                layers=(tmp_path / "layer",),
            )
            boxes[code] = Sandbox(context, function, interpreter, f"box{len(boxes)}")
        return boxes[code].invoke(
            Invocation("req-1", "arn", json.dumps(event), "Root=1", '{"custom": {"a": 1}}')
        )

    (tmp_path / "layer/nodejs/node_modules/shared").mkdir(parents=True)
    (tmp_path / "layer/nodejs/node_modules/shared/index.js").write_text("exports.word = 'layer'")
    yield invoke
    for box in boxes.values():
        box.stop()


# A handler of each form, what it is called with, and its answer. The process is the same for all.
ANSWERS = [
    ("async (event) => ({got: event.n + 1})", {"n": 41}, {"got": 42}),
    ("(event, context, callback) => setTimeout(() => callback(null, event), 20)", "x", "x"),
    ("(event, context) => context.succeed('old')", None, "old"),
    ("(event, context) => context.done(null, 'older')", None, "older"),
    ("(event) => 'not awaited'", None, None),
    ("async () => {}", None, None),
    ("async () => require('shared').word", None, "layer"),
    ("async (e, c) => c.clientContext.custom.a + c.functionVersion", None, "1$LATEST"),
    ("async (e, c) => c.getRemainingTimeInMillis() > 3000", None, True),
    # What is left to do is done before a callback's answer is given, unless the function says otherwise.
    ("(e, c, done) => { let n = 0; setTimeout(() => n++, 20); done(null, {toJSON: () => n}) }", None, 1),
    (
        "(e, c, done) => { c.callbackWaitsForEmptyEventLoop = false; setTimeout(() => {}, 9e6).unref(); "
        "done(null, 'at once') }",
        None,
        "at once",
    ),
]
# The same for handlers that fail, with the error's type and message.
ERRORS = [
    ("async () => { throw new TypeError('bad') }", "TypeError", "bad"),
    ("() => { throw new RangeError('far') }", "RangeError", "far"),
    ("async () => { throw 'text' }", "string", "text"),
    ("(e, c, done) => done(new Error('called back'))", "Error", "called back"),
    ("(e, c) => c.fail('failed')", "string", "failed"),
    ("async () => ({n: 1n})", "Runtime.MarshalError", "Unable to stringify response body"),
]


def one_of(handlers: list[str]) -> str:
    call = "(e, c, done) => all[e.which](e.event, c, done)"
    return f"const all = [{', '.join(handlers)}]\nexports.handler = {call}"


@pytest.fixture
def is_without_callbacks(interpreter: Interpreter) -> bool:
    return int(interpreter.runtime.version) >= 24


def test_handlers_of_any_form_answer(run: Callable[..., Outcome], *, is_without_callbacks: bool) -> None:
    if is_without_callbacks:
        pytest.skip("callbacks ended with Node 24")
    code = one_of([handler for handler, _, _ in ANSWERS])
    for which, (handler, event, answer) in enumerate(ANSWERS):
        outcome = run(code, {"which": which, "event": event})
        assert (outcome.is_error, json.loads(outcome.payload)) == (False, answer), (handler, outcome.log)


def test_errors_of_handlers_are_reported_as_lambda_does(
    run: Callable[..., Outcome], *, is_without_callbacks: bool
) -> None:
    if is_without_callbacks:
        pytest.skip("callbacks ended with Node 24")
    code = one_of([handler for handler, _, _ in ERRORS])
    for which, (handler, error_type, message) in enumerate(ERRORS):
        outcome = run(code, {"which": which})
        error = json.loads(outcome.payload)
        assert (outcome.is_error, error["errorType"]) == (True, error_type), (handler, outcome.log)
        assert error["errorMessage"].startswith(message)
        assert isinstance(error["trace"], list)
        assert f'"errorType":"{error_type}"' in outcome.log


@pytest.mark.parametrize(
    ("code", "file", "handler"),
    [
        ("export const handler = async () => 'right'", "index.mjs", "index.handler"),
        (
            "import {word} from 'shared'\nexport const handler = async () => word && 'right'",
            "index.mjs",
            "index.handler",
        ),
        ("exports.a = {b: async () => 'right'}", "src/deep/app.js", "src/deep/app.a.b"),
        ("exports.handler = async () => 'right'", "index.cjs", "index.handler"),
    ],
)
def test_a_handler_is_found_in_any_kind_of_module(
    run: Callable[..., Outcome], code: str, file: str, handler: str
) -> None:
    outcome = run(code, file=file, handler=handler)
    assert json.loads(outcome.payload) == "right", outcome.log


@pytest.mark.parametrize(
    ("code", "error_type", "message"),
    [
        ("require('no-such')", "Runtime.ImportModuleError", "Error: Cannot find module 'no-such'"),
        ("exports.other = 1", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
        ("exports.handler = 1", "Runtime.HandlerNotFound", "index.handler is not a function"),
        ("exports.handler = (", "Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected end of input"),
        ("exports.handler = () => new Promise((y) => { Promise.reject(Error('lost')); setTimeout(y, 9e6) })",
         "Runtime.UnhandledPromiseRejection", "Error: lost"),
        ("exports.handler = () => new Promise(() => setTimeout(() => { throw Error('late') }, 9))",
         "Error", "late"),
        ("exports.handler = awslambda.streamifyResponse(async () => {})",
         "Runtime.StreamingResponseRefused", "Responses that are streamed"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_reported_under_lambdas_name(
    run: Callable[..., Outcome], code: str, error_type: str, message: str
) -> None:
    outcome = run(code)
    error = json.loads(outcome.payload)
    assert outcome.is_error
    assert error["errorType"] == error_type
    assert error["errorMessage"].startswith(message)
    assert isinstance(error["trace"], list)
    assert f'"errorType":"{error_type}"' in outcome.log


def test_lines_of_the_console_have_time_request_and_level(run: Callable[..., Outcome]) -> None:
    outcome = run("exports.handler = async () => { console.log('a %d', 1); console.error('b\\nc') }")
    _, first, second, *_ = outcome.log.split("\n")
    assert first.endswith("Z\treq-1\tINFO\ta 1")
    assert second.endswith("Z\treq-1\tERROR\tb\rc")
