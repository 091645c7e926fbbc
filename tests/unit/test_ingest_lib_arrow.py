"""From CSV to Arrow, and the keyed merge of the shell engine."""

from __future__ import annotations

import ingest_lib  # noqa: F401
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest.errors import IngestError
from ingest.shell_arrow import CsvDecoder, arrow_type
from ingest.shell_engine import without_keys
from ingest.structures import Column, TableStructure


def decoder(*types: str) -> CsvDecoder:
    columns = tuple(Column(f"c{i}", f"c{i}", "any", kind, True) for i, kind in enumerate(types))
    return CsvDecoder(TableStructure("erp.t", 1, columns, ()))


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
        ("char(3)", pa.string()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("array<binary>", pa.list_(pa.field("element", pa.binary()))),
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
        assert decoder("array<int>", "int").decode(csv.encode()).column(0).to_pylist() == lists


rows = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["a", "b"])), min_size=1)


@given(rows, rows)
def test_only_rows_with_other_keys_remain_in_order(
    existing: list[tuple[int, str]], changed: list[tuple[int, str]]
) -> None:
    table = pa.table(
        {"id": [k for k, _ in existing], "part": [p for _, p in existing], "n": range(len(existing))}
    )
    keys = pa.table({"id": [k for k, _ in set(changed)], "part": [p for _, p in set(changed)]})
    kept = without_keys(table, keys).to_pylist()
    assert [(row["id"], row["part"], row["n"]) for row in kept] == [
        (*key, n) for n, key in enumerate(existing) if key not in changed
    ]
