"""Running one query from its text to its result files."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from botocore.exceptions import BotoCoreError, ClientError

from millpond.planes.athena import ddl
from millpond.planes.athena import statements as st
from millpond.planes.athena.catalog import GlueCatalog
from millpond.planes.athena.engine import NO_MEMORY, is_translated, scanned_bytes, translated
from millpond.planes.athena.exceptions import CATALOG, NotSupported, QueryFailed, refused
from millpond.planes.athena.files import ObjectFiles
from millpond.planes.athena.iceberg.tables import is_iceberg
from millpond.planes.athena.jobs import Job, Outcome
from millpond.planes.athena.kernels import Installer, installed_in, raise_refused
from millpond.planes.athena.publishing import Publisher, milliseconds
from millpond.planes.athena.queries import compile_query
from millpond.planes.athena.results import csv_line, query_columns, text_columns
from millpond.planes.athena.scans import Scanner
from millpond.planes.athena.trino.protocol import Coordinator
from millpond.planes.athena.trino.runner import KINDS, TrinoRunner
from millpond.planes.athena.values import writer
from millpond.planes.athena.writes import Writer

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

    from millpond.planes.athena.iceberg.changes import IcebergWriter

_ROWS = 4096
_LIMIT_CHECK = 0.25
# Trino's words.
_TOO_DEEP = "STACK_OVERFLOW: statement is too large (stack overflow during analysis)"


class QueryRunner:
    """Runs jobs with one DuckDB connection.

    Parameters
    ----------
    directory : Path
        For the job, the outcome and whatever is written on the way.
    connection : DuckDBPyConnection
        See :func:`millpond.planes.athena.engine.connect`.
    s3, glue : client
        The stack's API.
    files : ObjectFiles
        What of it is read as files.
    """

    def __init__(
        self,
        directory: Path,
        connection: duckdb.DuckDBPyConnection,
        s3: S3Client,
        glue: GlueClient,
        files: ObjectFiles,
    ) -> None:
        self._directory = directory
        self._connection = connection
        self._kernels = Installer(connection)
        self._s3 = s3
        self._publisher = Publisher(directory, s3)
        self._files = files
        self._catalog = GlueCatalog(glue, s3, self._evaluate, files)

    def _evaluate(self, sql: str) -> Any:
        found = self._connection.execute(f"SELECT {sql}").fetchone()
        assert found is not None
        return found[0]

    def run(self, job: Job) -> Outcome:
        """Run a job to its end, whatever that is."""
        try:
            self._catalog.names = (CATALOG, *job.catalogs)
            statement = st.parse_statement(job.query)
            if catalog := st.catalog_of(statement):
                self._catalog.check_catalog(catalog, (1, 1))
            if job.trino_url and isinstance(statement, KINDS):
                coordinator = Coordinator(job.trino_url, job.trino_user)
                return TrinoRunner(self._directory, self._s3, self._catalog, coordinator).run(job, statement)
        except QueryFailed as error:
            return _failed(error)
        except (ClientError, BotoCoreError) as error:
            return _failed(refused(error))
        return self._compiled(statement, job)

    def _compiled(self, statement: st.Statement, job: Job) -> Outcome:
        limit = _ScanLimit(self._connection, job.scan_limit, self._files.home)
        try:
            with limit, installed_in(self._kernels):
                outcome = self._run(statement, job)
                raise_refused()
        except NotSupported as error:
            outcome = replace(_failed(error), is_for_trino=isinstance(statement, KINDS))
        except QueryFailed as error:
            outcome = _failed(error)
        except MemoryError:
            outcome = _failed(QueryFailed(*NO_MEMORY))
        except RecursionError:
            outcome = Outcome("FAILED", _TOO_DEEP, True)
        except duckdb.InterruptException:
            outcome = Outcome("CANCELLED", limit.reason, True)
        except duckdb.Error as error:
            traceback.print_exc()
            outcome = replace(
                _failed(translated(error, self._files.named)), is_for_trino=_is_for_trino(statement, error)
            )
        except FileNotFoundError as error:
            outcome = Outcome("FAILED", f"ICEBERG_CANNOT_OPEN_SPLIT: Error opening Iceberg split {error}")
        except (ClientError, BotoCoreError) as error:
            outcome = _failed(refused(error))
        return replace(outcome, scanned_bytes=scanned_bytes(self._connection, self._files.home))

    def _run(self, statement: st.Statement, job: Job) -> Outcome:
        if isinstance(statement, st.Query):
            return self._query(statement, job)
        if isinstance(statement, st.Explain):
            return self._explain(statement, job)
        if isinstance(statement, st.CreateTableAs | st.InsertInto | st.Unload | st.CreateView):
            return self._write(statement, job)
        if isinstance(statement, st.ChangeRows | st.Optimize | st.Vacuum):
            return self._change(statement, job)
        started = time.monotonic()
        session = ddl.Session(self._catalog.glue, self._s3, job.database, self._catalog)
        shown = ddl.run(statement, session)
        return self._publisher.text(job, shown.columns, shown.lines, started)

    def _query(self, statement: st.Query, job: Job) -> Outcome:
        started = time.monotonic()
        query = compile_query(statement.node, self._catalog, job.database)
        scanner = Scanner(self._connection, self._s3, self._catalog)
        for scan in query.scans:
            scanner.prepare(scan)
        planned = time.monotonic()
        cursor = self._connection.execute(query.sql)
        writers = [writer(column.type) for column in query.columns]
        columns = query_columns(query.columns)
        path = self._directory / "result.csv"
        count = 0
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(csv_line(column.name for column in query.columns))
            for row in _rows(cursor):
                cells = (None if v is None else w(v) for v, w in zip(row, writers, strict=True))
                file.write(csv_line(cells))
                count += 1
        return self._publisher.rows(
            job,
            path,
            columns,
            count,
            (milliseconds(started, planned), milliseconds(planned, time.monotonic())),
        )

    def _explain(self, statement: st.Explain, job: Job) -> Outcome:
        started = time.monotonic()
        query = compile_query(statement.node, self._catalog, job.database)
        scanner = Scanner(self._connection, self._s3, self._catalog)
        for scan in query.scans:
            scanner.prepare(scan)
        word = "EXPLAIN ANALYZE" if statement.is_analyze else "EXPLAIN"
        plan = self._connection.execute(f"{word} {query.sql}").fetchall()
        lines = [line for _, text in plan for line in str(text).splitlines()]
        return self._publisher.text(job, text_columns("Query Plan"), lines, started)

    def _write(
        self, statement: st.CreateTableAs | st.InsertInto | st.Unload | st.CreateView, job: Job
    ) -> Outcome:
        started = time.monotonic()
        writes = Writer(self._connection, self._s3, self._catalog, job.database, job.query_id)
        if isinstance(statement, st.CreateView):
            writes.create_view(statement)
            return self._publisher.text(job, [], [], started)
        if isinstance(statement, st.CreateTableAs):
            target: Writer | IcebergWriter = self._iceberg(job) if _makes_iceberg(statement) else writes
            written = target.create_table_as(statement, f"{job.results_prefix}tables/{job.query_id}/")
        elif isinstance(statement, st.InsertInto):
            name = statement.name
            found = self._catalog.get_table(name.database or job.database, name.table)
            target = self._iceberg(job) if found is not None and is_iceberg(found) else writes
            written = target.insert(statement)
        else:
            written = writes.unload(statement)
        return self._publisher.written(job, written, started)

    def _change(self, statement: st.ChangeRows | st.Optimize | st.Vacuum, job: Job) -> Outcome:
        started = time.monotonic()
        writer = self._iceberg(job)
        if isinstance(statement, st.ChangeRows):
            return self._publisher.written(job, writer.change(statement), started)
        if isinstance(statement, st.Optimize):
            writer.optimize(statement)
        else:
            writer.vacuum(statement)
        return self._publisher.text(job, [], [], started)

    def _iceberg(self, job: Job) -> IcebergWriter:
        from millpond.planes.athena.iceberg.changes import IcebergWriter

        return IcebergWriter(
            self._connection, self._s3, self._catalog, job.database, job.query_id, self._directory
        )


def _makes_iceberg(statement: st.CreateTableAs) -> bool:
    return str(statement.properties.get("table_type", "")).upper() == "ICEBERG"


class _ScanLimit:
    """Interrupts a query that has read more than it may."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, limit: int | None, objects: str) -> None:
        self._connection = connection
        self._objects = objects
        self._limit = limit
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.reason = "Bytes scanned limit was exceeded"

    def __enter__(self) -> None:
        if self._limit is not None:
            self._thread.start()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._is_over.set()
        if self._limit is None:
            return
        self._thread.join()
        if kind is None and scanned_bytes(self._connection, self._objects) > self._limit:
            raise duckdb.InterruptException(self.reason)

    def _watch(self) -> None:
        assert self._limit is not None
        cursor = self._connection.cursor()
        while not self._is_over.wait(_LIMIT_CHECK):
            if scanned_bytes(cursor, self._objects) > self._limit:
                self._connection.interrupt()
                return


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(_ROWS):
        yield from rows


def _is_for_trino(statement: st.Statement, error: duckdb.Error) -> bool:
    """Whether Trino is to say what is wrong: a value was refused, or the words are DuckDB's own."""
    try:
        raise_refused()
    except NotSupported:
        return isinstance(statement, KINDS)
    return isinstance(statement, st.Query) and not is_translated(error)


def _failed(error: QueryFailed) -> Outcome:
    return Outcome("FAILED", error.state_change_reason, error.reason != "GENERIC_INTERNAL_ERROR")
