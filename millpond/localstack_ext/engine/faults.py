"""Which calls go wrong, and how: the rules of ``/_localstack/chaos/faults``.

The rules of LocalStack's Chaos API (``service``, ``operation``, ``region``, ``probability``, ``error``),
and more keys that make a rule strike one certain call of one certain caller.
"""

from __future__ import annotations

import datetime
import random
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.model import Shape
from localstack.aws.spec import load_service

MOST_RECORDED = 20_000
LONGEST_TEXT = 2048
_PATTERNS = ("service", "operation", "region", "caller", "userAgent")


class RefusedRuleError(Exception):
    """A rule that is none; the message says why."""


class Action(StrEnum):
    """What becomes of a call that a rule strikes."""

    ERROR = "error"
    """It is answered with the rule's error, and not done."""
    DROP = "drop"
    """Its connection is closed, and it is not done."""
    DROP_ANSWER = "drop-answer"
    """It is done, then its connection is closed: the caller cannot know."""
    HOLD = "hold"
    """It waits until the rule is removed; it is done then if its caller still waits for it."""
    HOLD_ANSWER = "hold-answer"
    """It is done; its answer waits until the rule is removed."""
    RECORD = "record"
    """Nothing, but it is written down."""


@dataclass(frozen=True)
class Call:
    """A call of an AWS API operation.

    Parameters
    ----------
    service, operation, region : str
        As botocore names them.
    caller : str
        ARN of who calls, as ``GetCallerIdentity`` tells it.
    user_agent : str
        What the caller says that it is.
    request : mapping of str to object
        What it asks for, as JSON.
    """

    service: str
    operation: str
    region: str
    caller: str
    user_agent: str
    request: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """Which calls are struck, and how.

    Parameters
    ----------
    patterns : mapping of str to str
        What a call must match, with ``*`` and ``?`` in ``caller`` and ``userAgent``.
    after : int
        Calls that match and are let through first.
    times : int or None
        How many are struck then; None for all.
    probability : float
        That one is struck.
    action : Action
    status_code, code : int and str
        The error.
    """

    patterns: Mapping[str, str] = field(default_factory=dict)
    after: int = 0
    times: int | None = None
    probability: float = 1.0
    action: Action = Action.ERROR
    status_code: int = 503
    code: str = "ServiceUnavailable"

    @classmethod
    def from_json(cls, content: object) -> Rule:
        """Read a rule.

        Raises
        ------
        RefusedRuleError
            If it has a key, a service or a value that there is not.
        """
        if not isinstance(content, Mapping):
            raise RefusedRuleError(f"A rule is an object, not {content!r}.")
        unknown = set(content) - {*_PATTERNS, "after", "times", "probability", "action", "error"}
        if unknown:
            raise RefusedRuleError(f"A rule has no key {', '.join(sorted(unknown))}.")
        patterns = {name: _text(content, name) for name in _PATTERNS if name in content}
        _check_operation(patterns)
        action = content.get("action", Action.ERROR)
        if action not in list(Action):
            raise RefusedRuleError(f"action is {action!r}; it is {', '.join(Action)}.")
        if "error" in content and action != Action.ERROR:
            raise RefusedRuleError(f"The action {action} has no error.")
        status_code, code = _error(content.get("error", {}))
        return cls(
            patterns=patterns,
            after=_whole_number(content, "after", 0, least=0),
            times=_whole_number(content, "times", 0, least=1) if content.get("times") is not None else None,
            probability=_probability(content.get("probability", 1)),
            action=Action(action),
            status_code=status_code,
            code=code,
        )

    def to_json(self) -> dict[str, Any]:
        """The rule as it can be given again."""
        content: dict[str, Any] = {
            **self.patterns,
            "after": self.after,
            "times": self.times,
            "probability": self.probability,
            "action": str(self.action),
        }
        if self.action is Action.ERROR:
            content["error"] = {"statusCode": self.status_code, "code": self.code}
        return content

    def matches(self, call: Call) -> bool:
        """Whether the rule is about this call."""
        exact = {"service": call.service, "operation": call.operation, "region": call.region}
        loose = {"caller": call.caller, "userAgent": call.user_agent}
        return all(
            fnmatchcase(loose[name], pattern) if name in loose else exact[name] == pattern
            for name, pattern in self.patterns.items()
        )


