"""Roles, their sessions, and refusals, for tests of policies in force."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine

from millpond.client import permissions

REGION, ACCOUNT = "eu-west-1", "000000000000"
Clients = Callable[[str], Any]


def arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


def make_role(
    running: RunningEngine,
    name: str,
    principal: dict[str, str],
    *statements: dict[str, Any],
    action: str = "sts:AssumeRole",
    condition: dict[str, Any] | None = None,
    account: str = ACCOUNT,
) -> str:
    """A role with a trust policy and statements that allow; its ARN."""
    iam = client_of(running, "iam", account)
    trust = {"Effect": "Allow", "Principal": principal, "Action": action}
    trust |= {"Condition": condition} if condition else {}
    made = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    if statements:
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]}
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
    return str(made["Role"]["Arn"])


def client_of(running: RunningEngine, service: str, account: str) -> Any:
    """A client of the root of an account."""
    return boto3.client(
        service,
        endpoint_url=running.settings.endpoint_url,
        region_name=REGION,
        aws_access_key_id=account,
        aws_secret_access_key="test",
    )


def with_credentials(running: RunningEngine, given: dict[str, Any]) -> Clients:
    """Clients with temporary credentials."""
    return lambda service: boto3.client(
        service,
        endpoint_url=running.settings.endpoint_url,
        region_name=REGION,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def session_of(running: RunningEngine, role: str, **more: Any) -> Clients:
    """Clients of a session of a role that the account may assume."""
    given = running.client("sts").assume_role(RoleArn=role, RoleSessionName="tests", **more)["Credentials"]
    return with_credentials(running, given)


def error_of(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return "", ""


@pytest.fixture
def enforced(running_engine: RunningEngine) -> Iterator[None]:
    permissions.ask(running_engine.settings, "PUT", {"mode": "enforce"})
    yield
    permissions.ask(running_engine.settings, "PUT", {"mode": "audit"})
