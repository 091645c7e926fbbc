"""MySQL's dialect on a real MariaDB: read by both engines, compared with the source, proposed, checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ingest.dialects import dialect_of
from ingest_fixtures import MASKING_KEY, RAW, Lab, open_lab
from lambda_modules import lambda_modules
from mariadb_fixtures import MariaDB, running_mariadb
from ports import free_port
from settings_items import settings_item

from lake import scaffold, tables
from lake.sources import Source, source_of_url
from lake.tables import Wanted
from lake.verify.compare import TableComparison, compare_table
from lake.verify.structure import Table
from millpond.client.query import run_query
from millpond.toolchain import maven
from millpond.toolchain.ivy import Ivy

# The server is Debian's and the driver comes from a repository: not every machine has both.
pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300)]

ENGINES = ("shell", "spark")
UTC = ZoneInfo("UTC")

# Name, type, what the server makes of it, catalog type, then SQL and the expected value of each of two rows.
TYPES: list[tuple[str, str, str, str, list[tuple[str, Any]]]] = [
    ("flag", "tinyint(1)", "tinyint(1)", "smallint", [("1", 1), ("-128", -128)]),
    ("tiny", "tinyint unsigned", "tinyint(3) unsigned", "smallint", [("255", 255), ("0", 0)]),
    ("small", "smallint unsigned", "smallint(5) unsigned", "int", [("65535", 65535), ("1", 1)]),
    ("medium", "mediumint", "mediumint(9)", "int", [("-8388608", -8388608), ("1", 1)]),
    (
        "whole",
        "int unsigned zerofill",
        "int(10) unsigned zerofill",
        "bigint",
        [("4294967295", 2**32 - 1), ("1", 1)],
    ),
    ("big", "bigint", "bigint(20)", "bigint", [("-9223372036854775808", -(2**63)), ("1", 1)]),
    (
        "bigger",
        "bigint unsigned",
        "bigint(20) unsigned",
        "decimal(20,0)",
        [("18446744073709551615", Decimal(2**64 - 1)), ("1", Decimal(1))],
    ),
    (
        "cost",
        "decimal(12,2)",
        "decimal(12,2)",
        "decimal(12,2)",
        [("-1234567890.12", Decimal("-1234567890.12")), ("0", Decimal("0.00"))],
    ),
    ("huge", "decimal(65,3)", "decimal(65,3)", "string", [("1.5", "1.500"), ("-7", "-7.000")]),
    ("f4", "float", "float", "float", [("0.1", 0.10000000149011612), ("16777217", 16777216.0)]),
    ("f8", "double", "double", "double", [("0.1", 0.1), ("-5e-324", -5e-324)]),
    ("bit1", "bit(1)", "bit(1)", "boolean", [("b'1'", True), ("b'0'", False)]),
    ("bits", "bit(8)", "bit(8)", "string", [("5", "00000101"), ("255", "11111111")]),
    ("y", "year", "year(4)", "smallint", [("2024", 2024), ("1901", 1901)]),
    ("d", "date", "date", "date", [("'1000-01-01'", date(1000, 1, 1)), ("'9999-12-31'", date.max)]),
    (
        "dt",
        "datetime(6)",
        "datetime(6)",
        "timestamp",
        [
            ("'1850-01-01 23:59:59.999999'", datetime(1850, 1, 1, 23, 59, 59, 999999)),
            ("'2024-03-10 02:30:00.000001'", datetime(2024, 3, 10, 2, 30, 0, 1)),
        ],
    ),
    (
        "ts",
        "timestamp(3) null",
        "timestamp(3)",
        "timestamptz",
        [
            ("'2024-03-10 02:30:00.123'", datetime(2024, 3, 10, 2, 30, 0, 123000, UTC)),
            ("'1970-01-01 00:00:01'", datetime(1970, 1, 1, 0, 0, 1, 0, UTC)),
        ],
    ),
    (
        "t",
        "time(6)",
        "time(6)",
        "string",
        [("'-838:59:59'", "-838:59:59.000000"), ("'25:01:02.000003'", "25:01:02.000003")],
    ),
    ("c", "char(5)", "char(5)", "char(5)", [("'ab'", "ab"), ("'é'", "é")]),
    ("latin", "varchar(5)", "varchar(5)", "string", [("'é '", "é "), ("''", "")]),
    (
        "txt",
        "longtext character set utf8mb4",
        "longtext",
        "string",
        [("'a\\nb\\\\''🦆'", "a\nb\\'🦆"), ("'NULL'", "NULL")],
    ),
    (
        "mood",
        "enum('so, so','it''s (fine)')",
        "enum('so, so','it''s (fine)')",
        "string",
        [("'so, so'", "so, so"), ("'it''s (fine)'", "it's (fine)")],
    ),
    ("tags", "set('a','b')", "set('a','b')", "string", [("'b,a'", "a,b"), ("''", "")]),
    ("bin", "varbinary(4)", "varbinary(4)", "binary", [("x'00ff0a22'", b'\x00\xff\n"'), ("''", b"")]),
    ("blobs", "longblob", "longblob", "binary", [("x'c3'", b"\xc3"), ("''", b"")]),
    (
        "js",
        "json",
        "longtext",
        "string",
        [('\'{"b": 1,  "a": "x"}\'', '{"b": 1,  "a": "x"}'), ("'null'", "null")],
    ),
    (
        "id",
        "uuid",
        "uuid",
        "string",
        [
            ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ("'00000000-0000-0000-0000-000000000000'", "00000000-0000-0000-0000-000000000000"),
        ],
    ),
    ("net", "inet6", "inet6", "string", [("'::1'", "::1"), ("'::ffff:10.0.0.1'", "::ffff:10.0.0.1")]),
    (
        "place",
        "point",
        "point",
        "string",
        [("point(1, 2)", "POINT(1 2)"), ("point(0, -1.5)", "POINT(0 -1.5)")],
    ),
    ("Select `x`", "int", "int(11)", "int", [("1", 1), ("2", 2)]),
]


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDB]:
    with running_mariadb() as server:
        yield server


@pytest.fixture(scope="module")
def lab(server: MariaDB, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lake whose jobs sign in to the MariaDB."""
    with open_lab(tmp_path_factory.mktemp("mariadb")) as lab:
        lab.client("secretsmanager").put_secret_value(
            SecretId="onprem", SecretString=json.dumps(server.secret("lab"))
        )
        jars = lab.directory / "jars"
        python = lab.tools.spark_python
        assert python is not None
        maven.fetch(["mysql"], jars, Ivy.of(lab.tools.java_home / "bin" / "java", python, ""), print)
        conf = lab.directory / "conf" / "spark-defaults.conf"
        conf.write_text(conf.read_text().replace("extraClassPath ", f"extraClassPath {jars}/mysql/*:"))
        yield lab


