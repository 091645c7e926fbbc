"""Who makes a call: a user, the session of a role, the root of an account, or a service.

The engine's own calls, from one service to another, say with LocalStack's internal header which service makes
them and for what; those that say nothing are how the engine works, and nobody's.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from localstack.aws.api import RequestContext
from localstack.utils.aws.request_context import extract_access_key_id_from_auth_header

from millpond.planes.iam import MalformedPolicyError, Policies, Statement, read_policy

_LOG = logging.getLogger(__name__)
_PRESIGNED = re.compile(r"([^/]+)/\d{8}/")
Keys = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Caller:
    """Who makes a call.

    Parameters
    ----------
    arn : str
        Of the user, the session or the root; of a service its name, for example ``events.amazonaws.com``.
    name : str
        Under which it is kept: the ARN of the role for a session, else that of the caller.
    account : str
        Whose it is; of a service, the account that it works for.
    role : str
        ARN of the role of a session, else empty.
    policies : Policies
        Its own; without those of resources.
    context : mapping
        Condition keys that it brings.
    """

    arn: str
    name: str
    account: str
    role: str = ""
    policies: Policies = field(default_factory=Policies)
    context: Keys = field(default_factory=dict)

    @property
    def is_root(self) -> bool:
        return self.arn.endswith(":root")

    @property
    def is_service(self) -> bool:
        return not self.arn.startswith("arn:")


def caller_of(context: RequestContext) -> Caller | None:
    """Who makes a call; None if nobody has signed it, or if it is the engine's own."""
    key = access_key(context.request)
    if key is None:
        return None
    if found := by_key(key, context.account_id, context.partition):
        return found
    if not context.is_internal_call:
        return root_of(context.account_id, context.partition)
    told: Mapping[str, Any] = context.internal_request_params or {}
    service = told.get("service_principal")
    return of_service(str(service), told.get("source_arn"), context.account_id) if service else None


def by_key(key: str, account: str, partition: str) -> Caller | None:
    """The session or the user that an access key is of; None if it is of neither."""
    return (
        session_of(key, account, partition)
        or _user(key, account, partition)
        or derived_of(key, account, partition)
    )


def of_service(service: str, source: str | None, account: str) -> Caller:
    """A service that acts for a resource.

    Parameters
    ----------
    service : str
        The first part of its principal, for example ``events``.
    source : str, optional
        ARN of the resource.
    account : str
        Whose resource it is, if the ARN does not say so.
    """
    principal = f"{service}.amazonaws.com"
    parts = (source or "").split(":")
    owner = parts[4] if len(parts) > 5 and parts[4] else account
    return Caller(
        principal,
        principal,
        owner,
        context={
            "aws:principalisawsservice": ("true",),
            "aws:principalservicename": (principal,),
            "aws:sourceaccount": (owner,),
            **({"aws:sourcearn": (source,)} if source else {}),
            # In the policy that a topic has from the beginning: an alarm's own account.
            **({"aws:sourceowner": (owner,)} if service == "cloudwatch" else {}),
        },
    )


def of_principal(arn: str, account: str, partition: str) -> Caller | None:
    """A user or a role by its ARN, as one asks who simulates; None if there is none."""
    from moto.iam.models import iam_backends

    iam = iam_backends[account][partition]
    for user in iam.users.values():
        if user.arn == arn:
            return _of_user(user, iam, account)
    for role in iam.roles.values():
        if role.arn == arn:
            return Caller(arn, arn, account, arn, _of_role(role, iam, None), {"aws:principalarn": (arn,)})
    return None


def texts_of(arn: str, account: str, partition: str) -> Iterator[tuple[str, str]]:
    """The policies of a user, with those of its groups, or of a role: their names and their documents."""
    from moto.iam.models import iam_backends

    iam: Any = iam_backends[account][partition]
    for holder in (*iam.users.values(), *iam.roles.values()):
        if holder.arn == arn:
            groups = [group for group in iam.groups.values() if holder in group.users]
            for one in (holder, *groups):
                yield from one.policies.items()
                yield from ((policy.name, _document(policy)) for policy in one.managed_policies.values())


