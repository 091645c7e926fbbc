"""Metric math: expressions over time series, for ``GetMetricData`` and alarms.

Source: "Using math expressions with CloudWatch metrics" in the CloudWatch User Guide: operators, and of the
functions those below. What is not below is refused, so that no alarm or graph is quietly empty.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Series = dict[int, float]
"""Values by the start of their period, in seconds since 1970."""

Value = float | Series | list[Series]

_OPERATORS: Mapping[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Eq: lambda left, right: float(left == right),
    ast.NotEq: lambda left, right: float(left != right),
    ast.Lt: lambda left, right: float(left < right),
    ast.LtE: lambda left, right: float(left <= right),
    ast.Gt: lambda left, right: float(left > right),
    ast.GtE: lambda left, right: float(left >= right),
    ast.And: lambda left, right: float(bool(left) and bool(right)),
    ast.Or: lambda left, right: float(bool(left) or bool(right)),
}
_EACH: Mapping[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "LOG": math.log,
    "LOG10": math.log10,
}
_OVER: Mapping[str, Callable[[list[float]], float]] = {
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
    "MIN": min,
    "MAX": max,
    "STDDEV": lambda values: math.sqrt(
        sum((value - sum(values) / len(values)) ** 2 for value in values) / len(values)
    ),
}


class MathError(ValueError):
    """An expression that is wrong, or uses what is not available here."""


def evaluate(expression: str, series: Mapping[str, Value], period: int, instants: Iterable[int]) -> Value:
    """The value of an expression.

    Parameters
    ----------
    expression : str
        For example ``SUM(METRICS())`` or ``IF(m1 > 0, 100 * m2 / m1, 0)``.
    series : mapping
        The other queries' values by their ids.
    period : int
        Seconds between two values.
    instants : iterable of int
        Starts of all periods, which ``FILL`` fills.

    Raises
    ------
    MathError
        If it cannot be evaluated.
    """
    return _Evaluator(series, period, list(instants)).value_of(_parsed(expression))


def names(expression: str) -> set[str]:
    """Ids that an expression needs before it can be evaluated.

    Raises
    ------
    MathError
        If it cannot be read.
    """
    nodes = list(ast.walk(_parsed(expression)))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    identifiers = {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in called}
    return identifiers - {"REPEAT"}


def _parsed(expression: str) -> ast.expr:
    text = expression.strip().replace("^", "**").replace("&&", " and ").replace("||", " or ")
    text = re.sub(r"\bAND\b", "and", re.sub(r"\bOR\b", "or", text))
    # IF is a function there and a word of the language here.
    text = re.sub(r"\bIF\s*\(", "IF_(", text)
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise MathError(f"Error in expression '{expression}': {error.msg}") from error


class _Evaluator:
    def __init__(self, series: Mapping[str, Value], period: int, instants: list[int]) -> None:
        self._series = series
        self._period = period
        self._instants = instants

    def value_of(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name) if name in self._series:
                return self._series[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _zip(operator.mul, -1.0, self.value_of(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _zip(_OPERATORS[type(op)], self.value_of(left), self.value_of(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return _zip(_OPERATORS[type(op)], self.value_of(left), self.value_of(right))
            case ast.BoolOp(op=op, values=parts):
                value = self.value_of(parts[0])
                for part in parts[1:]:
                    value = _zip(_OPERATORS[type(op)], value, self.value_of(part))
                return value
            case ast.List(elts=parts):
                return [series for part in parts for series in _all_series(self.value_of(part))]
            case ast.Call(func=ast.Name(id=function), args=arguments):
                return self._called(function, arguments)
        raise MathError(f"{ast.unparse(node)} is not known, or not available here")

    def _called(self, function: str, arguments: list[ast.expr]) -> Value:
        if function == "METRICS":
            substrings = [ast.literal_eval(argument) for argument in arguments]
            return [
                series
                for name, value in self._series.items()
                if not substrings or substrings[0] in name
                for series in _all_series(value)
            ]
        if function == "FILL" and len(arguments) == 2:
            return self._filled(self.value_of(arguments[0]), arguments[1])
        values = [self.value_of(argument) for argument in arguments]
        if function in _EACH and len(values) == 1:
            return _each(_EACH[function], values[0])
        if function in _OVER and len(values) == 1:
            return _over(_OVER[function], values[0])
        if function in _OTHERS:
            return _OTHERS[function](values, self._period)
        raise MathError(f"The function {function} is not known, or not available here")

    def _filled(self, value: Value, filling: ast.expr) -> Value:
        if isinstance(filling, ast.Name) and filling.id == "REPEAT":
            return _each_series(self._repeated, value)
        number = self.value_of(filling)
        if not isinstance(number, float):
            raise MathError("FILL fills with a number or REPEAT here")
        return _each_series(lambda series: {at: series.get(at, number) for at in self._instants}, value)

    def _repeated(self, series: Series) -> Series:
        filled: Series = {}
        last: float | None = None
        for at in self._instants:
            last = series.get(at, last)
            if last is not None:
                filled[at] = last
        return filled


def _if(values: list[Value], _period: int) -> Value:
    if len(values) not in (2, 3):
        raise MathError("IF takes a condition and one or two values")
    condition, then, otherwise = (*values, {})[:3]
    if isinstance(condition, float):
        return then if condition else otherwise
    [series] = _all_series(condition)
    chosen = {at: _point(then if yes else otherwise, at) for at, yes in series.items()}
    return {at: value for at, value in chosen.items() if value is not None}


def _rate(values: list[Value], _period: int) -> Value:
    return _each_series(
        lambda series: {
            at: (series[at] - series[before]) / (at - before)
            for before, at in zip(sorted(series), sorted(series)[1:], strict=False)
        },
        values[0],
    )


def _diff(values: list[Value], _period: int) -> Value:
    return _each_series(
        lambda series: {
            at: series[at] - series[before]
            for before, at in zip(sorted(series), sorted(series)[1:], strict=False)
        },
        values[0],
    )


def _running_sum(values: list[Value], _period: int) -> Value:
    def summed(series: Series) -> Series:
        total = 0.0
        return {at: (total := total + series[at]) for at in sorted(series)}

    return _each_series(summed, values[0])


def _period_of(_values: list[Value], period: int) -> Value:
    return float(period)


_OTHERS: Mapping[str, Callable[[list[Value], int], Value]] = {
    "DIFF": _diff,
    "IF_": _if,
    "PERIOD": _period_of,
    "RATE": _rate,
    "RUNNING_SUM": _running_sum,
}


def _zip(function: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """Apply to each pair of values of the same period; where one has none, there is no result."""
    if isinstance(left, list):
        return [_as_series(_zip(function, series, right)) for series in left]
    if isinstance(right, list):
        return [_as_series(_zip(function, left, series)) for series in right]
    if isinstance(left, float) and isinstance(right, float):
        result = _applied(function, left, right)
        if result is None:
            raise MathError("the operation has no result for these two numbers, as a division by zero")
        return result
    instants = (left if isinstance(left, dict) else right).keys()  # type: ignore[union-attr]
    zipped: Series = {}
    for at in instants:
        left_point, right_point = _point(left, at), _point(right, at)
        if (
            left_point is not None
            and right_point is not None
            and (result := _applied(function, left_point, right_point)) is not None
        ):
            zipped[at] = result
    return zipped


def _applied(function: Callable[[float, float], float], left: float, right: float) -> float | None:
    try:
        result = function(left, right)
    except (ZeroDivisionError, OverflowError):
        return None
    # A root of a negative number is complex.
    return None if isinstance(result, complex) else float(result)


def _point(value: Value, at: int) -> float | None:
    return value if isinstance(value, float) else _as_series(value).get(at)


def _each(function: Callable[[float], float], value: Value) -> Value:
    """Apply to each value; where the function has no result, as the logarithm of 0, there is none."""

    def applied(operand: float) -> float | None:
        try:
            return float(function(operand))
        except (ValueError, OverflowError):
            return None

    if isinstance(value, float):
        result = applied(value)
        if result is None:
            raise MathError(f"the function has no value for {value:g}")
        return result
    return _each_series(
        lambda series: {
            at: result_at for at, point in series.items() if (result_at := applied(point)) is not None
        },
        value,
    )


def _each_series(function: Callable[[Series], Series], value: Value) -> Value:
    if isinstance(value, list):
        return [function(series) for series in value]
    return function(_as_series(value))


def _over(function: Callable[[list[float]], float], value: Value) -> Value:
    """A series of the function's value at each instant of several series; for one series, a number."""
    if isinstance(value, list):
        instants = sorted({at for series in value for at in series})
        return {at: float(function([series[at] for series in value if at in series])) for at in instants}
    series = _as_series(value)
    return float(function(list(series.values()))) if series else {}


def _as_series(value: Any) -> Series:
    if isinstance(value, dict):
        return value
    raise MathError("a time series is needed where a number or a list was given")


def _all_series(value: Value) -> list[Series]:
    return value if isinstance(value, list) else [_as_series(value)]
