"""Tables and their versions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from millpond.planes.glue.catalog import iceberg
from millpond.planes.glue.catalog.databases import name_filter
from millpond.planes.glue.catalog.partitions import new_index
from millpond.planes.glue.catalog.store import Catalog, Table
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    ConcurrentModificationException,
    EntityNotFoundException,
    GlueError,
    InvalidInputException,
)
from millpond.planes.glue.paging import page
from millpond.planes.glue.requests import Request, Shape, chosen, now, required

_MEMBERS = (
    "Description",
    "Owner",
    "LastAccessTime",
    "LastAnalyzedTime",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "ViewOriginalText",
    "ViewExpandedText",
    "TableType",
    "Parameters",
    "TargetTable",
)
_ELSEWHERE = ("TransactionId", "QueryAsOfTime", "UpdateOpenTableFormatInput", "ViewUpdateAction")


class Tables:
    """Operations of tables.

    Parameters
    ----------
    catalog : Catalog
        Where they are.
    s3 : callable
        Makes the client that writes the first metadata of an Iceberg table.
    """

    OPERATIONS = (
        "BatchDeleteTable",
        "BatchDeleteTableVersion",
        "CreateTable",
        "DeleteTable",
        "DeleteTableVersion",
        "GetTable",
        "GetTables",
        "GetTableVersion",
        "GetTableVersions",
        "SearchTables",
        "UpdateTable",
    )

    def __init__(self, catalog: Catalog, s3: Callable[[], Any]) -> None:
        self._catalog = catalog
        self._s3 = s3

    def create_table(self, request: Request) -> Shape:
        self._catalog.check_id(request)
        _refuse_elsewhere(request)
        given = dict(request.get("TableInput") or {})
        name = str(request.get("Name") or given.get("Name") or "").lower()
        if not name:
            raise InvalidInputException("TableInput.Name must not be null or empty")
        with self._catalog.lock:
            database = self._catalog.database(required(request, "DatabaseName"))
            if name in database.tables:
                raise AlreadyExistsException("Table already exists.")
        if iceberg_input := (request.get("OpenTableFormatInput") or {}).get("IcebergInput"):
            given = iceberg.new_table(self._s3(), name, given, iceberg_input)
        made = now()
        table = Table(self._define(database.definition["Name"], name, given, made, made, 0))
        for index in request.get("PartitionIndexes") or []:
            new_index(table, index)
        with self._catalog.lock:
            if name in database.tables:
                raise AlreadyExistsException("Table already exists.")
            database.tables[name] = table
        return {}

    def get_table(self, request: Request) -> Shape:
        _refuse_elsewhere(request)
        with self._catalog.lock:
            return {"Table": self._catalog.asked_table(request, "Name").current}

    def get_tables(self, request: Request) -> Shape:
        self._catalog.check_id(request)
        _refuse_elsewhere(request)
        fits = name_filter(request["Expression"]) if request.get("Expression") else lambda _name: True
        with self._catalog.lock:
            tables = self._catalog.database(required(request, "DatabaseName")).tables
            found = [tables[name].current for name in sorted(tables) if fits(name)]
        some, token = page(found, request)
        if wanted := request.get("AttributesToGet"):
            members = {"NAME": "Name", "TABLE_TYPE": "TableType"}
            some = [chosen(one, *(members[attribute] for attribute in wanted)) for one in some]
        return {"TableList": some, **token}

    def update_table(self, request: Request) -> Shape:
        """Make a new version of a table; the old one is archived unless the request says ``SkipArchive``.

        Raises
        ------
        ConcurrentModificationException
            If the request starts from another version than the current one.
        """
        self._catalog.check_id(request)
        _refuse_elsewhere(request)
        given = required(request, "TableInput")
        name = str(request.get("Name") or given["Name"])
        with self._catalog.lock:
            database = self._catalog.database(required(request, "DatabaseName"))
            table = self._catalog.table(request["DatabaseName"], name)
            old = table.current
            if str(given.get("Name") or name).lower() != old["Name"]:
                raise InvalidInputException("Table name cannot be changed.")
            if request.get("VersionId") not in (None, old["VersionId"]):
                raise ConcurrentModificationException("Update table failed due to concurrent modifications.")
            if not request.get("SkipArchive"):
                table.archived[table.version] = old
            table.current = self._define(
                database.definition["Name"],
                old["Name"],
                given,
                old["CreateTime"],
                now(),
                table.version + 1,
            )
        return {}

    def delete_table(self, request: Request) -> Shape:
        _refuse_elsewhere(request)
        with self._catalog.lock:
            name = self._catalog.asked_table(request, "Name").current["Name"]
            del self._catalog.database(request["DatabaseName"]).tables[name]
        return {}

    def batch_delete_table(self, request: Request) -> Shape:
        errors = []
        for name in required(request, "TablesToDelete"):
            try:
                self.delete_table({**request, "Name": name})
            except GlueError as error:
                errors.append({"TableName": name, "ErrorDetail": error_detail(error)})
        return {"Errors": errors}

    # Versions

    def get_table_version(self, request: Request) -> Shape:
        with self._catalog.lock:
            table = self._catalog.asked_table(request)
            wanted = str(request.get("VersionId") or table.version)
            shape = _versions(table).get(_number(wanted))
        if shape is None:
            raise EntityNotFoundException("Version not found.")
        return {"TableVersion": _version(shape)}

    def get_table_versions(self, request: Request) -> Shape:
        with self._catalog.lock:
            versions = _versions(self._catalog.asked_table(request))
        some, token = page([versions[number] for number in sorted(versions, reverse=True)], request)
        return {"TableVersions": [_version(one) for one in some], **token}

    def delete_table_version(self, request: Request) -> Shape:
        with self._catalog.lock:
            table = self._catalog.asked_table(request)
            number = _number(required(request, "VersionId"))
            if number == table.version:
                raise InvalidInputException("The current version of a table cannot be deleted.")
            if table.archived.pop(number, None) is None:
                raise EntityNotFoundException("Version not found.")
        return {}

    def batch_delete_table_version(self, request: Request) -> Shape:
        errors = []
        with self._catalog.lock:
            self._catalog.asked_table(request)
        for version in required(request, "VersionIds"):
            try:
                self.delete_table_version({**request, "VersionId": version})
            except GlueError as error:
                errors.append(
                    {
                        "TableName": request["TableName"],
                        "VersionId": version,
                        "ErrorDetail": error_detail(error),
                    }
                )
        return {"Errors": errors}

    # Search

    def search_tables(self, request: Request) -> Shape:
        """Tables whose names, descriptions, columns or parameters have a text, and properties that fit."""
        self._catalog.check_id(request)
        with self._catalog.lock:
            tables = [
                table.current
                for database in self._catalog.state.databases.values()
                for table in database.tables.values()
            ]
        fitting = [one for one in tables if _has_text(one, request.get("SearchText") or "")]
        for predicate in request.get("Filters") or []:
            fitting = [one for one in fitting if _has_property(one, predicate)]
        for criterion in reversed(request.get("SortCriteria") or [{"FieldName": "Name"}]):
            fitting.sort(
                key=partial(_sorted_by, criterion["FieldName"]), reverse=criterion.get("Sort") == "DESC"
            )
        some, token = page(fitting, request)
        return {"TableList": some, **token}

    def _define(
        self, database: str, name: str, given: Request, created: Any, updated: Any, version: int
    ) -> Shape:
        shape = {
            "Retention": 0,
            "PartitionKeys": [],
            **chosen(given, *_MEMBERS),
            "Name": name,
            "DatabaseName": database,
            "CatalogId": self._catalog.context.account_id,
            "CreateTime": created,
            "UpdateTime": updated,
            "IsRegisteredWithLakeFormation": False,
            "VersionId": str(version),
        }
        if given.get("ViewDefinition"):
            raise InvalidInputException("Views of several dialects (ViewDefinition) are not available here")
        return shape


def error_detail(error: GlueError) -> Shape:
    """The ``ErrorDetail`` structure of a refusal."""
    return {"ErrorCode": error.code, "ErrorMessage": error.message}


def _refuse_elsewhere(request: Request) -> None:
    if asked := [member for member in _ELSEWHERE if request.get(member)]:
        raise InvalidInputException(f"{', '.join(asked)} is not available here: tables are not governed")


def _versions(table: Table) -> dict[int, Shape]:
    return table.archived | {table.version: table.current}


def _version(shape: Shape) -> Shape:
    return {"Table": shape, "VersionId": shape["VersionId"]}


def _number(version: str) -> int:
    if not version.isdecimal():
        raise InvalidInputException(f"The version id {version} is not a number")
    return int(version)


def _texts(table: Shape) -> Iterable[str]:
    yield from (str(table.get(member) or "") for member in ("Name", "Description", "DatabaseName", "Owner"))
    columns = (table.get("StorageDescriptor") or {}).get("Columns") or []
    for column in [*columns, *table["PartitionKeys"]]:
        yield from (str(column.get(member) or "") for member in ("Name", "Comment"))
    for key, value in (table.get("Parameters") or {}).items():
        yield from (key, value)


def _has_text(table: Shape, text: str) -> bool:
    # A text in quotes is looked for as a whole name, and any other as a part of one.
    if len(text) > 1 and text[0] == text[-1] == '"':
        return any(one.lower() == text[1:-1].lower() for one in _texts(table))
    return any(text.lower() in one.lower() for one in _texts(table))


def _property(table: Shape, key: str) -> Any:
    columns = (table.get("StorageDescriptor") or {}).get("Columns") or []
    known = {one.lower(): value for one, value in table.items()}
    if key.lower() in ("columns", "column"):
        return " ".join(str(column["Name"]) for column in columns)
    return known.get(key.lower(), (table.get("Parameters") or {}).get(key, ""))


def _sorted_by(key: str, table: Shape) -> str:
    return str(_property(table, key))


_COMPARATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "GREATER_THAN": operator.gt,
    "LESS_THAN": operator.lt,
    "GREATER_THAN_EQUALS": operator.ge,
    "LESS_THAN_EQUALS": operator.le,
}


def _has_property(table: Shape, predicate: Request) -> bool:
    value, wanted = _property(table, predicate["Key"]), predicate.get("Value") or ""
    comparator = predicate.get("Comparator") or "EQUALS"
    if comparator == "EQUALS":
        return str(value).lower() == wanted.lower()
    if isinstance(value, datetime):
        return _COMPARATORS[comparator](value.timestamp(), _timestamp(wanted))
    return _COMPARATORS[comparator](str(value), wanted)


def _timestamp(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidInputException(f"The value {text} is not a time in seconds") from error
