"""How a curated table follows its structure: what Iceberg allows is done in place, the rest is refused.

The rules are those of the table specification, "Schema evolution": ``int`` may become ``long``, ``float``
``double``, and a decimal may get more digits before the point. A column that the structure no longer
has stays, and new rows have NULL there. A column whose type changed otherwise is dropped and added anew,
with another field id: its values are then gone until the run has read the table in full.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Tuple

from ingest.errors import IngestError
from ingest.iceberg import IcebergTable, PartitionField, iceberg_type
from ingest.structures import Column, TableStructure

_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


@dataclass(frozen=True)
class NewColumn:
    """A column to add. All are optional: what the source requires is not the lake's to enforce.

    Parameters
    ----------
    name, type : str
        The type as :func:`ingest.iceberg.iceberg_type` spells it.
    doc : str
        What it is in the source.
    """

    name: str
    type: str
    doc: str


@dataclass(frozen=True)
class Evolution:
    """What to do to a table before a run lands anything, in this order.

    Parameters
    ----------
    is_new : bool
        Whether the table is to be made, with ``added`` as its columns.
    partition : tuple of PartitionField
        For a new table.
    renamed : tuple of (str, str)
        Old and new name.
    dropped : tuple of str
        Columns to drop, since they are added anew with another type.
    widened : tuple of (str, str)
        Column and its new type.
    added : tuple of NewColumn
    """

    is_new: bool
    partition: Tuple[PartitionField, ...] = ()
    renamed: Tuple[Tuple[str, str], ...] = ()
    dropped: Tuple[str, ...] = ()
    widened: Tuple[Tuple[str, str], ...] = ()
    added: Tuple[NewColumn, ...] = ()

    @property
    def is_needed(self) -> bool:
        return self.is_new or bool(self.renamed or self.dropped or self.widened or self.added)


def plan_evolution(structure: TableStructure, table: IcebergTable | None) -> Evolution:
    """Compare a table with its structure.

    Parameters
    ----------
    structure : TableStructure
        What is landed: :func:`ingest.projection.project` of the newest version.
    table : IcebergTable or None
        What there is.

    Raises
    ------
    IngestError
        If the table is partitioned otherwise, or a type changed of a column that it is partitioned by.
    """
    partition = tuple(
        PartitionField(one.name, structure.column(one.source_name, "a partition").name, one.transform)
        for one in structure.partitions
    )
    if table is None:
        return Evolution(True, partition, added=tuple(_new(column) for column in structure.columns))
    types = {field.name: field.type for field in table.fields}
    renamed = [
        (column.renamed_from, column.name)
        for column in structure.columns
        if column.renamed_from in types and column.name not in types
    ]
    for old, new in renamed:
        types[new] = types.pop(old)
    _check_partition(table, partition, dict(renamed))
    dropped, widened, added = [], [], []
    for column in structure.columns:
        wanted = iceberg_type(column.type)
        found = types.get(column.name)
        if found is None:
            added.append(_new(column))
        elif found != wanted and can_widen(found, wanted):
            widened.append((column.name, wanted))
        elif found != wanted and not can_widen(wanted, found):
            dropped.append(column.name)
            added.append(_new(column))
    for name in dropped:
        if name in {field.source for field in partition}:
            raise IngestError(
                f"{structure.table_id}: column {name!r} changed to a type that Iceberg cannot widen it to, "
                "and the table is partitioned by it; delete the table from the catalog first."
            )
    return Evolution(False, (), tuple(renamed), tuple(dropped), tuple(widened), tuple(added))


def can_widen(old: str, new: str) -> bool:
    """Whether Iceberg can make a column of one type another in place.

    Examples
    --------
    >>> can_widen("int", "long"), can_widen("long", "int"), can_widen("decimal(9,2)", "decimal(12,2)")
    (True, False, True)
    """
    if (old, new) in (("int", "long"), ("float", "double")):
        return True
    before, after = _DECIMAL.fullmatch(old), _DECIMAL.fullmatch(new)
    return bool(before and after and before[2] == after[2] and int(before[1]) < int(after[1]))


def _new(column: Column) -> NewColumn:
    doc = f"{column.masking} of {column.source_type}" if column.masking else column.source_type
    return NewColumn(column.name, iceberg_type(column.type), doc)


def _check_partition(
    table: IcebergTable,
    wanted: Tuple[PartitionField, ...],
    renamed: dict[str, str],
) -> None:
    found = tuple(
        PartitionField(one.name, renamed.get(one.source, one.source), one.transform)
        for one in table.partition
        if one.transform != "void"
    )
    if found != wanted:
        raise IngestError(
            f"The table {table.database}.{table.name} of the catalog is partitioned by {_text(found)}, "
            f"table_structures says {_text(wanted)}; delete it from the catalog first."
        )


def _text(partition: Tuple[PartitionField, ...]) -> str:
    return ", ".join(f"{one.transform}({one.source}) AS {one.name}" for one in partition) or "nothing"
