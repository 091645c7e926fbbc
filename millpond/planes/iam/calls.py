"""What a call needs a permission for: operations of the API as actions on resources.

Sources: the Service Authorization Reference, "Actions, resources, and condition keys" of each service. An
operation that is not in the tables has the action of its own name, on the resource that its request names;
where the tables know no resource for it, on ``*``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

Members = Mapping[str, Any]
"""The input of an operation, as the service's model names it."""


@dataclass(frozen=True, order=True)
class Need:
    """A permission.

    Parameters
    ----------
    action, resource : str
        As a policy would name them.
    is_known : bool
        Whether the tables know the resource of the action; ``*`` stands for it otherwise.
    """

    action: str
    resource: str
    is_known: bool = True


PREFIXES = {
    "stepfunctions": "states",
    "dynamodbstreams": "dynamodb",
    "resourcegroupstaggingapi": "tag",
}
"""What a service is named in a policy, where it is not as in the API."""

FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
"""What everybody may do."""

ACTIONS: Mapping[str, str] = {
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:CopyObject": "s3:PutObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:DeleteBucketCors": "s3:PutBucketCORS",
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:DeleteBucketReplication": "s3:PutReplicationConfiguration",
    "s3:DeleteBucketTagging": "s3:PutBucketTagging",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:GetBucketAccelerateConfiguration": "s3:GetAccelerateConfiguration",
    "s3:GetBucketCors": "s3:GetBucketCORS",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjects": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListParts": "s3:ListMultipartUploadParts",
    "s3:PutBucketCors": "s3:PutBucketCORS",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:PutBucketNotificationConfiguration": "s3:PutBucketNotification",
    "s3:PutBucketReplication": "s3:PutReplicationConfiguration",
    "s3:PutObjectLockConfiguration": "s3:PutBucketObjectLockConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:SelectObjectContent": "s3:GetObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:UploadPartCopy": "s3:PutObject",
    "lambda:Invoke": "lambda:InvokeFunction",
    "lambda:InvokeAsync": "lambda:InvokeFunction",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sns:PublishBatch": "sns:Publish",
    "dynamodb:BatchExecuteStatement": "dynamodb:PartiQLSelect",
    "dynamodb:ExecuteStatement": "dynamodb:PartiQLSelect",
    "dynamodb:ExecuteTransaction": "dynamodb:PartiQLSelect",
    "kms:ReEncrypt": "kms:ReEncryptFrom",
}
"""Operations whose action has another name."""

_TRANSACTION = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}

# By the action's prefix: the members that name a resource, most particular first, and the last part of its
# ARN. A member that is an ARN already is taken as it is. Where a row has no part, the member holds the ARN.
_RESOURCES: Mapping[str, Sequence[tuple[tuple[str, ...], str]]] = {
    "athena": (
        (("WorkGroup",), "workgroup/{}"),
        (("ResourceARN",), ""),
    ),
    "codebuild": (
        (("projectName",), "project/{}"),
        (("names",), "project/{}"),
        (("name",), "project/{}"),
        (("ids",), "build/{}"),
        (("id",), "build/{}"),
    ),
    "dynamodb": (
        (("TableName", "IndexName"), "table/{}/index/{}"),
        (("TableName",), "table/{}"),
        (("SourceTableName",), "table/{}"),
        (("StreamArn",), ""),
        (("ResourceArn",), ""),
    ),
    "events": (
        (("Rule",), "rule/{}"),
        (("EventBusName", "Name"), "rule/{}/{}"),
        (("Name",), "rule/{}"),
        (("ResourceARN",), ""),
        (("Entries",), "event-bus/default"),
    ),
    "firehose": ((("DeliveryStreamName",), "deliverystream/{}"),),
    "kinesis": (
        (("StreamARN",), ""),
        (("StreamName",), "stream/{}"),
    ),
    "kms": (
        (("KeyId",), "key/{}"),
        (("SourceKeyId",), "key/{}"),
        (("AliasName",), "{}"),
    ),
    "lambda": (
        (("FunctionName",), "function:{}"),
        (("UUID",), "event-source-mapping:{}"),
        (("LayerName",), "layer:{}"),
        (("Resource",), ""),
    ),
    "logs": (
        (("logGroupName", "logStreamName"), "log-group:{}:log-stream:{}"),
        (("logGroupName",), "log-group:{}:*"),
        (("logGroupNamePrefix",), "log-group:{}*:*"),
        (("resourceArn",), ""),
    ),
    "secretsmanager": (
        (("SecretId",), "secret:{}"),
        (("Name",), "secret:{}"),
    ),
    "sns": (
        (("TopicArn",), ""),
        (("TargetArn",), ""),
        (("Name",), "{}"),
        (("ResourceArn",), ""),
    ),
    "ssm": (
        (("Name",), "parameter/{}"),
        (("Names",), "parameter/{}"),
        (("Path",), "parameter/{}"),
        (("ResourceId",), "parameter/{}"),
    ),
    "states": (
        (("stateMachineArn",), ""),
        (("executionArn",), ""),
        (("activityArn",), ""),
        (("resourceArn",), ""),
        (("name",), "stateMachine:{}"),
    ),
    "sts": ((("RoleArn",), ""),),
}
# Services whose actions have no resource, or whose tables would not decide anything here.
_WITHOUT = frozenset({"cloudwatch", "ec2", "tag", "sts", "budgets"})


