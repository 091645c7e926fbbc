"""The Glue catalog as a source of tables and views."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from pyiceberg.types import IcebergType

from millpond.planes.athena.exceptions import CATALOG, NotSupported, Place, QueryFailed
from millpond.planes.athena.files import ObjectFiles
from millpond.planes.athena.iceberg.metadata_tables import METADATA_TABLES
from millpond.planes.athena.iceberg.scan import PATH
from millpond.planes.athena.iceberg.schemas import to_sql
from millpond.planes.athena.iceberg.tables import (
    IcebergTables,
    Version,
    at_version,
    is_iceberg,
)
from millpond.planes.athena.listings import INFORMATION_SCHEMA, find_listing
from millpond.planes.athena.queries import AsOf, StoredTable, StoredView
from millpond.planes.athena.relations import Column
from millpond.planes.athena.types import VARCHAR, Type, from_hive

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

HIDDEN_PATH = PATH
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_PRESTO_VIEW = re.compile(r"/\* Presto View: (\S+) \*/")


@dataclass(frozen=True)
class Partition:
    """A registered partition: the values of the keys, as text, and where its files are."""

    values: tuple[str, ...]
    location: str


class GlueCatalog:
    """Tables of the Glue catalog; each is asked for once. ``names`` are those that statements have for it.

    Parameters
    ----------
    glue : GlueClient
        The API that holds the catalog.
    s3 : S3Client
        Where Iceberg tables have their metadata.
    evaluate : callable
        The value of a constant, given in DuckDB's SQL.
    files : ObjectFiles
        Where what tables hold is read.
    """

    def __init__(
        self, glue: GlueClient, s3: S3Client, evaluate: Callable[[str], Any], files: ObjectFiles
    ) -> None:
        self.glue = glue
        self.files = files
        self.iceberg = IcebergTables(glue, s3)
        self._evaluate = evaluate
        self._tables: dict[tuple[str, str], dict[str, Any]] = {}
        self.names: tuple[str, ...] = (CATALOG,)

    def find(
        self, catalog: str, database: str, table: str, place: Place, as_of: AsOf | None = None
    ) -> StoredTable | StoredView:
        """The table or view of a name.

        Raises
        ------
        QueryFailed
            ``CATALOG_NOT_FOUND``, ``SCHEMA_NOT_FOUND`` or ``TABLE_NOT_FOUND``.
        """
        self.check_catalog(catalog, place)
        if database == INFORMATION_SCHEMA and (
            listing := find_listing(self.glue, table, _view_query, catalog)
        ):
            return listing
        name, _, kind = (
            table.rpartition("$") if table.rpartition("$")[2] in METADATA_TABLES else (table, "", "")
        )
        found = self.get_table(database, name)
        is_hives = found is not None and not is_iceberg(found)
        if found is not None and is_hives and kind == "partitions" and found.get("PartitionKeys"):
            return _partitions(found, database, place)
        if found is None or (kind and is_hives):
            if database != INFORMATION_SCHEMA and not self.has_database(database):
                raise QueryFailed("SCHEMA_NOT_FOUND", f"Schema '{database}' does not exist", *place)
            message = f"Table '{catalog}.{database}.{table}' does not exist"
            raise QueryFailed("TABLE_NOT_FOUND", message, *place)
        if found.get("TableType") == "VIRTUAL_VIEW":
            return _view(found, database)
        if is_iceberg(found):
            return self._iceberg_table(found, database, kind, place, as_of)
        if as_of is not None:
            raise QueryFailed("NOT_SUPPORTED", "This connector does not support versioned tables", *place)
        return _table(found, database, table, place)

    def check_catalog(self, catalog: str, place: Place) -> None:
        """Refuse a name that is none of the catalog's; ``CATALOG_NOT_FOUND``."""
        if catalog not in self.names:
            raise QueryFailed("CATALOG_NOT_FOUND", f"Catalog '{catalog}' does not exist", *place)

    def _iceberg_table(
        self, found: dict[str, Any], database: str, kind: str, place: Place, as_of: AsOf | None
    ) -> StoredTable:
        snapshot = at_version(self.iceberg.load(found), self._version(as_of), place)
        if kind:
            columns = METADATA_TABLES[kind].columns(snapshot)
            described = tuple(Column(name, name, type_) for name, type_ in columns)
            return StoredTable(database, found["Name"], described, (), snapshot, kind)
        columns = [(f.name.lower(), _iceberg_type(f.field_type, place)) for f in snapshot.schema.fields]
        described = tuple(Column(name, name, type_) for name, type_ in columns)
        hidden = Column(HIDDEN_PATH, HIDDEN_PATH, VARCHAR, is_hidden=True)
        return StoredTable(database, found["Name"], (*described, hidden), (), snapshot)

    def _version(self, as_of: AsOf | None) -> Version | None:
        if as_of is None:
            return None
        if as_of.kind == "VERSION":
            return Version(self._evaluate(as_of.value.sql))
        return Version(self._evaluate(f"timezone('UTC', {as_of.value.sql})").replace(tzinfo=dt.UTC))

    def has_database(self, database: str) -> bool:
        try:
            self.glue.get_database(Name=database)
        except ClientError as error:
            if _is_missing(error):
                return False
            raise
        return True

    def get_table(self, database: str, table: str) -> dict[str, Any] | None:
        """Glue's own description of a table; None if there is no such table or database."""
        key = database, table
        if key not in self._tables:
            try:
                answer = self.glue.get_table(DatabaseName=database, Name=table)
            except ClientError as error:
                if _is_missing(error):
                    return None
                raise
            self._tables[key] = dict(answer["Table"])
        return self._tables[key]

    def partitions(self, database: str, table: str) -> Iterator[Partition]:
        """Every registered partition."""
        pages = self.glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=table)
        for page in pages:
            for partition in page["Partitions"]:
                location = partition.get("StorageDescriptor", {}).get("Location", "")
                yield Partition(tuple(partition["Values"]), location)


