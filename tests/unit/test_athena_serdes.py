"""Lines of JSON files as rows of a table."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from millpond.planes.athena.exceptions import KernelFailed, NotSupported
from millpond.planes.athena.kernels import raise_refused
from millpond.planes.athena.relations import Column
from millpond.planes.athena.serdes import json_rows
from millpond.planes.athena.types import from_hive


def read(line: str, type_: str, *, openx: bool = True, name: str = "c", **options: str) -> Any:
    columns = [Column(name, name, from_hive(type_))]
    properties = {key.replace("__", "."): value for key, value in options.items()}
    return json_rows(columns, properties, is_openx=openx).function(line)[name]


@pytest.mark.parametrize(
    ("line", "type_", "value"),
    [
        ('{"C": 2}', "int", 2),
        ('{"other": 2}', "int", None),
        ('{"c": null}', "string", None),
        ('{"c": 1.50}', "string", "1.50"),
        ('{"c": true}', "boolean", True),
        ('{"c": "12"}', "bigint", 12),
        ('{"c": 1.5e2}', "double", 150.0),
        ('{"c": 1.5}', "decimal(9,2)", Decimal("1.50")),
        ('{"c": "2024-01-31"}', "date", 19753),
        ('{"c": ["x", null]}', "array<string>", ["x", None]),
        ('{"c": {"a": 1}}', "map<string,int>", [("a", 1)]),
        (
            '{"c": {"City": "Bern", "more": 1}}',
            "struct<city:string,zip:string>",
            {"city": "Bern", "zip": None},
        ),
    ],
)
@pytest.mark.parametrize("openx", [True, False])
def test_values_are_read_as_both_serdes_read_them(line: str, type_: str, value: Any, openx: bool) -> None:
    assert read(line, type_, openx=openx) == value


@pytest.mark.parametrize(
    ("line", "type_"),
    [
        ('{"c": 1.5}', "int"),
        ('{"c": 300}', "tinyint"),
        ('{"c": 1.234}', "decimal(9,2)"),
        ('{"c": {"a": 1}}', "string"),
        ('{"c": 1}', "array<int>"),
        ('{"c": "2024-02-30"}', "date"),
        ('{"c": "2024-1-1"}', "date"),
        ('{"c": 19753}', "date"),
        ('{"c": {"A": 1}}', "map<string,int>"),
        ('{"c": 1, "C": 2}', "int"),
    ],
)
def test_what_the_serdes_may_read_otherwise_is_refused_by_name(line: str, type_: str) -> None:
    with pytest.raises(KernelFailed, match="NOT_SUPPORTED"):
        read(line, type_)
    with pytest.raises(NotSupported):
        raise_refused()


def test_options_are_those_of_openx() -> None:
    assert read('{"ts": "x"}', "string", mapping__c="ts") == "x"
    assert read('{"a.b": "x"}', "string", name="a_b", dots__in__keys="true") == "x"
    assert read('{"C": 1, "c": 2}', "int", case__insensitive="false") == 2
    assert read("{no json", "string", ignore__malformed__json="true") is None
    for options in ({}, {"openx": False, "ignore__malformed__json": "true"}):
        with pytest.raises(KernelFailed, match="HIVE_CURSOR_ERROR: Row is not a valid JSON Object"):
            read("{no json", "string", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("line", ["", " ", "no json", '"text"', "1"])
def test_what_does_not_begin_as_an_object_is_an_empty_row_to_openx_alone(line: str) -> None:
    assert read(line, "string") is None
    with pytest.raises(KernelFailed, match="HIVE_CURSOR_ERROR: Row is not a valid JSON Object"):
        read(line, "string", openx=False)
