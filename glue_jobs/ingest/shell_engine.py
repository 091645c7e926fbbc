"""The engine of the Python shell job: PostgreSQL's COPY into Arrow into Parquet, pyiceberg into the catalog.

Memory is bounded by the sizes in :mod:`ingest.shell_sink`, some batches of rows and :data:`KEYS_AT_ONCE`
keys, whatever the table's size. Landed files become curated ones by a copy within S3, without being decoded;
old rows are removed by position deletes, for which only key columns are read.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, List, Mapping, Sequence, Tuple

import psycopg
import pyarrow as pa

from ingest import shell_table, source_sql
from ingest.engines import (
    COMPARED_ROWS,
    Change,
    Curated,
    Landing,
    Row,
    Source,
    TableName,
    check_keys,
    single_row,
)
from ingest.evolution import Evolution
from ingest.iceberg import ROWS_DELETED, ROWS_INSERTED, ROWS_TOTAL, ROWS_UPDATED, IcebergTable
from ingest.manifest import LandedFiles, RawFile
from ingest.secrets import Credentials
from ingest.shell_copy import read_tables
from ingest.shell_diff import find_differences, is_unchanged
from ingest.shell_dropped import DroppedFile
from ingest.shell_files import open_parquet, read_columns
from ingest.shell_landing import land
from ingest.shell_merge import LiveFiles, Removal, find_rows, write_deletes
from ingest.shell_table import Catalog, Files

KEYS_AT_ONCE = 2_000_000
"""Keys of a batch that are looked for in one pass over the table's key columns."""


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
            autocommit=True,
        ) as connection:
            # It has nothing to do while another one reads what it holds.
            for name, value in {**session, "idle_in_transaction_session_timeout": "0"}.items():
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            connection.execute("BEGIN")
            connection.execute(source_sql.SNAPSHOT_ISOLATION)
            yield ShellSource(connection, credentials, session, self._s3)
            connection.execute("COMMIT")

    def open_file(self, location: str, session: Mapping[str, str]) -> Source:
        return DroppedFile(self._s3, location, session)

    def prepare(self, name: TableName, found: IcebergTable | None, evolution: Evolution) -> None:
        shell_table.prepare(self._catalog(), name, found, evolution)

    def count_rows(self, table: IcebergTable) -> int:
        return _total(table, LiveFiles(self._s3, shell_table.load(self._catalog(), table)))

    def curate(self, change: Change) -> Curated:
        return _Curation(self._s3, self._catalog(), change).apply()

    def _catalog(self) -> Catalog:
        return Catalog(self._glue, self._s3)


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


class _Curation:
    """One change of one table."""

    def __init__(self, s3: Any, catalog: Catalog, change: Change) -> None:
        self._s3 = s3
        self._change = change
        self._table = shell_table.load(catalog, change.table)
        self._live = LiveFiles(s3, self._table)
        self._total = _total(change.table, self._live)
        self._keys = [change.table.field(name) for name in change.key_columns]

    def apply(self) -> Curated:
        action = {
            "overwrite": self._overwrite,
            "append": self._append,
            "upsert": self._upsert,
            "diff": self._diff,
        }[self._change.action]
        return action()

    @property
    def _directory(self) -> str:
        return f"{self._change.table.location}/data/"

    def _copied(self) -> list[RawFile]:
        return shell_table.copy_files(self._s3, self._change.files.data, self._directory)

    def _overwrite(self) -> Curated:
        landed = self._change.files.rows_landed
        counts = (landed, 0, self._total)
        return self._commit(self._copied(), Removal(), counts, replaces_all=True)

    def _append(self) -> Curated:
        return self._commit(self._copied(), Removal(), (self._change.files.rows_landed, 0, 0))

    def _upsert(self) -> Curated:
        files = self._change.files
        updated, deleted = Removal(), Removal()
        for keys in self._batches(files.data):
            find_rows(self._live, self._keys, keys, updated)
        for keys in self._batches(files.deletes):
            find_rows(self._live, self._keys, keys, deleted)
        if self._is_unchanged(updated, deleted):
            return self._commit((), Removal(), (0, 0, 0))
        counts = (files.rows_landed - updated.rows, updated.rows, deleted.rows)
        return self._commit(self._copied(), updated.merged(deleted), counts)

    def _is_unchanged(self, updated: Removal, deleted: Removal) -> bool:
        """Whether a small batch, such as the rows at the old watermark alone, brings nothing new."""
        files = self._change.files
        is_comparable = 0 < files.rows_landed == updated.rows <= COMPARED_ROWS and not deleted.rows
        fields = self._change.table.fields
        return is_comparable and is_unchanged(self._s3, files.data, self._live, updated, self._keys, fields)

    def _diff(self) -> Curated:
        differences = find_differences(self._s3, self._change, self._live, self._keys, self._directory)
        counts = (differences.inserted, differences.updated, differences.removal.rows - differences.updated)
        return self._commit(differences.files, differences.removal, counts)

    def _batches(self, files: Sequence[RawFile]) -> Iterator[pa.Table]:
        """The keys of landed rows, some at a time, checked."""
        collected: list[pa.Table] = []
        for file in files:
            with open_parquet(self._s3, file.path, file.bytes) as opened:
                collected += [rows for _, rows in read_columns(opened, self._keys)]
            if sum(rows.num_rows for rows in collected) >= KEYS_AT_ONCE:
                yield self._checked(collected)
                collected = []
        if collected:
            yield self._checked(collected)

    def _checked(self, collected: list[pa.Table]) -> pa.Table:
        keys = pa.concat_tables(collected).combine_chunks()
        names = keys.column_names
        table_id = f"{self._change.table.database}.{self._change.table.name}"
        distinct = keys.group_by(names).aggregate([]).num_rows
        nulls = sum(keys.column(name).null_count for name in names)
        check_keys(table_id, names, nulls=nulls, duplicates=keys.num_rows - distinct)
        return keys

    def _commit(
        self,
        added: Sequence[RawFile],
        removal: Removal,
        counts: Tuple[int, int, int],
        *,
        replaces_all: bool = False,
    ) -> Curated:
        inserted, updated, deleted = counts
        total = self._total + inserted - deleted
        snapshot_id = self._change.table.snapshot_id
        if added or removal.rows or replaces_all:
            files = Files(
                data=shell_table.data_files(self._s3, self._table, added),
                deletes=write_deletes(self._s3, self._table, removal, self._directory),
                replaces_all=replaces_all,
            )
            numbers = {
                ROWS_INSERTED: inserted,
                ROWS_UPDATED: updated,
                ROWS_DELETED: deleted,
                ROWS_TOTAL: total,
            }
            properties = {**self._change.properties, **{name: str(value) for name, value in numbers.items()}}
            snapshot_id = shell_table.commit(self._table, files, properties)
        written = sum(file.bytes for file in added)
        return Curated(snapshot_id, inserted, updated, deleted, total, written)


def _total(table: IcebergTable, live: LiveFiles) -> int:
    """Rows in the table: as its last change says, or counted when somebody else changed it last."""
    snapshot = table.data_snapshot
    if snapshot is None:
        return 0
    known = snapshot.summary.get(ROWS_TOTAL)
    return live.count() if known is None else int(known)
