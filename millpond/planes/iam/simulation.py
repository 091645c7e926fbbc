"""What policies would decide: ``SimulateCustomPolicy``, ``SimulatePrincipalPolicy``, ``GetContextKeysFor…``.

Source: the IAM API Reference. Where in a document a statement stands is not told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millpond.planes.iam.decision import Policies, Request, decide, is_about
from millpond.planes.iam.documents import MalformedPolicyError, Statement, read_policy

_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9]+")
_VARIABLE = re.compile(r"\$\{([^},*?$]+)")


@dataclass(frozen=True)
class Source:
    """A policy and what it is called in the answer.

    Parameters
    ----------
    id : str
        ``SourcePolicyId``.
    statements : sequence of Statement
        What it says.
    """

    id: str
    statements: Sequence[Statement]


@dataclass(frozen=True)
class Simulated:
    """Who would ask.

    Parameters
    ----------
    arn, account : str
        The principal, and its account.
    identity : sequence of Source
        Its own policies.
    boundary : sequence of Statement, optional
        What limits it.
    """

    arn: str
    account: str
    identity: Sequence[Source]
    boundary: Sequence[Statement] | None = None


def given(documents: Iterable[str], name: str = "PolicyInputList") -> list[Source]:
    """The policies of a request.

    Raises
    ------
    MalformedPolicyError
        If one of them is none.
    """
    return [Source(f"{name}.{number}", read_policy(one)) for number, one in enumerate(documents, 1)]


def simulate(request: Mapping[str, Any], who: Simulated) -> list[dict[str, Any]]:
    """``EvaluationResults``: each action on each resource.

    Raises
    ------
    MalformedPolicyError
        If a policy or an action of the request is none.
    """
    context = {
        str(one["ContextKeyName"]).lower(): tuple(map(str, one["ContextKeyValues"]))
        for one in request.get("ContextEntries") or ()
    }
    by_resource = read_policy(request["ResourcePolicy"]) if request.get("ResourcePolicy") else None
    owner = str(request.get("ResourceOwner") or "").split(":")
    account = owner[4] if len(owner) > 4 else who.account
    results = []
    for action in request["ActionNames"]:
        if not _ACTION.fullmatch(action):
            raise MalformedPolicyError(f"Invalid Action: {action}")
        for resource in request.get("ResourceArns") or ["*"]:
            asked = Request(who.arn, who.account, action, resource, account, context)
            results.append(_result(asked, who, by_resource))
    return results


def _result(asked: Request, who: Simulated, by_resource: Sequence[Statement] | None) -> dict[str, Any]:
    identity = [statement for source in who.identity for statement in source.statements]
    decision = decide(asked, Policies(identity, who.boundary, None, by_resource))
    verdict = "allowed" if decision.is_allowed else "explicitDeny" if decision.is_explicit else "implicitDeny"
    every = [*who.identity, Source("ResourcePolicy", by_resource or ())]
    matched = [
        {
            "SourcePolicyId": source.id,
            "SourcePolicyType": "Resource Policy" if source.statements is by_resource else "IAM Policy",
        }
        for source in every
        if any(statement is decision.statement for statement in source.statements)
    ]
    statements = [*identity, *(who.boundary or ()), *(by_resource or ())]
    missing = {
        key
        for statement in statements
        if is_about(statement, asked)
        for keys in statement.conditions.values()
        for key in keys
        if key not in asked.context
    }
    limited: dict[str, Any] = {}
    if who.boundary is not None:
        alone = decide(asked, Policies(who.boundary))
        limited = {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": alone.is_allowed}}
    return {
        "EvalActionName": asked.action,
        "EvalResourceName": asked.resource,
        "EvalDecision": verdict,
        "MatchedStatements": matched,
        "MissingContextValues": sorted(missing),
        **limited,
    }


def context_keys(documents: Iterable[str]) -> list[str]:
    """``ContextKeyNames``: the keys of conditions and the variables of some policies.

    Raises
    ------
    MalformedPolicyError
        If one of them is none.
    """
    found: dict[str, None] = {}
    for document in documents:
        read_policy(document)
        statements = json.loads(document)["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            for keys in (statement.get("Condition") or {}).values():
                found |= dict.fromkeys(keys)
            found |= dict.fromkeys(_variables(statement))
    return list(found)


def _variables(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield from (name.strip() for name in _VARIABLE.findall(content))
    elif isinstance(content, Mapping):
        for one in content.values():
            yield from _variables(one)
    elif isinstance(content, list):
        for one in content:
            yield from _variables(one)
