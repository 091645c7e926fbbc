"""The Lambda plane without an engine: real processes, AWS's answers."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import wait_until

from millpond.base import landlock
from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.functions import (
    FunctionError,
    FunctionVersion,
    Interpreter,
    Invocation,
    Outcome,
    Sandbox,
    runtime_named,
)
from millpond.planes.functions.worker import MAX_OUTPUT_BYTES

PYTHON = Interpreter(runtime_named("python3.13"), Path(sys.executable))
ARN = "arn:aws:lambda:eu-west-1:000000000000:function:fn"


@pytest.fixture
def context(tmp_path: Path) -> PlaneContext:
    python = Path(sys.executable)
    tools = Tools(tmp_path, python, python, python, tmp_path, tmp_path, {"python3.13": python})
    return PlaneContext("http://127.0.0.1:1", "eu-west-1", "000000000000", tmp_path / "state", tools)


@pytest.fixture
def sandbox(context: PlaneContext, tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    made: list[Sandbox] = []

    def make(code: str, handler: str = "app.handler", file: str = "app.py", **changes: Any) -> Sandbox:
        path = tmp_path / "code" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
        stream = {"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn", "AWS_LAMBDA_LOG_STREAM_NAME": "stream"}
        function = FunctionVersion(
            "fn", "$LATEST", "python3.13", handler, tmp_path / "code", 10.0, 512, environment=stream
        )
        function = dataclasses.replace(function, **changes)
        made.append(Sandbox(context, function, PYTHON, f"box{len(made)}"))
        return made[-1]

    yield make
    for box in made:
        box.stop()


def invoke(box: Sandbox, event: Any = None) -> Outcome:
    return box.invoke(Invocation("req-1", ARN, json.dumps(event), "Root=1-2-3"))


def error_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.is_error
    error: dict[str, Any] = json.loads(outcome.payload)
    return error


def test_handler_gets_the_event_and_its_result_is_the_payload(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox("def handler(event, context):\n    return {'got': event['n'] + 1}")
    outcome = invoke(box, {"n": 41})
    assert (outcome.is_error, json.loads(outcome.payload)) == (False, {"got": 42})


def test_context_has_the_attributes_of_aws(sandbox: Callable[..., Sandbox]) -> None:
    names = (
        "aws_request_id function_name function_version invoked_function_arn memory_limit_in_mb "
        "log_group_name log_stream_name client_context"
    )
    box = sandbox(
        f"def handler(event, context):\n    return [getattr(context, n) for n in {names!r}.split()]"
    )
    expected = ["req-1", "fn", "$LATEST", ARN, "512", "/aws/lambda/fn", "stream", None]
    assert json.loads(invoke(box).payload) == expected


def test_remaining_time_counts_down_from_the_timeout(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(
        "def handler(event, context):\n    return context.get_remaining_time_in_millis()", timeout=7.0
    )
    assert 6000 < json.loads(invoke(box).payload) <= 7000


@pytest.mark.parametrize(
    ("file", "handler"),
    [("pkg/inner/app.py", "pkg/inner/app.run"), ("pkg/inner/app.py", "pkg.inner.app.run")],
)
def test_handler_is_found_in_a_folder(sandbox: Callable[..., Sandbox], file: str, handler: str) -> None:
    box = sandbox("def run(event, context):\n    return __name__", handler=handler, file=file)
    assert json.loads(invoke(box).payload) == "pkg.inner.app"


def test_process_stays_warm_and_globals_survive(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(
        "import os\ncount = 0\n"
        "def handler(event, context):\n    global count\n    count += 1\n    return [count, os.getpid()]"
    )
    (first, pid), (second, same_pid) = (json.loads(invoke(box).payload) for _ in range(2))
    assert (first, second, pid) == (1, 2, same_pid)


def test_log_has_start_output_end_and_report(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(
        "import logging, subprocess, sys\nlogging.getLogger().setLevel('INFO')\n"
        "def handler(event, context):\n"
        "    print('out')\n    print('err', file=sys.stderr)\n    logging.info('told')\n"
        "    subprocess.run(['echo', 'child'], check=True)"
    )
    start, out, err, log_line, child, end, report = invoke(box).log.splitlines()
    assert start == "START RequestId: req-1 Version: $LATEST"
    assert [out, err, child] == ["out", "err", "child"]
    assert log_line.startswith("[INFO]\t")
    assert log_line.endswith("Z\treq-1\ttold")
    assert end == "END RequestId: req-1"
    assert report.startswith("REPORT RequestId: req-1\tDuration: ")
    assert "\tMemory Size: 512 MB\tMax Memory Used: " in report
    assert "\tInit Duration: " in report
    assert "Init Duration" not in invoke(box).log


def test_exception_is_an_unhandled_error_with_the_functions_own_frames(
    sandbox: Callable[..., Sandbox],
) -> None:
    box = sandbox(
        "def handler(event, context):\n    return inner()\ndef inner():\n    raise KeyError('gone')"
    )
    outcome = invoke(box)
    error = error_of(outcome)
    assert (error["errorType"], error["errorMessage"], error["requestId"]) == ("KeyError", "'gone'", "req-1")
    assert ["line 2, in handler" in error["stackTrace"][0], "line 4, in inner" in error["stackTrace"][1]] == [
        True
    ] * 2
    assert "[ERROR] KeyError: 'gone'\nTraceback (most recent call last):\n" in outcome.log


@pytest.mark.parametrize(
    ("code", "handler", "error_type", "message"),
    [
        ("import no_such", "app.handler", "Runtime.ImportModuleError",
         "Unable to import module 'app': No module named 'no_such'"),
        ("", "other.handler", "Runtime.ImportModuleError",
         "Unable to import module 'other': No module named 'other'"),
        ("x = 1", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("x = 1", "handler", "Runtime.MalformedHandlerName",
         "Bad handler 'handler': not enough values to unpack (expected 2, got 1)"),
        ("def handler(:", "app.handler", "Runtime.UserCodeSyntaxError",
         "Syntax error in module 'app': invalid syntax (app.py, line 1)"),
        ("def handler(e, c):\n    return {1, 2}", "app.handler", "Runtime.MarshalError",
         "Unable to marshal response: Object of type set is not JSON serializable"),
        ("1 / 0", "app.handler", "ZeroDivisionError", "division by zero"),
    ],
)  # fmt: skip
def test_broken_function_is_reported_under_lambdas_name(
    sandbox: Callable[..., Sandbox], code: str, handler: str, error_type: str, message: str
) -> None:
    outcome = invoke(sandbox(code, handler=handler))
    error = error_of(outcome)
    assert (error["errorType"], error["errorMessage"]) == (error_type, message)
    assert f"[ERROR] {error_type}: {message}" in outcome.log


def test_function_over_its_timeout_is_killed_with_its_children_and_starts_anew(
    sandbox: Callable[..., Sandbox],
) -> None:
    box = sandbox(
        "import subprocess, time\n"
        "def handler(event, context):\n"
        "    if event == 'fast':\n        return 'fine'\n"
        "    for leaves in (False, True):\n"
        "        child = subprocess.Popen(['sleep', '600'], start_new_session=leaves)\n"
        "        print('child', child.pid)\n"
        "    print('begun')\n    time.sleep(600)",
        timeout=1.0,
    )
    outcome = invoke(box)
    assert error_of(outcome) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: req-1 Error: Task timed out after 1.00 seconds",
    }
    assert "begun\n" in outcome.log
    assert "Z req-1 Task timed out after 1.00 seconds\n" in outcome.log
    for pid in re.findall(r"child (\d+)", outcome.log):
        wait_until_gone(int(pid))
    assert json.loads(invoke(box, "fast").payload) == "fine"


@pytest.mark.parametrize(
    ("statement", "end"),
    [
        ("sys.exit(3)", "Runtime exited with error: exit status 3"),
        ("sys.exit(0)", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
    ],
)
def test_process_that_ends_is_an_exit_error_and_starts_anew(
    sandbox: Callable[..., Sandbox], statement: str, end: str
) -> None:
    box = sandbox(
        f"import os, sys\ndef handler(event, context):\n    if not event: {statement}\n    return event"
    )
    message = f"RequestId: req-1 Error: {end}"
    assert error_of(invoke(box)) == {"errorType": "Runtime.ExitError", "errorMessage": message}
    assert json.loads(invoke(box, "again").payload) == "again"


def test_function_over_its_memory_is_killed(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(
        "import time\ndef handler(event, context):\n    x = b'x' * (300 << 20)\n    time.sleep(30)",
        memory_mb=128,
    )
    outcome = invoke(box)
    assert error_of(outcome)["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert "Memory Size: 128 MB" in outcome.log


def test_answer_above_six_megabytes_is_refused_and_one_below_is_not(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox("def handler(event, context):\n    return 'x' * event")
    assert len(invoke(box, 6_000_000).payload) == 6_000_002
    assert error_of(invoke(box, 6_300_000))["errorType"] == "Function.ResponseSizeTooLarge"


def test_environment_is_the_functions_and_nothing_of_the_harness(
    sandbox: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HARNESS", "1")
    box = sandbox(
        "import os, tempfile\nimport boto3\n"
        "def handler(event, context):\n    return [dict(os.environ), os.getcwd(), tempfile.gettempdir()]",
        environment={"MINE": "yes", "AWS_LAMBDA_LOG_GROUP_NAME": "g", "AWS_LAMBDA_LOG_STREAM_NAME": "s"},
    )
    environment, cwd, temporary = json.loads(invoke(box).payload)
    assert "SECRET_OF_THE_HARNESS" not in environment
    expected = {"MINE": "yes", "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13", "_HANDLER": "app.handler"}
    assert expected.items() <= environment.items()
    assert cwd == environment["LAMBDA_TASK_ROOT"]
    assert temporary == environment["TMPDIR"]


def test_layer_is_importable(sandbox: Callable[..., Sandbox], tmp_path: Path) -> None:
    (tmp_path / "layer" / "python").mkdir(parents=True)
    (tmp_path / "layer" / "python" / "shared.py").write_text("value = 'from the layer'")
    box = sandbox(
        "import shared\ndef handler(event, context):\n    return shared.value", layers=(tmp_path / "layer",)
    )
    assert json.loads(invoke(box).payload) == "from the layer"


def test_unknown_runtime_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(FunctionError, match=r"ruby3\.4 cannot be run here\. These can: python3\.9") as caught:
        runtime_named("ruby3.4")
    assert caught.value.code == "InvalidParameterValueException"


def test_output_without_end_is_bounded_and_says_so(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(
        "import sys\ndef handler(event, context):\n"
        "    for _ in range(event): sys.stdout.write('x' * 999_999 + '\\n')\n    return 'done'"
    )
    outcome = invoke(box, 20)
    assert json.loads(outcome.payload) == "done"
    assert len(outcome.log) < MAX_OUTPUT_BYTES + 1000
    assert "more bytes of output are not kept" in outcome.log
    assert outcome.log.splitlines()[-1].startswith("REPORT")
    assert invoke(box, 1).log.count("x") == 1_000_000  # with the one of "Max"


def test_answer_without_end_ends_the_process(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox("def handler(event, context):\n    return 'x' * event", memory_mb=2000)
    assert error_of(invoke(box, 60_000_000))["errorType"] == "Function.ResponseSizeTooLarge"
    assert json.loads(invoke(box, 1).payload) == "x"


def test_function_over_its_tmp_is_ended(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(
        "import os, tempfile, time\ndef handler(event, context):\n"
        "    with open(os.path.join(tempfile.gettempdir(), 'big'), 'wb') as f: f.write(b'x' * (12 << 20))\n"
        "    time.sleep(30)",
        temporary_mb=10,
        timeout=30.0,
    )
    message = "RequestId: req-1 Error: [Errno 28] No space left on device: /tmp holds more than 10 MB"
    assert error_of(invoke(box))["errorMessage"] == message


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
def test_a_function_sees_neither_the_home_nor_the_state_of_others(
    sandbox: Callable[..., Sandbox], context: PlaneContext
) -> None:
    box = sandbox(
        "import os\ndef handler(event, context):\n"
        "    seen = []\n"
        "    for path in event:\n"
        "        try:\n            os.listdir(path)\n            seen.append(path)\n"
        "        except PermissionError:\n            pass\n"
        "    return seen"
    )
    asked = [str(Path("~").expanduser()), str(context.state_dir), "/usr"]
    assert json.loads(invoke(box, asked).payload) == ["/usr"]


def test_stop_ends_a_running_invocation_and_leaves_nothing(
    sandbox: Callable[..., Sandbox], context: PlaneContext
) -> None:
    marker = context.state_dir / "functions" / "box0" / "tmp" / "running"
    box = sandbox(
        "import os, pathlib, time\ndef handler(event, context):\n"
        f"    path = pathlib.Path({str(marker)!r})\n"
        "    new = path.with_suffix('.new')\n    new.write_text(str(os.getpid()))\n    new.rename(path)\n"
        "    time.sleep(600)",
        timeout=600.0,
    )
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(invoke(box)))
    thread.start()
    wait_until("change", marker.exists)
    pid = int(marker.read_text())
    box.stop()
    thread.join(5)
    assert error_of(outcomes[0])["errorType"] == "Runtime.ExitError"
    wait_until_gone(pid)
    assert [*context.pid_dir.rglob("*.pid"), *(context.state_dir / "functions").iterdir()] == []
    with pytest.raises(RuntimeError, match="stopped"):
        invoke(box)


def wait_until_gone(pid: int) -> None:
    def is_gone() -> bool:
        return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

    wait_until("change", is_gone)
