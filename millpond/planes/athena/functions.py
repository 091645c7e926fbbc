"""Trino's scalar functions: what they accept, what they return, and what says the same in DuckDB.

A name that is not here does not exist; the table is the whole list. Signatures are those of Trino's
reference, "Functions and operators".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millpond.planes.athena.casts import cast, coerce, comparable, padded
from millpond.planes.athena.exceptions import NotSupported, Place, QueryFailed
from millpond.planes.athena.patterns import joda_to_strftime, mysql_to_strftime
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL_DAY,
    JSON,
    MAX_CHAR_LENGTH,
    MAX_PRECISION,
    REAL,
    TIMESTAMP,
    TIMESTAMP_TZ,
    TIMESTAMP_WITH_TIME_ZONE,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    as_decimal,
    can_coerce,
    char,
    common_type,
    decimal,
    duckdb_type,
    literal,
    map_of,
    row,
    varchar,
)

Parameter = Type | str
Result = Type | Callable[[Sequence[Type]], Type]
Template = str | Callable[[Sequence[Typed]], str]

_KINDS: dict[str, Callable[[Type], bool]] = {
    "any": lambda _: True,
    "numeric": lambda t: t.is_numeric,
    "integral": lambda t: t.is_integral,
    "decimal": lambda t: t.name == "decimal",
    "text": lambda t: t.is_text,
    "char": lambda t: t.name == "char",
    "array": lambda t: t.name == "array",
    "map": lambda t: t.name == "map",
    "time": lambda t: t.name in ("date", "timestamp", TIMESTAMP_TZ),
    "zoned": lambda t: t.name == TIMESTAMP_TZ,
    "interval": lambda t: t == INTERVAL_DAY,
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
    template : str or callable
        DuckDB's SQL with the arguments as ``{0}``, ``{1}`` …; ``{all}`` is all of them.
    is_variadic : bool
        Whether the last parameter can be repeated.
    """

    parameters: tuple[Parameter, ...]
    result: Result
    template: Template
    is_variadic: bool = False

    def accepts(self, arguments: Sequence[Typed]) -> bool:
        if len(arguments) < len(self.parameters) or (
            len(arguments) > len(self.parameters) and not self.is_variadic
        ):
            return False
        pairs = zip(self._expanded(len(arguments)), arguments, strict=True)
        return all(_fits(parameter, argument.type) for parameter, argument in pairs)

    def build(self, arguments: Sequence[Typed]) -> Typed:
        pairs = zip(self._expanded(len(arguments)), arguments, strict=True)
        given = [coerce(a, p) if isinstance(p, Type) and not p.is_text else a for p, a in pairs]
        result = self.result if isinstance(self.result, Type) else self.result([a.type for a in given])
        if callable(self.template):
            return Typed(self.template(given), result)
        sql = self.template.format(*(a.sql for a in given), all=", ".join(a.sql for a in given))
        return Typed(sql, result)

    def _expanded(self, count: int) -> list[Parameter]:
        return [*self.parameters, *self.parameters[-1:] * (count - len(self.parameters))]


def _fits(parameter: Parameter, type_: Type) -> bool:
    if isinstance(parameter, str):
        return type_ == UNKNOWN or _KINDS[parameter](type_)
    return can_coerce(type_, parameter)


def call(name: str, arguments: Sequence[Typed], place: Place) -> Typed:
    """The call of a scalar function.

    Raises
    ------
    QueryFailed
        ``FUNCTION_NOT_FOUND`` if there is no such function, or none for these types.
    """
    overloads = SCALARS.get(name)
    if overloads is None:
        raise QueryFailed("FUNCTION_NOT_FOUND", f"Function '{name}' not registered", *place)
    for overload in overloads:
        if overload.accepts(arguments):
            return overload.build(arguments)
    given = ", ".join(str(argument.type) for argument in arguments)
    expected = ", ".join(f"{name}({', '.join(map(str, overload.parameters))})" for overload in overloads)
    raise QueryFailed(
        "FUNCTION_NOT_FOUND",
        f"Unexpected parameters ({given}) for function {name}. Expected: {expected}",
        *place,
    )


def _first(types: Sequence[Type]) -> Type:
    return types[0]


def _as_varchar(types: Sequence[Type]) -> Type:
    return varchar(types[0].precision)


