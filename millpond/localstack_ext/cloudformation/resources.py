"""What LocalStack's resource providers leave out of a template, per type.

LocalStack's own make a resource; many leave properties out without a word, and few can change one. The
functions here give a resource every property that its type lists here, each time it is made or changed.

Source: the types in the CloudFormation Template Reference, and the APIs behind them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

Properties = dict[str, Any]
Settle = Callable[[Any, Properties, Properties], None]


@dataclass(frozen=True)
class Settling:
    """How a resource gets its properties.

    Parameters
    ----------
    settle : callable
        Takes the clients, the wanted properties with the read-only ones, and the former ones.
    mutable : frozenset
        Properties that it sets.
    fixed : frozenset
        Properties that are honoured when the resource is made, and cannot be changed.
    """

    settle: Settle
    mutable: frozenset[str]
    fixed: frozenset[str] = frozenset()


def bucket(clients: Any, model: Properties, old: Properties) -> None:
    """``AWS::S3::Bucket``."""
    s3, name = clients.s3, model["BucketName"]
    versioning = model.get("VersioningConfiguration") or ({"Status": "Suspended"} if old else None)
    if versioning:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    logging = model.get("LoggingConfiguration")
    if logging or old.get("LoggingConfiguration"):
        s3.put_bucket_logging(Bucket=name, BucketLoggingStatus=_bucket_logging(logging, name))
    for prop, (put, member, to_api, delete) in _BUCKET_SETTINGS.items():
        if value := model.get(prop):
            getattr(s3, put)(Bucket=name, **{member: to_api(value)})
        elif old.get(prop):
            getattr(s3, delete)(Bucket=name)


def _encryption(encryption: Properties) -> Properties:
    return {
        "Rules": [
            {
                "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
                "BucketKeyEnabled": _is_true(rule.get("BucketKeyEnabled", False)),
            }
            for rule in encryption["ServerSideEncryptionConfiguration"]
        ]
    }


# Property → the operation that sets it, its member, the value's shape there, and what takes it back.
_BUCKET_SETTINGS: Mapping[str, tuple[str, str, Callable[[Any], Any], str]] = {
    "BucketEncryption": (
        "put_bucket_encryption",
        "ServerSideEncryptionConfiguration",
        _encryption,
        "delete_bucket_encryption",
    ),
    "PublicAccessBlockConfiguration": (
        "put_public_access_block",
        "PublicAccessBlockConfiguration",
        lambda access: {key: _is_true(value) for key, value in access.items()},
        "delete_public_access_block",
    ),
    "OwnershipControls": (
        "put_bucket_ownership_controls",
        "OwnershipControls",
        lambda ownership: ownership,
        "delete_bucket_ownership_controls",
    ),
    "LifecycleConfiguration": (
        "put_bucket_lifecycle_configuration",
        "LifecycleConfiguration",
        lambda lifecycle: {"Rules": [lifecycle_rule(rule) for rule in lifecycle["Rules"]]},
        "delete_bucket_lifecycle",
    ),
    "Tags": ("put_bucket_tagging", "Tagging", lambda tags: {"TagSet": tags}, "delete_bucket_tagging"),
}


def lifecycle_rule(rule: Properties) -> Properties:
    """A lifecycle rule of a template as S3's API has it."""
    result: Properties = {"Status": rule["Status"], "Filter": _lifecycle_filter(rule)}
    if "Id" in rule:
        result["ID"] = rule["Id"]
    if expiration := {
        member: to_api(rule[prop]) for prop, (member, to_api) in _EXPIRATION.items() if prop in rule
    }:
        result["Expiration"] = expiration
    if noncurrent := rule.get("NoncurrentVersionExpiration"):
        result["NoncurrentVersionExpiration"] = {key: int(value) for key, value in noncurrent.items()}
    elif "NoncurrentVersionExpirationInDays" in rule:
        days = int(rule["NoncurrentVersionExpirationInDays"])
        result["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
    if abort := rule.get("AbortIncompleteMultipartUpload"):
        days = int(abort["DaysAfterInitiation"])
        result["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    if transitions := rule.get("Transitions"):
        result["Transitions"] = [_transition(transition, "Days") for transition in transitions]
    if transitions := rule.get("NoncurrentVersionTransitions"):
        result["NoncurrentVersionTransitions"] = [
            _transition(transition, "NoncurrentDays") for transition in transitions
        ]
    return result


_EXPIRATION: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "ExpirationInDays": ("Days", int),
    "ExpirationDate": ("Date", lambda date: date),
    "ExpiredObjectDeleteMarker": ("ExpiredObjectDeleteMarker", lambda value: _is_true(value)),
}


def _lifecycle_filter(rule: Properties) -> Properties:
    tags = rule.get("TagFilters") or []
    if len(tags) + ("Prefix" in rule) > 1:
        return {"And": {"Prefix": rule.get("Prefix", ""), "Tags": tags}}
    return {"Tag": tags[0]} if tags else {"Prefix": rule.get("Prefix", "")}


def _transition(transition: Properties, days: str) -> Properties:
    return {"StorageClass": transition["StorageClass"], days: int(transition["TransitionInDays"])}


def _bucket_logging(logging: Properties | None, name: str) -> Properties:
    if not logging:
        return {}
    target = logging.get("DestinationBucketName", name)
    return {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": logging.get("LogFilePrefix", "")}}


def bucket_policy(clients: Any, model: Properties, _old: Properties) -> None:
    """``AWS::S3::BucketPolicy``."""
    clients.s3.put_bucket_policy(Bucket=model["Bucket"], Policy=_policy(model["PolicyDocument"]))


def log_group(clients: Any, model: Properties, old: Properties) -> None:
    """``AWS::Logs::LogGroup``."""
    logs, name = clients.logs, model["LogGroupName"]
    if "RetentionInDays" in model:
        logs.put_retention_policy(logGroupName=name, retentionInDays=int(model["RetentionInDays"]))
    elif "RetentionInDays" in old:
        logs.delete_retention_policy(logGroupName=name)
    if "KmsKeyId" in model:
        logs.associate_kms_key(logGroupName=name, kmsKeyId=model["KmsKeyId"])
    elif "KmsKeyId" in old:
        logs.disassociate_kms_key(logGroupName=name)
    arn = model["Arn"].removesuffix(":*")
    added, removed = _tag_changes(model, old)
    if added:
        logs.tag_resource(resourceArn=arn, tags=added)
    if removed:
        logs.untag_resource(resourceArn=arn, tagKeys=removed)


def secret(clients: Any, model: Properties, old: Properties) -> None:
    """``AWS::SecretsManager::Secret``."""
    if not old:
        return
    secrets, arn = clients.secretsmanager, model["Id"]
    wanted: Properties = {name: model[name] for name in ("Description", "KmsKeyId") if name in model}
    if "SecretString" in model and model["SecretString"] != old.get("SecretString"):
        wanted["SecretString"] = model["SecretString"]
    if wanted:
        secrets.update_secret(SecretId=arn, **wanted)
    added, removed = _tag_changes(model, old)
    if added:
        secrets.tag_resource(SecretId=arn, Tags=_tag_list(added))
    if removed:
        secrets.untag_resource(SecretId=arn, TagKeys=removed)


def role(clients: Any, model: Properties, old: Properties) -> None:
    """``AWS::IAM::Role``."""
    if not old:
        return
    iam, name = clients.iam, model["RoleName"]
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=_policy(model["AssumeRolePolicyDocument"]))
    iam.update_role(
        RoleName=name,
        Description=model.get("Description", ""),
        MaxSessionDuration=int(model.get("MaxSessionDuration", 3600)),
    )
    if boundary := model.get("PermissionsBoundary"):
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
    elif old.get("PermissionsBoundary"):
        iam.delete_role_permissions_boundary(RoleName=name)
    _role_policies(iam, model, old)
    added, removed = _tag_changes(model, old)
    if added:
        iam.tag_role(RoleName=name, Tags=_tag_list(added))
    if removed:
        iam.untag_role(RoleName=name, TagKeys=removed)


def _role_policies(iam: IAMClient, model: Properties, old: Properties) -> None:
    name = model["RoleName"]
    wanted, had = set(model.get("ManagedPolicyArns") or []), set(old.get("ManagedPolicyArns") or [])
    for arn in sorted(wanted - had):
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    for arn in sorted(had - wanted):
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    inline = {policy["PolicyName"]: policy["PolicyDocument"] for policy in model.get("Policies") or []}
    for policy, document in inline.items():
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=_policy(document))
    for policy in old.get("Policies") or []:
        if policy["PolicyName"] not in inline:
            iam.delete_role_policy(RoleName=name, PolicyName=policy["PolicyName"])


