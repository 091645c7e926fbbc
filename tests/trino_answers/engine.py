"""The compiler and DuckDB in this process, over the eight tables of TPC-H at scale factor 0.01."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb

from millpond.planes.athena import statements as st
from millpond.planes.athena.engine import prepare, translated
from millpond.planes.athena.exceptions import InvalidRequestException, Place, QueryFailed
from millpond.planes.athena.kernels import Installer, installed_in, raise_refused
from millpond.planes.athena.queries import AsOf, StoredTable, compile_query
from millpond.planes.athena.relations import Column
from millpond.planes.athena.results import query_columns
from millpond.planes.athena.types import from_hive, literal
from millpond.planes.athena.values import writer

DATABASE = "trino_tiny"
SECONDS = 30
# As Trino's tpch connector names and types them, money as decimal.
TABLES = {
    "lineitem": "orderkey bigint, partkey bigint, suppkey bigint, linenumber int, quantity decimal(12,2), "
    "extendedprice decimal(12,2), discount decimal(12,2), tax decimal(12,2), returnflag varchar(1), "
    "linestatus varchar(1), shipdate date, commitdate date, receiptdate date, shipinstruct varchar(25), "
    "shipmode varchar(10), comment varchar(44)",
    "orders": "orderkey bigint, custkey bigint, orderstatus varchar(1), totalprice decimal(12,2), "
    "orderdate date, orderpriority varchar(15), clerk varchar(15), shippriority int, comment varchar(79)",
    "customer": "custkey bigint, name varchar(25), address varchar(40), nationkey bigint, phone varchar(15), "
    "acctbal decimal(12,2), mktsegment varchar(10), comment varchar(117)",
    "part": "partkey bigint, name varchar(55), mfgr varchar(25), brand varchar(10), type varchar(25), "
    "size int, container varchar(10), retailprice decimal(12,2), comment varchar(23)",
    "supplier": "suppkey bigint, name varchar(25), address varchar(40), nationkey bigint, phone varchar(15), "
    "acctbal decimal(12,2), comment varchar(101)",
    "partsupp": "partkey bigint, suppkey bigint, availqty int, supplycost decimal(12,2), "
    "comment varchar(199)",
    "nation": "nationkey bigint, name varchar(25), regionkey bigint, comment varchar(152)",
    "region": "regionkey bigint, name varchar(25), comment varchar(152)",
}


def columns_of(table: str) -> list[tuple[str, str]]:
    parted = (column.split(" ", 1) for column in re.split(r", (?=\w+ )", TABLES[table]))
    return [(name, kind) for name, kind in parted]


class Catalog:
    """The eight tables."""

    def find(
        self, catalog: str, database: str, table: str, place: Place, as_of: AsOf | None = None
    ) -> StoredTable:
        if database != DATABASE:
            message = f"Schema '{database}' does not exist"
            raise QueryFailed("SCHEMA_NOT_FOUND", message, *place)
        if table not in TABLES:
            message = f"Table '{catalog}.{database}.{table}' does not exist"
            raise QueryFailed("TABLE_NOT_FOUND", message, *place)
        columns = tuple(Column(name, name, from_hive(kind)) for name, kind in columns_of(table))
        return StoredTable(database, table, columns, ())


class Engine:
    """Answers statements as a worker does, without a stack.

    Parameters
    ----------
    directory : Path
        Where the tables are, or are made.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        if not (directory / "region.parquet").exists():
            program = Path(sys.executable).with_name("tpchgen-cli")
            command = [str(program), "parquet", "-s", "0.01", "-o", str(directory)]
            subprocess.run(command, check=True, capture_output=True)
        self._connection = duckdb.connect(config={"threads": 1})
        prepare(self._connection)
        self._kernels = Installer(self._connection)
        for name in TABLES:
            prefix = "ps" if name == "partsupp" else name[0]
            path = literal(str(directory / f"{name}.parquet"))
            listed = ", ".join(
                f'CAST({prefix}_{column} AS {kind}) AS "{column}"' for column, kind in columns_of(name)
            )
            self._connection.execute(f"CREATE TABLE {name} AS SELECT {listed} FROM read_parquet({path})")

    def ask(self, sql: str) -> tuple[list[dict[str, Any]], list[list[str | None]]] | str | None:
        """Column information and rows, or the reason of the failure; None if it did not end in time."""
        timer = threading.Timer(SECONDS, self._connection.interrupt)
        timer.start()
        try:
            with installed_in(self._kernels):
                return self._ask(sql)
        except (QueryFailed, InvalidRequestException) as error:
            return str(error)
        except duckdb.InterruptException:
            return None
        except duckdb.Error as error:
            return translated(error).state_change_reason
        finally:
            timer.cancel()

    def _ask(self, sql: str) -> tuple[list[dict[str, Any]], list[list[str | None]]]:
        statement = st.parse_statement(sql)
        assert isinstance(statement, st.Query), sql
        query = compile_query(statement.node, Catalog(), DATABASE)
        for scan in query.scans:
            self._connection.execute(f'CREATE OR REPLACE TEMP VIEW "{scan.name}" AS FROM {scan.table.name}')
        writers = [writer(column.type) for column in query.columns]
        found = self._connection.execute(query.sql).fetchall()
        raise_refused()
        rows = [[None if v is None else w(v) for v, w in zip(r, writers, strict=True)] for r in found]
        return query_columns(query.columns), rows