def _common(types: Sequence[Type]) -> Type:
    result = types[0]
    for type_ in types[1:]:
        combined = common_type(result, type_)
        if combined is None:
            raise QueryFailed("TYPE_MISMATCH", f"All arguments must be the same type: {result} and {type_}")
        result = combined
    return result


def _element(types: Sequence[Type]) -> Type:
    return types[0].elements[0] if types[0].elements else UNKNOWN


def _text_constant(argument: Typed, what: str) -> str:
    match = re.fullmatch(r"'((?:[^']|'')*)'", argument.sql)
    if match is None:
        raise NotSupported(f"{what} that is not a constant")
    return match[1].replace("''", "'")


def _same_type(template: str) -> Callable[[Sequence[Typed]], str]:
    """Arguments converted to their common type before they go into the template."""

    def build(arguments: Sequence[Typed]) -> str:
        target = _common([a.type for a in arguments])
        sqls = [coerce(a, target).sql for a in arguments]
        return template.format(*sqls, all=", ".join(sqls))

    return build


def _extreme(name: str) -> Callable[[Sequence[Typed]], str]:
    def build(arguments: Sequence[Typed]) -> str:
        target = _common([a.type for a in arguments])
        sqls = [coerce(a, target).sql for a in arguments]
        is_null = " OR ".join(f"{sql} IS NULL" for sql in sqls)
        return f"CASE WHEN {is_null} THEN NULL ELSE {name}({', '.join(sqls)}) END"

    return build


_UNITS = ("millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")


def _unit(argument: Typed) -> str:
    unit = _text_constant(argument, "A unit of time").lower()
    if unit not in _UNITS:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"'{unit}' is not a valid field")
    return unit


def _date_trunc(arguments: Sequence[Typed]) -> str:
    unit, value = arguments
    return f"CAST(date_trunc('{_unit(unit)}', {value.sql}) AS {duckdb_type(value.type)})"


def _date_add(arguments: Sequence[Typed]) -> str:
    unit, amount, value = arguments
    return f"CAST({value.sql} + ({amount.sql}) * INTERVAL 1 {_unit(unit)} AS {duckdb_type(value.type)})"


def _date_diff(arguments: Sequence[Typed]) -> str:
    unit, one, other = arguments
    target = _common([one.type, other.type])
    return f"date_sub('{_unit(unit)}', {coerce(one, target).sql}, {coerce(other, target).sql})"


def _date_format(arguments: Sequence[Typed]) -> str:
    value, pattern = arguments
    return f"strftime({value.sql}, {literal(mysql_to_strftime(_text_constant(pattern, 'A date pattern')))})"


def _date_parse(arguments: Sequence[Typed]) -> str:
    value, pattern = arguments
    return f"strptime({value.sql}, {literal(mysql_to_strftime(_text_constant(pattern, 'A date pattern')))})"


def _format_datetime(arguments: Sequence[Typed]) -> str:
    value, pattern = arguments
    return f"strftime({value.sql}, {literal(joda_to_strftime(_text_constant(pattern, 'A date pattern')))})"


def _regexp_replace(arguments: Sequence[Typed]) -> str:
    value, pattern = arguments[:2]
    replacement = ""
    if len(arguments) == 3:
        written = _text_constant(arguments[2], "A replacement")
        replacement = re.sub(r"\$(\d)", r"\\\1", written.replace("\\", "\\\\"))
    return f"regexp_replace({value.sql}, {pattern.sql}, {literal(replacement)}, 'g')"


def _round(arguments: Sequence[Typed]) -> str:
    value = arguments[0]
    digits = f", CAST({arguments[1].sql} AS INTEGER)" if len(arguments) == 2 else ""
    return f"CAST(round({value.sql}{digits}) AS {duckdb_type(_rounded([value.type]))})"


def _rounded(types: Sequence[Type]) -> Type:
    """``round(decimal(p, s))`` is one digit wider; with a number of digits the scale stays."""
    type_ = types[0]
    if type_.name != "decimal":
        return type_
    if len(types) == 2:
        return decimal(type_.precision + 1, type_.scale)
    return decimal(type_.precision - type_.scale + min(1, type_.scale), 0)


def _round_digits(arguments: Sequence[Typed]) -> str:
    value, digits = arguments
    target = _rounded([value.type, digits.type])
    return f"CAST(round({value.sql}, CAST({digits.sql} AS INTEGER)) AS {duckdb_type(target)})"


def _floored(types: Sequence[Type]) -> Type:
    type_ = types[0]
    if type_.name != "decimal":
        return type_
    return decimal(min(MAX_PRECISION, type_.precision - type_.scale + min(type_.scale, 1)), 0)


