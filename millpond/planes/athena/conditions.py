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
    else:
        yield from _of_one_column(node)


def _of_one_column(node: exp.Expr) -> Iterator[Comparison]:
    """What BETWEEN, IN and IS say of the column before them."""
    is_negated = isinstance(node, exp.Not)
    inner = node.this if is_negated else node
    column = inner.this if isinstance(inner, exp.Expr) else None
    if not isinstance(column, exp.Column):
        return
    match inner:
        case exp.Is(expression=exp.Null()):
            if not is_negated:
                yield ("is not null" if inner.args.get("negate") else "is null"), column, []
            elif not inner.args.get("negate"):
                yield "is not null", column, []
        case exp.Between() if not is_negated:
            low, high = inner.args["low"], inner.args["high"]
            if is_constant(low) and is_constant(high):
                yield ">=", column, [low]
                yield "<=", column, [high]
        case exp.In() if not is_negated:
            items = inner.expressions
            if items and all(map(is_constant, items)):
                yield "in", column, items


def is_constant(node: exp.Expr) -> bool:
    """Whether an expression has the same value for every row, and can be worked out before any is read."""
    return all(isinstance(part, _CONSTANT) for part in node.walk())