def managed_policy(clients: Any, model: Properties, old: Properties) -> None:
    """``AWS::IAM::ManagedPolicy``; IAM keeps at most five versions of a policy."""
    if not old:
        return
    iam, arn = clients.iam, model["Id"]
    if model["PolicyDocument"] != old["PolicyDocument"]:
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        spare = sorted(
            (version["CreateDate"], version["VersionId"])
            for version in versions
            if not version["IsDefaultVersion"]
        )
        if len(versions) >= 5:
            iam.delete_policy_version(PolicyArn=arn, VersionId=spare[0][1])
        document = _policy(model["PolicyDocument"])
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
    for kind, member in (("role", "RoleName"), ("user", "UserName"), ("group", "GroupName")):
        wanted, had = (set(properties.get(f"{kind.title()}s") or []) for properties in (model, old))
        for name in sorted(wanted - had):
            getattr(iam, f"attach_{kind}_policy")(PolicyArn=arn, **{member: name})
        for name in sorted(had - wanted):
            getattr(iam, f"detach_{kind}_policy")(PolicyArn=arn, **{member: name})


def security_group(clients: Any, model: Properties, old: Properties) -> None:
    """``AWS::EC2::SecurityGroup``; what it may reach is what the template says, if it says anything."""
    ec2, group = clients.ec2, model["GroupId"]
    for direction in ("Ingress", "Egress"):
        wanted, had = (properties.get(f"SecurityGroup{direction}") for properties in (model, old))
        if wanted is None and not had:
            continue
        if wanted == had:
            continue
        described = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        present = described["IpPermissions" if direction == "Ingress" else "IpPermissionsEgress"]
        if present:
            getattr(ec2, f"revoke_security_group_{direction.lower()}")(GroupId=group, IpPermissions=present)
        if rules := [ip_permission(rule) for rule in wanted or []]:
            getattr(ec2, f"authorize_security_group_{direction.lower()}")(GroupId=group, IpPermissions=rules)
    added, removed = _tag_changes(model, old)
    if added:
        ec2.create_tags(Resources=[group], Tags=_tag_list(added))
    if removed:
        ec2.delete_tags(Resources=[group], Tags=[{"Key": key} for key in removed])


