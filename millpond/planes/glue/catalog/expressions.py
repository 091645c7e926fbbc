"""The ``Expression`` of ``GetPartitions``: which partitions a condition on the partition keys lets through.

The language is that of "GetPartitions" in the API Reference: comparisons, ``AND``, ``OR``, ``NOT``, ``IN``,
``BETWEEN``, ``LIKE``, ``IS NULL``, parentheses; keys are strings, varchars, dates, timestamps, decimals and
integers. A comparison with NULL is neither true nor false.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlglot
from sqlglot import exp

from millpond.planes.common.regexes import Regex
from millpond.planes.glue.exceptions import InvalidInputException, InvalidStateException

# The value of a partition whose key is NULL.
NULL = "__HIVE_DEFAULT_PARTITION__"
_TEXTS = frozenset({"string", "varchar", "char"})
# Nanoseconds are compared, which no type of Python's has.
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d{1,9}))?")
# A connective alone in parentheses is read as if it were not.
_LONE_CONNECTIVE = re.compile(r"'(?:[^']|'')*'|\(\s*(and|or)\s*\)", re.IGNORECASE)

Values = Sequence[str]
Answer = bool | None
Condition = Callable[[Values], Answer]

_COMPARISONS: Mapping[type[exp.Expression], Callable[[Any, Any], bool]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
}
_MIRRORED: Mapping[type[exp.Expression], type[exp.Expression]] = {
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
}


def compile_expression(text: str, keys: Sequence[Mapping[str, Any]]) -> Callable[[Values], bool]:
    """A condition as a function of a partition's values.

    Parameters
    ----------
    text : str
        The condition; blank for none.
    keys : sequence
        The table's ``PartitionKeys``.

    Raises
    ------
    InvalidInputException
        If it cannot be read, names something that is no partition key, or compares what cannot be compared.
        The function raises ``InvalidStateException`` for a partition whose value is not of the key's type.

    Examples
    --------
    >>> keys = [{"Name": "year", "Type": "int"}, {"Name": "month", "Type": "string"}]
    >>> fits = compile_expression("year > 9 AND month NOT IN ('01')", keys)
    >>> fits(["10", "02"]), fits(["9", "02"])
    (True, False)
    """
    if not text.strip():
        return lambda _values: True
    without_lone = _LONE_CONNECTIVE.sub(lambda match: match[1] or match[0], text)
    try:
        tree: Any = sqlglot.parse_one(without_lone, read="hive")
    except sqlglot.errors.SqlglotError as error:
        raise InvalidInputException(f"Unsupported expression '{text}'") from error
    condition = _Compiler(text, keys).compile(tree)
    return lambda values: condition(values) is True


def _integer(text: str) -> int:
    if not (text.isascii() and text.lstrip("+-").isdecimal()):
        raise ValueError(text)
    return int(text)


def _date(text: str) -> date:
    return date.fromisoformat(text)


def _timestamp(text: str) -> tuple[datetime, str]:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S"), (match[2] or "").ljust(9, "0")


# What AWS calls the group of a type in its errors, what a value of it is called, and how one is read.
_READ: Mapping[str, tuple[str, str, Callable[[str], Any]]] = {
    **dict.fromkeys(
        ("tinyint", "smallint", "int", "integer", "bigint", "long"), ("Integral", "an integer", _integer)
    ),
    **dict.fromkeys(_TEXTS, ("String", "a string", str)),
    "decimal": ("Decimal", "a decimal", Decimal),
    "date": ("Date", "a date", _date),
    "timestamp": ("Timestamp", "a timestamp", _timestamp),
}


class _Key:
    """A partition key and how its values are read."""

    def __init__(self, place: int, kind: str) -> None:
        self.place = place
        self.kind = kind.lower().partition("(")[0].strip()
        if self.kind not in _READ:
            raise InvalidInputException(f"Unknown type : '{kind}'")
        self.group, self.noun, self._read = _READ[self.kind]

    def constant(self, text: str) -> Any:
        try:
            return self._read(text)
        except (ValueError, InvalidOperation) as error:
            raise InvalidInputException(f'"{text}" is not {self.noun}') from error

    def value(self, values: Values) -> Any:
        """The partition's value of the key; None for NULL."""
        text = values[self.place]
        if text == NULL:
            return None
        try:
            return self._read(text)
        except (ValueError, InvalidOperation) as error:
            raise InvalidStateException(f'"{text}" is not {self.noun}') from error


