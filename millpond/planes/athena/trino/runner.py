"""Running one statement on Trino, from its text to its result files."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from millpond.planes.athena import statements as st
from millpond.planes.athena.catalog import GlueCatalog
from millpond.planes.athena.exceptions import NotSupported
from millpond.planes.athena.iceberg.tables import is_iceberg
from millpond.planes.athena.jobs import TRINO, Job, Outcome
from millpond.planes.athena.publishing import Publisher, milliseconds
from millpond.planes.athena.relations import Column
from millpond.planes.athena.results import csv_line, query_columns, text_columns
from millpond.planes.athena.scans import list_files
from millpond.planes.athena.trino import rewriting
from millpond.planes.athena.trino.protocol import (
    Answer,
    Coordinator,
    ScanLimitExceeded,
    Statement,
    TrinoFailed,
)
from millpond.planes.athena.trino.rewriting import Rewritten
from millpond.planes.athena.trino.values import columns_of, writer
from millpond.planes.athena.writes import Written, store_view

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KINDS = (
    st.Query,
    st.Explain,
    st.CreateTableAs,
    st.InsertInto,
    st.Unload,
    st.CreateView,
    st.ChangeRows,
    st.Optimize,
)
"""The statements that Trino answers; DDL is Athena's own, and Hive's."""


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(1)


class TrinoRunner:
    """Runs jobs on a Trino server.

    Parameters
    ----------
    directory : Path
        For the result.
    s3 : S3Client
        Where the result and the files of tables are.
    catalog : GlueCatalog
        Of the stack.
    coordinator : Coordinator
        The server.
    """

    def __init__(self, directory: Path, s3: S3Client, catalog: GlueCatalog, coordinator: Coordinator) -> None:
        self._directory = directory
        self._s3 = s3
        self._catalog = catalog
        self._coordinator = coordinator
        self._publisher = Publisher(directory, s3, TRINO)
        self._asked: list[Answer] = []

    def run(self, job: Job, statement: st.Statement) -> Outcome:
        """Run a job whose statement is one of :data:`KINDS`.

        Raises
        ------
        QueryFailed
            If Millpond refuses it.
        """
        # Who is stopped cancels what runs on the server before it goes.
        signal.signal(signal.SIGTERM, _leave)
        try:
            rewriting.check_gate(job.query)
            rewriting.refuse_names(job.query, job.catalogs)
            self._refuse_typed_csv(job)
            self._refuse_unreadable(job)
            outcome = self._run(job, statement)
        except TrinoFailed as error:
            outcome = Outcome("FAILED", error.state_change_reason, error.is_user_error, engine=TRINO)
        except ScanLimitExceeded:
            outcome = Outcome("CANCELLED", "Bytes scanned limit was exceeded", True, engine=TRINO)
        return replace(outcome, scanned_bytes=sum(answer.scanned_bytes for answer in self._asked))

    def _refuse_typed_csv(self, job: Job) -> None:
        """Trino reads every column of OpenCSVSerde as text, whatever the catalog says; Athena does not.

        Raises
        ------
        NotSupported
            If a table of the statement is one where it matters.
        """
        for database, name in sorted(rewriting.tables_named(job.query, job.database)):
            storage = (self._catalog.get_table(database, name) or {}).get("StorageDescriptor") or {}
            library = str((storage.get("SerdeInfo") or {}).get("SerializationLibrary", "")).lower()
            kinds = {str(column.get("Type", "string")).lower() for column in storage.get("Columns", [])}
            if "opencsv" in library and kinds - {"string"}:
                raise NotSupported(
                    f"This statement over the typed columns of OpenCSVSerde of {database}.{name}"
                )

    def _refuse_unreadable(self, job: Job) -> None:
        """Trino reads as the account: who has policies of its own reads a byte of each table before.

        Raises
        ------
        ClientError
            If its policies do not allow it.
        """
        if job.key == job.account_id:
            return
        for database, name in sorted(rewriting.tables_named(job.query, job.database)):
            storage = (self._catalog.get_table(database, name) or {}).get("StorageDescriptor") or {}
            bucket, _, prefix = str(storage.get("Location", "")).partition("://")[2].partition("/")
            if not bucket:
                continue
            found = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents", [])
            for one in found:
                self._s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].close()

    def _run(self, job: Job, statement: st.Statement) -> Outcome:
        if isinstance(statement, st.Query):
            return self._query(job)
        if isinstance(statement, st.Explain):
            return self._explain(job)
        if isinstance(statement, st.CreateView):
            return self._create_view(job, statement)
        started = time.monotonic()
        if isinstance(statement, st.Optimize):
            self._ask(job, rewriting.optimize(statement, job.database))
            return self._publisher.text(job, [], [], started)
        return self._publisher.written(job, self._write(job, statement), started)

    def _query(self, job: Job) -> Outcome:
        started = time.monotonic()
        path = self._directory / "result.csv"
        count = 0
        with (
            self._statement(job, Rewritten(job.query)) as asked,
            path.open("w", encoding="utf-8", newline="") as file,
        ):
            columns: list[Column] = []
            for row in asked.rows():
                if not columns:
                    columns = columns_of(asked.answer.columns)
                    writers = [writer(column.type) for column in columns]
                    file.write(csv_line(column.name for column in columns))
                cells = (None if v is None else w(v) for v, w in zip(row, writers, strict=True))
                file.write(csv_line(cells))
                count += 1
            if not columns:
                columns = columns_of(asked.answer.columns)
                file.write(csv_line(column.name for column in columns))
        statistics = asked.answer.statistics
        planning = int(statistics.get("planningTimeMillis", 0)) + int(statistics.get("analysisTimeMillis", 0))
        return self._publisher.rows(
            job,
            path,
            query_columns(columns),
            count,
            (planning, max(0, milliseconds(started, time.monotonic()) - planning)),
        )

    def _explain(self, job: Job) -> Outcome:
        started = time.monotonic()
        with self._statement(job, Rewritten(job.query)) as asked:
            rows = list(asked.rows())
            write = writer(columns_of(asked.answer.columns)[0].type)
            lines = [line for (value,) in rows for line in write(value).splitlines()]
        return self._publisher.text(job, text_columns("Query Plan"), lines, started)

    def _create_view(self, job: Job, statement: st.CreateView) -> Outcome:
        started = time.monotonic()
        described = Rewritten(f"SELECT * FROM ({statement.sql}\n) LIMIT 0")  # noqa: S608 - a person's own
        with self._statement(job, described) as asked:
            asked.run()
        store_view(statement, columns_of(asked.answer.columns), self._catalog, job.database)
        return self._publisher.text(job, [], [], started)

    def _write(self, job: Job, statement: st.Statement) -> Written:
        if isinstance(statement, st.CreateTableAs):
            location = f"{job.results_prefix}tables/{job.query_id}/"
            answer = self._ask(job, rewriting.create_table_as(statement, job.database, location))
            return self._written(statement.name, job, answer)
        if isinstance(statement, st.Unload):
            return self._unload(job, statement)
        answer = self._ask(job, Rewritten(job.query))
        if isinstance(statement, st.InsertInto):
            return self._written(statement.name, job, answer)
        return Written(answer.update_count, [])

    def _unload(self, job: Job, statement: st.Unload) -> Written:
        hidden, database = f"unload_{job.query_id.replace('-', '_')}", self._some_database(job)
        answer = self._ask(job, rewriting.unload(statement, database, hidden))
        self._catalog.glue.delete_table(DatabaseName=database, Name=hidden)
        return Written(answer.update_count, self._files(statement.location, answer))

    def _some_database(self, job: Job) -> str:
        """A database for the table that UNLOAD is on the server: the session's need not exist."""
        named = sorted(database for database, _ in rewriting.tables_named(job.query, job.database))
        known = (one for one in (job.database, *named) if self._catalog.has_database(one))
        if found := next(known, ""):
            return found
        databases = self._catalog.glue.get_databases(MaxResults=1)["DatabaseList"]
        if not databases:
            raise NotSupported("UNLOAD by Trino in a catalog without a database")
        return databases[0]["Name"]

    def _written(self, name: st.TableName, job: Job, answer: Answer) -> Written:
        """The rows, and the files of a Hive table that are new; an Iceberg table lists its own."""
        table = self._catalog.get_table(name.database or job.database, name.table)
        if table is None or is_iceberg(table):
            return Written(answer.update_count, [])
        location = str((table.get("StorageDescriptor") or {}).get("Location", ""))
        return Written(answer.update_count, self._files(location, answer))

    def _files(self, location: str, answer: Answer) -> list[str]:
        return [path for path in list_files(self._s3, location) if answer.query_id in path.rpartition("/")[2]]

    def _ask(self, job: Job, rewritten: Rewritten) -> Answer:
        with self._statement(job, rewritten) as asked:
            return asked.run()

    def _statement(self, job: Job, rewritten: Rewritten) -> Statement:
        asked = Statement(
            self._coordinator,
            rewritten.sql,
            job.database,
            session=rewritten.session,
            scan_limit=job.scan_limit,
        )
        self._asked.append(asked.answer)
        return asked
