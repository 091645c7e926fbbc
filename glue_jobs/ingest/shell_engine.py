"""The engine of the Python shell job: the source into Arrow into Parquet, pyiceberg into the catalog.

Memory is bounded by the sizes in :mod:`ingest.shell_sink`, some batches of rows and the keys that
:mod:`ingest.shell_curation` looks for at once, whatever the table's size. Landed files become curated ones
by a copy within S3, without being decoded; old rows are removed by position deletes, for which only key
columns are read.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Iterator, List, Mapping

import pyarrow as pa

from ingest.engines import Change, Curated, Landing, Row, Source, TableName
from ingest.evolution import Evolution
from ingest.iceberg import IcebergTable
from ingest.manifest import LandedFiles
from ingest.secrets import Credentials
from ingest.shell_landing import land

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client


class ShellEngine:
    """Reads through the dialect's own module, commits through pyiceberg; see :class:`ingest.engines.Engine`.

    Parameters
    ----------
    glue, s3 : boto3 clients
    """

    name = "shell"

    def __init__(self, glue: GlueClient, s3: S3Client) -> None:
        self._glue = glue
        self._s3 = s3
        self._importer = ThreadPoolExecutor(max_workers=1)
        if "jemalloc" in pa.supported_memory_backends():  # a fifth less memory than with Arrow's default
            pa.set_memory_pool(pa.jemalloc_memory_pool())

    @contextmanager
    def connect(self, credentials: Credentials, session: Mapping[str, str]) -> Iterator[ShellSource]:
        reader = import_module(f"ingest.shell_{credentials.dialect.name}")
        with reader.connect(credentials, session) as connection:
            self._importer.submit(_import_curation)
            yield ShellSource(connection, self._s3)

    def open_file(self, location: str, masking_key: bytes | None) -> Source:
        from ingest.shell_dropped import DroppedFile

        return DroppedFile(self._s3, location, masking_key)

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
    reader : object
        Of the dialect's module: ``fetch`` runs a small query, ``tables`` gives the rows of a landing's.
    s3 : boto3 client
    """

    def __init__(self, reader: Any, s3: S3Client) -> None:
        self._reader = reader
        self._s3 = s3

    def fetch(self, query: str) -> List[Row]:
        rows: List[Row] = self._reader.fetch(query)
        return rows

    def land(self, landing: Landing) -> LandedFiles:
        return land(self._s3, landing, self._reader.tables(landing))
