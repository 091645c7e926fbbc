"""From PostgreSQL's CSV to Arrow."""

from __future__ import annotations

import ingest_lib  # noqa: F401
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest.errors import IngestError
from ingest.shell_arrow import CsvDecoder, arrow_type


def decoder(*types: str) -> CsvDecoder:
    return CsvDecoder("erp.t", {f"c{i}": kind for i, kind in enumerate(types)})


def test_null_and_empty_text_stay_apart_also_in_a_table_of_one_column() -> None:
    assert decoder("string").decode(b'\n""\nx\n').column(0).to_pylist() == [None, "", "x"]


def test_newlines_quotes_and_commas_stay_in_their_value() -> None:
    table = decoder("string", "int").decode(b'"a\r\n""b"",",1\n')
    assert table.to_pylist() == [{"c0": 'a\r\n"b",', "c1": 1}]


def test_value_that_does_not_fit_names_table_and_column() -> None:
    with pytest.raises(IngestError, match=r"erp\.t: column 'c1': .*NaN"):
        decoder("int", "decimal(4,2)").decode(b"1,NaN\n")


@pytest.mark.parametrize(
    ("catalog", "expected"),
    [
        ("decimal(12,2)", pa.decimal128(12, 2)),
        ("timestamp", pa.timestamp("us")),
        ("timestamptz", pa.timestamp("us", tz="UTC")),
        ("list<binary>", pa.list_(pa.field("element", pa.binary()))),
    ],
)
def test_arrow_type_is_exact(catalog: str, expected: pa.DataType) -> None:
    assert arrow_type(catalog) == expected


@given(st.lists(st.none() | st.lists(st.none() | st.integers(-(2**31), 2**31 - 1))))
def test_arrays_keep_nulls_and_emptiness(lists: list[list[int | None] | None]) -> None:
    def text(entry: list[int | None] | None) -> str:
        if entry is None:
            return ""
        return '"[' + ",".join("null" if v is None else f'""{v}""' for v in entry) + ']"'

    csv = "".join(f"{text(entry)},1\n" for entry in lists)
    if lists:
        assert decoder("list<int>", "int").decode(csv.encode()).column(0).to_pylist() == lists
