"""Every call is judged by the policies of who makes it, and denied where they are in force.

``/_localstack/iam`` shows what was judged (``GET``), changes the mode (``PUT`` with ``{"mode": "enforce"}``)
and forgets (``DELETE``). Calls within the engine, from one service to another, are not judged; nor are those
without a signature.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from localstack.aws import handlers
from localstack.aws.api import CommonServiceException, RequestContext
from localstack.http import Request, Resource, Response
from localstack.services.internal import get_internal_apis
from localstack.utils.aws.request_context import extract_access_key_id_from_auth_header
from rolo.gateway.chain import HandlerChain

from millpond.planes.iam import MalformedPolicyError, Policies, Statement, decide, read_policy
from millpond.planes.iam.calls import Need, needs
from millpond.planes.iam.decision import Request as Asked
from millpond.planes.iam.ledger import Judgement, Ledger

_LOG = logging.getLogger(__name__)

PATH = "/_localstack/iam"
VARIABLE = "MILLPOND_IAM_MODE"
_PRESIGNED = re.compile(r"([^/]+)/\d{8}/")


class Mode(StrEnum):
    """What becomes of a judgement."""

    OFF = "off"
    AUDIT = "audit"
    ENFORCE = "enforce"


@dataclass(frozen=True)
class Caller:
    """Who makes a call.

    Parameters
    ----------
    arn : str
        Of the user, the session or the root.
    name : str
        ARN under which it is kept: of the role for a session.
    role : str
        ARN of the role of a session, else empty.
    policies : Policies
        Its own; without those of resources.
    context : mapping
        Condition keys that it brings.
    """

    arn: str
    name: str
    role: str
    policies: Policies
    context: Mapping[str, tuple[str, ...]]

    @property
    def is_root(self) -> bool:
        return self.arn.endswith(":root")


class Guard:
    """Judges calls and keeps what it judged."""

    def __init__(self) -> None:
        self.mode = Mode(os.environ.get(VARIABLE, Mode.AUDIT))
        self.ledger = Ledger()

    def judge(self, _chain: HandlerChain[Any], context: RequestContext, _response: Response) -> None:
        """A handler of the gateway's chain."""
        if self.mode is Mode.OFF or context.operation is None or context.is_internal_call:
            return
        caller = _caller(context)
        if caller is None:
            return
        denied = [one for one in self._judgements(context, caller) if not one.is_allowed]
        if denied and self.mode is Mode.ENFORCE:
            model: Any = context.operation.service_model
            code, status = _ERRORS.get(model.service_name) or _ERRORS[model.protocol]
            raise CommonServiceException(code, denied[0].text, status_code=status, sender_fault=True)

    def _judgements(self, context: RequestContext, caller: Caller) -> Iterator[Judgement]:
        operation: Any = context.operation
        members: Mapping[str, Any] = context.service_request or {}
        service = operation.service_model.service_name
        keys = {**_of_request(context, members), **caller.context}
        for need in needs(service, operation.name, members, context.account_id, context.region):
            by_resource = _policy_of(need, context)
            if caller.is_root and not by_resource:
                continue
            asked = Asked(
                principal=caller.arn,
                account=context.account_id,
                action=need.action,
                resource=need.resource,
                resource_account=_account_of(need.resource) or context.account_id,
                context=keys,
                role=caller.role,
            )
            own = caller.policies
            decision = decide(asked, Policies(own.identity, own.boundary, own.session, by_resource or None))
            judgement = Judgement(
                caller.name,
                need.action,
                need.resource,
                need.is_known,
                decision.is_allowed,
                decision.statement.sid if decision.statement else "",
                "" if decision.is_allowed else decision.sentence(asked),
            )
            self.ledger.add(judgement)
            yield judgement


