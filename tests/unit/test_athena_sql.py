"""What Trino's SQL means, on DuckDB in memory: values, types, and the errors of statements that are wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from millpond.planes.athena.engine import prepare, translated
from millpond.planes.athena.exceptions import QueryFailed
from millpond.planes.athena.kernels import Installer, installed_in
from millpond.planes.athena.queries import AsOf, CompiledQuery, StoredTable, StoredView, compile_query
from millpond.planes.athena.relations import Column
from millpond.planes.athena.sql import parse_query
from millpond.planes.athena.types import from_hive

COLUMNS = {
    "id": "bigint",
    "name": "string",
    "day": "date",
    "at": "timestamp",
    "ratio": "double",
    "price": "decimal(15,2)",
    "code": "char(4)",
    "list": "array<int>",
    "map": "map<string,int>",
    "pair": "struct<first:int,second:string>",
}
ROWS = """
    SELECT i::BIGINT AS id, CASE WHEN i < 3 THEN 'n' || i END AS name, DATE '2024-01-01' + i::INT AS day,
           TIMESTAMP '2024-01-01 10:20:30.123' AS "at", i * 1.5 AS ratio, (i * 1.25)::DECIMAL(15,2) AS price,
           rpad('c' || i, 4, ' ') AS code, [i::INT, NULL, 3] AS "list", MAP {'k': i::INT} AS "map",
           {'first': i::INT, 'second': 'z'} AS pair
    FROM range(1, 4) t(i)
