"""The Iceberg REST endpoint of the Data Catalog: paths and bodies of Iceberg's specification in and out.

Source: "AWS Glue REST APIs for Apache Iceberg specifications" in the Glue Developer Guide, for which
operations there are and which actions they need, and the REST catalog specification of Apache Iceberg 1.6.1,
for their shapes. Each is made of operations of Glue's API and of S3's, asked in the name of who called.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from botocore.exceptions import ClientError
from pydantic import ValidationError
from pyiceberg.catalog.rest import CreateTableRequest
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchIcebergTableError,
    NoSuchNamespaceError,
    NoSuchPropertyException,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import CommitTableRequest
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

from millpond.planes.common.iceberg import IcebergCatalog, for_every_reader
from millpond.planes.glue.requests import Shape

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

_LEVELS = "\x1f"
_LARGEST_PAGE = 100
# What stands for what went wrong: the status and the type that the endpoint says; the first that fits.
_ERRORS: tuple[tuple[tuple[type[Exception], ...], int, str], ...] = (
    ((NoSuchNamespaceError, NoSuchTableError), 404, "EntityNotFoundException"),
    ((NamespaceAlreadyExistsError, TableAlreadyExistsError), 409, "AlreadyExistsException"),
    ((NamespaceNotEmptyError,), 409, "NamespaceNotEmptyException"),
    ((CommitFailedException,), 409, "CommitFailedException"),
    ((NoSuchPropertyException, ValidationError, ValueError, TypeError), 400, "InvalidInputException"),
)
# The status of an error of Glue or S3, where it is another than theirs.
_STATUS = {
    "AccessDenied": 403,
    "AccessDeniedException": 403,
    "EntityNotFoundException": 404,
    "NoSuchBucket": 404,
    "AlreadyExistsException": 409,
    "ConcurrentModificationException": 409,
}


@dataclass(frozen=True)
class Answer:
    """What the endpoint says: an HTTP status and, mostly, JSON."""

    status: int
    body: Shape | None = None


class RefusedError(Exception):
    """The endpoint does not do that.

    Parameters
    ----------
    message : str
        Why.
    status : int
        Of HTTP.
    kind : str
        The ``type`` of the error.
    """

    def __init__(self, message: str, status: int = 400, kind: str = "InvalidInputException") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


@dataclass(frozen=True)
class Call:
    """A request: the parts of its path that are names, its query and its body."""

    names: Mapping[str, str]
    query: Mapping[str, str]
    body: Any

    @property
    def namespace(self) -> str:
        """The database that the path names."""
        return _one_level(unquote(self.names["namespace"]).split(_LEVELS))

    @property
    def table(self) -> tuple[str, str]:
        """Database and table that the path names."""
        return self.namespace, unquote(self.names["table"])

    def member(self, name: str, default: Any = None) -> Any:
        """One of the body's members.

        Raises
        ------
        RefusedError
            If the body is no object, or lacks a member that has no default.
        """
        if not isinstance(self.body, Mapping):
            raise RefusedError("The request needs a body that is a JSON object")
        found = self.body.get(name, default)
        if found is None:
            raise RefusedError(f"The request's body lacks {name}")
        return found


class RestCatalog:
    """The endpoint for one caller.

    Parameters
    ----------
    glue, s3 : client
        In the name of the caller.
    account_id : str
        Whose catalog it is.
    """

    def __init__(self, glue: GlueClient, s3: S3Client, account_id: str) -> None:
        self._glue = glue
        self._account_id = account_id
        self._catalog = IcebergCatalog(glue, s3)

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
        """Answer a request.

        Parameters
        ----------
        method, path : str
            The path after ``/iceberg``, its names still quoted.
        query : mapping of str to str
            Parameters of the address.
        body : bytes
            JSON, or nothing.
        """
        try:
            operation, names = _route(method, path)
            catalog = unquote(names.get("catalog", self._account_id))
            if catalog != self._account_id:
                raise RefusedError(f"Catalog {catalog} not found.", 404, "EntityNotFoundException")
            answer = operation(self, Call(names, query, json.loads(body) if body else None))
        except RefusedError as error:
            return _error(error.status, error.kind, str(error))
        except ClientError as error:
            said = error.response["Error"]
            theirs = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return _error(_STATUS.get(said["Code"], max(theirs, 400)), said["Code"], said["Message"])
        except Exception as error:
            for kinds, status, name in _ERRORS:
                if isinstance(error, kinds):
                    return _error(status, name, str(error))
            raise
        # Whether something exists is asked by HEAD, and answered by the status alone.
        return Answer(204) if method == "HEAD" else answer

    # The configuration

    def get_config(self, call: Call) -> Answer:
        warehouse = call.query.get("warehouse") or self._account_id
        self._glue.get_catalog(CatalogId=warehouse)
        place = {"prefix": f"catalogs/{warehouse}"}
        return Answer(200, {"defaults": {}, "overrides": place, "endpoints": _ENDPOINTS})

    # Namespaces: the catalog's databases

    def list_namespaces(self, call: Call) -> Answer:
        if call.query.get("parent"):
            self._catalog.load_namespace_properties(_one_level(call.query["parent"].split(_LEVELS)))
            return Answer(200, {"namespaces": []})
        found = self._glue.get_databases(**_paging(call))
        names = [[one["Name"]] for one in found["DatabaseList"]]
        return Answer(200, {"namespaces": names, **_next(found)})

    def create_namespace(self, call: Call) -> Answer:
        name, properties = _one_level(call.member("namespace")), call.member("properties", {})
        self._catalog.create_namespace(name, properties)
        return Answer(200, {"namespace": [name], "properties": properties})

    def load_namespace(self, call: Call) -> Answer:
        properties = self._catalog.load_namespace_properties(call.namespace)
        return Answer(200, {"namespace": [call.namespace], "properties": properties})

    def update_namespace(self, call: Call) -> Answer:
        summary = self._catalog.update_namespace_properties(
            call.namespace, set(call.member("removals", [])), call.member("updates", {})
        )
        changed = {"updated": summary.updated, "removed": summary.removed, "missing": summary.missing}
        return Answer(200, changed)

    def drop_namespace(self, call: Call) -> Answer:
        self._catalog.drop_namespace(call.namespace)
        return Answer(204)

    # Tables

    def list_tables(self, call: Call) -> Answer:
        try:
            found = self._glue.get_tables(DatabaseName=call.namespace, **_paging(call))
        except self._glue.exceptions.EntityNotFoundException as error:
            raise NoSuchNamespaceError(f"Database does not exist: {call.namespace}") from error
        some = [
            {"namespace": [one["DatabaseName"]], "name": one["Name"]}
            for one in found["TableList"]
            if one.get("Parameters", {}).get("table_type", "").upper() == "ICEBERG"
        ]
        return Answer(200, {"identifiers": some, **_next(found)})

    def create_table(self, call: Call) -> Answer:
        asked = CreateTableRequest.model_validate(
            {"location": None, "partition-spec": None, "write-order": None, **(call.body or {})}
        )
        if asked.stage_create:
            raise RefusedError("Stage create is not supported")
        table = self._catalog.create_table(
            (call.namespace, asked.name),
            asked.table_schema,
            asked.location,
            asked.partition_spec or UNPARTITIONED_PARTITION_SPEC,
            asked.write_order or UNSORTED_SORT_ORDER,
            asked.properties,
        )
        return Answer(200, _table(table.metadata_location, table.metadata))

    def load_table(self, call: Call) -> Answer:
        try:
            table = self._catalog.load_table(call.table)
        except NoSuchIcebergTableError as error:
            raise RefusedError(str(error)) from error
        except FileNotFoundError as error:
            raise RefusedError(f"The metadata file of the table is not there: {error}") from error
        return Answer(200, _table(table.metadata_location, table.metadata))

    def update_table(self, call: Call) -> Answer:
        database, name = call.table
        asked = CommitTableRequest.model_validate(
            {"identifier": {"namespace": [database], "name": name}, **(call.body or {})}
        )
        table = self._catalog.load_table(call.table)
        done = self._catalog.commit_table(table, asked.requirements, asked.updates)
        return Answer(200, _table(done.metadata_location, done.metadata))

    def drop_table(self, call: Call) -> Answer:
        if call.query.get("purgeRequested", "false").lower() == "true":
            raise RefusedError("PurgeRequested cannot be true for Glue iceberg tables.")
        self._catalog.drop_table(call.table)
        return Answer(204)

    # What the specification has and the endpoint of Glue has not

    def refuse_rename(self, _call: Call) -> Answer:
        raise RefusedError("RenameTable is not supported for tables in Amazon S3")

    def refuse(self, _call: Call) -> Answer:
        raise RefusedError(
            "This operation of the Iceberg REST specification is not supported by AWS Glue",
            406,
            "UnsupportedOperationException",
        )


_Operation = Callable[[RestCatalog, Call], Answer]
_NAMESPACES = "/v1/{prefix}/namespaces"
_NAMESPACE = f"{_NAMESPACES}/{{namespace}}"
_TABLES = f"{_NAMESPACE}/tables"
_TABLE = f"{_TABLES}/{{table}}"
# Paths as the specification writes them.
_ROUTES: tuple[tuple[str, str, _Operation], ...] = (
    ("GET", "/v1/config", RestCatalog.get_config),
    ("GET", _NAMESPACES, RestCatalog.list_namespaces),
    ("POST", _NAMESPACES, RestCatalog.create_namespace),
    ("GET", _NAMESPACE, RestCatalog.load_namespace),
    ("HEAD", _NAMESPACE, RestCatalog.load_namespace),
    ("DELETE", _NAMESPACE, RestCatalog.drop_namespace),
    ("POST", f"{_NAMESPACE}/properties", RestCatalog.update_namespace),
    ("GET", _TABLES, RestCatalog.list_tables),
    ("POST", _TABLES, RestCatalog.create_table),
    ("GET", _TABLE, RestCatalog.load_table),
    ("HEAD", _TABLE, RestCatalog.load_table),
    ("POST", _TABLE, RestCatalog.update_table),
    ("DELETE", _TABLE, RestCatalog.drop_table),
    ("POST", "/v1/{prefix}/tables/rename", RestCatalog.refuse_rename),
    ("POST", "/v1/{prefix}/transactions/commit", RestCatalog.refuse),
    ("POST", f"{_NAMESPACE}/register", RestCatalog.refuse),
    ("POST", f"{_TABLE}/metrics", RestCatalog.refuse),
    ("GET", f"{_NAMESPACE}/views", RestCatalog.refuse),
    ("POST", f"{_NAMESPACE}/views", RestCatalog.refuse),
    ("GET", f"{_NAMESPACE}/views/{{view}}", RestCatalog.refuse),
)
_REFUSED = (RestCatalog.refuse, RestCatalog.refuse_rename)
# What GetConfig says that there is, from version 1.7 of the specification on. Clients that find no such list
# take a commit of several tables for granted, where they do not know AWS's endpoint by the name of its host.
_ENDPOINTS = [
    f"{method} {path}" for method, path, operation in _ROUTES if "{" in path and operation not in _REFUSED
]
_PATTERNS = tuple(
    (
        method,
        re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path.replace("{prefix}", "catalogs/{catalog}"))),
        operation,
    )
    for method, path, operation in _ROUTES
)


def _route(method: str, path: str) -> tuple[_Operation, Mapping[str, str]]:
    for wanted, pattern, operation in _PATTERNS:
        if wanted == method and (found := pattern.fullmatch(path.rstrip("/"))):
            return operation, found.groupdict()
    raise RefusedError(f"There is no operation {method} {path}", 404, "UnknownOperationException")


def _one_level(levels: Any) -> str:
    if not isinstance(levels, list) or len(levels) != 1 or not isinstance(levels[0], str) or not levels[0]:
        raise RefusedError("A namespace has exactly one level: the name of a database")
    return levels[0]


def _paging(call: Call) -> Shape:
    size = call.query.get("pageSize") or str(_LARGEST_PAGE)
    if not size.isdecimal() or not int(size):
        raise RefusedError(f"The page size {size} is not a number above zero")
    token = call.query.get("pageToken")
    return {"MaxResults": min(int(size), _LARGEST_PAGE), **({"NextToken": token} if token else {})}


def _next(found: Mapping[str, Any]) -> Shape:
    return {"next-page-token": found["NextToken"]} if found.get("NextToken") else {}


def _table(location: str, metadata: TableMetadata) -> Shape:
    shape = for_every_reader(metadata).model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"metadata-location": location, "metadata": shape, "config": {}}


def _error(status: int, kind: str, message: str) -> Answer:
    return Answer(status, {"error": {"message": message, "type": kind, "code": status}})
