"""What roles may do, and what an engine judged of what they did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from millpond.base.config import Settings
from millpond.client import permissions
from millpond.planes.iam import Policies, Request, Statement, decide, read_policy
from millpond.planes.iam.learning import without
from millpond.planes.iam.ledger import Judgement, from_json
from millpond.planes.iam.wildcards import matches

__all__ = ["Role", "admits", "denied", "judged", "matches", "role"]

# What is refused on AWS, too, and does not matter there either.
WITHHELD = {
    (
        "millpond-dev-deploy",
        "kms:DescribeKey",
    ): "Terraform asks for DynamoDB's own key and does without",
}


@dataclass(frozen=True)
class Role:
    """A role with all that its policies say, and what its boundary leaves of it."""

    name: str
    account_id: str
    statements: tuple[Statement, ...]
    boundary: tuple[Statement, ...] | None

    def allows(self, action: str, resource: str) -> bool:
        """Whether it may do what brings no condition keys."""
        arn = f"arn:aws:iam::{self.account_id}:role/{self.name}"
        request = Request(arn, self.account_id, action, resource, self.account_id)
        return decide(request, Policies(self.statements, self.boundary)).is_allowed

    def without(self, judgements: list[Judgement]) -> list[tuple[str, str, list[Judgement]]]:
        """Actions, each with its statement and with what would have been denied without it."""
        own = [one for one in judgements if one.principal.rpartition("/")[2] == self.name]
        return without(self.statements, self.boundary, own)

    def unused(self, judgements: list[Judgement]) -> set[tuple[str, str]]:
        """Actions, each with its statement, without which it could have done all that it did."""
        return {(sid, action) for sid, action, failing in self.without(judgements) if not failing}


def role(iam: Any, name: str) -> Role:
    """A role with its inline and its managed policies."""
    documents = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    documents += [_managed(iam, one["PolicyArn"]) for one in attached]
    found = iam.get_role(RoleName=name)["Role"]
    boundary = found.get("PermissionsBoundary")
    return Role(
        name,
        found["Arn"].split(":")[4],
        tuple(one for document in documents for one in read_policy(document)),
        read_policy(_managed(iam, boundary["PermissionsBoundaryArn"])) if boundary else None,
    )


def _managed(iam: Any, arn: str) -> Mapping[str, Any]:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document: Mapping[str, Any] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"][
        "Document"
    ]
    return document


def admits(policy: str, service: str, action: str, resource: str, **told: str) -> bool:
    """Whether a resource's policy lets a service do something.

    Parameters
    ----------
    told : str
        What the service tells of itself, by condition keys of ``aws:``.
    """
    context = {f"aws:{key.lower()}": (value,) for key, value in told.items()}
    request = Request(f"{service}.amazonaws.com", "", action, resource, "", context)
    return decide(request, Policies(resource=read_policy(json.loads(policy)))).is_allowed


def judged(settings: Settings) -> list[Judgement]:
    """All that a stack has judged."""
    return from_json(permissions.ask(settings)["judgements"])


def denied(judgements: list[Judgement]) -> Iterator[str]:
    """Denials, in AWS's words, but for those that are known."""
    for one in judgements:
        if not one.is_allowed and (one.principal.rpartition("/")[2], one.action) not in WITHHELD:
            yield one.text
