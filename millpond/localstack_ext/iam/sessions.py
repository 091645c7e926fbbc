"""Temporary credentials: what limits them, and whose they are, where moto keeps neither.

Sources: the STS API Reference, ``AssumeRole``, ``GetSessionToken``, ``GetFederationToken``,
``AssumeRoleWithWebIdentity``; the IAM User Guide, "Session policies" and "OIDC federation". The signature of
an identity provider's token is not checked: its keys are at the provider's.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.services.moto import call_moto
from localstack.services.sts.models import SessionConfig, sts_stores
from localstack.services.sts.provider import StsProvider
from moto.iam.models import iam_backends
from moto.iam.utils import generate_access_key_id_from_account_id, random_alphanumeric
from moto.sts.utils import random_session_token

from millpond.localstack_ext.engine.refusals import refusal
from millpond.localstack_ext.iam.guard import GUARD, Mode
from millpond.localstack_ext.iam.principals import access_key, by_key, derived_of, root_of, session_of
from millpond.planes.iam import MalformedPolicyError, read_policy

_MOST_ARNS = 10
_TWELVE_HOURS = 43_200


class SessionsProvider(StsProvider):
    """Keeps what a session is limited by."""

    @handler("GetCallerIdentity", expand=False)
    def get_caller_identity(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]  # noqa: ARG002
        key = access_key(context.request) or ""
        if found := derived_of(key, context.account_id, context.partition):
            return {
                "UserId": found.context["aws:userid"][0],
                "Account": context.account_id,
                "Arn": found.arn,
            }
        return super().get_caller_identity(context)

    @handler("AssumeRole", expand=False)
    def assume_role(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        arns = _policies(request)
        members = {"policy_arns", "policy", "duration_seconds", "tags", "transitive_tag_keys", "external_id"}
        given = {_snake(name): value for name, value in request.items()}
        answer: Any = super().assume_role(
            context,
            given["role_arn"],
            given["role_session_name"],
            **{name: given[name] for name in members & given.keys()},
        )
        if arns:
            _keep(_account_of(request), answer["Credentials"]["AccessKeyId"], policy_arns=arns)
        return answer

    @handler("AssumeRoleWithWebIdentity", expand=False)
    def assume_role_with_web_identity(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        arns = _policies(request)
        if GUARD.mode is not Mode.OFF:
            _judge(context, request)
        answer = call_moto(context)
        if arns:
            _keep(_account_of(request), answer["Credentials"]["AccessKeyId"], policy_arns=arns)
        return answer

    @handler("AssumeRoleWithSAML", expand=False)
    def assume_role_with_saml(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]  # noqa: ARG002
        if GUARD.mode is Mode.ENFORCE:
            raise refusal(context, "assertions are not judged, and policies are in force")
        return call_moto(context)

    @handler("GetSessionToken", expand=False)
    def get_session_token(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        return {"Credentials": _made(context, request, of=_user_of(context))}

    @handler("GetFederationToken", expand=False)
    def get_federation_token(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        name, account = request["Name"], context.account_id
        credentials = _made(
            context,
            request,
            of=_user_of(context),
            federated=name,
            policy=request.get("Policy") or "",
            policy_arns=_policies(request),
        )
        user = {
            "FederatedUserId": f"{account}:{name}",
            "Arn": f"arn:{context.partition}:sts::{account}:federated-user/{name}",
        }
        return {"Credentials": credentials, "FederatedUser": user, "PackedPolicySize": 6}


def _account_of(request: Mapping[str, Any]) -> str:
    """The account of the role that is asked for."""
    found = re.match(r"arn:[^:]*:iam::(\d{12}):role/", request["RoleArn"])
    if found is None:
        raise _error("ValidationError", f"{request['RoleArn']} is invalid")
    return found[1]


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _policies(request: Mapping[str, Any]) -> list[str]:
    """ARNs of the managed policies that limit a session; its own document is checked, too."""
    arns = [str(one.get("arn", "")) for one in request.get("PolicyArns") or ()]
    if len(arns) > _MOST_ARNS:
        raise _error("ValidationError", f"The number of policy ARNs is more than {_MOST_ARNS}")
    if request.get("Policy"):
        try:
            read_policy(request["Policy"])
        except MalformedPolicyError as error:
            raise _error("MalformedPolicyDocument", str(error)) from error
    return arns


def _keep(account: str, key: str, **told: Any) -> None:
    sessions = sts_stores[account]["us-east-1"].sessions
    kept = sessions.get(key) or SessionConfig(tags={}, transitive_tags=[], iam_context={})
    sessions[key] = {**kept, "iam_context": {**kept["iam_context"], **told}}


def _user_of(context: RequestContext) -> str:
    """Who asks for credentials in its own name: a user or the root of the account, never a session."""
    key = access_key(context.request) or ""
    account, partition = context.account_id, context.partition
    if session_of(key, account, partition) or derived_of(key, account, partition):
        operation: Any = context.operation
        raise _error("AccessDenied", f"Cannot call {operation.name} with session credentials", 403)
    return (by_key(key, account, partition) or root_of(account, partition)).arn


def _made(context: RequestContext, request: Mapping[str, Any], *, of: str, **told: Any) -> dict[str, Any]:
    key = generate_access_key_id_from_account_id(context.account_id, prefix="ASIA", total_length=20)
    _keep(context.account_id, key, of=of, **told)
    lasts = timedelta(seconds=int(request.get("DurationSeconds") or _TWELVE_HOURS))
    return {
        "AccessKeyId": key,
        "SecretAccessKey": random_alphanumeric(40),
        "SessionToken": random_session_token(),
        "Expiration": datetime.now(UTC) + lasts,
    }


def _judge(context: RequestContext, request: Mapping[str, Any]) -> None:
    """Hold a token against the provider that it names, and the role's trust policy against both."""
    account = _account_of(request)
    try:
        provider, keys = _claims(request["WebIdentityToken"], account, context.partition)
    except CommonServiceException:
        if GUARD.mode is Mode.ENFORCE:
            raise
        return
    names = {"sts:rolesessionname": (request["RoleSessionName"],)}
    GUARD.judge_federated(context, provider, request["RoleArn"], {**keys, **names})


def _claims(token: str, account: str, partition: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The ARN of the provider of a token, and its condition keys."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        issuer = str(claims["iss"])
        lasts = float(claims["exp"])
    except (ValueError, LookupError, TypeError):
        raise _error("InvalidIdentityToken", "The ID Token provided is not a valid JWT.") from None
    url = issuer.partition("://")[2] or issuer
    arn = f"arn:{partition}:iam::{account}:oidc-provider/{url}"
    provider = iam_backends[account][partition].open_id_providers.get(arn)
    if provider is None:
        raise _error("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer}")
    given = claims.get("aud") or ()
    audiences = [given] if isinstance(given, str) else list(given)
    if not set(audiences) & set(provider.client_id_list):
        raise _error("InvalidIdentityToken", "Incorrect token audience")
    if lasts < time.time():
        raise _error("ExpiredTokenException", "Token expired")
    texts = {name: claims[name] for name in ("sub", "amr", "azp") if name in claims}
    keys = {f"{url}:{name}".lower(): tuple(map(str, _list(value))) for name, value in texts.items()}
    return arn, {**keys, f"{url}:aud".lower(): tuple(audiences), "aws:federatedprovider": (arn,)}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _error(code: str, message: str, status: int = 400) -> CommonServiceException:
    return CommonServiceException(code, message, status, True)
