"""Trino's functions of arrays and maps; reference: "Array functions", "Map functions".

Equality is that of ``DISTINCT``: NULL is NULL, NaN is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import combinations as _combinations
from itertools import zip_longest
from typing import Any

from millpond.planes.athena.kernels import fail
from millpond.planes.athena.kernels.times import DAY, add_months

_LONGEST_SEQUENCE = 10_000


def key(value: Any) -> Any:
    """A value as a key of a dictionary."""
    if isinstance(value, float):
        return "NaN" if value != value else value + 0.0
    if isinstance(value, list):
        return tuple(key(v) for v in value)
    if isinstance(value, tuple):
        return tuple(key(v) for v in value)
    if isinstance(value, dict):
        return tuple(key(v) for v in value.values())
    return value


def equal(one: Any, other: Any) -> bool | None:
    """``=`` on nested values; None where a NULL in them leaves it open."""
    if one is None or other is None:
        return None
    if isinstance(one, dict):
        return _all_equal(zip(one.values(), other.values(), strict=True))
    if isinstance(one, list):
        if one and isinstance(one[0], tuple):
            return _maps_equal(one, other)
        if len(one) != len(other):
            return False
        if other and isinstance(other[0], tuple):
            return _maps_equal(one, other)
        return _all_equal(zip(one, other, strict=True))
    return bool(one == other)


def _all_equal(pairs: Iterable[tuple[Any, Any]]) -> bool | None:
    result: bool | None = True
    for a, b in pairs:
        found = equal(a, b)
        if found is False:
            return False
        if found is None:
            result = None
    return result


def _maps_equal(one: list[Any], other: list[Any]) -> bool | None:
    left, right = {key(k): v for k, v in one}, {key(k): v for k, v in other}
    if left.keys() != right.keys():
        return False
    return _all_equal((v, right[k]) for k, v in left.items())


def differs(one: Any, other: Any) -> bool | None:
    found = equal(one, other)
    return None if found is None else not found


def compare(one: Any, other: Any, what: str = "") -> int:
    """Negative, zero or positive; NaN is above all.

    Raises
    ------
    KernelFailed
        ``NOT_SUPPORTED`` where there is a NULL to compare.
    """
    if one is None or other is None:
        kinds = "fields" if what == "ROW" else "arrays"
        raise fail(
            "NOT_SUPPORTED", f"{what or 'ARRAY'} comparison not supported for {kinds} with null elements"
        )
    if isinstance(one, dict):
        for a, b in zip(one.values(), other.values(), strict=True):
            if found := compare(a, b, "ROW"):
                return found
        return 0
    if isinstance(one, list):
        for a, b in zip(one, other, strict=False):
            if found := compare(a, b, "ARRAY"):
                return found
        return len(one) - len(other)
    if isinstance(one, float) and (one != one or other != other):
        return int(one != one) - int(other != other)
    return -1 if one < other else 1 if one > other else 0


def ordered(operator: str) -> Callable[[Any, Any], bool]:
    tests: dict[str, Callable[[int], bool]] = {
        "<": lambda c: c < 0, "<=": lambda c: c <= 0, ">": lambda c: c > 0, ">=": lambda c: c >= 0,
    }  # fmt: skip
    test = tests[operator]
    return lambda one, other: test(compare(one, other))


class _Ordered:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Ordered) -> bool:
        return compare(self.value, other.value) < 0


# Arrays


def distinct(values: list[Any]) -> list[Any]:
    return _first_of_each(values)


def _first_of_each(values: Iterable[Any]) -> list[Any]:
    found: dict[Any, Any] = {}
    for value in values:
        found.setdefault(key(value), value)
    return list(found.values())


def except_(one: list[Any], other: list[Any]) -> list[Any]:
    if not other:
        return one
    known = {key(v) for v in other}
    return _first_of_each(v for v in one if key(v) not in known)


def intersect(one: list[Any], other: list[Any]) -> list[Any]:
    shorter, longer = (one, other) if len(one) < len(other) else (other, one)
    known = {key(v) for v in shorter}
    return _first_of_each(v for v in longer if key(v) in known)


def union(one: list[Any], other: list[Any]) -> list[Any]:
    return _first_of_each([*one, *other])


def overlap(one: list[Any], other: list[Any]) -> bool | None:
    known = {key(v) for v in one if v is not None}
    if any(key(v) in known for v in other if v is not None):
        return True
    is_open = (None in one or None in other) and one and other
    return None if is_open else False


def contains(values: list[Any], wanted: Any) -> bool | None:
    result: bool | None = False
    for value in values:
        found = equal(value, wanted)
        if found:
            return True
        if found is None:
            result = None
    return result


def position(values: list[Any], wanted: Any) -> int:
    return next((i for i, v in enumerate(values, 1) if v is not None and equal(v, wanted)), 0)


def remove(values: list[Any], unwanted: Any) -> list[Any]:
    return [v for v in values if v is None or not equal(v, unwanted)]


def sort(values: list[Any]) -> list[Any]:
    known = sorted((v for v in values if v is not None), key=_Ordered)
    return [*known, *([None] * (len(values) - len(known)))]


def largest(values: list[Any]) -> Any:
    return _extreme(values, 1)


def smallest(values: list[Any]) -> Any:
    return _extreme(values, -1)


def _extreme(values: list[Any], sign: int) -> Any:
    if not values or None in values:
        return None
    if isinstance(values[0], float):
        known = [v for v in values if v == v]
        return (max(known) if sign > 0 else min(known)) if known else values[0]
    result = values[0]
    for value in values[1:]:
        if compare(value, result) * sign > 0:
            result = value
    return result


def join(texts: list[str | None], separator: str) -> str:
    return separator.join(t for t in texts if t is not None)


def join_filled(texts: list[str | None], separator: str, filler: str) -> str:
    return separator.join(filler if t is None else t for t in texts)


def flatten(lists: list[list[Any] | None]) -> list[Any]:
    return [value for values in lists if values is not None for value in values]


def concat(*lists: list[Any]) -> list[Any]:
    return [value for values in lists for value in values]


def append(values: list[Any] | None, value: Any) -> list[Any] | None:
    return None if values is None or value is None else [*values, value]


def prepend(value: Any, values: list[Any] | None) -> list[Any] | None:
    return None if values is None or value is None else [value, *values]


def repeat(value: Any, count: int | None) -> list[Any] | None:
    if count is None:
        return None
    if count < 0:
        raise fail(
            "INVALID_FUNCTION_ARGUMENT",
            "count argument of repeat function must be greater than or equal to 0",
        )
    if count > _LONGEST_SEQUENCE:
        raise fail(
            "INVALID_FUNCTION_ARGUMENT",
            "count argument of repeat function must be less than or equal to 10000",
        )
    return [value] * count


def slice_(values: list[Any], start: int, length: int) -> list[Any]:
    if length < 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", "length must be greater than or equal to 0")
    if start == 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", "SQL array indices start at 1")
    begin = start - 1 if start > 0 else len(values) + start
    return [] if begin < 0 else values[begin : begin + length]


def trim_array(values: list[Any], count: int) -> list[Any]:
    if count < 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"size must not be negative: {count}")
    if count > len(values):
        raise fail(
            "INVALID_FUNCTION_ARGUMENT", f"size must not exceed array cardinality {len(values)}: {count}"
        )
    return values[: len(values) - count]


def element_at(values: list[Any], index: int) -> Any:
    if index == 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", "SQL array indices start at 1")
    at = index - 1 if index > 0 else index
    return values[at] if -len(values) <= at < len(values) else None


def subscript(values: list[Any], index: int) -> Any:
    if index == 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", "SQL array indices start at 1")
    if index < 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"Array subscript is negative: {index}")
    if index > len(values):
        message = f"Array subscript must be less than or equal to array length: {index} > {len(values)}"
        raise fail("INVALID_FUNCTION_ARGUMENT", message)
    return values[index - 1]


def contains_sequence(values: list[Any], part: list[Any]) -> bool:
    keys, wanted = [key(v) for v in values], [key(v) for v in part]
    return any(keys[i : i + len(wanted)] == wanted for i in range(len(keys) - len(wanted) + 1))


def combinations(values: list[Any], size: int) -> list[list[Any]]:
    """Combinations in the order of Trino's: the last index changes most slowly."""
    if size < 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"combination size must not be negative: {size}")
    if size > 5:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"combination size must not exceed 5: {size}")
    indexes = sorted(_combinations(range(len(values)), size), key=lambda c: c[::-1])
    if len(indexes) > 100_000:
        raise fail("INVALID_FUNCTION_ARGUMENT", "combinations exceed max size")
    return [[values[i] for i in c] for c in indexes]


