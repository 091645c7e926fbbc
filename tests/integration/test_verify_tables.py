"""The comparison: PostgreSQL's SQL on a real server, Athena's SQL on a lake in memory."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from onprem_fixtures import SCALE, onprem_settings, running_database
from verify_lake import MemoryLake

from lake.databases import PostgreSQLDatabase
from lake.load import load, run_workload
from lake.scaffold import FIXTURES, read_columns
from lake.verify import compare, queries
from lake.verify.canonical import masking_settings
from lake.verify.compare import TableComparison
from lake.verify.structure import Table
from millpond.client.query import QueryFailedError, Row

PLAIN = {"column_actions": {}, "quality_rules": []}
TABLES = {
    path.stem: Table.from_items(
        {**json.loads(path.read_text()), **PLAIN},
        json.loads((FIXTURES / "table_structures" / path.name).read_text()),
    )
    for path in sorted((FIXTURES / "job_settings").glob("*.json"))
}
LARGE = ("tpch.lineitem", "tpch.orders", "tpch.partsupp")
# A copy of a table of changes is not what its ingest makes of it.
SMALL = [name for name, table in TABLES.items() if name not in LARGE and table.rows.sequence_column is None]


CHANGES = """
    CREATE TABLE erp.price_changes (
      seq bigint PRIMARY KEY, op char(1) NOT NULL, sku text, price numeric(9,2), changed timestamptz);
    INSERT INTO erp.price_changes VALUES
      (1, 'I', 'a', 1, '2024-01-01 00:00:00.000001+02'), (2, 'I', 'b', 2, NULL), (3, 'U', 'a', 3, now()),
      (4, 'D', 'b', NULL, NULL), (5, 'I', 'c', -1, NULL), (6, 'X', 'd', 4, NULL), (7, 'I', NULL, 5, NULL)"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    settings = onprem_settings(tmp_path_factory.mktemp("verify"))
    with running_database(settings) as database:
        load(settings, scale=SCALE)
        run_workload(settings, changes=200)
        with database.connection() as connection:
            connection.execute(CHANGES)
            connection.commit()
        with database.connection(session=masking_settings(KEY)) as connection:
            PostgreSQLDatabase(connection).begin_snapshot()
            yield connection


@pytest.fixture
def lake() -> MemoryLake:
    return MemoryLake()


def _compare(source: psycopg.Connection, lake: MemoryLake, name: str) -> TableComparison:
    return _compare_as(source, lake, TABLES[name])


def _compare_as(source: psycopg.Connection, lake: MemoryLake, table: Table) -> TableComparison:
    return compare.compare_table(table, PostgreSQLDatabase(source).ask, lake.ask)


@pytest.mark.parametrize("name", SMALL)
def test_a_faithful_copy_is_equal(source: psycopg.Connection, lake: MemoryLake, name: str) -> None:
    lake.copy(source, TABLES[name])
    comparison = _compare(source, lake, name)
    assert comparison.is_equal, comparison
    assert comparison.rows_onprem == comparison.rows_athena
    assert (comparison.rows_onprem == 0) == (name == "erp.price_agreements")


# Each damages one value in a way that a sloppy ingest would.
DAMAGE = [
    ("erp.customers", "tax_id", "left(tax_id, 5)"),
    ("erp.customers", "discount_rate", "discount_rate + 0.0000001"),
    ("erp.customers", "updated_at", "updated_at + INTERVAL 1 MILLISECOND"),
    ("erp.customers", "updated_at", "updated_at + INTERVAL 2 HOUR"),
    ("erp.customers", "birth_date", "birth_date - 1"),
    ("erp.customers", "credit_limit", "credit_limit + 0.01"),
    ("erp.customers", "email", "coalesce(email, '')"),
    ("erp.customers", "tags", "CASE WHEN tags IS NULL THEN [] ELSE tags END"),
    ("erp.customers", "tags", "list_filter(tags, lambda t : t IS NOT NULL)"),
    ("erp.customers", "preferences", "replace(preferences, ' ', '')"),
    ("erp.orders", "note", "nullif(note, '')"),
    ("erp.orders", "note", "replace(note, chr(13), '')"),
    ("erp.orders", "note", "trim(note)"),
    ("erp.orders", "note", "nfc_normalize(note)"),
    ("erp.orders", "exchange_rate", "regexp_replace(exchange_rate, '0+$', '')"),
    ("erp.products", "image", "CASE WHEN octet_length(image) > 0 THEN image END"),
    ("erp.products", "dimensions_mm", "list_reverse(dimensions_mm)"),
    ("erp.measurements", "reading", "CASE WHEN isnan(reading) THEN NULL ELSE reading END"),
    ("erp.measurements", "exact", "CASE WHEN exact = 0.0000000001 THEN 0 ELSE exact END"),
    ("erp.measurements", "uptime", "replace(uptime, '1M', '30D')"),
    ("erp.Group", "id_2", "id_2 || ' '"),
]


