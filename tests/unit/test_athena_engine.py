"""The DuckDB of a query: what it may touch, and what it does when memory is short."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from millpond.planes.athena.engine import connect, scanned_bytes, sign_in


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    address = "http://127.0.0.1:1"
    with connect(tmp_path / "spill", tmp_path / "objects", memory="60MB") as connection:
        sign_in(connection, address, "eu-west-1", "key", "secret")
        yield connection


def test_the_process_that_forks_has_one_thread() -> None:
    program = "import os, millpond.planes.athena.worker; print(len(os.listdir('/proc/self/task')))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "1"


@pytest.mark.parametrize(
    "statement",
    [
        "FROM read_csv('/etc/passwd')",
        "FROM read_text('/etc/passwd')",
        "FROM glob('/etc/*')",
        "FROM read_parquet('http://127.0.0.1:1/a.parquet')",
        "COPY (SELECT 1) TO '/tmp/written.csv'",
        "ATTACH '/tmp/written.db'",
        "INSTALL spatial",
        "LOAD spatial",
        "LOAD '/tmp/unsigned.duckdb_extension'",
    ],
)
def test_nothing_but_s3_is_reached(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    with pytest.raises(duckdb.Error, match=r"disabled|not found|Cannot"):
        connection.execute(statement)


def test_configuration_is_locked(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="locked"):
        connection.execute("SET enable_external_access = true")


def test_what_does_not_fit_into_memory_is_spilled(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    cursor = connection.execute("SELECT md5(i::VARCHAR) AS h FROM range(2000000) t(i) ORDER BY h")
    assert list((tmp_path / "spill").iterdir())
    assert cursor.fetchone() == ("00000f7264c27ba6fea0c837ed6aa0aa",)


def test_nothing_is_scanned_before_a_query(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SELECT 1").fetchall()
    assert scanned_bytes(connection, "/objects/") == 0


def test_what_was_linked_for_a_query_is_read_and_counted(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    linked, other = tmp_path / "objects/bucket/a.csv", tmp_path / "other.csv"
    linked.parent.mkdir(parents=True)
    for path in (linked, other):
        path.write_text("1\n2\n")
    assert connection.execute(f"SELECT sum(column0) FROM read_csv('{linked}')").fetchone() == (3,)
    assert scanned_bytes(connection, f"{tmp_path}/objects/") >= 4
    with pytest.raises(duckdb.PermissionException):
        connection.execute(f"FROM read_csv('{other}')")
    with pytest.raises(duckdb.PermissionException):
        connection.execute(f"FROM read_csv('{tmp_path}/objects/../other.csv')")


def test_process_that_forks_workers_has_one_thread() -> None:
    code = "import os, millpond.planes.athena.worker; print(len(os.listdir('/proc/self/task')))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout == b"1\n"