def _keep_type(name: str, result: Callable[[Sequence[Type]], Type]) -> Callable[[Sequence[Typed]], str]:
    def build(arguments: Sequence[Typed]) -> str:
        target = result([a.type for a in arguments])
        return f"CAST({name}({arguments[0].sql}) AS {duckdb_type(target)})"

    return build


def _format(arguments: Sequence[Typed]) -> str:
    """``format`` for the Java conversions that have the same text in C: ``%d %s %x %X %o %c %%``."""
    pattern = _text_constant(arguments[0], "A format")
    conversions = re.findall(r"%(?:%|[^a-zA-Z%]*[a-zA-Z])", pattern)
    if any(not re.fullmatch(r"%%|%[-0]?\d*[dxX]|%-?\d*s|%[-0]?\d*\.\d+f", c) for c in conversions):
        raise NotSupported(f"The format {pattern!r}")
    values = iter(arguments[1:])
    sqls = []
    for conversion in (c for c in conversions if c != "%%"):
        value = next(values, None)
        if value is None:
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"Invalid format string: {pattern}")
        if conversion.endswith("s") and not value.type.is_text:
            raise NotSupported("The conversion %s of something that is not text")
        if conversion[-1] in "dxX" and not value.type.is_integral:
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"Invalid format string: {pattern}")
        sqls.append(f"CAST({value.sql} AS DOUBLE)" if conversion.endswith("f") else value.sql)
    return f"printf({', '.join([literal(pattern), *sqls])})"


def _typeof(arguments: Sequence[Typed]) -> str:
    return literal(str(arguments[0].type))


def _concat_text(arguments: Sequence[Typed]) -> str:
    return "(" + " || ".join(a.sql for a in arguments) + ")"


def _joined_chars(types: Sequence[Type]) -> Type:
    length = sum(char(type_.precision).precision for type_ in types)
    if length > MAX_CHAR_LENGTH:
        message = f"CHAR length must be in range [0, {MAX_CHAR_LENGTH}], got {length}"
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message)
    return char(length)


def _concat_chars(arguments: Sequence[Typed]) -> str:
    return _concat_text([coerce(a, char(a.type.precision)) for a in arguments])


def _trimmed(name: str) -> list[Overload]:
    """A char that loses its blanks is a char of the same length still."""
    return [
        Overload((VARCHAR,), VARCHAR, f"{name}({{0}})"),
        Overload(("char",), _first, lambda given: padded(f"{name}({given[0].sql})", given[0].type)),
    ]


def _of_same_length(name: str) -> list[Overload]:
    return [
        Overload((VARCHAR,), VARCHAR, f"{name}({{0}})"),
        Overload(("char",), _first, f"{name}({{0}})"),
    ]


def _nullif(arguments: Sequence[Typed]) -> str:
    one, other = comparable(arguments, _common([a.type for a in arguments]))
    return f"CASE WHEN {one} = {other} THEN NULL ELSE {arguments[0].sql} END"


def _of_element(template: str) -> Callable[[Sequence[Typed]], str]:
    """An array and a value, both brought to what array and value have in common."""

    def build(arguments: Sequence[Typed]) -> str:
        values, value = arguments
        element = _common([_element([values.type]), value.type])
        return template.format(coerce(values, array(element)).sql, coerce(value, element).sql)

    return build


def _map_value(arguments: Sequence[Typed]) -> str:
    entries, key = arguments
    return f"map_extract({entries.sql}, {coerce(key, entries.type.elements[0]).sql})[1]"


def _concat_lists(arguments: Sequence[Typed]) -> str:
    target = _common([a.type for a in arguments])
    sql = coerce(arguments[0], target).sql
    for argument in arguments[1:]:
        sql = f"trino_list_concat({sql}, {coerce(argument, target).sql})"
    return sql


def _listed(values: Sequence[Typed]) -> str:
    separator, *others = values
    return f"concat_ws({', '.join([separator.sql, *(v.sql for v in others)])})"


def _array_join(arguments: Sequence[Typed]) -> str:
    value, separator, *filler = arguments
    texts = cast(value, array(VARCHAR)).sql
    if filler:
        texts = f"list_transform({texts}, lambda e: coalesce(e, {filler[0].sql}))"
    return f"trino_array_join({texts}, {separator.sql})"


