"""What a crawler's targets hold: folders in S3, tables of a database, tables of DynamoDB."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from millpond.planes.common.regexes import Regex
from millpond.planes.glue.crawlers.classify import UNKNOWN, classify
from millpond.planes.glue.crawlers.files import S3File
from millpond.planes.glue.crawlers.layout import Folder, FoundTable, folders_of, table_name
from millpond.planes.glue.crawlers.schemas import FileSchema, wider
from millpond.planes.glue.databases import Database

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

Shape = dict[str, Any]

# Files of a folder that are read when the target does not say how many.
_SAMPLES = 1
_AT_ONCE = 8
_DYNAMODB_SAMPLES = 100


def folders(
    s3: S3Client,
    target: Mapping[str, Any],
    classifiers: Sequence[Shape],
    is_stopped: Callable[[], bool],
    is_wanted: Callable[[Folder], bool] = lambda _folder: True,
) -> tuple[tuple[str, ...], list[Folder]]:
    """The path of a target in S3, and its folders with their schemas."""
    place = urlsplit(target["Path"])
    bucket, root = place.netloc, place.path.lstrip("/")
    files = list(_files(s3, bucket, root))
    if root and not root.endswith("/"):
        below = [file for file in files if file.key.startswith(f"{root}/")]
        files = below or [file for file in files if file.key == root]
    found = [one for one in folders_of(files, target.get("Exclusions") or [], root) if is_wanted(one)]

    def read(folder: Folder) -> None:
        if not is_stopped():
            folder.schema = _schema_of(s3, folder, target.get("SampleSize") or _SAMPLES, classifiers)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="crawl") as threads:
        for one in [threads.submit(read, folder) for folder in found]:
            one.result()
    parts = [part for part in root.split("/") if part]
    if files and len(files) == 1 and files[0].key == root:
        parts = parts[:-1]
    return (bucket, *parts), found


def is_within(path: str, table: Mapping[str, Any]) -> bool:
    """Whether a table is at a target's path in S3 or below it."""
    location = str((table.get("StorageDescriptor") or {}).get("Location", ""))
    return f"{location.rstrip('/')}/".startswith(f"{path.rstrip('/')}/")


def _files(s3: S3Client, bucket: str, prefix: str) -> Iterator[S3File]:
    for answer in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for one in answer.get("Contents", []):
            yield S3File(bucket, one["Key"], one["Size"], one["ETag"])


def _schema_of(s3: S3Client, folder: Folder, samples: int, classifiers: Sequence[Shape]) -> FileSchema:
    from millpond.planes.glue.crawlers.schemas import merged

    schema: FileSchema | None = None
    for file in folder.files[:samples]:
        one = classify(s3, file, classifiers)
        schema = one if schema is None else merged(schema, one) if schema.is_like(one) else schema
    return schema or UNKNOWN


_COLUMNS = """
    SELECT table_schema, table_name, column_name, KIND, numeric_precision, numeric_scale
    FROM information_schema.columns
    WHERE table_schema LIKE %s AND table_name LIKE %s
      AND table_schema NOT IN ('information_schema', 'pg_catalog', 'mysql', 'performance_schema', 'sys')
    ORDER BY table_schema, table_name, ordinal_position
"""


def database_tables(name: str, database: Database, path: str, exclusions: Sequence[str]) -> list[FoundTable]:
    """The tables of a database that a path with ``%`` names.

    Parameters
    ----------
    name : str
        Of the connection.
    database : Database
        Behind it.
    path : str
        Database, schema and table of PostgreSQL, database and table of MySQL; ``%`` is any.
    exclusions : sequence of str
        Patterns of such paths.

    Raises
    ------
    InvalidInputException
        If the database cannot be reached.
    """
    has_schemas = database.engine == "postgresql"
    parts = [*path.split("/"), "%", "%"]
    # To MySQL a schema is a database, and the path has no second.
    schema, table = (parts[1], parts[2]) if has_schemas else (parts[0], parts[1])
    with database.opened() as opened, opened.cursor() as cursor:
        kind = "data_type" if has_schemas else "column_type"
        cursor.execute(_COLUMNS.replace("KIND", kind), (schema, table))
        rows = cursor.fetchall()
    type_of = _postgresql_type if has_schemas else _mysql_type
    found: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for in_schema, table_of, column, kind, precision, scale in rows:
        place = (database.name, in_schema, table_of) if has_schemas else (in_schema, table_of)
        found.setdefault(place, []).append((column.lower(), type_of(kind, precision, scale)))
    excluded = [
        Regex("".join(".*" if one in "%*" else re.escape(one) for one in pattern)) for pattern in exclusions
    ]
    classification = database.engine if has_schemas else "mysql"
    parameters = {"typeOfData": "table", "connectionName": name}
    return [
        _plain(
            "_".join(place),
            ".".join(place),
            FileSchema(classification, tuple(columns), "unknown", {}, parameters),
        )
        for place, columns in found.items()
        if not any(pattern.fullmatch("/".join(place)) for pattern in excluded)
    ]


