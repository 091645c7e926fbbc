"""Event patterns of EventBridge, which rules, archives and the filters of event source mappings use.

Sources: "Comparison operators for use in event patterns", "Creating event patterns" and "Event and event
pattern JSON fields" in the EventBridge User Guide. What is no pattern is refused when it is given. Fields of
one object in an array are matched together, an asterisk stands for any text, and also for none.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from millpond.planes.common.regexes import Regex

_LEAST_OR = 2
_MOST_WILDCARDS = 5
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda left, right: left == right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
ABSENT: Any = object()
"""What a field has that an event does not."""

Test = Callable[[Any], bool]
"""Whether a single value fits; :data:`ABSENT` for none."""


class InvalidPatternError(ValueError):
    """A pattern that EventBridge would refuse."""


@dataclass(frozen=True)
class Pattern:
    """A pattern that was read.

    Examples
    --------
    >>> parse('{"detail": {"size": [{"numeric": [">", 5]}]}}').matches({"detail": {"size": 6}})
    True
    """

    _test: Test

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether an event has all that the pattern asks for."""
        return self._test(event)


@lru_cache(maxsize=1024)
def parse(text: str) -> Pattern:
    """Read a pattern.

    Raises
    ------
    InvalidPatternError
        If it is not JSON, or not one that EventBridge knows.
    """
    try:
        pattern = json.loads(text)
    except ValueError as error:
        raise InvalidPatternError("Filter is not valid JSON") from error
    if not isinstance(pattern, dict):
        raise InvalidPatternError("Filter is not an object")
    if not pattern:
        raise InvalidPatternError("Empty objects are not allowed")
    return Pattern(_of_object(pattern))


def _of_object(pattern: Mapping[str, Any]) -> Test:
    tests: list[Test] = []
    for name, value in pattern.items():
        if name == "$or" and _is_alternative(value):
            options = [_of_object(alternative) for alternative in value]
            tests.append(lambda node, options=options: any(test(node) for test in options))  # type: ignore[misc]
        else:
            tests.append(_of_field(name, value))

    def test(node: Any) -> bool:
        if isinstance(node, list):
            return any(test(option) for option in node)
        return all(field_test(node) for field_test in tests)

    return test


def _is_alternative(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) >= _LEAST_OR and all(isinstance(item, dict) for item in value)
    )


def _of_field(name: str, value: Any) -> Test:
    if isinstance(value, dict):
        if not value:
            raise InvalidPatternError("Empty objects are not allowed")
        inner = _of_object(value)
        return lambda node: inner(_at(node, name))
    if not isinstance(value, list):
        raise InvalidPatternError(f'"{name}" must be an object or an array')
    if not value:
        raise InvalidPatternError("Empty arrays are not allowed")
    conditions = [_condition(pattern) for pattern in value]

    def test(node: Any) -> bool:
        values = list(_leaves(_at(node, name))) or [ABSENT]
        return any(condition(candidate) for condition in conditions for candidate in values)

    return test


def _at(node: Any, name: str) -> Any:
    """A field of an object; a dot in its name may stand for one object in another."""
    if not isinstance(node, dict):
        return ABSENT
    if name in node:
        return node[name]
    first, dot, rest = name.partition(".")
    return _at(node[first], rest) if dot and first in node else ABSENT


def _leaves(value: Any) -> Iterator[Any]:
    """The values of a field, which are those of its array; an object is none."""
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif not isinstance(value, dict) and value is not ABSENT:
        yield value


# Conditions


def _condition(condition: Any) -> Test:
    if not isinstance(condition, dict):
        return _equals(condition)
    if len(condition) != 1:
        raise InvalidPatternError("Only one key allowed in match expression")
    [(operator, operand)] = condition.items()
    if operator not in _OPERATORS:
        raise InvalidPatternError(f"Unrecognized match type {operator}")
    return _OPERATORS[operator](operand)


def _equals(wanted: Any) -> Test:
    if isinstance(wanted, list):
        raise InvalidPatternError("Match value must be String, number, true, false, or null")
    return lambda value: value is not ABSENT and _key(value) == _key(wanted)


def _key(value: Any) -> tuple[str, Any]:
    """A value by which equal ones are found: 1 and 1.0 are equal, 1 and true are not."""
    return ("number" if _is_number(value) else type(value).__name__), value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _on_text(operator: str, operand: Any, fits: Callable[[str, str], bool]) -> Test:
    if not isinstance(operand, str):
        raise InvalidPatternError(f"{operator} match pattern must be a string")
    return lambda value: isinstance(value, str) and fits(value, operand)


