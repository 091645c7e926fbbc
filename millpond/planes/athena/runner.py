"""Running one query from its text to its result files."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import duckdb
from botocore.exceptions import BotoCoreError, ClientError

from millpond.planes.athena import ddl
from millpond.planes.athena import statements as st
from millpond.planes.athena.catalog import GlueCatalog
from millpond.planes.athena.engine import scanned_bytes, translated
from millpond.planes.athena.exceptions import QueryFailed
from millpond.planes.athena.iceberg.tables import is_iceberg
from millpond.planes.athena.jobs import Job, Outcome
from millpond.planes.athena.kernels import Installer, installed_in, raise_refused
from millpond.planes.athena.queries import compile_query
from millpond.planes.athena.results import csv_line, metadata_file, query_columns, text_columns
from millpond.planes.athena.scans import Scanner
from millpond.planes.athena.values import writer
from millpond.planes.athena.writes import Writer, Written

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

    from millpond.planes.athena.iceberg.changes import IcebergWriter

_ROWS = 4096
_LIMIT_CHECK = 0.25


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
    """

    def __init__(
        self, directory: Path, connection: duckdb.DuckDBPyConnection, s3: S3Client, glue: GlueClient
    ) -> None:
        self._directory = directory
        self._connection = connection
        self._kernels = Installer(connection)
        self._s3 = s3
        self._catalog = GlueCatalog(glue, s3, self._evaluate)

    def _evaluate(self, sql: str) -> Any:
        found = self._connection.execute(f"SELECT {sql}").fetchone()
        assert found is not None
        return found[0]

    def run(self, job: Job) -> Outcome:
        """Run a job to its end, whatever that is."""
        limit = _ScanLimit(self._connection, job.scan_limit)
        try:
            with limit, installed_in(self._kernels):
                outcome = self._run(job)
                raise_refused()
        except QueryFailed as error:
            outcome = Outcome("FAILED", error.state_change_reason, error.reason != "GENERIC_INTERNAL_ERROR")
        except duckdb.InterruptException:
            outcome = Outcome("CANCELLED", limit.reason, True)
        except duckdb.Error as error:
            failure = translated(error)
            traceback.print_exc()
            outcome = Outcome(
                "FAILED", failure.state_change_reason, failure.reason != "GENERIC_INTERNAL_ERROR"
            )
        except FileNotFoundError as error:
            outcome = Outcome("FAILED", f"ICEBERG_CANNOT_OPEN_SPLIT: Error opening Iceberg split {error}")
        except (ClientError, BotoCoreError) as error:
            outcome = Outcome("FAILED", f"GENERIC_INTERNAL_ERROR: {error}")
        return replace(outcome, scanned_bytes=scanned_bytes(self._connection))

    def _run(self, job: Job) -> Outcome:
        statement = st.parse_statement(job.query)
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
        return self._publish_text(job, shown.columns, shown.lines, started)

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
        executed = time.monotonic()
        self._upload(job, path, columns)
        return Outcome(
            "SUCCEEDED",
            columns=columns,
            rows=count,
            output_bytes=path.stat().st_size,
            planning_ms=_milliseconds(started, planned),
            execution_ms=_milliseconds(planned, executed),
            publishing_ms=_milliseconds(executed, time.monotonic()),
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
        return self._publish_text(job, text_columns("Query Plan"), lines, started)

    def _write(
        self, statement: st.CreateTableAs | st.InsertInto | st.Unload | st.CreateView, job: Job
    ) -> Outcome:
        started = time.monotonic()
        writes = Writer(self._connection, self._s3, self._catalog, job.database, job.query_id)
        if isinstance(statement, st.CreateView):
            writes.create_view(statement)
            return self._publish_text(job, [], [], started)
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
        return self._publish_written(job, written, started)

    def _change(self, statement: st.ChangeRows | st.Optimize | st.Vacuum, job: Job) -> Outcome:
        started = time.monotonic()
        writer = self._iceberg(job)
        if isinstance(statement, st.ChangeRows):
            return self._publish_written(job, writer.change(statement), started)
        if isinstance(statement, st.Optimize):
            writer.optimize(statement)
        else:
            writer.vacuum(statement)
        return self._publish_text(job, [], [], started)

    def _iceberg(self, job: Job) -> IcebergWriter:
        from millpond.planes.athena.iceberg.changes import IcebergWriter

        return IcebergWriter(
            self._connection, self._s3, self._catalog, job.database, job.query_id, self._directory
        )

    def _publish_written(self, job: Job, written: Written, started: float) -> Outcome:
        manifest = f"{job.results_prefix}{job.query_id}-manifest.csv"
        self._put(job, manifest, "".join(f"{path}\n" for path in written.files).encode())
        columns = [{**text_columns("rows")[0], "Type": "bigint", "Precision": 19}]
        path = self._directory / "result.csv"
        path.write_text("")
        executed = time.monotonic()
        self._upload(job, path, columns)
        return Outcome(
            "SUCCEEDED",
            columns=columns,
            execution_ms=_milliseconds(started, executed),
            publishing_ms=_milliseconds(executed, time.monotonic()),
            update_count=written.rows,
            manifest_location=manifest,
        )

    def _publish_text(
        self, job: Job, columns: list[dict[str, Any]], lines: Iterable[str], started: float
    ) -> Outcome:
        path = self._directory / "result.txt"
        content = "".join(f"{line}\n" for line in lines)
        path.write_text(content, encoding="utf-8", newline="")
        executed = time.monotonic()
        self._upload(job, path, columns)
        return Outcome(
            "SUCCEEDED",
            columns=columns,
            rows=content.count("\n"),
            output_bytes=path.stat().st_size,
            execution_ms=_milliseconds(started, executed),
            publishing_ms=_milliseconds(executed, time.monotonic()),
        )

    def _upload(self, job: Job, path: Path, columns: list[dict[str, Any]]) -> None:
        """Put the result and its metadata where the API says they are."""
        bucket, key = _object(job.output_location)
        try:
            self._s3.upload_file(str(path), bucket, key, ExtraArgs=dict(job.upload_arguments))
        except (boto3.exceptions.S3UploadFailedError, ClientError) as error:
            reason = f"Unable to verify/create output bucket {bucket}"
            raise QueryFailed("", f"{reason}: {error}") from error
        self._put(job, f"{job.output_location}.metadata", metadata_file(columns))

    def _put(self, job: Job, location: str, content: bytes) -> None:
        bucket, key = _object(location)
        more: Any = job.upload_arguments
        self._s3.put_object(Bucket=bucket, Key=key, Body=content, **more)


def _makes_iceberg(statement: st.CreateTableAs) -> bool:
    return str(statement.properties.get("table_type", "")).upper() == "ICEBERG"


class _ScanLimit:
    """Interrupts a query that has read more than it may."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, limit: int | None) -> None:
        self._connection = connection
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
        if kind is None and scanned_bytes(self._connection) > self._limit:
            raise duckdb.InterruptException(self.reason)

    def _watch(self) -> None:
        assert self._limit is not None
        cursor = self._connection.cursor()
        while not self._is_over.wait(_LIMIT_CHECK):
            if scanned_bytes(cursor) > self._limit:
                self._connection.interrupt()
                return


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(_ROWS):
        yield from rows


def _milliseconds(start: float, end: float) -> int:
    return round((end - start) * 1000)


def _object(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key