_POSTGRESQL: Mapping[str, str] = {
    "smallint": "smallint",
    "integer": "int",
    "bigint": "bigint",
    "real": "float",
    "double precision": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamp",
    "bytea": "binary",
    "ARRAY": "array<string>",
}


def _postgresql_type(kind: str, precision: int | None, scale: int | None) -> str:
    if kind == "numeric":
        return f"decimal({min(precision or 38, 38)},{scale if precision else 18})"
    return _POSTGRESQL.get(kind, "string")


_MYSQL: Mapping[str, str] = {
    "tinyint(1)": "boolean",
    "bit": "boolean",
    "tinyint": "tinyint",
    "smallint": "smallint",
    "mediumint": "int",
    "int": "int",
    "bigint": "bigint",
    "year": "int",
    "float": "float",
    "double": "double",
    "date": "date",
    "datetime": "timestamp",
    "timestamp": "timestamp",
    "binary": "binary",
    "varbinary": "binary",
    "tinyblob": "binary",
    "blob": "binary",
    "mediumblob": "binary",
    "longblob": "binary",
}


def _mysql_type(kind: str, precision: int | None, scale: int | None) -> str:
    plain = re.sub(r"\(.*", "", kind).strip()
    if plain == "decimal":
        return f"decimal({min(precision or 10, 38)},{scale or 0})"
    if kind.endswith("unsigned") and plain in ("int", "bigint"):
        return "bigint" if plain == "int" else "decimal(20,0)"
    return _MYSQL.get(kind) or _MYSQL.get(re.sub(r"\(.*\)| unsigned| zerofill", "", kind), "string")


def dynamodb_table(dynamodb: DynamoDBClient, name: str) -> FoundTable:
    """A table of DynamoDB, by the items that a scan begins with."""
    described = dynamodb.describe_table(TableName=name)["Table"]
    kinds: dict[str, str] = {}
    for item in dynamodb.scan(TableName=name, Limit=_DYNAMODB_SAMPLES)["Items"]:
        for attribute, value in item.items():
            kinds[attribute.lower()] = wider(kinds.get(attribute.lower(), ""), _dynamodb_type(value))
    for key in described["AttributeDefinitions"]:
        kinds.setdefault(
            key["AttributeName"].lower(), {"S": "string", "N": "double", "B": "binary"}[key["AttributeType"]]
        )
    columns = tuple((attribute, kind or "string") for attribute, kind in sorted(kinds.items()))
    schema = FileSchema("dynamodb", columns, "unknown", {}, {"typeOfData": "table"})
    return _plain(name, described["TableArn"], schema)


def _dynamodb_type(value: Mapping[str, Any]) -> str:
    ((tag, inner),) = value.items()
    match tag:
        case "N":
            return "bigint" if re.fullmatch(r"-?\d+", inner) else "double"
        case "BOOL":
            return "boolean"
        case "B":
            return "binary"
        case "NULL":
            return ""
        case "SS" | "NS" | "BS":
            return {"SS": "array<string>", "NS": "array<double>", "BS": "array<binary>"}[tag]
        case "L":
            kind = ""
            for one in inner:
                kind = wider(kind, _dynamodb_type(one))
            return f"array<{kind or 'string'}>"
        case "M":
            fields = (f"{name.lower()}:{_dynamodb_type(one) or 'string'}" for name, one in inner.items())
            return f"struct<{','.join(fields)}>" if inner else "string"
    return "string"


def _plain(name: str, location: str, schema: FileSchema) -> FoundTable:
    return FoundTable(table_name(name), location, schema, [], [], 0, 0)
