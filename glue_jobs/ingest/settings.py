"""How a table is ingested: the item of ``job_settings``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ingest.errors import IngestError
from ingest.items import Item


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
    load_mode : {"full", "incremental"}
        Everything each time, or what changed since the committed watermark.
    watermark_column : str or None
        Source column that grows with each change.
    key_columns : tuple of str
        Source columns that identify a row.
    split_column : str or None
        Integer or date source column for parallel reads.
    split_partitions : int
        Parallel reads.
    fetch_size : int
        Rows per round trip.
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

    @property
    def is_incremental(self) -> bool:
        return self.load_mode == "incremental"

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
            load_mode=item.choice("load_mode", ("full", "incremental")),
            watermark_column=item.optional_text("watermark_column"),
            key_columns=item.texts("key_columns"),
            split_column=item.optional_text("split_column"),
            split_partitions=item.positive("split_partitions"),
            fetch_size=item.positive("fetch_size"),
        )
        if settings.is_incremental and settings.watermark_column is None:
            raise IngestError(f"The {item.where} asks for incremental loads without a watermark_column.")
        if settings.is_incremental and not settings.key_columns:
            raise IngestError(
                f"The {item.where} asks for incremental loads without key_columns: "
                "a changed row could not be told from a new one."
            )
        return settings


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