def _one(parameters: Sequence[Parameter], result: Result, template: Template, **more: bool) -> list[Overload]:
    return [Overload(tuple(parameters), result, template, more.get("variadic", False))]


def _field(template: str) -> list[Overload]:
    return _one(["time"], BIGINT, template)


def _double(name: str, count: int = 1) -> list[Overload]:
    return _one([DOUBLE] * count, DOUBLE, f"{name}({{all}})")


def _bits(template: str, count: int = 2) -> list[Overload]:
    return _one([BIGINT] * count, BIGINT, template)


def _hash(name: str) -> list[Overload]:
    return _one([VARBINARY], VARBINARY, f"unhex({name}({{0}}))")


_TEXT_FUNCTIONS: dict[str, list[Overload]] = {
    "chr": _one([BIGINT], VARCHAR, "chr(CAST({0} AS INTEGER))"),
    "codepoint": _one([VARCHAR], INTEGER, "ord({0})"),
    "concat": [
        Overload((VARCHAR, VARCHAR), VARCHAR, _concat_text, True),
        Overload(("text", "text"), _joined_chars, _concat_chars),
        Overload((VARBINARY, VARBINARY), VARBINARY, _concat_text, True),
        Overload(("array", "array"), _common, _concat_lists, True),
    ],
    "concat_ws": _one([VARCHAR, VARCHAR], VARCHAR, _listed, variadic=True),
    "format": _one([VARCHAR, "any"], VARCHAR, _format, variadic=True),
    "from_utf8": _one([VARBINARY], VARCHAR, "decode({0})"),
    "hamming_distance": _one([VARCHAR, VARCHAR], BIGINT, "hamming({0}, {1})"),
    "length": [
        Overload(("text",), BIGINT, "length({0})"),
        Overload((VARBINARY,), BIGINT, "octet_length({0})"),
    ],
    "levenshtein_distance": _one([VARCHAR, VARCHAR], BIGINT, "levenshtein({0}, {1})"),
    "lower": _of_same_length("lower"),
    "lpad": _one([VARCHAR, BIGINT, VARCHAR], VARCHAR, "trino_lpad({0}, {1}, {2})"),
    "ltrim": _trimmed("ltrim"),
    "replace": [
        Overload((VARCHAR, VARCHAR), VARCHAR, "replace({0}, {1}, '')"),
        Overload((VARCHAR, VARCHAR, VARCHAR), VARCHAR, "replace({0}, {1}, {2})"),
    ],
    "reverse": [
        Overload((VARCHAR,), VARCHAR, "reverse({0})"),
        Overload(("array",), _first, "list_reverse({0})"),
    ],
    "rpad": _one([VARCHAR, BIGINT, VARCHAR], VARCHAR, "trino_rpad({0}, {1}, {2})"),
    "rtrim": _trimmed("rtrim"),
    "split": _one([VARCHAR, VARCHAR], array(VARCHAR), "string_split({0}, {1})"),
    "split_part": _one([VARCHAR, VARCHAR, BIGINT], VARCHAR, "trino_split_part({0}, {1}, {2})"),
    "starts_with": _one([VARCHAR, VARCHAR], BOOLEAN, "starts_with({0}, {1})"),
    "strpos": _one([VARCHAR, VARCHAR], BIGINT, "strpos({0}, {1})"),
    "substr": [
        Overload((VARCHAR, BIGINT), VARCHAR, "trino_substr({0}, {1})"),
        Overload((VARCHAR, BIGINT, BIGINT), VARCHAR, "trino_substr_length({0}, {1}, {2})"),
        Overload(("char", BIGINT), _as_varchar, "trino_substr({0}, {1})"),
        Overload(("char", BIGINT, BIGINT), _as_varchar, "trino_substr_length({0}, {1}, {2})"),
        Overload((VARBINARY, BIGINT), VARBINARY, "trino_substr_bytes({0}, {1}, octet_length({0}))"),
        Overload((VARBINARY, BIGINT, BIGINT), VARBINARY, "trino_substr_bytes({0}, {1}, {2})"),
    ],
    "to_utf8": _one([VARCHAR], VARBINARY, "encode({0})"),
    "translate": _one([VARCHAR, VARCHAR, VARCHAR], VARCHAR, "translate({0}, {1}, {2})"),
    "trim": _trimmed("trim"),
    "upper": _of_same_length("upper"),
    "regexp_count": _one([VARCHAR, VARCHAR], BIGINT, "len(regexp_extract_all({0}, {1}))"),
    "regexp_extract": [
        Overload((VARCHAR, VARCHAR), VARCHAR, "trino_regexp_extract({0}, {1}, 0)"),
        Overload((VARCHAR, VARCHAR, BIGINT), VARCHAR, "trino_regexp_extract({0}, {1}, {2})"),
    ],
    "regexp_extract_all": [
        Overload((VARCHAR, VARCHAR), array(VARCHAR), "regexp_extract_all({0}, {1})"),
        Overload((VARCHAR, VARCHAR, BIGINT), array(VARCHAR), "regexp_extract_all({0}, {1}, {2})"),
    ],
    "regexp_like": _one([VARCHAR, VARCHAR], BOOLEAN, "regexp_matches({0}, {1})"),
    "regexp_replace": [
        Overload((VARCHAR, VARCHAR), VARCHAR, _regexp_replace),
        Overload((VARCHAR, VARCHAR, VARCHAR), VARCHAR, _regexp_replace),
    ],
    "regexp_split": _one([VARCHAR, VARCHAR], array(VARCHAR), "string_split_regex({0}, {1})"),
}

