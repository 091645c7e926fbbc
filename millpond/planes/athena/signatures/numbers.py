"""Mathematical functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from millpond.planes.athena.casts import coerce
from millpond.planes.athena.exceptions import NotSupported
from millpond.planes.athena.kernels import Kernel, nested, numbers
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.signatures.overloads import (
    Body,
    Overload,
    common,
    common_kernel,
    first,
    kernel,
    made,
    one,
)
from millpond.planes.athena.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    MAX_PRECISION,
    REAL,
    SMALLINT,
    TINYINT,
    VARCHAR,
    Type,
    array,
    as_decimal,
    decimal,
    duckdb_type,
    map_of,
)

Arguments = Sequence[Typed]
_INTEGERS = (TINYINT, SMALLINT, INTEGER, BIGINT)


def _double(name: str, count: int = 1) -> list[Overload]:
    """A function of doubles that DuckDB computes as Java does, bit for bit, for every argument."""
    return one([DOUBLE] * count, DOUBLE, f"{name}({{all}})")


def _guarded(function: Callable[..., float], count: int = 1) -> list[Overload]:
    return one([DOUBLE] * count, DOUBLE, kernel(function))


def _bits(template: str, count: int = 2) -> list[Overload]:
    return one([BIGINT] * count, BIGINT, template)


def _shift(way: str) -> list[Overload]:
    return [Overload((type_, BIGINT), type_, _shift_body(way)) for type_ in _INTEGERS]


def _shift_body(way: str) -> Body:
    def factory(types: Sequence[Type], _result: Type) -> Callable[[int, int], int]:
        function = numbers.shifted(way, types[0].name)
        function.__qualname__ = f"shifted.{way}.{types[0].name}"
        return function

    return made(factory)


def _rounded(types: Sequence[Type]) -> Type:
    """``round(decimal(p, s))`` is one digit wider; with a number of digits the scale stays."""
    type_ = types[0]
    if type_.name != "decimal":
        return type_
    if len(types) == 2:
        return decimal(type_.precision + 1, type_.scale)
    return decimal(type_.precision - type_.scale + min(1, type_.scale), 0)


def _digits(given: Arguments) -> str:
    return given[1].sql if len(given) == 2 else "0"


def _round(given: Arguments, result: Type) -> str:
    value = given[0]
    if value.type.name == "decimal" and len(given) == 1:
        return f"CAST(round({value.sql}) AS {duckdb_type(result)})"
    arguments = [value.sql, f"CAST({_digits(given)} AS BIGINT)"]
    if value.type.name == "decimal":
        function = numbers.round_decimal(result)
        return Kernel(function, (result, BIGINT), result, key=str(result)).sql(
            [coerce(value, result).sql, arguments[1]]
        )
    if value.type.is_integral:
        if len(given) == 1:
            return value.sql
        return Kernel(numbers.round_integer(value.type.name), (value.type, BIGINT), result).sql(arguments)
    plain = numbers.round_double if value.type == DOUBLE else numbers.round_real
    return Kernel(plain, (value.type, BIGINT), result).sql(arguments)


def _floored(types: Sequence[Type]) -> Type:
    type_ = types[0]
    if type_.name != "decimal":
        return type_
    return decimal(min(MAX_PRECISION, type_.precision - type_.scale + min(type_.scale, 1)), 0)


def _without_fraction(types: Sequence[Type]) -> Type:
    """A whole number becomes a decimal by ``truncate``."""
    return _floored([as_decimal(types[0])])


def _kept(name: str) -> Body:
    return lambda given, result: f"CAST({name}({given[0].sql}) AS {duckdb_type(result)})"


def _truncated(given: Arguments, result: Type) -> str:
    name = given[0].type.name
    if name in ("double", "real"):
        body = kernel(numbers.truncate_double)
        assert callable(body)
        return body(given, result)
    return f"CAST(trunc({given[0].sql}) AS {duckdb_type(result)})"


def _truncated_to(given: Arguments, result: Type) -> str:
    function = numbers.round_decimal(result, is_truncation=True)
    arguments = [coerce(given[0], result).sql, f"CAST({given[1].sql} AS BIGINT)"]
    return Kernel(function, (result, BIGINT), result, key=f"truncate{result}").sql(arguments)


def _signed(types: Sequence[Type]) -> Type:
    return decimal(1, 0) if types[0].name == "decimal" else types[0]


def _sign(given: Arguments, result: Type) -> str:
    if given[0].type.name in ("double", "real"):
        body = kernel(numbers.sign_double)
        assert callable(body)
        return body(given, result)
    return f"CAST(sign({given[0].sql}) AS {duckdb_type(result)})"


def _mod_decimal(types: Sequence[Type]) -> Type:
    one_, other = types
    scale = max(one_.scale, other.scale)
    return decimal(min(one_.precision - one_.scale, other.precision - other.scale) + scale, scale)


def _extreme(name: str, function: Callable[..., object]) -> list[Overload]:
    """NULL where an argument is NULL; NaN only where all are."""

    def body(given: Arguments, result: Type) -> str:
        if result.name in ("map", "json", "unknown"):
            raise NotSupported(f"{name} of {result}")
        wanted = common_kernel(function)
        assert callable(wanted)
        return wanted(given, result)

    return one(["any"], common, body, variadic=True)


NUMBERS: dict[str, list[Overload]] = {
    "abs": one(["numeric"], first, "abs({0})"),
    "acos": _guarded(numbers.guarded(math.acos)),
    "asin": _guarded(numbers.guarded(math.asin)),
    "atan": _double("atan"),
    "atan2": _double("atan2", 2),
    "bit_count": one([BIGINT, BIGINT], BIGINT, kernel(numbers.bit_count)),
    "bitwise_and": _bits("({0} & {1})"),
    "bitwise_left_shift": _shift("left"),
    "bitwise_not": _bits("~({0})", 1),
    "bitwise_or": _bits("({0} | {1})"),
    "bitwise_right_shift": _shift("right"),
    "bitwise_right_shift_arithmetic": _shift("arithmetic"),
    "bitwise_xor": _bits("xor({0}, {1})"),
    "cbrt": _double("cbrt"),
    "ceil": one(["numeric"], _floored, _kept("ceil")),
    "ceiling": one(["numeric"], _floored, _kept("ceil")),
    "cos": _guarded(numbers.guarded(math.cos)),
    "cosh": _guarded(numbers.sinh_cosh("cosh")),
    "cosine_similarity": one(
        [map_of(VARCHAR, DOUBLE), map_of(VARCHAR, DOUBLE)], DOUBLE, kernel(numbers.cosine_similarity)
    ),
    "degrees": _double("degrees"),
    "e": one([], DOUBLE, "exp(1)"),
    "exp": _guarded(numbers.exp),
    "floor": one(["numeric"], _floored, _kept("floor")),
    "greatest": _extreme("greatest", nested.greatest),
    "infinity": one([], DOUBLE, "CAST('inf' AS DOUBLE)"),
    "is_finite": one([DOUBLE], BOOLEAN, "isfinite({0})"),
    "is_infinite": one([DOUBLE], BOOLEAN, "isinf({0})"),
    "is_nan": [Overload((REAL,), BOOLEAN, "isnan({0})"), Overload((DOUBLE,), BOOLEAN, "isnan({0})")],
    "least": _extreme("least", nested.least),
    "ln": _guarded(numbers.ln),
    "log": one([DOUBLE, DOUBLE], DOUBLE, kernel(numbers.log)),
    "log10": _guarded(numbers.log10),
    "log2": _guarded(numbers.log2),
    "nan": one([], DOUBLE, "CAST('nan' AS DOUBLE)"),
    "normal_cdf": one([DOUBLE] * 3, DOUBLE, kernel(numbers.normal_cdf)),
    "pi": one([], DOUBLE, "pi()"),
    "pow": _guarded(numbers.power, 2),
    "power": _guarded(numbers.power, 2),
    "radians": _double("radians"),
    "rand": one([], DOUBLE, "random()"),
    "random": one([], DOUBLE, "random()"),
    "round": [
        Overload(("numeric",), _rounded, _round),
        Overload(("numeric", INTEGER), _rounded, _round),
    ],
    "sign": one(["numeric"], _signed, _sign),
    "sin": _guarded(numbers.guarded(math.sin)),
    "sinh": _guarded(numbers.sinh_cosh("sinh")),
    "sqrt": _guarded(numbers.sqrt),
    "tan": _guarded(numbers.guarded(math.tan)),
    "tanh": _guarded(numbers.guarded(math.tanh)),
    "truncate": [
        Overload(("numeric",), _without_fraction, _truncated),
        Overload(("decimal", INTEGER), first, _truncated_to),
        Overload(("integral", INTEGER), lambda types: as_decimal(types[0]), _truncated_to),
    ],
    "width_bucket": [
        Overload((DOUBLE, DOUBLE, DOUBLE, BIGINT), BIGINT, kernel(numbers.width_bucket)),
        Overload((DOUBLE, array(DOUBLE)), BIGINT, kernel(numbers.width_bucket_bins)),
    ],
    "wilson_interval_lower": one([BIGINT, BIGINT, DOUBLE], DOUBLE, kernel(numbers.wilson(-1))),
    "wilson_interval_upper": one([BIGINT, BIGINT, DOUBLE], DOUBLE, kernel(numbers.wilson(1))),
}