def needs(service: str, operation: str, members: Members, account: str, region: str) -> Iterator[Need]:
    """The permissions that a call needs; none for what everybody may do.

    Parameters
    ----------
    service, operation : str
        As the API has them, for example ``stepfunctions`` and ``StartExecution``.
    members : mapping
        The input.
    account, region : str
        Where the call goes.
    """
    prefix = PREFIXES.get(service, service)
    own = f"{prefix}:{operation}"
    action = ACTIONS.get(own, own)
    if action in FREE:
        return
    special = _SPECIAL.get(prefix)
    if special is not None:
        yield from special(action, members, f"arn:aws:{prefix}:{region}:{account}:")
    elif resources := list(_named(prefix, members, f"arn:aws:{prefix}:{region}:{account}:")):
        for resource in resources:
            yield Need(action, resource)
    else:
        yield Need(action, "*", prefix in _WITHOUT)


def _named(prefix: str, members: Members, arn: str) -> Iterator[str]:
    """Resources that a request names, by the first row whose members it has."""
    for names, part in _RESOURCES.get(prefix, ()):
        values = [members.get(name) for name in names]
        if not all(values):
            continue
        first = values[0] if isinstance(values[0], list) else [values[0]]
        for value in first:
            texts = [str(value), *map(str, values[1:])]
            if texts[0].startswith("arn:"):
                yield texts[0] + "".join(f"/index/{text}" for text in texts[1:] if prefix == "dynamodb")
            elif "{}" not in part:
                yield arn + part if part else texts[0]
            else:
                yield arn + part.format(*(text.lstrip("/") if prefix == "ssm" else text for text in texts))
        return


def _of_s3(action: str, members: Members, _arn: str) -> Iterator[Need]:
    if "Bucket" not in members:
        yield Need(action, "*")
        return
    bucket = f"arn:aws:s3:::{members['Bucket']}"
    if source := members.get("CopySource"):
        text = source if isinstance(source, str) else f"{source['Bucket']}/{source['Key']}"
        yield Need("s3:GetObject", f"arn:aws:s3:::{unquote(text).lstrip('/').partition('?')[0]}")
    keys = [one["Key"] for one in (members.get("Delete") or {}).get("Objects", [])]
    keys += [members["Key"]] if members.get("Key") else []
    version = "Version" if members.get("VersionId") and action in _OF_VERSIONS else ""
    for key in keys:
        yield Need(action + version, f"{bucket}/{key}")
        if members.get("Tagging") and action == "s3:PutObject":
            yield Need("s3:PutObjectTagging", f"{bucket}/{key}")
        if members.get("ACL") and action == "s3:PutObject":
            yield Need("s3:PutObjectAcl", f"{bucket}/{key}")
    if not keys:
        yield Need(action, bucket)


