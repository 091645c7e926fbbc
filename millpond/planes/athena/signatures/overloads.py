"""What one signature of a function is, and how a call of it is written for DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from millpond.planes.athena.casts import coerce
from millpond.planes.athena.exceptions import QueryFailed
from millpond.planes.athena.kernels import Kernel
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.types import (
    DATE,
    INTERVAL_DAY,
    INTERVAL_MONTH,
    TIMESTAMP_TZ,
    TINYINT,
    UNKNOWN,
    UTC,
    VARCHAR,
    Type,
    array,
    can_coerce,
    common_type,
    decimal,
    map_of,
)

Parameter = Type | str
Result = Type | Callable[[Sequence[Type]], Type]
Body = str | Callable[[Sequence[Typed], Type], str]
"""DuckDB's SQL with the arguments as ``{0}``, ``{1}`` …, each once; or what writes it."""

KINDS: dict[str, Callable[[Type], bool]] = {
    "any": lambda _: True,
    "numeric": lambda t: t.is_numeric,
    "integral": lambda t: t.is_integral,
    "decimal": lambda t: t.name == "decimal",
    "text": lambda t: t.is_text,
    "char": lambda t: t.name == "char",
    "array": lambda t: t.name == "array",
    "map": lambda t: t.name == "map",
    "row": lambda t: t.name == "row",
    "time": lambda t: t.name == "time",
    "timestamp": lambda t: t.name == "timestamp",
    "moment": lambda t: t.name in ("timestamp", TIMESTAMP_TZ),
    "day": lambda t: t.name in ("date", "timestamp", TIMESTAMP_TZ),
    "zoned": lambda t: t.name == TIMESTAMP_TZ,
    "interval": lambda t: t in (INTERVAL_DAY, INTERVAL_MONTH),
}

# What a NULL without a type is held for where a kind of type is asked: the first that Trino finds.
_NULLS: dict[str, Type] = {
    "numeric": TINYINT,
    "integral": TINYINT,
    "decimal": decimal(1, 0),
    "array": array(UNKNOWN),
    "map": map_of(UNKNOWN, UNKNOWN),
    "time": Type("time", (0,)),
    "timestamp": Type("timestamp", (0,)),
    "moment": Type("timestamp", (0,)),
    "day": DATE,
    "zoned": Type(TIMESTAMP_TZ, (0,), zone=UTC),
}


_EXAMPLES = {
    "text": Type("char", (1,)),
    "char": Type("char", (1,)),
    "interval": INTERVAL_DAY,
    "row": Type("row"),
}


@dataclass(frozen=True)
class Overload:
    """One signature of a function.

    Parameters
    ----------
    parameters : tuple
        A type, to which the argument is coerced, or a kind of type, which it must be.
    result : Type or callable
        Of the types of the arguments.
    body : str or callable
        What computes it.
    is_variadic : bool
        Whether the last parameter can be repeated.
    """

    parameters: tuple[Parameter, ...]
    result: Result
    body: Body
    is_variadic: bool = False

    def accepts(self, arguments: Sequence[Typed], *, exactly: bool) -> bool:
        if len(arguments) < len(self.parameters) or (
            len(arguments) > len(self.parameters) and not self.is_variadic
        ):
            return False
        pairs = zip(self.expanded(len(arguments)), arguments, strict=True)
        return all(_fits(parameter, argument.type, exactly=exactly) for parameter, argument in pairs)

    def build(self, arguments: Sequence[Typed]) -> Typed:
        pairs = zip(self.expanded(len(arguments)), arguments, strict=True)
        given = [_coerced(argument, parameter) for parameter, argument in pairs]
        result = self.result if isinstance(self.result, Type) else self.result([a.type for a in given])
        if callable(self.body):
            return Typed(self.body(given, result), result)
        sql = self.body.format(*(a.sql for a in given), all=", ".join(a.sql for a in given))
        return Typed(sql, result)

    def expanded(self, count: int) -> list[Parameter]:
        """The parameters of a call with so many arguments."""
        return [*self.parameters, *self.parameters[-1:] * (count - len(self.parameters))]


def _fits(parameter: Parameter, type_: Type, *, exactly: bool) -> bool:
    if isinstance(parameter, str):
        # Of an instant, what has no zone is one of the session's.
        is_instant = parameter == "zoned" and not exactly and KINDS["day"](type_)
        return type_ == UNKNOWN or KINDS[parameter](type_) or is_instant
    if exactly:
        return type_ == UNKNOWN or (
            type_.name == parameter.name and (not parameter.elements or can_coerce(type_, parameter))
        )
    return can_coerce(type_, parameter)