class ArmedRule:
    """A rule in force, and what it did so far."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.calls = 0
        self.hits = 0
        self.held = 0
        self.recorded: deque[Call] = deque(maxlen=MOST_RECORDED)
        self._lock = threading.Lock()
        self._released = threading.Event()

    def strikes(self, call: Call) -> bool:
        """Count a call; whether it is struck."""
        rule = self.rule
        with self._lock:
            if not rule.matches(call):
                return False
            self.calls += 1
            is_spent = rule.times is not None and self.hits >= rule.times
            if self.calls <= rule.after or is_spent or random.random() >= rule.probability:  # noqa: S311
                return False
            self.hits += 1
            if rule.action is Action.RECORD:
                self.recorded.append(call)
            return rule.action is not Action.RECORD

    def hold(self) -> None:
        """Wait until the rule is removed."""
        with self._lock:
            self.held += 1
        self._released.wait()
        with self._lock:
            self.held -= 1

    def release(self) -> None:
        """Let go what is held."""
        self._released.set()

    def to_json(self) -> dict[str, Any]:
        """The rule, the ``calls`` that matched, the ``hits`` among them, and how many are ``held`` now."""
        content = {**self.rule.to_json(), "calls": self.calls, "hits": self.hits, "held": self.held}
        if self.rule.action is Action.RECORD:
            content["recorded"] = [
                {
                    "service": call.service,
                    "operation": call.operation,
                    "region": call.region,
                    "caller": call.caller,
                    "userAgent": call.user_agent,
                    "request": call.request,
                }
                for call in list(self.recorded)
            ]
        return content


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self._armed: tuple[ArmedRule, ...] = ()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._armed)

    def add(self, rules: Iterable[Rule]) -> None:
        """Put more rules into force."""
        with self._lock:
            self._armed = (*self._armed, *(ArmedRule(rule) for rule in rules))

    def remove(self, rules: Sequence[Rule] | None = None) -> None:
        """Take rules back, all unless given; the calls that they hold go on."""
        with self._lock:
            gone = [armed for armed in self._armed if rules is None or armed.rule in rules]
            self._armed = tuple(armed for armed in self._armed if armed not in gone)
        for armed in gone:
            armed.release()

    def strike(self, call: Call) -> ArmedRule | None:
        """Count a call; the first rule that strikes it."""
        striking = [armed for armed in self._armed if armed.strikes(call)]
        return striking[0] if striking else None

    def to_json(self) -> list[dict[str, Any]]:
        return [armed.to_json() for armed in self._armed]


def readable(shape: Shape | None, value: Any) -> Any:
    """A request as JSON, to see what was meant: without secrets and bodies, and with long texts cut.

    Parameters
    ----------
    shape : Shape or None
        What the service's model says of the value.
    value : object
        A request, or a part of one.
    """
    if value is None or shape is None or shape.type_name == "blob" or shape.metadata.get("sensitive"):
        return None
    described: Any = shape
    match value:
        case Mapping() if shape.type_name == "structure":
            parts = {name: readable(member, value.get(name)) for name, member in described.members.items()}
            return {name: part for name, part in parts.items() if part is not None}
        case Mapping():
            return {name: readable(described.value, part) for name, part in value.items()}
        case list():
            return [readable(described.member, part) for part in value]
        case datetime.datetime():
            return value.isoformat()
        case str():
            return value[:LONGEST_TEXT]
        case _:
            return value


def rules_from_json(content: object) -> list[Rule]:
    """Read a list of rules.

    Raises
    ------
    RefusedRuleError
        If it is none.
    """
    if not isinstance(content, list):
        raise RefusedRuleError("The rules are a list of objects.")
    return [Rule.from_json(rule) for rule in content]


def _check_operation(patterns: Mapping[str, str]) -> None:
    """A rule for what there is not would never strike, and nobody would know."""
    service, operation = patterns.get("service"), patterns.get("operation")
    if service is None:
        if operation is not None:
            raise RefusedRuleError("A rule with an operation has a service.")
        return
    try:
        operations = load_service(service).operation_names
    except UnknownServiceError:
        raise RefusedRuleError(f"There is no service {service!r}.") from None
    if operation is not None and operation not in operations:
        raise RefusedRuleError(f"The service {service} has no operation {operation!r}.")


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content[key]
    if not isinstance(value, str) or not value:
        raise RefusedRuleError(f"{key} is {value!r}; it is a text.")
    return value


def _whole_number(content: Mapping[str, Any], key: str, default: int, *, least: int) -> int:
    value = content.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise RefusedRuleError(f"{key} is {value!r}; it is a whole number from {least}.")
    return value


def _probability(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise RefusedRuleError(f"probability is {value!r}; it is a number from 0 to 1.")
    return float(value)


def _error(content: object) -> tuple[int, str]:
    if not isinstance(content, Mapping) or set(content) - {"statusCode", "code"}:
        raise RefusedRuleError(f"error is {content!r}; it has statusCode and code.")
    status_code = _whole_number(content, "statusCode", 503, least=400)
    if status_code > 599:
        raise RefusedRuleError(f"statusCode is {status_code}; it is one of an error.")
    return status_code, _text({"code": "ServiceUnavailable", **content}, "code")
