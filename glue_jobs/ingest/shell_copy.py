"""Reading ``COPY … TO STDOUT`` as Arrow tables, decoding one chunk while the next arrives."""

from __future__ import annotations

import select
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Iterator

import psycopg
import pyarrow as pa
from psycopg import errors, pq

from ingest.engines import Landing
from ingest.errors import IngestError
from ingest.shell_arrow import CsvDecoder
from ingest.source_sql import DELETED, QUARANTINE

CHUNK_BYTES = 8 * 1024**2
"""CSV is decoded whenever this much, or one row more, has arrived."""

STALLED_SECONDS = 1800
"""A server that sends nothing for so long is given up; its own statement timeout is no longer."""


def read_tables(connection: psycopg.Connection[Any], landing: Landing) -> Iterator[pa.Table]:
    """The rows of a landing's query, in tables of some megabytes.

    Raises
    ------
    IngestError
        If a value does not fit its column.
    psycopg.Error
        If PostgreSQL refuses the query, or ends it.
    """
    types = {field.name: field.type for field in landing.table.fields}
    types.update({QUARANTINE: "string", DELETED: "boolean"})
    decoder = CsvDecoder(landing.settings.table_id, {name: types[name] for name in landing.query.expressions})
    statement = f"COPY ({landing.query.sql()}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')"
    with ThreadPoolExecutor(max_workers=1) as pool:
        decoding: Future[pa.Table] | None = None
        for chunk in _chunks(connection.pgconn, statement):
            following = pool.submit(decoder.decode, chunk)
            if decoding is not None:
                yield decoding.result()
            decoding = following
        if decoding is not None:
            yield decoding.result()


def _chunks(pgconn: pq.abc.PGconn, statement: str) -> Iterator[bytearray]:
    """Whole rows. libpq is asked itself: psycopg's own loop costs as much for each row as decoding it."""
    pgconn.send_query(statement.encode())
    while pgconn.flush():
        _wait(pgconn, writing=True)
    _check(_result(pgconn), pq.ExecStatus.COPY_OUT)
    chunk = bytearray()
    get_copy_data = pgconn.get_copy_data
    while True:
        size, row = get_copy_data(1)
        if size > 0:
            chunk += row
            if len(chunk) >= CHUNK_BYTES:
                yield chunk
                chunk = bytearray()
        elif size == 0:
            _wait(pgconn)
            pgconn.consume_input()
        else:
            break
    _check(_result(pgconn), pq.ExecStatus.COMMAND_OK)
    while _result(pgconn) is not None:
        pass
    if chunk:
        yield chunk


def _result(pgconn: pq.abc.PGconn) -> pq.abc.PGresult | None:
    while pgconn.is_busy():
        _wait(pgconn)
        pgconn.consume_input()
    return pgconn.get_result()


def _wait(pgconn: pq.abc.PGconn, writing: bool = False) -> None:
    socket = [pgconn.socket]
    ready = select.select(socket, socket if writing else [], [], STALLED_SECONDS)
    if not any(ready):
        raise IngestError(f"The source database sent nothing for {STALLED_SECONDS} seconds.")


def _check(result: pq.abc.PGresult | None, expected: pq.ExecStatus) -> None:
    if result is None or result.status != expected:
        state = result.error_field(pq.DiagnosticField.SQLSTATE) if result is not None else None
        text = result.error_message.decode("utf-8", "replace") if result is not None else "no answer"
        kind = errors.lookup(state.decode()) if state else psycopg.OperationalError
        raise kind(text.strip())
