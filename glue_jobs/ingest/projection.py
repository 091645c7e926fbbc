"""Which columns of the source become which columns of the lake: what is included, masked, left out."""

from __future__ import annotations

from dataclasses import replace

from ingest.errors import IngestError
from ingest.settings import JobSettings
from ingest.structures import Column, TableStructure


def project(structure: TableStructure, settings: JobSettings) -> TableStructure:
    """The structure of what is landed.

    A column that is not in ``include_columns``, or whose action is ``drop``, is not there; a masked one
    is a ``string``.

    Raises
    ------
    IngestError
        If a key, or the source of a partition, is not landed, or a partition cannot be made of what is.
    """
    included = settings.include_columns
    columns = tuple(
        _masked(column, settings.column_actions.get(column.source_name))
        for column in structure.columns
        if included is None or column.source_name in included
        if settings.column_actions.get(column.source_name) != "drop"
    )
    landed = {column.source_name: column for column in columns}
    needed = dict.fromkeys(settings.key_columns, "a key")
    needed.update({partition.source_name: "a partition's source" for partition in structure.partitions})
    for name, used_as in needed.items():
        if name not in landed:
            raise IngestError(f"{settings.table_id}: column {name!r} is {used_as} but not landed.")
    for partition in structure.partitions:
        column = landed[partition.source_name]
        if column.masking and not partition.transform.startswith(("identity", "bucket")):
            raise IngestError(
                f"{settings.table_id}: the partition {partition.name!r} needs the value of "
                f"{partition.source_name!r}, which is masked."
            )
    return replace(structure, columns=columns)


def _masked(column: Column, action: str | None) -> Column:
    return replace(column, type="string", masking=action) if action in ("hash", "tokenise") else column