class _Compiler:
    def __init__(self, text: str, keys: Sequence[Mapping[str, Any]]) -> None:
        self._text = text
        self._keys = {
            str(key["Name"]).lower(): (n, str(key.get("Type") or "string")) for n, key in enumerate(keys)
        }

    def compile(self, tree: exp.Expression) -> Condition:
        match tree:
            case exp.Paren():
                return self.compile(tree.this)
            case exp.And():
                return self._both(tree, all_of)
            case exp.Or():
                return self._both(tree, any_of)
            case exp.Not():
                inner = self.compile(tree.this)
                return lambda values: None if (answer := inner(values)) is None else not answer
            case exp.In() if tree.expressions:
                return self._membership(tree)
            case exp.Between():
                return self._between(tree)
            case exp.Like() | exp.Escape():
                return self._like(tree)
            case exp.Is() if isinstance(_bare(tree.expression), exp.Null):
                key = self._key(tree.this)
                return lambda values: key.value(values) is None
        if type(tree) in _COMPARISONS:
            return self._comparison(tree)
        raise InvalidInputException(f"Unsupported expression '{self._text}'")

    def _both(self, tree: exp.Expression, join: Callable[[Answer, Answer], Answer]) -> Condition:
        left, right = self.compile(tree.this), self.compile(tree.expression)
        return lambda values: join(left(values), right(values))

    def _comparison(self, tree: exp.Expression) -> Condition:
        kind, left, right = type(tree), _bare(tree.this), _bare(tree.expression)
        if not isinstance(left, exp.Column):
            left, right, kind = right, left, _MIRRORED.get(kind, kind)
        key = self._key(left)
        constant, compare = key.constant(self._literal(right)), _COMPARISONS[kind]
        return _known(key, lambda value: compare(value, constant))

    def _membership(self, tree: exp.In) -> Condition:
        key = self._key(tree.this)
        constants = {key.constant(self._literal(one)) for one in tree.expressions}
        return _known(key, lambda value: value in constants)

    def _between(self, tree: exp.Between) -> Condition:
        key = self._key(tree.this)
        low, high = (key.constant(self._literal(tree.args[end])) for end in ("low", "high"))
        return _known(key, lambda value: low <= value <= high)

    def _like(self, tree: exp.Expression) -> Condition:
        escape = ""
        if isinstance(tree, exp.Escape):
            escape, tree = self._literal(tree.expression), tree.this
        key = self._key(tree.this)
        if key.kind not in _TEXTS:
            raise InvalidInputException(f"{key.group} data type doesn't support operation 'LIKE'")
        pattern = _like_pattern(self._literal(tree.expression), escape)
        is_wanted = not tree.args.get("negate")
        return _known(key, lambda value: (pattern.fullmatch(value) is not None) == is_wanted)

    def _key(self, tree: exp.Expression) -> _Key:
        tree = _bare(tree)
        name = tree.name.lower() if isinstance(tree, exp.Column) else ""
        if name not in self._keys:
            raise InvalidInputException("Invalid partition expression!")
        return _Key(*self._keys[name])

    def _literal(self, tree: exp.Expression) -> str:
        tree = _bare(tree)
        if isinstance(tree, exp.Neg):
            return f"-{self._literal(tree.this)}"
        # DATE '2024-01-01' and TIMESTAMP '…' are read as casts of their text.
        if isinstance(tree, exp.Cast | exp.TsOrDsToDate):
            return self._literal(tree.this)
        if isinstance(tree, exp.Literal):
            return str(tree.this)
        raise InvalidInputException(f"Unsupported expression '{self._text}'")


def all_of(left: Answer, right: Answer) -> Answer:
    """AND of two answers, of which None is neither true nor false."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def any_of(left: Answer, right: Answer) -> Answer:
    """OR of two answers, of which None is neither true nor false."""
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def _known(key: _Key, decide: Callable[[Any], bool]) -> Condition:
    """A condition on one key: partitions by the thousand have few values of it, each decided once."""
    seen: dict[str, Answer] = {}

    def answer(values: Values) -> Answer:
        text = values[key.place]
        if text not in seen:
            value = key.value(values)
            seen[text] = None if value is None else decide(value)
        return seen[text]

    return answer


def _bare(tree: exp.Expression) -> exp.Expression:
    while isinstance(tree, exp.Paren):
        tree = tree.this
    return tree


def _like_pattern(pattern: str, escape: str) -> Regex:
    parts, escaped = [], False
    for character in pattern:
        if escaped or character not in ("%", "_", escape):
            parts.append(re.escape(character))
            escaped = False
        elif character == escape:
            escaped = True
        else:
            parts.append(".*" if character == "%" else ".")
    return Regex("".join(parts), "s")
