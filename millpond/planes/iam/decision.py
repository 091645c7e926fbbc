"""Whether a request is allowed, by which statement, and if not, why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from millpond.planes.iam.conditions import are_fulfilled
from millpond.planes.iam.documents import Principals, Statement
from millpond.planes.iam.wildcards import Context, matches_in


class Reason(StrEnum):
    """What decided; the value is AWS's name for the kind of policy in the text of a denial."""

    ALLOWED = "allowed"
    IDENTITY = "identity-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    RESOURCE = "resource-based policy"


@dataclass(frozen=True)
class Request:
    """Who wants to do what with what.

    Parameters
    ----------
    principal : str
        ARN of a user, of the session of a role, or of the root of an account; the name of a service, for
        example ``events.amazonaws.com``.
    account : str
        Account of the principal.
    action, resource : str
        As a policy would name them; the resource is ``*`` where an action has none.
    resource_account : str
        Account of the resource.
    context : mapping
        Condition keys in lower case, each with its values.
    role : str, optional
        ARN of the role of a session.
    """

    principal: str
    account: str
    action: str
    resource: str
    resource_account: str
    context: Context = field(default_factory=dict)
    role: str = ""

    @property
    def is_service(self) -> bool:
        return not self.principal.startswith("arn:")

    @property
    def is_federated(self) -> bool:
        """Whether an identity provider tells who it is: to a role's trust policy alone."""
        return ":oidc-provider/" in self.principal or ":saml-provider/" in self.principal

    @property
    def names(self) -> tuple[str, ...]:
        """How a policy of a resource can name the principal itself."""
        return (self.principal, self.role) if self.role else (self.principal,)


@dataclass(frozen=True)
class Policies:
    """What there is to be asked; a limit that is None is not set.

    Parameters
    ----------
    identity : sequence of Statement
        Of the user, its groups, or the role.
    boundary, session : sequence of Statement, optional
        What limits them.
    resource : sequence of Statement, optional
        The policy of the resource.
    resource_must_allow : bool
        Whether policies of identities count only as far as the resource's hands the decision to its
        account: KMS's keys, and the trust policy of a role.
    """

    identity: Sequence[Statement] = ()
    boundary: Sequence[Statement] | None = None
    session: Sequence[Statement] | None = None
    resource: Sequence[Statement] | None = None
    resource_must_allow: bool = False


@dataclass(frozen=True)
class Decision:
    """The answer.

    Parameters
    ----------
    is_allowed : bool
        Whether the request may be done.
    reason : Reason
        The kind of policy that denies, or lacks an allowance.
    statement : Statement, optional
        What allowed or denied it; None when nothing did.
    """

    is_allowed: bool
    reason: Reason
    statement: Statement | None = None

    @property
    def is_explicit(self) -> bool:
        """Whether a statement denies it, rather than none allowing it."""
        return not self.is_allowed and self.statement is not None

    def sentence(self, request: Request) -> str:
        """A denial in AWS's words."""
        kind = "User" if request.principal.startswith("arn:") else "Service"
        article = "an" if self.reason is Reason.IDENTITY else "a"
        why = (
            f"with an explicit deny in {article} {self.reason}"
            if self.is_explicit
            else f"because no {self.reason} allows the {request.action} action"
        )
        on = "" if request.resource == "*" else f" on resource: {request.resource}"
        return f"{kind}: {request.principal} is not authorized to perform: {request.action}{on} {why}"


def decide(request: Request, policies: Policies) -> Decision:
    """IAM's evaluation of a request, within an account and across two.

    A root principal, and a service by a resource's policy, are decided as such: the root of an account may do
    everything within it, unless the policy of a resource denies it.
    """
    kinds: list[tuple[Reason, Sequence[Statement] | None]] = [
        (Reason.IDENTITY, policies.identity),
        (Reason.RESOURCE, policies.resource),
        (Reason.BOUNDARY, policies.boundary),
        (Reason.SESSION, policies.session),
    ]
    for reason, statements in kinds:
        if denial := _first(statements or (), request, is_denial=True):
            return Decision(False, reason, denial)
    by_resource = _by_resource(policies.resource or (), request)
    if request.is_service or request.is_federated:
        return _allowed(by_resource.any, Reason.RESOURCE)
    is_own = request.account == request.resource_account
    if _is_root(request):
        needs_resource = not is_own or policies.resource_must_allow
        return (
            _allowed(by_resource.any, Reason.RESOURCE) if needs_resource else Decision(True, Reason.ALLOWED)
        )
    if is_own and by_resource.session is not None:
        return Decision(True, Reason.ALLOWED, by_resource.session)
    if (not is_own or policies.resource_must_allow) and by_resource.any is None:
        return Decision(False, Reason.RESOURCE)
    by_identity = _first(policies.identity, request)
    granting = by_identity or (by_resource.principal if is_own else None)
    if granting is None:
        return Decision(False, Reason.IDENTITY)
    limits = ((Reason.BOUNDARY, policies.boundary), (Reason.SESSION, policies.session))
    for reason, limit in limits:
        if limit is not None and _first(limit, request) is None:
            return Decision(False, reason)
    return Decision(True, Reason.ALLOWED, granting)


@dataclass(frozen=True)
class _ByResource:
    """Allowances of the policy of a resource, by how they name the principal.

    A session of a role, or a user, that is named itself needs nothing else; a role that is named has its
    limits; and an account that is named decides by its own policies.
    """

    session: Statement | None = None
    principal: Statement | None = None
    account: Statement | None = None

    @property
    def any(self) -> Statement | None:
        return self.session or self.principal or self.account


def _by_resource(statements: Iterable[Statement], request: Request) -> _ByResource:
    found = _ByResource()
    for one in statements:
        if one.is_denial or not _speaks_of(one, request):
            continue
        named = one.principals.aws if one.principals else ()
        if request.is_service or "*" in named or one.but_principals:
            found = replace(found, principal=found.principal or one)
        elif request.principal in named:
            found = replace(found, session=found.session or one)
        elif request.role and request.role in named:
            found = replace(found, principal=found.principal or one)
        else:
            found = replace(found, account=found.account or one)
    return found


def _allowed(statement: Statement | None, otherwise: Reason) -> Decision:
    return Decision(True, Reason.ALLOWED, statement) if statement else Decision(False, otherwise)


def _first(statements: Iterable[Statement], request: Request, *, is_denial: bool = False) -> Statement | None:
    return next((one for one in statements if one.is_denial is is_denial and _speaks_of(one, request)), None)


def is_about(statement: Statement, request: Request) -> bool:
    """Whether principal, action and resource are those of a statement, whatever its conditions."""
    return (
        statement.has_action(request.action)
        and any(matches_in(one, request.resource, request.context) for one in statement.resources)
        is not statement.but_resources
        and (
            statement.principals is None
            or _names(statement.principals, request) is not statement.but_principals
        )
    )


def _speaks_of(statement: Statement, request: Request) -> bool:
    return is_about(statement, request) and are_fulfilled(statement.conditions, request.context)


def _names(principals: Principals, request: Request) -> bool:
    if request.is_service:
        return request.principal in principals.service or "*" in principals.aws
    if request.is_federated:
        return request.principal in principals.federated or "*" in principals.aws
    accounts = (request.account, f":iam::{request.account}:root")
    return any(
        name == "*" or name in request.names or name == accounts[0] or name.endswith(accounts[1])
        for name in principals.aws
    )


def _is_root(request: Request) -> bool:
    return request.principal.endswith(f":iam::{request.account}:root")
