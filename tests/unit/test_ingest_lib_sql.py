"""The SQL that reads the source, as text; the integration tests run it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest import source_sql, watermark
from ingest.postgresql import PostgreSQL
from ingest.structures import Column, Drift, TableStructure
from ingest.watermark import Window
from test_ingest_lib_settings import settings

POSTGRESQL = PostgreSQL()


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
        ("character(300)", '"c"::text'),
        ("uuid", '"c"::text'),
        ("jsonb", '"c"::text'),
        ("erp.status", '"c"::text'),
        ("interval", '"c"::text'),
        ("time(3) without time zone", "to_char(\"c\", 'HH24:MI:SS.US')"),
        ("date", "(\"c\" - DATE '1970-01-01')"),
    ],
)
def test_column_travels_in_its_wire_form(source_type: str, expected: str) -> None:
    assert source_sql.wire(POSTGRESQL, column(source_type)) == expected


def test_column_that_is_gone_is_null_of_its_wire_type() -> None:
    kinds = ("date", "timestamp with time zone", "numeric(5,2)", "integer[]", "boolean", "erp.status")
    assert [source_sql.wire(POSTGRESQL, column(kind), Drift(absent=frozenset("c"))) for kind in kinds] == [
        "NULL::integer",
        "NULL::bigint",
        "NULL::numeric",
        "NULL::text",
        "NULL::boolean",
        "NULL::text",
    ]


def test_column_of_another_type_is_cast_where_that_loses_nothing() -> None:
    drift = Drift(retyped=frozenset("c"))
    assert source_sql.wire(POSTGRESQL, column("integer"), drift) == (
        'CASE WHEN pg_input_is_valid("c"::text, \'integer\') THEN "c"::text::integer END'
    )
    table = replace(ORDERS, columns=(*ORDERS.columns, column("numeric(5,2)")))
    query = source_sql.source_query(POSTGRESQL, settings(key_columns=["Order"]), table, drift=drift)
    assert (
        '("c" IS NOT NULL AND NOT CASE WHEN pg_input_is_valid("c"::text, \'numeric(5,2)\') '
        'THEN "c"::text::numeric(5,2) = "c"::text::numeric ELSE false END) THEN \'type of c\''
    ) in query.expressions[source_sql.QUARANTINE]


@given(st.text(min_size=1))
def test_quoted_name_is_one_identifier_and_holds_the_name(name: str) -> None:
    quoted = POSTGRESQL.quote_name(name)
    assert quoted[0] == quoted[-1] == '"'
    assert quoted[1:-1].replace('""', "").count('"') == 0
    assert quoted[1:-1].replace('""', '"') == name


@given(st.text())
def test_quoted_text_is_one_literal_and_holds_the_text(text: str) -> None:
    quoted = POSTGRESQL.quote_text(text)
    assert quoted[1:-1].replace("''", "").count("'") == 0
    assert quoted[1:-1].replace("''", "'") == text


ORDERS = TableStructure(
    "erp.orders", 1, (column("integer", "Order"), replace(column("text", "note"), masking="hash")), ()
)


def test_select_names_everything_exactly() -> None:
    query = source_sql.source_query(POSTGRESQL, settings(key_columns=["Order"]), ORDERS, window="x > 1")
    assert query.sql("Order") == (
        "SELECT \"Order\" AS \"order\", encode(sha256(decode(current_setting('millpond.masking_key'), 'hex')"
        ' || convert_to("note"::text, \'UTF8\')), \'hex\') AS "note", "Order" AS "__split" '
        'FROM "erp"."orders" WHERE x > 1'
    )


def test_only_the_newest_change_of_a_key_is_read() -> None:
    changes = settings(
        load_mode="change_table",
        key_columns=["Order"],
        change_operation_column="op",
        change_sequence_column="seq",
    )
    text = source_sql.source_query(POSTGRESQL, changes, ORDERS).sql()
    assert text.startswith('SELECT DISTINCT ON ("Order") ')
    assert text.endswith(' FROM "erp"."orders" ORDER BY "Order", "seq" DESC')


def test_filter_marks_changed_rows_as_deleted_and_leaves_others_out() -> None:
    filtered = settings(key_columns=["Order"], filter="note <> 'x' -- why")
    whole = source_sql.source_query(POSTGRESQL, filtered, ORDERS)
    assert (whole.predicate, whole.has_deleted) == ("(note <> 'x' -- why\n)", False)
    changed = source_sql.source_query(POSTGRESQL, filtered, ORDERS, window="w")
    assert changed.predicate == "w"
    assert changed.expressions[source_sql.DELETED] == "coalesce((note <> 'x' -- why\n) IS NOT TRUE, false)"


def test_masking_key_is_in_the_settings_of_a_session_and_in_no_query() -> None:
    key = bytes(range(32))
    values = POSTGRESQL.session_settings(key)
    inner, outer = (bytes.fromhex(values[f"millpond.masking_{name}"]) for name in ("inner", "outer"))
    token = hashlib.sha256(outer + hashlib.sha256(inner + b"text").digest()).hexdigest()
    assert token == hmac.new(key, b"text", hashlib.sha256).hexdigest()
    assert key.hex() not in source_sql.source_query(POSTGRESQL, settings(key_columns=["Order"]), ORDERS).sql()
    assert f"-c millpond.masking_key={key.hex()} " in POSTGRESQL.start_options(values)


def test_blanks_and_backslashes_of_a_setting_are_escaped_in_the_options_of_a_start() -> None:
    session = {"datestyle": "ISO, YMD", "search_path": "", "a.b": "c\\d"}
    expected = "-c datestyle=ISO,\\ YMD -c search_path= -c a.b=c\\\\d"
    assert POSTGRESQL.start_options(session) == expected


def test_first_window_reads_everything() -> None:
    assert watermark.predicate(POSTGRESQL, column("bigint"), Window(None, "9")) == ""


def test_window_is_closed_at_both_ends() -> None:
    window = Window("2024-01-01 00:00:00+00", "2024-01-02 00:00:00+00")
    assert watermark.predicate(POSTGRESQL, column("timestamp with time zone"), window) == (
        "(\"c\" >= '2024-01-01 00:00:00+00'::timestamp with time zone "
        "AND \"c\" <= '2024-01-02 00:00:00+00'::timestamp with time zone)"
    )


@pytest.mark.parametrize(
    ("source_type", "overlap", "lower"),
    [
        ("date", "P1D", "('1'::date - 'P1D'::interval)::date"),
        ("bigint", "100", "('1'::bigint - '100'::bigint)::bigint"),
    ],
)
def test_overlap_is_taken_from_the_lower_end(source_type: str, overlap: str, lower: str) -> None:
    predicate = watermark.predicate(POSTGRESQL, column(source_type), Window("1", "2", overlap), is_open=True)
    assert predicate == f'("c" >= {lower} AND "c" <= \'2\'::{source_type})'


def test_growing_keys_at_the_lower_end_are_not_read_again() -> None:
    predicate = watermark.predicate(POSTGRESQL, column("bigint"), Window("1", "2"), is_open=True)
    assert predicate.startswith("(\"c\" > '1'")


def test_rows_without_a_watermark_are_always_read() -> None:
    predicate = watermark.predicate(POSTGRESQL, column("bigint", nullable=True), Window("1", "2"))
    assert predicate == '("c" >= \'1\'::bigint AND "c" <= \'2\'::bigint OR "c" IS NULL)'


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**6), st.integers(1, 40), st.data())
def test_each_value_is_in_exactly_one_split(low: int, span: int, parts: int, data: st.DataObject) -> None:
    value = data.draw(st.integers(low, low + span))
    predicates = source_sql.split_predicates(POSTGRESQL, column("bigint"), low, low + span, parts)
    assert len(predicates) <= parts
    assert sum(_holds(predicate, value) for predicate in predicates) == 1
    assert sum("IS NULL" in predicate or predicate == "TRUE" for predicate in predicates) == 1


def test_dates_are_split_by_day() -> None:
    assert source_sql.split_predicates(POSTGRESQL, column("date"), 0, 9, 2) == [
        '"__split" < DATE \'1970-01-01\' + 5 OR "__split" IS NULL',
        "\"__split\" >= DATE '1970-01-01' + 5",
    ]


def _holds(predicate: str, value: int) -> bool:
    words = predicate.replace(' OR "__split" IS NULL', "").replace('"__split"', str(value))
    return bool(eval(words.replace("AND", "and").replace("TRUE", "True")))
