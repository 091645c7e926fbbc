"""Trino's aggregate and window functions in DuckDB's SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millpond.planes.athena.casts import coerce
from millpond.planes.athena.exceptions import NotSupported, Place, QueryFailed
from millpond.planes.athena.functions import divide_exactly, unscaled
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    VARCHAR,
    Type,
    array,
    can_coerce,
    decimal,
    duckdb_type,
    map_of,
)


@dataclass(frozen=True)
class AggregateCall:
    """How an aggregate or window function is called.

    Parameters
    ----------
    name : str
        Trino's name, lower case.
    arguments : sequence of Typed
        Empty for ``count(*)``.
    is_distinct : bool
        Whether it was called with ``DISTINCT``.
    inside : str
        What follows the arguments: ``ORDER BY …`` or ``IGNORE NULLS``.
    after : str
        What follows the call: ``FILTER (…)`` and ``OVER (…)``.
    place : tuple
        Line and column of the name.
    """

    name: str
    arguments: Sequence[Typed]
    is_distinct: bool
    inside: str
    after: str
    place: Place

    def sql(self, name: str, *arguments: str) -> str:
        """The call of a DuckDB function with everything that belongs to it."""
        given = ", ".join(arguments or [a.sql for a in self.arguments])
        distinct = "DISTINCT " if self.is_distinct else ""
        return f"{name}({distinct}{given}{self.inside}){self.after}"

    def argument(self, index: int = 0) -> Typed:
        return self.arguments[index]

    def as_type(self, target: Type, index: int = 0) -> Typed:
        """An argument, coerced.

        Raises
        ------
        QueryFailed
            ``FUNCTION_NOT_FOUND`` if Trino would not coerce it.
        """
        value = self.arguments[index]
        if not can_coerce(value.type, target):
            raise self.mismatch()
        return coerce(value, target)

    def mismatch(self) -> QueryFailed:
        given = ", ".join(str(argument.type) for argument in self.arguments)
        message = f"Unexpected parameters ({given}) for function {self.name}"
        return QueryFailed("FUNCTION_NOT_FOUND", message, *self.place)


Builder = Callable[[AggregateCall], Typed]


def _count(call: AggregateCall) -> Typed:
    if len(call.arguments) > 1:
        raise call.mismatch()
    return Typed(call.sql("count", *([] if call.arguments else ["*"])), BIGINT)


def _count_if(call: AggregateCall) -> Typed:
    return Typed(call.sql("count", f"CASE WHEN {call.as_type(BOOLEAN).sql} THEN 1 END"), BIGINT)


def _sum(call: AggregateCall) -> Typed:
    """Integers sum to bigint, decimals to decimal(38, s), and too large a sum is an error."""
    type_ = call.argument().type
    if type_.is_integral:
        result = BIGINT
    elif type_.name == "decimal":
        result = decimal(38, type_.scale)
    elif type_.name in ("double", "real"):
        result = type_
    else:
        raise call.mismatch()
    return Typed(f"CAST({call.sql('sum')} AS {duckdb_type(result)})", result)


def _avg(call: AggregateCall) -> Typed:
    """The average of decimals keeps their type."""
    type_ = call.argument().type
    if type_.name == "decimal":
        total = Typed(f"CAST({call.sql('sum')} AS DECIMAL(38,{type_.scale}))", decimal(38, type_.scale))
        average = divide_exactly(unscaled(total), f"nullif({call.sql('count')}, 0)", 0, type_)
        return Typed(average.sql, type_)
    if type_.name == "real":
        return Typed(f"CAST({call.sql('avg')} AS FLOAT)", type_)
    return Typed(call.sql("avg", call.as_type(DOUBLE).sql), DOUBLE)


def _same(name: str) -> Builder:
    def build(call: AggregateCall) -> Typed:
        if name in ("min", "max") and len(call.arguments) != 1:
            raise NotSupported(f"{name} of more than one value", *call.place)
        return Typed(call.sql(name), call.argument().type)

    return build


def _doubles(name: str, count: int = 1) -> Builder:
    def build(call: AggregateCall) -> Typed:
        if len(call.arguments) != count:
            raise call.mismatch()
        return Typed(call.sql(name, *(call.as_type(DOUBLE, i).sql for i in range(count))), DOUBLE)

    return build


def _booleans(name: str) -> Builder:
    return lambda call: Typed(call.sql(name, call.as_type(BOOLEAN).sql), BOOLEAN)


def _numbers(name: str) -> Builder:
    """A window function without arguments whose result is a bigint."""
    return lambda call: Typed(f"{name}({call.inside}){call.after}", BIGINT)


def _fractions(name: str) -> Builder:
    return lambda call: Typed(f"{name}({call.inside}){call.after}", DOUBLE)


def _approx_distinct(call: AggregateCall) -> Typed:
    """The maximum standard error that a second argument asks for is not a promise about the value."""
    return Typed(call.sql("approx_count_distinct", call.argument().sql), BIGINT)


def _approx_percentile(call: AggregateCall) -> Typed:
    if len(call.arguments) != 2 or call.argument(1).type.name == "array":
        raise NotSupported("approx_percentile with weights or several percentages", *call.place)
    value = call.argument()
    quantile = f"CAST({call.argument(1).sql} AS FLOAT)"
    sql = call.sql("approx_quantile", value.sql, quantile)
    return Typed(f"CAST({sql} AS {duckdb_type(value.type)})", value.type)


def _array_agg(call: AggregateCall) -> Typed:
    return Typed(call.sql("list"), array(call.argument().type))


def _map_agg(call: AggregateCall) -> Typed:
    key, value = call.arguments
    entries = call.sql("list", f"struct_pack(k := {key.sql}, v := {value.sql})")
    return Typed(f"map_from_entries({entries})", map_of(key.type, value.type))


def _histogram(call: AggregateCall) -> Typed:
    result = map_of(call.argument().type, BIGINT)
    return Typed(f"CAST({call.sql('histogram')} AS {duckdb_type(result)})", result)


def _listagg(call: AggregateCall) -> Typed:
    texts = [call.as_type(VARCHAR, index).sql for index in range(len(call.arguments))]
    return Typed(call.sql("string_agg", *texts), VARCHAR)


def _bits(name: str) -> Builder:
    return lambda call: Typed(call.sql(name, call.as_type(BIGINT).sql), BIGINT)


def _shifted(name: str) -> Builder:
    """``lag`` and ``lead``: value, distance, default."""

    def build(call: AggregateCall) -> Typed:
        value = call.argument()
        others = [call.arguments[1].sql] if len(call.arguments) > 1 else []
        if len(call.arguments) > 2:
            others.append(coerce(call.arguments[2], value.type).sql)
        return Typed(call.sql(name, value.sql, *others), value.type)

    return build


AGGREGATES: dict[str, Builder] = {
    "any_value": _same("any_value"),
    "approx_distinct": _approx_distinct,
    "approx_percentile": _approx_percentile,
    "arbitrary": _same("any_value"),
    "array_agg": _array_agg,
    "avg": _avg,
    "bitwise_and_agg": _bits("bit_and"),
    "bitwise_or_agg": _bits("bit_or"),
    "bitwise_xor_agg": _bits("bit_xor"),
    "bool_and": _booleans("bool_and"),
    "bool_or": _booleans("bool_or"),
    "corr": _doubles("corr", 2),
    "count": _count,
    "count_if": _count_if,
    "covar_pop": _doubles("covar_pop", 2),
    "covar_samp": _doubles("covar_samp", 2),
    "every": _booleans("bool_and"),
    "geometric_mean": _doubles("geometric_mean"),
    "histogram": _histogram,
    "kurtosis": _doubles("kurtosis"),
    "listagg": _listagg,
    "map_agg": _map_agg,
    "max": _same("max"),
    "max_by": _same("arg_max"),
    "min": _same("min"),
    "min_by": _same("arg_min"),
    "regr_intercept": _doubles("regr_intercept", 2),
    "regr_slope": _doubles("regr_slope", 2),
    "skewness": _doubles("skewness"),
    "stddev": _doubles("stddev_samp"),
    "stddev_pop": _doubles("stddev_pop"),
    "stddev_samp": _doubles("stddev_samp"),
    "sum": _sum,
    "var_pop": _doubles("var_pop"),
    "var_samp": _doubles("var_samp"),
    "variance": _doubles("var_samp"),
}

WINDOW_ONLY: dict[str, Builder] = {
    "cume_dist": _fractions("cume_dist"),
    "dense_rank": _numbers("dense_rank"),
    "first_value": _same("first_value"),
    "lag": _shifted("lag"),
    "last_value": _same("last_value"),
    "lead": _shifted("lead"),
    "nth_value": _same("nth_value"),
    "ntile": lambda call: Typed(call.sql("ntile"), BIGINT),
    "percent_rank": _fractions("percent_rank"),
    "rank": _numbers("rank"),
    "row_number": _numbers("row_number"),
}
