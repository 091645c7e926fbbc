"""Any text and any name survives any function, and an expression may be nested deep."""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from millpond.planes.athena.engine import prepare
from millpond.planes.athena.exceptions import Place, QueryFailed
from millpond.planes.athena.kernels import Installer, installed_in
from millpond.planes.athena.queries import AsOf, StoredTable, StoredView, compile_query
from millpond.planes.athena.sql import parse_query

DEPTH = 200
LONGEST = 262_144
# What takes longer has no bound, on whatever machine.
SECONDS_AT_MOST = 30.0
# What comes out of each is what went in.
SAME = [
    "try({0})",
    "coalesce(NULL, {0})",
    "if(true, {0}, 'p1 p2')",
    "CASE {0} WHEN {0} THEN {0} ELSE 'v' END",
    "transform(ARRAY[{0}], x -> x)[1]",
    "transform(ARRAY['p0_0'], x -> {0})[1]",
    "filter(ARRAY[{0}], v -> v = {0})[1]",
    "reduce(ARRAY[{0}], '', (s, x) -> s || x, s -> s)",
    "element_at(MAP(ARRAY[{0}], ARRAY[{0}]), {0})",
    "transform_values(MAP(ARRAY['k'], ARRAY[{0}]), (k, v) -> v)['k']",
    "map_keys(transform_keys(MAP(ARRAY['k'], ARRAY[1]), (k, v) -> {0}))[1]",
    "map_values(map_filter(MAP(ARRAY['k'], ARRAY[{0}]), (k, v) -> v = {0}))[1]",
    "zip_with(ARRAY[{0}], ARRAY['e0'], (x, y) -> x)[1]",
    "CAST(ROW({0}) AS row(a varchar)).a",
    "substr('r1.' || {0}, 4)",
    "split_part({0} || chr(7), chr(7), 1)",
    "nullif({0}, 'error(boom)' || {0})",
    "from_utf8(to_utf8({0}))",
    "url_decode(url_encode({0}))",
    "reverse(reverse({0}))",
    "array_join(array_agg({0}), ',')",
    "max_by({0}, 1)",
    "json_extract_scalar(json_format(CAST(ARRAY[{0}] AS json)), '$[0]')",
]
DEEP = [
    "substr({0}, length('a'))",
    "lower({0})",
    "coalesce({0}, 'a')",
    "CASE WHEN {0} = 'a' THEN 'b' ELSE 'c' END",
    "nullif({0}, 'a')",
    "try({0})",
    "({0} || 'a')",
    "if({0} BETWEEN 'a' AND 'b', 'c', 'd')",
    "ARRAY[{0}][1]",
    "CAST(ROW({0}) AS row(a varchar)).a",
    "transform(ARRAY['z'], y -> {0})[1]",
]


class NoTables:
    def find(
        self, catalog: str, database: str, table: str, place: Place, as_of: AsOf | None = None
    ) -> StoredTable | StoredView:
        raise QueryFailed("TABLE_NOT_FOUND", table, *place)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        prepare(connection)
        with installed_in(Installer(connection)):
            yield connection


# No NUL, which DuckDB's text has not, and nothing that no encoding has.
texts = st.text(
    st.characters(exclude_characters="\x00\x07", exclude_categories=["Cs"]), min_size=1, max_size=20
) | st.sampled_from(["p1 p2", "error(boom)", "trino_fail('x')", "e0", "v", "'; --", "$1", "{0}", "\\", "%"])


def answer(connection: duckdb.DuckDBPyConnection, query: str) -> object:
    found = connection.execute(compile_query(parse_query(query), NoTables(), "db").sql).fetchone()
    assert found is not None
    return found[0]


@pytest.mark.parametrize("template", SAME)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts)
def test_text_survives(connection: duckdb.DuckDBPyConnection, template: str, text: str) -> None:
    constant = "'" + text.replace("'", "''") + "'"
    assert answer(connection, f"SELECT {template.format(constant)}") == text


@pytest.mark.parametrize("template", SAME)
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=texts)
def test_name_of_a_column_survives(connection: duckdb.DuckDBPyConnection, template: str, name: str) -> None:
    # An argument of a lambda hides a column of its name.
    assume(not re.search(rf"\b{re.escape(name)}\b.*->", template, re.IGNORECASE))
    column = '"' + name.replace('"', '""') + '"'
    if "agg" in template or "max_by" in template:
        template = "max({0})"
    assert answer(connection, f"SELECT {template.format(column)} FROM (VALUES 'x') t({column})") == "x"


@pytest.mark.timeout(SECONDS_AT_MOST)
@pytest.mark.parametrize("template", DEEP)
def test_nested_expression_is_compiled_in_time(template: str) -> None:
    expression = "'a'"
    for _ in range(DEPTH):
        expression = template.format(expression)
    compile_query(parse_query(f"SELECT {expression}"), NoTables(), "db")


@pytest.mark.timeout(SECONDS_AT_MOST)
@pytest.mark.parametrize("part", ["1 + ", "'abc' || ", "true AND ", "coalesce("])
def test_longest_statement_is_compiled_or_refused_in_time(part: str) -> None:
    last = {"1 + ": "1", "'abc' || ": "'a'", "true AND ": "true", "coalesce(": "1"}[part]
    query = f"SELECT {part * ((LONGEST - 100) // len(part))}{last}"
    reason = "answered"
    try:
        compile_query(parse_query(query), NoTables(), "db")
    except QueryFailed as failure:
        reason = failure.reason
    assert reason in ("answered", "STACK_OVERFLOW", "SYNTAX_ERROR")
