"""What a table is, as DynamoDB's ``job_settings`` and ``table_structures`` tell it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ingest.settings_schema import LOAD_MODES, completed

from lake.scaffold import SourceColumn
from millpond.base.errors import MillpondError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBServiceResource


@dataclass(frozen=True)
class Column:
    """A column on both sides; ``type`` is the catalog's, ``source_type`` the source's.

    ``action`` is how it is masked, ``hash`` or ``tokenise``; None for one that is not.
    """

    name: str
    type: str
    source_name: str
    source_type: str
    action: str | None = None
    nullable: bool = False


@dataclass(frozen=True)
class Rows:
    """Which rows of the source are the lake's, and which it must have in quarantine.

    Parameters
    ----------
    filter : str, optional
        Condition that a row must fulfil to be ingested at all.
    checks : tuple of str
        Conditions that put a row into quarantine when they are false.
    operation_column, sequence_column : str, optional
        Of a table of changes: what a change did, and what orders the changes; of every key the newest
        counts, unless it deletes.
    """

    filter: str | None = None
    checks: tuple[str, ...] = ()
    operation_column: str | None = None
    sequence_column: str | None = None


@dataclass(frozen=True)
class Table:
    """One table to compare.

    Parameters
    ----------
    table_id : str
        ``schema.table`` in the source.
    source_schema, source_table : str
        Its name in the source.
    database, table : str
        Its name in the Glue catalog.
    columns : tuple of Column
        The columns that are in the lake, in order.
    key : tuple of str
        Source columns that identify a row; empty for a table without a key.
    rows : Rows
        Which rows are compared.
    is_replaced : bool
        Whether a run replaces the whole table: then a row that is in quarantine must not be in it. Else what
        is there under the row's key stays as it was.
    left_out : frozenset of str
        Source columns that are not in the lake.
    schema_policy : str
        ``strict``, ``additive`` or ``permissive``: which differences of the columns are no error.
    """

    table_id: str
    source_schema: str
    source_table: str
    database: str
    table: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rows: Rows = field(default_factory=Rows)
    is_replaced: bool = True
    left_out: frozenset[str] = frozenset()
    schema_policy: str = "strict"

    @classmethod
    def from_items(cls, setting: Mapping[str, Any], structure: Mapping[str, Any]) -> Table:
        """From an item of ``job_settings`` and one of ``table_structures``."""
        setting = completed(setting)
        actions, included = setting["column_actions"], setting["include_columns"]
        every = tuple(
            Column(
                c["name"],
                c["type"],
                c["source_name"],
                c["source_type"],
                actions.get(c["source_name"]),
                bool(c.get("nullable")),
            )
            for c in structure["columns"]
        )
        columns = tuple(
            c for c in every if c.action != "drop" and (included is None or c.source_name in included)
        )
        return cls(
            table_id=setting["table_id"],
            source_schema=setting["source_schema"],
            source_table=setting["source_table"],
            database=setting["target_database"],
            table=setting["target_table"],
            columns=columns,
            key=tuple(setting["key_columns"]),
            rows=_rows(setting),
            is_replaced=LOAD_MODES[setting["load_mode"]].action == "overwrite",
            left_out=frozenset(c.source_name for c in every) - {c.source_name for c in columns},
            schema_policy=setting["schema_policy"],
        )

    def without(self, names: Collection[str]) -> Table:
        """The same table without some source columns."""
        return replace(self, columns=tuple(c for c in self.columns if c.source_name not in names))

    def missing(self, actual: Sequence[SourceColumn]) -> set[str]:
        """Source columns that are gone from the database, where the schema policy takes that."""
        found = {column.name for column in actual}
        if self.schema_policy != "permissive" or not found:
            return set()
        return {c.source_name for c in self.columns if c.source_name not in found} - set(self.key)

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
                if name in self.left_out or self.schema_policy != "strict":
                    continue
                return f"the database has a column {name} that table_structures lacks"
            if told[name] != found[name]:
                return f"column {name} is {found[name]} in the database and {told[name]} in table_structures"
        unknown = sorted(set(self.key) - set(told))
        if unknown:
            return f"job_settings has a key column {unknown[0]} that table_structures lacks"
        return None


def _rows(setting: Mapping[str, Any]) -> Rows:
    is_log = LOAD_MODES[setting["load_mode"]].is_log
    return Rows(
        filter=setting["filter"],
        checks=tuple(rule["check"] for rule in setting["quality_rules"]),
        operation_column=setting["change_operation_column"] if is_log else None,
        sequence_column=setting["change_sequence_column"] if is_log else None,
    )


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
    settings = map(completed, _scan(dynamodb, f"{prefix}-job_settings"))
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