@pytest.fixture(scope="module")
def source(server: MariaDB) -> Source:
    return Source(server.secret("lab"), None, "lab")


def ingest(lab: Lab, source: Source, engine: str, table: str, run_id: str = "r1", **overrides: Any) -> Table:
    """Ingest a table as its settings say, and what the comparison knows of it."""
    with closing(source.open()) as database:
        columns = [one for one in database.columns(["lab"]) if one.table == table]
    structure = scaffold.table_structure(columns, {})
    table_id = lab.declare(table, structure=structure, **overrides)
    lab.run(engine, table_id, run_id)
    return Table.from_items(settings_item(table_id, schema_policy="strict", **overrides), structure)


def compared(lab: Lab, source: Source, table: Table) -> TableComparison:
    """The comparison of a table by the real Athena."""
    athena = lab.client("athena")
    with closing(source.open(source.sql.masking_settings(bytes.fromhex(MASKING_KEY)))) as database:
        database.begin_snapshot()
        return compare_table(
            table,
            database.ask,
            lambda query: list(
                run_query(athena, query, workgroup="primary", output_location=f"s3://{RAW}/athena/").rows
            ),
            database.sql,
        )


@pytest.mark.parametrize("engine", ENGINES)
def test_every_value_arrives_exactly_and_the_comparison_says_so(
    server: MariaDB, lab: Lab, source: Source, engine: str
) -> None:
    table, quote = f"every_type_{engine}", source.sql.name
    columns = ", ".join(f"{quote(name)} {kind}" for name, kind, *_ in TYPES)
    server.execute(
        f"CREATE TABLE lab.{table} (no int, {columns})",
        *(
            f"INSERT INTO lab.{table} VALUES ({row}, {', '.join(values[row][0] for *_, values in TYPES)})"
            for row in range(2)
        ),
        f"INSERT INTO lab.{table} (no) VALUES (2)",
    )
    ingested = ingest(lab, source, engine, table)
    expected = [("no", "int(11)", "int"), *((name, seen, catalog) for name, _, seen, catalog, _ in TYPES)]
    assert [(one.source_name, one.source_type, one.type) for one in ingested.columns] == expected
    rows = sorted(lab.rows(f"lab.{table}"), key=lambda row: row["no"])
    found = {
        one.source_name: [repr(row[one.name]) for row in rows] for one in ingested.columns if one.name != "no"
    }
    assert found == {name: [repr(value) for _, value in values] + ["None"] for name, *_, values in TYPES}
    comparison = compared(lab, source, ingested)
    assert (comparison.columns, comparison.is_equal) == ((), True)
    server.execute(
        f"UPDATE lab.{table} SET f8 = 0.10000000000000002, dt = dt + INTERVAL 1 MICROSECOND WHERE no = 0"
    )
    assert compared(lab, source, ingested).columns == ("f8", "dt")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("kind", "value"), [("date", "0000-00-00"), ("datetime", "2024-00-10 00:00:00")])