def ip_permission(rule: Properties) -> Properties:
    """A rule of a security group as EC2's API has it."""
    permission: Properties = {"IpProtocol": str(rule["IpProtocol"])}
    permission |= {name: int(rule[name]) for name in ("FromPort", "ToPort") if name in rule}
    note = {"Description": rule["Description"]} if "Description" in rule else {}
    targets = {
        "CidrIp": ("IpRanges", "CidrIp"),
        "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
        "DestinationPrefixListId": ("PrefixListIds", "PrefixListId"),
        "SourcePrefixListId": ("PrefixListIds", "PrefixListId"),
        "DestinationSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
        "SourceSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    }
    for name, (member, key) in targets.items():
        if name in rule:
            permission[member] = [{key: rule[name], **note}]
    return permission


def table(clients: Any, model: Properties, old: Properties) -> None:
    """``AWS::DynamoDB::Table``."""
    dynamodb, name = clients.dynamodb, model["TableName"]
    recovery = model.get("PointInTimeRecoverySpecification")
    if recovery or old.get("PointInTimeRecoverySpecification"):
        enabled = _is_true((recovery or {}).get("PointInTimeRecoveryEnabled", False))
        dynamodb.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled}
        )
    changes: Properties = {}
    if "DeletionProtectionEnabled" in model or "DeletionProtectionEnabled" in old:
        changes["DeletionProtectionEnabled"] = _is_true(model.get("DeletionProtectionEnabled", False))
    if old and model.get("BillingMode") != old.get("BillingMode"):
        changes["BillingMode"] = model.get("BillingMode", "PROVISIONED")
    if old and model.get("SSESpecification") != old.get("SSESpecification"):
        wanted = dict(model.get("SSESpecification") or {})
        changes["SSESpecification"] = {
            **{key: value for key, value in wanted.items() if key not in ("SSEEnabled", "Enabled")},
            "Enabled": _is_true(wanted.get("SSEEnabled", wanted.get("Enabled", False))),
        }
    if old and model.get("TimeToLiveSpecification") != old.get("TimeToLiveSpecification"):
        wanted = model.get("TimeToLiveSpecification") or {**old["TimeToLiveSpecification"], "Enabled": False}
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=wanted)
    if changes:
        dynamodb.update_table(TableName=name, **changes)
    if old:
        added, removed = _tag_changes(model, old)
        if added:
            dynamodb.tag_resource(ResourceArn=model["Arn"], Tags=_tag_list(added))
        if removed:
            dynamodb.untag_resource(ResourceArn=model["Arn"], TagKeys=removed)


