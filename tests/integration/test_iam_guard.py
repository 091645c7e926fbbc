"""IAM's policies in force: what a role or a user lacks is denied in each service's form, and learned from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine, wait_for

from millpond.client import permissions
from millpond.planes.iam import read_policy
from millpond.planes.iam.learning import as_terraform, smallest_policy, unused
from millpond.planes.iam.ledger import from_json

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


def as_session(running_engine: RunningEngine, role: str, name: str) -> Callable[[str], Any]:
    """Clients of a session of a role."""
    given = running_engine.client("sts").assume_role(RoleArn=role, RoleSessionName=name)["Credentials"]
    return lambda service: boto3.client(
        service,
        endpoint_url=running_engine.settings.endpoint_url,
        region_name=REGION,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def allowing(running_engine: RunningEngine, name: str, statements: list[dict[str, Any]], **trust: Any) -> str:
    """A role that the account trusts, or who is named, with a policy; its ARN."""
    iam = running_engine.client("iam")
    trusting = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole", **trust}
    document = {"Version": "2012-10-17", "Statement": [trusting]}
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]}
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
    return str(made["Role"]["Arn"])


@pytest.fixture(scope="module")
def lake(running_engine: RunningEngine) -> None:
    """Two tables, one with a plain object and one whose object a key encrypts, and a bucket of results."""
    s3, glue, kms = (running_engine.client(one) for one in ("s3", "glue", "kms"))
    for bucket in ("lake-data", "lake-results"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    key = kms.create_key(Tags=[{"TagKey": "name", "TagValue": "lake"}])["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/lake", TargetKeyId=key)
    s3.put_object(Bucket="lake-data", Key="plain/a.csv", Body=b"1\n2\n")
    s3.put_object(
        Bucket="lake-data", Key="sealed/a.csv", Body=b"3\n", ServerSideEncryption="aws:kms", SSEKMSKeyId=key
    )
    glue.create_database(DatabaseInput={"Name": "lake"})
    for name in ("plain", "sealed"):
        glue.create_table(
            DatabaseName="lake",
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "StorageDescriptor": {
                    "Columns": [{"Name": "n", "Type": "int"}],
                    "Location": f"s3://lake-data/{name}/",
                    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                    "SerdeInfo": {
                        "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                        "Parameters": {"field.delim": ","},
                    },
                },
            },
        )


ATHENA = {
    "start": {"Action": "athena:*", "Resource": "*"},
    "place": {"Action": "s3:GetBucketLocation", "Resource": "arn:aws:s3:::lake-results"},
    "results": {"Action": ["s3:PutObject", "s3:GetObject"], "Resource": "arn:aws:s3:::lake-results/*"},
    "catalog": {"Action": ["glue:GetTable", "glue:GetDatabase"], "Resource": "*"},
    "list": {"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::lake-data"},
    "plain": {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake-data/plain/*"},
    "sealed": {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake-data/sealed/*"},
    "key": {"Action": "kms:Decrypt", "Resource": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*"},
}
QUERIES = (
    ("all", "plain", "", "2"),
    ("no-results", "plain", "results", "Access denied when writing output to url: s3://lake-results/"),
    (
        "no-catalog",
        "plain",
        "catalog",
        "Insufficient permissions to execute the query."
        f" User: arn:aws:sts::{ACCOUNT}:assumed-role/no-catalog/query is not authorized to perform:"
        f" glue:GetTable on resource: arn:aws:glue:{REGION}:{ACCOUNT}:catalog"
        " because no identity-based policy allows the glue:GetTable action",
    ),
    ("no-list", "plain", "list", "Permission denied on S3 path: s3://lake-data"),
    ("no-data", "plain", "plain", "Permission denied on S3 path: s3://lake-data/plain/a.csv"),
    ("key", "sealed", "", "1"),
    ("no-key", "sealed", "key", "Permission denied on S3 path: s3://lake-data/sealed/a.csv"),
)


@pytest.mark.parametrize("case", QUERIES, ids=lambda case: case[0])
@pytest.mark.usefixtures("lake", "enforced")
def test_a_query_reads_and_writes_as_who_asks_it(
    running_engine: RunningEngine, case: tuple[str, str, str, str]
):
    name, table, without, told = case
    statements = [one for which, one in ATHENA.items() if which != without]
    athena = as_session(running_engine, allowing(running_engine, name, statements), "query")("athena")
    started = athena.start_query_execution(
        QueryString=f"SELECT count(*) FROM lake.{table}",
        ResultConfiguration={"OutputLocation": "s3://lake-results/"},
    )["QueryExecutionId"]

    def ended() -> dict[str, Any] | None:
        told: dict[str, Any] = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"][
            "Status"
        ]
        return told if told["State"] in ("SUCCEEDED", "FAILED") else None

    status = wait_for("the query to end", ended)
    if without:
        assert status["State"] == "FAILED"
        assert status["StateChangeReason"].startswith(told)
    else:
        assert status["State"] == "SUCCEEDED", status
        rows = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
        assert rows[1]["Data"][0]["VarCharValue"] == told


def test_a_query_is_refused_where_its_results_cannot_be_placed(running_engine: RunningEngine, enforced: None):
    role = allowing(running_engine, "no-place", [ATHENA["start"]])
    code, _, message = denied(
        as_session(running_engine, role, "query")("athena").start_query_execution,
        QueryString="SELECT 1",
        ResultConfiguration={"OutputLocation": "s3://lake-results/"},
    )
    assert (code, message) == (
        "InvalidRequestException",
        "Unable to verify/create output bucket lake-results",
    )