def test_a_date_that_no_calendar_has_fails_the_run_by_the_columns_name(
    server: MariaDB, lab: Lab, source: Source, engine: str, kind: str, value: str
) -> None:
    table = f"zero_{kind}_{engine}"
    server.execute(
        f"CREATE TABLE lab.{table} (no int, born {kind})", f"INSERT INTO lab.{table} VALUES (1, '{value}')"
    )
    with pytest.raises(AssertionError, match="born"):
        ingest(lab, source, engine, table)
    assert lab.item(f"lab.{table}", "r1")["status"] == "FAILED"
    ingested = ingest(lab, source, engine, table, "r2", column_actions={"born": "drop"})
    assert compared(lab, source, ingested).is_equal


@pytest.mark.parametrize("engine", ENGINES)
def test_changes_are_merged_and_bad_rows_are_in_quarantine_and_masks_are_the_same(
    server: MariaDB, lab: Lab, source: Source, engine: str
) -> None:
    table = f"people_{engine}"
    server.execute(
        f"CREATE TABLE lab.{table} (id int unsigned PRIMARY KEY, email varchar(40), tax varchar(20), "
        "age int, gone boolean NOT NULL DEFAULT 0, updated_at datetime(3) NOT NULL, KEY (updated_at))",
        f"INSERT INTO lab.{table} SELECT seq, concat('Zoë', seq, '@x'), seq, cast(seq AS signed) - 2, 0, "
        "'2024-01-01' + INTERVAL seq MINUTE FROM lab.seq_1_to_50",
    )
    settings: dict[str, Any] = {
        "load_mode": "incremental",
        "key_columns": ["id"],
        "watermark_column": "updated_at",
        "watermark_overlap": "PT10M",
        "column_actions": {"email": "tokenise", "tax": "hash"},
        "quality_rules": [{"name": "an age", "check": "age >= 0"}],
        "quality_max_rejected": 1,
        "filter": "gone = 0",
    }
    first = ingest(lab, source, engine, table, **settings)
    lab.commit(f"lab.{table}", "r1")
    assert lab.item(f"lab.{table}", "r1")["watermark_to"] == "2024-01-01 00:50:00.000"
    assert compared(lab, source, first).rows_quarantined == 1
    assert compared(lab, source, first).is_equal
    server.execute(
        f"INSERT INTO lab.{table} VALUES (51, NULL, 'x', 3, 0, '2024-01-01 00:45:00')",
        f"UPDATE lab.{table} SET gone = 1, updated_at = '2024-02-01' WHERE id = 7",
        f"UPDATE lab.{table} SET age = 99, updated_at = '2024-02-01' WHERE id = 8",
    )
    second = ingest(lab, source, engine, table, "r2", **settings)
    item = lab.item(f"lab.{table}", "r2")
    assert (item["rows_inserted"], item["rows_updated"], item["rows_deleted"]) == (1, 12, 1), (
        "ten minutes are read again"
    )
    comparison = compared(lab, source, second)
    assert (comparison.is_equal, comparison.rows_onprem) == (True, 49)


