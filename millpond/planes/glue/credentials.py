"""The role of a run, and the AWS clients that act for it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from millpond.planes.context import PlaneContext
from millpond.planes.glue.exceptions import LaunchError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

_GLUE = "glue.amazonaws.com"
_CONFIG = Config(retries={"max_attempts": 3, "mode": "standard"}, s3={"addressing_style": "path"})


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
        self._logs: CloudWatchLogsClient | None = None

    def logs(self) -> CloudWatchLogsClient:
        if self._logs is None:
            self._logs = self._client("logs", self._own)
        return self._logs

    def s3(self, credentials: Credentials) -> S3Client:
        client: S3Client = self._client("s3", credentials)
        return client

    def assume(self, role: str, session_name: str) -> Credentials:
        """Credentials of a job's role.

        Parameters
        ----------
        role : str
            Name or ARN.
        session_name : str
            Shows in the caller identity of the run.

        Raises
        ------
        LaunchError
            If the role does not exist or does not trust Glue.
        """
        arn = role if role.startswith("arn:") else f"arn:aws:iam::{self._context.account_id}:role/{role}"
        refusal = LaunchError(f"Role {arn} should be given assume role permissions for Glue Service.")
        try:
            found = self._client("iam", self._own).get_role(RoleName=arn.rsplit("/", 1)[-1])["Role"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchEntity":
                raise refusal from error
            raise
        if not trusts_glue(found["AssumeRolePolicyDocument"]):
            raise refusal
        answer = self._client("sts", self._own).assume_role(RoleArn=arn, RoleSessionName=session_name)
        given = answer["Credentials"]
        return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def _client(self, service: str, credentials: Credentials) -> Any:
        with self._lock:  # making clients from one session is not thread-safe; using them is
            return self._session.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self._context.endpoint_url,
                aws_access_key_id=credentials.access_key_id,
                aws_secret_access_key=credentials.secret_access_key,
                aws_session_token=credentials.session_token or None,
                config=_CONFIG,
            )


def trusts_glue(trust_policy: Mapping[str, Any]) -> bool:
    """Whether a role's trust policy lets Glue assume it."""
    statements = trust_policy.get("Statement", [])
    for statement in [statements] if isinstance(statements, Mapping) else statements:
        principal = statement.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, Mapping) else principal
        if statement.get("Effect") == "Allow" and (
            services in (_GLUE, "*") or (isinstance(services, list) and _GLUE in services)
        ):
            return True
    return False