def access_key(request: Any) -> str | None:
    """Of the signature, which is in a header or, of an address that was signed beforehand, in the query."""
    if key := extract_access_key_id_from_auth_header(request.headers):
        return key
    found = _PRESIGNED.match(request.args.get("X-Amz-Credential", ""))
    return found[1] if found else request.args.get("AWSAccessKeyId")


@lru_cache(maxsize=4096)
def statements(document: str) -> tuple[Statement, ...]:
    """Of a policy that was put already; one that AWS would have refused allows nothing."""
    try:
        return read_policy(document)
    except MalformedPolicyError as error:
        _LOG.warning("A policy allows nothing, since it is none: %s", error)
        return ()


def root_of(account: str, partition: str) -> Caller:
    """The root of an account."""
    arn = f"arn:{partition}:iam::{account}:root"
    return Caller(
        arn,
        arn,
        account,
        context={
            "aws:principalaccount": (account,),
            "aws:principalarn": (arn,),
            "aws:sourceowner": (account,),
        },
    )


def session_of(key: str, account: str, partition: str) -> Caller | None:
    """The session of a role that an access key is of."""
    from moto.iam.models import iam_backends
    from moto.sts.models import sts_backends

    session = _SESSIONS.find(sts_backends[account][partition].assumed_roles, key)
    if session is None:
        return None
    iam = iam_backends[account][partition]
    role = _ROLES.find(iam.roles, session.role_arn)
    told = _told(key, account)
    by_session = _by_session(session.policy, told.get("policy_arns"), iam)
    return Caller(
        str(session.arn),
        session.role_arn,
        account,
        session.role_arn,
        _of_role(role, iam, by_session) if role else Policies((), None, by_session),
        {
            "aws:principalarn": (session.role_arn,),
            "aws:principalaccount": (account,),
            "aws:principaltype": ("AssumedRole",),
            "aws:sourceowner": (account,),
            "aws:userid": (f"{role.id if role else 'AROA'}:{session.session_name}",),
            **(_tags(_of_list(role.tags)) if role else {}),
            **_session_tags(key, account),
        },
    )


def derived_of(key: str, account: str, partition: str) -> Caller | None:
    """Whose credentials of ``GetSessionToken`` or ``GetFederationToken`` an access key is of.

    A federated user may do what its maker may and the policies of its session allow, too: without these,
    nothing.
    """
    from moto.iam.models import iam_backends

    told = _told(key, account)
    if not told.get("of"):
        return None
    iam = iam_backends[account][partition]
    user = next((one for one in list(iam.users.values()) if one.arn == told["of"]), None)
    is_root = str(told["of"]).endswith(":root")
    maker = root_of(account, partition) if is_root else _of_user(user, iam, account) if user else None
    if maker is None:
        # Its user is there no more.
        return Caller(str(told["of"]), str(told["of"]), account)
    name = told.get("federated")
    if not name:
        return maker
    arn = f"arn:{partition}:sts::{account}:federated-user/{name}"
    by_session = _by_session(told.get("policy"), told.get("policy_arns"), iam) or ()
    own = _ANYTHING if is_root else maker.policies.identity
    return replace(
        maker,
        arn=arn,
        name=arn,
        policies=replace(maker.policies, identity=own, session=by_session),
        context={
            **{key: value for key, value in maker.context.items() if key != "aws:username"},
            "aws:principalarn": (arn,),
            "aws:principaltype": ("FederatedUser",),
            "aws:userid": (f"{account}:{name}",),
        },
    )


def _by_session(document: Any, arns: Any, iam: Any) -> tuple[Statement, ...] | None:
    """What limits a session: its own document and managed policies together; None if it has neither."""
    if not document and not arns:
        return None
    managed = [iam.managed_policies.get(arn) for arn in arns or ()]
    texts = [document] if document else []
    texts += [_document(policy) for policy in managed if policy]
    return tuple(one for text in texts for one in statements(text))