def topic_policy(clients: Any, model: Properties, _old: Properties) -> None:
    """``AWS::SNS::TopicPolicy``."""
    for arn in model["Topics"]:
        clients.sns.set_topic_attributes(
            TopicArn=arn, AttributeName="Policy", AttributeValue=_policy(model["PolicyDocument"])
        )


def rule(clients: Any, model: Properties, old: Properties) -> None:
    """``AWS::Events::Rule``."""
    events = clients.events
    name = model["Id"].rpartition("|")[2]
    bus = {"EventBusName": model["EventBusName"]} if "EventBusName" in model else {}
    members = ("Description", "RoleArn", "ScheduleExpression", "State")
    wanted = {member: model[member] for member in members if member in model}
    if "EventPattern" in model:
        wanted["EventPattern"] = _policy(model["EventPattern"])
    events.put_rule(Name=name, **wanted, **bus)
    if targets := model.get("Targets"):
        events.put_targets(Rule=name, Targets=targets, **bus)
    ids = {target["Id"] for target in model.get("Targets") or []}
    if gone := [target["Id"] for target in old.get("Targets") or [] if target["Id"] not in ids]:
        events.remove_targets(Rule=name, Ids=gone, **bus)


def key(clients: Any, model: Properties, old: Properties) -> None:
    """``AWS::KMS::Key``."""
    if not old:
        return
    kms, key_id = clients.kms, model["KeyId"]
    if "KeyPolicy" in model:
        kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=_policy(model["KeyPolicy"]))
    kms.update_key_description(KeyId=key_id, Description=model.get("Description", ""))
    is_rotated = _is_true(model.get("EnableKeyRotation", False))
    if is_rotated != _is_true(old.get("EnableKeyRotation", False)):
        (kms.enable_key_rotation if is_rotated else kms.disable_key_rotation)(KeyId=key_id)
    is_enabled = _is_true(model.get("Enabled", True))
    if is_enabled != _is_true(old.get("Enabled", True)):
        (kms.enable_key if is_enabled else kms.disable_key)(KeyId=key_id)
    added, removed = _tag_changes(model, old)
    if added:
        tags = [{"TagKey": name, "TagValue": value} for name, value in added.items()]
        kms.tag_resource(KeyId=key_id, Tags=tags)
    if removed:
        kms.untag_resource(KeyId=key_id, TagKeys=removed)


