"""Databases and tables as Athena's API shows them; they are Glue's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from millpond.planes.athena.data_catalogs import DataCatalogs
from millpond.planes.athena.exceptions import InvalidRequestException, MetadataException
from millpond.planes.athena.paging import page
from millpond.planes.common.regexes import Regex, RegexError

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient


class Metadata:
    """What a catalog holds.

    Parameters
    ----------
    glue : callable
        Makes a client of the Glue API.
    catalogs : DataCatalogs
        The catalogs there are, each of which is Glue's.
    """

    def __init__(self, glue: Callable[[], GlueClient], catalogs: DataCatalogs) -> None:
        self._glue = glue
        self._catalogs = catalogs

    def get_database(self, request: dict[str, Any]) -> dict[str, Any]:
        self._catalogs.find(request["CatalogName"])
        name = request["DatabaseName"]
        try:
            database = self._glue().get_database(Name=name)["Database"]
        except ClientError as error:
            raise _missing(error, f"Database {name} not found") from error
        return {"Database": _database(dict(database))}

    def list_databases(self, request: dict[str, Any]) -> dict[str, Any]:
        self._catalogs.find(request["CatalogName"])
        pages = self._glue().get_paginator("get_databases").paginate()
        every = [_database(dict(database)) for found in pages for database in found["DatabaseList"]]
        databases, more = page(sorted(every, key=lambda d: str(d["Name"])), request)
        return {"DatabaseList": databases, **more}

    def get_table(self, request: dict[str, Any]) -> dict[str, Any]:
        self._catalogs.find(request["CatalogName"])
        database, name = request["DatabaseName"], request["TableName"]
        try:
            table = self._glue().get_table(DatabaseName=database, Name=name)["Table"]
        except ClientError as error:
            raise _missing(error, f"Table {database}.{name} not found") from error
        return {"TableMetadata": _table(dict(table))}

    def list_tables(self, request: dict[str, Any]) -> dict[str, Any]:
        self._catalogs.find(request["CatalogName"])
        pages = self._glue().get_paginator("get_tables").paginate(DatabaseName=request["DatabaseName"])
        try:
            every = [_table(dict(table)) for found in pages for table in found["TableList"]]
        except ClientError as error:
            raise _missing(error, f"Database {request['DatabaseName']} not found") from error
        if expression := request.get("Expression"):
            every = _fitting(expression, every)
        tables, more = page(sorted(every, key=lambda t: str(t["Name"])), request)
        return {"TableMetadataList": tables, **more}


def _fitting(expression: str, tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        pattern = Regex(expression, backtracks=True)
        return [table for table in tables if pattern.search(table["Name"])]
    except RegexError as error:
        raise InvalidRequestException(f"Invalid expression {expression}: {error}") from error


def _missing(error: ClientError, message: str) -> Exception:
    """Glue's word that there is no such thing, in Athena's form: clients read the code in the message."""
    code = error.response["Error"]["Code"]
    if code != "EntityNotFoundException":
        return error
    metadata = error.response["ResponseMetadata"]
    status, request = metadata.get("HTTPStatusCode", 400), metadata.get("RequestId", "")
    told = f"Service: AmazonDataCatalog; Status Code: {status}; Error Code: {code}; Request ID: {request}"
    return MetadataException(f"{message} ({told}; Proxy: null)")


def _database(database: dict[str, Any]) -> dict[str, Any]:
    shown = {"Name": database["Name"], "Parameters": database.get("Parameters") or {}}
    return shown | ({"Description": database["Description"]} if database.get("Description") else {})


def _table(table: dict[str, Any]) -> dict[str, Any]:
    storage = table.get("StorageDescriptor") or {}
    serde = storage.get("SerdeInfo") or {}
    given = table.get("Parameters") or {}
    # A comment is one line here.
    shown_comment = {"comment": " ".join(given["comment"].split())} if given.get("comment") else {}
    parameters = {
        **given,
        **shown_comment,
        **{f"serde.param.{name}": value for name, value in (serde.get("Parameters") or {}).items()},
        "inputformat": storage.get("InputFormat", ""),
        "location": storage.get("Location", ""),
        "outputformat": storage.get("OutputFormat", ""),
        "serde.serialization.lib": serde.get("SerializationLibrary", ""),
    }
    shown: dict[str, Any] = {
        "Name": table["Name"],
        "TableType": table.get("TableType", "EXTERNAL_TABLE"),
        "Columns": [_column(c) for c in storage.get("Columns", [])],
        "PartitionKeys": [_column(c) for c in table.get("PartitionKeys") or []],
        "Parameters": parameters,
    }
    times = {"CreateTime": table.get("CreateTime"), "LastAccessTime": table.get("LastAccessTime")}
    return shown | {name: time for name, time in times.items() if time is not None}


def _column(column: dict[str, str]) -> dict[str, str]:
    shown = {"Name": column["Name"], "Type": column.get("Type", "")}
    return shown | ({"Comment": column["Comment"]} if column.get("Comment") else {})