def _told(key: str, account: str) -> Mapping[str, Any]:
    """What :class:`millpond.localstack_ext.iam.sessions.SessionsProvider` keeps of a session."""
    from localstack.services.sts.models import sts_stores

    session = sts_stores[account]["us-east-1"].sessions.get(key)
    return session["iam_context"] if session else {}


class _Sessions:
    """Sessions by access key: moto has a list of them, one for each task of an execution and each run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, tuple[Sequence[Any], dict[str, Any], int]] = {}

    def find(self, sessions: Sequence[Any], key: str) -> Any:
        with self._lock:
            known, by_key, read = self._known.get(id(sessions), (sessions, {}, 0))
            if known is not sessions or len(sessions) < read:
                by_key, read = {}, 0
            count = len(sessions)
            by_key |= {one.access_key_id: one for one in sessions[read:count]}
            self._known[id(sessions)] = (sessions, by_key, count)
            return by_key.get(key)


class _Roles:
    """Roles by ARN: moto has them by their ids."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def find(self, roles: Mapping[str, Any], arn: str) -> Any:
        found = roles.get(self._ids.get(arn, ""))
        if found is None or found.arn != arn:
            found = next((one for one in list(roles.values()) if one.arn == arn), None)
            if found is not None:
                self._ids[arn] = found.id
        return found


_ANYTHING = read_policy({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
_SESSIONS = _Sessions()
_ROLES = _Roles()


def _session_tags(key: str, account: str) -> dict[str, tuple[str, ...]]:
    from localstack.services.sts.models import sts_stores

    session = sts_stores[account]["us-east-1"].sessions.get(key)
    return _tags(session["tags"].values()) if session else {}


def _user(key: str, account: str, partition: str) -> Caller | None:
    from moto.iam.models import iam_backends

    iam = iam_backends[account][partition]
    if key not in iam.access_keys:
        return None
    # The key knows the name that its user had when it was made; that of a session has none.
    if (name := iam.access_keys[key].user_name) is None:
        return None
    user = iam.users.get(name) or iam.get_user_from_access_key_id(key)
    return _of_user(user, iam, account) if user else None


def _of_user(user: Any, iam: Any, account: str) -> Caller:
    groups = [group for group in iam.groups.values() if user in group.users]
    own = tuple(one for holder in (user, *groups) for one in _of_identity(holder))
    return Caller(
        user.arn,
        user.arn,
        account,
        policies=Policies(own, _boundary(getattr(user, "permissions_boundary", None), iam)),
        context={
            "aws:principalarn": (user.arn,),
            "aws:principalaccount": (account,),
            "aws:principaltype": ("User",),
            "aws:sourceowner": (account,),
            "aws:username": (user.name,),
            "aws:userid": (user.id,),
        },
    )


def _of_role(role: Any, iam: Any, by_session: tuple[Statement, ...] | None) -> Policies:
    return Policies(tuple(_of_identity(role)), _boundary(role.permissions_boundary_arn, iam), by_session)


def _tags(tags: Iterable[Any]) -> dict[str, tuple[str, ...]]:
    return {f"aws:principaltag/{tag['Key'].lower()}": (str(tag["Value"]),) for tag in tags}


def _of_list(tags: Any) -> Iterable[Any]:
    """Moto has a role's tags by their keys, or as a list."""
    return tags.values() if isinstance(tags, Mapping) else tags or ()


def _of_identity(holder: Any) -> Iterator[Statement]:
    for document in holder.policies.values():
        yield from statements(document)
    for policy in holder.managed_policies.values():
        yield from statements(_document(policy))


def _boundary(arn: str | None, iam: Any) -> tuple[Statement, ...] | None:
    if not arn:
        return None
    policy = iam.managed_policies.get(arn)
    return statements(_document(policy)) if policy else ()


def _document(policy: Any) -> str:
    return next(
        str(version.document)
        for version in policy.versions
        if version.version_id == policy.default_version_id
    )