_BINARY_FUNCTIONS: dict[str, list[Overload]] = {
    "from_base": _one([VARCHAR, BIGINT], BIGINT, "trino_from_base({0}, {1})"),
    "from_base64": _one([VARCHAR], VARBINARY, "from_base64({0})"),
    "from_hex": _one([VARCHAR], VARBINARY, "unhex({0})"),
    "md5": _hash("md5"),
    "sha1": _hash("sha1"),
    "sha256": _hash("sha256"),
    "to_base": _one([BIGINT, BIGINT], VARCHAR, "trino_to_base({0}, {1})"),
    "to_base64": _one([VARBINARY], VARCHAR, "to_base64({0})"),
    "to_hex": _one([VARBINARY], VARCHAR, "hex({0})"),
    "to_ieee754_32": _one([REAL], VARBINARY, "CAST(CAST({0} AS BIT) AS BLOB)"),
    "to_ieee754_64": _one([DOUBLE], VARBINARY, "CAST(CAST({0} AS BIT) AS BLOB)"),
    "to_big_endian_32": _one([INTEGER], VARBINARY, "CAST(CAST({0} AS BIT) AS BLOB)"),
    "to_big_endian_64": _one([BIGINT], VARBINARY, "CAST(CAST({0} AS BIT) AS BLOB)"),
    "from_big_endian_64": _one([VARBINARY], BIGINT, "CAST(CAST({0} AS BIT) AS BIGINT)"),
}

_NUMBER_FUNCTIONS: dict[str, list[Overload]] = {
    "abs": _one(["numeric"], _first, "abs({0})"),
    **{name: _double(name) for name in ("acos", "asin", "atan", "cbrt", "cos", "degrees", "exp", "ln")},
    **{name: _double(name) for name in ("log2", "log10", "radians", "sin", "sqrt", "tan")},
    "atan2": _double("atan2", 2),
    "bitwise_and": _bits("({0} & {1})"),
    "bitwise_left_shift": _bits("({0} << {1})"),
    "bitwise_not": _bits("~({0})", 1),
    "bitwise_or": _bits("({0} | {1})"),
    "bitwise_right_shift_arithmetic": _bits("({0} >> {1})"),
    "bitwise_xor": _bits("xor({0}, {1})"),
    "ceil": _one(["numeric"], _floored, _keep_type("ceil", _floored)),
    "ceiling": _one(["numeric"], _floored, _keep_type("ceil", _floored)),
    "e": _one([], DOUBLE, "exp(1)"),
    "floor": _one(["numeric"], _floored, _keep_type("floor", _floored)),
    "greatest": _one(["any"], _common, _extreme("greatest"), variadic=True),
    "infinity": _one([], DOUBLE, "CAST('inf' AS DOUBLE)"),
    "is_finite": _one([DOUBLE], BOOLEAN, "isfinite({0})"),
    "is_infinite": _one([DOUBLE], BOOLEAN, "isinf({0})"),
    "is_nan": _one([DOUBLE], BOOLEAN, "isnan({0})"),
    "least": _one(["any"], _common, _extreme("least"), variadic=True),
    "log": _one([DOUBLE, DOUBLE], DOUBLE, "(ln({1}) / ln({0}))"),
    "mod": [
        Overload(("integral", "integral"), _common, _same_type("trino_modulus({0}, {1})")),
        Overload((DOUBLE, DOUBLE), DOUBLE, "({0} % {1})"),
    ],
    "nan": _one([], DOUBLE, "CAST('nan' AS DOUBLE)"),
    "pi": _one([], DOUBLE, "pi()"),
    "pow": _double("pow", 2),
    "power": _double("pow", 2),
    "rand": _one([], DOUBLE, "random()"),
    "random": _one([], DOUBLE, "random()"),
    "round": [
        Overload(("numeric",), _rounded, _round),
        Overload(("numeric", BIGINT), _rounded, _round_digits),
    ],
    "sign": _one(["numeric"], _first, _keep_type("sign", _first)),
    "truncate": _one(["numeric"], _floored, _keep_type("trunc", _floored)),
}

