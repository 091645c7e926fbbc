"""Named queries and prepared statements."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Any

from millpond.planes.athena.exceptions import InvalidRequestException, ResourceNotFoundException
from millpond.planes.athena.paging import page
from millpond.planes.athena.workgroups import PRIMARY, WorkGroups

_STATEMENT_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_@:]{1,255}|[a-zA-Z_]")


class NamedQueries:
    """Queries that a workgroup keeps under a name and an id.

    Parameters
    ----------
    groups : WorkGroups
        Those that can hold them.
    """

    KEPT = ("_queries", "_tokens")

    def __init__(self, groups: WorkGroups) -> None:
        self._groups = groups
        self._queries: dict[str, dict[str, Any]] = {}
        self._tokens: dict[str, str] = {}

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        token = request.get("ClientRequestToken")
        if token and token in self._tokens:
            return {"NamedQueryId": self._tokens[token]}
        group = self._groups.find(request.get("WorkGroup") or PRIMARY)
        query = {
            name: request[name]
            for name in ("Name", "Description", "Database", "QueryString")
            if name in request
        }
        query_id = str(uuid.uuid4())
        self._queries[query_id] = query | {"NamedQueryId": query_id, "WorkGroup": group.name}
        if token:
            self._tokens[token] = query_id
        return {"NamedQueryId": query_id}

    def get(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"NamedQuery": self._find(request["NamedQueryId"])}

    def batch_get(self, request: dict[str, Any]) -> dict[str, Any]:
        ids = request["NamedQueryIds"]
        missing = [
            {
                "NamedQueryId": query_id,
                "ErrorCode": "INVALID_INPUT",
                "ErrorMessage": f"Invalid NamedQueryId: {query_id}",
            }
            for query_id in ids
            if query_id not in self._queries
        ]
        found = [self._queries[query_id] for query_id in ids if query_id in self._queries]
        return {"NamedQueries": found, "UnprocessedNamedQueryIds": missing}

    def list_all(self, request: dict[str, Any]) -> dict[str, Any]:
        group = self._groups.find(request.get("WorkGroup") or PRIMARY).name
        ids, more = page(self.of_group(group), request)
        return {"NamedQueryIds": ids, **more}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        query = self._find(request["NamedQueryId"])
        query |= {name: request[name] for name in ("Name", "Description", "QueryString") if name in request}
        return {}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        self._find(request["NamedQueryId"])
        self._queries.pop(request["NamedQueryId"], None)
        return {}

    def of_group(self, group: str) -> list[str]:
        """Ids of a workgroup's queries."""
        return [i for i, query in self._queries.items() if query["WorkGroup"] == group]

    def delete_group(self, group: str) -> None:
        for query_id in self.of_group(group):
            self._queries.pop(query_id, None)

    def _find(self, query_id: str) -> dict[str, Any]:
        if (query := self._queries.get(query_id)) is None:
            raise InvalidRequestException(f"NamedQuery {query_id} was not found")
        return query


class PreparedStatements:
    """Statements with parameters that a workgroup keeps under a name.

    Parameters
    ----------
    groups : WorkGroups
        Those that can hold them.
    """

    KEPT = ("_statements",)

    def __init__(self, groups: WorkGroups) -> None:
        self._groups = groups
        self._statements: dict[tuple[str, str], dict[str, Any]] = {}

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        group, name = self._groups.find(request["WorkGroup"]).name, request["StatementName"]
        if not _STATEMENT_NAME.fullmatch(name):
            raise InvalidRequestException(f"Invalid prepared statement name {name}")
        if (group, name) in self._statements:
            raise InvalidRequestException(
                f"Prepared Statement {name} already exists in WorkGroup {group}",
                "PREPARED_STATEMENT_ALREADY_EXISTS",
            )
        self.put(group, name, request["QueryStatement"], request.get("Description", ""))
        return {}

    def put(self, group: str, name: str, query: str, description: str = "") -> None:
        self._statements[group, name] = {
            "StatementName": name,
            "WorkGroupName": group,
            "QueryStatement": query,
            "Description": description,
            "LastModifiedTime": dt.datetime.now(dt.UTC),
        }

    def find(self, group: str, name: str) -> dict[str, Any]:
        """A statement.

        Raises
        ------
        ResourceNotFoundException
            If the workgroup has none of that name.
        """
        if (statement := self._statements.get((group, name))) is None:
            message = f"PreparedStatement {name} was not found in workGroup {group}"
            raise ResourceNotFoundException(message, name)
        return statement

    def get(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"PreparedStatement": self.find(request["WorkGroup"], request["StatementName"])}

    def batch_get(self, request: dict[str, Any]) -> dict[str, Any]:
        group, names = request["WorkGroup"], request["PreparedStatementNames"]
        found = [self._statements[group, name] for name in names if (group, name) in self._statements]
        missing = [
            {
                "StatementName": name,
                "ErrorCode": "STATEMENT_NOT_FOUND",
                "ErrorMessage": f"PreparedStatement {name} was not found in workGroup {group}",
            }
            for name in names
            if (group, name) not in self._statements
        ]
        return {"PreparedStatements": found, "UnprocessedPreparedStatementNames": missing}

    def list_all(self, request: dict[str, Any]) -> dict[str, Any]:
        group = self._groups.find(request["WorkGroup"]).name
        found, more = page([s for (g, _), s in sorted(self._statements.items()) if g == group], request)
        summaries = [{k: s[k] for k in ("StatementName", "LastModifiedTime")} for s in found]
        return {"PreparedStatements": summaries, **more}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        found = self.find(request["WorkGroup"], request["StatementName"])
        description = request.get("Description", found["Description"])
        self.put(request["WorkGroup"], request["StatementName"], request["QueryStatement"], description)
        return {}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        self.find(request["WorkGroup"], request["StatementName"])
        self._statements.pop((request["WorkGroup"], request["StatementName"]), None)
        return {}

    def of_group(self, group: str) -> list[str]:
        """Names of a workgroup's statements."""
        return [name for g, name in self._statements if g == group]

    def delete_group(self, group: str) -> None:
        for name in self.of_group(group):
            self._statements.pop((group, name), None)
