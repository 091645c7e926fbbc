"""Conditions of a statement: operators, and keys that have several values or none."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from millpond.planes.iam.wildcards import Context, expand, matches, matches_in

Test = Callable[[str, str, Context], bool]
"""Takes a value of the policy, one of the request, and the request's context for variables."""


@dataclass(frozen=True)
class Operator:
    """How a value of the policy is compared with one of the request.

    Parameters
    ----------
    test : callable
        Whether they agree.
    is_negated : bool
        Whether the condition is fulfilled where they do not, and where the request has no such key.
    """

    test: Test
    is_negated: bool = False


def _as_text(value: str, context: Context) -> str | None:
    """A value whose variables are replaced, and in which wildcards stand for themselves."""
    parts = expand(value, context)
    return None if parts is None else "".join(part if isinstance(part, str) else part.value for part in parts)


def _equal(wanted: str, found: str, context: Context) -> bool:
    return _as_text(wanted, context) == found


def _equal_in_any_case(wanted: str, found: str, context: Context) -> bool:
    text = _as_text(wanted, context)
    return text is not None and text.casefold() == found.casefold()


def _like(wanted: str, found: str, context: Context) -> bool:
    return matches_in(wanted, found, context)


def _arn_like(wanted: str, found: str, context: Context) -> bool:
    """Each of the six parts of an ARN by itself; a wildcard does not reach over a colon into the next."""
    text = _as_text(wanted, context)
    if text is None:
        return False
    patterns, parts = text.split(":", 5), found.split(":", 5)
    return len(patterns) == len(parts) == 6 and all(map(matches, patterns, parts))


def _compared(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Test:
    def test(wanted: str, found: str, context: Context) -> bool:
        text = _as_text(wanted, context)
        try:
            return text is not None and bool(compare(read(found), read(text)))
        except ValueError:
            return False  # what is no number, moment or address fulfils nothing

    return test


def _moment(text: str) -> datetime:
    if text.replace(".", "", 1).isdigit():
        return datetime.fromtimestamp(float(text), UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error


def _lies_in(address: Any, network: Any) -> bool:
    return bool(address.subnet_of(network)) if address.version == network.version else False


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


def _both(name: str, opposite: str, test: Test) -> dict[str, Operator]:
    return {name: Operator(test), opposite: Operator(test, is_negated=True)}


def _ordered(kind: str, read: Callable[[str], Any]) -> dict[str, Operator]:
    return {
        **_both(f"{kind}Equals", f"{kind}NotEquals", _compared(read, operator.eq)),
        f"{kind}LessThan": Operator(_compared(read, operator.lt)),
        f"{kind}LessThanEquals": Operator(_compared(read, operator.le)),
        f"{kind}GreaterThan": Operator(_compared(read, operator.gt)),
        f"{kind}GreaterThanEquals": Operator(_compared(read, operator.ge)),
    }


OPERATORS: Mapping[str, Operator] = {
    **_both("StringEquals", "StringNotEquals", _equal),
    **_both("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", _equal_in_any_case),
    **_both("StringLike", "StringNotLike", _like),
    # ArnEquals and ArnLike behave identically.
    **_both("ArnEquals", "ArnNotEquals", _arn_like),
    **_both("ArnLike", "ArnNotLike", _arn_like),
    **_ordered("Numeric", float),
    **_ordered("Date", _moment),
    **_both("IpAddress", "NotIpAddress", _compared(_network, _lies_in)),
    "Bool": Operator(_compared(_truth, operator.eq)),
    "BinaryEquals": Operator(_compared(_bytes, operator.eq)),
}


def is_known(name: str) -> bool:
    """Whether IAM has an operator, with its prefix and suffix."""
    _, base = _split(name)
    base = base.removesuffix("IfExists")
    return base in OPERATORS or name == "Null"


def are_fulfilled(conditions: Mapping[str, Mapping[str, Sequence[str]]], context: Context) -> bool:
    """Whether a request fulfils every condition of a statement.

    Parameters
    ----------
    conditions : mapping
        Values by key, in lower case, by operator.
    context : mapping
        The request's keys.
    """
    return all(
        _is_fulfilled(name, values, key, context)
        for name, keys in conditions.items()
        for key, values in keys.items()
    )


def _is_fulfilled(name: str, wanted: Sequence[str], key: str, context: Context) -> bool:
    found = context.get(key, ())
    if name == "Null":
        return any((value.lower() == "true") is not bool(found) for value in wanted)
    quantifier, base = _split(name)
    tested = OPERATORS[base.removesuffix("IfExists")]
    if not found:
        return (
            quantifier == "ForAllValues"
            or base.endswith("IfExists")
            or (tested.is_negated and quantifier != "ForAnyValue")
        )

    def agrees(value: str) -> bool:
        return any(tested.test(one, value, context) for one in wanted) is not tested.is_negated

    return (
        all(map(agrees, found))
        if quantifier == "ForAllValues" or (tested.is_negated and not quantifier)
        else any(map(agrees, found))
    )


def _split(name: str) -> tuple[str, str]:
    """The quantifier of an operator, which may be empty, and the rest of its name."""
    quantifier, colon, base = name.partition(":")
    return (quantifier, base) if colon else ("", name)
