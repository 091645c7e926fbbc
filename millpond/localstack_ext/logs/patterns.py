"""Filter patterns of CloudWatch Logs, for metric filters, subscriptions and ``FilterLogEvents``.

Source: "Filter pattern syntax for metric filters, subscription filters, filter log events, and Live Tail"
in the CloudWatch Logs User Guide: terms, JSON patterns in braces, space-delimited patterns in brackets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millpond.planes.common.regexes import Regex, RegexError

Fields = Callable[[str], Any]
"""The value that a selector (``$.a.b``, ``$field``) has in an event; None if it has none."""

Condition = Callable[[Fields], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<operator>\|\||&&|<=|>=|!=|=|<|>|\(|\))
      | (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<regex>%(?:[^%\\]|\\.)*%)
      | (?P<word>(?:\[[^\]]*\]|[^\s()=<>!&|"])+)
    )""",
    re.VERBOSE,
)
_TERM = re.compile(r'([?-]?)("(?:[^"\\]|\\.)*"|%(?:[^%\\]|\\.)*%|\S+)')
_FIELD = re.compile(r'"((?:[^"\\]|\\.)*)"|\[([^\]]*)\]|(\S+)')
_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\[['"]([^'"]+)['"]\]""")
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
}


class InvalidPatternError(ValueError):
    """A pattern that CloudWatch Logs would refuse."""


@dataclass(frozen=True)
class Pattern:
    """A pattern that was read; :meth:`match` tells what it finds in an event.

    Examples
    --------
    >>> found = parse('{ $.level = "ERROR" && $.rows > 10 }').match('{"level": "ERROR", "rows": 12}')
    >>> found("$.rows")
    12
    """

    read: Callable[[str], Fields | None]
    condition: Condition

    def match(self, message: str) -> Fields | None:
        """The fields of an event that matches, else None."""
        fields = self.read(message)
        return fields if fields is not None and self.condition(fields) else None


def parse(pattern: str) -> Pattern:
    """Read a filter pattern; an empty one matches every event.

    Raises
    ------
    InvalidPatternError
        If it does not follow the syntax.
    """
    text = pattern.strip()
    if text.startswith("{"):
        if not text.endswith("}"):
            raise InvalidPatternError(f"the pattern {pattern} has no closing brace")
        return Pattern(_json_fields, _Reader(text[1:-1]).whole())
    if text.startswith("["):
        if not text.endswith("]"):
            raise InvalidPatternError(f"the pattern {pattern} has no closing bracket")
        return _columns(text[1:-1])
    return _terms(text)


# Terms


def _terms(text: str) -> Pattern:
    wanted: list[Regex] = []
    optional: list[Regex] = []
    unwanted: list[Regex] = []
    if rest := _TERM.sub("", text).strip():
        raise InvalidPatternError(f"unexpected {rest[:20]} in {text}")
    for sign, term in _TERM.findall(text):
        if term.startswith('"') and len(term) > 1 and not term.endswith('"'):
            raise InvalidPatternError(f"a closing quote is missing in {text}")
        {"": wanted, "?": optional, "-": unwanted}[sign].append(_regex_of_term(term))

    def matches(fields: Fields) -> bool:
        message = fields("")
        # "If you combine ? with other terms, it is ignored": one of the optional ones matters only alone.
        some = (
            wanted or unwanted or not optional or any(term_regex.search(message) for term_regex in optional)
        )
        return (
            bool(some)
            and all(term_regex.search(message) for term_regex in wanted)
            and not any(term_regex.search(message) for term_regex in unwanted)
        )

    def fields_of(message: str) -> Fields:
        return lambda _selector: message

    return Pattern(fields_of, matches)


def _regex_of_term(term: str) -> Regex:
    if len(term) > 1 and term[0] == term[-1] == "%":
        return _regex(term)
    return Regex(re.escape(_unquoted(term)))


# JSON and columns


def _json_fields(message: str) -> Fields | None:
    try:
        document = json.loads(message)
    except ValueError:
        return None
    return lambda selector: _at(document, selector)


def _at(document: Any, selector: str) -> Any:
    value = document
    for name, index, quoted in _STEP.findall(selector.removeprefix("$")):
        if index:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
        else:
            value = value.get(name or quoted) if isinstance(value, dict) else None
    return value


def _columns(text: str) -> Pattern:
    parts = [part.strip() for part in text.split(",")]
    names: list[str] = []
    conditions: list[Condition] = []
    for part in parts:
        name = re.match(r"[^\s=<>!]*", part)
        names.append(name.group() if name else "")
        if part != names[-1]:
            conditions.append(_Reader(part).whole())

    def fields_of(message: str) -> Fields | None:
        values = ["".join(groups) for groups in _FIELD.findall(message)]
        row = _row(names, values)
        return None if row is None else lambda selector: row.get(selector.removeprefix("$"))

    return Pattern(fields_of, lambda fields: all(condition(fields) for condition in conditions))


def _row(names: Sequence[str], values: Sequence[str]) -> dict[str, str] | None:
    """The values by name; an ellipsis stands for any number of fields."""
    if "..." not in names:
        return dict(zip(names, values, strict=True)) if len(names) == len(values) else None
    at = names.index("...")
    after = names[at + 1 :]
    if len(values) < at + len(after):
        return None
    tail = values[len(values) - len(after) :]
    return dict(zip(names[:at], values, strict=False)) | dict(zip(after, tail, strict=True))


class _Reader:
    """Reads ``selector operator value``, joined by ``&&`` and ``||``."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = []
        at = 0
        while text[at:].strip():
            token = _TOKEN.match(text, at)
            if token is None:
                raise InvalidPatternError(f"unexpected {text[at:].strip()[:1]} in {text}")
            self._tokens.append(token.group().strip())
            at = token.end()

    def whole(self) -> Condition:
        condition = self._any()
        if self._tokens:
            raise InvalidPatternError(f"unexpected {self._tokens[0]} in {self._text}")
        return condition

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._takes("||"):
            parts.append(self._all())
        return lambda fields: any(part(fields) for part in parts)

    def _all(self) -> Condition:
        parts = [self._operand()]
        while self._takes("&&"):
            parts.append(self._operand())
        return lambda fields: all(part(fields) for part in parts)

    def _operand(self) -> Condition:
        if self._takes("("):
            inner = self._any()
            if not self._takes(")"):
                raise InvalidPatternError(f"a closing parenthesis is missing in {self._text}")
            return inner
        selector, operator = self._next(), self._next()
        _check_selector(selector)
        match operator.upper():
            case "NOT" if self._next().upper() == "EXISTS":
                return lambda fields: fields(selector) is None
            case "EXISTS":
                return lambda fields: fields(selector) is not None
            case "IS":
                return _is(selector, self._next())
            case "=" | "!=" | "<" | ">" | "<=" | ">=":
                return _compares(selector, operator, self._next())
        raise InvalidPatternError(f"{operator} is not an operator, in {self._text}")

    def _takes(self, token: str) -> bool:
        if self._tokens[:1] == [token]:
            del self._tokens[0]
            return True
        return False

    def _next(self) -> str:
        if not self._tokens:
            raise InvalidPatternError(f"{self._text} ends too early")
        return self._tokens.pop(0)


