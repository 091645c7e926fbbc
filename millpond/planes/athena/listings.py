"""``information_schema``: what the catalog holds, as rows.

Columns are those of Trino's ``information_schema``, which the Athena User Guide, "Query the AWS Glue Data
Catalog", reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from millpond.planes.athena.iceberg.tables import is_iceberg
from millpond.planes.athena.queries import StoredTable
from millpond.planes.athena.relations import Column
from millpond.planes.athena.types import BIGINT, VARCHAR, Type, from_hive

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

INFORMATION_SCHEMA = "information_schema"
_TABLE = [("table_catalog", VARCHAR), ("table_schema", VARCHAR), ("table_name", VARCHAR)]
_COLUMNS: dict[str, Sequence[tuple[str, Type]]] = {
    "schemata": [("catalog_name", VARCHAR), ("schema_name", VARCHAR)],
    "tables": [*_TABLE, ("table_type", VARCHAR)],
    "columns": [
        *_TABLE,
        ("column_name", VARCHAR),
        ("ordinal_position", BIGINT),
        ("column_default", VARCHAR),
        ("is_nullable", VARCHAR),
        ("data_type", VARCHAR),
    ],
    "views": [*_TABLE, ("view_definition", VARCHAR)],
}
Known = Mapping[str, Sequence[str]]
Row = Sequence[Any]


def find_listing(
    glue: GlueClient, name: str, definition: Callable[[Mapping[str, Any]], str], catalog: str
) -> StoredTable | None:
    """A table of ``information_schema``, or None if it has none of that name.

    Parameters
    ----------
    glue : GlueClient
        The catalog.
    name : str
        Lower case.
    definition : callable
        The query of a view, from Glue's description of it.
    catalog : str
        What the statement calls the catalog.
    """
    if name not in _COLUMNS:
        return None
    schema = _Schema(glue, definition, catalog)
    rows = {
        "schemata": schema.schemata,
        "tables": schema.tables,
        "columns": schema.columns,
        "views": schema.views,
    }
    described = tuple(Column(column, column, type_) for column, type_ in _COLUMNS[name])
    return StoredTable(INFORMATION_SCHEMA, name, described, (), listing=rows[name])


class _Schema:
    """The rows of each table; databases and tables that a query does not ask for are not read."""

    def __init__(
        self, glue: GlueClient, definition: Callable[[Mapping[str, Any]], str], catalog: str
    ) -> None:
        self._glue = glue
        self._catalog = catalog
        self._definition = definition

    def schemata(self, _known: Known) -> Iterable[Row]:
        return [(self._catalog, name) for name in (*self._databases(), INFORMATION_SCHEMA)]

    def tables(self, known: Known) -> Iterable[Row]:
        for database, table in self._every(known):
            yield self._catalog, database, table["Name"], "VIEW" if _is_view(table) else "BASE TABLE"
        for name in _COLUMNS if _asks_for(known, INFORMATION_SCHEMA) else ():
            yield self._catalog, INFORMATION_SCHEMA, name, "BASE TABLE"

    def columns(self, known: Known) -> Iterable[Row]:
        for database, table in self._every(known):
            for number, (name, type_) in enumerate(_described(table), 1):
                yield self._catalog, database, table["Name"], name, number, None, "YES", type_
        for table_name, columns in _COLUMNS.items() if _asks_for(known, INFORMATION_SCHEMA) else ():
            for number, (name, column) in enumerate(columns, 1):
                yield self._catalog, INFORMATION_SCHEMA, table_name, name, number, None, "YES", str(column)

    def views(self, known: Known) -> Iterable[Row]:
        for database, table in self._every(known):
            if _is_view(table):
                yield self._catalog, database, table["Name"], self._definition(table)

    def _databases(self) -> list[str]:
        pages = self._glue.get_paginator("get_databases").paginate()
        return sorted(database["Name"] for page in pages for database in page["DatabaseList"])

    def _every(self, known: Known) -> Iterator[tuple[str, dict[str, Any]]]:
        databases = known["table_schema"] if "table_schema" in known else self._databases()
        # Glue finds a database by any spelling; the rows have the one that it is kept in.
        asked = {database for database in databases if database == database.lower()}
        for database in sorted(asked - {INFORMATION_SCHEMA}):
            for table in self._tables(database):
                if _asks_for(known, table["Name"], "table_name"):
                    yield database, table

    def _tables(self, database: str) -> Iterator[dict[str, Any]]:
        pages = self._glue.get_paginator("get_tables").paginate(DatabaseName=database)
        try:
            yield from (dict(table) for page in pages for table in page["TableList"])
        except ClientError as error:
            # A database that is not there has no tables.
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise


def _asks_for(known: Known, value: str, column: str = "table_schema") -> bool:
    return column not in known or value in known[column]


def _is_view(table: Mapping[str, Any]) -> bool:
    return table.get("TableType") == "VIRTUAL_VIEW"


def _described(table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and type of each column; a type that is none of Hive's stays as it is."""
    storage = table.get("StorageDescriptor") or {}
    for column in [*storage.get("Columns", []), *(table.get("PartitionKeys") or [])]:
        given = str(column.get("Type", "string"))
        try:
            type_ = str(from_hive(given))
        except ValueError:
            type_ = given
        # Times of Iceberg have microseconds.
        is_exact = is_iceberg(table) and given == "timestamp"
        yield str(column["Name"]).lower(), "timestamp(6)" if is_exact else type_