"""


class Catalog:
    """One table ``t`` and one view ``v`` in the database ``db``."""

    def find(
        self,
        catalog: str,
        database: str,
        table: str,
        place: tuple[int | None, int | None],
        as_of: AsOf | None = None,
    ) -> StoredTable | StoredView:
        if (database, table) == ("db", "v"):
            return StoredView("SELECT id, price * 2 FROM t WHERE id > 1", "db", ("id", "twice"))
        if (database, table) != ("db", "t"):
            raise QueryFailed(
                "TABLE_NOT_FOUND", f"Table '{catalog}.{database}.{table}' does not exist", *place
            )
        return StoredTable("db", "t", tuple(Column(n, n, from_hive(t)) for n, t in COLUMNS.items()), ("day",))


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        prepare(connection)
        connection.execute(f"CREATE TABLE rows_of_t AS {ROWS}")
        with installed_in(Installer(connection)):
            yield connection


def compiled(query: str) -> CompiledQuery:
    return compile_query(parse_query(query), Catalog(), "db")


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    statement = compiled(query)
    for scan in statement.scans:
        connection.execute(f'CREATE OR REPLACE TEMP VIEW "{scan.name}" AS FROM rows_of_t')
    try:
        return connection.execute(statement.sql).fetchall()
    except duckdb.Error as error:
        raise translated(error) from error


def types(query: str) -> list[str]:
    return [str(column.type) for column in compiled(query).columns]


def failure(query: str) -> str:
    with pytest.raises(QueryFailed) as raised:
        compiled(query)
    return raised.value.state_change_reason


VALUES = [
    ("normalize('e' || chr(769)) = chr(233)", True, "boolean"),
    ("to_hex(to_utf8(normalize(chr(233), NFKD)))", "65CC81", "varchar"),
    # Numbers
    ("7 / 2", 3, "integer"),
    ("-7 / 2", -3, "integer"),
    ("-7 % 2", -1, "integer"),
    ("7 / 2e0", 3.5, "double"),
    ("1e0 / 0", float("inf"), "double"),
    ("DECIMAL '1.00' / 3", Decimal("0.33"), "decimal(3,2)"),
    ("DECIMAL '2.00' / 3", Decimal("0.67"), "decimal(3,2)"),
    ("DECIMAL '-2.00' / 3", Decimal("-0.67"), "decimal(3,2)"),
    ("DECIMAL '5'", Decimal("5"), "decimal(1,0)"),
    ("CAST('1.50' AS decimal)", Decimal("2"), "decimal(38,0)"),
    ("1.5 * 1.25", Decimal("1.875"), "decimal(5,3)"),
    ("1.5 + 1", Decimal("2.5"), "decimal(12,1)"),
    ("3000000000", 3000000000, "bigint"),
    ("round(2.5e0)", 3.0, "double"),
    ("round(DECIMAL '2.555', 2)", Decimal("2.560"), "decimal(5,3)"),
    ("CAST(2.5e0 AS integer)", 3, "integer"),
    ("CAST(DECIMAL '-2.5' AS bigint)", -3, "bigint"),
    ("greatest(1, NULL)", None, "integer"),
    ("least(3, 2, 5)", 2, "integer"),
    ("from_base('ff', 16)", 255, "bigint"),
    ("from_base('-z', 36)", -35, "bigint"),
    ("from_base('7fffffffffffffff', 16)", 2**63 - 1, "bigint"),
    # Text
    ("concat('a', NULL)", None, "varchar"),
    ("'a' || 'b'", "ab", "varchar"),
    ("substr('abc', 0)", "", "varchar(3)"),
    ("substr('abc', -2)", "bc", "varchar(3)"),
    ("substr('abc', -5)", "", "varchar(3)"),
    ("substring('abc' FROM 2 FOR 1)", "b", "varchar(3)"),
    ("split_part('a,b', ',', 3)", None, "varchar(3)"),
    ("regexp_extract('abc', 'z')", None, "varchar(3)"),
    ("regexp_replace('abc', '(b)', '<$1>')", "a<b>c", "varchar(19)"),
    ("lpad('12345', 3, '0')", "123", "varchar"),
    ("'a' NOT LIKE 'b%'", True, "boolean"),
    (r"'a%' LIKE 'a\%' ESCAPE '\'", True, "boolean"),
    ("strpos('abc', 'c')", 3, "bigint"),
    ("format('%05d|%s', 42, 'x')", "00042|x", "varchar"),
    # Text of values
    ("CAST(1e10 AS varchar)", "1.0E10", "varchar"),
    ("CAST(123.456e0 AS varchar)", "1.23456E2", "varchar"),
    ("CAST(-0.00015e0 AS varchar)", "-1.5E-4", "varchar"),
    ("CAST(0e0 AS varchar)", "0E0", "varchar"),
    ("CAST(DECIMAL '1.50' AS varchar)", "1.50", "varchar"),
    ("CAST(TIMESTAMP '2024-01-02 03:04:05.6' AS varchar)", "2024-01-02 03:04:05.6", "varchar"),
    ("CAST(CAST('2024-01-02 03:04:05' AS timestamp) AS varchar)", "2024-01-02 03:04:05.000", "varchar"),
    ("CAST(true AS varchar)", "true", "varchar"),
    ("CAST('abc' AS varchar(2))", "ab", "varchar(2)"),
    # Bytes
    ("to_hex(md5(to_utf8('a')))", "0CC175B9C0F1B6A831C399E269772661", "varchar"),
    (
        "to_hex(sha256(to_utf8('')))",
        "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
        "varchar",
    ),
    ("to_hex(to_ieee754_64(1.5e0))", "3FF8000000000000", "varchar"),
    ("length(to_utf8('é'))", 2, "bigint"),
    ("X'00ff'", b"\x00\xff", "varbinary"),
    # Time
    ("DATE '1998-12-01' - INTERVAL '90' DAY", dt.date(1998, 9, 2), "date"),
    ("DATE '2024-01-31' + INTERVAL '1' MONTH", dt.date(2024, 2, 29), "date"),
    ("date_trunc('month', DATE '2024-05-06')", dt.date(2024, 5, 1), "date"),
    ("date_diff('month', DATE '2024-01-31', DATE '2024-02-28')", 0, "bigint"),
    ("date_diff('day', TIMESTAMP '2024-01-01 23:00:00', TIMESTAMP '2024-01-02 01:00:00')", 0, "bigint"),
    ("date_format(TIMESTAMP '2024-05-06 07:08:09', '%Y-%m-%d %H:%i:%s')", "2024-05-06 07:08:09", "varchar"),
    ("date_parse('06/05/2024', '%d/%m/%Y')", dt.datetime(2024, 5, 6), "timestamp(3)"),
    ("day_of_week(DATE '2024-05-05')", 7, "bigint"),
    ("extract(YEAR FROM DATE '2024-05-05')", 2024, "bigint"),
    ("millisecond(TIMESTAMP '2024-01-01 00:00:59.123')", 123, "bigint"),
    # Nested
    ("array_join(ARRAY[1, NULL, 2], ',')", "1,2", "varchar"),
    ("array_join(ARRAY[1, NULL, 2], ',', '-')", "1,-,2", "varchar"),
    ("array_join(transform(ARRAY['a', NULL], x -> coalesce(x, '?')), '')", "a?", "varchar"),
    ("reduce(ARRAY[1, 2, 3], 0, (s, x) -> s + x, s -> s)", 6, "integer"),
    ("filter(ARRAY[1, 2, 3], x -> x > 1)", [2, 3], "array(integer)"),
    ("contains(ARRAY[1, NULL], 2)", None, "boolean"),
    ("any_match(ARRAY[1, 2], x -> x > 1)", True, "boolean"),
    ("element_at(ARRAY[1, 2], -1)", 2, "integer"),
    ("MAP(ARRAY['a'], ARRAY[1])['a']", 1, "integer"),
    ("CAST(ROW(1, 'x') AS ROW(a integer, b varchar)).b", "x", "varchar"),
    ("slice(ARRAY[1, 2, 3], 2, 2)", [2, 3], "array(integer)"),
    # Conditions
    ("if(1 > 2, 'a', 'b')", "b", "varchar(1)"),
    ("CASE 2 WHEN 1 THEN 1.5 ELSE 2 END", Decimal("2.0"), "decimal(11,1)"),
    ("nullif(1, 1)", None, "integer"),
    ("try(1 / 0)", None, "integer"),
    ("try(CAST('x' AS integer))", None, "integer"),
    ("try_cast('x' AS integer)", None, "integer"),
    ("1 IS NOT NULL", True, "boolean"),
    ("NULL IS DISTINCT FROM 1", True, "boolean"),
    # Blanks at the end of a char are not part of it, but of its text.
    ("CAST('ab' AS char(4))", "ab  ", "char(4)"),
    ("CAST('abcdef' AS char(4))", "abcd", "char(4)"),
    ("CAST(CAST('ab' AS char(4)) AS varchar)", "ab  ", "varchar"),
    ("CAST(CAST('ab' AS char(4)) AS varchar(3))", "ab ", "varchar(3)"),
    ("length(CAST('ab' AS char(4)))", 4, "bigint"),
    ("CAST('ab' AS char(2)) = CAST('ab' AS char(4))", True, "boolean"),
    ("CAST('ab' AS char(4)) = 'ab   '", True, "boolean"),
    ("CAST('ab' AS char(4)) = CAST('ab' AS varchar)", True, "boolean"),
    ("CAST('ab' AS char(4)) > 'ab\n'", True, "boolean"),
    ("CAST('ab' AS char(4)) IS DISTINCT FROM 'ab'", False, "boolean"),
    ("CAST('ab' AS char(4)) BETWEEN 'ab' AND 'abc'", True, "boolean"),
    ("CASE CAST('ab' AS char(4)) WHEN 'ab' THEN 1 ELSE 2 END", 1, "integer"),
    ("CAST('ab' AS char(4)) LIKE 'ab'", False, "boolean"),
    ("CAST('ab' AS char(4)) LIKE 'ab%'", True, "boolean"),
    ("CAST('ab' AS char(4)) || 'c'", "ab  c", "char(5)"),
    ("concat('c', CAST('ab' AS char(4)))", "cab  ", "char(5)"),
    ("substr(CAST('ab' AS char(4)), 2)", "b  ", "varchar(4)"),
    ("rtrim(CAST('ab' AS char(4)))", "ab", "varchar(4)"),
    ("trim(LEADING FROM CAST(' ab' AS char(4)))", "ab", "varchar(4)"),
    ("upper(CAST('ab' AS char(4)))", "AB  ", "char(4)"),
    ("coalesce(CAST('ab' AS char(4)), 'xxxxx')", "ab   ", "char(5)"),
    ("nullif(CAST('ab' AS char(4)), 'ab    ')", None, "char(4)"),
    ("nullif(CAST('ab' AS char(4)), 'xxxxxx')", "ab  ", "char(4)"),
    ("ARRAY[CAST('a' AS char(1)), CAST('ab' AS char(2))]", ["a ", "ab"], "array(char(2))"),
    ("contains(ARRAY[CAST('ab' AS char(4))], 'ab')", True, "boolean"),
    ("element_at(MAP(ARRAY[CAST('ab' AS char(4))], ARRAY[1]), 'ab')", 1, "integer"),
    ("element_at(MAP(ARRAY[CAST('ab' AS char(2))], ARRAY[1]), 'abc')", None, "integer"),
    ("typeof(1.50)", "decimal(3,2)", "varchar"),
    ("typeof(current_timestamp(6))", "timestamp(6) with time zone", "varchar"),
    ("typeof(localtimestamp(0))", "timestamp(0)", "varchar"),
    ("abs(date_diff('second', current_timestamp(6), current_timestamp)) < 2", True, "boolean"),
    # JSON
    ("""json_extract_scalar('{"a": {"b": 1}}', '$.a.b')""", "1", "varchar(15)"),
    ("""json_extract_scalar('{"a": {"b": 1}}', '$.a')""", None, "varchar(15)"),
    ("CAST(json_parse('[1,2]') AS array(integer))", [1, 2], "array(integer)"),
]


@pytest.mark.parametrize(("expression", "value", "type_"), VALUES, ids=[v[0] for v in VALUES])
def test_expression_has_trinos_value_and_type(
    connection: duckdb.DuckDBPyConnection, expression: str, value: object, type_: str
) -> None:
    query = f"SELECT {expression}"
    assert rows(connection, query) == [(value,)]
    assert types(query) == [type_]


QUERIES = [
    ("SELECT count(*), sum(id), avg(id) FROM t", [(3, 6, 2.0)], ["bigint", "bigint", "double"]),
    (
        "SELECT sum(price), avg(price) FROM t",
        [(Decimal("7.50"), Decimal("2.50"))],
        ["decimal(38,2)", "decimal(15,2)"],
    ),
    ("SELECT avg(price) FROM t WHERE id > 9", [(None,)], ["decimal(15,2)"]),
    ("SELECT 100.00 * sum(price) / sum(price) FROM t", [(Decimal("100.0000"),)], ["decimal(38,4)"]),
    ("SELECT name, count(*) AS c FROM t GROUP BY 1 ORDER BY name", [("n1", 1), ("n2", 1), (None, 1)], None),
    ("SELECT name FROM t ORDER BY name DESC", [("n2",), ("n1",), (None,)], None),
    ("SELECT id FROM t ORDER BY -id LIMIT 1", [(3,)], None),
    ("SELECT id AS k FROM t ORDER BY k + 1 DESC OFFSET 1 LIMIT 1", [(2,)], None),
    ("SELECT id FROM t WHERE code = 'c1'", [(1,)], None),
    ("SELECT id FROM t WHERE code IN ('c1', 'c2') ORDER BY 1", [(1,), (2,)], None),
    ("SELECT id FROM t WHERE code IN (SELECT 'c1' UNION ALL SELECT 'c3 ') ORDER BY 1", [(1,), (3,)], None),
    ("SELECT id FROM t WHERE code = ANY (SELECT CAST('c2' AS varchar))", [(2,)], None),
    ("SELECT id FROM t JOIN (VALUES 'c1', 'x') AS w (k) ON code = k", [(1,)], None),
    ("SELECT id, code FROM t JOIN (VALUES 'c1     ') AS w (code) USING (code)", [(1, "c1     ")], None),
    (
        "SELECT code, count(*) FROM (SELECT code FROM t UNION ALL SELECT 'c1') GROUP BY code ORDER BY code",
        [("c1  ", 2), ("c2  ", 1), ("c3  ", 1)],
        ["char(4)", "bigint"],
    ),
    ("SELECT code FROM t INTERSECT SELECT 'c2      '", [("c2      ",)], ["char(8)"]),
    ("SELECT max(code), count(DISTINCT code) FROM t", [("c3  ", 3)], ["char(4)", "bigint"]),
    (
        "SELECT x, n FROM t CROSS JOIN UNNEST(list) WITH ORDINALITY AS u (x, n) WHERE id = 1 ORDER BY n",
        None,
        None,
    ),
    ("SELECT pair.first, t.pair.second, map['k'] FROM t WHERE id = 2", [(2, "z", 2)], None),
    ("SELECT * FROM v ORDER BY id", [(2, Decimal("5.00")), (3, Decimal("7.50"))], None),
    ("SELECT id FROM t a WHERE NOT EXISTS (SELECT 1 FROM t b WHERE b.id = a.id + 1)", [(3,)], None),
    (
        "SELECT count(*) FROM t JOIN t b ON t.id = b.id LEFT JOIN t c ON c.id = b.id + 1 WHERE c.id IS NULL",
        [(1,)],
        None,
    ),
    ("SELECT id FROM t FULL JOIN (VALUES (9)) AS w (id) USING (id) ORDER BY id DESC LIMIT 1", [(9,)], None),
    ("SELECT row_number() OVER (ORDER BY id DESC) FROM t ORDER BY id LIMIT 1", [(3,)], ["bigint"]),
    (
        "SELECT lag(name) IGNORE NULLS OVER (ORDER BY id) FROM t ORDER BY id",
        [(None,), ("n1",), ("n2",)],
        None,
    ),
    ("SELECT sum(sum(id)) OVER () FROM t GROUP BY name LIMIT 1", [(6,)], ["bigint"]),
    ("SELECT grouping(name), sum(id) FROM t GROUP BY ROLLUP (name) ORDER BY 1 DESC LIMIT 1", [(1, 6)], None),
    (
        "SELECT count(*) FILTER (WHERE id > 1), count_if(id > 2), max_by(name, -id) FROM t",
        [(2, 1, "n1")],
        None,
    ),
    ("SELECT listagg(name, ',') WITHIN GROUP (ORDER BY name DESC) FROM t", [("n2,n1",)], None),
    ("SELECT array_agg(name ORDER BY id) FROM t", [(["n1", "n2", None],)], ["array(varchar)"]),
    (
        "SELECT 1 AS x UNION ALL SELECT 2.5 ORDER BY x",
        [(Decimal("1.0"),), (Decimal("2.5"),)],
        ["decimal(11,1)"],
    ),
    ("SELECT 1 EXCEPT SELECT 1", [], None),
    (
        "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT max(n) FROM r",
        [(3,)],
        None,
    ),
    ("SELECT id FROM t WHERE (id, name) IN (SELECT id, name FROM t WHERE id = 2)", [(2,)], None),
    ("SELECT id FROM t WHERE id > ALL (SELECT id FROM t WHERE id < 3)", [(3,)], None),
    (
        "SELECT a.id, b.id FROM (SELECT id, id FROM t) AS a (id, other), t b WHERE other = b.id AND b.id = 1",
        [(1, 1)],
        None,
    ),
]


@pytest.mark.parametrize(("query", "expected", "expected_types"), QUERIES, ids=[q[0][:60] for q in QUERIES])
def test_query_has_trinos_rows(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    expected: list[tuple[object, ...]] | None,
    expected_types: list[str] | None,
) -> None:
    found = rows(connection, query)
    assert found == ([(1, 1), (None, 2), (3, 3)] if expected is None else expected)
    if expected_types is not None:
        assert types(query) == expected_types


FAILURES = [
    ("SELECT * FROM nope", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.db.nope' does not exist"),
    (
        "SELECT nope FROM t",
        "COLUMN_NOT_FOUND: line 1:8: Column 'nope' cannot be resolved "
        "or requester is not authorized to access requested resources",
    ),
    ("SELECT id FROM t a, t b", "AMBIGUOUS_NAME: line 1:8: Column 'id' is ambiguous"),
    ("SELECT id FROM t WHERE name = 1", "TYPE_MISMATCH: line 1:24: Cannot apply operator: varchar = integer"),
    ("SELECT nope(id) FROM t", "FUNCTION_NOT_FOUND: line 1:8: Function 'nope' not registered"),
    (
        "SELECT name, count(*) FROM t GROUP BY id",
        "EXPRESSION_NOT_AGGREGATE: line 1:8: "
        "'\"name\"' must be an aggregate expression or appear in GROUP BY clause",
    ),
    ("SELECT id FROM t WHERE count(*) > 1", "EXPRESSION_NOT_SCALAR: line 1:24: WHERE clause cannot contain"),
    ("SELECT checksum(id) FROM t", "NOT_SUPPORTED: line 1:8: The function checksum is not supported"),
    ("SELECT id FROM t TABLESAMPLE BERNOULLI (10)", "NOT_SUPPORTED: "),
    ("SELECT id FROM t FOR TIMESTAMP AS OF 5", "TYPE_MISMATCH: line 1:38"),
    ("SELECT * FROM t NATURAL JOIN t b", "NOT_SUPPORTED: "),
    ("SELECT id FROM read_csv('/etc/passwd')", "NOT_SUPPORTED: "),
    ("SELECT id FROM t\nWHERE nope > 1", "COLUMN_NOT_FOUND: line 2:7: Column 'nope'"),
    ("SELECT upper(1)", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (integer) for function upper"),
    ("SELECT 1 UNION SELECT 'a'", "TYPE_MISMATCH: "),
    (
        "SELECT replace(code, 'c') FROM t",
        "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (char(4), varchar",
    ),
    (
        "SELECT concat(code, name) FROM t",
        "INVALID_FUNCTION_ARGUMENT: line 1:8: CHAR length must be in range [0, 65536]",
    ),
    ("SELECT listagg(code, ',') WITHIN GROUP (ORDER BY id) FROM t", "TYPE_MISMATCH: "),
    ("SELECT CAST(code AS integer) FROM t", "TYPE_MISMATCH: line 1:13: Cannot cast char(4) to integer"),
    ("SELECT CAST(id AS char(4)) FROM t", "TYPE_MISMATCH: line 1:13: Cannot cast bigint to char(4)"),
    ("SELECT day + INTERVAL '1) day' DAY FROM t", "INVALID_LITERAL: "),
    ("SELECT DATE '2024-13'", "INVALID_LITERAL: line 1:13: '2024-13' is not a valid DATE literal"),
]


@pytest.mark.parametrize(("query", "reason"), FAILURES, ids=[f[0][:60] for f in FAILURES])
def test_wrong_query_fails_in_athenas_words(query: str, reason: str) -> None:
    assert failure(query).startswith(reason)


RUNTIME_FAILURES = [
    ("SELECT 1 / (id - id) FROM t", "DIVISION_BY_ZERO: Division by zero"),
    ("SELECT CAST(name AS integer) FROM t", "INVALID_CAST_ARGUMENT: Cannot cast 'n1'"),
    ("SELECT list[9] FROM t", "INVALID_FUNCTION_ARGUMENT: Array subscript must be less than"),
    ("SELECT (SELECT id FROM t)", "SUBQUERY_MULTIPLE_ROWS: Scalar sub-query has returned multiple rows"),
    ("SELECT CAST(id + 9223372036854775806 AS varchar) FROM t", "NUMERIC_VALUE_OUT_OF_RANGE: "),
]


@pytest.mark.parametrize(("query", "reason"), RUNTIME_FAILURES, ids=[f[0] for f in RUNTIME_FAILURES])
def test_error_while_running_has_trinos_name(
    connection: duckdb.DuckDBPyConnection, query: str, reason: str
) -> None:
    with pytest.raises(QueryFailed) as raised:
        rows(connection, query)
    assert raised.value.state_change_reason.startswith(reason)


def test_only_conditions_on_partition_keys_alone_are_offered_to_the_scan() -> None:
    query = "SELECT 1 FROM t WHERE day > DATE '2024-01-02' AND id > 1 AND (day = at OR id = 2)"
    (scan,) = compiled(query).scans
    assert len(scan.predicates) == 1
    assert '"day"' in scan.predicates[0]


def test_no_partition_is_left_out_of_the_optional_side_of_an_outer_join() -> None:
    query = "SELECT 1 FROM t a LEFT JOIN t b ON a.id = b.id WHERE b.day IS NULL AND a.day = DATE '2024-01-02'"
    outer, optional = compiled(query).scans
    assert len(outer.predicates) == 1
    assert optional.predicates == []
