"""Databases, their user-defined functions, and the catalogs themselves."""

from __future__ import annotations

import re
from typing import Any

from millpond.planes.common.regexes import Regex, RegexError
from millpond.planes.glue.catalog.store import Catalog, Database
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    InvalidInputException,
)
from millpond.planes.glue.paging import page
from millpond.planes.glue.requests import Request, Shape, chosen, found, now, required
from millpond.planes.glue.tags import Tags

_OPEN_TO_ALL = [
    {"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}, "Permissions": ["ALL"]}
]
_MEMBERS = (
    "Description",
    "LocationUri",
    "Parameters",
    "CreateTableDefaultPermissions",
    "TargetDatabase",
    "FederatedDatabase",
)
_FUNCTION_MEMBERS = ("ClassName", "OwnerName", "FunctionType", "OwnerType", "ResourceUris")


class Databases:
    """Operations of databases.

    Parameters
    ----------
    catalog : Catalog
        Where they are.
    tags : Tags
        Theirs.
    """

    OPERATIONS = (
        "CreateDatabase",
        "DeleteDatabase",
        "GetCatalog",
        "GetCatalogImportStatus",
        "GetCatalogs",
        "GetDatabase",
        "GetDatabases",
        "UpdateDatabase",
    )

    def __init__(self, catalog: Catalog, tags: Tags) -> None:
        self._catalog = catalog
        self._tags = tags

    def create_database(self, request: Request) -> Shape:
        self._catalog.check_id(request)
        given = required(request, "DatabaseInput")
        name = str(given["Name"]).lower()
        with self._catalog.lock:
            if name in self._catalog.state.databases:
                raise AlreadyExistsException("Database already exists.")
            self._catalog.state.databases[name] = Database(self._define(name, given, now()))
            self._tags.create("database", name, request.get("Tags"))
        return {}

    def get_database(self, request: Request) -> Shape:
        self._catalog.check_id(request)
        with self._catalog.lock:
            return {"Database": self._catalog.database(required(request, "Name")).definition}

    def get_databases(self, request: Request) -> Shape:
        self._catalog.check_id(request)
        # Databases of other accounts, and of sources beside the catalog, are not here.
        own = request.get("ResourceShareType", "ALL") == "ALL"
        with self._catalog.lock:
            names = sorted(self._catalog.state.databases) if own else []
            databases = [self._catalog.state.databases[name].definition for name in names]
        some, token = page(databases, request)
        if request.get("AttributesToGet"):
            some = [{"Name": one["Name"]} for one in some]
        return {"DatabaseList": some, **token}

    def update_database(self, request: Request) -> Shape:
        self._catalog.check_id(request)
        given = required(request, "DatabaseInput")
        name = str(required(request, "Name"))
        new = str(given["Name"]).lower()
        with self._catalog.lock:
            database = self._catalog.database(name)
            if new != name.lower():
                raise InvalidInputException("Database name cannot be changed.")
            database.definition = self._define(new, given, database.definition["CreateTime"])
        return {}

    def delete_database(self, request: Request) -> Shape:
        """Forget a database with every table, version, partition and function in it."""
        self._catalog.check_id(request)
        name = str(required(request, "Name"))
        with self._catalog.lock:
            self._catalog.database(name)
            del self._catalog.state.databases[name.lower()]
            self._tags.forget("database", name.lower())
        return {}

    def get_catalogs(self, request: Request) -> Shape:
        """The catalogs of the account: none below the one that every account has, which is no member."""
        some, token = page([self._own()] if request.get("IncludeRoot") else [], request)
        return {"CatalogList": some, **token}

    def get_catalog(self, request: Request) -> Shape:
        self._catalog.check_id(request)
        return {"Catalog": self._own()}

    def get_catalog_import_status(self, request: Request) -> Shape:
        """There is no catalog of Athena's own that had to be brought into Glue's."""
        self._catalog.check_id(request)
        return {"ImportStatus": {"ImportCompleted": True}}

    def _own(self) -> Shape:
        context = self._catalog.context
        return {
            "CatalogId": context.account_id,
            "Name": context.account_id,
            "ResourceArn": context.arn("glue", "catalog"),
            "CreateDatabaseDefaultPermissions": _OPEN_TO_ALL,
            "CreateTableDefaultPermissions": _OPEN_TO_ALL,
        }

    def _define(self, name: str, given: Request, created: Any) -> Shape:
        definition = {
            "Name": name,
            "CreateTime": created,
            "CatalogId": self._catalog.context.account_id,
            **chosen(given, *_MEMBERS),
        }
        definition.setdefault("CreateTableDefaultPermissions", _OPEN_TO_ALL)
        return definition


class Functions:
    """Operations of user-defined functions.

    Parameters
    ----------
    catalog : Catalog
        Where they are.
    """

    OPERATIONS = (
        "CreateUserDefinedFunction",
        "DeleteUserDefinedFunction",
        "GetUserDefinedFunction",
        "GetUserDefinedFunctions",
        "UpdateUserDefinedFunction",
    )

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def create_user_defined_function(self, request: Request) -> Shape:
        given = required(request, "FunctionInput")
        name = str(required(given, "FunctionName")).lower()
        with self._catalog.lock:
            functions = self._functions(request)
            if name in functions:
                raise AlreadyExistsException("User defined function already exists.")
            functions[name] = self._define(name, request, given, now())
        return {}

    def get_user_defined_function(self, request: Request) -> Shape:
        with self._catalog.lock:
            return {"UserDefinedFunction": self._function(request)}

    def get_user_defined_functions(self, request: Request) -> Shape:
        self._catalog.check_id(request)
        pattern, kind = required(request, "Pattern"), request.get("FunctionType")
        with self._catalog.lock:
            named = request.get("DatabaseName")
            databases = (
                [self._catalog.database(named)] if named else list(self._catalog.state.databases.values())
            )
            functions = [one for database in databases for one in database.functions.values()]
        fits = name_filter(pattern)
        fitting = [
            one
            for one in functions
            if fits(one["FunctionName"]) and (not kind or one.get("FunctionType") == kind)
        ]
        some, token = page(sorted(fitting, key=lambda one: str(one["FunctionName"])), request)
        return {"UserDefinedFunctions": some, **token}

    def update_user_defined_function(self, request: Request) -> Shape:
        given = required(request, "FunctionInput")
        with self._catalog.lock:
            old = self._function(request)
            functions = self._functions(request)
            name = str(given.get("FunctionName") or old["FunctionName"]).lower()
            if name != old["FunctionName"] and name in functions:
                raise AlreadyExistsException("User defined function already exists.")
            del functions[old["FunctionName"]]
            functions[name] = self._define(name, request, given, old["CreateTime"])
        return {}

    def delete_user_defined_function(self, request: Request) -> Shape:
        with self._catalog.lock:
            name = self._function(request)["FunctionName"]
            del self._functions(request)[name]
        return {}

    def _functions(self, request: Request) -> dict[str, Shape]:
        self._catalog.check_id(request)
        return self._catalog.database(required(request, "DatabaseName")).functions

    def _function(self, request: Request) -> Shape:
        name = str(required(request, "FunctionName"))
        return found(self._functions(request), name.lower(), f"Function {name} not found.")

    def _define(self, name: str, request: Request, given: Request, created: Any) -> Shape:
        return {
            "FunctionName": name,
            "DatabaseName": request["DatabaseName"].lower(),
            "CatalogId": self._catalog.context.account_id,
            "CreateTime": created,
            **chosen(given, *_FUNCTION_MEMBERS),
        }


def name_filter(pattern: str) -> Any:
    """Decides by a pattern as ``GetTables`` has it: a regular expression in which a bare ``*`` is any text.

    Raises
    ------
    InvalidInputException
        If it is no pattern.

    Examples
    --------
    >>> name_filter("sales_*")("sales_2024")
    True
    """
    # A star after a character class, a group or a dot repeats that; after anything else it stands for itself.
    text = re.sub(r"(?<![.)\]])(?<!\\[wdsWDS])\*", ".*", pattern)

    def fits(name: str) -> bool:
        try:
            return compiled.fullmatch(name) is not None
        except RegexError as error:
            raise InvalidInputException(f"Invalid pattern {pattern}: {error}") from error

    try:
        compiled = Regex(text, "i", backtracks=True)
    except RegexError as error:
        raise InvalidInputException(f"Invalid pattern {pattern}: {error}") from error
    return fits
