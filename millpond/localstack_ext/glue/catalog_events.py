"""What Glue tells EventBridge of its Data Catalog.

Source: "Automating AWS Glue with EventBridge" in the Glue Developer Guide: ``Glue Data Catalog Database State
Change`` for databases, and tables that come and go; ``Glue Data Catalog Table State Change`` for tables that
change, and their partitions; ``typeOfChange`` is the API operation; a change of more than 100 tables or
partitions is told in several events.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from localstack.aws.api import RequestContext

from millpond.localstack_ext.engine import planes

Shape = dict[str, Any]
Names = Callable[[Mapping[str, Any]], list[str]]

MOST_CHANGES = 100

_TABLES: Mapping[str, Names] = {
    "CreateTable": lambda request: [_name(request)],
    "DeleteTable": lambda request: [request["Name"].lower()],
    "BatchDeleteTable": lambda request: [name.lower() for name in request["TablesToDelete"]],
}
_PARTITIONS: Mapping[str, Names] = {
    "CreatePartition": lambda request: [_values(request["PartitionInput"]["Values"])],
    "BatchCreatePartition": lambda request: [_values(one["Values"]) for one in request["PartitionInputList"]],
    "UpdatePartition": lambda request: [_values(request["PartitionValueList"])],
    "BatchUpdatePartition": lambda request: [
        _values(one["PartitionValueList"]) for one in request["Entries"]
    ],
    "DeletePartition": lambda request: [_values(request["PartitionValues"])],
    "BatchDeletePartition": lambda request: [_values(one["Values"]) for one in request["PartitionsToDelete"]],
}
OPERATIONS = ("CreateDatabase", "DeleteDatabase", "UpdateTable", *_TABLES, *_PARTITIONS)


def tell(context: RequestContext, request: Mapping[str, Any], answer: Mapping[str, Any] | None) -> None:
    """Tell of an operation that has succeeded."""
    operation = context.operation.name if context.operation else ""
    arn = f"arn:{context.partition}:glue:{context.region}:{context.account_id}"
    for entry in entries(operation, request, answer or {}, arn):
        planes.telemetry().event(entry, account_id=context.account_id, region=context.region)


def entries(
    operation: str, request: Mapping[str, Any], answer: Mapping[str, Any], arn: str
) -> Iterator[Shape]:
    """The entries for ``PutEvents``; what a batch could not change is not among them.

    Parameters
    ----------
    operation : str
        One of ``OPERATIONS``.
    request, answer : mapping
        What it was given, and what came of it.
    arn : str
        ``arn:aws:glue:REGION:ACCOUNT``.
    """
    if operation in ("CreateDatabase", "DeleteDatabase"):
        given = request if operation == "DeleteDatabase" else request["DatabaseInput"]
        name = given["Name"].lower()
        detail = {"databaseName": name, "typeOfChange": operation}
        yield _entry("Database", detail, [f"{arn}:database/{name}"])
        return
    database = request["DatabaseName"].lower()
    if operation in _TABLES:
        failed = {one.get("TableName", "").lower() for one in answer.get("Errors") or []}
        changed = [name for name in _TABLES[operation](request) if name not in failed]
        for some in _portions(changed):
            detail = {"databaseName": database, "changedTables": some, "typeOfChange": operation}
            yield _entry("Database", detail, [f"{arn}:table/{database}/{name}" for name in some])
        return
    table = _name(request) if operation == "UpdateTable" else request["TableName"].lower()
    failed = {
        _values(one.get("PartitionValues") or one.get("PartitionValueList") or [])
        for one in answer.get("Errors") or []
    }
    named = _PARTITIONS[operation](request) if operation in _PARTITIONS else []
    changed = [name for name in named if name not in failed]
    details = [{"changedPartitions": some} for some in _portions(changed)] if named else [{}]
    for partitions in details:
        detail = {"databaseName": database, "tableName": table, **partitions, "typeOfChange": operation}
        yield _entry("Table", detail, [f"{arn}:table/{database}/{table}"])


def _name(request: Mapping[str, Any]) -> str:
    return str(request.get("Name") or request["TableInput"]["Name"]).lower()


def _portions(names: Sequence[str]) -> list[list[str]]:
    return [list(names[at : at + MOST_CHANGES]) for at in range(0, len(names), MOST_CHANGES)]


def _values(values: Sequence[str]) -> str:
    """A partition by its values, for example ``[2024, 05]``."""
    return f"[{', '.join(values)}]"


def _entry(kind: str, detail: Shape, resources: list[str]) -> Shape:
    return {
        "Source": "aws.glue",
        "DetailType": f"Glue Data Catalog {kind} State Change",
        "Detail": json.dumps(detail),
        "Resources": resources,
    }
