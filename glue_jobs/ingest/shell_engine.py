"""The engine of the Python shell job: PostgreSQL's COPY into Arrow into Parquet, pyiceberg into the catalog.

Memory is bounded by the sizes in :mod:`ingest.shell_sink`, some batches of rows and the keys that
:mod:`ingest.shell_curation` looks for at once, whatever the table's size. Landed files become curated ones
by a copy within S3, without being decoded; old rows are removed by position deletes, for which only key
columns are read.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Iterator, List, Mapping

import psycopg
import pyarrow as pa

from ingest import source_sql
from ingest.engines import Change, Curated, Landing, Row, Source, TableName, single_row
from ingest.evolution import Evolution
from ingest.iceberg import IcebergTable
from ingest.manifest import LandedFiles
from ingest.secrets import Credentials
from ingest.shell_copy import read_tables
from ingest.shell_landing import land


class ShellEngine:
    """Reads through psycopg and ADBC, commits through pyiceberg; see :class:`ingest.engines.Engine`.

    Parameters
    ----------
    glue, s3 : boto3 clients
    """

    name = "shell"

    def __init__(self, glue: Any, s3: Any) -> None:
        self._glue = glue
        self._s3 = s3
        self._importer = ThreadPoolExecutor(max_workers=1)
        if "jemalloc" in pa.supported_memory_backends():  # a fifth less memory than with Arrow's default
            pa.set_memory_pool(pa.jemalloc_memory_pool())

    @contextmanager
    def connect(self, credentials: Credentials, session: Mapping[str, str]) -> Iterator[ShellSource]:
        with psycopg.connect(
            host=credentials.host,
            port=credentials.port,
            dbname=credentials.dbname,
            user=credentials.username,
            password=credentials.password,
            connect_timeout=30,
            client_encoding="utf8",
            application_name="ingest",
            options=source_sql.start_options(session),
            autocommit=True,
        ) as connection:
            connection.execute("BEGIN")
            connection.execute(source_sql.SNAPSHOT_ISOLATION)
            self._importer.submit(_import_curation)
            yield ShellSource(connection, credentials, session, self._s3)
            connection.execute("COMMIT")

    def open_file(self, location: str, session: Mapping[str, str]) -> Source:
        from ingest.shell_dropped import DroppedFile

        return DroppedFile(self._s3, location, session)

    def prepare(self, name: TableName, found: IcebergTable | None, evolution: Evolution) -> None:
        self._curation().prepare(self._glue, self._s3, name, found, evolution)

    def count_rows(self, table: IcebergTable) -> int:
        rows: int = self._curation().count_rows(self._glue, self._s3, table)
        return rows

    def curate(self, change: Change) -> Curated:
        curated: Curated = self._curation().curate(self._glue, self._s3, change)
        return curated

    def _curation(self) -> ModuleType:
        """What commits; one thread alone imports it.

        Another one could get a module half made: imports from an archive, as a job's ``--extra-py-files``
        are, take no lock before Python 3.10.
        """
        return self._importer.submit(_import_curation).result()


def _import_curation() -> ModuleType:
    from ingest import shell_curation

    return shell_curation


class ShellSource:
    """A transaction; see :class:`ingest.engines.Source`.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction, whose snapshot the connection that reads the rows imports.
    credentials, session
        How to open that one.
    s3 : boto3 client
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        credentials: Credentials,
        session: Mapping[str, str],
        s3: Any,
    ) -> None:
        self._connection = connection
        self._credentials = credentials
        self._session = session
        self._s3 = s3

    def fetch(self, query: str) -> List[Row]:
        return self._connection.execute(query).fetchall()

    def land(self, landing: Landing) -> LandedFiles:
        (snapshot,) = single_row(self.fetch(source_sql.EXPORT_SNAPSHOT))
        tables = read_tables(self._credentials, self._session, str(snapshot), landing)
        return land(self._s3, landing, tables)
