"""Trino's scalar functions: the table of their signatures, calls of them, and arithmetic.

A name that is in none of the tables does not exist, or is one of those that are known and not compiled.
"""

from __future__ import annotations

from collections.abc import Sequence

from millpond.planes.athena.casts import bound, coerce, comparable
from millpond.planes.athena.exceptions import Place, QueryFailed
from millpond.planes.athena.kernels import Kernel, fail, numbers
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.signatures.binaries import BINARIES, BYTES_REVERSED
from millpond.planes.athena.signatures.collections import COLLECTIONS, LISTS_JOINED
from millpond.planes.athena.signatures.documents import DOCUMENTS
from millpond.planes.athena.signatures.moments import MOMENTS
from millpond.planes.athena.signatures.numbers import NUMBERS
from millpond.planes.athena.signatures.overloads import (
    NothingInCommon,
    Overload,
    choose,
    common,
    first,
    nearest_overloads,
    one,
)
from millpond.planes.athena.signatures.texts import PATTERNS, TEXTS
from millpond.planes.athena.types import (
    MAX_PRECISION,
    UNKNOWN,
    UUID,
    VARCHAR,
    Type,
    as_decimal,
    common_type,
    decimal,
    duckdb_type,
    literal,
)


def _coalesced(given: Sequence[Typed], result: Type) -> str:
    return f"coalesce({', '.join(coerce(argument, result).sql for argument in given)})"


def _nullif(given: Sequence[Typed], _result: Type) -> str:
    value, other = given
    target = common([value.type, other.type])

    def build(name: str) -> str:
        left, right = comparable([Typed(name, value.type), other], target)
        return f"CASE WHEN {left} = {right} THEN NULL ELSE {name} END"

    return bound(value.sql, build, is_atomic=value.is_atomic)


def _modulo(given: Sequence[Typed], _result: Type) -> str:
    return arithmetic("%", given[0], given[1], (None, None)).sql


def _modulo_type(types: Sequence[Type]) -> Type:
    return arithmetic("%", Typed("0", types[0]), Typed("0", types[1]), (None, None)).type


def _format(given: Sequence[Typed], _result: Type) -> str:
    from millpond.planes.athena.signatures.formatting import formatted

    return formatted(given)


def _typeof(given: Sequence[Typed], _result: Type) -> str:
    """The name of the type; the value is worked out still, as it may fail, or be an aggregate."""
    value = given[0]
    if value.is_atomic:
        return literal(str(value.type))
    name = str(value.type)

    def named(_value: object) -> str:
        return name

    return Kernel(named, (value.type,), VARCHAR, takes_null=True, key=name).sql([value.sql])


SCALARS: dict[str, list[Overload]] = {
    **TEXTS,
    **PATTERNS,
    **BINARIES,
    **DOCUMENTS,
    **NUMBERS,
    **MOMENTS,
    **COLLECTIONS,
    "coalesce": one(["any", "any"], common, _coalesced, variadic=True),
    "concat": [*TEXTS["concat"], *LISTS_JOINED],
    "format": one([VARCHAR, "any"], VARCHAR, _format, variadic=True),
    "mod": one(["numeric", "numeric"], _modulo_type, _modulo),
    "nullif": one(["any", "any"], first, _nullif),
    "reverse": [*TEXTS["reverse"], BYTES_REVERSED, Overload(("array",), first, "list_reverse({0})")],
    "typeof": one(["any"], VARCHAR, _typeof),
    "uuid": one([], UUID, "CAST(uuid() AS VARCHAR)"),
}

