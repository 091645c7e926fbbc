"""Partition projection: values and locations that a table's properties tell."""

from __future__ import annotations

import datetime as dt

import pytest

from millpond.planes.athena.exceptions import QueryFailed
from millpond.planes.athena.projection import is_projected, location_of, projected_keys

NOW = dt.datetime(2024, 3, 31, 12, 30)


def values(**properties: str) -> tuple[str, ...] | None:
    given = {f"projection.Day.{name.replace('_', '.')}": value for name, value in properties.items()}
    (key,) = projected_keys(["day"], given, NOW)
    return key.values


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"type": "enum", "values": "a, b,c"}, ("a", "b", "c")),
        ({"type": "INTEGER", "range": "-1,10", "digits": "2", "interval": "3"}, ("-01", "02", "05", "08")),
        ({"type": "integer", "range": " 7 , 8"}, ("7", "8")),
        ({"type": "date", "format": "yyyy-MM-dd", "range": "NOW-1DAYS,NOW"}, ("2024-03-30", "2024-03-31")),
        ({"type": "date", "format": "yyyy-MM", "range": "2024-01,NOW"}, ("2024-01", "2024-02", "2024-03")),
        (
            {
                "type": "date",
                "format": "yyyy/MM/dd/HH",
                "range": "2023/12/31/23,2024/01/01/00",
                "interval": "1",
                "interval_unit": "HOURS",
            },
            ("2023/12/31/23", "2024/01/01/00"),
        ),
        (
            {
                "type": "date",
                "format": "'y'yyyy",
                "range": "NOW-2YEARS, NOW + 1 YEAR",
                "interval": "2",
                "interval_unit": "YEARS",
            },
            ("y2022", "y2024"),
        ),
        (
            {
                "type": "date",
                "format": "yyyyMMdd",
                "range": "20240131,20240401",
                "interval_unit": "MONTHS",
            },
            ("20240131", "20240229", "20240331"),
        ),
        ({"type": "injected"}, None),
    ],
)
def test_values_are_those_that_the_properties_tell(
    properties: dict[str, str], expected: tuple[str, ...] | None
) -> None:
    assert values(**properties) == expected


@pytest.mark.parametrize(
    ("properties", "reason", "what"),
    [
        ({}, "INVALID_TABLE_PROPERTY", "'projection.day.type' is missing"),
        ({"type": "list"}, "INVALID_TABLE_PROPERTY", "'projection.day.type' has the value 'list'"),
        ({"type": "enum"}, "INVALID_TABLE_PROPERTY", "'projection.day.values' is missing"),
        ({"type": "integer", "range": "1"}, "INVALID_TABLE_PROPERTY", "has the value '1'"),
        (
            {"type": "date", "format": "yyyy-MM-dd", "range": "2024-01-32,NOW"},
            "INVALID_TABLE_PROPERTY",
            "has the value '2024-01-32,NOW'",
        ),
        # Only of a day's or a month's precision need no interval be told.
        (
            {"type": "date", "format": "yyyyMMddHH", "range": "2024010100,NOW"},
            "INVALID_TABLE_PROPERTY",
            "'projection.day.interval' is missing",
        ),
        ({"type": "date", "format": "dd MMM yyyy", "range": "a,b"}, "NOT_SUPPORTED", "'dd MMM yyyy'"),
        ({"type": "integer", "range": "1,9999999999"}, "NOT_SUPPORTED", "more than 1000000 values"),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(properties: dict[str, str], reason: str, what: str) -> None:
    with pytest.raises(QueryFailed) as raised:
        values(**properties)
    assert raised.value.reason == reason
    assert what in raised.value.message


def test_partitions_are_where_the_template_says_or_below_the_table() -> None:
    key = {"day": "2024-01-01", "kind": "$1"}
    assert location_of(key, "s3://b/${kind}/on=${DAY}", "s3://b/t") == "s3://b/$1/on=2024-01-01/"
    assert location_of(key, "", "s3://b/t/") == "s3://b/t/day=2024-01-01/kind=$1/"


def test_projection_is_on_only_where_it_is_said_so() -> None:
    assert is_projected({"projection.enabled": "TRUE"})
    assert not is_projected({"projection.enabled": "false", "projection.day.type": "enum"})
