"""What a call needs a permission for: operations of the API as actions on resources.

Sources: the Service Authorization Reference, "Actions, resources, and condition keys" of each service. An
operation that is not in the tables has the action of its own name, on the resource that its request names;
where the tables know no resource for it, on ``*``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from millpond.planes.iam import networks

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
    keys : tuple of pairs
        Condition keys, in lower case, that are of this permission alone.
    """

    action: str
    resource: str
    is_known: bool = True
    keys: tuple[tuple[str, str], ...] = ()


PREFIXES = {
    "stepfunctions": "states",
    "dynamodbstreams": "dynamodb",
    "resourcegroupstaggingapi": "tag",
}
"""What a service is named in a policy, where it is not as in the API."""

FREE = frozenset(
    {
        "sts:AssumeRoleWithSAML",
        "sts:AssumeRoleWithWebIdentity",
        "sts:GetCallerIdentity",
        "sts:GetSessionToken",
    }
)
"""What everybody may do; the two with an identity provider's word are asked of it and of the role alone."""

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

# A path of "*" is every member there, such as each of a stream's destinations.
PASSED: Mapping[str, Sequence[tuple[str, str]]] = {
    "athena:CreateWorkGroup": (("Configuration.ExecutionRole", "athena"),),
    "athena:UpdateWorkGroup": (("ConfigurationUpdates.ExecutionRole", "athena"),),
    "backup:CreateBackupSelection": (("BackupSelection.IamRoleArn", "backup"),),
    "cloudformation:CreateChangeSet": (("RoleARN", "cloudformation"),),
    "cloudformation:CreateStack": (("RoleARN", "cloudformation"),),
    "cloudformation:DeleteStack": (("RoleARN", "cloudformation"),),
    "cloudformation:UpdateStack": (("RoleARN", "cloudformation"),),
    "cloudtrail:CreateTrail": (("CloudWatchLogsRoleArn", "cloudtrail"),),
    "cloudtrail:UpdateTrail": (("CloudWatchLogsRoleArn", "cloudtrail"),),
    "codebuild:CreateProject": (("serviceRole", "codebuild"),),
    "codebuild:StartBuild": (("serviceRoleOverride", "codebuild"),),
    "codebuild:UpdateProject": (("serviceRole", "codebuild"),),
    "codepipeline:CreatePipeline": (("pipeline.roleArn", "codepipeline"),),
    "codepipeline:UpdatePipeline": (("pipeline.roleArn", "codepipeline"),),
    "ec2:CreateFlowLogs": (("DeliverLogsPermissionArn", "vpc-flow-logs"),),
    "ecs:RegisterTaskDefinition": (("taskRoleArn", "ecs-tasks"), ("executionRoleArn", "ecs-tasks")),
    "events:PutRule": (("RoleArn", "events"),),
    "events:PutTargets": (("Targets.RoleArn", "events"),),
    "firehose:CreateDeliveryStream": (("*.RoleARN", "firehose"), ("*.*.RoleARN", "firehose")),
    "firehose:UpdateDestination": (("*.RoleARN", "firehose"), ("*.*.RoleARN", "firehose")),
    "glue:CreateCrawler": (("Role", "glue"),),
    "glue:CreateJob": (("Role", "glue"),),
    "glue:CreateMLTransform": (("Role", "glue"),),
    "glue:CreateSession": (("Role", "glue"),),
    "glue:StartDataQualityRuleRecommendationRun": (("Role", "glue"),),
    "glue:StartDataQualityRulesetEvaluationRun": (("Role", "glue"),),
    "glue:UpdateCrawler": (("Role", "glue"),),
    "glue:UpdateJob": (("JobUpdate.Role", "glue"),),
    "glue:UpdateMLTransform": (("Role", "glue"),),
    "lakeformation:RegisterResource": (("RoleArn", "lakeformation"),),
    "lambda:CreateFunction": (("Role", "lambda"),),
    "lambda:UpdateFunctionConfiguration": (("Role", "lambda"),),
    "logs:PutDestination": (("roleArn", "logs"),),
    "logs:PutSubscriptionFilter": (("roleArn", "logs"),),
    "pipes:CreatePipe": (("RoleArn", "pipes"),),
    "pipes:UpdatePipe": (("RoleArn", "pipes"),),
    "s3:PutBucketReplication": (("ReplicationConfiguration.Role", "s3"),),
    "scheduler:CreateSchedule": (("Target.RoleArn", "scheduler"),),
    "scheduler:UpdateSchedule": (("Target.RoleArn", "scheduler"),),
    "stepfunctions:CreateStateMachine": (("roleArn", "states"),),
    "stepfunctions:TestState": (("roleArn", "states"),),
    "stepfunctions:UpdateStateMachine": (("roleArn", "states"),),
}
"""Operations that hand a role to a service: where the role is in the input, and the service's principal.

Source: the Service Authorization Reference, dependent action ``iam:PassRole``."""

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
    "ecr": ((("repositoryName",), "repository/{}"),),
    "firehose": ((("DeliveryStreamName",), "deliverystream/{}"),),
    "kinesis": (
        (("StreamARN",), ""),
        (("StreamName",), "stream/{}"),
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
}
# Lists whose resource is a pattern.
_LISTS = {
    "logs:DescribeLogGroups": "log-group:*",
    "ssm:DescribeParameters": "*",
}
# Services whose actions have no resource, or whose tables would not decide anything here.
_WITHOUT = frozenset({"tag", "budgets"})


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
    if action in _LISTS:
        yield Need(action, f"arn:aws:{prefix}:{region}:{account}:{_LISTS[action]}")
        return
    yield from passed_roles(service, operation, members, account)
    special = _SPECIAL.get(prefix)
    if special is not None:
        yield from special(action, members, f"arn:aws:{prefix}:{region}:{account}:")
    elif resources := list(_named(prefix, members, f"arn:aws:{prefix}:{region}:{account}:")):
        for resource in resources:
            yield Need(action, resource)
    else:
        yield Need(action, "*", prefix in _WITHOUT)