def _coerced(argument: Typed, parameter: Parameter) -> Typed:
    if isinstance(parameter, Type) and not (parameter == VARCHAR and argument.type.is_text):
        if parameter.name == argument.type.name and not parameter.elements:
            # The length of a text and the digits of a second are the argument's own.
            return argument
        return coerce(argument, parameter)
    if argument.type == UNKNOWN and parameter in _NULLS:
        return coerce(argument, _NULLS[parameter])
    if parameter == "zoned" and argument.type.name in ("date", "timestamp"):
        return coerce(argument, Type(TIMESTAMP_TZ, argument.type.numbers or (0,), zone=UTC))
    return argument


def choose(overloads: Sequence[Overload], arguments: Sequence[Typed]) -> Overload | None:
    """The signature that takes arguments: one that takes them as they are before one that coerces them."""
    for exactly in (True, False):
        for overload in overloads:
            if overload.accepts(arguments, exactly=exactly):
                return overload
    return None


def nearest_overloads(overloads: Sequence[Overload], arguments: Sequence[Typed]) -> list[Overload]:
    """The signatures that take arguments, without those that are wider than another of them."""
    exact = [overload for overload in overloads if overload.accepts(arguments, exactly=True)]
    found = exact or [overload for overload in overloads if overload.accepts(arguments, exactly=False)]
    count = len(arguments)
    return [one for one in found if not any(_is_narrower(other, one, count) for other in found)]


def _is_narrower(one: Overload, other: Overload, count: int) -> bool:
    pairs = [
        tuple(map(_example, both)) for both in zip(one.expanded(count), other.expanded(count), strict=True)
    ]
    return all(can_coerce(a, b) for a, b in pairs) and not all(can_coerce(b, a) for a, b in pairs)


def _example(parameter: Parameter) -> Type:
    """A type that a parameter takes."""
    if isinstance(parameter, Type):
        return parameter
    return _NULLS.get(parameter) or _EXAMPLES.get(parameter, UNKNOWN)


class NothingInCommon(QueryFailed):
    """Arguments that have no common type."""


# Bodies


def kernel(function: Callable[..., Any], *, takes_null: bool = False) -> Body:
    """A function of Python over the arguments."""

    def body(given: Sequence[Typed], result: Type) -> str:
        types = tuple(argument.type for argument in given)
        call = Kernel(function, types, result, takes_null, str(id(function)))
        return call.sql([argument.sql for argument in given])

    return body


def made(factory: Callable[[Sequence[Type], Type], Callable[..., Any]], *, takes_null: bool = False) -> Body:
    """A function of Python that depends on the types of the arguments and of the result."""

    def body(given: Sequence[Typed], result: Type) -> str:
        types = tuple(argument.type for argument in given)
        key = "|".join([str(id(factory)), *(f"{t}{t.zone}" for t in (*types, result))])
        return Kernel(factory(types, result), types, result, takes_null, key).sql([a.sql for a in given])

    return body


def common_kernel(function: Callable[..., Any], *, takes_null: bool = False) -> Body:
    """A function of Python over arguments brought to the type they have in common."""

    def body(given: Sequence[Typed], result: Type) -> str:
        target = common([argument.type for argument in given])
        sqls = [coerce(argument, target).sql for argument in given]
        return Kernel(function, (target,) * len(sqls), result, takes_null).sql(sqls)

    return body


def native_if(is_fit: Callable[[Sequence[Typed]], bool], template: str, otherwise: Body) -> Body:
    """DuckDB's own SQL where the arguments are such that it means the same; something else where not."""

    def body(given: Sequence[Typed], result: Type) -> str:
        if is_fit(given):
            return template.format(*(a.sql for a in given), all=", ".join(a.sql for a in given))
        assert callable(otherwise)
        return otherwise(given, result)

    return body


# Results


def first(types: Sequence[Type]) -> Type:
    return types[0]


def text_like(types: Sequence[Type]) -> Type:
    """Text of at most the length of the first argument."""
    return Type("varchar", types[0].numbers) if types[0].is_text else VARCHAR


def list_of_text_like(types: Sequence[Type]) -> Type:
    return Type("array", elements=(text_like(types),))


def common(types: Sequence[Type]) -> Type:
    result = types[0]
    for type_ in types[1:]:
        combined = common_type(result, type_)
        if combined is None:
            raise NothingInCommon(
                "TYPE_MISMATCH", f"All arguments must be the same type: {result} and {type_}"
            )
        result = combined
    return result


def element(types: Sequence[Type]) -> Type:
    return types[0].elements[0] if types[0].elements else UNKNOWN


def one(
    parameters: Sequence[Parameter], result: Result, body: Body, *, variadic: bool = False
) -> list[Overload]:
    """A function with a single signature."""
    return [Overload(tuple(parameters), result, body, variadic)]