UNSUPPORTED = frozenset(
    {
        # Digests and other sketches.
        "approx_most_frequent", "approx_set", "empty_approx_set", "hash_counts",
        "intersection_cardinality", "jaccard_index", "make_set_digest", "merge", "merge_set_digest",
        "qdigest_agg", "quantile_at_value", "tdigest_agg", "value_at_quantile",
        "values_at_quantiles",
        # Colours.
        "bar", "color", "render", "rgb",
        # Hashes and statistics.
        "beta_cdf", "bitwise_xor_agg", "checksum", "inverse_beta_cdf", "inverse_normal_cdf",
        "numeric_histogram", "reduce_agg", "spooky_hash_v2_32", "spooky_hash_v2_64", "t_cdf",
        "t_pdf",
        # Text, times, lists and vectors.
        "cosine_distance", "dot_product", "euclidean_distance", "fail",
        "from_iso8601_timestamp_nanos", "from_unixtime_nanos", "map_union", "map_zip_with",
        "shuffle", "timezone", "word_stem",
        # JSON of the SQL standard.
        "json_array", "json_exists", "json_object", "json_query", "json_table", "json_value",
        # The session.
        "current_catalog", "current_groups", "current_schema", "current_user", "version",
        # Rows that match a pattern, and table functions.
        "classifier", "exclude_columns", "match_number", "table_changes",
        # Machine learning.
        "classify", "evaluate_classifier_predictions", "features", "learn_classifier",
        "learn_libsvm_classifier", "learn_libsvm_regressor", "learn_regressor", "regress",
        # Geometry.
        "bing_tile", "bing_tile_at", "bing_tile_coordinates", "bing_tile_polygon",
        "bing_tile_quadkey", "bing_tile_zoom_level", "bing_tiles_around", "convex_hull_agg",
        "from_encoded_polyline", "from_geojson_geometry", "geometry_from_hadoop_shape",
        "geometry_invalid_reason", "geometry_nearest_points", "geometry_to_bing_tiles",
        "geometry_union", "geometry_union_agg", "great_circle_distance", "line_interpolate_point",
        "line_interpolate_points", "line_locate_point", "simplify_geometry", "spatial_partitioning",
        "spatial_partitions", "st_area", "st_asbinary", "st_astext", "st_boundary", "st_buffer",
        "st_centroid", "st_contains", "st_convexhull", "st_coorddim", "st_crosses", "st_difference",
        "st_dimension", "st_disjoint", "st_distance", "st_endpoint", "st_envelope",
        "st_envelopeaspts", "st_equals", "st_exteriorring", "st_geometries", "st_geometryfromtext",
        "st_geometryn", "st_geometrytype", "st_geomfrombinary", "st_geomfromkml",
        "st_interiorringn", "st_interiorrings", "st_intersection", "st_intersects", "st_isclosed",
        "st_isempty", "st_isring", "st_issimple", "st_isvalid", "st_length", "st_linefromtext",
        "st_linestring", "st_multipoint", "st_numgeometries", "st_numinteriorring", "st_numpoints",
        "st_overlaps", "st_point", "st_pointn", "st_points", "st_polygon", "st_relate",
        "st_startpoint", "st_symdifference", "st_touches", "st_union", "st_within", "st_x",
        "st_xmax", "st_xmin", "st_y", "st_ymax", "st_ymin", "to_encoded_polyline",
        "to_geojson_geometry", "to_geometry", "to_spherical_geography",
    }
)  # fmt: skip
"""Functions that Trino has and the compiler has not: refused by name."""


def _joined_alone(name: str, argument: Typed) -> Typed:
    """``concat`` of a single value fails when it runs, so that ``TRY`` makes NULL of it."""
    kind = "arguments to concat" if argument.type.name == "array" else "concatenation arguments"
    kind += " to map_concat" if name == "map_concat" else ""

    def refuse(_value: object) -> object:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"There must be two or more {kind}")

    kernel = Kernel(refuse, (argument.type,), argument.type, takes_null=True, key=kind)
    return Typed(kernel.sql([argument.sql]), argument.type)


def _check_call(name: str, arguments: Sequence[Typed], place: Place) -> None:
    """Refuse what Trino refuses before it looks for a signature."""
    if name in ("coalesce", "format") and len(arguments) < 2:
        message = f"The '{name}' function must have at least two arguments"
        raise QueryFailed("SYNTAX_ERROR", message, *place)
    if name == "format" and arguments[0].type.name != "varchar":
        message = f"Type of first argument to format() must be VARCHAR (actual: {arguments[0].type})"
        raise QueryFailed("TYPE_MISMATCH", message, *place)