def passed_roles(service: str, operation: str, members: Members, account: str) -> Iterator[Need]:
    """The permissions to hand roles to a service: ``iam:PassRole``, each with ``iam:PassedToService``."""
    for path, principal in PASSED.get(f"{service}:{operation}", ()):
        for role in _at(members, path.split(".")):
            # Glue, CodeBuild and Lambda take the name of a role for its ARN.
            arn = role if role.startswith("arn:") else f"arn:aws:iam::{account}:role/{role}"
            yield Need("iam:PassRole", arn, keys=(("iam:passedtoservice", f"{principal}.amazonaws.com"),))


def _at(content: Any, path: Sequence[str]) -> Iterator[str]:
    """The texts at a path of members, through lists and, by ``*``, through every member."""
    if isinstance(content, list):
        for one in content:
            yield from _at(one, path)
    elif not path:
        if isinstance(content, str) and content:
            yield content
    elif isinstance(content, Mapping):
        inner = list(content.values()) if path[0] == "*" else [content.get(path[0])]
        for one in inner:
            yield from _at(one, path[1:])


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
    owner, _, name = str(members.get("QueueUrl", "")).rpartition("/")
    name = members.get("QueueName") or name
    account = members.get("QueueOwnerAWSAccountId") or owner.rpartition("/")[2]
    if re.fullmatch(r"\d{12}", account):
        arn = ":".join([*arn.split(":")[:4], account, ""])
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
    if members.get("ResourceArn"):
        yield Need(action, str(members["ResourceArn"]))
        return
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


def _of_ec2(action: str, members: Members, arn: str) -> Iterator[Need]:
    operation = action.partition(":")[2]
    found = list(networks.resources(operation, members, arn))
    for resource in found:
        yield Need(action, resource)
    for resource in networks.tagged(operation, members, arn):
        yield Need("ec2:CreateTags", resource, keys=(("ec2:createaction", operation),))
    if not found:
        yield Need(action, "*")


def _of_events(action: str, members: Members, arn: str) -> Iterator[Need]:
    """A rule of the default bus is named without it."""
    if action == "events:PutEvents":
        buses = dict.fromkeys(one.get("EventBusName") or "default" for one in members.get("Entries") or ())
        for bus in buses:
            yield Need(action, bus if bus.startswith("arn:") else f"{arn}event-bus/{bus}")
        return
    operation = action.partition(":")[2]
    if "EventBus" in operation or operation in ("PutPermission", "RemovePermission"):
        name = members.get("Name") or members.get("EventBusName") or "default"
        yield Need(action, name if name.startswith("arn:") else f"{arn}event-bus/{name}")
        return
    rule = members.get("Rule") or members.get("Name")
    if rule and ("Rule" in operation or "Target" in operation):
        bus = str(members.get("EventBusName") or "default").rpartition("/")[2]
        yield Need(action, f"{arn}rule/{rule}" if bus == "default" else f"{arn}rule/{bus}/{rule}")
        return
    resource = members.get("ResourceARN")
    yield Need(action, str(resource or "*"), bool(resource) or operation.startswith("List"))