def _is_missing(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "EntityNotFoundException"


def _table(found: dict[str, Any], database: str, table: str, place: Place) -> StoredTable:
    if kind := _log_format(found):
        raise NotSupported(f"The {kind} table {database}.{table}", *place)
    keys = found.get("PartitionKeys") or []
    columns = [
        Column(c["Name"].lower(), c["Name"].lower(), _type(c, database, table))
        for c in [*found.get("StorageDescriptor", {}).get("Columns", []), *keys]
    ]
    hidden = Column(HIDDEN_PATH, HIDDEN_PATH, VARCHAR, is_hidden=True)
    return StoredTable(database, table, (*columns, hidden), tuple(k["Name"].lower() for k in keys))


def _partitions(found: dict[str, Any], database: str, place: Place) -> StoredTable:
    """``"t$partitions"`` of a table of Hive's kind: its keys, a row for each partition."""
    described = _table(found, database, found["Name"], place)
    keys = tuple(column for column in described.columns if column.name in described.partition_keys)
    names = described.partition_keys
    return StoredTable(database, found["Name"], keys, names, None, "partitions", lambda _: None)


def _view_query(found: Mapping[str, Any]) -> str:
    """The query of a view, or the text of one that Athena did not make."""
    try:
        return _view(dict(found), "").sql
    except QueryFailed:
        return str(found.get("ViewOriginalText", ""))


def _log_format(found: dict[str, Any]) -> str:
    """Delta or Hudi, whose files are Parquet, but not all of them are a part of the table."""
    parameters = found.get("Parameters") or {}
    named = {str(parameters.get(key, "")).lower() for key in ("table_type", "spark.sql.sources.provider")}
    storage = found.get("StorageDescriptor") or {}
    reader = str(storage.get("InputFormat", "")).lower()
    if "delta" in named:
        return "Delta"
    return "Hudi" if "hudi" in named or ".hudi." in reader or "hoodie" in reader else ""


def _iceberg_type(type_: IcebergType, place: Place) -> Type:
    try:
        return to_sql(type_)
    except ValueError as error:
        raise NotSupported(str(error).capitalize(), *place) from error


def _type(column: dict[str, Any], database: str, table: str) -> Type:
    try:
        return from_hive(column.get("Type", "string"))
    except ValueError as error:
        message = f"Column {column['Name']} of {database}.{table}: {error}"
        raise QueryFailed("HIVE_INVALID_METADATA", message) from error


def _view(found: dict[str, Any], database: str) -> StoredView:
    match = _PRESTO_VIEW.fullmatch((found.get("ViewOriginalText") or "").strip())
    if match is None:
        raise QueryFailed("INVALID_VIEW", f"{database}.{found['Name']} is not a view that Athena made")
    content = json.loads(base64.b64decode(match[1]))
    columns = content.get("columns", [])
    names = tuple(str(column["name"]).lower() for column in columns)
    types = tuple(str(column["type"]) for column in columns if "type" in column)
    sql, schema = content["originalSql"], content.get("schema") or database
    return StoredView(sql, schema, names, types if len(types) == len(names) else ())


def view_text(sql: str, database: str, columns: list[tuple[str, Type]]) -> str:
    """``ViewOriginalText`` of a view, as Athena stores it."""
    content = {
        "originalSql": sql,
        "catalog": CATALOG,
        "schema": database,
        "columns": [{"name": name, "type": str(type_)} for name, type_ in columns],
    }
    encoded = base64.b64encode(json.dumps(content).encode()).decode()
    return f"/* Presto View: {encoded} */"
