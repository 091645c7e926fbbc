"""From what the source sends to Arrow."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest.errors import IngestError
from ingest.shell_arrow import WireDecoder, arrow_type


def decode(kind: str, wire: pa.Array) -> pa.Array:
    """What becomes of a column ``c`` of the table ``erp.t``."""
    batch = pa.record_batch([wire], names=["c"])
    return WireDecoder("erp.t", {"c": kind}).decode(batch).column("c").combine_chunks()


def numeric(*texts: str | None) -> pa.Array:
    """How the driver hands over ``numeric``: as text, marked as something that Arrow does not know."""
    storage = pa.array(texts, pa.string())
    return pa.opaque(pa.string(), "numeric", "PostgreSQL").wrap_array(storage)


def test_numeric_becomes_decimal_to_the_last_digit() -> None:
    texts = ("-99999999999999999999999999999999999.999", "0.001", None, "12")
    found = decode("decimal(38,3)", numeric(*texts))
    assert found.to_pylist() == [None if text is None else Decimal(text) for text in texts]


@pytest.mark.parametrize("text", ["NaN", "1.005", "100.00"])
def test_value_that_does_not_fit_names_table_and_column(text: str) -> None:
    with pytest.raises(IngestError, match=r"erp\.t: column 'c': "):
        decode("decimal(4,2)", numeric(text))


def test_char_loses_the_blanks_at_its_end_and_no_other() -> None:
    found = decode("char(4)", pa.array([" a  ", "é\t ", "    ", None]))
    assert found.to_pylist() == [" a", "é\t", "", None]


def test_text_is_left_as_it_is() -> None:
    texts = ["", None, "a  ", '"b",\r\n']
    assert decode("string", pa.array(texts)).to_pylist() == texts


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
    def text(entry: list[int | None] | None) -> str | None:
        return None if entry is None else json.dumps([None if v is None else str(v) for v in entry])

    found = decode("array<int>", pa.array([text(entry) for entry in lists], pa.string()))
    assert found.to_pylist() == lists