GUARD = Guard()
# The code of a denial and its status, by the service, or else by its protocol.
_ERRORS = {
    "json": ("AccessDeniedException", 400),
    "rest-json": ("AccessDeniedException", 403),
    "rest-xml": ("AccessDenied", 403),
    "query": ("AccessDenied", 403),
    "ec2": ("UnauthorizedOperation", 403),
    "smithy-rpc-v2-cbor": ("AccessDenied", 403),
    "sns": ("AuthorizationError", 403),
    "sqs": ("AccessDenied", 403),
}


class GuardResource:
    """The guard over HTTP."""

    def on_get(self, _request: Request) -> Response:
        return _answer({"mode": GUARD.mode, "judgements": GUARD.ledger.to_json()})

    def on_put(self, request: Request) -> Response:
        try:
            GUARD.mode = Mode(json.loads(request.get_data())["mode"])
        except (ValueError, KeyError, TypeError):
            modes = ", ".join(Mode)
            return _answer({"message": f'The body is {{"mode": one of {modes}}}.'}, 400)
        return _answer({"mode": GUARD.mode})

    def on_delete(self, _request: Request) -> Response:
        GUARD.ledger.clear()
        return _answer({"mode": GUARD.mode})


def install_guard() -> None:
    """Put the guard into the gateway's chain."""
    calls: Any = handlers.serve_custom_service_request_handlers
    calls.append(GUARD.judge)
    get_internal_apis().add(Resource(PATH, GuardResource()))


def _answer(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status=status, mimetype="application/json")


def _caller(context: RequestContext) -> Caller | None:
    from moto.iam.models import iam_backends
    from moto.sts.models import sts_backends

    key = _access_key(context.request)
    if key is None:
        return None
    account, partition = context.account_id, context.partition
    iam = iam_backends[account][partition]
    head = f"arn:{partition}:iam::{account}:"
    session = sts_backends[account][partition].get_assumed_role_from_access_key(key)
    if session is not None:
        role = next((one for one in iam.roles.values() if one.arn == session.role_arn), None)
        limits = _boundary(role, iam) if role else None
        by_session = _statements(session.policy) if session.policy else None
        return Caller(
            str(session.arn),
            session.role_arn,
            session.role_arn,
            Policies(tuple(_of_identity(role)) if role else (), limits, by_session),
            {
                "aws:principalarn": (session.role_arn,),
                "aws:principalaccount": (account,),
                "aws:userid": (session.user_id,),
            },
        )
    name = next(
        (user.name for user in iam.users.values() for one in user.access_keys if one.access_key_id == key),
        None,
    )
    if name is None:
        return Caller(f"{head}root", f"{head}root", "", Policies(), {"aws:principalaccount": (account,)})
    user = iam.users[name]
    groups = [group for group in iam.groups.values() if user in group.users]
    return Caller(
        user.arn,
        user.arn,
        "",
        Policies(tuple(one for holder in (user, *groups) for one in _of_identity(holder))),
        {
            "aws:principalarn": (user.arn,),
            "aws:principalaccount": (account,),
            "aws:username": (name,),
            "aws:userid": (user.id,),
        },
    )


def _access_key(request: Any) -> str | None:
    """Of the signature, which is in a header or, of an address that was signed beforehand, in the query."""
    if key := extract_access_key_id_from_auth_header(request.headers):
        return key
    found = _PRESIGNED.match(request.args.get("X-Amz-Credential", ""))
    return found[1] if found else request.args.get("AWSAccessKeyId")


def _of_identity(holder: Any) -> Iterator[Statement]:
    for document in holder.policies.values():
        yield from _statements(document)
    for policy in holder.managed_policies.values():
        yield from _statements(_document(policy))


def _boundary(role: Any, iam: Any) -> tuple[Statement, ...] | None:
    arn = role.permissions_boundary_arn
    if not arn:
        return None
    policy = iam.managed_policies.get(arn)
    return _statements(_document(policy)) if policy else ()


