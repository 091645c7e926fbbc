"""A lake in memory: source tables copied through Arrow, for tests of the comparison itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import psycopg
import pyarrow as pa

from lake.verify.structure import Table
from millpond.client.query import Row
from millpond.planes.athena.exceptions import Place
from millpond.planes.athena.kernels import Installer, installed_in
from millpond.planes.athena.macros import create_macros
from millpond.planes.athena.queries import AsOf, StoredTable, compile_query
from millpond.planes.athena.relations import Column
from millpond.planes.athena.sql import parse_query
from millpond.planes.athena.types import Type, from_hive, quote

_ARROW = {
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "binary": pa.binary(),
}


class MemoryLake:
    """Tables of a source as Iceberg keeps them, held by DuckDB, asked through Millpond's Athena compiler."""

    def __init__(self) -> None:
        self._duckdb = duckdb.connect()
        self._kernels = Installer(self._duckdb)
        for macro in create_macros():
            self.execute(macro)
        self._tables: dict[tuple[str, str], StoredTable] = {}

    def copy(self, connection: psycopg.Connection, table: Table) -> None:
        """Copy one table; a timestamp's microseconds stay, as they do in Parquet."""
        select = ", ".join(_wire(c.source_name, c.source_type, c.type) for c in table.columns)
        source = psycopg.sql.Identifier(table.source_schema, table.source_table).as_string()
        rows = connection.execute(f"SELECT {select} FROM {source}".encode()).fetchall()
        arrow = pa.table(
            [
                pa.array([_value(r[i], c.type) for r in rows], _arrow_type(c.type))
                for i, c in enumerate(table.columns)
            ],
            names=[c.name for c in table.columns],
        )
        self._duckdb.register("arrow_rows", arrow)
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(table.database)}")
        target = f"{_quoted(table.database)}.{_quoted(table.table)}"
        self.execute(f"CREATE OR REPLACE TABLE {target} AS SELECT * FROM arrow_rows")
        self.register(table.database, table.table, {c.name: c.type for c in table.columns})

    def execute(self, statement: str) -> None:
        self._duckdb.execute(statement)

    def register(self, database: str, name: str, columns: Mapping[str, str]) -> None:
        """Let Athena know a table and its types."""
        described = tuple(Column(column, column, _type(text)) for column, text in columns.items())
        self._tables[database, name] = StoredTable(database, name, described, ())

    def mask(self, database: str, table: str, column: str, make: Callable[[str], str]) -> None:
        """Put what a function makes of every value in its place."""
        target, name = f"{quote(database)}.{quote(table)}", quote(column)
        values = self._duckdb.execute(f"SELECT DISTINCT {name} FROM {target} WHERE {name} IS NOT NULL")
        pairs = [(make(value), value) for (value,) in values.fetchall()]
        self.execute("CREATE OR REPLACE TEMP TABLE masks (masked VARCHAR, plain VARCHAR)")
        self._duckdb.executemany("INSERT INTO masks VALUES (?, ?)", pairs)
        self.execute(f"UPDATE {target} SET {name} = masked FROM masks WHERE {name} = plain")

    def find(
        self, catalog: str, database: str, table: str, place: Place, as_of: AsOf | None = None
    ) -> StoredTable:
        return self._tables[database, table]

    def ask(self, query: str) -> list[Row]:
        with installed_in(self._kernels):
            compiled = compile_query(parse_query(query), self, "")
        for scan in compiled.scans:
            source = f"{quote(scan.table.database)}.{quote(scan.table.name)}"
            self.execute(f"CREATE OR REPLACE TEMP VIEW {quote(scan.name)} AS SELECT * FROM {source}")
        return [tuple(row) for row in self._duckdb.execute(compiled.sql).fetchall()]


def _type(text: str) -> Type:
    times = {"timestamp": "timestamp", "timestamptz": "timestamp with time zone"}
    if text.startswith("char("):
        return from_hive("string")
    return Type(times[text], (6,)) if text in times else from_hive(text)


def _wire(name: str, source_type: str, catalog_type: str) -> str:
    """Text for what the catalog keeps as text; whole microseconds for moments, days for dates."""
    column = _quoted(name)
    if source_type == "time without time zone":
        return f"to_char({column}::interval, 'HH24:MI:SS.US')"
    if catalog_type in ("timestamp", "timestamptz"):
        return f"(extract(epoch FROM {column}) * 1000000)::bigint"
    if catalog_type == "date":
        return f"{column} - date '1970-01-01'"
    return f"{column}::text" if catalog_type == "string" or catalog_type.startswith("char(") else column


def _value(value: Any, catalog_type: str) -> Any:
    if value is None or catalog_type not in ("timestamp", "timestamptz", "date"):
        return value
    return int(value)


def _arrow_type(catalog_type: str) -> pa.DataType:
    if catalog_type.startswith("array<"):
        return pa.list_(_arrow_type(catalog_type[6:-1]))
    if catalog_type.startswith("char("):
        return pa.string()
    decimal = re.fullmatch(r"decimal\((\d+),(\d+)\)", catalog_type)
    return pa.decimal128(int(decimal[1]), int(decimal[2])) if decimal else _ARROW[catalog_type]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
