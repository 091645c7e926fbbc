"""Rules of composite alarms.

Source: the CloudWatch API Reference, ``PutCompositeAlarm``, member ``AlarmRule``: ``ALARM``, ``OK`` and
``INSUFFICIENT_DATA`` of an alarm's name or ARN, ``TRUE``, ``FALSE``, ``AND``, ``OR``, ``NOT``, parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

StateOf = Callable[[str], str]
"""The state of the alarm with a name or ARN."""

_STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
_TOKEN = re.compile(r'\s*(\(|\)|"(?:[^"\\]|\\.)*"|[^\s()"]+)')


class InvalidRuleError(ValueError):
    """A rule that CloudWatch would refuse."""


@dataclass(frozen=True)
class Rule:
    """A rule that was read.

    Parameters
    ----------
    alarms : sequence of str
        Names or ARNs that it asks for.
    holds : callable
        Whether it is true, given the states.
    """

    alarms: Sequence[str]
    holds: Callable[[StateOf], bool]


def parse(text: str) -> Rule:
    """Read an ``AlarmRule``.

    Raises
    ------
    InvalidRuleError
        If it does not follow the syntax.

    Examples
    --------
    >>> parse('ALARM(late) AND NOT ALARM("deploying")').holds({"late": "ALARM", "deploying": "OK"}.get)
    True
    """
    reader = _Reader(text)
    holds = reader.whole()
    return Rule(tuple(reader.alarms), holds)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.findall(text)
        self.alarms: list[str] = []

    def whole(self) -> Callable[[StateOf], bool]:
        holds = self._or()
        if self._tokens:
            raise InvalidRuleError(f"unexpected {self._tokens[0]} in {self._text}")
        return holds

    def _or(self) -> Callable[[StateOf], bool]:
        parts = [self._and()]
        while self._takes("OR"):
            parts.append(self._and())
        return lambda state_of: any(part(state_of) for part in parts)

    def _and(self) -> Callable[[StateOf], bool]:
        parts = [self._unit()]
        while self._takes("AND"):
            parts.append(self._unit())
        return lambda state_of: all(part(state_of) for part in parts)

    def _unit(self) -> Callable[[StateOf], bool]:
        if self._takes("NOT"):
            inner = self._unit()
            return lambda state_of: not inner(state_of)
        if self._takes("("):
            inner = self._or()
            self._expect(")")
            return inner
        word = self._next()
        if word in ("TRUE", "FALSE"):
            return lambda _state_of: word == "TRUE"
        if word not in _STATES:
            raise InvalidRuleError(f"{word} is not known in {self._text}")
        self._expect("(")
        alarm = self._next().strip('"')
        self._expect(")")
        self.alarms.append(alarm)
        return lambda state_of: state_of(alarm) == word

    def _takes(self, token: str) -> bool:
        if self._tokens[:1] == [token]:
            del self._tokens[0]
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._takes(token):
            raise InvalidRuleError(f"{token} is missing in {self._text}")

    def _next(self) -> str:
        if not self._tokens:
            raise InvalidRuleError(f"{self._text} ends too early")
        return str(self._tokens.pop(0))
