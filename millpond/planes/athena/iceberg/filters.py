"""Conditions of a query as expressions by which pyiceberg leaves out manifests and files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyiceberg.expressions import (
    AlwaysTrue,
    And,
    BooleanExpression,
    EqualTo,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    IsNull,
    LessThan,
    LessThanOrEqual,
    NotNull,
)
from pyiceberg.types import TimestamptzType

from millpond.planes.athena.iceberg.tables import TableSnapshot
from millpond.planes.athena.queries import Filter

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_EXPRESSIONS: dict[str, Any] = {
    "=": EqualTo,
    "<": LessThan,
    "<=": LessThanOrEqual,
    ">": GreaterThan,
    ">=": GreaterThanOrEqual,
    "in": In,
    "is null": IsNull,
    "is not null": NotNull,
}


def row_filter(
    connection: DuckDBPyConnection, snapshot: TableSnapshot, filters: Sequence[Filter]
) -> BooleanExpression:
    """What every row of the query fulfils; the constants are worked out by DuckDB."""
    fields = {field.name.lower(): field for field in snapshot.schema.fields}
    found: BooleanExpression = AlwaysTrue()
    for one in filters:
        values: tuple[Any, ...] = ()
        field = fields[one.column]
        if one.values:
            is_zoned = isinstance(field.field_type, TimestamptzType)
            given = [f"timezone('UTC', {value})" if is_zoned else value for value in one.values]
            values = connection.execute(f"SELECT {', '.join(given)}").fetchone() or ()
        found = And(found, _expression(field.name, one.operator, values))
    return found


def _expression(name: str, operator: str, values: tuple[Any, ...]) -> BooleanExpression:
    if any(value is None for value in values):
        return AlwaysTrue()
    given = (values,) if operator == "in" else values
    found: BooleanExpression = _EXPRESSIONS[operator](name, *given)
    return found
