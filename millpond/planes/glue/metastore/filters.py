"""Conditions on partition keys as Spark's Hive client writes them, decided here.

The language is that of Hive's ``get_partitions_by_filter``: comparisons of a key with a constant, ``and``,
``or``, ``not``, ``in``, and ``like``, whose pattern is a regular expression. A text stands in double quotes;
so does a date.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import sqlglot
from sqlglot import exp

from millpond.planes.common.regexes import Regex

INTEGERS = frozenset({"tinyint", "smallint", "int", "bigint", "integer"})
# The value of a partition whose key is NULL.
NULL = "__HIVE_DEFAULT_PARTITION__"

Values = Mapping[str, str]
Types = Mapping[str, str]
Condition = Callable[[Values], bool]

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


class FilterError(Exception):
    """A condition that is not of the language."""


def compile_filter(text: str, types: Types) -> Condition:
    """A condition as a function of a partition's values.

    Parameters
    ----------
    text : str
        The condition; empty for none.
    types : mapping
        Type of each partition key, by its name in lower case.

    Raises
    ------
    FilterError
        If it cannot be read, or names something that is no partition key.

    Examples
    --------
    >>> condition = compile_filter('day like "2026-01.*" and n > 9', {"day": "string", "n": "int"})
    >>> condition({"day": "2026-01-05", "n": "10"})
    True
    """
    if not text.strip():
        return lambda _values: True
    try:
        tree = sqlglot.parse_one(text, read="hive")
    except sqlglot.errors.SqlglotError as error:
        raise FilterError(f"The filter cannot be read: {text}") from error
    return _compile(tree, types)


def _compile(tree: Any, types: Types) -> Condition:
    match tree:
        case exp.Paren():
            return _compile(tree.this, types)
        case exp.And():
            left, right = _compile(tree.this, types), _compile(tree.expression, types)
            return lambda values: left(values) and right(values)
        case exp.Or():
            left, right = _compile(tree.this, types), _compile(tree.expression, types)
            return lambda values: left(values) or right(values)
        case exp.Not():
            inner = _compile(tree.this, types)
            return lambda values: not inner(values)
        case exp.In():
            return _membership(tree, types)
        case exp.Like():
            return _like(tree, types)
    if type(tree) in _COMPARISONS:
        return _comparison(tree, types)
    raise FilterError(f"The filter has {tree.sql('hive')}, which is not of Hive's filter language.")


def _comparison(tree: exp.Expression, types: Types) -> Condition:
    kind, left, right = type(tree), _bare(tree.this), _bare(tree.expression)
    if not isinstance(left, exp.Column):
        left, right, kind = right, left, _MIRRORED.get(kind, kind)
    name, constant = _key(left, types), _constant(right)
    compare = _COMPARISONS[kind]
    if types[name] in INTEGERS:
        number = _number(constant)
        if number is None:
            raise FilterError(f"The partition key {name} is a number, and {constant} is none.")
        return lambda values: (value := _number(values[name])) is not None and compare(value, number)
    return lambda values: values[name] != NULL and compare(values[name], constant)


def _membership(tree: exp.In, types: Types) -> Condition:
    name = _key(_bare(tree.this), types)
    constants = {_constant(_bare(one)) for one in tree.expressions}
    if types[name] in INTEGERS:
        numbers = {_number(one) for one in constants} - {None}
        return lambda values: _number(values[name]) in numbers
    return lambda values: values[name] in constants


def _like(tree: exp.Like, types: Types) -> Condition:
    name, pattern = _key(_bare(tree.this), types), _constant(_bare(tree.expression))
    # Spark writes a prefix, a suffix or a part, and quotes nothing in it: only ".*" is a pattern.
    wanted = Regex(".*".join(re.escape(part) for part in pattern.split(".*")), "s")
    is_wanted = not tree.args.get("negate")
    return lambda values: values[name] != NULL and (wanted.fullmatch(values[name]) is not None) == is_wanted


def _bare(tree: exp.Expression) -> exp.Expression:
    while isinstance(tree, exp.Paren):
        tree = tree.this
    return tree


def _key(tree: exp.Expression, types: Types) -> str:
    name = tree.name.lower() if isinstance(tree, exp.Column) else ""
    if name not in types:
        raise FilterError(f"The filter compares {tree.sql('hive')}, which is no partition key.")
    return name


def _constant(tree: exp.Expression) -> str:
    if isinstance(tree, exp.Neg):
        return f"-{_constant(tree.this)}"
    if isinstance(tree, exp.Literal):
        return str(tree.this)
    raise FilterError(f"The filter compares with {tree.sql('hive')}, which is no constant.")


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
