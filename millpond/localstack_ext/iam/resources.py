"""Resources that calls need permissions for: whose they are, their full ARNs and their policies."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from localstack.utils.aws.aws_stack import get_valid_regions

from millpond.localstack_ext.engine import planes
from millpond.localstack_ext.iam.principals import statements
from millpond.planes.iam import Statement
from millpond.planes.iam.calls import Need

_ACCOUNT = re.compile(r"\d{12}")


@dataclass(frozen=True)
class Arn:
    """The parts of an ARN that says where its resource is, in an account and a region that there can be."""

    service: str
    region: str
    account: str
    name: str

    @classmethod
    def of(cls, text: str) -> Arn | None:
        parts = text.split(":", 5)
        if len(parts) < 6:
            return None
        is_somewhere = parts[2] == "s3" or (
            _ACCOUNT.fullmatch(parts[4]) and (not parts[3] or parts[3] in get_valid_regions())
        )
        return cls(*parts[2:]) if is_somewhere else None


def owner_of(resource: str) -> str:
    """The account of a resource; empty if nothing says it."""
    arn = Arn.of(resource)
    if arn is None:
        return ""
    return arn.account or (_owner_of_bucket(arn.name.partition("/")[0]) if arn.service == "s3" else "")


def policy_of(need: Need) -> tuple[Statement, ...] | None:
    """The policy of the resource of a permission; None if it has none."""
    find = _POLICIES.get(need.action.partition(":")[0])
    arn = Arn.of(need.resource)
    document = find(arn) if find and arn else None
    if not document:
        return None
    return statements(document if isinstance(document, str) else json.dumps(document, default=str))


def must_allow(need: Need) -> bool:
    """Whether the policy of the resource has to hand the decision to policies of identities."""
    if need.action.startswith("sts:"):
        return need.resource != "*"
    return need.action.startswith("kms:") and policy_of(need) is not None


def tags_of(resource: str) -> dict[str, str]:
    """Tags of a resource, of the kinds whose tags policies mostly ask for; the others have none here."""
    arn = Arn.of(resource)
    find = _TAGS.get(arn.service) if arn else None
    return find(arn) if find and arn else {}


def boundary_of(resource: str) -> str:
    """ARN of the permissions boundary of a role; empty if it has none."""
    arn = Arn.of(resource)
    role = _role(arn) if arn else None
    return str(role.permissions_boundary_arn or "") if role else ""


def completed(need: Need) -> Need:
    """A permission on the ARN that its resource really has.

    A call names a secret without the six letters at the end of its ARN, a key by an alias, a role without its
    path. A secret that is not there has the letters ``??????``, which is what policies write for them.
    """
    complete = _COMPLETE.get(need.action.partition(":")[0])
    arn = Arn.of(need.resource)
    return replace(need, resource=complete(arn, need.resource)) if complete and arn else need


def of_encryption(need: Need, operation: str, members: Any, region: str) -> Iterator[Need]:
    """What reading or writing an object needs of the key that encrypts it."""
    arn = Arn.of(need.resource)
    if arn is None or operation not in _OF_KEYS:
        return
    bucket_name, _, key = arn.name.partition("/")
    if (bucket := _bucket(bucket_name)) is None or not key:
        return
    if need.action.startswith("s3:GetObject"):
        found = bucket.objects.get(key)
        used = getattr(found, "kms_key_id", None)
        actions: tuple[str, ...] = ("kms:Decrypt",)
    elif need.action == "s3:PutObject":
        used = _key_of_new(bucket, members)
        is_multipart = operation == "CreateMultipartUpload"
        actions = ("kms:GenerateDataKey", "kms:Decrypt") if is_multipart else ("kms:GenerateDataKey",)
    else:
        return
    if not used:
        return
    if not used.startswith("arn:"):
        used = f"arn:aws:kms:{region}:{bucket.bucket_account_id}:{used if '/' in used else f'key/{used}'}"
    keys = (
        ("kms:viaservice", f"s3.{region}.amazonaws.com"),
        ("kms:calleraccount", bucket.bucket_account_id),
        ("kms:encryptioncontext:aws:s3:arn", need.resource),
    )
    for action in actions:
        asked = completed(Need(action, used, keys=keys))
        # The key aws/s3 is for everybody in the account who comes by S3.
        if not _is_of_aws(asked.resource):
            yield asked


_OF_KEYS = {"CopyObject", "CreateMultipartUpload", "GetObject", "PutObject", "SelectObjectContent"}


def _bucket(name: str) -> Any:
    from localstack.services.s3.models import s3_stores

    owner = _owner_of_bucket(name)
    # Buckets are those of every region.
    return s3_stores[owner]["us-east-1"].buckets.get(name) if owner else None


def _owner_of_bucket(name: str) -> str:
    from localstack.constants import DEFAULT_AWS_ACCOUNT_ID
    from localstack.services.s3.models import s3_stores

    owners = s3_stores[DEFAULT_AWS_ACCOUNT_ID]["us-east-1"].global_bucket_map
    return str(owners.get(name, ""))


def _key_of_new(bucket: Any, members: Any) -> str:
    """The key that encrypts a new object: the request's, or else the bucket's."""
    if members.get("SSEKMSKeyId"):
        return str(members["SSEKMSKeyId"])
    rule = (bucket.encryption_rule or {}).get("ApplyServerSideEncryptionByDefault") or {}
    asked = members.get("ServerSideEncryption") or rule.get("SSEAlgorithm") or ""
    return str(rule.get("KMSMasterKeyID") or "") if str(asked).startswith("aws:kms") else ""


def _kms_key(arn: Arn) -> Any:
    from localstack.services.kms.models import kms_stores

    return kms_stores[arn.account][arn.region].keys.get(arn.name.removeprefix("key/"))


def _is_of_aws(resource: str) -> bool:
    arn = Arn.of(resource)
    if arn is None or arn.name.startswith("alias/aws/"):
        return True
    key = _kms_key(arn)
    return key is not None and key.metadata.get("KeyManager") == "AWS"


# Policies


def _of_bucket(arn: Arn) -> Any:
    bucket = _bucket(arn.name.partition("/")[0])
    return bucket.policy if bucket else None


def _of_queue(arn: Arn) -> Any:
    from localstack.aws.api.sqs import QueueAttributeName
    from localstack.services.sqs.models import sqs_stores

    queue = sqs_stores[arn.account][arn.region].queues.get(arn.name)
    return queue.attributes.get(QueueAttributeName.Policy) if queue else None


def _of_topic(arn: Arn) -> Any:
    from localstack.services.sns.models import sns_stores

    name = arn.name.partition(":")[0]
    topic = sns_stores[arn.account][arn.region].topics.get(f"arn:aws:sns:{arn.region}:{arn.account}:{name}")
    return topic["attributes"].get("Policy") if topic else None


def _of_kms_key(arn: Arn) -> Any:
    key = _kms_key(arn)
    return key.policy if key else None


def _of_secret(arn: Arn) -> Any:
    secret = _secret(arn)
    return secret.policy if secret else None


def _of_function(arn: Arn) -> Any:
    from localstack.services.lambda_.invocation.models import lambda_stores

    name, _, qualifier = arn.name.removeprefix("function:").partition(":")
    function = lambda_stores[arn.account][arn.region].functions.get(name)
    found = function.permissions.get(qualifier or "$LATEST") if function else None
    return dataclasses.asdict(found.policy) if found else None


def _of_bus(arn: Arn) -> Any:
    from localstack.services.events.models import events_stores

    kind, _, name = arn.name.partition("/")
    bus = events_stores[arn.account][arn.region].event_buses.get(name) if kind == "event-bus" else None
    return bus.policy if bus else None


def _of_catalog(arn: Arn) -> Any:
    return planes.glue().of(arn.account, arn.region).catalog_policy()


def _of_role(arn: Arn) -> Any:
    role = _role(arn)
    return role.assume_role_policy_document if role else None


def _of_table(arn: Arn) -> Any:
    """Of a table, for its indexes too, or of a stream of one."""
    from moto.dynamodb.models import dynamodb_backends

    name = arn.name.partition("/index/")[0]
    policies = dynamodb_backends[arn.account][arn.region].resource_policies
    found = policies.get(f"arn:aws:dynamodb:{arn.region}:{arn.account}:{name}")
    return found.policy_doc if found else None


def _of_stream(arn: Arn) -> Any:
    name = arn.name.removeprefix("stream/").partition("/")[0]
    return planes.kinesis().of(arn.account, arn.region).policy_of(name)


def _of_repository(arn: Arn) -> Any:
    """Its statements have no resource: they are about the repository."""
    from moto.ecr.models import ecr_backends

    name = arn.name.removeprefix("repository/")
    repository = ecr_backends[arn.account][arn.region].repositories.get(name)
    if repository is None or not repository.policy:
        return None
    document = json.loads(repository.policy)
    given = document["Statement"]
    about = [{"Resource": "*", **one} for one in (given if isinstance(given, list) else [given])]
    return {**document, "Statement": about}


_POLICIES: dict[str, Callable[[Arn], Any]] = {
    "dynamodb": _of_table,
    "ecr": _of_repository,
    "events": _of_bus,
    "glue": _of_catalog,
    "kinesis": _of_stream,
    "kms": _of_kms_key,
    "lambda": _of_function,
    "s3": _of_bucket,
    "secretsmanager": _of_secret,
    "sns": _of_topic,
    "sqs": _of_queue,
    "sts": _of_role,
}

# ARNs


def _role(arn: Arn) -> Any:
    from moto.iam.models import iam_backends

    name = arn.name.rpartition("/")[2]
    roles = iam_backends[arn.account]["aws"].roles.values()
    return next((one for one in roles if one.name == name), None)


def _arn_of_role(arn: Arn, resource: str) -> str:
    role = _role(arn) if arn.name.startswith("role/") else None
    return str(role.arn) if role else resource


def _secret(arn: Arn) -> Any:
    from moto.secretsmanager.models import secretsmanager_backends

    name = arn.name.removeprefix("secret:")
    secrets = secretsmanager_backends[arn.account][arn.region].secrets.values()
    return next(
        (one for one in secrets if one.name == name or str(one.arn).endswith(f":secret:{name}")),
        None,
    )


def _arn_of_secret(arn: Arn, resource: str) -> str:
    secret = _secret(arn)
    return str(secret.arn) if secret else f"{resource}-??????"


def _arn_of_key(arn: Arn, resource: str) -> str:
    from localstack.services.kms.models import kms_stores

    name = arn.name.removeprefix("key/")
    if not name.startswith("alias/"):
        return resource
    alias = kms_stores[arn.account][arn.region].aliases.get(name)
    head = f"arn:aws:kms:{arn.region}:{arn.account}:"
    return f"{head}key/{alias.metadata['TargetKeyId']}" if alias else f"{head}{name}"


def _arn_of_function(arn: Arn, resource: str) -> str:
    """A function is named by its name, ``ACCOUNT:function:NAME`` or its ARN, each with a qualifier or not."""
    name = arn.name.rpartition("function:")[2]
    return f"arn:aws:lambda:{arn.region}:{arn.account}:function:{name}" if name != arn.name else resource


def _arn_of_query(arn: Arn, resource: str) -> str:
    kind, _, name = arn.name.partition("/")
    if kind not in ("execution", "namedquery"):
        return resource
    group = planes.athena().of(arn.account, arn.region).work_group_of(kind, name)
    return f"arn:aws:athena:{arn.region}:{arn.account}:workgroup/{group or 'primary'}"


def _arn_of_associated(arn: Arn, given: str) -> str:
    """The route table or address of an association, by which permissions to end it are given."""
    from moto.ec2.models import ec2_backends

    kind, _, name = arn.name.partition("/")
    backend = ec2_backends[arn.account][arn.region]
    owner: str | None = None
    if name.startswith("rtbassoc-"):
        owner = next((id_ for id_, table in backend.route_tables.items() if name in table.associations), None)
    elif name.startswith("eipassoc-"):
        owner = next((one.allocation_id for one in backend.addresses if one.association_id == name), None)
    return given.replace(arn.name, f"{kind}/{owner}") if owner else given


_COMPLETE: dict[str, Callable[[Arn, str], str]] = {
    "athena": _arn_of_query,
    "ec2": _arn_of_associated,
    "iam": _arn_of_role,
    "kms": _arn_of_key,
    "lambda": _arn_of_function,
    "secretsmanager": _arn_of_secret,
    "sts": _arn_of_role,
}

# Tags


def _of_network(arn: Arn) -> dict[str, str]:
    from moto.ec2.models import ec2_backends

    return dict(ec2_backends[arn.account][arn.region].tags.get(arn.name.partition("/")[2], {}))


def _tags_of_key(arn: Arn) -> dict[str, str]:
    from localstack.services.kms.models import kms_stores

    full = f"arn:aws:kms:{arn.region}:{arn.account}:{arn.name}"
    return dict(kms_stores[arn.account][arn.region].tags.get_tags(full))


def _tags_of_secret(arn: Arn) -> dict[str, str]:
    secret = _secret(arn)
    return _pairs(secret.tags) if secret else {}


def _tags_of_role(arn: Arn) -> dict[str, str]:
    role = _role(arn)
    return _pairs(role.tags) if role else {}


def _pairs(tags: Any) -> dict[str, str]:
    given = tags.values() if isinstance(tags, dict) else tags or ()
    return {str(one["Key"]): str(one["Value"]) for one in given}


_TAGS: dict[str, Callable[[Arn], dict[str, str]]] = {
    "ec2": _of_network,
    "iam": _tags_of_role,
    "kms": _tags_of_key,
    "secretsmanager": _tags_of_secret,
}
