"""Connections of the Data Catalog, stored as given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from millpond.planes.glue.exceptions import InvalidInputException

Shape = dict[str, Any]

_KEPT_AS_GIVEN = (
    "Description",
    "MatchCriteria",
    "SparkProperties",
    "AthenaProperties",
    "PythonProperties",
    "PhysicalConnectionRequirements",
    "AuthenticationConfiguration",
)
_SECRETS = ("PASSWORD", "ENCRYPTED_PASSWORD")
_IN_PLACE_OF_URL = {"HOST", "PORT", "JDBC_ENGINE"}
_NEEDS_URL = {"JDBC": "JDBC_CONNECTION_URL", "MONGODB": "CONNECTION_URL"}


def define(request: Mapping[str, Any], *, created: datetime, modified: datetime) -> Shape:
    """The ``Connection`` structure of a ``ConnectionInput``.

    Raises
    ------
    InvalidInputException
        If the name, the type, or a property that the type needs is missing.
    """
    if not request.get("Name") or not request.get("ConnectionType"):
        raise InvalidInputException("Connection Name and ConnectionType must be given")
    properties = dict(request.get("ConnectionProperties") or {})
    needed = _NEEDS_URL.get(request["ConnectionType"])
    if needed and needed not in properties and not properties.keys() >= _IN_PLACE_OF_URL:
        raise InvalidInputException(
            f"{needed} is a required property of a {request['ConnectionType']} connection"
        )
    return {
        "Name": request["Name"],
        "ConnectionType": request["ConnectionType"],
        "ConnectionProperties": properties,
        "CreationTime": created,
        "LastUpdatedTime": modified,
        "Status": "READY",
        "ConnectionSchemaVersion": 1,
        **{key: request[key] for key in _KEPT_AS_GIVEN if request.get(key)},
    }


def without_password(connection: Mapping[str, Any]) -> Shape:
    """The connection as ``HidePassword`` shows it."""
    properties = {k: v for k, v in connection["ConnectionProperties"].items() if k not in _SECRETS}
    return {**connection, "ConnectionProperties": properties}


def matches(connection: Mapping[str, Any], criteria: Mapping[str, Any]) -> bool:
    """Whether a connection passes the ``Filter`` of ``GetConnections``."""
    wanted_type = criteria.get("ConnectionType")
    wanted_criteria = criteria.get("MatchCriteria") or []
    return (not wanted_type or connection["ConnectionType"] == wanted_type) and set(wanted_criteria) <= set(
        connection.get("MatchCriteria", [])
    )
