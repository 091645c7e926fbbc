"""The smallest policy for what was used, and what is granted and never was."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from millpond.planes.iam.decision import Policies, Request, decide, is_about
from millpond.planes.iam.documents import Statement
from millpond.planes.iam.ledger import Judgement
from millpond.planes.iam.wildcards import matches

Used = Iterable[tuple[str, str]]
"""Actions, each with the resource that it was used on."""

_OBJECT = re.compile(r"(arn:aws:s3:::[^/]+/)([^/]+/)?.+")
_STREAM = re.compile(r"(arn:aws:logs:[^:]*:[^:]*:log-group:[^:]+):.*")


def generalised(resource: str) -> str:
    """A resource as a policy should name it: objects by their first folder, streams by their group."""
    if found := _OBJECT.fullmatch(resource):
        return f"{found[1]}{found[2] or ''}*"
    if found := _STREAM.fullmatch(resource):
        return f"{found[1]}:*"
    return resource


def smallest_policy(used: Used) -> dict[str, Any]:
    """The policy document that allows what was used, and little more: a statement a set of actions."""
    by_resource: dict[tuple[str, str], set[str]] = defaultdict(set)
    for action, resource in used:
        by_resource[action.partition(":")[0], generalised(resource)].add(action)
    by_actions: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for (_, resource), actions in by_resource.items():
        by_actions[tuple(sorted(actions))].append(resource)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": list(actions), "Resource": sorted(resources)}
            for actions, resources in sorted(by_actions.items())
        ],
    }


def as_terraform(document: Mapping[str, Any], name: str) -> str:
    """A policy document as Terraform's data source ``aws_iam_policy_document``."""
    statements = "\n\n".join(
        f"  statement {{\n    actions   = {_list(one['Action'])}\n"
        f"    resources = {_list(one['Resource'])}\n  }}"
        for one in document["Statement"]
    )
    label = re.sub(r"\W", "_", name)
    return f'data "aws_iam_policy_document" "{label}" {{\n{statements}\n}}'


def _list(texts: Sequence[str]) -> str:
    lines = "".join(f'      "{text}",\n' for text in texts)
    return f"[\n{lines}    ]"


def unused(statements: Iterable[Statement], used: Used) -> list[tuple[str, str]]:
    """Actions, each with the name of its statement, that are granted and were never used.

    A statement that grants by ``NotAction`` or ``NotResource`` is left out: what it grants is no list.
    """
    seen = [(action.lower(), resource) for action, resource in used]
    return [
        (statement.sid, action)
        for statement in statements
        if not (statement.is_denial or statement.but_actions or statement.but_resources)
        for action in statement.actions
        if not any(
            matches(action, one) and any(matches(pattern, resource) for pattern in statement.resources)
            for one, resource in seen
        )
    ]


def idle(
    statements: Sequence[Statement],
    boundary: Sequence[Statement] | None,
    judged: Iterable[Judgement],
) -> list[tuple[str, str]]:
    """Actions, each with the name of its statement, without which all would have been allowed that was."""
    return [(sid, action) for sid, action, failing in without(statements, boundary, judged) if not failing]


def without(
    statements: Sequence[Statement],
    boundary: Sequence[Statement] | None,
    judged: Iterable[Judgement],
) -> list[tuple[str, str, list[Judgement]]]:
    """Actions, each with the name of its statement, and what would be denied if it were taken away.

    Each action of each statement that allows is taken away in turn, and what was judged is decided again.
    What the policy of a resource allows by itself counts for no statement here.

    Parameters
    ----------
    statements, boundary : sequence of Statement
        Of a role, with all its policies.
    judged : iterable of Judgement
        What it did.
    """
    kept = [(one, _again(one)) for one in judged if one.is_allowed]
    kept = [(one, asked) for one, asked in kept if decide(asked, Policies(statements, boundary)).is_allowed]
    found = []
    for number, statement in enumerate(statements):
        about = [] if statement.is_denial else [pair for pair in kept if is_about(statement, pair[1])]
        for action in () if statement.is_denial else statement.actions:
            rest = replace(statement, actions=tuple(one for one in statement.actions if one != action))
            left = Policies((*statements[:number], rest, *statements[number + 1 :]), boundary)
            denied = [
                one
                for one, asked in about
                if matches(action, asked.action.lower()) and not decide(asked, left).is_allowed
            ]
            found.append((statement.sid, action, denied))
    return found


def _again(judgement: Judgement) -> Request:
    account = judgement.principal.split(":")[4]
    resource = judgement.resource.split(":")
    owner = resource[4] if len(resource) > 5 and resource[4] else account
    context = {key: tuple(values) for key, values in judgement.context.items()}
    return Request(judgement.principal, account, judgement.action, judgement.resource, owner, context)
