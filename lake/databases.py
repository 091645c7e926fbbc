"""An open connection to a database that the lake is fed from, whatever kind it is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import psycopg
from ingest.dialect import Dialect
from ingest.postgresql import PostgreSQL

from lake import catalog
from lake.catalog import Relation
from lake.scaffold import SourceColumn, read_columns
from lake.verify.canonical import PostgreSQLSql, SourceSql
from millpond.client.query import Row


class RefusedQueryError(Exception):
    """The database does not take a query, or ended it; in its own words."""


class Database(Protocol):
    """What the lake asks of a database."""

    dialect: Dialect
    sql: SourceSql

    def schemas(self) -> list[str]:
        """The schemas of users."""

    def relations(self, schemas: Sequence[str]) -> list[Relation]:
        """Everything in the schemas that can be read like a table."""

    def columns(self, schemas: Sequence[str]) -> list[SourceColumn]:
        """Every column of these, in table order."""

    def try_query(self, query: str) -> None:
        """Have a query planned, and not run.

        Raises
        ------
        RefusedQueryError
            If the database does not take it.
        """

    def begin_snapshot(self) -> None:
        """From now on see the rows as they are now, and dates and times in UTC."""

    def ask(self, query: str) -> list[Row]:
        """The answer to a query, all of it text.

        Raises
        ------
        RefusedQueryError
            If the database does not take it, or ends it.
        """

    def close(self) -> None:
        """End the connection."""


class PostgreSQLDatabase:
    """A connection to a PostgreSQL; see :class:`Database`."""

    dialect: Dialect = PostgreSQL()
    sql: SourceSql = PostgreSQLSql()

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def schemas(self) -> list[str]:
        return catalog.schemas_of(self._connection)

    def relations(self, schemas: Sequence[str]) -> list[Relation]:
        return catalog.read_relations(self._connection, schemas)

    def columns(self, schemas: Sequence[str]) -> list[SourceColumn]:
        return read_columns(self._connection, schemas)

    def try_query(self, query: str) -> None:
        try:
            with self._connection.transaction():
                self._connection.execute(f"EXPLAIN {query}".encode())
        except psycopg.Error as error:
            raise RefusedQueryError((error.diag.message_primary or str(error)).strip()) from error

    def begin_snapshot(self) -> None:
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self._connection.read_only = True
        self._connection.execute("SET LOCAL timezone = 'UTC'")
        self._connection.execute("SET LOCAL intervalstyle = 'iso_8601'")

    def ask(self, query: str) -> list[Row]:
        try:
            with self._connection.transaction():
                return [tuple(row) for row in self._connection.execute(query.encode()).fetchall()]
        except psycopg.errors.DatabaseError as error:
            raise RefusedQueryError(str(error)) from error

    def close(self) -> None:
        self._connection.close()
