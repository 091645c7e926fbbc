"""What Lambda tells CloudWatch of invocations.

Source: "Types of metrics for Lambda functions" in the Lambda developer guide: namespace ``AWS/Lambda``, by
``FunctionName`` and over all functions; ``Errors`` is reported with each invocation, ``Throttles`` are no
invocations, ``Duration`` is without the initialisation.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from localstack.aws.api.lambda_ import TooManyRequestsException
from localstack.services.lambda_.invocation import version_manager
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion
from localstack.services.lambda_.invocation.version_manager import LambdaVersionManager

from millpond.localstack_ext.engine import patches, planes
from millpond.planes.common.telemetry import datum

NAMESPACE = "AWS/Lambda"


class Concurrency:
    """How many invocations of each function go on, by account, region and name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: Counter[tuple[str, str, str]] = Counter()

    @contextmanager
    def one_more(self, function: tuple[str, str, str]) -> Iterator[int]:
        """An invocation; how many there are with it."""
        with self._lock:
            self._running[function] += 1
            running = self._running[function]
        try:
            yield running
        finally:
            with self._lock:
                self._running[function] -= 1


def report_run(version: FunctionVersion, duration_ms: float, running: int) -> None:
    """Tell of a function that has run."""
    _report(version, [("Duration", duration_ms, "Milliseconds"), ("ConcurrentExecutions", running, "Count")])


def install_metrics() -> None:
    """Tell of every invocation, instead of LocalStack."""

    def report(function_name: str, account_id: str, region_name: str, *, is_error: bool) -> None:
        data = [("Invocations", 1, "Count"), ("Errors", float(is_error), "Count")]
        planes.telemetry().metrics(
            NAMESPACE, _data(function_name, data), account_id=account_id, region=region_name
        )

    def succeeded(**function: Any) -> None:
        report(**function, is_error=False)

    def failed(**function: Any) -> None:
        report(**function, is_error=True)

    def invoke_or_throttle(invoke: Any, self: LambdaVersionManager, **arguments: Any) -> Any:
        try:
            return invoke(self, **arguments)
        except TooManyRequestsException:
            _report(self.function_version, [("Throttles", 1, "Count")])
            raise

    patches.replace(version_manager, "record_cw_metric_invocation", succeeded)
    patches.replace(version_manager, "record_cw_metric_error", failed)
    patches.wrap(LambdaVersionManager, "invoke", invoke_or_throttle)


def _report(version: FunctionVersion, data: list[tuple[str, float, str]]) -> None:
    function = version.id
    planes.telemetry().metrics(
        NAMESPACE,
        _data(function.function_name, data),
        account_id=function.account,
        region=function.region,
    )


def _data(function_name: str, data: list[tuple[str, float, str]]) -> list[dict[str, Any]]:
    return [
        datum(name, value, unit, **dimensions)
        for name, value, unit in data
        for dimensions in ({"FunctionName": function_name}, {})
    ]