_TIME_FUNCTIONS: dict[str, list[Overload]] = {
    "current_timezone": _one([], VARCHAR, "'UTC'"),
    "date": _one(["time"], DATE, "CAST({0} AS DATE)") + _one([VARCHAR], DATE, "CAST({0} AS DATE)"),
    "date_add": _one([VARCHAR, BIGINT, "time"], lambda types: types[2], _date_add),
    "date_diff": _one([VARCHAR, "time", "time"], BIGINT, _date_diff),
    "date_format": _one(["time", VARCHAR], VARCHAR, _date_format),
    "date_parse": _one([VARCHAR, VARCHAR], TIMESTAMP, _date_parse),
    "date_trunc": _one([VARCHAR, "time"], lambda types: types[1], _date_trunc),
    "day": _field("day({0})"),
    "day_of_month": _field("day({0})"),
    "day_of_week": _field("isodow({0})"),
    "day_of_year": _field("dayofyear({0})"),
    "dow": _field("isodow({0})"),
    "doy": _field("dayofyear({0})"),
    "format_datetime": _one(["time", VARCHAR], VARCHAR, _format_datetime),
    "from_iso8601_date": _one([VARCHAR], DATE, "CAST({0} AS DATE)"),
    "from_iso8601_timestamp": _one(
        [VARCHAR], TIMESTAMP_WITH_TIME_ZONE, "date_trunc('millisecond', CAST({0} AS TIMESTAMPTZ))"
    ),
    "from_unixtime": _one([DOUBLE], TIMESTAMP_WITH_TIME_ZONE, "date_trunc('millisecond', to_timestamp({0}))"),
    "hour": _field("hour({0})"),
    "last_day_of_month": _one(["time"], DATE, "last_day({0})"),
    "millisecond": _field("(millisecond({0}) % 1000)"),
    "minute": _field("minute({0})"),
    "month": _field("month({0})"),
    "now": _one([], TIMESTAMP_WITH_TIME_ZONE, "date_trunc('millisecond', now())"),
    "quarter": _field("quarter({0})"),
    "second": _field("second({0})"),
    "to_iso8601": [
        Overload((DATE,), VARCHAR, "strftime({0}, '%Y-%m-%d')"),
        Overload((TIMESTAMP,), VARCHAR, "replace(trino_timestamp_text({0}, 3), ' ', 'T')"),
        Overload(
            (TIMESTAMP_WITH_TIME_ZONE,),
            VARCHAR,
            "(replace(trino_timestamp_text(timezone('UTC', {0}), 3), ' ', 'T') || 'Z')",
        ),
    ],
    "to_unixtime": _one(["time"], DOUBLE, "epoch({0})"),
    "to_milliseconds": _one(["interval"], BIGINT, "CAST(round(epoch({0}) * 1000) AS BIGINT)"),
    "week": _field("week({0})"),
    "week_of_year": _field("week({0})"),
    "year": _field("year({0})"),
    "year_of_week": _field("isoyear({0})"),
    "yow": _field("isoyear({0})"),
}

