"""Every type: no loss on the way from PostgreSQL to a query of the Iceberg table."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from ingest_fixtures import RAW, Lab
from pyarrow import parquet

from lake import scaffold

ENGINES = ("shell", "spark")
UTC = ZoneInfo("UTC")

# name, PostgreSQL type, catalog type, then SQL and the expected value of each of three rows.
TYPES: list[tuple[str, str, str, list[tuple[str, Any]]]] = [
    ("small", "smallint", "smallint", [("-32768", -32768), ("32767", 32767), ("NULL", None)]),
    ("int", "integer", "int", [("-2147483648", -(2**31)), ("7", 7), ("NULL", None)]),
    ("big", "bigint", "bigint", [("9223372036854775807", 2**63 - 1), ("-1", -1), ("NULL", None)]),
    (
        "money",
        "numeric(12,2)",
        "decimal(12,2)",
        [("1234567890.12", Decimal("1234567890.12")), ("-0.01", Decimal("-0.01")), ("NULL", None)],
    ),
    (
        "small_money",
        "numeric(5,3)",
        "decimal(5,3)",
        [("99.999", Decimal("99.999")), ("0", Decimal("0.000")), ("NULL", None)],
    ),
    (
        "huge",
        "numeric(38,10)",
        "decimal(38,10)",
        [
            ("1234567890123456789012345678.0123456789", Decimal("1234567890123456789012345678.0123456789")),
            ("-1", Decimal("-1.0000000000")),
            ("NULL", None),
        ],
    ),
    (
        "unbounded",
        "numeric",
        "string",
        [
            ("1e40::numeric + 0.0000000000000000001230", "1" + "0" * 40 + ".0000000000000000001230"),
            ("'NaN'", "NaN"),
            ("NULL", None),
        ],
    ),
    ("f4", "real", "float", [("0.1", 0.10000000149011612), ("'NaN'", math.nan), ("NULL", None)]),
    (
        "f8",
        "double precision",
        "double",
        [("0.1", 0.1), ("'-Infinity'", -math.inf), ("NULL", None)],
    ),
    ("flag", "boolean", "boolean", [("true", True), ("false", False), ("NULL", None)]),
    (
        "txt",
        "text",
        "string",
        [("E'a\\nb\\r\\n\"c\",\\\\.\\t''é🦆'", 'a\nb\r\n"c",\\.\t\'é🦆'), ("''", ""), ("NULL", None)],
    ),
    ("vc", "character varying(5)", "string", [("'ab '", "ab "), ("'NULL'", "NULL"), ("NULL", None)]),
    ("chars", "character(256)", "string", [("'ab'", "ab"), ("''", ""), ("NULL", None)]),
    ("bp", "bpchar", "string", [("'ab '", "ab"), ("''", ""), ("NULL", None)]),
    ("ch", "character(5)", "char(5)", [("'ab'", "ab"), ("''", ""), ("NULL", None)]),
    ("mood", "lab.mood", "string", [("'so, so'", "so, so"), ("'fine'", "fine"), ("NULL", None)]),
    (
        "id",
        "uuid",
        "string",
        [
            ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ("'00000000-0000-0000-0000-000000000000'", "00000000-0000-0000-0000-000000000000"),
            ("NULL", None),
        ],
    ),
    (
        "js",
        "json",
        "string",
        [("""'{"b": 1,  "a": "x\\ny"}'""", '{"b": 1,  "a": "x\\ny"}'), ("'null'", "null"), ("NULL", None)],
    ),
    (
        "jb",
        "jsonb",
        "string",
        [("""'{"b":1.10,"a":[]}'""", '{"a": [], "b": 1.10}'), ("'\"\"'", '""'), ("NULL", None)],
    ),
    ("d", "date", "date", [("'1500-02-28'", date(1500, 2, 28)), ("'9999-12-31'", date.max), ("NULL", None)]),
    (
        "ts",
        "timestamp without time zone",
        "timestamp",
        [
            ("'2024-03-10 02:30:00.123456'", datetime(2024, 3, 10, 2, 30, 0, 123456)),
            ("'1850-01-01 23:59:59.999999'", datetime(1850, 1, 1, 23, 59, 59, 999999)),
            ("NULL", None),
        ],
    ),
    (
        "tz",
        "timestamp(3) with time zone",
        "timestamptz",
        [
            ("'2024-03-10 02:30:00.123+05:30'", datetime(2024, 3, 9, 21, 0, 0, 123000, UTC)),
            ("'1969-12-31 23:59:59.999Z'", datetime(1969, 12, 31, 23, 59, 59, 999000, UTC)),
            ("NULL", None),
        ],
    ),
    (
        "t",
        "time without time zone",
        "string",
        [("'01:02:03.4'", "01:02:03.400000"), ("'24:00'", "24:00:00.000000"), ("NULL", None)],
    ),
    (
        "iv",
        "interval",
        "string",
        [
            ("'1 year 2 mons 3 days 04:05:06.789'", "P1Y2M3DT4H5M6.789S"),
            ("'0'", "PT0S"),
            ("NULL", None),
        ],
    ),
    ("bin", "bytea", "binary", [("'\\x00ff0a22'", b'\x00\xff\n"'), ("''", b""), ("NULL", None)]),
    (
        "tags",
        "text[]",
        "array<string>",
        [
            (
                """ARRAY['a,b', NULL, '"q"', '', 'NULL', E'x\\ny\\\\']""",
                ["a,b", None, '"q"', "", "NULL", "x\ny\\"],
            ),
            ("'{}'", []),
            ("NULL", None),
        ],
    ),
    ("nums", "integer[]", "array<int>", [("'{1,NULL,-3}'", [1, None, -3]), ("'{}'", []), ("NULL", None)]),
    (
        "prices",
        "numeric(8,2)[]",
        "array<decimal(8,2)>",
        [("'{1.50,NULL}'", [Decimal("1.50"), None]), ("'{}'", []), ("NULL", None)],
    ),
    (
        "days",
        "date[]",
        "array<date>",
        [("'{2024-02-29,NULL}'", [date(2024, 2, 29), None]), ("'{}'", []), ("NULL", None)],
    ),
    (
        "moments",
        "timestamp with time zone[]",
        "array<timestamptz>",
        [
            ("'{2024-01-01 00:00:00.000001+02}'", [datetime(2023, 12, 31, 22, 0, 0, 1, UTC)]),
            ("'{NULL}'", [None]),
            ("NULL", None),
        ],
    ),
    (
        "blobs",
        "bytea[]",
        "array<binary>",
        [("ARRAY['\\x00ff'::bytea, NULL, '']", [b"\x00\xff", None, b""]), ("'{}'", []), ("NULL", None)],
    ),
    (
        "codes",
        "character(3)[]",
        "array<char(3)>",
        [("'{a,NULL}'", ["a", None]), ("'{}'", []), ("NULL", None)],
    ),
    (
        "flags",
        "boolean[]",
        "array<boolean>",
        [("'{t,f,NULL}'", [True, False, None]), ("'{}'", []), ("NULL", None)],
    ),
    (
        "ratios",
        "double precision[]",
        "array<double>",
        [("'{0.1,1e300}'", [0.1, 1e300]), ("'{}'", []), ("NULL", None)],
    ),
    (
        "moods",
        "lab.mood[]",
        "array<string>",
        [("""'{"so, so"}'""", ["so, so"]), ("'{}'", []), ("NULL", None)],
    ),
    ("net", "inet", "string", [("'10.0.0.1/24'", "10.0.0.1/24"), ("'::1'", "::1/128"), ("NULL", None)]),
    ("cash", "money", "string", [("12.5", "$12.50"), ("'-1000'", "-$1,000.00"), ("NULL", None)]),
    ("words", "tsvector", "string", [("'a fat cat'", "'a' 'cat' 'fat'"), ("''", ""), ("NULL", None)]),
    ("dom", "lab.positive", "string", [("7", "7"), ("1", "1"), ("NULL", None)]),
    (
        "ttz",
        "time with time zone",
        "string",
        [("'12:00:00.5+02'", "12:00:00.5+02"), ("'00:00Z'", "00:00:00+00"), ("NULL", None)],
    ),
    ("select", "integer", "int", [("1", 1), ("2", 2), ("NULL", None)]),
    ('Mixed "Case"', "integer", "int", [("1", 1), ("2", 2), ("NULL", None)]),
]


@pytest.fixture(scope="module")
def every_type(lab: Lab) -> dict[str, str]:
    """The table of every type, ingested by each engine into a table of its own."""
    columns = ", ".join(f"{_quote(name)} {kind}" for name, kind, _, _ in TYPES)
    lab.execute(
        "CREATE TYPE lab.mood AS ENUM ('fine', 'so, so')",
        "CREATE DOMAIN lab.positive AS integer CHECK (value > 0)",
    )
    tables = {}
    for engine in ENGINES:
        table = f"every_type_{engine}"
        lab.execute(f"CREATE TABLE lab.{table} (no integer, {columns})")
        for row in range(3):
            values = ", ".join(cases[row][0] for _, _, _, cases in TYPES)
            lab.execute(f"INSERT INTO lab.{table} VALUES ({row}, {values})")
        with lab.database.connection() as connection:
            found = [one for one in scaffold.read_columns(connection, ["lab"]) if one.table == table]
        structure = scaffold.table_structure(found, {})
        expected = [("no", "integer", "int"), *((name, kind, catalog) for name, kind, catalog, _ in TYPES)]
        assert structure["columns"] == [_column(*one) for one in expected]
        tables[engine] = lab.declare(table, structure=structure)
        lab.run(engine, tables[engine], "r1")
    return tables


@pytest.fixture(scope="module")
def landed(lab: Lab, every_type: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """The rows that a query sees, in order."""
    return {
        engine: sorted(lab.rows(table_id), key=lambda row: row["no"])
        for engine, table_id in every_type.items()
    }


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", TYPES, ids=[case[0] for case in TYPES])
def test_every_value_arrives_exactly(landed: dict[str, list[dict[str, Any]]], engine: str, case: Any) -> None:
    name, _, _, values = case
    found = [row[_catalog_name(name)] for row in landed[engine]]
    assert [repr(value) for value in found] == [repr(value) for _, value in values]


def test_raw_files_carry_the_field_ids_of_the_curated_table(lab: Lab, every_type: dict[str, str]) -> None:
    metadata = lab.metadata(every_type["shell"])
    (schema,) = metadata["schemas"]
    ids = {field["name"]: field["id"] for field in schema["fields"]}
    (key,) = [one for one in lab.objects(RAW, "lab/every_type_shell/") if one.endswith(".parquet")]
    body = lab.client("s3").get_object(Bucket=RAW, Key=key)["Body"].read()
    found = parquet.ParquetFile(pa.BufferReader(body)).schema_arrow
    assert {field.name: int(field.metadata[b"PARQUET:field_id"]) for field in found} == ids


@pytest.mark.parametrize(
    ("engine", "table", "kind", "catalog", "value"),
    [
        ("shell", "nan", "numeric(12,2)", "decimal(12,2)", "'NaN'"),
        ("spark", "nan", "numeric(12,2)", "decimal(12,2)", "'NaN'"),
        ("shell", "forever", "date", "date", "'infinity'"),
        ("shell", "always", "timestamp with time zone", "timestamptz", "'-infinity'"),
        ("shell", "matrix", "text[]", "array<string>", "'{{a,b},{c,d}}'"),
    ],
)
def test_a_value_that_parquet_cannot_hold_fails_the_run(
    lab: Lab, engine: str, table: str, kind: str, catalog: str, value: str
) -> None:
    table = f"{table}_{engine}"
    lab.execute(f"CREATE TABLE lab.{table} (v {kind})", f"INSERT INTO lab.{table} VALUES ({value})")
    structure = {"columns": [_column("v", kind, catalog)], "partitions": []}
    table_id = lab.declare(table, structure=structure)
    assert lab.attempt(engine, table_id, "r1").returncode != 0
    assert lab.item(table_id, "r1")["status"] == "FAILED"


def _column(name: str, kind: str, catalog: str) -> dict[str, Any]:
    return {
        "name": _catalog_name(name),
        "source_name": name,
        "source_type": kind,
        "type": catalog,
        "nullable": True,
    }


def _catalog_name(name: str) -> str:
    return name.lower().replace('"', "").replace(" ", "_")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
