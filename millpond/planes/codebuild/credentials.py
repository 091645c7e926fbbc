"""The role of a build, and the AWS clients that act for it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from millpond.planes.codebuild.exceptions import PhaseFailure
from millpond.planes.context import PlaneContext
from millpond.planes.glue.credentials import Credentials

_CODEBUILD = "codebuild.amazonaws.com"
_CONFIG = Config(retries={"max_attempts": 3, "mode": "standard"}, s3={"addressing_style": "path"})


class Clients:
    """AWS clients of this stack: the service's own, and those of a role.

    Parameters
    ----------
    context : PlaneContext
        Which stack.
    """

    def __init__(self, context: PlaneContext) -> None:
        self._context = context
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
            return self._session.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self._context.endpoint_url,
                aws_access_key_id=credentials.access_key_id,
                aws_secret_access_key=credentials.secret_access_key,
                aws_session_token=credentials.session_token or None,
                config=_CONFIG,
            )

    def assume(self, role: str, session_name: str) -> Credentials:
        """Credentials of a build's service role.

        Raises
        ------
        PhaseFailure
            If the role does not exist or does not trust CodeBuild.
        """
        refusal = PhaseFailure(
            "ACCESS_DENIED",
            f"CodeBuild is not authorized to perform: sts:AssumeRole on {role}. Please verify that the role "
            "exists, that its name matches exactly, and that it trusts codebuild.amazonaws.com",
        )
        try:
            found = self.own("iam").get_role(RoleName=role.rsplit("/", 1)[-1])["Role"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchEntity":
                raise refusal from error
            raise
        if not trusts_codebuild(found["AssumeRolePolicyDocument"]):
            raise refusal
        given = self.own("sts").assume_role(RoleArn=role, RoleSessionName=session_name)["Credentials"]
        return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def trusts_codebuild(trust_policy: Mapping[str, Any]) -> bool:
    """Whether a role's trust policy lets CodeBuild assume it."""
    statements = trust_policy.get("Statement", [])
    for statement in [statements] if isinstance(statements, Mapping) else statements:
        principal = statement.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, Mapping) else principal
        if statement.get("Effect") == "Allow" and (
            services in (_CODEBUILD, "*") or (isinstance(services, list) and _CODEBUILD in services)
        ):
            return True
    return False