@pytest.mark.parametrize("engine", ENGINES)
def test_of_a_table_of_changes_the_newest_of_each_key_counts(
    server: MariaDB, lab: Lab, source: Source, engine: str
) -> None:
    table = f"changes_{engine}"
    server.execute(
        f"CREATE TABLE lab.{table} (seq bigint PRIMARY KEY, op char(1) NOT NULL, sku varchar(9), "
        "price decimal(9,2))",
        f"INSERT INTO lab.{table} VALUES (1, 'I', 'a', 1), (2, 'I', 'b', 2), (3, 'U', 'a', 3), "
        "(4, 'D', 'b', NULL), (5, 'I', 'c', -1), (6, 'X', 'd', 4), (7, 'I', NULL, 5)",
    )
    settings: dict[str, Any] = {
        "load_mode": "change_table",
        "key_columns": ["sku"],
        "change_operation_column": "op",
        "change_sequence_column": "seq",
        "quality_rules": [{"name": "a price", "check": "price >= 0"}],
        "quality_max_rejected": 1,
    }
    ingested = ingest(lab, source, engine, table, **settings)
    comparison = compared(lab, source, ingested)
    assert (comparison.is_equal, comparison.rows_onprem, comparison.rows_quarantined) == (True, 1, 3)


def test_a_read_in_parts_is_refused_since_they_would_see_different_rows(
    server: MariaDB, lab: Lab, source: Source
) -> None:
    server.execute("CREATE TABLE lab.parts (id int PRIMARY KEY)")
    with pytest.raises(AssertionError, match="no snapshot that two connections see"):
        ingest(lab, source, "shell", "parts", split_column="id", split_partitions=4)


def test_settings_follow_from_the_catalog_and_are_held_against_it(server: MariaDB, tmp_path: Path) -> None:
    server.execute(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.Customer (CustomerId bigint PRIMARY KEY, Email varchar(50), name_of_pet text, "
        "UpdatedAt timestamp NOT NULL, KEY (UpdatedAt))",
        "CREATE TABLE shop.code (label varchar(9), code char(3) NOT NULL, UNIQUE (code), UNIQUE (label(2)))",
        "CREATE VIEW shop.customer_list AS SELECT CustomerId AS id FROM shop.Customer",
        "CREATE TABLE shop.day (d date, n int) PARTITION BY HASH (n) PARTITIONS 2",
    )
    source = source_of_url(f"mysql://somebody:b'ack%5Cslash@127.0.0.1:{server.port}/shop")
    tables.add(tables.look(source, Wanted(["shop"]), tmp_path), tmp_path)
    assert scaffold.read_choices(tmp_path) == {
        "shop.Customer": {
            "load_mode": "incremental",
            "watermark_column": "UpdatedAt",
            "watermark_overlap": "PT10M",
            "column_actions": {"Email": "tokenise"},
        },
        "shop.code": {"key_columns": ["code"]},
        "shop.customer_list": {},
        "shop.day": {},
    }
    assert tables.check(source, tmp_path) == []
    tables.edit(source, "shop.Customer", ["filter=nobody > 1"], tmp_path)
    (finding,) = tables.check(source, tmp_path)
    assert finding.text.startswith("MySQL does not take the filter: Unknown column 'nobody'")


def test_the_functions_ask_the_server_and_give_the_user_a_new_password(server: MariaDB) -> None:
    server.execute(
        "CREATE DATABASE functions",
        "CREATE TABLE functions.t (id int PRIMARY KEY, at datetime(6) NOT NULL)",
        "CREATE USER 'reader'@'127.0.0.1' IDENTIFIED BY 'old'",
        "GRANT SELECT ON functions.* TO 'reader'@'127.0.0.1'",
    )
    secret = {**server.secret("functions"), "username": "reader", "password": "old"}
    with lambda_modules("plan", "sizes") as plan:
        sizes = plan.sizes.read_sizes(secret, ["functions"])
    assert list(sizes) == [("functions", "t")]
    with lambda_modules("register", "handler", "onprem") as register:
        query = dialect_of("mariadb", "").columns_query("functions", "t")
        with register.onprem.session(secret, "millpond-register") as connection:
            columns = register.handler.read_columns(connection, query)
        found = [(one.name, one.type, one.nullable) for one in columns]
    assert found == [("id", "int(11)", False), ("at", "datetime(6)", False)]
    with lambda_modules("rotate", "handler", "onprem") as rotate:
        rotate.handler.change_password(secret, "new'\\")
        assert not rotate.handler.signs_in(secret)
        assert rotate.handler.signs_in({**secret, "password": "new'\\"})
        gone = {**secret, "port": free_port()}
        with pytest.raises(rotate.onprem.DatabaseUnreachableError, match="does not answer"):
            rotate.handler.signs_in(gone)