def _is_ambiguous(name: str, overloads: Sequence[Overload], arguments: Sequence[Typed]) -> bool:
    """Whether a NULL without a type leaves several signatures, none of them the nearest.

    Where their results have one type and are NULL anyway, Trino takes any.
    """
    types = [argument.type for argument in arguments]
    if UNKNOWN not in types:
        return False
    if name == "json_extract_scalar":
        # The text of a document is as long as the document, that of a value of JSON is of any length.
        return types[0] == UNKNOWN
    if name == "concat":
        # A text beside it says which; beside an array it could be another array, or an element.
        is_list = any(type_.name == "array" for type_ in types)
        return len(types) == 2 if is_list else set(types) == {UNKNOWN}
    nearest = nearest_overloads(overloads, arguments)
    if len(nearest) < 2:
        return False
    # A text that is joined may be NULL, a separator may not.
    is_null = name != "concat_ws" or types[0] == UNKNOWN
    return not is_null or len({overload.build(arguments).type for overload in nearest}) > 1


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
    if len(arguments) == 1 and name in ("concat", "map_concat"):
        return _joined_alone(name, arguments[0])
    _check_call(name, arguments, place)
    if _is_ambiguous(name, overloads, arguments):
        message = "Could not choose a best candidate operator. Explicit type casts must be added."
        raise QueryFailed("AMBIGUOUS_FUNCTION_CALL", message, *place)
    overload = choose(overloads, arguments)
    if overload is not None:
        try:
            return overload.build(arguments)
        except NothingInCommon as failure:
            if name in ("coalesce", "nullif"):
                raise failure.at(place) from None
            others = [other for other in overloads if other is not overload]
            another = choose(others, arguments) if name == "concat" else None
            if another is not None:
                return another.build(arguments)
        except QueryFailed as failure:
            raise failure.at(place) from None
    given = ", ".join(str(argument.type) for argument in arguments)
    expected = ", ".join(f"{name}({', '.join(map(str, each.parameters))})" for each in overloads)
    raise QueryFailed(
        "FUNCTION_NOT_FOUND",
        f"Unexpected parameters ({given}) for function {name}. Expected: {expected}",
        *place,
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
        return Typed(_checked(left, right, "//"), common)
    if common.is_integral and operator == "%":
        return Typed(_checked(left, right, "%"), common)
    if operator == "%":
        return Typed(
            Kernel(numbers.modulo_double, (common, common), common).sql([left.sql, right.sql]), common
        )
    return Typed(f"({left.sql} {operator} {right.sql})", common)


def _checked(left: Typed, right: Typed, operator: str) -> str:
    """A division of whole numbers, which fails where the divisor is zero."""
    if right.number:
        return f"({left.sql} {operator} {right.sql})"

    def build(divisor: str) -> str:
        wrong = "trino_fail('DIVISION_BY_ZERO: Division by zero')"
        is_wrong = f"{divisor} = 0 AND {left.sql} IS NOT NULL"
        return f"CASE WHEN {is_wrong} THEN {wrong} ELSE {left.sql} {operator} {divisor} END"

    if left.is_atomic:
        return bound(right.sql, build, is_atomic=right.is_atomic)
    kernel_ = numbers.quotient if operator == "//" else numbers.remainder
    return Kernel(kernel_, (left.type, right.type), left.type).sql([left.sql, right.sql])


def _decimal_arithmetic(operator: str, left: Typed, right: Typed) -> Typed:
    one, other = as_decimal(left.type), as_decimal(right.type)
    left, right = coerce(left, one), coerce(right, other)
    p1, s1, p2, s2 = one.precision, one.scale, other.precision, other.scale
    if operator == "/":
        result = decimal(p1 + s2 + max(s2 - s1, 0), max(s1, s2))
        return Typed(_divided(left, right, result), result)
    if operator == "%":
        result = decimal(min(p2 - s2, p1 - s1) + max(s1, s2), max(s1, s2))
        return Typed(
            Kernel(numbers.decimal_remainder, (one, other), result).sql([left.sql, right.sql]), result
        )
    if operator == "*":
        digits, result = p1 + p2, decimal(p1 + p2, s1 + s2)
        if result.scale > MAX_PRECISION:
            message = f"DECIMAL scale must be in range [0, precision (38)]: {result.scale}"
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message)
    else:
        digits = max(p1 - s1, p2 - s2) + max(s1, s2) + 1
        result = decimal(digits, max(s1, s2))
    if digits > MAX_PRECISION:
        kernel = Kernel(
            numbers.decimal_result(operator, result),
            (one, other),
            result,
            key=f"{operator}{one}{other}{result}",
        )
        return Typed(kernel.sql([left.sql, right.sql]), result)
    return Typed(f"({left.sql} {operator} {right.sql})", result)


def _divided(left: Typed, right: Typed, result: Type) -> str:
    function = numbers.decimal_quotient(result)
    key = f"quotient{left.type}{right.type}{result}"
    return Kernel(function, (left.type, right.type), result, key=key).sql([left.sql, right.sql])
