"""What CodeBuild keeps beside projects and builds: credentials of source providers, and webhooks.

Source: ``ImportSourceCredentials`` and ``CreateWebhook`` in the CodeBuild API Reference.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from millpond.planes.codebuild.builds import Shape
from millpond.planes.codebuild.exceptions import (
    ClientFailure,
    InvalidInputException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from millpond.planes.codebuild.sources import GitCredentials

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_SERVERS = ("GITHUB", "BITBUCKET", "GITHUB_ENTERPRISE", "GITLAB", "GITLAB_SELF_MANAGED")
_AUTH_TYPES = ("OAUTH", "BASIC_AUTH", "PERSONAL_ACCESS_TOKEN", "CODECONNECTIONS", "SECRETS_MANAGER")
_WITH_WEBHOOK = ("GITHUB", "BITBUCKET", "GITHUB_ENTERPRISE", "GITLAB", "GITLAB_SELF_MANAGED")
# What a provider wants as the user's name when the password is a token.
_TOKEN_USER = {"GITHUB": "x-access-token", "GITHUB_ENTERPRISE": "x-access-token", "BITBUCKET": "x-token-auth"}


@dataclass(frozen=True, repr=False)
class SourceCredentials:
    """Credentials of one source provider; the token is in memory only, and never shown.

    Parameters
    ----------
    info : dict
        ``SourceCredentialsInfo`` of the API.
    git : GitCredentials
        What Git is given.
    """

    info: Shape
    git: GitCredentials


class SecretArn(str):
    """Where the credentials of a source are, in Secrets Manager."""

    __slots__ = ()


def from_secret(secrets_manager: SecretsManagerClient, arn: SecretArn, server: str) -> GitCredentials:
    """The credentials in a secret: JSON with ``Token``, and ``Username`` if the provider has names.

    Raises
    ------
    ClientFailure
        If the secret cannot be read, or holds something else.
    """
    try:
        content = json.loads(secrets_manager.get_secret_value(SecretId=arn)["SecretString"])
        return GitCredentials(content.get("Username") or _token_user(server), content["Token"])
    except (ClientError, BotoCoreError) as error:
        raise ClientFailure(f"source credentials {arn}: {error}") from error
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ClientFailure(f"source credentials {arn}: the secret is not JSON with a Token") from None


class SourceCredentialStore:
    """At most one for each provider.

    Parameters
    ----------
    make_arn : callable
        ``(kind, name)`` → ARN.
    """

    KEPT = ("_found",)

    def __init__(self, make_arn: Callable[[str, str], str]) -> None:
        self._arn = make_arn
        self._found: dict[str, SourceCredentials] = {}

    def put(self, request: Mapping[str, Any]) -> str:
        """``ImportSourceCredentials``; the ARN."""
        server, kind, token = (request.get(name) or "" for name in ("serverType", "authType", "token"))
        if server not in _SERVERS:
            raise InvalidInputException(f"Invalid server type: {server}")
        if kind not in _AUTH_TYPES or not token:
            raise InvalidInputException("authType and token are required")
        if kind == "BASIC_AUTH" and not request.get("username"):
            raise InvalidInputException("username is required for BASIC_AUTH")
        arn = self._arn("token", server.lower())
        if arn in self._found and not request.get("shouldOverwrite", True):
            raise ResourceAlreadyExistsException(f"Access token with server type {server} already exists")
        user = request.get("username") or _token_user(server)
        info = {"arn": arn, "serverType": server, "authType": kind}
        if kind in ("CODECONNECTIONS", "SECRETS_MANAGER"):
            info["resource"] = token
        self._found[arn] = SourceCredentials(info, GitCredentials(user, token))
        return arn

    def all(self) -> list[Shape]:
        return [dict(credentials.info) for credentials in self._found.values()]

    def remove(self, arn: str) -> None:
        if self._found.pop(arn, None) is None:
            raise ResourceNotFoundException(f"Source credentials with ARN {arn} not found")

    def of_source(self, source: Mapping[str, Any]) -> GitCredentials | SecretArn | None:
        """What Git is given for a source, or the secret that it is in; None if nothing fits."""
        if not str(source.get("location", "")).startswith("https://"):
            return None
        auth = source.get("auth") or {}
        if auth.get("type") == "SECRETS_MANAGER":
            return SecretArn(auth.get("resource") or "")
        credentials = self._found.get(self._arn("token", source["type"].lower()))
        if credentials is None or credentials.info["authType"] == "CODECONNECTIONS":
            return None
        return SecretArn(credentials.git.token) if "resource" in credentials.info else credentials.git


def _token_user(server: str) -> str:
    return _TOKEN_USER.get(server, "oauth2")


def define_webhook(project: Mapping[str, Any], request: Mapping[str, Any]) -> Shape:
    """The ``Webhook`` structure for ``CreateWebhook``; nothing outside calls it here.

    Raises
    ------
    InvalidInputException
        If the project's source has no webhooks.
    """
    kind = project["source"]["type"]
    if kind not in _WITH_WEBHOOK:
        raise InvalidInputException(f"Webhooks are not supported for source type {kind}")
    webhook = {"url": f"{project['source']['location']}/hooks", "payloadUrl": "", "buildType": "BUILD"}
    return webhook | {"secret": secrets.token_urlsafe(24)} | webhook_members(request)


def webhook_members(request: Mapping[str, Any]) -> Shape:
    """The members of a webhook that a request names."""
    names = (
        "branchFilter",
        "filterGroups",
        "buildType",
        "manualCreation",
        "scopeConfiguration",
        "pullRequestBuildPolicy",
    )
    return {name: request[name] for name in names if request.get(name) is not None}