def alias(clients: Any, model: Properties, old: Properties) -> None:
    """``AWS::KMS::Alias``."""
    if old:
        clients.kms.update_alias(AliasName=model["AliasName"], TargetKeyId=model["TargetKeyId"])


def _set(*names: str) -> frozenset[str]:
    return frozenset(names)


SETTLINGS: dict[str, Settling] = {
    "AWS::S3::Bucket": Settling(
        bucket,
        _set(
            "BucketEncryption",
            "LifecycleConfiguration",
            "LoggingConfiguration",
            "OwnershipControls",
            "PublicAccessBlockConfiguration",
            "Tags",
            "VersioningConfiguration",
        ),
        _set(
            "AccessControl",
            "BucketName",
            "CorsConfiguration",
            "NotificationConfiguration",
            "ObjectLockConfiguration",
            "ObjectLockEnabled",
            "WebsiteConfiguration",
        ),
    ),
    "AWS::S3::BucketPolicy": Settling(bucket_policy, _set("PolicyDocument"), _set("Bucket")),
    "AWS::Logs::LogGroup": Settling(
        log_group, _set("KmsKeyId", "RetentionInDays", "Tags"), _set("LogGroupName", "LogGroupClass")
    ),
    "AWS::SecretsManager::Secret": Settling(
        secret, _set("Description", "KmsKeyId", "SecretString", "Tags"), _set("GenerateSecretString", "Name")
    ),
    "AWS::IAM::Role": Settling(
        role,
        _set(
            "AssumeRolePolicyDocument",
            "Description",
            "ManagedPolicyArns",
            "MaxSessionDuration",
            "PermissionsBoundary",
            "Policies",
            "Tags",
        ),
        _set("Path", "RoleName"),
    ),
    "AWS::IAM::ManagedPolicy": Settling(
        managed_policy,
        _set("Groups", "PolicyDocument", "Roles", "Users"),
        _set("Description", "ManagedPolicyName", "Path"),
    ),
    "AWS::EC2::SecurityGroup": Settling(
        security_group,
        _set("SecurityGroupEgress", "SecurityGroupIngress", "Tags"),
        _set("GroupDescription", "GroupName", "VpcId"),
    ),
    "AWS::DynamoDB::Table": Settling(
        table,
        _set(
            "BillingMode",
            "DeletionProtectionEnabled",
            "PointInTimeRecoverySpecification",
            "SSESpecification",
            "Tags",
            "TimeToLiveSpecification",
        ),
        _set(
            "AttributeDefinitions",
            "GlobalSecondaryIndexes",
            "KeySchema",
            "LocalSecondaryIndexes",
            "ProvisionedThroughput",
            "StreamSpecification",
            "TableName",
        ),
    ),
    "AWS::SNS::TopicPolicy": Settling(topic_policy, _set("PolicyDocument", "Topics")),
    "AWS::Events::Rule": Settling(
        rule,
        _set("Description", "EventPattern", "RoleArn", "ScheduleExpression", "State", "Targets"),
        _set("EventBusName", "Name"),
    ),
    "AWS::KMS::Key": Settling(
        key,
        _set("Description", "EnableKeyRotation", "Enabled", "KeyPolicy", "Tags"),
        _set("KeySpec", "KeyUsage", "PendingWindowInDays"),
    ),
    "AWS::KMS::Alias": Settling(alias, _set("TargetKeyId"), _set("AliasName")),
}


def _policy(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _is_true(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() == "true"


def _tags(model: Properties) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in model.get("Tags") or []}


def _tag_changes(model: Properties, old: Properties) -> tuple[dict[str, str], list[str]]:
    wanted, had = _tags(model), _tags(old)
    return dict(wanted.items() - had.items()), [name for name in had if name not in wanted]


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def names(pointers: Iterable[str] | None) -> set[str]:
    """Top-level properties that JSON pointers of a schema name."""
    return {pointer.split("/")[2] for pointer in pointers or ()}
