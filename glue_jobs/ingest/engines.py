"""What an engine can do. There are two: :mod:`ingest.shell_engine` and :mod:`ingest.spark_engine`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ContextManager, List, Mapping, Optional, Protocol, Sequence, Tuple

from ingest.layout import PartitionValues
from ingest.merge import MergePlan, RowCounts
from ingest.secrets import Credentials
from ingest.settings import JobSettings
from ingest.structures import TableStructure

Row = Tuple[Optional[str], ...]


@dataclass(frozen=True)
class Target:
    """What is ingested and where it goes.

    Parameters
    ----------
    settings, structure
        The table.
    table_location : str
        Directory of all the versions of the table.
    location : str
        Directory of the new version; nothing is there yet.
    """

    settings: JobSettings
    structure: TableStructure
    table_location: str
    location: str


@dataclass(frozen=True)
class Merged:
    """What :meth:`Source.merge` did.

    Parameters
    ----------
    rows_read : int
        Rows of the batch.
    plan : MergePlan
        What became of the visible partitions.
    written : RowCounts
        Rows of every partition in the new version.
    """

    rows_read: int
    plan: MergePlan
    written: RowCounts


class Source(Protocol):
    """The source database as one transaction sees it."""

    def fetch(self, query: str) -> List[Row]:
        """Run a small query; every value comes as text."""

    def load(self, target: Target, predicate: str) -> RowCounts:
        """Write the rows that satisfy a predicate to the new version."""

    def merge(self, target: Target, predicate: str, visible: Mapping[PartitionValues, str]) -> Merged:
        """Write the new version of every partition that the rows of a predicate change.

        Parameters
        ----------
        target : Target
            What and where to.
        predicate : str
            SQL condition for the changed rows.
        visible : mapping of PartitionValues to str
            Locations of the visible partitions.
        """


class Engine(Protocol):
    """Reads a source and writes Parquet."""

    name: str

    def connect(self, credentials: Credentials) -> ContextManager[Source]:
        """Begin a transaction in which everything is read."""


def single_row(rows: Sequence[Row]) -> Row:
    """The row of a query that always has one."""
    (row,) = rows
    return row
