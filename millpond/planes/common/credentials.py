"""The role that a run or a build has, and the AWS clients that act for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from millpond.planes.common.callers import OWN_CALLS
from millpond.planes.common.context import PlaneContext

# With it LocalStack's services say who calls, and for what.
_INTERNAL = "x-localstack-data"
_SOURCE: ContextVar[str] = ContextVar("source", default="")
_CONFIG = Config(
    retries={"max_attempts": 3, "mode": "standard"},
    s3={"addressing_style": "path"},
    user_agent_extra=OWN_CALLS,
)


class RoleNotTrustingError(Exception):
    """The role does not exist, or does not let the service assume it."""


@dataclass(frozen=True, repr=False)
class Credentials:
    """Temporary credentials of a role; never printed."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    def to_environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_SESSION_TOKEN": self.session_token,
        }


class Clients:
    """AWS clients of this stack: a service's own, and those of the roles that it assumes.

    Parameters
    ----------
    context : PlaneContext
        Which stack.
    service_principal : str
        Whom a role must trust, such as ``glue.amazonaws.com``.
    """

    def __init__(self, context: PlaneContext, service_principal: str) -> None:
        self._context = context
        self._principal = service_principal
        self._session = boto3.Session(region_name=context.region)
        self._lock = threading.Lock()
        # The emulator takes the account from the access key id.
        self._own = Credentials(context.account_id, "millpond", "")
        self._made: dict[str, Any] = {}

    def own(self, service: str) -> Any:
        """A client of the service itself, made once."""
        if service not in self._made:
            self._made[service] = self.of(service, self._own)
        return self._made[service]

    def of(self, service: str, credentials: Credentials) -> Any:
        """A client with somebody's credentials."""
        with self._lock:  # making clients from one session is not thread-safe; using them is
            client = self._session.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self._context.endpoint_url,
                aws_access_key_id=credentials.access_key_id,
                aws_secret_access_key=credentials.secret_access_key,
                aws_session_token=credentials.session_token or None,
                config=_CONFIG,
            )
            # botocore makes the classes of a client's errors when they are first asked for: of two threads
            # that ask at once, one would wait for a class that is not raised.
            _ = client.exceptions
            return client

    def assume(self, role: str, session_name: str, source: str = "") -> Credentials:
        """Credentials of a role.

        Parameters
        ----------
        role : str
            Its ARN.
        session_name : str
            Shows in the caller identity.
        source : str
            ARN of what the role is assumed for; ``aws:SourceArn`` of its trust policy.

        Raises
        ------
        RoleNotTrustingError
            If the role does not exist or does not trust the service.
        """
        try:
            role_resource = self.own("iam").get_role(RoleName=role.rsplit("/", 1)[-1])["Role"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchEntity":
                raise RoleNotTrustingError(role) from error
            raise
        if not trusts(role_resource["AssumeRolePolicyDocument"], self._principal):
            raise RoleNotTrustingError(role)
        try:
            with _assuming_for(source):
                assumed = self._as_service.assume_role(RoleArn=role, RoleSessionName=session_name)
        except ClientError as error:
            if error.response["Error"]["Code"] == "AccessDenied":
                raise RoleNotTrustingError(role) from error
            raise
        assumed = assumed["Credentials"]
        return Credentials(assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"])

    @cached_property
    def _as_service(self) -> Any:
        """A client of STS whose calls are those of the service, for one of its resources."""
        client = self.of("sts", self._own)
        principal = self._principal.partition(".")[0]

        def tell(model: Any, params: dict[str, Any], **_: Any) -> None:  # noqa: ARG001 - botocore's form
            caller = {"service_principal": principal, "source_arn": _SOURCE.get() or None}
            params["headers"][_INTERNAL] = json.dumps(caller)

        client.meta.events.register("before-call.sts.AssumeRole", tell)
        return client


@contextmanager
def _assuming_for(source: str) -> Iterator[None]:
    """Assume roles for a resource: the client that says so is one for all, since each takes 0.3 MB."""
    token = _SOURCE.set(source)
    try:
        yield
    finally:
        _SOURCE.reset(token)


def trusts(trust_policy: Mapping[str, Any], principal: str) -> bool:
    """Whether a role's trust policy lets a service assume it."""
    statements = trust_policy.get("Statement", [])
    for statement in [statements] if isinstance(statements, Mapping) else statements:
        named = statement.get("Principal", {})
        services = named.get("Service", []) if isinstance(named, Mapping) else named
        if statement.get("Effect") == "Allow" and (
            services in (principal, "*") or (isinstance(services, list) and principal in services)
        ):
            return True
    return False
