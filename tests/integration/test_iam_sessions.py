"""Temporary credentials: sessions with policies, of users, of identity providers, and across accounts."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import boto3
import pytest
from engine_fixtures import RunningEngine
from iam_fixtures import (
    ACCOUNT,
    REGION,
    Clients,
    client_of,
    enforced,
    error_of,
    make_role,
    session_of,
    with_credentials,
)

__all__ = ["enforced"]

pytestmark = pytest.mark.usefixtures("enforced")

OTHER = "111122223333"
TOPICS = {"Action": "sns:ListTopics", "Resource": "*"}
QUEUES = {"Action": "sqs:ListQueues", "Resource": "*"}
TABLES = {"Action": "dynamodb:ListTables", "Resource": "*"}


def policy(*statements: dict[str, Any]) -> str:
    allowing = [{"Effect": "Allow", **one} for one in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": allowing})


def lists(clients: Clients) -> dict[str, str]:
    """What each of three calls ends with; empty where it may be made."""
    return {
        "sns": error_of(clients("sns").list_topics)[1],
        "sqs": error_of(clients("sqs").list_queues)[1],
        "dynamodb": error_of(clients("dynamodb").list_tables)[1],
    }


def allowed(clients: Clients) -> set[str]:
    return {service for service, reason in lists(clients).items() if not reason}


def user_of(running: RunningEngine, name: str, *statements: dict[str, Any], **more: Any) -> Clients:
    """Clients of a user with a policy."""
    iam = running.client("iam")
    iam.create_user(UserName=name, **more)
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return lambda service: boto3.client(
        service,
        endpoint_url=running.settings.endpoint_url,
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def test_a_session_is_limited_by_its_policy_and_by_its_managed_policies(running_engine: RunningEngine):
    role = make_role(running_engine, "wide", {"AWS": ACCOUNT}, TOPICS, QUEUES)
    made = running_engine.client("iam").create_policy
    queues = made(PolicyName="queues", PolicyDocument=policy(QUEUES, TABLES))["Policy"]["Arn"]

    assert allowed(session_of(running_engine, role)) == {"sns", "sqs"}
    assert allowed(session_of(running_engine, role, Policy=policy(TOPICS))) == {"sns"}
    limited = session_of(running_engine, role, PolicyArns=[{"arn": queues}])
    assert allowed(limited) == {"sqs"}
    both = session_of(running_engine, role, Policy=policy(TOPICS), PolicyArns=[{"arn": queues}])
    assert allowed(both) == {"sns", "sqs"}
    assert lists(limited)["sns"].endswith("because no session policy allows the sns:ListTopics action")
    sts = running_engine.client("sts")
    asked = {"RoleArn": role, "RoleSessionName": "tests"}
    assert error_of(sts.assume_role, **asked, Policy='{"Statement": 1}')[0] == "MalformedPolicyDocument"
    many = [{"arn": queues}] * 11
    assert error_of(sts.assume_role, **asked, PolicyArns=many)[0] == "ValidationError"


def test_a_user_has_a_boundary_and_credentials_of_its_own_for_a_while(running_engine: RunningEngine):
    made = running_engine.client("iam").create_policy
    limit = made(PolicyName="limit", PolicyDocument=policy(TOPICS, TABLES))["Policy"]["Arn"]
    user = user_of(
        running_engine, "ada", TOPICS, QUEUES, {"Action": "sts:*", "Resource": "*"}, PermissionsBoundary=limit
    )

    assert allowed(user) == {"sns"}
    assert lists(user)["sqs"].endswith("because no permissions boundary allows the sqs:ListQueues action")
    running_engine.client("iam").delete_user_permissions_boundary(UserName="ada")
    assert allowed(user) == {"sns", "sqs"}

    token = with_credentials(running_engine, user("sts").get_session_token()["Credentials"])
    assert allowed(token) == {"sns", "sqs"}
    assert token("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ada"
    assert error_of(token("sts").get_session_token)[0] == "AccessDenied"

    asked = {"Name": "guest", "Policy": policy(QUEUES, TABLES)}
    federated = user("sts").get_federation_token(**asked)
    guest = with_credentials(running_engine, federated["Credentials"])
    assert guest("sts").get_caller_identity()["Arn"] == federated["FederatedUser"]["Arn"]
    assert allowed(guest) == {"sqs"}
    nobody = with_credentials(running_engine, user("sts").get_federation_token(Name="nobody")["Credentials"])
    assert allowed(nobody) == set()
    root = running_engine.client("sts").get_federation_token(**asked)["Credentials"]
    assert allowed(with_credentials(running_engine, root)) == {"sqs", "dynamodb"}


def token_of(**claims: Any) -> str:
    given = {"iss": "https://id.example.com/pool", "exp": time.time() + 600, **claims}
    parts = [{"alg": "none"}, given]
    texts = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts]
    return ".".join((*texts, "signature"))


def test_an_identity_provider_is_let_in_by_the_trust_policy_and_its_claims(running_engine: RunningEngine):
    provider = running_engine.client("iam").create_open_id_connect_provider(
        Url="https://id.example.com/pool", ClientIDList=["lake"], ThumbprintList=["0" * 40]
    )["OpenIDConnectProviderArn"]
    role = make_role(
        running_engine,
        "federated",
        {"Federated": provider},
        TOPICS,
        action="sts:AssumeRoleWithWebIdentity",
        condition={"StringLike": {"id.example.com/pool:sub": "repo:lake/*"}},
    )
    assume = running_engine.client("sts").assume_role_with_web_identity

    def ends(role: str = role, aud: str = "lake", **claims: Any) -> tuple[str, str]:
        token = token_of(aud=aud, **claims)
        return error_of(assume, RoleArn=role, RoleSessionName="tests", WebIdentityToken=token)

    denied = ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    assert ends(sub="repo:lake/main") == ("", "")
    assert ends(sub="repo:other/main") == denied
    assert ends(role=make_role(running_engine, "of-users", {"AWS": ACCOUNT}), sub="repo:lake/main") == denied
    assert ends(sub="repo:lake/main", exp=1)[0] == "ExpiredTokenException"
    assert ends(sub="repo:lake/main", aud="other")[0] == "InvalidIdentityToken"
    assert ends(sub="repo:lake/main", iss="https://elsewhere.example.com")[0] == "InvalidIdentityToken"
    given = assume(
        RoleArn=role, RoleSessionName="tests", WebIdentityToken=token_of(aud="lake", sub="repo:lake/a")
    )
    assert allowed(with_credentials(running_engine, given["Credentials"])) == {"sns"}


def test_a_role_of_another_account_is_assumed_where_both_accounts_say_so(running_engine: RunningEngine):
    known = {"StringEquals": {"sts:ExternalId": "secret"}}
    theirs = make_role(running_engine, "theirs", {"AWS": ACCOUNT}, QUEUES, condition=known, account=OTHER)
    asking = {"Action": "sts:AssumeRole", "Resource": theirs}
    willing, mute = (
        session_of(running_engine, make_role(running_engine, name, {"AWS": ACCOUNT}, *may))("sts")
        for name, may in (("willing", [asking]), ("mute-one", []))
    )
    asked = {"RoleArn": theirs, "RoleSessionName": "tests"}

    assert error_of(mute.assume_role, **asked, ExternalId="secret") == (
        "AccessDenied",
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/mute-one/tests is not authorized to perform:"
        f" sts:AssumeRole on resource: {theirs} because no identity-based policy allows the"
        " sts:AssumeRole action",
    )
    assert error_of(willing.assume_role, **asked)[0] == "AccessDenied"
    assert error_of(willing.assume_role, **asked, ExternalId="wrong")[0] == "AccessDenied"
    given = willing.assume_role(**asked, ExternalId="secret")["Credentials"]
    guest = with_credentials(running_engine, given)
    identity = guest("sts").get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (
        OTHER,
        f"arn:aws:sts::{OTHER}:assumed-role/theirs/tests",
    )
    assert allowed(guest) == {"sqs"}
    client_of(running_engine, "sqs", OTHER).create_queue(QueueName="of-other")
    [url] = guest("sqs").list_queues()["QueueUrls"]
    assert f"/{OTHER}/" in url


def test_a_bucket_of_another_account_is_read_where_both_accounts_say_so(running_engine: RunningEngine):
    owner = client_of(running_engine, "s3", OTHER)
    owner.create_bucket(Bucket="of-other", CreateBucketConfiguration={"LocationConstraint": REGION})
    owner.put_object(Bucket="of-other", Key="a", Body=b"a")
    reading = {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::of-other/*"}
    reader = make_role(running_engine, "reads-theirs", {"AWS": ACCOUNT}, reading)
    mute = make_role(running_engine, "may-nothing", {"AWS": ACCOUNT})

    def ends(role: str) -> str:
        return error_of(session_of(running_engine, role)("s3").get_object, Bucket="of-other", Key="a")[1]

    assert ends(reader).endswith("because no resource-based policy allows the s3:GetObject action")
    admitting = {**reading, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    owner.put_bucket_policy(Bucket="of-other", Policy=policy(admitting))
    assert ends(reader) == ""
    assert ends(mute).endswith("because no identity-based policy allows the s3:GetObject action")
