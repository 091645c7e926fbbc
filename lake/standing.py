"""``millpond lake check``: the settings of tables against the database as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ingest.settings_schema import completed

from lake.catalog import Relation
from lake.databases import Database, RefusedQueryError
from lake.verify.structure import Table

PARTS = ("watermark_column", "change_operation_column", "change_sequence_column", "split_column")


@dataclass(frozen=True)
class Finding:
    """What is wrong with the settings of a table.

    Parameters
    ----------
    table_id : str
        Which table.
    text : str
        A sentence.
    is_wrong : bool
        Whether an ingest fails by it; else it is slow, or leaves something out.
    """

    table_id: str
    text: str
    is_wrong: bool = True


def findings(
    database: Database,
    relation: Relation | None,
    setting: Mapping[str, Any],
    structure: Mapping[str, Any] | None,
) -> Iterator[Finding]:
    """What is wrong with one table, in the order in which a person would mend it."""
    item = completed(setting)
    table_id = item["table_id"]
    if relation is None:
        yield Finding(table_id, "the database has no such table or view")
        return
    if not relation.is_readable:
        yield Finding(table_id, "the jobs' role may not read it")
        return
    if not relation.is_populated:
        yield Finding(table_id, "REFRESH MATERIALIZED VIEW has never filled it, or its rows were dropped")
        return
    if structure is None:
        yield Finding(table_id, "it has no structure: millpond lake add reads it")
        return
    if mismatch := Table.from_items(item, structure).mismatch(relation.columns):
        yield Finding(table_id, mismatch, is_wrong=item["schema_policy"] == "strict")
    yield from _columns(relation, item)
    yield from _conditions(database, relation, item)


def _columns(relation: Relation, item: Mapping[str, Any]) -> Iterator[Finding]:
    table_id, known = item["table_id"], {column.name for column in relation.columns}
    named = {"key_columns": item["key_columns"], "column_actions": item["column_actions"]}
    named["include_columns"] = item["include_columns"] or []
    named |= {part: [item[part]] for part in PARTS if item[part]}
    for setting, columns in named.items():
        for column in columns:
            if column not in known:
                yield Finding(table_id, f"{setting} names {column}, which the table does not have")
    key = set(item["key_columns"])
    unique = [set(index.columns) for index in relation.indexes if index.is_unique]
    if key and not any(key >= columns for columns in unique):
        yield Finding(
            table_id, f"no unique index says that {', '.join(item['key_columns'])} is a key", is_wrong=False
        )
    watermark = item["watermark_column"]
    if watermark and watermark in known and watermark not in relation.ordered_by:
        yield Finding(
            table_id, f"no index begins with {watermark}: each run reads the whole table", is_wrong=False
        )


def _conditions(database: Database, relation: Relation, item: Mapping[str, Any]) -> Iterator[Finding]:
    quote = database.sql.name
    conditions = {f"the rule {rule['name']}": rule["check"] for rule in item["quality_rules"]}
    if item["filter"]:
        conditions["the filter"] = item["filter"]
    for name, condition in conditions.items():
        query = f"SELECT 1 FROM {quote(relation.schema)}.{quote(relation.name)} WHERE ({condition})"  # noqa: S608
        try:
            database.try_query(query)
        except RefusedQueryError as error:
            yield Finding(item["table_id"], f"{database.sql.title} does not take {name}: {error}")