@pytest.mark.parametrize(("name", "column", "expression"), DAMAGE)
def test_a_damaged_column_is_named_with_the_first_keys(
    source: psycopg.Connection, lake: MemoryLake, name: str, column: str, expression: str
) -> None:
    table = TABLES[name]
    lake.copy(source, table)
    lake.execute(f'UPDATE "{table.database}"."{table.table}" SET "{column}" = {expression}')
    comparison = _compare(source, lake, name)
    shown = {c.name: c.source_name for c in table.columns}.get(column, column)
    assert not comparison.is_equal
    assert comparison.error is None
    assert comparison.columns == (shown,)
    assert 0 < len(comparison.differences) <= 5
    assert {d.columns for d in comparison.differences} == {(shown,)}
    assert all(set(d.key) == set(table.key) for d in comparison.differences)


def test_missing_doubled_and_foreign_rows_are_told_apart(
    source: psycopg.Connection, lake: MemoryLake
) -> None:
    lake.copy(source, TABLES["erp.order_lines"])
    lake.execute("DELETE FROM erp.order_lines WHERE order_id = 7 AND line_no = 1")
    lake.execute(
        "INSERT INTO erp.order_lines SELECT * FROM erp.order_lines WHERE order_id = 8 AND line_no = 1"
    )
    lake.execute(
        "INSERT INTO erp.order_lines SELECT * REPLACE (-1 AS order_id) FROM erp.order_lines"
        " WHERE order_id = 9 AND line_no = 1"
    )
    comparison = _compare(source, lake, "erp.order_lines")
    assert comparison.rows_athena == (comparison.rows_onprem or 0) + 1
    assert {str(d) for d in comparison.differences} == {
        "order_id=7, line_no=1: missing in Athena",
        "order_id=8, line_no=1: 1 rows in the source, 2 in Athena",
        "order_id=-1, line_no=1: only in Athena",
    }


def test_values_swapped_between_rows_are_found_though_every_column_is_equal(
    source: psycopg.Connection, lake: MemoryLake
) -> None:
    lake.copy(source, TABLES["erp.Group"])
    lake.execute('UPDATE erp."group" SET "order" = CASE "id" WHEN 1 THEN -1 WHEN 3 THEN 1 ELSE "order" END')
    comparison = _compare(source, lake, "erp.Group")
    assert not comparison.is_equal
    assert comparison.columns == ()
    assert [str(d) for d in comparison.differences] == ["Id=1: differs in Order", "Id=3: differs in Order"]


def test_one_of_two_equal_rows_lost_from_a_table_without_a_key_is_found(
    source: psycopg.Connection, lake: MemoryLake
) -> None:
    lake.copy(source, TABLES["erp.audit_log"])
    lake.execute("DELETE FROM erp.audit_log WHERE rowid = (SELECT max(rowid) FROM erp.audit_log)")
    (difference,) = _compare(source, lake, "erp.audit_log").differences
    assert difference.rows_onprem == difference.rows_athena + 1
    assert len(difference.key["row"] or "") == 32


def test_the_order_of_rows_does_not_matter(source: psycopg.Connection, lake: MemoryLake) -> None:
    lake.copy(source, TABLES["erp.audit_log"])
    lake.execute("CREATE OR REPLACE TABLE erp.audit_log AS SELECT * FROM erp.audit_log ORDER BY md5(payload)")
    assert _compare(source, lake, "erp.audit_log").is_equal