def ngrams(values: list[Any], size: int) -> list[list[Any]]:
    if size <= 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", "N must be positive")
    if size >= len(values):
        return [values]
    return [values[i : i + size] for i in range(len(values) - size + 1)]


def histogram(values: list[Any]) -> list[tuple[Any, int]]:
    counts: dict[Any, int] = {}
    first: dict[Any, Any] = {}
    for value in values:
        if value is not None:
            counts[key(value)] = counts.get(key(value), 0) + 1
            first.setdefault(key(value), value)
    return [(first[k], n) for k, n in counts.items()]


def zipped(names: tuple[str, ...]) -> Callable[..., Any]:
    def call(*lists: list[Any]) -> list[dict[str, Any]]:
        return [dict(zip(names, row, strict=True)) for row in zip_longest(*lists)]

    return call


def _checked(count: int) -> None:
    if count > _LONGEST_SEQUENCE:
        raise fail(
            "INVALID_FUNCTION_ARGUMENT", "result of sequence function must not have more than 10000 entries"
        )


def _direction(start: int, stop: int, step: int) -> None:
    if step == 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", "step must not be zero")
    if (step > 0 and stop < start) or (step < 0 and stop > start):
        raise fail(
            "INVALID_FUNCTION_ARGUMENT",
            "sequence stop value should be greater than or equal to start value if step is greater than zero "
            "otherwise stop should be less than or equal to start",
        )