_NESTED_FUNCTIONS: dict[str, list[Overload]] = {
    "array_distinct": _one(["array"], _first, "list_distinct({0})"),
    "array_except": _one(
        ["array", "array"],
        _common,
        _same_type("list_filter(list_distinct({0}), lambda e: NOT list_contains({1}, e))"),
    ),
    "array_intersect": _one(["array", "array"], _common, _same_type("list_intersect({0}, {1})")),
    "array_join": [
        Overload(("array", VARCHAR), VARCHAR, _array_join),
        Overload(("array", VARCHAR, VARCHAR), VARCHAR, _array_join),
    ],
    "array_max": _one(["array"], _element, "trino_array_extreme({0}, list_max({0}))"),
    "array_min": _one(["array"], _element, "trino_array_extreme({0}, list_min({0}))"),
    "array_position": _one(["array", "any"], BIGINT, _of_element("coalesce(list_position({0}, {1}), 0)")),
    "array_remove": _one(
        ["array", "any"],
        lambda types: array(_common([_element(types), types[1]])),
        _of_element("list_filter({0}, lambda e: e <> {1})"),
    ),
    "array_sort": _one(["array"], _first, "list_sort({0}, 'ASC', 'NULLS LAST')"),
    "array_union": _one(
        ["array", "array"], _common, _same_type("list_distinct(trino_list_concat({0}, {1}))")
    ),
    "cardinality": [
        Overload(("array",), BIGINT, "len({0})"),
        Overload(("map",), BIGINT, "cardinality({0})"),
    ],
    "contains": _one(["array", "any"], BOOLEAN, _of_element("trino_contains({0}, {1})")),
    "element_at": [
        Overload(("array", BIGINT), _element, "trino_element_at({0}, {1})"),
        Overload(("map", "any"), lambda types: types[0].elements[1], _map_value),
    ],
    "flatten": _one(["array"], _element, "flatten({0})"),
    "map": [
        Overload((), map_of(UNKNOWN, UNKNOWN), "MAP {{}}"),
        Overload(
            ("array", "array"),
            lambda types: map_of(types[0].elements[0], types[1].elements[0]),
            "map({0}, {1})",
        ),
    ],
    "map_concat": _one(["map", "map"], _common, "map_concat({all})", variadic=True),
    "map_keys": _one(["map"], lambda types: array(types[0].elements[0]), "map_keys({0})"),
    "map_values": _one(["map"], lambda types: array(types[0].elements[1]), "map_values({0})"),
    "map_entries": _one(
        ["map"], lambda types: array(row(types[0].elements, ["key", "value"])), "map_entries({0})"
    ),
    "sequence": [
        Overload(
            (BIGINT, BIGINT),
            array(BIGINT),
            "generate_series({0}, {1}, CASE WHEN {0} <= {1} THEN 1 ELSE -1 END)",
        ),
        Overload((BIGINT, BIGINT, BIGINT), array(BIGINT), "generate_series({0}, {1}, {2})"),
        Overload(
            (DATE, DATE),
            array(DATE),
            "CAST(generate_series({0}, {1}, INTERVAL 1 DAY) AS DATE[])",
        ),
        Overload((DATE, DATE, "any"), array(DATE), "CAST(generate_series({0}, {1}, {2}) AS DATE[])"),
        Overload(
            (TIMESTAMP, TIMESTAMP, "any"),
            array(TIMESTAMP),
            "generate_series({0}, {1}, {2})",
        ),
    ],
    "repeat": _one(
        ["any", BIGINT], lambda types: array(types[0]), "list_transform(range({1}), lambda i: {0})"
    ),
    "slice": _one(
        ["array", BIGINT, BIGINT],
        _first,
        "{0}[CASE WHEN {1} < 0 THEN len({0}) + {1} + 1 ELSE {1} END:"
        "CASE WHEN {1} < 0 THEN len({0}) + {1} + {2} ELSE {1} + {2} - 1 END]",
    ),
}

_OTHER_FUNCTIONS: dict[str, list[Overload]] = {
    "coalesce": _one(["any", "any"], _common, _same_type("coalesce({all})"), variadic=True),
    "json_array_length": _one([VARCHAR], BIGINT, "json_array_length({0})")
    + _one([JSON], BIGINT, "json_array_length({0})"),
    "json_extract": _one([VARCHAR, VARCHAR], JSON, "json_extract({0}, {1})")
    + _one([JSON, VARCHAR], JSON, "json_extract({0}, {1})"),
    "json_extract_scalar": _one([VARCHAR, VARCHAR], VARCHAR, "trino_json_scalar({0}, {1})")
    + _one([JSON, VARCHAR], VARCHAR, "trino_json_scalar({0}, {1})"),
    "json_format": _one([JSON], VARCHAR, "CAST({0} AS VARCHAR)"),
    "json_parse": _one([VARCHAR], JSON, "json({0})"),
    "json_size": _one([VARCHAR, VARCHAR], BIGINT, "json_array_length({0}, {1})"),
    "nullif": _one(["any", "any"], _first, _nullif),
    "typeof": _one(["any"], VARCHAR, _typeof),
    "uuid": _one([], VARCHAR, "CAST(uuid() AS VARCHAR)"),
}

