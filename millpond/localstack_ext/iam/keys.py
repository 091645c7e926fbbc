"""Condition keys that a request has of itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from localstack.aws.api import RequestContext

from millpond.localstack_ext.iam.principals import Caller, Keys
from millpond.localstack_ext.iam.resources import boundary_of, tags_of
from millpond.planes.iam.calls import Need


class RequestKeys(dict[str, tuple[str, ...]]):
    """Keys of one permission of a request; the tags of the resource are looked for when a condition asks.

    Parameters
    ----------
    keys : mapping
        Those that are known.
    need : Need
        The permission.
    """

    def __init__(self, keys: Keys, need: Need) -> None:
        super().__init__(keys)
        self._need = need
        self._has_tags = False

    def get(self, key: str, default: Any = ()) -> Any:
        if "resourcetag/" in key:
            self._look_for_tags()
        return super().get(key, default)

    def items(self) -> Any:
        self._look_for_tags()
        return super().items()

    def _look_for_tags(self) -> None:
        if not self._has_tags:
            self._has_tags = True
            for name, value in tags_of(self._need.resource).items():
                self[f"aws:resourcetag/{name.lower()}"] = (value,)
                self[f"{self._need.action.partition(':')[0]}:resourcetag/{name.lower()}"] = (value,)


def of_moment(region: str) -> dict[str, tuple[str, ...]]:
    """Keys of every request.

    The way to AWS is encrypted, and here it does not leave the machine: ``aws:SecureTransport`` is true.
    """
    now = datetime.now(UTC)
    return {
        "aws:currenttime": (now.isoformat(),),
        "aws:epochtime": (str(int(now.timestamp())),),
        "aws:requestedregion": (region,),
        "aws:securetransport": ("true",),
        "aws:sourceip": ("127.0.0.1",),
    }


def of_request(context: RequestContext, members: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Keys of a request, from its input and where it goes."""
    keys = of_moment(context.region)
    for key, names in _MEMBERS.items():
        value = next((members[name] for name in names if members.get(name) is not None), None)
        if value is not None:
            keys[key] = (str(value),)
    tags = _tags(members)
    if tags:
        keys["aws:tagkeys"] = tuple(tags)
        keys |= {f"aws:requesttag/{name.lower()}": (value,) for name, value in tags.items()}
    return keys


def of_need(need: Need, members: Mapping[str, Any]) -> Keys:
    """Keys of one permission."""
    keys: dict[str, tuple[str, ...]] = {key: (value,) for key, value in need.keys}
    if need.action.startswith("iam:") and ":role/" in need.resource:
        boundary = members.get("PermissionsBoundary") or boundary_of(need.resource)
        keys |= {"iam:permissionsboundary": (boundary,)} if boundary else {}
        keys |= {"iam:policyarn": (members["PolicyArn"],)} if members.get("PolicyArn") else {}
    return keys


def of_sources(caller: Caller, need: Need) -> Keys:
    """For whom a service assumes a role, where it does not say so itself: whatever has that role.

    AWS gives the one resource that it assumes the role for; here it is one of these.
    """
    if not caller.is_service or "aws:sourcearn" in caller.context or not need.action.startswith("sts:"):
        return {}
    account = need.resource.split(":")[4]
    found = holders(caller.arn, need.resource)
    return {"aws:sourceaccount": (account,), **({"aws:sourcearn": found} if found else {})}


def holders(service: str, role: str) -> tuple[str, ...]:
    """ARNs of what of a service, such as ``states.amazonaws.com``, has a role, given by its ARN."""
    find = _USERS.get(service.partition(".")[0])
    return tuple(find(role, role.split(":")[4])) if find else ()


def _machines(role: str, account: str) -> list[str]:
    from localstack.services.stepfunctions.backend.store import sfn_stores

    return [
        arn
        for store in list(sfn_stores[account].values())
        for arn, machine in list(store.state_machines.items())
        if machine.role_arn == role
    ]


def _functions(role: str, account: str) -> list[str]:
    from localstack.services.lambda_.invocation.models import lambda_stores

    return [
        version.id.unqualified_arn()
        for store in list(lambda_stores[account].values())
        for function in list(store.functions.values())
        for version in list(function.versions.values())
        if version.config.role == role
    ]


def _rules(role: str, account: str) -> list[str]:
    from localstack.services.events.models import events_stores

    return [
        str(rule.arn)
        for store in list(events_stores[account].values())
        for bus in list(store.event_buses.values())
        for rule in list(bus.rules.values())
        if any(target.get("RoleArn") == role for target in list(rule.targets.values()))
    ]


_USERS = {"events": _rules, "lambda": _functions, "states": _machines}

_MEMBERS = {
    "cloudwatch:namespace": ("Namespace",),
    "lambda:functionarn": ("FunctionName",),
    "s3:delimiter": ("Delimiter",),
    "s3:max-keys": ("MaxKeys",),
    "s3:prefix": ("Prefix",),
    "s3:x-amz-acl": ("ACL",),
    "s3:x-amz-server-side-encryption": ("ServerSideEncryption",),
    "s3:x-amz-server-side-encryption-aws-kms-key-id": ("SSEKMSKeyId",),
    "s3:x-amz-storage-class": ("StorageClass",),
    "secretsmanager:versionstage": ("VersionStage",),
    "sns:endpoint": ("Endpoint",),
    "sns:protocol": ("Protocol",),
}


def _tags(members: Mapping[str, Any]) -> dict[str, str]:
    tags = members.get("Tags") or members.get("tags") or ()
    if isinstance(tags, Mapping):
        return {str(name): str(value) for name, value in tags.items()}
    pairs = ({name.lower(): value for name, value in one.items()} for one in tags if isinstance(one, Mapping))
    found = {
        str(one.get("key", one.get("tagkey"))): str(one.get("value", one.get("tagvalue", "")))
        for one in pairs
        if "key" in one or "tagkey" in one
    }
    for one in members.get("TagSpecifications") or ():
        found |= {str(tag["Key"]): str(tag.get("Value", "")) for tag in one.get("Tags") or ()}
    return found