def _document(policy: Any) -> str:
    return next(
        str(version.document)
        for version in policy.versions
        if version.version_id == policy.default_version_id
    )


@lru_cache(maxsize=4096)
def _statements(document: str) -> tuple[Statement, ...]:
    """Of a policy that was put already; one that AWS would have refused allows nothing."""
    try:
        return read_policy(document)
    except MalformedPolicyError as error:
        _LOG.warning("A policy allows nothing, since it is none: %s", error)
        return ()


def _of_request(context: RequestContext, members: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Condition keys of the request itself.

    The way to AWS is encrypted, and here it does not leave the machine: ``aws:SecureTransport`` is true.
    """
    now = datetime.now(UTC)
    keys: dict[str, tuple[str, ...]] = {
        "aws:currenttime": (now.isoformat(),),
        "aws:epochtime": (str(int(now.timestamp())),),
        "aws:requestedregion": (context.region,),
        "aws:securetransport": ("true",),
        "aws:sourceip": ("127.0.0.1",),
    }
    for key, names in _MEMBERS.items():
        value = next((members[name] for name in names if members.get(name) is not None), None)
        if value is not None:
            keys[key] = (str(value),)
    tags = _tags(members)
    if tags:
        keys["aws:tagkeys"] = tuple(tags)
        keys |= {f"aws:requesttag/{name.lower()}": (value,) for name, value in tags.items()}
    return keys


_MEMBERS = {
    "cloudwatch:namespace": ("Namespace",),
    "kms:viaservice": (),
    "lambda:functionarn": ("FunctionName",),
    "s3:delimiter": ("Delimiter",),
    "s3:max-keys": ("MaxKeys",),
    "s3:prefix": ("Prefix",),
    "s3:x-amz-acl": ("ACL",),
    "s3:x-amz-server-side-encryption": ("ServerSideEncryption",),
    "s3:x-amz-server-side-encryption-aws-kms-key-id": ("SSEKMSKeyId",),
    "s3:x-amz-storage-class": ("StorageClass",),
}


def _tags(members: Mapping[str, Any]) -> dict[str, str]:
    tags = members.get("Tags") or members.get("tags") or {}
    if isinstance(tags, Mapping):
        return {str(name): str(value) for name, value in tags.items()}
    pairs = ({name.lower(): value for name, value in one.items()} for one in tags if isinstance(one, Mapping))
    return {str(one["key"]): str(one.get("value", "")) for one in pairs if "key" in one}


def _account_of(resource: str) -> str:
    parts = resource.split(":", 5)
    return parts[4] if len(parts) == 6 else ""


def _policy_of(need: Need, context: RequestContext) -> tuple[Statement, ...]:
    """The policy of a resource: buckets, queues and topics."""
    parts = need.resource.split(":", 5)
    find = _BY_SERVICE.get(parts[2]) if len(parts) == 6 else None
    document = find(parts, context) if find else None
    return _statements(document) if document else ()


def _of_bucket(parts: list[str], context: RequestContext) -> str | None:
    from localstack.services.s3.models import s3_stores

    store = s3_stores[context.account_id][context.region]
    bucket = store.buckets.get(parts[5].partition("/")[0])
    return bucket.policy if bucket else None


def _of_queue(parts: list[str], _context: RequestContext) -> str | None:
    from localstack.aws.api.sqs import QueueAttributeName
    from localstack.services.sqs.models import sqs_stores

    queue = sqs_stores[parts[4]][parts[3]].queues.get(parts[5])
    return queue.attributes.get(QueueAttributeName.Policy) if queue else None


def _of_topic(parts: list[str], _context: RequestContext) -> str | None:
    from localstack.services.sns.models import sns_stores

    topic = sns_stores[parts[4]][parts[3]].topics.get(":".join(parts))
    return topic["attributes"].get("Policy") if topic else None


_BY_SERVICE = {"s3": _of_bucket, "sns": _of_topic, "sqs": _of_queue}
