"""Every call is judged by the policies of who makes it, and denied where they are in force.

``/_localstack/iam`` shows what was judged (``GET``), changes the mode (``PUT`` with ``{"mode": "enforce"}``)
and forgets (``DELETE``). Calls without a signature are not judged; those from one service to another are,
where they say for whom (:mod:`millpond.localstack_ext.iam.principals`).
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from localstack.aws import handlers
from localstack.aws.api import CommonServiceException, RequestContext
from localstack.http import Request, Resource, Response
from localstack.services.internal import get_internal_apis
from rolo.gateway.chain import HandlerChain

from millpond.localstack_ext.iam.keys import RequestKeys, of_moment, of_need, of_request, of_sources
from millpond.localstack_ext.iam.principals import Caller, Keys, access_key, by_key, caller_of, of_principal
from millpond.localstack_ext.iam.resources import completed, must_allow, of_encryption, owner_of, policy_of
from millpond.localstack_ext.iam.ways import Ways
from millpond.planes.iam import Policies, Statement, decide
from millpond.planes.iam.calls import Need, needs
from millpond.planes.iam.decision import Request as Asked
from millpond.planes.iam.ledger import Cost, Judgement, Ledger

_LOG = logging.getLogger(__name__)
PATH = "/_localstack/iam"
VARIABLE = "MILLPOND_IAM_MODE"
NEEDED = "millpond_needed"
"""The attribute of a request's context with what it needed, of :class:`Needed`."""
_PARTITION = "aws"


class Mode(StrEnum):
    """What becomes of a judgement."""

    OFF = "off"
    AUDIT = "audit"
    ENFORCE = "enforce"


@dataclass(frozen=True)
class Needed:
    """Who makes a call, and the permissions that it needs."""

    caller: Caller
    needs: tuple[Need, ...]


