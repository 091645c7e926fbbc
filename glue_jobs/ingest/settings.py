"""How a table is ingested: the item of ``job_settings``."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Mapping

from ingest.errors import IngestError
from ingest.items import Item

LOAD_MODES = ("full", "full_diff", "incremental", "append", "change_table")
COLUMN_ACTIONS = ("hash", "tokenise", "drop")
SCHEMA_POLICIES = ("strict", "additive", "permissive")
_KEYED = ("full_diff", "incremental", "append", "change_table")


@dataclass(frozen=True)
class QualityRule:
    """A condition that rows must not violate.

    Parameters
    ----------
    name : str
        What the quarantine calls it.
    check : str
        SQL condition over source columns; a row violates it when it is FALSE, as in a CHECK constraint.
    """

    name: str
    check: str


@dataclass(frozen=True)
class JobSettings:
    """One table's settings; the fields are the keys of the item.

    Parameters
    ----------
    table_id : str
        ``schema.table`` in the source.
    enabled : bool
        Whether the plan includes it.
    source_schema, source_table : str
        Exact names in PostgreSQL.
    target_database, target_table : str
        Names in the Glue catalog.
    engine : {"auto", "shell", "spark"}
        Who ingests it.
    load_mode : {"full", "full_diff", "incremental", "append", "change_table"}
        Everything each time; everything, applied as differences; what changed since the committed
        watermark; rows with a greater key; the newest change of each key in a table of changes.
    watermark_column : str or None
        Source column that grows with each change; the growing key of ``append``.
    watermark_overlap : str or None
        How far below the committed watermark to read again: an ISO 8601 interval, or a number.
    change_operation_column, change_sequence_column : str or None
        Of a table of changes: I, U or D, and what orders the changes.
    key_columns : tuple of str
        Source columns that identify a row.
    split_column : str or None
        Integer or date source column for parallel reads.
    split_partitions : int
        Parallel reads.
    fetch_size : int
        Rows per round trip.
    include_columns : tuple of str or None
        Source columns to land; None for all.
    column_actions : mapping of str to {"hash", "tokenise", "drop"}
        Source columns that are masked in the database, or left there.
    filter : str or None
        SQL condition on source columns; rows for which it is not TRUE are not the lake's.
    quality_rules : tuple of QualityRule
    quality_max_rejected : Decimal
        Share of rows that may be quarantined before the run fails.
    schema_policy : {"strict", "additive", "permissive"}
        Which differences between the source and ``table_structures`` a run takes.
    """

    table_id: str
    enabled: bool
    source_schema: str
    source_table: str
    target_database: str
    target_table: str
    engine: str
    load_mode: str
    watermark_column: str | None
    key_columns: tuple[str, ...]
    split_column: str | None
    split_partitions: int
    fetch_size: int
    watermark_overlap: str | None = None
    change_operation_column: str | None = None
    change_sequence_column: str | None = None
    include_columns: tuple[str, ...] | None = None
    column_actions: Mapping[str, str] = field(default_factory=dict)
    filter: str | None = None
    quality_rules: tuple[QualityRule, ...] = ()
    quality_max_rejected: Decimal = Decimal(0)
    schema_policy: str = "strict"

    @property
    def growing_column(self) -> str | None:
        """The source column whose committed greatest value a run starts from, if the mode has one."""
        if self.load_mode == "change_table":
            return self.change_sequence_column
        return self.watermark_column if self.load_mode in ("incremental", "append") else None

    @property
    def keeps_absent_rows(self) -> bool:
        """Whether a row stays in the lake when the source has it no longer, even if all is read again."""
        return self.load_mode in ("append", "change_table")

    @classmethod
    def from_item(cls, item: Item) -> JobSettings:
        """Read an item and check what can be checked without the table.

        Raises
        ------
        IngestError
            If a key is missing or has an unusable value; it names the table and the key.
        """
        settings = cls(
            table_id=item.text("table_id"),
            enabled=item.boolean("enabled"),
            source_schema=item.text("source_schema"),
            source_table=item.text("source_table"),
            target_database=item.text("target_database"),
            target_table=item.text("target_table"),
            engine=item.choice("engine", ("auto", "shell", "spark")),
            load_mode=item.choice("load_mode", LOAD_MODES),
            watermark_column=item.optional_text("watermark_column"),
            key_columns=item.texts("key_columns"),
            split_column=item.optional_text("split_column"),
            split_partitions=item.positive("split_partitions"),
            fetch_size=item.positive("fetch_size"),
            watermark_overlap=item.optional_text("watermark_overlap"),
            change_operation_column=item.optional_text("change_operation_column"),
            change_sequence_column=item.optional_text("change_sequence_column"),
            include_columns=item.optional_texts("include_columns"),
            column_actions=item.choices("column_actions", COLUMN_ACTIONS),
            filter=item.optional_text("filter"),
            quality_rules=tuple(
                QualityRule(rule.text("name"), rule.text("check")) for rule in item.maps("quality_rules")
            ),
            quality_max_rejected=item.share("quality_max_rejected"),
            schema_policy=item.choice("schema_policy", SCHEMA_POLICIES),
        )
        settings._check(item.where)
        return settings

    def _check(self, where: str) -> None:
        """Refuse a mode without what it needs."""
        if self.load_mode in _KEYED and not self.key_columns:
            raise IngestError(
                f"The {where} asks for {self.load_mode} loads without key_columns: "
                "a changed row could not be told from a new one."
            )
        if self.load_mode in ("incremental", "append") and self.watermark_column is None:
            raise IngestError(f"The {where} asks for {self.load_mode} loads without a watermark_column.")
        if self.load_mode == "change_table" and None in (
            self.change_operation_column,
            self.change_sequence_column,
        ):
            raise IngestError(
                f"The {where} asks for change_table loads without "
                "a change_operation_column and a change_sequence_column."
            )


def read_job_settings(dynamodb: Any, table_name: str, table_id: str) -> JobSettings:
    """Read the settings of one table from DynamoDB.

    Raises
    ------
    IngestError
        If there is no such item, or it is unusable.
    """
    response = dynamodb.Table(table_name).get_item(Key={"table_id": table_id}, ConsistentRead=True)
    if "Item" not in response:
        raise IngestError(f"{table_name} has no item for the table_id {table_id!r}.")
    return JobSettings.from_item(Item(response["Item"], f"job_settings item of {table_id}"))
