"""Policy documents and their statements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from millpond.planes.iam.conditions import is_known
from millpond.planes.iam.wildcards import matches

_ELEMENTS = {
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Principal",
    "NotPrincipal",
    "Condition",
}


class MalformedPolicyError(ValueError):
    """A document that is no policy; the text says what is wrong with it."""


@dataclass(frozen=True)
class Principals:
    """Who a statement of a resource's policy is about, by kind.

    Parameters
    ----------
    aws, service, federated : tuple of str
        ARNs or accounts, names of services, identity providers; ``*`` is everybody.
    """

    aws: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    federated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statement:
    """A statement of a policy.

    Parameters
    ----------
    sid : str
        Its name, which may be empty.
    is_denial : bool
        Whether its effect is ``Deny``.
    actions, resources : tuple of str
        Patterns of ``Action`` or ``NotAction`` and of ``Resource`` or ``NotResource``.
    but_actions, but_resources : bool
        Whether it is about everything but those.
    principals : Principals, optional
        Those of ``Principal`` or ``NotPrincipal``; None in a policy of an identity.
    but_principals : bool
        Whether it is about everybody but those.
    conditions : mapping
        Values by key, in lower case, by operator.
    """

    sid: str
    is_denial: bool
    actions: tuple[str, ...]
    but_actions: bool
    resources: tuple[str, ...]
    but_resources: bool
    principals: Principals | None = None
    but_principals: bool = False
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    # A role does few different things, often: which of its statements are about one is found once.
    _known: dict[str, bool] = field(default_factory=dict, init=False, repr=False, compare=False)

    def has_action(self, action: str) -> bool:
        """Whether an action, in any case of letters, is among those that it is about."""
        known = self._known.get(action)
        if known is None:
            lower = action.lower()
            known = any(matches(one, lower) for one in self.actions) is not self.but_actions
            self._known[action] = known
        return known


def read_policy(document: str | Mapping[str, Any]) -> tuple[Statement, ...]:
    """The statements of a policy.

    Raises
    ------
    MalformedPolicyError
        If it is none: AWS refuses such a document when it is put.
    """
    try:
        content = json.loads(document) if isinstance(document, str) else document
    except ValueError:
        raise MalformedPolicyError("The policy is not in the valid JSON format.") from None
    if not isinstance(content, Mapping) or "Statement" not in content:
        raise MalformedPolicyError("Syntax errors in policy: it has no Statement.")
    statements = content["Statement"]
    version = content.get("Version", "2008-10-17")
    return tuple(
        _statement(one, has_variables=version == "2012-10-17")
        for one in (statements if isinstance(statements, Sequence) else [statements])
    )


def _statement(content: Any, *, has_variables: bool) -> Statement:
    if not isinstance(content, Mapping):
        raise MalformedPolicyError("Syntax errors in policy: a statement is an object.")
    if unknown := sorted(set(content) - _ELEMENTS):
        raise MalformedPolicyError(f"Syntax errors in policy: a statement has no {', '.join(unknown)}.")
    if content.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicyError("Syntax errors in policy: the Effect is Allow or Deny.")
    actions, but_actions = _either(content, "Action", "NotAction")
    resources, but_resources = _either(content, "Resource", "NotResource")
    if not has_variables:
        resources = _without_variables(resources)
    if not actions:
        raise MalformedPolicyError("Policy statement must contain actions.")
    has_principals = "Principal" in content or "NotPrincipal" in content
    return Statement(
        sid=str(content.get("Sid", "")),
        is_denial=content["Effect"] == "Deny",
        actions=tuple(action.lower() for action in actions),
        but_actions=but_actions,
        # A role's trust policy is about the role itself, and names no resource.
        resources=resources or ("*",),
        but_resources=but_resources,
        principals=_principals(content.get("Principal", content.get("NotPrincipal")))
        if has_principals
        else None,
        but_principals="NotPrincipal" in content,
        conditions=_conditions(content.get("Condition", {}), has_variables=has_variables),
    )


def _either(content: Mapping[str, Any], name: str, opposite: str) -> tuple[tuple[str, ...], bool]:
    if name in content and opposite in content:
        raise MalformedPolicyError(f"Syntax errors in policy: it has both {name} and {opposite}.")
    return _texts(content.get(name, content.get(opposite, ()))), opposite in content


def _principals(content: Any) -> Principals:
    if content == "*":
        return Principals(aws=("*",))
    if not isinstance(content, Mapping):
        raise MalformedPolicyError("Invalid principal in policy.")
    if unknown := sorted(set(content) - {"AWS", "Service", "Federated", "CanonicalUser"}):
        raise MalformedPolicyError(f"Invalid principal in policy: {', '.join(unknown)}.")
    return Principals(
        *(_texts(content.get(kind, ())) for kind in ("AWS", "Service", "Federated")),
    )


def _conditions(content: Any, *, has_variables: bool) -> dict[str, dict[str, tuple[str, ...]]]:
    if not isinstance(content, Mapping):
        raise MalformedPolicyError("Syntax errors in policy: a Condition is an object.")
    if not all(isinstance(keys, Mapping) for keys in content.values()):
        raise MalformedPolicyError("Syntax errors in policy: an operator of a Condition holds keys.")
    if unknown := sorted(operator for operator in content if not is_known(operator)):
        raise MalformedPolicyError(f"Invalid Condition type : {', '.join(unknown)}")
    read = _texts if has_variables else lambda values: _without_variables(_texts(values))
    return {
        str(operator): {str(key).lower(): read(values) for key, values in keys.items()}
        for operator, keys in content.items()
    }


def _without_variables(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Of a version before 2012-10-17, in which ``${…}`` stands for itself."""
    return tuple(text.replace("${", "${$}{") for text in texts)


def _texts(content: Any) -> tuple[str, ...]:
    values = content if isinstance(content, Sequence) and not isinstance(content, str) else [content]
    return tuple(_text(value) for value in values)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
