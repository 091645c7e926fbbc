"""What a table looks like: the item of ``table_structures``, and whether the source still agrees."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, FrozenSet, Sequence

from ingest.dialect import Dialect, SourceType
from ingest.errors import IngestError
from ingest.items import Item
from ingest.settings import JobSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBServiceResource

_TRANSFORM = re.compile(r"(identity|year|month|day|bucket|truncate)(?:\[([1-9]\d*)\])?")
IDENTITY_TYPES = ("smallint", "int", "bigint", "boolean", "date", "timestamp", "timestamptz", "string")
_TIMES = ("date", "timestamp", "timestamptz")


@dataclass(frozen=True)
class Column:
    """A column.

    Parameters
    ----------
    name, type : str
        In the catalog.
    source_name, source_type : str
        In the source, the type as :meth:`ingest.dialect.Dialect.type_of` takes it.
    nullable : bool
        Whether the source may hold NULL.
    renamed_from : str or None
        Name that the catalog knew it by before this version.
    masking : {"hash", "tokenise"} or None
        What the reading query makes of it; never in the item, see :mod:`ingest.projection`.
    """

    name: str
    source_name: str
    source_type: str
    type: str
    nullable: bool
    renamed_from: str | None = None
    masking: str | None = None


@dataclass(frozen=True)
class Partition:
    """A field of the curated table's partition and how its value is made.

    Parameters
    ----------
    name : str
        Partition field.
    source_name : str
        Source column that the value is made of.
    transform : str
        Iceberg's: ``identity``, ``year``, ``month``, ``day``, ``bucket[N]`` or ``truncate[N]``.
    """

    name: str
    source_name: str
    transform: str


@dataclass(frozen=True)
class TableStructure:
    """One version of a table's structure."""

    table_id: str
    version: int
    columns: tuple[Column, ...]
    partitions: tuple[Partition, ...]

    def column(self, source_name: str, used_as: str) -> Column:
        """The column with that name in the source.

        Raises
        ------
        IngestError
            If there is none; it names what the column is needed for.
        """
        for column in self.columns:
            if column.source_name == source_name:
                return column
        raise IngestError(
            f"{self.table_id}: the column {source_name!r}, used as {used_as}, is not in table_structures."
        )

    def catalog_names(self, source_names: Sequence[str], used_as: str) -> list[str]:
        return [self.column(name, used_as).name for name in source_names]

    @classmethod
    def from_item(cls, item: Item, dialect: Dialect) -> TableStructure:
        """Read an item and check that it is sound in itself.

        Raises
        ------
        IngestError
            If a key is missing, a name is used twice, or a type is not the contract's.
        """
        structure = cls(
            table_id=item.text("table_id"),
            version=item.positive("version"),
            columns=tuple(_column(entry) for entry in item.maps("columns")),
            partitions=tuple(_partition(entry) for entry in item.maps("partitions")),
        )
        _check_names(structure)
        for column in structure.columns:
            _check_catalog_type(structure, column, dialect)
        for partition in structure.partitions:
            _check_transform(structure, partition, dialect)
        return structure


@dataclass(frozen=True)
class Drift:
    """How the source differs from its structure, as far as the schema policy takes it.

    Parameters
    ----------
    absent : frozenset of str
        Source columns that are gone; they are NULL.
    retyped : frozenset of str
        Source columns of another type; a row whose value does not fit the structure's is a bad one.
    """

    absent: FrozenSet[str] = frozenset()
    retyped: FrozenSet[str] = frozenset()


def read_table_structure(
    dynamodb: DynamoDBServiceResource, table_name: str, table_id: str, dialect: Dialect
) -> TableStructure:
    """Read the newest version of a table's structure from DynamoDB.

    Raises
    ------
    IngestError
        If there is none, or it is unusable.
    """
    response = dynamodb.Table(table_name).query(
        KeyConditionExpression="table_id = :table_id",
        ExpressionAttributeValues={":table_id": table_id},
        ScanIndexForward=False,
        Limit=1,
        ConsistentRead=True,
    )
    if not response["Items"]:
        raise IngestError(f"{table_name} has no item for the table_id {table_id!r}.")
    item = Item(response["Items"][0], f"table_structures item of {table_id}")
    return TableStructure.from_item(item, dialect)


def check_settings(settings: JobSettings, structure: TableStructure, dialect: Dialect) -> None:
    """Check that the settings speak of columns that the structure has and can be used so.

    Raises
    ------
    IngestError
        If not; it names the table, the setting and the column.
    """
    named = {"one of key_columns": settings.key_columns, "one of include_columns": settings.include_columns}
    for used_as, names in {**named, "one of column_actions": settings.column_actions}.items():
        for name in names or ():
            structure.column(name, used_as)
    if settings.change_operation_column is not None:
        structure.column(settings.change_operation_column, "change_operation_column")
    if settings.growing_column is not None:
        kind, refusal = _kind(structure, settings.growing_column, "watermark", dialect)
        if not kind.is_number and kind.catalog_type not in _TIMES:
            raise refusal
    if settings.split_column is not None:
        kind, refusal = _kind(structure, settings.split_column, "split_column", dialect)
        if kind.catalog_type not in ("smallint", "int", "bigint", "date"):
            raise refusal
        if settings.split_partitions > 1 and not dialect.export_snapshot:
            raise IngestError(
                f"{structure.table_id}: {dialect.name} has no snapshot that two connections see, so a read "
                "cannot be split: leave split_column and split_partitions out."
            )


