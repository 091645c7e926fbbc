"""Lambda functions run by the functions plane, chosen by ``LAMBDA_RUNTIME_EXECUTOR=millpond``."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from localstack.aws.api.lambda_ import PackageType
from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment
from localstack.services.lambda_.invocation.lambda_models import (
    FunctionVersion as LocalStackVersion,
)
from localstack.services.lambda_.invocation.lambda_models import HotReloadingCode, InvocationResult, S3Code
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from millpond.localstack_ext.engine import patches, planes
from millpond.localstack_ext.functions.metrics import Concurrency, install_metrics, report_run
from millpond.localstack_ext.functions.runtimes import interpreter_for
from millpond.planes.functions import FunctionError, FunctionVersion, Invocation, Sandbox

# What LocalStack sets for the init program in its containers, which is not there.
_OF_THE_CONTAINER = ("LOCALSTACK_", "EDGE_PORT")
_CONCURRENCY = Concurrency()


class SandboxExecutor(RuntimeExecutor):
    """One sandbox of the plane as LocalStack sees an execution environment."""

    def __init__(self, id: str, function_version: LocalStackVersion) -> None:  # noqa: A002
        super().__init__(id, function_version)
        self._sandbox: Sandbox | None = None
        self.client_context = ""

    def start(self, env_vars: dict[str, Any]) -> None:
        function = to_plane(self.function_version, env_vars)
        self._sandbox = Sandbox(planes.context(), function, interpreter_for(function.runtime), self.id)

    def stop(self) -> None:
        if self._sandbox is not None:
            self._sandbox.stop()

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        return planes.context().endpoint_url

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        if self._sandbox is None:
            raise RuntimeError(f"Execution environment {self.id} is not started")
        request_id = payload["invoke-id"]
        invocation = Invocation(
            request_id,
            payload["invoked-function-arn"],
            payload["payload"],
            payload["trace-id"],
            self.client_context,
        )
        function = self.function_version.id
        key = function.account, function.region, function.function_name
        with _CONCURRENCY.one_more(key) as running:
            outcome = self._sandbox.invoke(invocation)
        report_run(self.function_version, outcome.duration_ms, running)
        return InvocationResult(request_id, outcome.payload.encode(), outcome.is_error, outcome.log)

    def get_logs(self) -> str:
        """Nothing beyond what each invocation gave back."""
        return ""

    @classmethod
    def prepare_version(cls, function_version: LocalStackVersion) -> None:
        """Unzip the code and the layers; what it raises becomes the reason why the function failed.

        Raises
        ------
        FunctionError
            If the function is an image, or of a runtime that this machine cannot run.
        """
        config = function_version.config
        if config.package_type != PackageType.Zip:
            raise FunctionError(
                "InvalidParameterValueException",
                "Functions from images cannot be run here: deploy the function to AWS, or give it a ZIP "
                "file and a runtime of Python or Node here",
            )
        interpreter_for(config.runtime or "")
        for code in _codes(function_version):
            code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: LocalStackVersion) -> None:
        """Nothing: LocalStack removes the unzipped code with the function."""


def to_plane(version: LocalStackVersion, env_vars: Mapping[str, Any]) -> FunctionVersion:
    """LocalStack's function version as the plane's."""
    config = version.config
    code_dir, *layers = (code.get_unzipped_code_location() for code in _codes(version))
    return FunctionVersion(
        name=version.id.function_name,
        version=version.id.qualifier,
        runtime=config.runtime or "",
        handler=config.handler or "",
        code_dir=code_dir,
        timeout=float(config.timeout),
        memory_mb=int(config.memory_size),
        environment={
            name: str(value) for name, value in env_vars.items() if not name.startswith(_OF_THE_CONTAINER)
        },
        layers=tuple(layers),
        temporary_mb=int(config.ephemeral_storage.size),
    )


def _codes(version: LocalStackVersion) -> list[S3Code | HotReloadingCode]:
    """The function's code, then its layers' code."""
    config = version.config
    return [code for code in (config.code, *(layer.code for layer in config.layers)) if code is not None]


def install_client_context() -> None:
    """Hand the executor what a caller gave as ``ClientContext``, which LocalStack keeps to itself."""

    def invoke(theirs: Any, self: ExecutionEnvironment, invocation: Any) -> Any:
        executor: Any = self.runtime_executor
        encoded = invocation.client_context
        executor.client_context = base64.b64decode(encoded).decode() if encoded else ""
        return theirs(self, invocation)

    patches.wrap(ExecutionEnvironment, "invoke", invoke)


class MillpondExecutorPlugin(RuntimeExecutorPlugin):
    """Names the executor for LocalStack."""

    name = "millpond"

    def load(self, *_args: Any, **_kwargs: Any) -> type[SandboxExecutor]:
        install_metrics()
        install_client_context()
        return SandboxExecutor
