"""A MySQL or MariaDB that the lake is fed from; see :class:`lake.databases.Database`.

Source: "INFORMATION_SCHEMA Tables" of the MySQL 8.0 Reference Manual.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pymysql
from ingest.dialect import Dialect
from ingest.mysql import MySQL

from lake.catalog import Index, Relation
from lake.databases import RefusedQueryError
from lake.scaffold import SourceColumn
from lake.verify.canonical import SourceSql
from lake.verify.mysql import MySQLSql
from millpond.base.errors import MillpondError
from millpond.client.query import Row

KINDS = {"BASE TABLE": "table", "VIEW": "view", "SYSTEM VERSIONED": "table"}
_SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
_CONNECT_SECONDS = 10

_COLUMNS = """
    SELECT c.TABLE_SCHEMA, c.TABLE_NAME, c.COLUMN_NAME, c.COLUMN_TYPE, c.IS_NULLABLE = 'NO',
           coalesce(k.ORDINAL_POSITION, 0)
    FROM information_schema.COLUMNS c
    LEFT JOIN information_schema.KEY_COLUMN_USAGE k
        ON k.CONSTRAINT_NAME = 'PRIMARY' AND k.TABLE_SCHEMA = c.TABLE_SCHEMA
        AND k.TABLE_NAME = c.TABLE_NAME AND k.COLUMN_NAME = c.COLUMN_NAME
    WHERE c.TABLE_SCHEMA IN %s
    ORDER BY c.TABLE_SCHEMA, c.TABLE_NAME, c.ORDINAL_POSITION
"""
_RELATIONS = """
    SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, coalesce(DATA_LENGTH, 0), coalesce(TABLE_ROWS, 0)
    FROM information_schema.TABLES WHERE TABLE_SCHEMA IN %s AND TABLE_TYPE IN %s
    ORDER BY TABLE_SCHEMA, TABLE_NAME
"""
# A part of a column's text (SUB_PART) tells no two rows apart; of an expression there is no column.
_INDEXES = """
    SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART
    FROM information_schema.STATISTICS WHERE TABLE_SCHEMA IN %s
    ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX
"""


def connect(secret: Mapping[str, str | int], address: str, session: Mapping[str, str]) -> MySQLDatabase:
    """Connect as the jobs do.

    Parameters
    ----------
    secret : mapping
        What the jobs' secret holds.
    address : str
        For a person, without the password.
    session : mapping of str to str
        Settings beside those of every session.

    Raises
    ------
    MillpondError
        If the database does not answer, or does not let the user in.
    """
    dialect = MySQL()
    try:
        connection = pymysql.connect(
            host=str(secret["host"]),
            port=int(secret["port"]),
            database=str(secret["dbname"]),
            user=str(secret["username"]),
            password=str(secret["password"]),
            charset="utf8mb4",
            connect_timeout=_CONNECT_SECONDS,
            program_name="millpond lake",
            init_command=dialect.set_statement({**dialect.session_settings(), **session}),
            autocommit=True,
        )
    except pymysql.MySQLError as error:
        raise MillpondError(
            "The database does not answer, or does not let this user in.",
            where=address,
            next_step="see that this machine reaches the address, for example over the VPN of the site, "
            "and that user and password are right",
            detail=str(error),
        ) from error
    return MySQLDatabase(connection)


class MySQLDatabase:
    """A connection; see :class:`lake.databases.Database`. A schema and a database are one thing here."""

    dialect: Dialect = MySQL()
    sql: SourceSql = MySQLSql()

    def __init__(self, connection: pymysql.connections.Connection[Any]) -> None:
        self._connection = connection

    def schemas(self) -> list[str]:
        rows = self._rows("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME")
        return [str(row[0]) for row in rows if str(row[0]).lower() not in _SYSTEM]

    def columns(self, schemas: Sequence[str]) -> list[SourceColumn]:
        if not schemas:
            return []
        return [
            SourceColumn(schema, table, name, kind, bool(not_null), int(place), self.dialect)
            for schema, table, name, kind, not_null, place in self._rows(_COLUMNS, (list(schemas),))
        ]

    def relations(self, schemas: Sequence[str]) -> list[Relation]:
        if not schemas:
            return []
        columns: Mapping[tuple[str, str], list[SourceColumn]] = defaultdict(list)
        for column in self.columns(schemas):
            columns[column.schema, column.table].append(column)
        indexes = self._indexes(schemas)
        return [
            Relation(
                schema,
                name,
                KINDS[kind],
                tuple(columns[schema, name]),
                tuple(indexes.get((schema, name), ())),
                int(size),
                int(rows),
            )
            for schema, name, kind, size, rows in self._rows(_RELATIONS, (list(schemas), list(KINDS)))
        ]

    def _indexes(self, schemas: Sequence[str]) -> dict[tuple[str, str], list[Index]]:
        parts: dict[tuple[str, str, str], list[tuple[Any, ...]]] = {}
        for schema, table, name, *part in self._rows(_INDEXES, (list(schemas),)):
            parts.setdefault((schema, table, name), []).append(tuple(part))
        found: dict[tuple[str, str], list[Index]] = {}
        for (schema, table, _), columns in parts.items():
            if all(column is not None and length is None for _, column, length in columns):
                names = tuple(column for _, column, _ in columns)
                found.setdefault((schema, table), []).append(Index(names, is_unique=not columns[0][0]))
        # The primary key's stays first, as it came; then those of few columns.
        return {
            table: [*of[:1], *sorted(of[1:], key=lambda one: len(one.columns))] for table, of in found.items()
        }

    def try_query(self, query: str) -> None:
        self.ask(f"EXPLAIN {query}")

    def begin_snapshot(self) -> None:
        self._rows("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self._rows(self.dialect.begin_snapshot)

    def ask(self, query: str) -> list[Row]:
        try:
            return [tuple(None if cell is None else str(cell) for cell in row) for row in self._rows(query)]
        except pymysql.MySQLError as error:
            raise RefusedQueryError(str(error.args[-1])) from error

    def close(self) -> None:
        self._connection.close()

    def _rows(self, query: str, parameters: Sequence[Any] | None = None) -> Sequence[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query, parameters)
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
            return rows
