"""MySQL and MariaDB in the Python shell job: all by one connection, since no two share a snapshot."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Iterator, List, Mapping, Sequence

import pyarrow as pa
import pymysql
from pymysql.cursors import SSCursor

from ingest.engines import Landing, Row
from ingest.mysql import MySQL
from ingest.secrets import Credentials
from ingest.shell_arrow import WireDecoder
from ingest.source_sql import DELETED, QUARANTINE

BATCH_ROWS = 10_000
BATCH_BYTES = 8 * 1024**2
"""Rows are decoded in batches of about this size, and of no more than so many."""

_CONNECT_SECONDS = 30
# A server that is gone is noticed; one that is slow is the business of its own timeout.
_READ_SECONDS = 1900
_ROWS_AT_ONCE = 500

_DIALECT = MySQL()
_WIRE = {
    "smallint": pa.int64(),
    "int": pa.int64(),
    "bigint": pa.int64(),
    "float": pa.float64(),
    "double": pa.float64(),
    "boolean": pa.int64(),
    "date": pa.int32(),
    "timestamp": pa.int64(),
    "timestamptz": pa.int64(),
    "binary": pa.binary(),
}


class Reader:
    """A transaction, and the rows that it sees.

    Parameters
    ----------
    connection : pymysql.Connection
        In the transaction.
    """

    def __init__(self, connection: pymysql.connections.Connection[Any]) -> None:
        self._connection = connection

    def fetch(self, query: str) -> List[Row]:
        """Run a small query; every value comes as text."""
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return [tuple(map(_text, row)) for row in cursor.fetchall()]

    def tables(self, landing: Landing) -> Iterator[pa.Table]:
        """The rows of a landing's query, in tables of some megabytes.

        Raises
        ------
        IngestError
            If a value does not fit its column.
        pymysql.OperationalError
            If the connection is lost.
        pymysql.DatabaseError
            If the server refuses the query, or ends it.
        """
        types = {column.name: column.type for column in landing.structure.columns}
        types.update({QUARANTINE: "string", DELETED: "boolean"})
        columns = {name: types[name] for name in landing.query.expressions}
        decoder = WireDecoder(landing.settings.table_id, columns)
        schema = pa.schema([pa.field(name, _wire_type(kind)) for name, kind in columns.items()])
        with self._connection.cursor(SSCursor) as cursor:
            cursor.execute(landing.query.sql())
            for rows in _batches(cursor):
                yield decoder.decode(_batch(rows, schema))


@contextmanager
def connect(credentials: Credentials, session: Mapping[str, str]) -> Iterator[Reader]:
    """Begin the transaction in which everything is read; see :meth:`ingest.engines.Engine.connect`."""
    connection = pymysql.connect(
        host=credentials.host,
        port=credentials.port,
        database=credentials.dbname,
        user=credentials.username,
        password=credentials.password,
        charset="utf8mb4",
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        init_command=_DIALECT.set_statement(session),
        program_name="ingest",
        autocommit=True,
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute(_DIALECT.begin_snapshot)
        yield Reader(connection)
        connection.commit()
    finally:
        connection.close()


def _batches(cursor: SSCursor) -> Iterator[List[Sequence[Any]]]:
    rows: List[Sequence[Any]] = []
    size = 0
    while found := cursor.fetchmany(_ROWS_AT_ONCE):
        rows += found
        size += sum(len(value) for row in found for value in row if isinstance(value, (str, bytes)))
        if len(rows) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _batch(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [pa.array(values, field.type) for values, field in zip(zip(*rows), schema)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _wire_type(kind: str) -> pa.DataType:
    if kind.startswith("decimal("):
        precision, scale = kind[len("decimal(") : -1].split(",")
        return pa.decimal128(int(precision), int(scale))
    return _WIRE.get(kind, pa.string())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (int, Decimal)):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no text: queries have it cast by the server")
