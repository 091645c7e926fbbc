"""Functions of arrays, maps and rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from millpond.planes.athena.casts import as_text, coerce
from millpond.planes.athena.exceptions import NotSupported, QueryFailed
from millpond.planes.athena.kernels import Kernel, nested
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.signatures.overloads import (
    Body,
    NothingInCommon,
    Overload,
    common,
    common_kernel,
    element,
    first,
    kernel,
    made,
    one,
)
from millpond.planes.athena.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    INTEGER,
    INTERVAL_DAY,
    INTERVAL_MONTH,
    UNKNOWN,
    VARCHAR,
    Type,
    array,
    common_type,
    map_of,
    row,
)

Arguments = Sequence[Typed]


def _of_element(function: Callable[..., object]) -> Body:
    """An array and a value, both brought to what array and value have in common."""

    def body(given: Arguments, result: Type) -> str:
        values, value, *more = given
        target = common([element([values.type]), value.type])
        arguments = [coerce(values, array(target)), coerce(value, target), *more]
        types = tuple(argument.type for argument in arguments)
        return Kernel(function, types, result).sql([argument.sql for argument in arguments])

    return body


def _appended(given: Arguments, result: Type) -> str:
    values = [coerce(given[0], result), coerce(given[1], result.elements[0])]
    return Kernel(nested.append, (result, result.elements[0]), result, True).sql([v.sql for v in values])


def _prepended(given: Arguments, result: Type) -> str:
    values = [coerce(given[0], result.elements[0]), coerce(given[1], result)]
    return Kernel(nested.prepend, (result.elements[0], result), result, True).sql([v.sql for v in values])


def _with_element(types: Sequence[Type]) -> Type:
    return array(common([element(types), types[1]]))


def _with_element_before(types: Sequence[Type]) -> Type:
    return array(common([types[0], element(types[1:])]))


def _joined(given: Arguments, _result: Type) -> str:
    values, _, *filler = given
    if values.type.elements[0].elements:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"Input type {values.type.elements[0]} not supported")
    texts = as_text(values)
    function: Callable[..., str] = nested.join_filled if filler else nested.join
    types = (array(VARCHAR), *(VARCHAR for _ in given[1:]))
    return Kernel(function, types, VARCHAR).sql([texts, *(argument.sql for argument in given[1:])])


def _map_value(function: Callable[..., object]) -> Body:
    def body(given: Arguments, result: Type) -> str:
        entries, key = given
        kind, value = entries.type.elements
        shared = common_type(kind, key.type)
        if shared is None:
            raise NothingInCommon("FUNCTION_NOT_FOUND", f"{entries.type} has no keys of type {key.type}")
        if not kind.is_text:
            entries, kind = coerce(entries, map_of(shared, value)), shared
        wanted = coerce(key, kind)
        return Kernel(function, (entries.type, wanted.type), result).sql([entries.sql, wanted.sql])

    return body


def map_element(entries: Typed, key: Typed) -> str:
    """``map[key]``."""
    body = _map_value(nested.map_subscript)
    assert callable(body)
    return body([entries, key], entries.type.elements[1])


def _entries(types: Sequence[Type]) -> Type:
    return array(row(types[0].elements))


def _zipped(types: Sequence[Type]) -> Type:
    return array(row([element([t]) for t in types]))


def _zip(types: Sequence[Type], _result: Type) -> Callable[..., object]:
    return nested.zipped(tuple(f"field{i}" for i in range(len(types))))


def _map_from(types: Sequence[Type]) -> Type:
    key = element(types)
    if key == UNKNOWN:
        return map_of(UNKNOWN, UNKNOWN)
    if key.name != "row" or len(key.elements) != 2:
        raise QueryFailed(
            "FUNCTION_NOT_FOUND", f"Unexpected parameters ({types[0]}) for function map_from_entries"
        )
    return map_of(*key.elements)


def _flattened(types: Sequence[Type]) -> Type:
    inner = element(types)
    if inner != UNKNOWN and inner.name != "array":
        raise QueryFailed("FUNCTION_NOT_FOUND", f"Unexpected parameters ({types[0]}) for function flatten")
    return array(UNKNOWN) if inner == UNKNOWN else inner


def _multimap_from(types: Sequence[Type]) -> Type:
    key = element(types)
    if key == UNKNOWN:
        return map_of(UNKNOWN, array(UNKNOWN))
    if key.name != "row" or len(key.elements) != 2:
        message = f"Unexpected parameters ({types[0]}) for function multimap_from_entries"
        raise QueryFailed("FUNCTION_NOT_FOUND", message)
    return map_of(key.elements[0], array(key.elements[1]))


def _ordered(function: Callable[..., object]) -> Body:
    def body(given: Arguments, result: Type) -> str:
        kind = element([given[0].type]).name
        if kind in ("map", "json"):
            raise NotSupported(f"An order of values of type {kind}")
        wanted = kernel(function)
        assert callable(wanted)
        return wanted(given, result)

    return body


def _sequence_type(types: Sequence[Type]) -> Type:
    moment = common(types[:2])
    return array(moment)


def _stamps(function: Callable[..., object]) -> Body:
    def body(given: Arguments, result: Type) -> str:
        moment = result.elements[0]
        sides = [coerce(side, moment) for side in given[:2]]
        types = (moment, moment, given[2].type)
        return Kernel(function, types, result).sql([*(s.sql for s in sides), given[2].sql])

    return body


COLLECTIONS: dict[str, list[Overload]] = {
    "array_distinct": one(["array"], first, kernel(nested.distinct)),
    "array_except": one(["array", "array"], common, common_kernel(nested.except_)),
    "array_histogram": one(["array"], lambda types: map_of(element(types), BIGINT), kernel(nested.histogram)),
    "array_intersect": one(["array", "array"], common, common_kernel(nested.intersect)),
    "array_join": [
        Overload(("array", VARCHAR), VARCHAR, _joined),
        Overload(("array", VARCHAR, VARCHAR), VARCHAR, _joined),
    ],
    "array_max": one(["array"], element, _ordered(nested.largest)),
    "array_min": one(["array"], element, _ordered(nested.smallest)),
    "array_position": one(["array", "any"], BIGINT, _of_element(nested.position)),
    "array_remove": one(["array", "any"], _with_element, _of_element(nested.remove)),
    "array_sort": one(["array"], first, _ordered(nested.sort)),
    "array_union": one(["array", "array"], common, common_kernel(nested.union)),
    "arrays_overlap": one(["array", "array"], BOOLEAN, common_kernel(nested.overlap)),
    "cardinality": [
        Overload(("array",), BIGINT, "len({0})"),
        Overload(("map",), BIGINT, "CAST(cardinality({0}) AS BIGINT)"),
    ],
    "combinations": one(["array", INTEGER], lambda types: array(types[0]), kernel(nested.combinations)),
    "contains": one(["array", "any"], BOOLEAN, _of_element(nested.contains)),
    "contains_sequence": one(["array", "array"], BOOLEAN, common_kernel(nested.contains_sequence)),
    "element_at": [
        Overload(("array", BIGINT), element, kernel(nested.element_at)),
        Overload(("map", "any"), lambda types: types[0].elements[1], _map_value(nested.map_element)),
    ],
    "flatten": one(["array"], _flattened, kernel(nested.flatten)),
    "map": [
        Overload((), map_of(UNKNOWN, UNKNOWN), "MAP {{}}"),
        Overload(
            ("array", "array"),
            lambda types: map_of(types[0].elements[0], types[1].elements[0]),
            kernel(nested.map_of),
        ),
    ],
    "map_concat": one(["map", "map"], common, common_kernel(nested.map_concat), variadic=True),
    "map_entries": one(["map"], _entries, kernel(nested.map_entries(("field0", "field1")))),
    "map_from_entries": one(["array"], _map_from, kernel(nested.from_entries)),
    "map_keys": one(["map"], lambda types: array(types[0].elements[0]), "map_keys({0})"),
    "map_values": one(["map"], lambda types: array(types[0].elements[1]), "map_values({0})"),
    "multimap_from_entries": one(["array"], _multimap_from, kernel(nested.multimap_from_entries)),
    "ngrams": one(["array", INTEGER], lambda types: array(types[0]), kernel(nested.ngrams)),
    "repeat": one(["any", BIGINT], lambda types: array(types[0]), kernel(nested.repeat, takes_null=True)),
    "sequence": [
        Overload((BIGINT, BIGINT), array(BIGINT), kernel(nested.sequence)),
        Overload((BIGINT, BIGINT, BIGINT), array(BIGINT), kernel(nested.sequence_by)),
        Overload((DATE, DATE), array(DATE), kernel(nested.sequence)),
        Overload((DATE, DATE, INTERVAL_DAY), array(DATE), kernel(nested.sequence_dates)),
        Overload((DATE, DATE, INTERVAL_MONTH), array(DATE), kernel(nested.sequence_months)),
        Overload(("timestamp", "timestamp", INTERVAL_DAY), _sequence_type, _stamps(nested.sequence_stamps)),
        Overload(
            ("timestamp", "timestamp", INTERVAL_MONTH), _sequence_type, _stamps(nested.sequence_stamp_months)
        ),
    ],
    "slice": one(["array", BIGINT, BIGINT], first, kernel(nested.slice_)),
    "trim_array": one(["array", BIGINT], first, kernel(nested.trim_array)),
    "zip": one(["array", "array"], _zipped, made(_zip), variadic=True),
}

LISTS_JOINED = [
    Overload(("array", "array"), common, common_kernel(nested.concat), True),
    Overload(("array", "any"), _with_element, _appended),
    Overload(("any", "array"), _with_element_before, _prepended),
]