SCALARS: dict[str, list[Overload]] = {
    **_TEXT_FUNCTIONS,
    **_BINARY_FUNCTIONS,
    **_NUMBER_FUNCTIONS,
    **_TIME_FUNCTIONS,
    **_NESTED_FUNCTIONS,
    **_OTHER_FUNCTIONS,
}

UNSUPPORTED = frozenset(
    {"checksum", "xxhash64", "crc32", "sha512", "murmur3", "spooky_hash_v2_32", "spooky_hash_v2_64"}
    | {"hmac_md5", "hmac_sha1", "hmac_sha256", "hmac_sha512", "approx_set", "merge", "make_set_digest"}
    | {
        "parse_datetime",
        "numeric_histogram",
        "map_union",
        "multimap_agg",
        "split_to_map",
        "url_encode",
        "zip",
        "zip_with",
        "ngrams",
    }
)


def arithmetic(operator: str, left: Typed, right: Typed, place: Place) -> Typed:
    """``+ - * / %`` on numbers.

    Decimals follow Trino's "Decimal functions and operators": the scale of a quotient is the larger of both.

    Raises
    ------
    QueryFailed
        ``TYPE_MISMATCH`` if either side is no number.
    """
    one, other = left.type, right.type
    if UNKNOWN in (one, other):
        known = other if one == UNKNOWN else one
        return Typed(f"CAST(NULL AS {duckdb_type(known)})", known)
    if not one.is_numeric or not other.is_numeric:
        raise QueryFailed("TYPE_MISMATCH", f"Cannot apply operator: {one} {operator} {other}", *place)
    common = common_type(one, other)
    assert common is not None
    if common.name != "decimal":
        return _plain_arithmetic(operator, coerce(left, common), coerce(right, common), common)
    return _decimal_arithmetic(operator, left, right)


def _plain_arithmetic(operator: str, left: Typed, right: Typed, common: Type) -> Typed:
    if common.is_integral and operator == "/":
        return Typed(f"trino_integer_divide({left.sql}, {right.sql})", common)
    if common.is_integral and operator == "%":
        return Typed(f"trino_modulus({left.sql}, {right.sql})", common)
    return Typed(f"({left.sql} {operator} {right.sql})", common)


def _decimal_arithmetic(operator: str, left: Typed, right: Typed) -> Typed:
    one, other = as_decimal(left.type), as_decimal(right.type)
    left, right = coerce(left, one), coerce(right, other)
    p1, s1, p2, s2 = one.precision, one.scale, other.precision, other.scale
    if operator == "/":
        result = decimal(p1 + s2 + max(s2 - s1, 0), max(s1, s2))
        return divide_exactly(unscaled(left), unscaled(right), result.scale - s1 + s2, result)
    if operator == "%":
        sql = f"trino_modulus({left.sql}, {right.sql})"
        return Typed(sql, decimal(min(p2 - s2, p1 - s1) + max(s1, s2), max(s1, s2)))
    if operator == "*":
        return Typed(f"({left.sql} * {right.sql})", decimal(p1 + p2, s1 + s2))
    wider = decimal(max(p1 - s1, p2 - s2) + max(s1, s2) + 1, max(s1, s2))
    return Typed(f"({left.sql} {operator} {right.sql})", wider)


def unscaled(value: Typed) -> str:
    """A decimal's digits as an integer of 128 bits."""
    precision, scale = value.type.precision, value.type.scale
    if scale == 0:
        return f"CAST({value.sql} AS HUGEINT)"
    if precision + scale < MAX_PRECISION:
        return f"CAST({value.sql} * {10**scale} AS HUGEINT)"
    return f"CAST(replace(CAST({value.sql} AS VARCHAR), '.', '') AS HUGEINT)"


def divide_exactly(dividend: str, divisor: str, power: int, result: Type) -> Typed:
    """The quotient of two integers, times ten to the ``power``, as a decimal rounded half up."""
    ratio = f"trino_ratio({dividend}, {divisor}, {10**power}::HUGEINT)"
    digits = f"CAST({ratio} AS DECIMAL(38,0))"
    if result.scale:
        unit = "0." + "0" * (result.scale - 1) + "1"
        digits = f"({digits} * {unit})"
    return Typed(f"CAST({digits} AS {duckdb_type(result)})", result)