def _affix(operator: str, fits: Callable[[str, str], bool]) -> Callable[[Any], Test]:
    def read(operand: Any) -> Test:
        if not isinstance(operand, dict):
            return _on_text(operator, operand, fits)
        if list(operand) != ["equals-ignore-case"]:
            raise InvalidPatternError(f"Unsupported {operator} pattern: {', '.join(operand)}")
        return _on_text(
            operator, operand["equals-ignore-case"], lambda value, part: fits(value.lower(), part.lower())
        )

    return read


def _ignoring_case(operand: Any) -> Test:
    return _on_text("equals-ignore-case", operand, lambda value, text: value.lower() == text.lower())


def _wildcard(operand: Any) -> Test:
    if not isinstance(operand, str):
        raise InvalidPatternError("wildcard match pattern must be a string")
    parts = re.findall(r"\\.|\*+|[^\\*]+|\\", operand)
    if any(len(part) > 1 and part.startswith("*") for part in parts):
        raise InvalidPatternError(f"Consecutive wildcard characters at pos {operand.index('**') + 1}")
    if any(part.startswith("\\") and part not in ("\\*", "\\\\") for part in parts):
        raise InvalidPatternError("Invalid escape character in wildcard")
    if parts.count("*") > _MOST_WILDCARDS:
        raise InvalidPatternError("Rule is too complex - try using fewer wildcard characters")
    shown = (".*" if part == "*" else re.escape(part[-1] if part[0] == "\\" else part) for part in parts)
    pattern = Regex("".join(shown), "s")
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _exists(operand: Any) -> Test:
    if not isinstance(operand, bool):
        raise InvalidPatternError("exists match pattern must be either true or false.")
    return lambda value: (value is not ABSENT) is operand


def _numeric(operand: Any) -> Test:
    if not isinstance(operand, list) or not operand:
        raise InvalidPatternError("Value of numeric must be an array.")
    pairs = [(operand[at], operand[at + 1 : at + 2]) for at in range(0, len(operand), 2)]
    for operator, number in pairs:
        if operator not in _COMPARISONS:
            raise InvalidPatternError(f"Unrecognized numeric range operator: {operator}")
        if len(number) != 1 or not _is_number(number[0]):
            raise InvalidPatternError(f"Value of {operator} must be numeric")
    operators = [operator[0] for operator, _ in pairs]
    if len(pairs) > 1 and operators != [">", "<"]:
        raise InvalidPatternError("Bad numeric range")
    if len(pairs) > 1 and pairs[0][1][0] >= pairs[1][1][0]:
        raise InvalidPatternError("Bottom must be less than top")
    tests = [(_COMPARISONS[operator], number) for operator, [number] in pairs]
    return lambda value: _is_number(value) and all(fits(value, number) for fits, number in tests)


def _cidr(operand: Any) -> Test:
    try:
        if "/" not in operand:
            raise ValueError("one '/' required")
        network = ipaddress.ip_network(operand, strict=False)
    except (TypeError, ValueError) as error:
        raise InvalidPatternError(f"Malformed CIDR, {error}") from error

    def test(value: Any) -> bool:
        try:
            return isinstance(value, str) and ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return test


def _anything_but(operand: Any) -> Test:
    if isinstance(operand, dict):
        if len(operand) != 1 or next(iter(operand)) not in _NEGATED:
            raise InvalidPatternError(f"Unsupported anything-but pattern: {', '.join(operand)}")
        [(operator, unwanted)] = operand.items()
        parts: Sequence[Any] = unwanted if isinstance(unwanted, list) else [unwanted]
        if not parts or "" in parts:
            raise InvalidPatternError(f"Null {operator} not allowed")
        tests = [_OPERATORS[operator](part) for part in parts]
    else:
        parts = operand if isinstance(operand, list) else [operand]
        kinds = {_key(part)[0] for part in parts}
        if kinds not in ({"str"}, {"number"}):
            raise InvalidPatternError("Inside anything-but list, start|null|boolean is not supported.")
        tests = [_equals(part) for part in parts]
    return lambda value: value is not ABSENT and not any(test(value) for test in tests)


_NEGATED = ("prefix", "suffix", "equals-ignore-case", "wildcard")
_OPERATORS: Mapping[str, Callable[[Any], Test]] = {
    "prefix": _affix("prefix", str.startswith),
    "suffix": _affix("suffix", str.endswith),
    "equals-ignore-case": _ignoring_case,
    "wildcard": _wildcard,
    "exists": _exists,
    "numeric": _numeric,
    "cidr": _cidr,
    "anything-but": _anything_but,
}