def _of_athena(action: str, members: Members, arn: str) -> Iterator[Need]:
    """Queries are their workgroup's; one that is named by its id is ``execution/ID`` or ``namedquery/ID``."""
    operation = action.partition(":")[2]
    if members.get("ResourceARN"):
        yield Need(action, str(members["ResourceARN"]))
        return
    for name, part in _OF_ATHENA.items():
        if given := members.get(name):
            for one in given if isinstance(given, list) else [given]:
                yield Need(action, f"{arn}{part}/{one}")
            return
    if operation.endswith("WorkGroup"):
        yield Need(action, f"{arn}workgroup/{members.get('WorkGroup') or members.get('Name')}")
    elif operation.endswith("DataCatalog"):
        yield Need(action, f"{arn}datacatalog/{members.get('Name')}")
    elif operation in ("ListWorkGroups", "ListDataCatalogs", "ListEngineVersions"):
        yield Need(action, "*")
    else:
        yield Need(action, f"{arn}workgroup/{members.get('WorkGroup') or 'primary'}")


_OF_ATHENA = {
    "CatalogName": "datacatalog",
    "NamedQueryId": "namedquery",
    "NamedQueryIds": "namedquery",
    "QueryExecutionId": "execution",
    "QueryExecutionIds": "execution",
}


def _of_cloudwatch(action: str, members: Members, arn: str) -> Iterator[Need]:
    alarms = members.get("AlarmNames") or ([members["AlarmName"]] if members.get("AlarmName") else [])
    boards = members.get("DashboardNames") or (
        [members["DashboardName"]] if members.get("DashboardName") else []
    )
    region, account = arn.split(":")[3:5]
    found = [f"{arn}alarm:{name}" for name in alarms]
    found += [arn.replace(f":{region}:{account}:", f"::{account}:dashboard/") + name for name in boards]
    found += [members["ResourceARN"]] if members.get("ResourceARN") else []
    if not found and action == "cloudwatch:DescribeAlarms":
        found = [f"{arn}alarm:{members.get('AlarmNamePrefix') or ''}*"]
    for resource in found or ["*"]:
        yield Need(action, resource)


def _of_kms(action: str, members: Members, arn: str) -> Iterator[Need]:
    """An alias is made for a key, and both are asked; a key that is to be made has no name yet."""
    alias, key = members.get("AliasName"), members.get("KeyId") or members.get("TargetKeyId")
    if alias:
        yield Need(action, f"{arn}{alias}")
    if key:
        yield Need(action, key if key.startswith("arn:") else f"{arn}{key if '/' in key else f'key/{key}'}")
    if source := members.get("SourceKeyId"):
        yield Need(action, source if source.startswith("arn:") else f"{arn}key/{source}")
    if not (alias or key or members.get("SourceKeyId")):
        # What a text was encrypted with is in the text: any key may be.
        yield Need(
            action, "*", action in ("kms:CreateKey", "kms:GenerateRandom", "kms:ListAliases", "kms:ListKeys")
        )


_WITHOUT_KEY = ("kms:CreateKey", "kms:GenerateRandom", "kms:ListAliases", "kms:ListKeys")


def _of_sts(action: str, members: Members, _arn: str) -> Iterator[Need]:
    """A session's tags and its source identity are permissions of their own, on the same role."""
    role = members.get("RoleArn")
    if not role:
        yield Need(action, "*")
        return
    keys = tuple(
        (key, str(members[name]))
        for key, name in (
            ("sts:externalid", "ExternalId"),
            ("sts:rolesessionname", "RoleSessionName"),
            ("sts:sourceidentity", "SourceIdentity"),
        )
        if members.get(name)
    )
    yield Need(action, str(role), keys=keys)
    if members.get("Tags"):
        yield Need("sts:TagSession", str(role), keys=keys)
    if members.get("SourceIdentity"):
        yield Need("sts:SetSourceIdentity", str(role), keys=keys)


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
    "athena": _of_athena,
    "cloudwatch": _of_cloudwatch,
    "ec2": _of_ec2,
    "events": _of_events,
    "kms": _of_kms,
    "dynamodb": _of_dynamodb,
    "glue": _of_glue,
    "iam": _of_iam,
    "s3": _of_s3,
    "sqs": _of_sqs,
    "sts": _of_sts,
}
