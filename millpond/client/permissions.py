"""What a stack judged by IAM's policies: asked of the engine itself, which AWS has nothing like."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.client.aws import Aws

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

PATH = "/_localstack/iam"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the engine is on this machine


def ask(settings: Settings, method: str = "GET", content: object = None) -> dict[str, Any]:
    """The mode, and for ``GET`` every judgement (:class:`millpond.planes.iam.ledger.Judgement`).

    Raises
    ------
    MillpondError
        If the engine does not answer.
    """
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(f"{settings.endpoint_url}{PATH}", data, method=method)  # noqa: S310 (of this machine)
    try:
        with _OPENER.open(request, timeout=30) as answer:
            report: dict[str, Any] = json.load(answer)
            return report
    except OSError as error:
        raise MillpondError(
            f"The engine does not answer: {error}.", where=settings.endpoint_url, next_step="millpond up"
        ) from error


def documents(aws: Aws, role: str) -> list[Any]:
    """The policies of a role, its own and those attached, as documents.

    Raises
    ------
    ClientError
        If there is no such role.
    """
    client: IAMClient = aws.client("iam")
    policies: list[Any] = [
        client.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        for page in client.get_paginator("list_role_policies").paginate(RoleName=role)
        for policy in page["PolicyNames"]
    ]
    for page in client.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        for attached in page["AttachedPolicies"]:
            version = client.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
            policy_version = client.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)
            policies.append(policy_version["PolicyVersion"]["Document"])
    return policies
