"""The Glue catalog: what is visible, and the switch that makes a new version visible.

A version is published by moving ``Location``. For a table without partitions that is one call. For a
partitioned one it is several, partitions first and the table last; a run that is killed between them
leaves a mixture that the next run, which starts from the same watermark, puts right.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from ingest.errors import IngestError
from ingest.layout import PartitionValues
from ingest.settings import JobSettings
from ingest.structures import TableStructure

_ROWS = "numRows"
_RUN_ID = "ingest_run_id"
_STRUCTURE_VERSION = "table_structure_version"


@dataclass(frozen=True)
class Files:
    """Where the files of a table or of a partition are, and how many rows they hold."""

    location: str
    rows: int


@dataclass(frozen=True)
class CatalogTable:
    """A table that queries see.

    Parameters
    ----------
    location : str
        The version that the last run made.
    run_id : str
        That run.
    columns : list of (name, type)
        Columns in order.
    parts : dict of PartitionValues to Files
        Its partitions; a table without partition keys is its own only part, ``()``.
    """

    location: str
    run_id: str
    columns: List[Tuple[str, str]]
    parts: Dict[PartitionValues, Files] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts.values())

    def has_structure(self, structure: TableStructure) -> bool:
        """Whether its columns are those of the structure."""
        return self.columns == _columns(structure)


@dataclass(frozen=True)
class Version:
    """A new version of a table.

    Parameters
    ----------
    location : str
        Directory that the run wrote to.
    run_id : str
        The run.
    parts : dict of PartitionValues to Files
        Every part of the table once this version is visible.
    """

    location: str
    run_id: str
    parts: Mapping[PartitionValues, Files]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts.values())


def find_table(glue: Any, settings: JobSettings, structure: TableStructure) -> CatalogTable | None:
    """The table as it is visible now, or None when there is none.

    Raises
    ------
    IngestError
        If the table was not made by the ingest, or has other partition keys than the structure: those
        of a table with data cannot be changed.
    """
    database, name = settings.target_database, settings.target_table
    try:
        table = glue.get_table(DatabaseName=database, Name=name)["Table"]
    except glue.exceptions.EntityNotFoundException:
        return None
    if _RUN_ID not in table.get("Parameters", {}):
        raise IngestError(f"The table {database}.{name} of the catalog was not made by the ingest.")
    descriptor, keys = table["StorageDescriptor"], table.get("PartitionKeys", [])
    partition_names = [key["Name"] for key in keys]
    if partition_names != structure.partition_names:
        raise IngestError(
            f"The table {database}.{name} of the catalog is partitioned by {partition_names}, "
            f"table_structures says {structure.partition_names}; delete it from the catalog first."
        )
    return CatalogTable(
        location=descriptor["Location"],
        run_id=table["Parameters"][_RUN_ID],
        columns=[(column["Name"], column["Type"]) for column in descriptor["Columns"]],
        parts=_find_partitions(glue, settings) if keys else {(): _files(table)},
    )


def publish(
    glue: Any,
    settings: JobSettings,
    structure: TableStructure,
    version: Version,
    previous: CatalogTable | None,
) -> None:
    """Make a version visible.

    Parameters
    ----------
    glue : boto3 client
    settings, structure
        The table.
    version : Version
        What is to be visible.
    previous : CatalogTable or None
        What :func:`find_table` found.

    Raises
    ------
    IngestError
        If the catalog has no such database, or refuses a partition.
    """
    table = _table_input(settings, structure, version)
    if previous is None:
        try:
            glue.create_table(DatabaseName=settings.target_database, TableInput=table)
        except glue.exceptions.EntityNotFoundException:
            raise IngestError(f"The catalog has no database {settings.target_database!r}.") from None
    if structure.partitions:
        _publish_partitions(glue, settings, structure, version, previous)
    if previous is not None:
        glue.update_table(DatabaseName=settings.target_database, TableInput=table)


def _publish_partitions(
    glue: Any,
    settings: JobSettings,
    structure: TableStructure,
    version: Version,
    previous: CatalogTable | None,
) -> None:
    names = {"DatabaseName": settings.target_database, "TableName": settings.target_table}
    visible = previous.parts if previous is not None else {}
    is_same_structure = previous is not None and previous.has_structure(structure)
    inputs = {values: _partition_input(structure, values, files) for values, files in version.parts.items()}
    added = [inputs[values] for values in inputs if values not in visible]
    moved = [
        {"PartitionValueList": list(values), "PartitionInput": inputs[values]}
        for values, files in version.parts.items()
        if values in visible and (files != visible[values] or not is_same_structure)
    ]
    gone = [{"Values": list(values)} for values in visible if values not in version.parts]
    for chunk in _chunks(added, 100):
        _check(glue.batch_create_partition(**names, PartitionInputList=chunk))
    for chunk in _chunks(moved, 100):
        _check(glue.batch_update_partition(**names, Entries=chunk))
    for chunk in _chunks(gone, 25):
        _check(glue.batch_delete_partition(**names, PartitionsToDelete=chunk))


def _find_partitions(glue: Any, settings: JobSettings) -> dict[PartitionValues, Files]:
    pages = glue.get_paginator("get_partitions").paginate(
        DatabaseName=settings.target_database, TableName=settings.target_table, ExcludeColumnSchema=True
    )
    return {
        tuple(partition["Values"]): _files(partition) for page in pages for partition in page["Partitions"]
    }


def _files(entry: Mapping[str, Any]) -> Files:
    location, rows = entry["StorageDescriptor"]["Location"], entry.get("Parameters", {}).get(_ROWS)
    if rows is None:
        raise IngestError(f"What the catalog has at {location} was not made by the ingest.")
    return Files(location, int(rows))


def _columns(structure: TableStructure) -> list[tuple[str, str]]:
    return [(column.name, column.type) for column in structure.columns]


def _table_input(settings: JobSettings, structure: TableStructure, version: Version) -> dict[str, Any]:
    return {
        "Name": settings.target_table,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": name, "Type": "string"} for name in structure.partition_names],
        "Parameters": {
            "EXTERNAL": "TRUE",
            "classification": "parquet",
            _ROWS: str(version.rows),
            _RUN_ID: version.run_id,
            _STRUCTURE_VERSION: str(structure.version),
        },
        "StorageDescriptor": _descriptor(structure, version.location),
    }


def _partition_input(structure: TableStructure, values: PartitionValues, files: Files) -> dict[str, Any]:
    return {
        "Values": list(values),
        "Parameters": {_ROWS: str(files.rows)},
        "StorageDescriptor": _descriptor(structure, files.location),
    }


def _descriptor(structure: TableStructure, location: str) -> dict[str, Any]:
    return {
        "Columns": [{"Name": column.name, "Type": column.type} for column in structure.columns],
        "Location": location,
        "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "SerdeInfo": {
            "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            "Parameters": {"serialization.format": "1"},
        },
        "Compressed": True,
    }


def _check(response: Mapping[str, Any]) -> None:
    for error in response.get("Errors", ()):
        values = error.get("PartitionValues") or error.get("PartitionValueList")
        detail = error.get("ErrorDetail", {})
        raise IngestError(
            f"The catalog refused the partition {values}: "
            f"{detail.get('ErrorCode')}: {detail.get('ErrorMessage')}"
        )


def _chunks(entries: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (entries[start : start + size] for start in range(0, len(entries), size))
