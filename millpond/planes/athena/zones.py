"""Timestamps with time zone: how their local time is had, and how one is made of it.

DuckDB holds the instant; the zone is in the type. So values compare and sort by their instants, and every
field and text of one is that of its own zone.
"""

from __future__ import annotations

from millpond.planes.athena.exceptions import NotSupported, Place, QueryFailed
from millpond.planes.athena.kernels import Kernel, times
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.types import (
    MIXED_ZONES,
    TIMESTAMP_TZ,
    UTC,
    Type,
    literal,
)


def zoned(precision: int, zone: str) -> Type:
    return Type(TIMESTAMP_TZ, (precision,), zone=zone)


def zone_of(type_: Type) -> str:
    """The zone of a type.

    Raises
    ------
    NotSupported
        If its values have several.
    """
    if type_.zone == MIXED_ZONES:
        raise NotSupported("Timestamps of several time zones in one column")
    return type_.zone or UTC


def known_zone(name: str, place: Place, code: str = "INVALID_FUNCTION_ARGUMENT") -> str:
    """The canonical name of a zone.

    Raises
    ------
    QueryFailed
        If there is none of that name.
    """
    found = times.zone(name)
    if found is None:
        message = (
            f"Time zone not supported: {name}"
            if code == "NOT_SUPPORTED"
            else f"'{name}' is not a valid time zone"
        )
        raise QueryFailed(code, message, *place)
    return found.name


def _offset(name: str) -> int | None:
    """Minutes of a zone that is an offset."""
    found = times.zone(name)
    assert found is not None
    return None if "/" in name else found.offset(0) // times.MINUTE


def to_local(value: Typed) -> Typed:
    """The local time of a zoned value; other values as they are."""
    if value.type.name != TIMESTAMP_TZ:
        return value
    name = zone_of(value.type)
    minutes = _offset(name)
    if minutes is None:
        sql = f"timezone({literal(name)}, {value.sql})"
    elif minutes:
        sql = f"(timezone('UTC', {value.sql}) + INTERVAL ({minutes}) MINUTE)"
    else:
        sql = f"timezone('UTC', {value.sql})"
    return Typed(sql, Type("timestamp", value.type.numbers))


def from_local(value: Typed, zone: str) -> Typed:
    """The instant of a local time in a zone."""
    result = zoned(value.type.precision, zone)
    minutes = _offset(zone)
    if minutes is None:
        kernel = Kernel(times.from_local(zone), (Type("timestamp", (6,)),), result, key=zone)
        return Typed(kernel.sql([value.sql]), result)
    moved = f"({value.sql} - INTERVAL ({minutes}) MINUTE)" if minutes else value.sql
    return Typed(f"timezone('UTC', {moved})", result)


def instant_literal(micros: int, precision: int, zone: str) -> Typed:
    return Typed(f"timezone('UTC', make_timestamp({micros}))", zoned(precision, zone), is_atomic=True)