def _items(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return tuple(
        json.loads((FIXTURES / f / f"{name}.json").read_text()) for f in ("job_settings", "table_structures")
    )


def _error_of(source: psycopg.Connection, lake: MemoryLake, setting: dict[str, Any], structure: Any) -> str:
    def ask_athena(query: str) -> list[Row]:
        raise QueryFailedError(
            "FAILED: TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.erp.orders' does not exist"
        )

    comparison = compare.compare_item(
        setting,
        structure,
        read_columns(source, ["erp"]),
        ask_onprem=PostgreSQLDatabase(source).ask,
        ask_athena=ask_athena,
    )
    assert not comparison.is_equal
    assert comparison.table_id == setting["table_id"]
    return comparison.error or ""


def test_a_table_the_database_lacks_is_that_tables_error(
    source: psycopg.Connection, lake: MemoryLake
) -> None:
    setting, structure = _items("erp.orders")
    error = _error_of(source, lake, {**setting, "source_table": "oders"}, structure)
    assert error == "the database has no table erp.oders"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"source_type": "integer"},
            "column order_id is bigint in the database and integer in table_structures",
        ),
        ({"source_name": "order_nr"}, "table_structures has a column order_nr that the database lacks"),
        (None, "the database has a column order_id that table_structures lacks"),
    ],
)
def test_a_structure_that_does_not_match_is_that_tables_error(
    source: psycopg.Connection, lake: MemoryLake, change: dict[str, Any] | None, expected: str
) -> None:
    setting, structure = _items("erp.orders")
    first, *rest = structure["columns"]
    columns = rest if change is None else [{**first, **change}, *rest]
    strict = {**setting, "schema_policy": "strict"}
    assert _error_of(source, lake, strict, {**structure, "columns": columns}) == expected


def test_a_table_without_structure_is_that_tables_error(source: psycopg.Connection, lake: MemoryLake) -> None:
    assert "no entry" in _error_of(source, lake, _items("erp.orders")[0], None)


def test_athenas_refusal_is_that_tables_error(source: psycopg.Connection, lake: MemoryLake) -> None:
    assert "TABLE_NOT_FOUND" in _error_of(source, lake, *_items("erp.orders"))


def test_postgresqls_refusal_is_that_tables_error_and_the_next_table_is_compared(
    source: psycopg.Connection, lake: MemoryLake
) -> None:
    setting, structure = _items("erp.Group")
    lake.copy(source, TABLES["erp.Group"])
    error = _error_of(source, lake, {**setting, "filter": '"select" > 7'}, structure)
    assert error.startswith("PostgreSQL: ")
    assert _compare(source, lake, "erp.Group").is_equal


# What settings make of it: fewer columns and rows, masks, and the quarantine.

KEY = bytes(range(32))


def _table(name: str, **changes: Any) -> Table:
    setting, structure = _items(name)
    return Table.from_items({**setting, **PLAIN, **changes}, structure)


def test_a_microsecond_is_a_difference_and_blanks_at_the_end_of_a_char_are_none(
    source: psycopg.Connection,
) -> None:
    lake, table = MemoryLake(), _table("erp.customers")
    lake.copy(source, table)
    lake.execute("UPDATE erp.customers SET tax_id = tax_id || '  '")
    assert _compare_as(source, lake, table).is_equal
    lake.execute("UPDATE erp.customers SET updated_at = updated_at + INTERVAL 1 MICROSECOND")
    assert _compare_as(source, lake, table).columns == ("updated_at",)


def test_masked_and_left_out_columns_and_filtered_rows_are_what_the_settings_say(
    source: psycopg.Connection,
) -> None:
    plain = _table("erp.customers")
    actions = {"email": "tokenise", "tax_id": "hash", "birth_date": "drop"}
    table = _table(
        "erp.customers", column_actions=actions, filter="customer_id % 3 <> 0", include_columns=None
    )
    lake = MemoryLake()
    lake.copy(source, plain)
    lake.mask("erp", "customers", "tax_id", lambda text: hashlib.sha256(KEY + text.encode()).hexdigest())
    lake.mask(
        "erp",
        "customers",
        "email",
        lambda text: "tok_" + hmac.digest(KEY, text.encode(), "sha256").hex()[:32],
    )
    lake.execute("DELETE FROM erp.customers WHERE customer_id % 3 = 0")
    comparison = _compare_as(source, lake, table)
    assert comparison.is_equal, comparison
    assert "birth_date" not in [column.name for column in table.columns]
    lake.execute("UPDATE erp.customers SET email = replace(email, 'tok_', 'tok')")
    assert _compare_as(source, lake, table).columns == ("email",)