def check_source(structure: TableStructure, settings: JobSettings, actual: dict[str, str]) -> Drift:
    """Check that the source table is what the structure says, as far as the schema policy asks.

    ``strict`` takes no difference. ``additive`` takes columns that the structure does not know: they are
    read once a version of the structure has them. ``permissive`` also takes columns that are gone or have
    another type.

    Parameters
    ----------
    structure : TableStructure
        What is expected.
    settings : JobSettings
        Names of the source table, the policy, and the columns that nothing can be read without.
    actual : dict of str to str
        Column name to type as the database reports them; empty when there is no such table.

    Returns
    -------
    Drift
        What is taken.

    Raises
    ------
    IngestError
        If the table is missing, or there is a difference that the policy does not take. It names every
        such column with what was expected and what was found.
    """
    table = f'"{settings.source_schema}"."{settings.source_table}"'
    if not actual:
        raise IngestError(f"{settings.table_id}: the source database has no table {table}.")
    expected = {column.source_name: column.source_type for column in structure.columns}
    different = {name for name, kind in expected.items() if actual.get(name) != kind}
    needed = {name for names in settings.needed_columns.values() for name in names}
    taken = different - needed if settings.schema_policy == "permissive" else set()
    differences = [
        f"column {name!r}: expected {kind}, found {actual.get(name, 'no such column')}"
        for name, kind in expected.items()
        if name in different - taken
    ]
    if settings.schema_policy == "strict":
        differences += [
            f"column {name!r}: expected no such column, found {kind}"
            for name, kind in actual.items()
            if name not in expected
        ]
    if differences:
        raise IngestError(
            f"{settings.table_id}: table_structures version {structure.version} does not match "
            f"the source table {table}: {'; '.join(differences)}."
        )
    return Drift(frozenset(taken - actual.keys()), frozenset(taken & actual.keys()))


def _column(item: Item) -> Column:
    return Column(
        name=item.text("name"),
        source_name=item.text("source_name"),
        source_type=item.text("source_type"),
        type=item.text("type"),
        nullable=item.boolean("nullable"),
        renamed_from=item.optional_text("renamed_from"),
    )


def _partition(item: Item) -> Partition:
    return Partition(
        name=item.text("name"),
        source_name=item.text("source_name"),
        transform=item.text("transform"),
    )


def _check_names(structure: TableStructure) -> None:
    if not structure.columns:
        raise IngestError(f"{structure.table_id}: table_structures has no columns.")
    columns = {column.name: column.source_name for column in structure.columns}
    names = [column.name for column in structure.columns]
    names += [
        partition.name
        for partition in structure.partitions
        if (partition.transform, columns.get(partition.name)) != ("identity", partition.source_name)
    ]
    for name in names:
        if name != name.lower():
            raise IngestError(f"{structure.table_id}: the catalog name {name!r} is not in lower case.")
        if names.count(name) > 1:
            raise IngestError(f"{structure.table_id}: table_structures uses the name {name!r} twice.")


def _check_catalog_type(structure: TableStructure, column: Column, dialect: Dialect) -> None:
    expected = dialect.type_of(column.source_type).catalog_type
    if column.type != expected:
        raise IngestError(
            f"{structure.table_id}: table_structures lands column {column.source_name!r}, "
            f"{column.source_type}, as {column.type}; expected {expected}."
        )


def _check_transform(structure: TableStructure, partition: Partition, dialect: Dialect) -> None:
    source = structure.column(partition.source_name, f"source of the partition {partition.name!r}")
    kind = dialect.type_of(source.source_type)
    match = _TRANSFORM.fullmatch(partition.transform)
    name = match[1] if match else None
    has_width = bool(match and match[2])
    allowed = {
        "identity": kind.catalog_type in IDENTITY_TYPES,
        "year": kind.catalog_type in _TIMES,
        "month": kind.catalog_type in _TIMES,
        "day": kind.catalog_type in _TIMES,
        "bucket": kind.catalog_type in ("int", "bigint", "string", "date", "timestamp", "timestamptz"),
        "truncate": kind.catalog_type in ("int", "bigint", "string"),
    }
    if name is None or kind.is_array or has_width != (name in ("bucket", "truncate")) or not allowed[name]:
        raise IngestError(
            f"{structure.table_id}: the partition {partition.name!r} cannot be made of column "
            f"{source.source_name!r}, {source.source_type}, by {partition.transform}."
        )


def _kind(
    structure: TableStructure, source_name: str, used_as: str, dialect: Dialect
) -> tuple[SourceType, IngestError]:
    """The type of a column, and what to say if it is none for its use."""
    column = structure.column(source_name, used_as)
    refusal = IngestError(
        f"{structure.table_id}: column {source_name!r} is {column.source_type}; it cannot be the {used_as}."
    )
    return dialect.type_of(column.source_type), refusal
