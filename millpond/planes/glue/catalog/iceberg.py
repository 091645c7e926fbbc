"""Makes the Iceberg table that ``OpenTableFormatInput`` asks for: its first metadata, and what Glue keeps.

Source: ``IcebergInput`` in the API Reference. By the parameters every engine finds the metadata.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from millpond.planes.glue.exceptions import InvalidInputException
from millpond.planes.glue.hive_types import HiveType, parse_type
from millpond.planes.glue.requests import Shape

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Types of the Iceberg specification by Hive's; a smaller integer is an int.
_TYPES: Mapping[str, str] = {
    "boolean": "boolean",
    "tinyint": "int",
    "smallint": "int",
    "int": "int",
    "integer": "int",
    "bigint": "long",
    "float": "float",
    "double": "double",
    "date": "date",
    "timestamp": "timestamp",
    "string": "string",
    "varchar": "string",
    "char": "string",
    "binary": "binary",
}


def new_table(
    s3: S3Client, name: str, table_input: Mapping[str, Any], iceberg_input: Mapping[str, Any]
) -> Shape:
    """Write the metadata of a new table, and give the ``TableInput`` that leads to it.

    Parameters
    ----------
    s3 : S3Client
        Writes it.
    name : str
        Of the table.
    table_input, iceberg_input : mapping
        What ``CreateTable`` was given.

    Raises
    ------
    InvalidInputException
        If the table has no place, or one that cannot be written to, or its schema cannot be one of Iceberg.
    """
    from pyiceberg.catalog.glue import _to_columns
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table.metadata import new_table_metadata
    from pyiceberg.table.sorting import SortOrder

    asked = iceberg_input.get("CreateIcebergTableInput") or {}
    storage = table_input.get("StorageDescriptor") or {}
    location = (asked.get("Location") or storage.get("Location") or "").rstrip("/")
    if not location.startswith("s3://"):
        raise InvalidInputException("An Iceberg table needs a location in S3")
    fields = _given_fields(asked) or list(_fields_of_columns(storage.get("Columns") or [], count(1)))
    properties = {
        **(asked.get("Properties") or {}),
        "format-version": str(iceberg_input.get("Version") or "2"),
    }
    try:
        schema = Schema.model_validate(
            {
                "type": "struct",
                "fields": fields,
                "schema-id": (asked.get("Schema") or {}).get("SchemaId", 0),
                "identifier-field-ids": (asked.get("Schema") or {}).get("IdentifierFieldIds") or [],
            }
        )
        spec = PartitionSpec.model_validate(_spec(asked.get("PartitionSpec") or {}))
        order = SortOrder.model_validate(_order(asked.get("WriteOrder") or {}))
        metadata = new_table_metadata(schema, spec, order, location, properties)
        place = f"{location}/metadata/00000-{uuid.uuid4()}.metadata.json"
        parts = urlsplit(place)
        body = metadata.model_dump_json().encode()
    except (ValueError, KeyError) as error:
        raise InvalidInputException(f"The Iceberg table cannot be made: {error}") from error
    try:
        s3.put_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"), Body=body)
    except ClientError as error:
        raise InvalidInputException(
            f"The metadata of the Iceberg table cannot be written to {place}: {error}"
        ) from error
    columns = storage.get("Columns") or _to_columns(metadata)
    return {
        **table_input,
        "Name": name,
        "TableType": table_input.get("TableType") or "EXTERNAL_TABLE",
        "StorageDescriptor": {**storage, "Columns": columns, "Location": location},
        "Parameters": {
            **(table_input.get("Parameters") or {}),
            "table_type": "ICEBERG",
            "metadata_location": place,
        },
    }


def _given_fields(asked: Mapping[str, Any]) -> list[Shape]:
    return [
        {
            "id": field["Id"],
            "name": field["Name"],
            "type": field["Type"],
            "required": field["Required"],
            **({"doc": field["Doc"]} if field.get("Doc") else {}),
        }
        for field in (asked.get("Schema") or {}).get("Fields") or []
    ]


def _fields_of_columns(columns: list[Shape], ids: Iterator[int]) -> Iterator[Shape]:
    # A column has its number before those that it is made of have theirs.
    numbered = [(next(ids), column) for column in columns]
    for number, column in numbered:
        try:
            kind = _iceberg_type(parse_type(column.get("Type") or "string"), ids)
        except (ValueError, KeyError) as error:
            raise InvalidInputException(
                f"Column {column['Name']} has type {column.get('Type')}, which Iceberg does not have"
            ) from error
        doc = {"doc": column["Comment"]} if column.get("Comment") else {}
        yield {"id": number, "name": column["Name"].lower(), "type": kind, "required": False, **doc}


def _iceberg_type(kind: HiveType, ids: Iterator[int]) -> Any:
    match kind.name:
        case "decimal":
            precision, scale = (*kind.numbers, 10, 0)[:2] if not kind.numbers else (*kind.numbers, 0)[:2]
            return f"decimal({precision}, {scale})"
        case "array":
            return {
                "type": "list",
                "element-id": next(ids),
                "element": _iceberg_type(kind.parts[0][1], ids),
                "element-required": False,
            }
        case "map":
            return {
                "type": "map",
                "key-id": next(ids),
                "value-id": next(ids),
                "key": _iceberg_type(kind.parts[0][1], ids),
                "value": _iceberg_type(kind.parts[1][1], ids),
                "value-required": False,
            }
        case "struct":
            fields = [(next(ids), name, inner) for name, inner in kind.parts]
            return {
                "type": "struct",
                "fields": [
                    {"id": number, "name": name, "type": _iceberg_type(inner, ids), "required": False}
                    for number, name, inner in fields
                ],
            }
    return _TYPES[kind.name]


def _spec(asked: Mapping[str, Any]) -> Shape:
    fields = [
        {
            "source-id": field["SourceId"],
            "field-id": field.get("FieldId") or 1000 + place,
            "transform": field["Transform"],
            "name": field["Name"],
        }
        for place, field in enumerate(asked.get("Fields") or [])
    ]
    return {"spec-id": asked.get("SpecId", 0), "fields": fields}


def _order(asked: Mapping[str, Any]) -> Shape:
    fields = [
        {
            "source-id": field["SourceId"],
            "transform": field["Transform"],
            "direction": field["Direction"],
            "null-order": field["NullOrder"],
        }
        for field in asked.get("Fields") or []
    ]
    return {"order-id": asked.get("OrderId", 0) if fields else 0, "fields": fields}
