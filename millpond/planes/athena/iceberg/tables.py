"""Iceberg tables in the Glue catalog: loading one, choosing a snapshot, committing a change.

Athena locks optimistically: a commit replaces ``metadata_location`` with ``glue:UpdateTable`` and the
``VersionId`` that it read (Athena user guide, "Using Apache Iceberg tables", considerations).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError, ValidationException
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot

from millpond.planes.athena.exceptions import Place, QueryFailed, table_exists
from millpond.planes.common.iceberg import IcebergCatalog, S3Objects

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Version:
    """What follows ``FOR TIMESTAMP AS OF`` or ``FOR VERSION AS OF``.

    Parameters
    ----------
    value : datetime, int or str
        A moment, a snapshot's id, or the name of a branch or tag.
    """

    value: dt.datetime | int | str


@dataclass(frozen=True)
class TableSnapshot:
    """A table as it is, or was, at one snapshot.

    Parameters
    ----------
    table : Table
        The table, with the metadata that was current when it was loaded.
    snapshot : Snapshot, optional
        None when nothing was ever written.
    schema : Schema
        Of that snapshot when one was asked for, else the table's.
    """

    table: Table
    snapshot: Snapshot | None
    schema: Schema

    @property
    def metadata(self) -> TableMetadata:
        """The table's metadata with this snapshot's schema as the current one."""
        return self.table.metadata.model_copy(update={"current_schema_id": self.schema.schema_id})


def is_iceberg(table: dict[str, Any]) -> bool:
    """Whether Glue's description is that of an Iceberg table."""
    return str((table.get("Parameters") or {}).get("table_type", "")).upper() == "ICEBERG"


class IcebergTables:
    """The Iceberg tables of a Glue catalog.

    Parameters
    ----------
    glue, s3 : client
        The stack's API.
    """

    def __init__(self, glue: GlueClient, s3: S3Client) -> None:
        self._glue = glue
        self._catalog = IcebergCatalog(glue, s3)
        self._objects = S3Objects(s3)

    def load(self, described: dict[str, Any]) -> Table:
        """The table that Glue describes.

        Raises
        ------
        QueryFailed
            ``ICEBERG_INVALID_METADATA`` if its metadata file is not there, or is none.
        """
        database, name = str(described["DatabaseName"]), str(described["Name"])
        location = (described.get("Parameters") or {}).get("metadata_location")
        if not location:
            message = f"Table is missing [metadata_location] property: {database}.{name}"
            raise QueryFailed("ICEBERG_INVALID_METADATA", message)
        try:
            metadata = FromInputFile.table_metadata(self._objects.new_input(location))
        except (FileNotFoundError, ValueError) as error:
            message = f"Metadata not found in metadata location for table {database}.{name}"
            raise QueryFailed("ICEBERG_INVALID_METADATA", message) from error
        return Table((database, name), metadata, location, self._objects, self._catalog)

    def create(
        self,
        database: str,
        name: str,
        schema: Schema,
        spec: PartitionSpec,
        location: str,
        properties: dict[str, str],
    ) -> Table:
        """Register a table without rows."""
        try:
            return self._catalog.create_table(
                (database, name), schema, location.rstrip("/"), spec, properties=properties
            )
        except TableAlreadyExistsError as error:
            raise table_exists(database, name) from error


def at_version(table: Table, version: Version | None, place: Place) -> TableSnapshot:
    """The snapshot that a query asks for; the current one if it asks for none.

    Raises
    ------
    QueryFailed
        ``INVALID_ARGUMENTS`` if there is no such snapshot.
    """
    if version is None:
        return TableSnapshot(table, table.current_snapshot(), table.schema())
    snapshot = _find(table, version, place)
    schema = table.schemas()[snapshot.schema_id] if snapshot.schema_id is not None else table.schema()
    return TableSnapshot(table, snapshot, schema)


def _find(table: Table, version: Version, place: Place) -> Snapshot:
    if isinstance(version.value, dt.datetime):
        millis = int(version.value.timestamp() * 1000)
        earlier = [entry for entry in table.history() if entry.timestamp_ms <= millis]
        found = table.snapshot_by_id(earlier[-1].snapshot_id) if earlier else None
        name = ".".join(table.name())
        moment = version.value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = f"No version history table {name} at or before {moment}"
    elif isinstance(version.value, int):
        found = table.snapshot_by_id(version.value)
        message = f"Iceberg snapshot ID does not exists: {version.value}"
    else:
        found = table.snapshot_by_name(version.value)
        message = f"Cannot find snapshot with reference name: {version.value}"
    if found is None:
        raise QueryFailed("INVALID_ARGUMENTS", message, *place)
    return found


def commit(table: Table, change: Callable[[Transaction], object]) -> Table:
    """Make a change in one commit.

    Raises
    ------
    QueryFailed
        ``ICEBERG_COMMIT_ERROR`` if somebody else changed the table meanwhile.
    """
    transaction = table.transaction()
    try:
        change(transaction)
        return transaction.commit_transaction()
    except (CommitFailedException, ValidationException) as error:
        name = ".".join(table.name())
        raise QueryFailed(
            "ICEBERG_COMMIT_ERROR", f"Failed to commit Iceberg update to table: {name}"
        ) from error