class Guard:
    """Judges calls and keeps what it judged."""

    def __init__(self) -> None:
        self.mode = Mode(os.environ.get(VARIABLE, Mode.AUDIT))
        self.ledger = Ledger()
        self.cost = Cost()
        self.ways = Ways()

    def judge(self, _chain: HandlerChain[Any], context: RequestContext, _response: Response) -> None:
        """A handler of the gateway's chain."""
        if self.mode is Mode.OFF or context.operation is None:
            return
        try:
            with self.cost.measured():
                self.ways.note(context)
                caller = caller_of(context)
                needed = Needed(caller, tuple(_needs(context))) if caller else None
                setattr(context, NEEDED, needed)
                refusal = self._without_way(context, caller) if caller else None
                # What finds no way to its service is judged by nobody there.
                judged = list(self._judgements(context, needed)) if needed and not refusal else []
        except Exception:
            if self.mode is Mode.ENFORCE:
                raise
            # Where nothing is denied, what the judge does not understand is no reason to refuse it.
            _LOG.exception("%s was not judged", context.operation.name)
            return
        if refusal:
            raise refusal
        denied = [one for one in judged if not one.is_allowed]
        if denied and self.mode is Mode.ENFORCE:
            model: Any = context.operation.service_model
            code, status = denial(model.service_name, model.protocol)
            raise CommonServiceException(code, denied[0].text, status_code=status, sender_fault=True)

    def _without_way(self, context: RequestContext, caller: Caller) -> CommonServiceException | None:
        return self.ways.refusal(context, caller) if self.mode is Mode.ENFORCE else None

    def judge_federated(self, context: RequestContext, provider: str, role: str, keys: Keys) -> None:
        """Whether a role trusts an identity provider, whose user has no key and so is not seen by the chain.

        Parameters
        ----------
        provider : str
            ARN of the identity provider.
        role : str
            ARN of the role.
        keys : mapping
            Condition keys that the token brings.
        """
        operation: Any = context.operation
        caller = Caller(provider, provider, provider.split(":")[4])
        need = completed(Need(f"sts:{operation.name}", role))
        judged = self._decided(need, caller, {**of_moment(context.region), **keys}, policy_of(need))
        if not judged.is_allowed and self.mode is Mode.ENFORCE:
            raise CommonServiceException(
                "AccessDenied", f"Not authorized to perform {need.action}", 403, True
            )

    def admits_role(self, context: RequestContext, role: str, asked: Iterable[Need]) -> bool:
        """Whether a role may do all that a service needs of it, or nothing is in force."""
        caller = None
        if self.mode is not Mode.OFF:
            caller = of_principal(role, context.account_id, context.partition)
        if caller is None:
            return True
        keys = {**of_moment(context.region), **caller.context}
        judged = [self._decided(need, caller, keys, policy_of(need)) for need in asked]
        return self.mode is not Mode.ENFORCE or all(one.is_allowed for one in judged)

    def acting_key(self, context: RequestContext) -> str:
        """The access key with which a plane goes on in the name of its caller: of a session or a user.

        Everybody else, and everybody where nothing is judged, is the account.
        """
        key = access_key(context.request)
        if self.mode is Mode.OFF or key is None:
            return context.account_id
        return key if by_key(key, context.account_id, context.partition) else context.account_id

    def may_read(self, key: str, account: str, region: str, locations: Iterable[str]) -> Iterator[str]:
        """Those of some objects (``s3://bucket/key``) that an access key may read by its own policies.

        Where policies are not in force, all of them.
        """
        caller = by_key(key, account, _PARTITION) if key != account and self.mode is not Mode.OFF else None
        if caller is None:
            yield from locations
            return
        keys = {**of_moment(region), **caller.context}
        for location in locations:
            need = Need("s3:GetObject", f"arn:aws:s3:::{location.removeprefix('s3://')}")
            if self._decided(need, caller, keys, None).is_allowed or self.mode is not Mode.ENFORCE:
                yield location

    def _judgements(self, context: RequestContext, needed: Needed) -> Iterator[Judgement]:
        operation: Any = context.operation
        members: Mapping[str, Any] = context.service_request or {}
        caller, region = needed.caller, context.region
        keys = {**of_request(context, members), **caller.context}
        for need in needed.needs:
            for one in (need, *of_encryption(need, operation.name, members, region)):
                policy = policy_of(one)
                if caller.is_root and policy is None and not must_allow(one):
                    continue
                more = {**of_need(one, members), **of_sources(caller, one)}
                yield self._decided(one, caller, {**keys, **more}, policy)

    def _decided(
        self, need: Need, caller: Caller, keys: Keys, policy: tuple[Statement, ...] | None
    ) -> Judgement:
        asked = Asked(
            principal=caller.arn,
            account=caller.account,
            action=need.action,
            resource=need.resource,
            resource_account=owner_of(need.resource) or caller.account,
            context=RequestKeys(keys, need),
            role=caller.role,
        )
        own = caller.policies
        decision = decide(asked, Policies(own.identity, own.boundary, own.session, policy, must_allow(need)))
        judgement = Judgement(
            caller.name,
            need.action,
            need.resource,
            need.is_known,
            decision.is_allowed,
            decision.statement.sid if decision.statement else "",
            "" if decision.is_allowed else decision.sentence(asked),
            asked.context,
            by=caller.arn,
        )
        self.ledger.add(judgement)
        return judgement


def _needs(context: RequestContext) -> Iterator[Need]:
    operation: Any = context.operation
    members: Mapping[str, Any] = context.service_request or {}
    service = operation.service_model.service_name
    return map(completed, needs(service, operation.name, members, context.account_id, context.region))


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
        return _answer(
            {"mode": GUARD.mode, "judgements": GUARD.ledger.to_json(), "cost": GUARD.cost.to_json()}
        )

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


def denial(service: str, protocol: str) -> tuple[str, int]:
    """The code and the status of a service's error for what is not allowed.

    Parameters
    ----------
    service, protocol : str
        Names of botocore, as ``glue`` and ``json``.
    """
    return _ERRORS.get(service) or _ERRORS[protocol]
