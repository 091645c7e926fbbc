"""Every runtime of Lambda that runs here, installed where the machine lacks it; one of Node in the suite."""

from __future__ import annotations

import json

import pytest
from archives import zipped
from engine_fixtures import RunningEngine, wait_for

PYTHON = """
import sys, boto3
def handler(event, context):
    account = boto3.client("sts").get_caller_identity()["Account"]
    return [account, "python%d.%d" % sys.version_info[:2]]
"""
NODE = """
import { STSClient, GetCallerIdentityCommand } from '@aws-sdk/client-sts';
export const handler = async () => [
  (await new STSClient({}).send(new GetCallerIdentityCommand({}))).Account,
  `nodejs${process.versions.node.split('.')[0]}.x`,
];
"""
FOREIGN = [f"python3.{minor}" for minor in (9, 10, 11, 12, 13)] + [
    f"nodejs{major}.x" for major in (18, 22, 24)
]


def check(engine: RunningEngine, runtime: str) -> None:
    awslambda = engine.client("lambda")
    name = runtime.replace(".", "-")
    file, code = ("app.py", PYTHON) if runtime.startswith("python") else ("app.mjs", NODE)
    awslambda.create_function(
        FunctionName=name,
        Role=engine.role(),
        Handler="app.handler",
        Runtime=runtime,
        Timeout=60,
        MemorySize=512,
        Code={"ZipFile": zipped({file: code})},
    )

    def settled() -> bool:
        state = awslambda.get_function_configuration(FunctionName=name)
        assert state["State"] != "Failed", state["StateReason"]
        return bool(state["State"] == "Active")

    wait_for("function", settled, 600)
    answer = awslambda.invoke(FunctionName=name)
    assert json.loads(answer["Payload"].read()) == ["000000000000", runtime]


def test_a_function_of_node_with_the_sdk_of_its_runtime_runs(running_engine: RunningEngine) -> None:
    check(running_engine, "nodejs20.x")


@pytest.mark.foreign
@pytest.mark.parametrize("runtime", FOREIGN)
def test_a_function_of_any_runtime_runs(running_engine: RunningEngine, runtime: str) -> None:
    check(running_engine, runtime)
