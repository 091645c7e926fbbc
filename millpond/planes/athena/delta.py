"""A Delta Lake table as an entry of the catalog: its columns are those of its own log.

"Query Delta Lake tables" of the Athena User Guide, and "Schema Serialization Format" of Delta's protocol.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from millpond.planes.athena import statements as st
from millpond.planes.athena.exceptions import NotSupported, QueryFailed
from millpond.planes.athena.scans import split_location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LOG = "_delta_log/"
_HIVE = {
    "long": "bigint",
    "integer": "int",
    "short": "smallint",
    "byte": "tinyint",
    "timestamp_ntz": "timestamp",
}


def is_delta_statement(statement: st.CreateTable) -> bool:
    """Whether ``CREATE EXTERNAL TABLE`` makes an entry for a table of Delta Lake."""
    return statement.properties.get("table_type", "").upper() == "DELTA"


def table_input(statement: st.CreateTable, s3: S3Client) -> dict[str, Any]:
    """What Glue is told of the table at the location of a statement.

    Raises
    ------
    QueryFailed
        If the statement has columns of its own, or no table is there.
    NotSupported
        If the entry of the log that has the columns is in a checkpoint only.
    """
    if statement.columns or statement.partition_keys:
        message = "Columns of a Delta Lake table are those of its log: CREATE EXTERNAL TABLE must name none"
        raise QueryFailed("INVALID_TABLE_PROPERTY", message)
    schema = json.loads(_metadata(statement.location, s3)["schemaString"])
    location = statement.location.rstrip("/")
    return {
        "Name": statement.name.table,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [],
        # The provider is how Trino knows such a table, and the path where it looks for it.
        "Parameters": {"EXTERNAL": "TRUE", "spark.sql.sources.provider": "delta", **statement.properties},
        "StorageDescriptor": {
            "Columns": [{"Name": f["name"].lower(), "Type": hive_type(f["type"])} for f in schema["fields"]],
            "Location": location,
            "InputFormat": "org.apache.hadoop.mapred.SequenceFileInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                "Parameters": {"serialization.format": "1", "path": location},
            },
        },
    }


def hive_type(type_: Any) -> str:
    """A type of Delta's schema in Hive's words."""
    if isinstance(type_, str):
        return _HIVE.get(type_, type_)
    if type_["type"] == "array":
        return f"array<{hive_type(type_['elementType'])}>"
    if type_["type"] == "map":
        return f"map<{hive_type(type_['keyType'])},{hive_type(type_['valueType'])}>"
    return f"struct<{','.join(f'{f["name"]}:{hive_type(f["type"])}' for f in type_['fields'])}>"


def _metadata(location: str, s3: S3Client) -> dict[str, Any]:
    """The last ``metaData`` action of the commits."""
    bucket, prefix = split_location(location)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}{_LOG}")
    keys = sorted(item["Key"] for page in pages for item in page.get("Contents", []))
    if not keys:
        raise QueryFailed(
            "DELTA_LAKE_INVALID_TABLE", f"Location {location} does not contain a transaction log"
        )
    for key in reversed([key for key in keys if key.endswith(".json")]):
        for line in s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode().splitlines():
            action: dict[str, Any] = json.loads(line)
            if "metaData" in action:
                return dict(action["metaData"])
    raise NotSupported(f"The Delta Lake table at {location}, whose schema is in a checkpoint")