def _check_selector(selector: str) -> None:
    """A path into JSON has names and indices alone; in columns a selector is a name."""
    if selector.startswith("$") and _STEP.sub("", selector) != "$":
        raise InvalidPatternError(f"{selector} is not a selector of a property")


def _is(selector: str, word: str) -> Condition:
    # A field that is null cannot be told from one that is not there, except by its key; both are "IS NULL".
    constants: Mapping[str, Any] = {"NULL": None, "TRUE": True, "FALSE": False}
    if word.upper() not in constants:
        raise InvalidPatternError(f"IS {word} is not known: NULL, TRUE and FALSE are")
    return lambda fields: fields(selector) is constants[word.upper()]


def _compares(selector: str, operator: str, operand: str) -> Condition:
    number = number_of(operand)
    if operator in _COMPARISONS:
        if number is None:
            raise InvalidPatternError(f"{operator} needs a number, not {operand}")
        compare = _COMPARISONS[operator]

        def in_order(fields: Fields) -> bool:
            value = number_of(fields(selector))
            return value is not None and compare(value, number)

        return in_order
    wanted = operator == "="
    text = _regex(operand) if operand[0] == operand[-1] == "%" else _wildcard(_unquoted(operand))

    def equal(fields: Fields) -> bool:
        value = fields(selector)
        if value is None:
            return False
        if number is not None and (actual := number_of(value)) is not None:
            return (actual == number) is wanted
        shown = value if isinstance(value, str) else json.dumps(value)
        return (text.search(shown) is not None) is wanted

    return equal


def number_of(value: Any) -> float | None:
    """A value of a log event as a number; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _wildcard(text: str) -> Regex:
    return Regex("".join((r"\A", ".*".join(re.escape(part) for part in text.split("*")), r"\z")), "s")


def _regex(text: str) -> Regex:
    try:
        return Regex(text[1:-1])
    except RegexError as error:
        raise InvalidPatternError(f"{text} is not a regular expression: {error}") from error


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text
