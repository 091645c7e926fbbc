"""The on-premises PostgreSQL of the stack."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_millpond.stack import Stack

DRIVERS = ("psycopg", "psycopg2", "pg8000.dbapi")


class OnPremDb:
    """The database as its administrator; every statement is committed at once, so that jobs see it.

    Parameters
    ----------
    stack : Stack
        Names it.

    Raises
    ------
    LookupError
        If the project has none, or this environment has no driver.
    """

    def __init__(self, stack: Stack) -> None:
        if not stack.onprem:
            raise LookupError(
                f"The stack of {stack.project} has no on-premises database: add a table [onprem], an "
                "empty one is enough, to millpond.toml, then start the stack anew."
            )
        self.host: str = stack.onprem["host"]
        self.port: int = stack.onprem["port"]
        self.database: str = stack.onprem["database"]
        self.connection = _connect(stack.onprem)

    def execute(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement, with ``%s`` for its parameters; the rows that it gives."""
        cursor = self.connection.cursor()
        try:
            # Without parameters a driver leaves % alone.
            cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            cursor.close()

    def run_script(self, path: Path) -> None:
        """Run every statement of a file of SQL, which is one text to the server."""
        self.execute(path.read_text())

    def assert_rows(self, sql: str, expected: Sequence[Sequence[Any]]) -> None:
        """Assert that a query gives these rows, in this order."""
        __tracebackhide__ = True
        found = self.execute(sql)
        if found != [tuple(row) for row in expected]:
            raise AssertionError(
                f"The database answered other rows.\n  found {found}\n  expected {list(expected)}\n  by {sql}"
            )

    def close(self) -> None:
        """End the connection."""
        self.connection.close()


def _connect(onprem: dict[str, Any]) -> Any:
    for name in DRIVERS:
        try:
            driver = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        database = "dbname" if name.startswith("psycopg") else "database"
        connection = driver.connect(
            host=onprem["host"],
            port=onprem["port"],
            user=onprem["user"],
            password=Path(onprem["password_file"]).read_text(),
            **{database: onprem["database"]},
        )
        connection.autocommit = True
        return connection
    raise LookupError('No driver for PostgreSQL is installed: pip install "pytest-millpond[postgresql]".')
