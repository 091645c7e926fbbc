"""An engine of its own for a test module, on a free port and in a temporary directory."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from archives import zipped
from ports import free_port
from waiting import wait_until as wait_for

from millpond.base.config import CHECKOUT, Athena, Settings
from millpond.planes.common.context import Tools
from millpond.stack.engine import Engine

__all__ = ["wait_for"]

ROLE_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": [f"{name}.amazonaws.com" for name in ("glue", "lambda", "states")]},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


@dataclass(frozen=True)
class RunningEngine:
    """An engine and how to talk to it."""

    engine: Engine
    settings: Settings

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.settings.endpoint_url,
            region_name=self.settings.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def role(self, name: str = "tester") -> str:
        """The ARN of a role that Lambda and Step Functions may assume."""
        iam = self.client("iam")
        try:
            return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=ROLE_POLICY)["Role"]["Arn"])
        except iam.exceptions.EntityAlreadyExistsException:
            return str(iam.get_role(RoleName=name)["Role"]["Arn"])

    def function(self, name: str, code: str, **settings: Any) -> str:
        """Make a function of one module ``app`` with a ``handler``; its ARN."""
        awslambda = self.client("lambda")
        made = awslambda.create_function(
            FunctionName=name,
            Handler="app.handler",
            **{
                "Role": settings.get("Role") or self.role(),
                "Runtime": "python3.13",
                "Code": {"ZipFile": zipped({"app.py": code})},
                **settings,
            },
        )
        awslambda.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        return str(made["FunctionArn"])


# Whether Trino is installed here is nothing that other tests shall see.
COMPILER_ALONE = Athena(engine="duckdb")


def new_engine(
    directory: Path,
    port: int | None = None,
    shell_python: Path | None = None,
    athena: Athena = COMPILER_ALONE,
    *,
    keep_state: bool = False,
) -> RunningEngine:
    """An engine that is not started yet; Python shell jobs run in the tests' own Python unless told.

    Its state ends with it unless told otherwise.
    """
    python = Path(sys.executable)
    tools = Tools(
        java_home=directory / "no-java",
        spark_python=python,
        shell_python=shell_python or python,
        harness_python=python,
        jars_dir=directory / "no-jars",
        glue_runtime=CHECKOUT / "glue_runtime",
        lambda_python={"python3.13": python},
    )
    tools_file = directory / "tools.json"
    tools_file.write_text(tools.to_json())
    settings = Settings(
        state_dir=directory / "state",
        gateway_port=port or free_port(),
        athena=athena,
        keep_state=keep_state,
        # Roles of these tests have no policies; what is denied has tests of its own.
        iam_mode="audit",
    )
    return RunningEngine(Engine(settings, tools_file), settings)


@contextmanager
def started_engine(
    directory: Path,
    port: int | None = None,
    shell_python: Path | None = None,
    athena: Athena = COMPILER_ALONE,
) -> Iterator[RunningEngine]:
    running = new_engine(directory, port, shell_python, athena)
    running.engine.start()
    try:
        yield running
    finally:
        running.engine.stop()
