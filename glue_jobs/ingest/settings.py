"""How a table is ingested: the item of ``job_settings``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Mapping

from ingest.errors import IngestError
from ingest.settings_schema import FIELDS, LOAD_MODES, LoadMode, completed, problems

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBServiceResource

_COMPARED_COLUMNS = ("watermark_column", "split_column", "change_operation_column", "change_sequence_column")


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
    """One table's settings; the fields are the keys of the item, which ``job_settings.json`` describes."""

    table_id: str
    enabled: bool
    source_schema: str
    source_table: str
    target_database: str
    target_table: str
    key_columns: tuple[str, ...]
    engine: str
    load_mode: str
    watermark_column: str | None
    watermark_overlap: str | None
    change_operation_column: str | None
    change_sequence_column: str | None
    split_column: str | None
    split_partitions: int
    fetch_size: int
    include_columns: tuple[str, ...] | None
    column_actions: Mapping[str, str]
    filter: str | None
    quality_rules: tuple[QualityRule, ...]
    quality_max_rejected: Decimal
    schema_policy: str
    schedule: str | None
    freshness_minutes: int | None
    urgent: bool

    @property
    def mode(self) -> LoadMode:
        return LOAD_MODES[self.load_mode]

    @property
    def growing_column(self) -> str | None:
        """The source column whose committed greatest value a run starts from, if the mode has one."""
        name: str | None = getattr(self, self.mode.starts_from) if self.mode.starts_from else None
        return name

    @property
    def needed_columns(self) -> dict[str, tuple[str, ...]]:
        """Source columns that the reading query compares with what it knows of them, by their setting."""
        named = {setting: getattr(self, setting) for setting in _COMPARED_COLUMNS}
        return {"key_columns": self.key_columns, **{k: (name,) for k, name in named.items() if name}}

    @classmethod
    def from_item(cls, item: Mapping[str, Any], where: str) -> JobSettings:
        """Read an item and check what can be checked without the table.

        Parameters
        ----------
        item : mapping
            As the boto3 resource returns it; what it leaves out has its default.
        where : str
            What to call it in an error, for example ``job_settings item of erp.orders``.

        Raises
        ------
        IngestError
            If a key is missing, unknown, or has an unusable value; it names all of them.
        """
        content = completed(item)
        wrong = problems(content)
        if wrong:
            raise IngestError(f"The {where} cannot be used: {'; '.join(wrong)}.")
        return cls(**{field.name: _value(field.name, content[field.name]) for field in fields(cls)})


def _value(name: str, value: Any) -> Any:
    """A setting as the class has it: numbers of DynamoDB are decimals, and lists can be changed."""
    kind = FIELDS[name]["type"]
    if value is None:
        return None
    if "integer" in kind:
        return int(value)
    if "number" in kind:
        return Decimal(str(value))
    if name == "quality_rules":
        return tuple(QualityRule(**rule) for rule in value)
    return tuple(value) if "array" in kind else value


def read_job_settings(dynamodb: DynamoDBServiceResource, table_name: str, table_id: str) -> JobSettings:
    """Read the settings of one table from DynamoDB.

    Raises
    ------
    IngestError
        If there is no such item, or it is unusable.
    """
    response = dynamodb.Table(table_name).get_item(Key={"table_id": table_id}, ConsistentRead=True)
    if "Item" not in response:
        raise IngestError(f"{table_name} has no item for the table_id {table_id!r}.")
    return JobSettings.from_item(response["Item"], f"job_settings item of {table_id}")
