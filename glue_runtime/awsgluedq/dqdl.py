"""The Data Quality Definition Language: rulesets as texts, read into rules.

Written from the "DQDL reference" of the Glue Developer Guide. It imports nothing of Spark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, List, Optional, Tuple, Union

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*
    |(?P<text>"(?:[^"\\]|\\.)*")
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign><=|>=|!=|=|<|>|\[|\]|\(|\)|,|\+|-|\{|\}|:)""",
    re.VERBOSE,
)
_KEYWORDS = ("NULL", "EMPTY", "WHITESPACES_ONLY")
_UNITS = {"minutes": 60, "minute": 60, "hours": 3600, "hour": 3600, "days": 86400, "day": 86400}
_DYNAMIC = ("last", "avg", "max", "min", "sum", "std", "index", "percentile", "median")
_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")


class DqdlError(ValueError):
    """A ruleset is not of the language; the message says what was expected and where."""


@dataclass(frozen=True)
class Keyword:
    """``NULL``, ``EMPTY`` or ``WHITESPACES_ONLY``."""

    name: str


@dataclass(frozen=True)
class Now:
    """``now()``, some seconds earlier or later."""

    seconds: int = 0


@dataclass(frozen=True)
class Duration:
    """So many seconds."""

    seconds: float


Operand = Union[int, float, str, Keyword, Now, Duration]


@dataclass(frozen=True)
class Expression:
    """A condition on a value.

    Parameters
    ----------
    operator : str
        A comparison, ``between``, ``in`` or ``matches``.
    operands : tuple
        One, two for ``between``, any number for ``in``.
    is_negated : bool
        Whether ``not`` stands before.
    """

    operator: str
    operands: Tuple[Operand, ...]
    is_negated: bool = False