_OF_VERSIONS = {
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:GetObjectAcl",
    "s3:GetObjectTagging",
    "s3:PutObjectTagging",
}


def _of_sqs(action: str, members: Members, arn: str) -> Iterator[Need]:
    name = members.get("QueueName") or str(members.get("QueueUrl", "")).rpartition("/")[2]
    yield Need(action, f"{arn}{name}" if name else "*", bool(name) or action == "sqs:ListQueues")


def _of_dynamodb(action: str, members: Members, arn: str) -> Iterator[Need]:
    if items := members.get("TransactItems"):
        for item in items:
            for kind, content in item.items():
                yield Need(f"dynamodb:{_TRANSACTION[kind]}", _table(content["TableName"], arn))
    elif tables := members.get("RequestItems"):
        for name in tables:
            yield Need(action, _table(name, arn))
    elif resources := list(_named("dynamodb", members, arn)):
        for resource in resources:
            yield Need(action, resource)
    else:
        yield Need(action, "*", action == "dynamodb:ListTables")


def _table(name: str, arn: str) -> str:
    return name if name.startswith("arn:") else f"{arn}table/{name}"


def _of_glue(action: str, members: Members, arn: str) -> Iterator[Need]:
    """The catalog's actions need every level above, too; jobs and the like stand for themselves."""
    operation = action.partition(":")[2]
    for kind, marks in _GLUE_KINDS.items():
        if any(mark in operation for mark in marks):
            named = next((members[name] for name in _GLUE_NAMES if members.get(name)), None)
            names = named if isinstance(named, list) else [named or "*"]
            for name in names:
                yield Need(action, f"{arn}{kind}/{name}")
            return
    database = members.get("DatabaseName") or (
        members.get("Name") or (members.get("DatabaseInput") or {}).get("Name")
    )
    is_catalog = any(word in operation for word in ("Database", "Table", "Partition", "Column"))
    if not is_catalog and "Connection" not in operation:
        yield Need(action, "*", is_known=False)
        return
    yield Need(action, f"{arn}catalog")
    if "Connection" in operation:
        name = (
            members.get("Name")
            or members.get("ConnectionName")
            or (members.get("ConnectionInput") or {}).get("Name", "*")
        )
        yield Need(action, f"{arn}connection/{name}")
        return
    yield Need(action, f"{arn}database/{database or '*'}")
    if "Database" not in operation or "DatabaseName" in members:
        given = members.get("TableInput") or {}
        table = members.get("TableName") or given.get("Name") or members.get("Name") or "*"
        yield Need(action, f"{arn}table/{database or '*'}/{table}")


_GLUE_KINDS = {
    "job": ("Job",),
    "crawler": ("Crawler",),
    "trigger": ("Trigger",),
    "workflow": ("Workflow",),
    "session": ("Session", "Statement"),
    "registry": ("Registry",),
}
_GLUE_NAMES = ("JobName", "JobNames", "CrawlerName", "SessionId", "Id", "Name")


def _of_iam(action: str, members: Members, arn: str) -> Iterator[Need]:
    account = arn.split(":")[4]
    for name, part in (
        ("PolicyArn", ""),
        ("RoleName", "role/{}"),
        ("UserName", "user/{}"),
        ("GroupName", "group/{}"),
        ("InstanceProfileName", "instance-profile/{}"),
        ("PolicyName", "policy/{}"),
    ):
        if value := members.get(name):
            if name == "PolicyArn" and ("RoleName" in members or "UserName" in members):
                continue
            yield Need(action, f"arn:aws:iam::{account}:{part.format(value)}" if part else str(value))
            return
    yield Need(action, "*", action.startswith(("iam:List", "iam:GetAccount")))


_SPECIAL = {
    "dynamodb": _of_dynamodb,
    "glue": _of_glue,
    "iam": _of_iam,
    "s3": _of_s3,
    "sqs": _of_sqs,
}
