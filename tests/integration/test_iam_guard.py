"""IAM's policies in force: what a role or a user lacks is denied in each service's form, and learned from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine, running_engine

from millpond.client import permissions
from millpond.planes.iam import read_policy
from millpond.planes.iam.learning import as_terraform, smallest_policy, unused
from millpond.planes.iam.ledger import from_json

__all__ = ["running_engine"]

REGION, ACCOUNT = "eu-west-1", "000000000000"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}],
}
BOUNDARY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Sid": "NoQueues", "Effect": "Deny", "Action": "sqs:DeleteQueue", "Resource": "*"},
    ],
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Read",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": "arn:aws:s3:::guarded/own/*",
        },
        {
            "Sid": "List",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::guarded",
            "Condition": {"StringLike": {"s3:prefix": "own/*"}},
        },
        {
            "Sid": "Items",
            "Effect": "Allow",
            "Action": "dynamodb:*Item",
            "Resource": f"arn:aws:dynamodb:*:{ACCOUNT}:table/guarded",
        },
        {"Sid": "Queues", "Effect": "Allow", "Action": "sqs:*", "Resource": "*"},
        {"Sid": "Never", "Effect": "Allow", "Action": "sns:Publish", "Resource": "*"},
    ],
}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/guarded"


@pytest.fixture(scope="module")
def as_role(running_engine: RunningEngine) -> Callable[[str], Any]:
    """Clients of a session of a role that has a policy and a boundary, and what they work on."""
    iam = running_engine.client("iam")
    boundary = iam.create_policy(PolicyName="limits", PolicyDocument=json.dumps(BOUNDARY))["Policy"]["Arn"]
    iam.create_role(
        RoleName="guarded", AssumeRolePolicyDocument=json.dumps(TRUST), PermissionsBoundary=boundary
    )
    iam.put_role_policy(RoleName="guarded", PolicyName="own", PolicyDocument=json.dumps(POLICY))
    s3 = running_engine.client("s3")
    s3.create_bucket(Bucket="guarded", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="guarded", Key="other/a", Body=b"a")
    running_engine.client("sqs").create_queue(QueueName="guarded")
    running_engine.client("dynamodb").create_table(
        TableName="guarded",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assumed = running_engine.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="run")["Credentials"]

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=running_engine.settings.endpoint_url,
            region_name=REGION,
            aws_access_key_id=assumed["AccessKeyId"],
            aws_secret_access_key=assumed["SecretAccessKey"],
            aws_session_token=assumed["SessionToken"],
        )

    return client


@pytest.fixture
def enforced(running_engine: RunningEngine) -> Iterator[None]:
    assert permissions.ask(running_engine.settings)["mode"] == "audit", "unless set otherwise"
    permissions.ask(running_engine.settings, "PUT", {"mode": "enforce"})
    yield
    permissions.ask(running_engine.settings, "PUT", {"mode": "audit"})


def denied(call: Callable[..., Any], **arguments: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def test_a_role_may_do_what_its_policies_allow_and_no_more(as_role: Callable[[str], Any], enforced: None):
    s3, dynamodb, sqs = as_role("s3"), as_role("dynamodb"), as_role("sqs")
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/guarded/run"

    s3.put_object(Bucket="guarded", Key="own/a", Body=b"a")
    assert s3.get_object(Bucket="guarded", Key="own/a")["Body"].read() == b"a"
    assert s3.list_objects_v2(Bucket="guarded", Prefix="own/")["KeyCount"] == 1
    dynamodb.put_item(TableName="guarded", Item={"id": {"S": "1"}})
    url = sqs.get_queue_url(QueueName="guarded")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    assert as_role("sts").get_caller_identity()["Arn"] == session

    resource = "arn:aws:s3:::guarded/other/a"
    assert denied(s3.get_object, Bucket="guarded", Key="other/a") == (
        "AccessDenied",
        403,
        f"User: {session} is not authorized to perform: s3:GetObject on resource: {resource} because no"
        " identity-based policy allows the s3:GetObject action",
    )
    assert denied(s3.list_objects_v2, Bucket="guarded")[:2] == ("AccessDenied", 403)
    assert denied(dynamodb.scan, TableName="guarded")[:2] == ("AccessDeniedException", 400)
    assert denied(sqs.delete_queue, QueueUrl=url) == (
        "AccessDenied",
        403,
        f"User: {session} is not authorized to perform: sqs:DeleteQueue on resource:"
        f" arn:aws:sqs:{REGION}:{ACCOUNT}:guarded with an explicit deny in a permissions boundary",
    )
    glue = as_role("glue")
    assert denied(glue.get_table, DatabaseName="lake", Name="t")[:2] == ("AccessDeniedException", 400)
    assert denied(as_role("lambda").list_functions)[:2] == ("AccessDeniedException", 403)
    assert denied(as_role("ec2").describe_vpcs)[:2] == ("UnauthorizedOperation", 403)
    assert denied(as_role("iam").list_roles)[:2] == ("AccessDenied", 403)


def test_the_policy_of_a_bucket_lets_in_and_keeps_out(
    running_engine: RunningEngine, as_role: Callable[[str], Any], enforced: None
):
    owner = running_engine.client("s3")
    statements = [
        {
            "Effect": "Allow",
            "Principal": {"AWS": ROLE},
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::guarded/other/*",
        },
        {
            "Sid": "OnlyEncrypted",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::guarded/*",
            "Condition": {
                "StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"},
                "Null": {"s3:x-amz-server-side-encryption": "false"},
            },
        },
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    owner.put_bucket_policy(Bucket="guarded", Policy=policy)
    try:
        assert as_role("s3").get_object(Bucket="guarded", Key="other/a")["Body"].read() == b"a"
        clear = {"Bucket": "guarded", "Key": "own/b", "Body": b"b", "ServerSideEncryption": "AES256"}
        for client in (as_role("s3"), owner):
            assert denied(client.put_object, **clear)[2].endswith(
                "with an explicit deny in a resource-based policy"
            )
        as_role("s3").put_object(Bucket="guarded", Key="own/b", Body=b"b")
    finally:
        owner.delete_bucket_policy(Bucket="guarded")


def test_a_user_has_its_groups_policies_and_its_name_as_a_variable(
    running_engine: RunningEngine, enforced: None
):
    iam = running_engine.client("iam")
    iam.create_user(UserName="ada")
    iam.create_group(GroupName="readers")
    iam.add_user_to_group(GroupName="readers", UserName="ada")
    home = "arn:aws:sqs:*:*:home-${aws:username}"
    statement = {"Effect": "Allow", "Action": "sqs:*", "Resource": home}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_group_policy(GroupName="readers", PolicyName="home", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    sqs = boto3.client(
        "sqs",
        endpoint_url=running_engine.settings.endpoint_url,
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    sqs.create_queue(QueueName="home-ada")
    assert denied(sqs.create_queue, QueueName="home-bob")[0] == "AccessDenied"


def test_in_audit_nothing_is_denied_and_everything_is_learned(
    running_engine: RunningEngine, as_role: Callable[[str], Any]
):
    settings = running_engine.settings
    permissions.ask(settings, "DELETE")
    s3 = as_role("s3")
    s3.put_object(Bucket="guarded", Key="own/x/1", Body=b"1")
    s3.put_object(Bucket="guarded", Key="own/x/2", Body=b"2")
    assert s3.get_object(Bucket="guarded", Key="other/a")["Body"].read() == b"a"
    as_role("dynamodb").get_item(TableName="guarded", Key={"id": {"S": "1"}})

    judged = [one for one in from_json(permissions.ask(settings)["judgements"]) if one.principal == ROLE]
    assert [(one.action, one.resource, one.sid) for one in judged if not one.is_allowed] == [
        ("s3:GetObject", "arn:aws:s3:::guarded/other/a", "")
    ]
    used = [(one.action, one.resource) for one in judged]
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/guarded"
    policy = smallest_policy(used)
    assert policy["Statement"] == [
        {"Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": [table]},
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::guarded/other/*"]},
        {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::guarded/own/*"]},
    ]
    assert as_terraform(policy, "guarded").count("statement {") == 3
    assert unused(read_policy(POLICY), used) == [
        ("Read", "s3:getobject"),
        ("List", "s3:listbucket"),
        ("Queues", "sqs:*"),
        ("Never", "sns:publish"),
    ]


def test_a_mode_that_is_none_is_refused(running_engine: RunningEngine):
    with pytest.raises(Exception, match="400"):
        permissions.ask(running_engine.settings, "PUT", {"mode": "perhaps"})
    assert permissions.ask(running_engine.settings)["mode"] == "audit"