def sequence(start: int, stop: int) -> list[int]:
    return sequence_by(start, stop, 1 if stop >= start else -1)


def sequence_by(start: int, stop: int, step: int) -> list[int]:
    _direction(start, stop, step)
    _checked((stop - start) // step + 1)
    return list(range(start, stop + (1 if step > 0 else -1), step))


def sequence_dates(start: int, stop: int, step: int) -> list[int]:
    """A step in milliseconds."""
    if step % 86_400_000:
        raise fail(
            "INVALID_FUNCTION_ARGUMENT",
            "sequence step must be a day interval if start and end values are dates",
        )
    return sequence_by(start, stop, step // 86_400_000)


def sequence_stamps(start: int, stop: int, step: int) -> list[int]:
    return sequence_by(start, stop, step * 1000)


def sequence_months(start: int, stop: int, step: int) -> list[int]:
    _direction(start, stop, step)
    found, months = [], 0
    while (current := add_months(start, months)) <= stop if step > 0 else current >= stop:
        found.append(current)
        _checked(len(found))
        months += step
    return found


def sequence_stamp_months(start: int, stop: int, step: int) -> list[int]:
    _direction(start, stop, step)
    days, clock = divmod(start, DAY)
    found: list[int] = []
    months = 0
    while True:
        current = add_months(days, months) * DAY + clock
        if current > stop if step > 0 else current < stop:
            return found
        found.append(current)
        _checked(len(found))
        months += step


# Maps


def _unique(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    seen = set()
    for k, _ in pairs:
        if k is None:
            raise fail("INVALID_FUNCTION_ARGUMENT", "map key cannot be null")
        if isinstance(k, list | dict) and _has_null(k):
            raise fail("INVALID_FUNCTION_ARGUMENT", "map key cannot be indeterminate: " + text(k))
        if key(k) in seen:
            raise fail("INVALID_FUNCTION_ARGUMENT", f"Duplicate map keys ({text(k)}) are not allowed")
        seen.add(key(k))
    return pairs


def _has_null(value: Any) -> bool:
    if isinstance(value, list | dict):
        return any(v is None or _has_null(v) for v in (value.values() if isinstance(value, dict) else value))
    return False


def text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        return f"[{', '.join(map(text, value))}]"
    return "null" if value is None else str(value)


def map_of(keys: list[Any], values: list[Any]) -> list[tuple[Any, Any]]:
    if len(keys) != len(values):
        raise fail("INVALID_FUNCTION_ARGUMENT", "Key and value arrays must be the same length")
    return _unique(list(zip(keys, values, strict=True)))


def from_entries(entries: list[dict[str, Any] | None]) -> list[tuple[Any, Any]]:
    return _unique(_pairs(entries))


def _pairs(entries: list[dict[str, Any] | None]) -> list[tuple[Any, Any]]:
    pairs = []
    for entry in entries:
        if entry is None:
            raise fail("INVALID_FUNCTION_ARGUMENT", "map entry cannot be null")
        k, v = entry.values()
        pairs.append((k, v))
    return pairs


def multimap_from_entries(entries: list[dict[str, Any] | None]) -> list[tuple[Any, list[Any]]]:
    found: dict[Any, tuple[Any, list[Any]]] = {}
    for k, v in _pairs(entries):
        if k is None:
            raise fail("INVALID_FUNCTION_ARGUMENT", "map key cannot be null")
        found.setdefault(key(k), (k, []))[1].append(v)
    return list(found.values())


def rekeyed(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The result of ``transform_keys``."""
    return _unique(pairs)


def map_concat(*maps: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    found: dict[Any, tuple[Any, Any]] = {}
    for entries in maps:
        for k, v in entries:
            found[key(k)] = (k, v)
    return list(found.values())


def map_entries(names: tuple[str, str]) -> Callable[[list[tuple[Any, Any]]], list[dict[str, Any]]]:
    return lambda entries: [dict(zip(names, entry, strict=True)) for entry in entries]


def map_element(entries: list[tuple[Any, Any]], wanted: Any) -> Any:
    return next((v for k, v in entries if key(k) == key(wanted)), None)


def map_subscript(entries: list[tuple[Any, Any]], wanted: Any) -> Any:
    for k, v in entries:
        if key(k) == key(wanted):
            return v
    raise fail("INVALID_FUNCTION_ARGUMENT", f"Key not present in map: {text(wanted)}")


def listed(*values: Any) -> list[Any]:
    return list(values)


def greatest(*values: Any) -> Any:
    return _extreme(list(values), 1)


def least(*values: Any) -> Any:
    return _extreme(list(values), -1)


def any_of(values: list[bool | None]) -> bool | None:
    return True if True in values else None if None in values else False


def all_of(values: list[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


def none_of(values: list[bool | None]) -> bool | None:
    found = any_of(values)
    return None if found is None else not found


def equal_numbers(one: float, other: float) -> bool:
    return one == other


def unequal_numbers(one: float, other: float) -> bool:
    return one != other


def ordered_numbers(operator: str) -> Callable[[float, float], bool]:
    tests: dict[str, Callable[[float, float], bool]] = {
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }
    return tests[operator]


# Of all rows of a group


def _known(values: list[Any], *, is_largest: bool) -> Any:
    known = [value for value in values if value is not None]
    return _extreme(known, 1 if is_largest else -1)


def largest_known(values: list[Any]) -> Any:
    return _known(values, is_largest=True)


def smallest_known(values: list[Any]) -> Any:
    return _known(values, is_largest=False)


def _nan_last(value: Any, *, is_largest: bool) -> Any:
    """A value for ``compare``, so that NaN is the last to be chosen."""
    return value if not (is_largest and isinstance(value, float) and value != value) else float("-inf")


def extremes(is_largest: bool) -> Callable[[list[Any], int], list[Any] | None]:
    def call(values: list[Any], count: int) -> list[Any] | None:
        known = [v for v in values if v is not None]
        known.sort(key=lambda v: _Ordered(_nan_last(v, is_largest=is_largest)), reverse=is_largest)
        return known[:count] or None

    return call


def extremes_by(is_largest: bool) -> Callable[[list[Any], int], list[Any] | None]:
    def call(pairs: list[dict[str, Any]], count: int) -> list[Any] | None:
        known = [p for p in pairs if p["b"] is not None]
        known.sort(key=lambda p: _Ordered(_nan_last(p["b"], is_largest=is_largest)), reverse=is_largest)
        return [p["v"] for p in known[:count]] or None

    return call


def map_agg(pairs: list[dict[str, Any]]) -> list[tuple[Any, Any]] | None:
    found: dict[Any, tuple[Any, Any]] = {}
    for pair in pairs:
        if pair["k"] is not None:
            found.setdefault(key(pair["k"]), (pair["k"], pair["v"]))
    return list(found.values()) or None


def multimap_agg(pairs: list[dict[str, Any]]) -> list[tuple[Any, list[Any]]] | None:
    found: dict[Any, tuple[Any, list[Any]]] = {}
    for pair in pairs:
        if pair["k"] is not None:
            found.setdefault(key(pair["k"]), (pair["k"], []))[1].append(pair["v"])
    return list(found.values()) or None


def map_union(maps: list[list[tuple[Any, Any]] | None]) -> list[tuple[Any, Any]] | None:
    found: dict[Any, tuple[Any, Any]] = {}
    known = [entries for entries in maps if entries is not None]
    for entries in known:
        for k, v in entries:
            found.setdefault(key(k), (k, v))
    return list(found.values()) if known else None


def histogram_of(values: list[Any]) -> list[tuple[Any, int]] | None:
    return histogram(values) or None


def orderable(value: Any) -> Any:
    """The value itself, if it can be put in an order."""
    if isinstance(value, list) and None in value:
        raise fail("NOT_SUPPORTED", "ARRAY comparison not supported for arrays with null elements")
    if isinstance(value, dict) and None in value.values():
        raise fail("NOT_SUPPORTED", "ROW comparison not supported for fields with null elements")
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, list | dict):
            orderable(part)
    return value
