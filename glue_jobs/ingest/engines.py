"""What an engine can do. There are two: :mod:`ingest.shell_engine` and :mod:`ingest.spark_engine`.

:mod:`ingest.run` decides; an engine moves rows. It makes the curated table what an
:class:`ingest.evolution.Evolution` says, lands the rows of one query in raw, and applies what was landed
to the curated table in one snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ContextManager, List, Mapping, Optional, Protocol, Sequence, Tuple

from ingest.errors import IngestError
from ingest.evolution import Evolution
from ingest.iceberg import IcebergTable
from ingest.manifest import LandedFiles
from ingest.secrets import Credentials
from ingest.settings import JobSettings
from ingest.source_sql import SourceQuery
from ingest.structures import TableStructure

Row = Tuple[Optional[str], ...]

COMPARED_ROWS = 1_000
"""A batch of so many rows that are all in the table already is compared with them before it is applied."""


class CommitConflictError(IngestError):
    """The table has another current snapshot, or schema, than the run started from; nothing was changed."""


@dataclass(frozen=True)
class TableName:
    """Where a curated table is.

    Parameters
    ----------
    database, name : str
        In the Glue catalog.
    location : str
        ``s3://CURATED/DATABASE/TABLE``, without a slash at the end.
    """

    database: str
    name: str
    location: str


@dataclass(frozen=True)
class Landing:
    """What to read and where to put it.

    Parameters
    ----------
    settings : JobSettings
        How to read: split, fetch size.
    structure : TableStructure
        The columns that are landed (:func:`ingest.projection.project`): what is dropped is not among
        them, what is masked is a ``string``.
    table : IcebergTable
        The curated table: field ids and partition fields of the files to write.
    query : SourceQuery
        The rows. Its columns are those of ``structure`` in their wire form and, when it says so, the
        marks :data:`~ingest.source_sql.QUARANTINE` and :data:`~ingest.source_sql.DELETED`. A row goes to
        quarantine when the first is not NULL, else to the deletes when the second is true, else to the
        data.
    location : str
        Directory to write below; nothing of this attempt is there yet. Ends with a slash.
    run_id, ingest_date, read_at : str
        Columns of the quarantined rows.
    """

    settings: JobSettings
    structure: TableStructure
    table: IcebergTable
    query: SourceQuery
    location: str
    run_id: str
    ingest_date: str
    read_at: str


@dataclass(frozen=True)
class Change:
    """What to do to a curated table.

    Parameters
    ----------
    table : IcebergTable
        The table; its ``snapshot_id`` must still be the current one when the change is committed.
    action : {"overwrite", "diff", "upsert", "append"}
        ``overwrite``: the data is all there is. ``diff``: the same, but rows that are equal to the
        table's stay where they are. ``upsert``: rows replace those with the same key, and the keys of the
        deletes are removed. ``append``: rows are added; there is no key.
    key_columns : tuple of str
        Names in the table; empty for a table without a key.
    files : LandedFiles
        What was landed; ``quarantine`` is not the table's.
    properties : mapping of str to str
        For the snapshot's summary. An engine that knows them when it commits adds ``ROWS_INSERTED``,
        ``ROWS_UPDATED``, ``ROWS_DELETED`` and ``ROWS_TOTAL`` of :mod:`ingest.iceberg`.
    """

    table: IcebergTable
    action: str
    key_columns: Tuple[str, ...]
    files: LandedFiles
    properties: Mapping[str, str]


@dataclass(frozen=True)
class Curated:
    """What became of a change.

    Parameters
    ----------
    snapshot_id : int or None
        Current snapshot afterwards. Nothing to insert and nothing to remove makes no new one, except for
        an ``overwrite``, which always does.
    rows_inserted, rows_updated, rows_deleted : int or None
        Of an ``overwrite``: rows now there, 0, rows that were there. None when it cannot be known.
    rows_total : int
        Rows that a query sees now.
    bytes_written : int
        Size of the data files that were added.
    """

    snapshot_id: int | None
    rows_inserted: int | None
    rows_updated: int | None
    rows_deleted: int | None
    rows_total: int
    bytes_written: int


class Source(Protocol):
    """The source as one transaction sees it."""

    def fetch(self, query: str) -> List[Row]:
        """Run a small query; every value comes as text."""

    def land(self, landing: Landing) -> LandedFiles:
        """Write the rows of the query to raw.

        Raises
        ------
        IngestError
            If a value does not fit its column; it names both.
        """


class Engine(Protocol):
    """Reads a source, writes raw and curated."""

    name: str

    def connect(self, credentials: Credentials, session: Mapping[str, str]) -> ContextManager[Source]:
        """Begin a read-only transaction, REPEATABLE READ, in which everything is read.

        Parameters
        ----------
        credentials : Credentials
        session : mapping of str to str
            Settings of every connection (``SET name = value``). Some are secret: never to be logged.
        """

    def open_file(self, location: str, masking_key: bytes | None) -> Source:
        """A dropped file (CSV, Parquet, JSON, JSON lines) as a source; its query is not used.

        Raises
        ------
        IngestError
            If the engine does not read files, or not of this format.
        """

    def prepare(self, name: TableName, found: IcebergTable | None, evolution: Evolution) -> None:
        """Make the table, or change its schema, as the evolution says.

        Raises
        ------
        CommitConflictError
            If somebody else changed the table meanwhile.
        """

    def curate(self, change: Change) -> Curated:
        """Apply a change in one snapshot.

        Raises
        ------
        CommitConflictError
            If the table has another current snapshot by now.
        IngestError
            If a key is NULL or there twice.
        """

    def count_rows(self, table: IcebergTable) -> int:
        """Rows that a query of the table's current snapshot sees."""


def single_row(rows: Sequence[Row]) -> Row:
    """The row of a query that always has one."""
    (row,) = rows
    return row


def check_keys(table_id: str, key_columns: Sequence[str], *, nulls: int, duplicates: int) -> None:
    """Refuse a batch whose keys do not tell its rows apart.

    Raises
    ------
    IngestError
        If there are any.
    """
    keys = ", ".join(key_columns)
    if nulls:
        raise IngestError(f"{table_id}: a row has NULL in its key ({keys}); it cannot be merged.")
    if duplicates:
        raise IngestError(f"{table_id}: two rows have the same key ({keys}); they cannot be merged.")
