"""The SQL of the comparison, and what is read out of the answers."""

from __future__ import annotations

import json
import re

import pytest
import sqlglot
from sqlglot import exp

from lake.scaffold import FIXTURES
from lake.verify.canonical import athena_text, postgres_text
from lake.verify.compare import (
    Difference,
    HashedRow,
    Summary,
    TableComparison,
    differing_buckets,
    differing_rows,
)
from lake.verify.queries import athena_side, source_side
from lake.verify.structure import Table
from millpond.base.config import CHECKOUT
from millpond.base.errors import MillpondError

ATHENA_QUERY_LIMIT = 262144

TABLES = [
    Table.from_items(
        json.loads(path.read_text()),
        json.loads((FIXTURES / "table_structures" / path.name).read_text()),
    )
    for path in sorted((FIXTURES / "job_settings").glob("*.json"))
]


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.table_id)
def test_athenas_queries_are_sql_of_its_dialect_within_its_limit(table: Table) -> None:
    side = athena_side(table)
    for query in (side.summary(), side.buckets(), side.rows(["abc", "def"])):
        assert len(sqlglot.parse(query, read="athena")) == 1
        assert len(query.encode()) < ATHENA_QUERY_LIMIT


def test_athenas_queries_use_only_what_the_contract_lists() -> None:
    contract = (CHECKOUT / "docs" / "contracts.md").read_text().split("## Verification")[1].split("\n## ")[0]
    listed = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`([^`]+)`", contract))))
    used = set()
    for table in TABLES:
        for query in (athena_side(table).summary(), athena_side(table).buckets()):
            used |= {name.lower() for name in re.findall(r"\b([A-Za-z_0-9]+)\(", query)}
    keywords = {"cast", "decimal", "from", "when", "as", "in"}
    assert used - keywords - listed == set()
    assert {"from_base", "to_ieee754_32", "to_ieee754_64", "array_join", "transform", "is_nan"} <= used


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.table_id)
def test_each_column_has_its_own_checksum(table: Table) -> None:
    select = sqlglot.parse_one(athena_side(table).summary(), read="athena")
    assert isinstance(select, exp.Select)
    assert len(select.expressions) == 2 + len(table.columns)


def test_no_concat_gets_more_arguments_than_trino_takes() -> None:
    wide = next(table for table in TABLES if len(table.columns) == 120)
    concats = sqlglot.parse_one(athena_side(wide).summary(), read="athena").find_all(exp.Concat)
    assert 2 < max(len(call.expressions) for call in concats) <= 100


def test_a_name_with_quotes_stays_a_name() -> None:
    table = TABLES[0]
    odd = Table(**{**table.__dict__, "source_table": 'a"; DROP TABLE b; --'})
    assert '"a""; DROP TABLE b; --"' in source_side(odd).summary()


def test_a_table_without_a_key_is_told_apart_by_its_rows() -> None:
    side = athena_side(next(t for t in TABLES if t.table_id == "erp.audit_log"))
    assert side.key == ()
    assert side.rows(["abc"]).startswith("SELECT key_hash, row_hash, h0, h1, h2, h3, h4, h5 FROM")


def test_char_keeps_its_padding_and_text_is_left_alone() -> None:
    assert postgres_text('"c"', "character(12)") == 'rpad("c"::text, 12)'
    # A precision makes no other text of a value.
    assert postgres_text("t", "time(3) without time zone") == postgres_text("t", "time without time zone")
    for zone in ("with", "without"):
        exact, usual = (postgres_text("t", f"timestamp{of} {zone} time zone[]") for of in ("(0)", ""))
        assert exact == usual
        assert "to_char" in exact
    assert (
        athena_text('"c"', "string", "character(12)") == """rpad(regexp_replace("c", ' +$', ''), 12, ' ')"""
    )
    assert athena_text('"c"', "string", "text") == '"c"'


def test_a_catalog_type_nobody_thought_of_is_refused() -> None:
    with pytest.raises(MillpondError, match=r"map<string,int>"):
        athena_text("x", "map<string,int>", "hstore")


def test_a_summary_is_rows_checksum_and_a_checksum_for_each_column() -> None:
    summary = Summary.from_row(("3", str(2**64 + 255), "16", None))
    assert summary == Summary(3, "00000000000000ff", ("0000000000000010", "0000000000000000"))


def test_a_bucket_that_one_side_lacks_differs() -> None:
    onprem = [("aaa", "1", "10"), ("bbb", "1", "20"), ("ccc", "2", "30")]
    athena = [("aaa", "1", "10"), ("bbb", "1", "21"), ("ddd", "2", "30")]
    assert differing_buckets(onprem, athena) == ["bbb", "ccc", "ddd"]


def _row(key: str, *cells: str | None) -> HashedRow:
    return HashedRow(f"hash of {key}", f"{cells}", cells, (key,))


def test_differences_are_ordered_by_key_as_numbers_are() -> None:
    onprem = [_row("10", "a"), _row("9", "a"), _row("100", "a")]
    keys = [d.key["id"] for d in differing_rows(onprem, [], ["c"], ["id"])]
    assert keys == ["9", "10", "100"]


def test_a_null_that_became_a_value_is_a_difference() -> None:
    differences = differing_rows([_row("1", "a", None)], [_row("1", "a", "b")], ["x", "y"], ["id"])
    assert differences == [Difference({"id": "1"}, 1, 1, ("y",))]


def test_equal_rows_are_no_difference_however_often_they_occur() -> None:
    rows = [_row("1", "a"), _row("1", "a"), _row("2", "b")]
    assert differing_rows(rows, rows[::-1], ["x"], ["id"]) == []


def test_a_comparison_that_never_asked_is_not_equal() -> None:
    assert not TableComparison("erp.orders").is_equal
    assert not TableComparison("erp.orders", 0, 0, "00", "00", error="late").is_equal
    assert TableComparison("erp.orders", 0, 0, "00", "00").is_equal


def test_a_comparison_is_json() -> None:
    difference = Difference({"id": "1"}, 1, 0, ())
    comparison = TableComparison("erp.orders", 2, 1, "aa", "bb", ("id",), (difference,))
    told = json.loads(json.dumps(comparison.to_dict()))
    assert told["is_equal"] is False
    assert told["differences"][0]["key"] == {"id": "1"}
