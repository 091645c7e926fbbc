"""What the Data Catalog holds, and how its operations find it.

Names of databases, tables and functions are folded to lower case when they are stored (API Reference,
``DatabaseInput`` and ``TableInput``), and so they are found by any case.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import ClassVar

from millpond.planes.common.context import PlaneContext
from millpond.planes.glue.exceptions import EntityNotFoundException, InvalidInputException
from millpond.planes.glue.requests import Request, Shape, found, required

Values = tuple[str, ...]


@dataclass
class Partition:
    """A partition.

    Parameters
    ----------
    definition : dict
        The ``Partition`` structure; replaced when it changes, never changed.
    statistics : dict
        ``ColumnStatistics`` by column.
    """

    definition: Shape
    statistics: dict[str, Shape] = field(default_factory=dict)


@dataclass
class Table:
    """A table.

    Parameters
    ----------
    current : dict
        The ``Table`` structure; replaced when it changes, never changed.
    archived : dict
        Earlier ones by their number.
    partitions : dict
        By their values, in the order of their making.
    indexes : dict
        ``PartitionIndexDescriptor`` by name.
    statistics : dict
        ``ColumnStatistics`` by column.
    """

    current: Shape
    archived: dict[int, Shape] = field(default_factory=dict)
    partitions: dict[Values, Partition] = field(default_factory=dict)
    indexes: dict[str, Shape] = field(default_factory=dict)
    statistics: dict[str, Shape] = field(default_factory=dict)

    @property
    def keys(self) -> list[Shape]:
        """Its partition keys."""
        return list(self.current.get("PartitionKeys") or [])

    @property
    def version(self) -> int:
        return int(self.current["VersionId"])


@dataclass
class Database:
    """A database with what is in it, by name."""

    definition: Shape
    tables: dict[str, Table] = field(default_factory=dict)
    functions: dict[str, Shape] = field(default_factory=dict)


@dataclass
class CatalogState:
    """What is kept of a catalog."""

    KEPT: ClassVar[tuple[str, ...]] = ("databases", "policies", "encryption")

    databases: dict[str, Database] = field(default_factory=dict)
    policies: dict[str, Shape] = field(default_factory=dict)
    encryption: Shape = field(default_factory=dict)


class Catalog:
    """The catalog of one account and region.

    Parameters
    ----------
    context : PlaneContext
        Whose.
    """

    KEPT = ("state",)

    def __init__(self, context: PlaneContext) -> None:
        self.context = context
        self.lock = threading.RLock()
        self.state = CatalogState()

    def check_id(self, request: Request) -> None:
        """Refuse a request for another account's catalog, or one below this account's.

        Raises
        ------
        EntityNotFoundException
            Since there is none.
        """
        asked = request.get("CatalogId")
        if asked and asked != self.context.account_id:
            raise EntityNotFoundException(f"Catalog {asked} not found.")

    def database(self, name: str) -> Database:
        """The database of a name in any case; the lock is held."""
        return found(self.state.databases, name.lower(), f"Database {name} not found.")

    def table(self, database: str, name: str) -> Table:
        """The table of a name in any case; the lock is held."""
        return found(self.database(database).tables, name.lower(), f"Table {name} not found.")

    def asked_table(self, request: Request, member: str = "TableName") -> Table:
        """The table that a request names."""
        self.check_id(request)
        return self.table(required(request, "DatabaseName"), required(request, member))

    def asked_partition(self, request: Request, member: str = "PartitionValues") -> Partition:
        """The partition that a request names."""
        return partition_of(self.asked_table(request), request[member])


def partition_of(table: Table, values: list[str]) -> Partition:
    """The partition of those values.

    Raises
    ------
    EntityNotFoundException
        If there is none.
    """
    partition = table.partitions.get(tuple(values))
    if partition is None:
        raise EntityNotFoundException("Cannot find partition.")
    return partition


def check_values(table: Table, values: list[str]) -> None:
    """Refuse another number of values than the table has partition keys."""
    if len(values) != len(table.keys):
        raise InvalidInputException(
            "The number of partition keys do not match the number of partition values"
        )
