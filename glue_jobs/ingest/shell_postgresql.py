"""PostgreSQL as the Python shell job reads it: small queries by psycopg, rows as Arrow by ADBC's ``COPY``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Dict, Iterator, List, Mapping
from urllib.parse import quote, urlencode

import psycopg
import pyarrow as pa
from adbc_driver_postgresql import StatementOptions, dbapi

from ingest.engines import Landing, Row, single_row
from ingest.postgresql import PostgreSQL
from ingest.secrets import Credentials
from ingest.shell_arrow import WireDecoder
from ingest.source_sql import DELETED, QUARANTINE

BATCH_BYTES = 8 * 1024**2
"""Rows are decoded in batches of about this size; a row that is larger is a batch by itself."""

# A server that is gone, or a network that swallows packets, is noticed; one that is slow is the business of
# its statement timeout.
_NETWORK = {
    "connect_timeout": "30",
    "keepalives_idle": "60",
    "keepalives_interval": "15",
    "keepalives_count": "8",
    "tcp_user_timeout": "180000",
}

_DIALECT = PostgreSQL()


class Reader:
    """A transaction, and the rows that it sees.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction, whose snapshot the connection that reads the rows imports.
    credentials, session
        How to open that one.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], credentials: Credentials, session: Mapping[str, str]
    ) -> None:
        self._connection = connection
        self._credentials = credentials
        self._session = session

    def fetch(self, query: str) -> List[Row]:
        """Run a small query; every value comes as text."""
        return self._connection.execute(query).fetchall()

    def tables(self, landing: Landing) -> Iterator[pa.Table]:
        """The rows of a landing's query; see :func:`read_tables`."""
        (snapshot,) = single_row(self.fetch(_DIALECT.export_snapshot))
        return read_tables(self._credentials, self._session, str(snapshot), landing)


@contextmanager
def connect(credentials: Credentials, session: Mapping[str, str]) -> Iterator[Reader]:
    """Begin the transaction in which everything is read; see :meth:`ingest.engines.Engine.connect`."""
    with psycopg.connect(
        host=credentials.host,
        port=credentials.port,
        dbname=credentials.dbname,
        user=credentials.username,
        password=credentials.password,
        connect_timeout=30,
        client_encoding="utf8",
        application_name="ingest",
        options=_DIALECT.start_options(session),
        autocommit=True,
    ) as connection:
        connection.execute("BEGIN")
        connection.execute(_DIALECT.begin_snapshot)
        yield Reader(connection, credentials, session)
        connection.execute("COMMIT")


def read_tables(
    credentials: Credentials, session: Mapping[str, str], snapshot_id: str, landing: Landing
) -> Iterator[pa.Table]:
    """The rows of a landing's query, in tables of some megabytes, the next one read while one is used.

    Parameters
    ----------
    credentials : Credentials
    session : mapping of str to str
        Settings of the connection. They travel with its start (``options`` of libpq), so that no statement
        has their values.
    snapshot_id : str
        Of the transaction whose snapshot is read.
    landing : Landing

    Raises
    ------
    IngestError
        If a value does not fit its column.
    psycopg.OperationalError
        If the connection cannot be made, or is lost.
    psycopg.DatabaseError, adbc_driver_postgresql.dbapi.Error
        If PostgreSQL refuses the query, or ends it.
    """
    types = {column.name: column.type for column in landing.structure.columns}
    types.update({QUARANTINE: "string", DELETED: "boolean"})
    decoder = WireDecoder(
        landing.settings.table_id, {name: types[name] for name in landing.query.expressions}
    )
    options: Dict[str, Any] = {StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BATCH_BYTES)}
    with ExitStack() as stack:
        connection = stack.enter_context(dbapi.connect(_uri(credentials, session)))
        cursor = stack.enter_context(connection.cursor(adbc_stmt_kwargs=options))
        cursor.execute(_DIALECT.begin_snapshot)
        cursor.execute(_DIALECT.import_snapshot(snapshot_id))
        cursor.execute(landing.query.sql())
        reader = stack.enter_context(cursor.fetch_record_batch())
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        following = pool.submit(_next, reader)
        while (batch := following.result()) is not None:
            following = pool.submit(_next, reader)
            yield decoder.decode(batch)


def _next(reader: Any) -> pa.RecordBatch | None:
    """The next rows; None after the last.

    Raises
    ------
    psycopg.Error
        What the driver says of a stream that broke off; it tells a lost connection by the words alone.
    """
    try:
        return next(reader, None)
    except (pa.ArrowException, OSError) as error:
        text = str(error)
        kind = psycopg.DatabaseError if "ERROR:" in text else psycopg.OperationalError
        raise kind(text) from error


def _uri(credentials: Credentials, session: Mapping[str, str]) -> str:
    parameters = {
        "host": credentials.host,
        "port": str(credentials.port),
        "dbname": credentials.dbname,
        "user": credentials.username,
        "password": credentials.password,
        "client_encoding": "utf8",
        "application_name": "ingest",
        "options": _DIALECT.start_options(session),
        **_NETWORK,
    }
    return "postgresql://?" + urlencode(parameters, quote_via=quote)
