"""Conditions that compare one column with constants: those by which whole files can be left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

Comparison = tuple[str, exp.Column, Sequence[exp.Expr]]

_OPERATORS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_TURNED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_CONSTANT = (
    exp.Literal,
    exp.Boolean,
    exp.Neg,
    exp.Paren,
    exp.Cast,
    exp.DataType,
    exp.DataTypeParam,
    exp.CurrentDate,
    exp.CurrentTimestamp,
    exp.Localtimestamp,
    exp.Interval,
    exp.Var,
    exp.Add,
    exp.Sub,
)


def comparisons(node: exp.Expr) -> Iterator[Comparison]:
    """What a condition says of single columns: operator, column, constants.

    Every one of them is true for a row for which the condition is true.
    """
    if isinstance(node, exp.Paren):
        yield from comparisons(node.this)
    elif isinstance(node, exp.And):
        yield from comparisons(node.left)
        yield from comparisons(node.right)
    elif operator := _OPERATORS.get(type(node)):
        left, right = node.this, node.expression
        if isinstance(left, exp.Column) and is_constant(right):
            yield operator, left, [right]
        elif isinstance(right, exp.Column) and is_constant(left):
            yield _TURNED[operator], right, [left]
    elif isinstance(node, exp.Between):
        low, high = node.args["low"], node.args["high"]
        if isinstance(node.this, exp.Column) and is_constant(low) and is_constant(high):
            yield ">=", node.this, [low]
            yield "<=", node.this, [high]
    elif isinstance(node, exp.In):
        items = node.expressions
        if isinstance(node.this, exp.Column) and items and all(map(is_constant, items)):
            yield "in", node.this, items
    elif isinstance(node, exp.Is) and isinstance(node.this, exp.Column):
        if isinstance(node.expression, exp.Null):
            yield ("is not null" if node.args.get("negate") else "is null"), node.this, []
    elif isinstance(node, exp.Not) and isinstance(node.this, exp.Is):
        inner = node.this
        is_plain = isinstance(inner.expression, exp.Null) and not inner.args.get("negate")
        if isinstance(inner.this, exp.Column) and is_plain:
            yield "is not null", inner.this, []


def is_constant(node: exp.Expr) -> bool:
    """Whether an expression has the same value for every row, and can be worked out before any is read."""
    return all(isinstance(part, _CONSTANT) for part in node.walk())
