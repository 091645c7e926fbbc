"""Structures of the Glue API as those of Hive's metastore, and back.

Parameters pass through untouched: Spark keeps its schema, provider, partition columns and statistics there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from millpond.planes.glue.metastore.interface import hive

Shape = Mapping[str, Any]

# What Hive says of a table without an owner; Spark shows it.
OWNER = "hadoop"


def database_from_glue(database: Shape) -> Any:
    """A ``Database`` as Hive has it."""
    return hive.Database(
        name=database["Name"],
        description=database.get("Description"),
        locationUri=database.get("LocationUri") or "",
        parameters=dict(database.get("Parameters") or {}),
    )


def database_to_glue(database: Any) -> dict[str, Any]:
    """A ``DatabaseInput``."""
    return _present(
        {
            "Name": database.name,
            "Description": database.description or None,
            "LocationUri": database.locationUri or None,
            "Parameters": dict(database.parameters or {}),
        }
    )


def table_from_glue(table: Shape) -> Any:
    """A ``Table`` as Hive has it; one without a type is external."""
    return hive.Table(
        tableName=table["Name"],
        dbName=table["DatabaseName"],
        owner=table.get("Owner") or OWNER,
        createTime=_seconds(table.get("CreateTime")),
        lastAccessTime=_seconds(table.get("LastAccessTime")),
        retention=table.get("Retention", 0),
        sd=_storage_from_glue(table.get("StorageDescriptor") or {}),
        partitionKeys=_columns_from_glue(table.get("PartitionKeys")),
        parameters=dict(table.get("Parameters") or {}),
        viewOriginalText=table.get("ViewOriginalText"),
        viewExpandedText=table.get("ViewExpandedText"),
        tableType=table.get("TableType") or "EXTERNAL_TABLE",
        temporary=False,
    )


def table_to_glue(table: Any) -> dict[str, Any]:
    """A ``TableInput``."""
    return _present(
        {
            "Name": table.tableName,
            "Owner": table.owner,
            "Retention": table.retention,
            "StorageDescriptor": _storage_to_glue(table.sd),
            "PartitionKeys": _columns_to_glue(table.partitionKeys),
            "ViewOriginalText": table.viewOriginalText or None,
            "ViewExpandedText": table.viewExpandedText or None,
            "TableType": table.tableType,
            "Parameters": dict(table.parameters or {}),
        }
    )


def partition_from_glue(partition: Shape, database: str, table: str) -> Any:
    """A ``Partition`` as Hive has it."""
    return hive.Partition(
        values=list(partition["Values"]),
        dbName=database,
        tableName=table,
        createTime=_seconds(partition.get("CreationTime")),
        lastAccessTime=_seconds(partition.get("LastAccessTime")),
        sd=_storage_from_glue(partition.get("StorageDescriptor") or {}),
        parameters=dict(partition.get("Parameters") or {}),
    )


def partition_to_glue(partition: Any) -> dict[str, Any]:
    """A ``PartitionInput``."""
    return _present(
        {
            "Values": list(partition.values),
            "StorageDescriptor": _storage_to_glue(partition.sd),
            "Parameters": dict(partition.parameters or {}),
        }
    )


def _storage_from_glue(storage: Shape) -> Any:
    serde = storage.get("SerdeInfo") or {}
    return hive.StorageDescriptor(
        cols=_columns_from_glue(storage.get("Columns")),
        # A view has none, and Spark makes no path of an empty text.
        location=storage.get("Location") or None,
        inputFormat=storage.get("InputFormat"),
        outputFormat=storage.get("OutputFormat"),
        compressed=bool(storage.get("Compressed")),
        numBuckets=storage.get("NumberOfBuckets", -1),
        serdeInfo=hive.SerDeInfo(
            name=serde.get("Name"),
            serializationLib=serde.get("SerializationLibrary"),
            parameters=dict(serde.get("Parameters") or {}),
        ),
        bucketCols=list(storage.get("BucketColumns") or []),
        sortCols=[
            hive.Order(col=order["Column"], order=order["SortOrder"])
            for order in storage.get("SortColumns") or []
        ],
        parameters=dict(storage.get("Parameters") or {}),
        skewedInfo=hive.SkewedInfo(skewedColNames=[], skewedColValues=[]),
        storedAsSubDirectories=bool(storage.get("StoredAsSubDirectories")),
    )


def _storage_to_glue(storage: Any) -> dict[str, Any]:
    if storage is None:
        return {}
    serde = storage.serdeInfo
    return _present(
        {
            "Columns": _columns_to_glue(storage.cols),
            "Location": storage.location,
            "InputFormat": storage.inputFormat,
            "OutputFormat": storage.outputFormat,
            "Compressed": bool(storage.compressed),
            "NumberOfBuckets": storage.numBuckets,
            "SerdeInfo": _present(
                {
                    "Name": serde.name or None,
                    "SerializationLibrary": serde.serializationLib,
                    "Parameters": dict(serde.parameters or {}),
                }
                if serde
                else {}
            ),
            "BucketColumns": list(storage.bucketCols or []),
            "SortColumns": [
                {"Column": order.col, "SortOrder": order.order} for order in storage.sortCols or []
            ],
            "Parameters": dict(storage.parameters or {}),
            "StoredAsSubDirectories": bool(storage.storedAsSubDirectories),
        }
    )


def _columns_from_glue(columns: Iterable[Shape] | None) -> list[Any]:
    return [
        hive.FieldSchema(name=one["Name"], type=one.get("Type", "string"), comment=one.get("Comment"))
        for one in columns or []
    ]


def _columns_to_glue(columns: Iterable[Any] | None) -> list[dict[str, Any]]:
    """Columns with names in lower case, as a metastore keeps them; Spark has the case in its own schema."""
    return [
        _present({"Name": one.name.lower(), "Type": one.type, "Comment": one.comment or None})
        for one in columns or []
    ]


def _seconds(moment: datetime | None) -> int:
    return int(moment.timestamp()) if moment else 0


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