def test_the_key_that_masks_is_in_no_query() -> None:
    table = _table(
        "erp.customers",
        column_actions={"email": "hash", "tax_id": "tokenise"},
        quality_rules=[{"name": "r", "check": "customer_id > 0"}],
    )
    side = queries.source_side(table)
    texts = [side.summary(), side.buckets(), side.rows(["abc"]), queries.quarantined_rows(table) or ""]
    assert all("masking_key" in text or "masking_inner" in text for text in texts)
    assert not any(KEY.hex()[:16] in text for text in texts)


@pytest.mark.parametrize("load_mode", ["full", "incremental"])
def test_a_row_that_breaks_a_rule_must_be_in_quarantine_instead(
    source: psycopg.Connection, load_mode: str
) -> None:
    table = _table(
        "erp.customers",
        load_mode=load_mode,
        quality_rules=[{"name": "few", "check": "customer_id <> 7"}, {"name": "x", "check": "NULL"}],
        column_actions={"email": "hash"},
        include_columns=["customer_id", "email"],
    )
    lake = MemoryLake()
    lake.copy(source, table)
    lake.mask("erp", "customers", "email", lambda text: hashlib.sha256(KEY + text.encode()).hexdigest())
    lake.execute("CREATE SCHEMA operations")
    lake.execute('CREATE TABLE operations.quarantine (table_id VARCHAR, "row" VARCHAR)')
    lake.register("operations", "quarantine", {"table_id": "string", "row": "string"})
    unclean = _compare_as(source, lake, table)
    # A run that changes rows by key leaves an older one as it is; one that replaces the table does not.
    assert (unclean.rows_athena or 0) - (unclean.rows_onprem or 0) == (load_mode == "full")
    assert not unclean.columns or load_mode == "full"
    (missing,) = unclean.quarantine_missing
    assert missing["customer_id"] == "7"
    if load_mode == "full":
        lake.execute("DELETE FROM erp.customers WHERE customer_id = 7")
    assert not _compare_as(source, lake, table).is_equal
    row = json.dumps(missing, indent=2).replace("'", "''")
    lake.execute(f"INSERT INTO operations.quarantine VALUES ('erp.customers', '{row}')")
    comparison = _compare_as(source, lake, table)
    assert comparison.is_equal, comparison
    assert comparison.rows_quarantined == 1


def test_of_a_table_of_changes_the_newest_of_each_key_counts(source: psycopg.Connection) -> None:
    kinds = {"seq": "bigint", "op": "character(1)", "sku": "text", "price": "numeric(9,2)"}
    kinds["changed"] = "timestamp with time zone"
    types = {
        "seq": "bigint",
        "op": "string",
        "sku": "string",
        "price": "decimal(9,2)",
        "changed": "timestamptz",
    }
    structure = {
        "columns": [
            {"name": n, "source_name": n, "source_type": kinds[n], "type": types[n], "nullable": n == "sku"}
            for n in kinds
        ]
    }
    setting = {
        **_items("erp.customers")[0],
        "source_table": "price_changes",
        "target_table": "price_changes",
        "load_mode": "change_table",
        "key_columns": ["sku"],
        "change_operation_column": "op",
        "change_sequence_column": "seq",
        "quality_rules": [{"name": "positive", "check": "price > 0"}],
    }
    table = Table.from_items(setting, structure)
    lake = MemoryLake()
    lake.copy(source, table)
    lake.execute("DELETE FROM erp.price_changes WHERE seq <> 3")
    lake.execute("CREATE SCHEMA operations")
    lake.execute('CREATE TABLE operations.quarantine (table_id VARCHAR, "row" VARCHAR)')
    lake.register("operations", "quarantine", {"table_id": "string", "row": "string"})
    comparison = _compare_as(source, lake, table)
    assert (comparison.rows_onprem, comparison.rows_athena, comparison.columns) == (1, 1, ())
    assert comparison.rows_quarantined == 3
    assert {row["seq"] for row in comparison.quarantine_missing} == {"5", "6", "7"}
