"""Data catalogs: names under which statements find the Glue Data Catalog of the account.

"DataCatalog" of the Amazon Athena API reference: the type GLUE takes ``catalog-id``, the number of one.
What a catalog of the types LAMBDA, HIVE and FEDERATED answers comes from a connector, which nobody asks here.
"""

from __future__ import annotations

import re
from typing import Any

from millpond.planes.athena.exceptions import InvalidRequestException
from millpond.planes.athena.paging import page

CATALOG = "AwsDataCatalog"
_NAME = re.compile(r"[\w@-]{1,127}")
_SHOWN = ("Name", "Description", "Type", "Parameters")


class DataCatalogs:
    """The catalogs of an account: its own, and further names of it.

    Parameters
    ----------
    account_id : str
        Whose they are.
    """

    KEPT = ("_catalogs",)

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id
        self._catalogs: dict[str, dict[str, Any]] = {}

    @property
    def names(self) -> list[str]:
        """The names that were given, as statements have them."""
        return sorted(self._catalogs)

    def has(self, name: str) -> bool:
        return name.lower() == CATALOG.lower() or name.lower() in self._catalogs

    def find(self, name: str) -> dict[str, Any]:
        """A catalog.

        Raises
        ------
        InvalidRequestException
            If there is none of that name.
        """
        if name.lower() == CATALOG.lower():
            return {"Name": CATALOG, "Type": "GLUE", "Parameters": {"catalog-id": self._account_id}}
        if (catalog := self._catalogs.get(name.lower())) is None:
            raise InvalidRequestException(f"DataCatalog {name} was not found")
        return catalog

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["Name"]
        if not _NAME.fullmatch(name):
            raise InvalidRequestException(f"Invalid DataCatalog name {name}")
        if self.has(name):
            raise InvalidRequestException(f"DataCatalog {name} already exists")
        self._check(request)
        self._catalogs[name.lower()] = {member: request[member] for member in _SHOWN if member in request}
        return {}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        catalog = self._named(request["Name"])
        if request["Type"] != catalog["Type"]:
            raise InvalidRequestException("The type of a DataCatalog cannot be changed")
        self._check({**catalog, **request})
        catalog |= {member: request[member] for member in _SHOWN[1:] if member in request}
        return {}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        del self._catalogs[self._named(request["Name"])["Name"].lower()]
        return {}

    def get(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"DataCatalog": self.find(request["Name"])}

    def list_all(self, request: dict[str, Any]) -> dict[str, Any]:
        every = [self.find(CATALOG), *(self._catalogs[name] for name in self.names)]
        found, more = page([{"CatalogName": one["Name"], "Type": one["Type"]} for one in every], request)
        return {"DataCatalogsSummary": found, **more}

    def _named(self, name: str) -> dict[str, Any]:
        if name.lower() == CATALOG.lower():
            raise InvalidRequestException(f"DataCatalog {CATALOG} cannot be modified")
        return self.find(name)

    def _check(self, request: dict[str, Any]) -> None:
        kind, parameters = request["Type"], request.get("Parameters") or {}
        if kind != "GLUE":
            raise InvalidRequestException(
                f"Data catalog {request['Name']} is not supported by Millpond's Athena: "
                f"no connector is asked for a catalog of the type {kind}; GLUE is supported"
            )
        if unknown := set(parameters) - {"catalog-id"}:
            raise InvalidRequestException(f"Invalid parameter {min(unknown)} of a GLUE DataCatalog")
        if "catalog-id" not in parameters:
            raise InvalidRequestException("A GLUE DataCatalog needs the parameter catalog-id")
        if (asked := parameters["catalog-id"]) != self._account_id:
            raise InvalidRequestException(
                f"Data catalog {request['Name']} is not supported by Millpond's Athena: "
                f"Glue answers for the account {self._account_id} alone, not for {asked}"
            )
