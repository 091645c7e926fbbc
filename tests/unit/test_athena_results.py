"""How results are written and read back."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from millpond.planes.athena.results import csv_line, read_csv, read_text
from millpond.planes.athena.types import athena_column_type, from_hive, to_hive
from millpond.planes.athena.values import java_double, java_float, writer


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.1, "0.1"),
        (0.001, "0.001"),
        (0.00012, "1.2E-4"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (123456789.125, "1.23456789125E8"),
        (-1.5e300, "-1.5E300"),
        (100.0, "100.0"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_double_is_written_as_java_does(value: float, text: str) -> None:
    assert java_double(value) == text


def test_float_has_no_more_digits_than_it_holds() -> None:
    assert java_float(0.10000000149011612) == "0.1"
    assert java_float(16777216.0) == "1.6777216E7"


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        ("boolean", True, "true"),
        ("decimal(10,3)", Decimal("1E+2"), "100"),
        ("timestamp", dt.datetime(2024, 1, 2, 3, 4, 5, 678999), "2024-01-02 03:04:05.678"),
        ("date", dt.date(24, 1, 2), "0024-01-02"),
        ("binary", b"\x00\xff", "00 ff"),
        ("array<int>", [1, None], "[1, null]"),
        ("map<string,double>", {"a": 1.0, "b": None}, "{a=1.0, b=null}"),
        ("struct<x:int,y:array<boolean>>", {"x": 1, "y": [False]}, "{x=1, y=[false]}"),
    ],
)
def test_value_is_written_as_athena_does(type_: str, value: object, text: str) -> None:
    assert writer(from_hive(type_))(value) == text


def test_csv_tells_null_from_empty_text_and_survives_quotes_and_newlines() -> None:
    rows = [["a", None, ""], ['say "x"', "two\nlines", "é,;"], [None, None, None]]
    content = "".join(csv_line(row) for row in rows)
    assert content.splitlines()[0] == '"a",,""'
    data = content.encode()
    assert read_csv(data, 10, is_last=True) == (rows, len(data))


def test_csv_is_read_in_pieces_that_end_anywhere() -> None:
    data = "".join(csv_line([str(n), 'q"', None]) for n in range(5)).encode()
    found = []
    for cut in range(len(data)):
        rows, used = read_csv(data[:cut], 10, is_last=False)
        assert rows == [[str(n), 'q"', None] for n in range(len(rows))]
        again, _ = read_csv(data[used:], 10, is_last=True)
        assert len(rows) + len(again) == 5
        found.append(len(rows))
    assert found[-1] == 4


def test_no_more_rows_are_read_than_wanted() -> None:
    data = b'"1"\n"2"\n"3"\n'
    assert read_csv(data, 2, is_last=True) == ([["1"], ["2"]], 8)
    assert read_text(b"a\n\nb", 3, is_last=True) == ([["a"], [""], ["b"]], 4)


@pytest.mark.parametrize(
    ("hive", "reported"),
    [
        ("string", ("varchar", 2147483647, 0)),
        ("varchar(7)", ("varchar", 7, 0)),
        ("bigint", ("bigint", 19, 0)),
        ("float", ("float", 17, 0)),
        ("decimal(12,2)", ("decimal", 12, 2)),
        ("timestamp", ("timestamp", 3, 0)),
        ("array<struct<a:int,b:map<string,decimal(5,1)>>>", ("array", 0, 0)),
    ],
)
def test_column_type_is_reported_as_athena_does(hive: str, reported: tuple[str, int, int]) -> None:
    assert athena_column_type(from_hive(hive)) == reported
    assert to_hive(from_hive(hive)) == hive


@pytest.mark.parametrize("text", ["strin", "array<int", "map<string>", "decimal(3", "struct<a>"])
def test_unknown_column_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_hive(text)
