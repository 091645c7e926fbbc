"""Trino's aggregate and window functions in DuckDB's SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from millpond.planes.athena.casts import coerce
from millpond.planes.athena.exceptions import NotSupported, Place, QueryFailed
from millpond.planes.athena.kernels import Kernel, nested, numbers, statistics
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTERVAL_DAY,
    INTERVAL_MONTH,
    REAL,
    UNKNOWN,
    VARCHAR,
    Type,
    array,
    can_coerce,
    decimal,
    duckdb_type,
    map_of,
    row,
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

    def single(self) -> Typed:
        """The only argument."""
        if len(self.arguments) != 1:
            raise self.mismatch()
        return self.arguments[0]

    def single_as(self, target: Type) -> Typed:
        """The only argument, coerced."""
        self.single()
        return self.as_type(target)

    def mismatch(self) -> QueryFailed:
        given = ", ".join(str(argument.type) for argument in self.arguments)
        message = f"Unexpected parameters ({given}) for function {self.name}"
        return QueryFailed("FUNCTION_NOT_FOUND", message, *self.place)


_SAFE_DIGITS = 28
"""Decimals of so many digits can be added up ten thousand million times."""

Builder = Callable[[AggregateCall], Typed]


def _count(call: AggregateCall) -> Typed:
    if len(call.arguments) > 1:
        raise call.mismatch()
    return Typed(call.sql("count", *([] if call.arguments else ["*"])), BIGINT)


def _count_if(call: AggregateCall) -> Typed:
    return Typed(call.sql("count", f"CASE WHEN {call.single_as(BOOLEAN).sql} THEN 1 END"), BIGINT)


def _sum(call: AggregateCall) -> Typed:
    """Integers sum to bigint, decimals to decimal(38, s), and too large a sum is an error."""
    type_ = call.single().type
    if type_.is_integral or type_ == UNKNOWN:
        result = BIGINT
    elif type_.name == "decimal":
        result = decimal(38, type_.scale)
    elif type_.name in ("double", "real") or type_ in (INTERVAL_DAY, INTERVAL_MONTH):
        result = type_
    else:
        raise call.mismatch()
    return Typed(f"CAST({call.sql('sum')} AS {duckdb_type(result)})", result)


def _avg(call: AggregateCall) -> Typed:
    """The average of decimals keeps their type."""
    type_ = call.single().type
    if type_.name == "decimal" and type_.precision > _SAFE_DIGITS:
        kernel = Kernel(statistics.decimal_average(type_), (array(type_),), type_, key=str(type_))
        return Typed(kernel.sql([call.sql("list")]), type_)
    if type_.name == "decimal":
        total, count = decimal(38, type_.scale), decimal(19, 0)
        sqls = [
            f"CAST({call.sql('sum')} AS {duckdb_type(total)})",
            f"CAST(nullif({call.sql('count')}, 0) AS DECIMAL(19,0))",
        ]
        kernel = Kernel(numbers.decimal_quotient(type_), (total, count), type_, key=f"avg{type_}")
        return Typed(kernel.sql(sqls), type_)
    if type_.name == "real":
        return Typed(f"CAST({call.sql('avg')} AS FLOAT)", type_)
    if type_ in (INTERVAL_DAY, INTERVAL_MONTH):
        return Typed(f"CAST(floor({call.sql('avg')} + 0.5) AS {duckdb_type(type_)})", type_)
    return Typed(call.sql("avg", call.as_type(DOUBLE).sql), DOUBLE)


def _first_of(call: AggregateCall) -> Typed:
    value = call.single()
    return Typed(call.sql("any_value"), value.type)


def _valued(name: str) -> Builder:
    """A window function that answers one of the values."""

    def build(call: AggregateCall) -> Typed:
        if len(call.arguments) != (2 if name == "nth_value" else 1):
            raise call.mismatch()
        offset = call.argument(1).number if name == "nth_value" else None
        if offset is not None and offset < 1:
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", "Offset must be at least 1", *call.place)
        return Typed(call.sql(name), call.argument().type)

    return build


def _check_orderable(call: AggregateCall, type_: Type) -> None:
    if type_.name in ("json", "map"):
        raise call.mismatch()


def _extreme(name: str) -> Builder:
    """``min`` and ``max``: NaN counts only where there is nothing else."""

    def build(call: AggregateCall) -> Typed:
        if len(call.arguments) == 2:
            return _extremes(call, is_largest=name == "max")
        value = call.single()
        _check_orderable(call, value.type)
        if value.type.elements:
            values = array(value.type)
            function = nested.largest_known if name == "max" else nested.smallest_known
            return Typed(Kernel(function, (values,), value.type).sql([call.sql("list")]), value.type)
        if name == "max" and value.type.name in ("double", "real"):
            numbers_ = call.sql("max", f"CASE WHEN isnan({value.sql}) THEN NULL ELSE {value.sql} END")
            return Typed(f"coalesce({numbers_}, {call.sql('max')})", value.type)
        return Typed(call.sql(name), value.type)

    return build


def _extremes(call: AggregateCall, *, is_largest: bool) -> Typed:
    """The ``n`` least or greatest values."""
    value, count = call.argument(), call.as_type(BIGINT, 1)
    name = "max" if is_largest else "min"
    _check_orderable(call, value.type)
    _positive(count, f"second argument of {name}_n", call)
    result = array(value.type)
    kernel = Kernel(nested.extremes(is_largest), (result, BIGINT), result, key=name)
    return Typed(kernel.sql([call.sql("list", value.sql), _any_of(call, count)]), result)


def _any_of(call: AggregateCall, value: Typed) -> str:
    return value.sql if value.constant is not None else call.sql("any_value", value.sql)


def _positive(count: Typed, what: str, call: AggregateCall) -> None:
    if count.number is not None and count.number <= 0:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"{what} must be positive", *call.place)
    if count.number is not None and count.number > 10_000:
        message = f"{what} must be less than or equal to 10000; found {count.number}"
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message, *call.place)


def _by_number(call: AggregateCall, name: str, value: Typed, by: Typed) -> str:
    """What is chosen by a floating point number: by NaN only where there is nothing else."""
    number, is_nan = (
        f"CASE WHEN NOT isnan({by.sql}) THEN {by.sql} END",
        f"CASE WHEN isnan({by.sql}) THEN 0 END",
    )
    found, otherwise = (call.sql(name, value.sql, one) for one in (number, is_nan))
    return f"CASE WHEN {call.sql('count', number)} = 0 THEN {otherwise} ELSE {found} END"


def _by(name: str) -> Builder:
    """``min_by`` and ``max_by``; the value may be NULL, what it is chosen by may not."""

    def build(call: AggregateCall) -> Typed:
        if len(call.arguments) not in (2, 3):
            raise call.mismatch()
        value, by = call.argument(), call.argument(1)
        _check_orderable(call, by.type)
        if len(call.arguments) == 2:
            if by.type.elements:
                raise NotSupported(f"{name} by a value of type {by.type}", *call.place)
            if by.type.name in ("double", "real"):
                return Typed(_by_number(call, f"arg_{name[:3]}_null", value, by), value.type)
            return Typed(call.sql(f"arg_{name[:3]}_null"), value.type)
        count = call.as_type(BIGINT, 2)
        _positive(count, f"third argument of {name}", call)
        pair, result = row([value.type, by.type], ["v", "b"]), array(value.type)
        kernel = Kernel(nested.extremes_by(name == "max_by"), (array(pair), BIGINT), result, key=name)
        packed = f"struct_pack(v := {value.sql}, b := {by.sql})"
        return Typed(kernel.sql([call.sql("list", packed), _any_of(call, count)]), result)

    return build


def _spread(name: str) -> Builder:
    """A variance or what is made of one."""

    def build(call: AggregateCall) -> Typed:
        value = call.single()
        number = call.as_type(DOUBLE)
        if value.type.is_integral:
            return Typed(call.sql(name, number.sql), DOUBLE)
        return Typed(_finite(call, name, [number.sql]), DOUBLE)

    return build


def _finite(call: AggregateCall, name: str, numbers_: Sequence[str]) -> str:
    """A statistic of finite doubles; of others, which DuckDB refuses, NaN where there are enough."""
    every = " + ".join(numbers_)
    finite = call.sql(name, *(f"CASE WHEN isfinite({every}) THEN {one} END" for one in numbers_))
    is_wild, count = call.sql("bool_or", f"NOT isfinite({every})"), call.sql("count", every)
    least = 2 if name.endswith("_samp") else 1
    nan = f"CASE WHEN {count} >= {least} THEN CAST('nan' AS DOUBLE) END"
    return f"CASE WHEN {is_wild} THEN {nan} ELSE {finite} END"


def _moment(function: Callable[..., Any]) -> Builder:
    def build(call: AggregateCall) -> Typed:
        if len(call.arguments) != 1:
            raise call.mismatch()
        values = call.sql("list", call.as_type(DOUBLE).sql)
        return Typed(Kernel(function, (array(DOUBLE),), DOUBLE).sql([values]), DOUBLE)

    return build


def _pair(name: str) -> Builder:
    """A function of pairs: of doubles, or of reals where neither is a double."""

    def build(call: AggregateCall) -> Typed:
        if len(call.arguments) != 2:
            raise call.mismatch()
        result = DOUBLE if DOUBLE in (call.argument().type, call.argument(1).type) else REAL
        sqls = [f"CAST({call.as_type(result, index).sql} AS DOUBLE)" for index in range(2)]
        found = _finite(call, name, sqls)
        if not name.startswith("covar"):
            found = Kernel(statistics.known, (DOUBLE,), DOUBLE).sql([found])
        return Typed(f"CAST({found} AS {duckdb_type(result)})", result)

    return build


def _geometric_mean(call: AggregateCall) -> Typed:
    value = call.single()
    logarithm = Kernel(numbers.ln, (DOUBLE,), DOUBLE, key="ln").sql([call.as_type(DOUBLE).sql])
    mean = Kernel(numbers.exp, (DOUBLE,), DOUBLE).sql([call.sql("avg", logarithm)])
    result = REAL if value.type == REAL else DOUBLE
    return Typed(f"CAST({mean} AS {duckdb_type(result)})", result)


def _booleans(name: str) -> Builder:
    return lambda call: Typed(call.sql(name, call.single_as(BOOLEAN).sql), BOOLEAN)


def _numbers(name: str) -> Builder:
    """A window function without arguments whose result is a bigint."""
    return lambda call: Typed(f"{name}({call.inside}){call.after}", BIGINT)


def _fractions(name: str) -> Builder:
    return lambda call: Typed(f"{name}({call.inside}){call.after}", DOUBLE)


def _approx_distinct(call: AggregateCall) -> Typed:
    """Counted exactly: within every error that a second argument may ask for."""
    if len(call.arguments) not in (1, 2) or call.is_distinct:
        raise call.mismatch()
    if len(call.arguments) == 2:
        error = call.as_type(DOUBLE, 1).constant
        if error is not None and not 0.0040625 <= float(error.value or 0) <= 0.26:
            message = f"Standard error must be between 0.0040625 and 0.26: {error.value}"
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message, *call.place)
    return Typed(call.sql("count", f"DISTINCT {call.argument().sql}"), BIGINT)


def _approx_percentile(call: AggregateCall) -> Typed:
    """The value at its rank, exactly."""
    if len(call.arguments) != 2:
        raise NotSupported("approx_percentile with weights", *call.place)
    value, percentage = call.argument(), call.argument(1)
    if value.type.is_integral:
        number, result = call.as_type(BIGINT), BIGINT
    elif value.type.name == "double":
        number, result = value, DOUBLE
    elif value.type.name in ("real", "decimal"):
        number, result = call.as_type(REAL), REAL
    else:
        raise call.mismatch()
    known = percentage.constant.value if percentage.constant is not None else None
    if isinstance(known, int | float) and not 0 <= known <= 1:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", "Percentile must be between 0 and 1", *call.place)
    wanted = array(DOUBLE) if percentage.type.name == "array" else DOUBLE
    answer = array(result) if percentage.type.name == "array" else result
    given = coerce(percentage, wanted)
    function = statistics.percentiles if percentage.type.name == "array" else statistics.percentile
    share = (
        given.sql
        if percentage.is_atomic or percentage.type.name == "array"
        else call.sql("any_value", given.sql)
    )
    kernel = Kernel(function, (array(result), wanted), answer)
    return Typed(kernel.sql([call.sql("list", number.sql), share]), answer)


def _array_agg(call: AggregateCall) -> Typed:
    return Typed(call.sql("list"), array(call.single().type))


def _map_agg(call: AggregateCall) -> Typed:
    return _mapped(call, nested.map_agg, is_multi=False)


def _multimap_agg(call: AggregateCall) -> Typed:
    return _mapped(call, nested.multimap_agg, is_multi=True)


def _mapped(call: AggregateCall, function: Callable[..., Any], *, is_multi: bool) -> Typed:
    if len(call.arguments) != 2:
        raise call.mismatch()
    key, value = call.arguments
    result = map_of(key.type, array(value.type) if is_multi else value.type)
    pair = row([key.type, value.type], ["k", "v"])
    entries = call.sql("list", f"struct_pack(k := {key.sql}, v := {value.sql})")
    return Typed(Kernel(function, (array(pair),), result).sql([entries]), result)


def _map_union(call: AggregateCall) -> Typed:
    value = call.single()
    if value.type.name != "map":
        raise call.mismatch()
    return Typed(
        Kernel(nested.map_union, (array(value.type),), value.type).sql([call.sql("list")]), value.type
    )


def _histogram(call: AggregateCall) -> Typed:
    value = call.single()
    result = map_of(value.type, BIGINT)
    return Typed(Kernel(nested.histogram_of, (array(value.type),), result).sql([call.sql("list")]), result)


def _listagg(call: AggregateCall) -> Typed:
    for argument in call.arguments:
        if argument.type.name not in ("varchar", "unknown"):
            message = f"Expected expression of varchar, but it has {argument.type} type"
            raise QueryFailed("TYPE_MISMATCH", message, *call.place)
    texts = [argument.sql for argument in call.arguments]
    return Typed(call.sql("string_agg", *texts), VARCHAR)


def _bits(name: str) -> Builder:
    return lambda call: Typed(call.sql(name, call.single_as(BIGINT).sql), BIGINT)


def _shifted(name: str) -> Builder:
    """``lag`` and ``lead``: value, distance, default."""

    def build(call: AggregateCall) -> Typed:
        value = call.argument()
        if len(call.arguments) > 1 and (call.as_type(BIGINT, 1).number or 0) < 0:
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", "Offset must be at least 0", *call.place)
        others = [call.arguments[1].sql] if len(call.arguments) > 1 else []
        if len(call.arguments) > 2:
            others.append(coerce(call.arguments[2], value.type).sql)
        return Typed(call.sql(name, value.sql, *others), value.type)

    return build


AGGREGATES: dict[str, Builder] = {
    "any_value": _first_of,
    "approx_distinct": _approx_distinct,
    "approx_percentile": _approx_percentile,
    "arbitrary": _first_of,
    "array_agg": _array_agg,
    "avg": _avg,
    "bitwise_and_agg": _bits("bit_and"),
    "bitwise_or_agg": _bits("bit_or"),
    "bool_and": _booleans("bool_and"),
    "bool_or": _booleans("bool_or"),
    "corr": _pair("corr"),
    "count": _count,
    "count_if": _count_if,
    "covar_pop": _pair("covar_pop"),
    "covar_samp": _pair("covar_samp"),
    "every": _booleans("bool_and"),
    "geometric_mean": _geometric_mean,
    "histogram": _histogram,
    "kurtosis": _moment(statistics.kurtosis),
    "listagg": _listagg,
    "map_agg": _map_agg,
    "map_union": _map_union,
    "max": _extreme("max"),
    "max_by": _by("max_by"),
    "min": _extreme("min"),
    "min_by": _by("min_by"),
    "multimap_agg": _multimap_agg,
    "regr_intercept": _pair("regr_intercept"),
    "regr_slope": _pair("regr_slope"),
    "skewness": _moment(statistics.skewness),
    "stddev": _spread("stddev_samp"),
    "stddev_pop": _spread("stddev_pop"),
    "stddev_samp": _spread("stddev_samp"),
    "sum": _sum,
    "var_pop": _spread("var_pop"),
    "var_samp": _spread("var_samp"),
    "variance": _spread("var_samp"),
}

WINDOW_ONLY: dict[str, Builder] = {
    "cume_dist": _fractions("cume_dist"),
    "dense_rank": _numbers("dense_rank"),
    "first_value": _valued("first_value"),
    "lag": _shifted("lag"),
    "last_value": _valued("last_value"),
    "lead": _shifted("lead"),
    "nth_value": _valued("nth_value"),
    "ntile": lambda call: Typed(call.sql("ntile"), BIGINT),
    "percent_rank": _fractions("percent_rank"),
    "rank": _numbers("rank"),
    "row_number": _numbers("row_number"),
}

ORDER_NEEDED = frozenset({"cume_dist", "dense_rank", "lag", "lead", "ntile", "percent_rank", "rank"})
"""Window functions that need an ORDER BY."""
