"""What a table is, as DynamoDB's ``job_settings`` and ``table_structures`` tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millpond.errors import MillpondError
from millpond.scaffold import SourceColumn

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBServiceResource


@dataclass(frozen=True)
class Column:
    """A column on both sides; ``type`` is the catalog's, ``source_type`` PostgreSQL's."""

    name: str
    type: str
    source_name: str
    source_type: str


@dataclass(frozen=True)
class Partition:
    """A partition column of the lake and the source column it is made from."""

    name: str
    transform: str
    source: Column


@dataclass(frozen=True)
class Table:
    """One table to compare.

    Parameters
    ----------
    table_id : str
        ``schema.table`` in the source.
    source_schema, source_table : str
        Its name in PostgreSQL.
    database, table : str
        Its name in the Glue catalog.
    columns : tuple of Column
        All columns, in order.
    partitions : tuple of Partition
        Partition columns that the lake adds.
    key : tuple of str
        Source columns that identify a row; empty for a table without a key.
    """

    table_id: str
    source_schema: str
    source_table: str
    database: str
    table: str
    columns: tuple[Column, ...]
    partitions: tuple[Partition, ...]
    key: tuple[str, ...]

    @classmethod
    def from_items(cls, setting: Mapping[str, Any], structure: Mapping[str, Any]) -> Table:
        """From an item of ``job_settings`` and one of ``table_structures``."""
        columns = tuple(
            Column(c["name"], c["type"], c["source_name"], c["source_type"]) for c in structure["columns"]
        )
        by_source = {column.source_name: column for column in columns}
        return cls(
            table_id=setting["table_id"],
            source_schema=setting["source_schema"],
            source_table=setting["source_table"],
            database=setting["target_database"],
            table=setting["target_table"],
            columns=columns,
            partitions=tuple(
                Partition(p["name"], p["transform"], by_source[p["source_name"]])
                for p in structure.get("partitions", [])
            ),
            key=tuple(setting["key_columns"]),
        )

    def mismatch(self, actual: Sequence[SourceColumn]) -> str | None:
        """How the database's table differs from the structure, or None."""
        if not actual:
            return f"the database has no table {self.source_schema}.{self.source_table}"
        told = {column.source_name: column.source_type for column in self.columns}
        found = {column.name: column.type for column in actual}
        for name in [*told, *found]:
            if name not in found:
                return f"table_structures has a column {name} that the database lacks"
            if name not in told:
                return f"the database has a column {name} that table_structures lacks"
            if told[name] != found[name]:
                return f"column {name} is {found[name]} in the database and {told[name]} in table_structures"
        unknown = sorted(set(self.key) - set(told))
        if unknown:
            return f"job_settings has a key column {unknown[0]} that table_structures lacks"
        return None


def read_items(
    dynamodb: DynamoDBServiceResource, prefix: str
) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Every enabled table's setting with the newest version of its structure, ordered by ``table_id``.

    The structure is None where there is none.

    Raises
    ------
    MillpondError
        If no table is enabled: then there is nothing that could be equal.
    """
    settings = _scan(dynamodb, f"{prefix}-job_settings")
    newest: dict[str, dict[str, Any]] = {}
    for structure in _scan(dynamodb, f"{prefix}-table_structures"):
        known = newest.get(structure["table_id"])
        if known is None or structure["version"] > known["version"]:
            newest[structure["table_id"]] = structure
    enabled = sorted((s for s in settings if s["enabled"]), key=lambda s: str(s["table_id"]))
    if not enabled:
        raise MillpondError(
            "No table is enabled, so there is nothing to verify.",
            where=f"DynamoDB table {prefix}-job_settings",
            next_step="make deploy",
        )
    return [(setting, newest.get(setting["table_id"])) for setting in enabled]


def _scan(dynamodb: DynamoDBServiceResource, name: str) -> list[dict[str, Any]]:
    client = dynamodb.meta.client
    try:
        pages = list(client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True))
    except client.exceptions.ResourceNotFoundException as error:
        raise MillpondError(f"The DynamoDB table {name} does not exist.", next_step="make deploy") from error
    return [dict(item) for page in pages for item in page["Items"]]
