"""The state machine with its function, which runs for real, and a query of Athena."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from pytest_millpond import Aws, Objects, StateMachine, StateMachines

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    ],
}


@pytest.fixture(scope="module")
def nightly(aws: Aws, s3: Objects, state_machine: StateMachines) -> StateMachine:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("price.py", Path("price.py").read_text())
    role = aws("iam").create_role(RoleName="price", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    function = aws("lambda").create_function(
        FunctionName="price",
        Role=role["Arn"],
        Runtime="python3.13",
        Handler="price.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    aws("lambda").get_waiter("function_active_v2").wait(FunctionName="price")
    results = s3.bucket("nightly-results")
    return state_machine(
        "nightly.asl.json", {"price_function": function["FunctionArn"], "results": f"{results}/athena/"}
    )


def test_an_order_is_priced_and_counted(nightly: StateMachine) -> None:
    execution = nightly.start({"item": "pear", "count": 3})
    execution.assert_succeeded({"cents": 135, "query": "SUCCEEDED"}).assert_states(["Price", "Count", "Done"])


def test_an_item_without_a_price_is_refused(nightly: StateMachine) -> None:
    execution = nightly.start({"item": "melon", "count": 1}).assert_failed("OrderRefused")
    assert "melon has no price" in execution.cause
    execution.assert_states(["Price", "Refused"])