@dataclass(frozen=True)
class Rule:
    """A rule of one type.

    Parameters
    ----------
    name : str
        The rule type.
    parameters : tuple of str
    expression, threshold : Expression, optional
    where : str, optional
        A condition of SQL on the rows that count.
    labels : tuple of (str, str)
    text : str
        As the ruleset has it.
    """

    name: str
    parameters: Tuple[str, ...] = ()
    expression: Optional[Expression] = None
    threshold: Optional[Expression] = None
    where: Optional[str] = None
    labels: Tuple[Tuple[str, str], ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Composite:
    """Rules joined by ``and`` or by ``or``.

    Parameters
    ----------
    operator : str
    parts : tuple of Rule or Composite
    text : str
    """

    operator: str
    parts: Tuple[Any, ...]
    text: str = ""


@dataclass(frozen=True)
class Ruleset:
    """A document.

    Parameters
    ----------
    rules : tuple of Rule or Composite
    analyzers : tuple of Rule
    """

    rules: Tuple[Union[Rule, Composite], ...]
    analyzers: Tuple[Rule, ...] = ()


@dataclass
class _Token:
    kind: str
    value: str
    start: int
    end: int


@dataclass
class _Reader:
    text: str
    tokens: List[_Token] = field(default_factory=list)
    position: int = 0

    def __post_init__(self) -> None:
        at = 0
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if match is None:
                raise DqdlError(f"{self.text[at : at + 20]!r} is not of DQDL, at character {at}")
            if match.lastgroup:
                self.tokens.append(_Token(match.lastgroup, match.group(), at, match.end()))
            at = match.end()

    def peek(self, offset: int = 0) -> Optional[_Token]:
        at = self.position + offset
        return self.tokens[at] if at < len(self.tokens) else None

    def sees(self, *values: str) -> bool:
        token = self.peek()
        return token is not None and token.kind != "text" and token.value in values

    def take(self) -> _Token:
        token = self.peek()
        if token is None:
            raise DqdlError("the ruleset ends where more is expected")
        self.position += 1
        return token

    def expect(self, *values: str) -> _Token:
        token = self.take()
        if token.kind == "text" or token.value not in values:
            raise DqdlError(f"expected {' or '.join(values)}, not {token.value}, at character {token.start}")
        return token

    def since(self, start: int) -> str:
        """The text of the tokens since one, spaces as they are written once."""
        first, last = self.tokens[start], self.tokens[self.position - 1]
        return re.sub(r"\s+", " ", self.text[first.start : last.end])


def parse(text: str) -> Ruleset:
    """Read a ruleset.

    Parameters
    ----------
    text : str
        ``Rules = [ … ]``, and ``Analyzers = [ … ]`` before or after it.

    Raises
    ------
    DqdlError
        If it is not of the language.
    NotImplementedError
        For dynamic rules, which need the results of earlier runs.
    """
    reader = _Reader(text)
    rules: Tuple[Union[Rule, Composite], ...] = ()
    analyzers: Tuple[Rule, ...] = ()
    while reader.peek() is not None:
        name = reader.expect("Rules", "Analyzers").value
        reader.expect("=")
        reader.expect("[")
        items: List[Any] = []
        while not reader.sees("]"):
            items.append(_rule(reader))
            if not reader.sees("]"):
                reader.expect(",")
        reader.expect("]")
        if name == "Rules":
            rules = tuple(items)
        else:
            analyzers = tuple(items)
    if not rules and not analyzers:
        raise DqdlError("the ruleset has no rules")
    return Ruleset(rules, analyzers)


def _rule(reader: _Reader) -> Union[Rule, Composite]:
    start = reader.position
    if not reader.sees("("):
        return _simple(reader)
    parts = [_group(reader)]
    operators = set()
    while reader.sees("and", "or"):
        operators.add(reader.take().value)
        parts.append(_group(reader))
    if len(operators) > 1:
        raise DqdlError("and and or in one composite rule need parentheses to say which comes first")
    if not operators:
        return parts[0]
    return Composite(operators.pop(), tuple(parts), reader.since(start))


def _group(reader: _Reader) -> Union[Rule, Composite]:
    reader.expect("(")
    inside = _rule(reader)
    reader.expect(")")
    return inside


def _simple(reader: _Reader) -> Rule:
    start = reader.position
    name = reader.take()
    if name.kind != "word":
        raise DqdlError(f"expected a rule type, not {name.value}, at character {name.start}")
    parameters = []
    while (token := reader.peek()) is not None and token.kind == "text":
        parameters.append(_text(reader.take()))
    expression = _expression(reader) if _begins_expression(reader) else None
    threshold, where, labels = None, None, ()
    while reader.sees("with", "where", "labels"):
        word = reader.take().value
        if word == "with":
            reader.expect("threshold")
            threshold = _expression(reader)
        elif word == "where":
            where = _text(reader.take())
        else:
            reader.expect("=")
            labels = _labels(reader)
    return Rule(name.value, tuple(parameters), expression, threshold, where, labels, reader.since(start))


def _begins_expression(reader: _Reader) -> bool:
    return reader.sees(*_COMPARISONS, "between", "not", "in", "matches")


def _expression(reader: _Reader) -> Expression:
    is_negated = reader.sees("not") and bool(reader.take())
    operator = reader.expect(*_COMPARISONS, "between", "in", "matches").value
    if operator == "between":
        low = _operand(reader)
        reader.expect("and")
        return Expression(operator, (low, _operand(reader)), is_negated)
    if operator == "in":
        reader.expect("[")
        operands = []
        while not reader.sees("]"):
            operands.append(_operand(reader))
            if not reader.sees("]"):
                reader.expect(",")
        reader.expect("]")
        return Expression(operator, tuple(operands), is_negated)
    return Expression(operator, (_operand(reader),), is_negated)


def _operand(reader: _Reader) -> Operand:
    if reader.sees("("):
        reader.take()
        inside = _operand(reader)
        reader.expect(")")
        return inside
    token = reader.take()
    if token.kind == "text":
        return _text(token)
    if token.kind == "number":
        number = float(token.value) if re.search(r"[.eE]", token.value) else int(token.value)
        if reader.sees(*_UNITS):
            return Duration(number * _UNITS[reader.take().value])
        return number
    if token.value in _KEYWORDS:
        return Keyword(token.value)
    if token.value == "now":
        return _now(reader)
    if token.value in _DYNAMIC:
        raise NotImplementedError(
            f"EvaluateDataQuality: dynamic rules ({token.value}(…)) is not available in Millpond; "
            "it runs only on AWS Glue"
        )
    raise DqdlError(f"expected a value, not {token.value}, at character {token.start}")


def _now(reader: _Reader) -> Now:
    reader.expect("(")
    reader.expect(")")
    seconds = 0.0
    while reader.sees("+", "-") or _is_negative(reader.peek()):
        sign = 1
        if reader.sees("+", "-"):
            sign = -1 if reader.take().value == "-" else 1
        number = reader.take()
        if number.kind != "number":
            raise DqdlError(f"expected a number, not {number.value}, at character {number.start}")
        seconds += sign * float(number.value) * _UNITS[reader.expect(*_UNITS).value]
    return Now(int(seconds))


def _is_negative(token: Optional[_Token]) -> bool:
    return token is not None and token.kind == "number" and token.value.startswith("-")


def _labels(reader: _Reader) -> Tuple[Tuple[str, str], ...]:
    reader.expect("[")
    labels = []
    while not reader.sees("]"):
        name, _, value = _text(reader.take()).partition("=")
        labels.append((name, value))
        if not reader.sees("]"):
            reader.expect(",")
    reader.expect("]")
    return tuple(labels)


def _text(token: _Token) -> str:
    if token.kind != "text":
        raise DqdlError(f"expected a text in double quotes, not {token.value}, at character {token.start}")
    # A back-slash is a regular expression's own, but for the quote that it keeps from ending the text.
    return token.value[1:-1].replace('\\"', '"')
