"""Expressions of DQDL, on a number and on a column."""

from __future__ import annotations

import time
from typing import Any, List

from awsglue import _columns, gluetypes
from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql import types as spark

from awsgluedq.dqdl import Duration, Expression, Keyword, Now, Operand


def holds(value: float, expression: Expression) -> bool:
    """Whether a number is as an expression has it.

    Parameters
    ----------
    value : float
    expression : Expression
        Of numbers or durations, in seconds.
    """
    operands: List[float] = [
        float(operand.seconds if isinstance(operand, Duration) else operand)  # type: ignore[arg-type]
        for operand in expression.operands
    ]
    result = {
        "=": lambda: value == operands[0],
        "!=": lambda: value != operands[0],
        "<": lambda: value < operands[0],
        "<=": lambda: value <= operands[0],
        ">": lambda: value > operands[0],
        ">=": lambda: value >= operands[0],
        # Exclusive: "between 10 and 20" is from 11 to 19 of whole numbers.
        "between": lambda: operands[0] < value < operands[1],
        "in": lambda: value in operands,
    }[expression.operator]()
    return result is not expression.is_negated


def matches(column: Column, kind: spark.DataType, expression: Expression) -> Column:
    """Whether each value of a column is as an expression has it; a null is, only where ``NULL`` is named.

    Parameters
    ----------
    column : Column
    kind : DataType
        Of the column.
    expression : Expression
    """
    operands = expression.operands
    numbers = [operand for operand in operands if isinstance(operand, (int, float))]
    if isinstance(kind, spark.StringType) and numbers and len(numbers) == len(operands):
        # A text compares with a number as the number it is, if it is one.
        column = _columns.cast(column, gluetypes.StringType(), gluetypes.DoubleType())
    if expression.operator == "matches":
        holding = column.cast("string").rlike(f"^(?:{operands[0]})$")
    elif expression.operator == "between":
        low, high = (_value(operand, kind) for operand in operands)
        holding = (column > low) & (column < high)
    elif expression.operator == "in":
        holding = F.lit(False)
        for operand in operands:
            holding = holding | F.coalesce(_equals(column, kind, operand), F.lit(False))
        holding = F.when(column.isNull() & ~_names_null(expression), None).otherwise(holding)
    elif expression.operator in ("=", "!="):
        holding = _equals(column, kind, operands[0])
        holding = ~holding if expression.operator == "!=" else holding
    else:
        value = _value(operands[0], kind)
        holding = {
            "<": column < value,
            "<=": column <= value,
            ">": column > value,
            ">=": column >= value,
        }[expression.operator]
    return F.coalesce(~holding if expression.is_negated else holding, F.lit(False))


def _names_null(expression: Expression) -> Any:
    return F.lit(any(operand == Keyword("NULL") for operand in expression.operands))


def _equals(column: Column, kind: spark.DataType, operand: Operand) -> Column:
    if isinstance(operand, Keyword):
        text = column.cast("string")
        return {
            "NULL": column.isNull(),
            "EMPTY": text == "",
            "WHITESPACES_ONLY": text.rlike(r"^\s+$"),
        }[operand.name]
    return column == _value(operand, kind)


def _value(operand: Operand, kind: spark.DataType) -> Column:
    if isinstance(operand, Now):
        moment = F.lit(time.time() + operand.seconds).cast("timestamp")
        return moment.cast("date") if isinstance(kind, spark.DateType) else moment
    if isinstance(operand, Duration):
        return F.lit(operand.seconds)
    if isinstance(operand, str) and isinstance(kind, (spark.DateType, spark.TimestampType)):
        return F.lit(operand).cast(kind)
    return F.lit(operand)
