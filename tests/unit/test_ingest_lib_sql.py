"""The SQL that reads the source, as text; the integration tests run it."""

from __future__ import annotations

import ingest_lib  # noqa: F401
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest import source_sql, watermark
from ingest.structures import Column, Partition, TableStructure
from ingest.watermark import Window
from test_ingest_lib_settings import settings


def column(source_type: str, name: str = "c", *, nullable: bool = False) -> Column:
    return Column(name.lower(), name, source_type, "string", nullable)


@pytest.mark.parametrize(
    ("source_type", "expected"),
    [
        ("integer", '"c"'),
        ("numeric(12,2)", '"c"'),
        ("numeric", '"c"::text'),
        ("numeric(39,0)", '"c"::text'),
        ("double precision", '"c"'),
        ("boolean", '"c"'),
        ("bytea", '"c"'),
        ("character(5)", '"c"'),
        ("uuid", '"c"::text'),
        ("jsonb", '"c"::text'),
        ("erp.status", '"c"::text'),
        ("interval", '"c"::text'),
        ("time(3) without time zone", "to_char(\"c\", 'HH24:MI:SS.US')"),
        ("date", "(\"c\" - DATE '1970-01-01')"),
    ],
)
def test_column_travels_in_its_wire_form(source_type: str, expected: str) -> None:
    assert source_sql.wire(column(source_type)) == expected


def test_array_of_char_keeps_its_padding() -> None:
    assert "rpad(e.v::text, 3)" in source_sql.wire(column("character(3)[]"))


@given(st.text(min_size=1))
def test_quoted_name_is_one_identifier_and_holds_the_name(name: str) -> None:
    quoted = source_sql.quote_name(name)
    assert quoted[0] == quoted[-1] == '"'
    assert quoted[1:-1].replace('""', "").count('"') == 0
    assert quoted[1:-1].replace('""', '"') == name


@given(st.text())
def test_quoted_text_is_one_literal_and_holds_the_text(text: str) -> None:
    quoted = source_sql.quote_text(text)
    assert quoted[1:-1].replace("''", "").count("'") == 0
    assert quoted[1:-1].replace("''", "'") == text


def test_select_names_everything_exactly() -> None:
    structure = TableStructure(
        "erp.orders",
        1,
        (column("integer", "Order"), column("date", "day")),
        (Partition("order_month", "day", "month"), Partition("by_order", "Order", "identity")),
    )
    query = source_sql.select_rows(settings(), structure, predicate="x > 1", split_column="Order")
    assert query == (
        'SELECT "Order" AS "order", ("day" - DATE \'1970-01-01\') AS "day", '
        'to_char("day", \'YYYY-MM\') AS "order_month", nullif("Order"::text, \'\') AS "by_order", '
        '"Order" AS "__split" FROM "erp"."orders" WHERE x > 1'
    )


def test_first_window_reads_everything() -> None:
    assert watermark.predicate(column("bigint"), Window(None, "9")) == ""


def test_window_is_closed_at_both_ends() -> None:
    window = Window("2024-01-01 00:00:00+00", "2024-01-02 00:00:00+00")
    assert watermark.predicate(column("timestamp with time zone"), window) == (
        "\"c\" BETWEEN '2024-01-01 00:00:00+00'::timestamp with time zone "
        "AND '2024-01-02 00:00:00+00'::timestamp with time zone"
    )


def test_rows_without_a_watermark_are_always_read() -> None:
    predicate = watermark.predicate(column("bigint", nullable=True), Window("1", "2"))
    assert predicate == "(\"c\" BETWEEN '1'::bigint AND '2'::bigint OR \"c\" IS NULL)"


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**6), st.integers(1, 40), st.data())
def test_each_value_is_in_exactly_one_split(low: int, span: int, parts: int, data: st.DataObject) -> None:
    value = data.draw(st.integers(low, low + span))
    predicates = source_sql.split_predicates(column("bigint"), low, low + span, parts)
    assert len(predicates) <= parts
    assert sum(_holds(predicate, value) for predicate in predicates) == 1
    assert sum("IS NULL" in predicate or predicate == "TRUE" for predicate in predicates) == 1


def test_dates_are_split_by_day() -> None:
    assert source_sql.split_predicates(column("date"), 0, 9, 2) == [
        '"__split" < DATE \'1970-01-01\' + 5 OR "__split" IS NULL',
        "\"__split\" >= DATE '1970-01-01' + 5",
    ]


def _holds(predicate: str, value: int) -> bool:
    words = predicate.replace(' OR "__split" IS NULL', "").replace('"__split"', str(value))
    return bool(eval(words.replace("AND", "and").replace("TRUE", "True")))
