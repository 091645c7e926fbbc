"""Statements on the catalog alone: databases, tables, partitions, and what SHOW and DESCRIBE tell of them.

The texts are Hive's, as Athena returns them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from botocore.exceptions import ClientError

from millpond.planes.athena import delta
from millpond.planes.athena import statements as st
from millpond.planes.athena.catalog import GlueCatalog
from millpond.planes.athena.exceptions import NotSupported, QueryFailed
from millpond.planes.athena.iceberg import ddl as iceberg
from millpond.planes.athena.iceberg.tables import is_iceberg
from millpond.planes.athena.queries import StoredView
from millpond.planes.athena.results import text_columns
from millpond.planes.athena.scans import is_hidden, list_files, partition_path, split_location
from millpond.planes.athena.types import from_hive

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

_HIVE = "org.apache.hadoop.hive"
_LAZY_SIMPLE = f"{_HIVE}.serde2.lazy.LazySimpleSerDe"
_STORED = {
    "textfile": (
        _LAZY_SIMPLE,
        "org.apache.hadoop.mapred.TextInputFormat",
        f"{_HIVE}.ql.io.HiveIgnoreKeyTextOutputFormat",
    ),
    "parquet": (
        f"{_HIVE}.ql.io.parquet.serde.ParquetHiveSerDe",
        f"{_HIVE}.ql.io.parquet.MapredParquetInputFormat",
        f"{_HIVE}.ql.io.parquet.MapredParquetOutputFormat",
    ),
    "orc": (
        f"{_HIVE}.ql.io.orc.OrcSerde",
        f"{_HIVE}.ql.io.orc.OrcInputFormat",
        f"{_HIVE}.ql.io.orc.OrcOutputFormat",
    ),
    "avro": (
        f"{_HIVE}.serde2.avro.AvroSerDe",
        f"{_HIVE}.ql.io.avro.AvroContainerInputFormat",
        f"{_HIVE}.ql.io.avro.AvroContainerOutputFormat",
    ),
    "rcfile": (
        f"{_HIVE}.serde2.columnar.LazyBinaryColumnarSerDe",
        f"{_HIVE}.ql.io.RCFileInputFormat",
        f"{_HIVE}.ql.io.RCFileOutputFormat",
    ),
    "sequencefile": (
        _LAZY_SIMPLE,
        "org.apache.hadoop.mapred.SequenceFileInputFormat",
        f"{_HIVE}.ql.io.HiveSequenceFileOutputFormat",
    ),
    "ion": (
        "com.amazon.ionhiveserde.IonHiveSerDe",
        "com.amazon.ionhiveserde.formats.IonInputFormat",
        "com.amazon.ionhiveserde.formats.IonOutputFormat",
    ),
}
"""SerDe, input and output format of each word behind ``STORED AS``: "CREATE TABLE" of the user guide."""
_SELF_DESCRIBED = ("parquet", "orc", "avro", "ion")
_BATCH = 100


@dataclass(frozen=True)
class Shown:
    """What a statement shows: columns, and lines of text."""

    columns: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Session:
    """What a DDL statement works on.

    Parameters
    ----------
    glue : GlueClient
        The catalog.
    s3 : S3Client
        For ``MSCK REPAIR TABLE``.
    database : str
        What a name without a database is relative to.
    catalog : GlueCatalog
        The same catalog, as queries see it.
    """

    glue: GlueClient
    s3: S3Client
    database: str
    catalog: GlueCatalog

    def database_of(self, name: st.TableName) -> str:
        if not (database := name.database or self.database):
            raise QueryFailed("", "FAILED: SemanticException No database is given")
        return database

    def table(self, name: st.TableName) -> dict[str, Any]:
        """A table of the catalog.

        Raises
        ------
        QueryFailed
            In Hive's words, if there is none.
        """
        found = self.catalog.get_table(self.database_of(name), name.table)
        if found is None:
            raise QueryFailed("", f"FAILED: SemanticException [Error 10001]: Table not found {name.table}")
        return found


def run(statement: st.Statement, session: Session) -> Shown:
    """Do what a DDL statement says.

    Raises
    ------
    QueryFailed
        As Athena fails it.
    """
    action = _ACTIONS.get(statement.kind)
    if action is None:
        raise NotSupported(statement.kind.replace("_", " "))
    try:
        return action(statement, session) or Shown()
    except ClientError as error:
        raise _translated(error) from error


def _translated(error: ClientError) -> QueryFailed:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    return QueryFailed("", f"FAILED: Execution Error, return code 1. {code}(message:{message})")


# Databases


def _create_database(statement: st.CreateDatabase, session: Session) -> None:
    if session.catalog.has_database(statement.name):
        if statement.if_not_exists:
            return
        message = f"FAILED: Execution Error, return code 1. Database {statement.name} already exists"
        raise QueryFailed("", message)
    given: dict[str, Any] = {"Name": statement.name}
    if statement.comment:
        given["Description"] = statement.comment
    if statement.location:
        given["LocationUri"] = statement.location
    if statement.properties:
        given["Parameters"] = statement.properties
    session.glue.create_database(DatabaseInput=cast(Any, given))


def _drop_database(statement: st.Drop, session: Session) -> None:
    name = statement.name.database
    if not session.catalog.has_database(name):
        if statement.if_exists:
            return
        raise QueryFailed("", f"FAILED: SemanticException [Error 10072]: Database does not exist: {name}")
    tables = [table["Name"] for table in _tables(session, name)]
    if tables and not statement.is_cascade:
        raise QueryFailed(
            "",
            "FAILED: Execution Error, return code 1. InvalidOperationException"
            f"(message:Database {name} is not empty. One or more tables exist.)",
        )
    for table in tables:
        session.glue.delete_table(DatabaseName=name, Name=table)
    session.glue.delete_database(Name=name)


def _show_databases(statement: st.Show, session: Session) -> Shown:
    pages = session.glue.get_paginator("get_databases").paginate()
    names = sorted(database["Name"] for page in pages for database in page["DatabaseList"])
    return Shown(text_columns("database_name"), _matching(names, statement.pattern))


def _matching(names: Sequence[str], pattern: str) -> list[str]:
    """Names that match Hive's pattern, in which ``*`` is any text and ``|`` separates choices."""
    if not pattern:
        return list(names)
    expression = "|".join(
        re.escape(part).replace(r"\*", ".*").replace("%", ".*") for part in pattern.split("|")
    )
    return [name for name in names if re.fullmatch(expression, name, re.IGNORECASE)]


def _alter_database(statement: st.CreateDatabase, session: Session) -> None:
    """``ALTER DATABASE … SET DBPROPERTIES``: properties that are not named stay."""
    try:
        found = session.glue.get_database(Name=statement.name)["Database"]
    except ClientError as error:
        raise _translated(error) from error
    kept = ("Name", "Description", "LocationUri", "CreateTableDefaultPermissions")
    given: dict[str, Any] = {key: value for key, value in found.items() if key in kept}
    given["Parameters"] = {**(found.get("Parameters") or {}), **statement.properties}
    session.glue.update_database(Name=statement.name, DatabaseInput=cast(Any, given))


# Tables


def _tables(session: Session, database: str) -> list[dict[str, Any]]:
    pages = session.glue.get_paginator("get_tables").paginate(DatabaseName=database)
    return sorted((dict(t) for page in pages for t in page["TableList"]), key=lambda t: str(t["Name"]))


def _create_table(statement: st.CreateTable, session: Session) -> None:
    database = session.database_of(statement.name)
    if session.catalog.get_table(database, statement.name.table) is not None:
        if statement.if_not_exists:
            return
        message = f"AlreadyExistsException(message:Table {statement.name.table} already exists)"
        raise QueryFailed("", f"FAILED: Execution Error, return code 1. {message}")
    if iceberg.is_iceberg_statement(statement):
        iceberg.create_table(statement, session.catalog.iceberg, database)
        return
    if not statement.is_external:
        raise QueryFailed(
            "", "FAILED: SemanticException A table that is not EXTERNAL must be of table_type ICEBERG"
        )
    if not statement.location:
        raise QueryFailed(
            "", "FAILED: Execution Error, return code 1. MetaException(message:No location given)"
        )
    split_location(statement.location)
    _check_types([*statement.columns, *statement.partition_keys])
    is_delta = delta.is_delta_statement(statement)
    given = delta.table_input(statement, session.s3) if is_delta else _table_input(statement)
    session.glue.create_table(DatabaseName=database, TableInput=cast(Any, given))


def _rename_table(statement: st.AlterTable, session: Session) -> None:
    """``ALTER TABLE … RENAME TO`` of an Iceberg table, which keeps its files.

    Glue has no operation for it: the table is made under its new name, and then the old one goes.
    """
    table, database = session.table(statement.name), session.database_of(statement.name)
    if not is_iceberg(table):
        raise QueryFailed("NOT_SUPPORTED", f"ALTER TABLE RENAME is not supported for table {table['Name']}")
    (new,) = statement.names
    given = {**updatable(table), "Name": new}
    try:
        session.glue.create_table(DatabaseName=database, TableInput=cast(Any, given))
        session.glue.delete_table(DatabaseName=database, Name=table["Name"])
    except ClientError as error:
        raise _translated(error) from error


def _as_path(location: str) -> str:
    """A location as Hive writes it: without the slash at its end, unless it is a whole bucket."""
    bucket, prefix = split_location(location)
    return location.rstrip("/") if prefix else f"s3://{bucket}/"


def _table_input(statement: st.CreateTable) -> dict[str, Any]:
    serde, input_format, output_format = _formats(statement)
    parameters = {"EXTERNAL": "TRUE", **statement.properties}
    given: dict[str, Any] = {
        "Name": statement.name.table,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [_column(c) for c in statement.partition_keys],
        "Parameters": parameters,
        "StorageDescriptor": {
            "Columns": [_column(c) for c in statement.columns],
            "Location": _as_path(statement.location),
            "InputFormat": input_format,
            "OutputFormat": output_format,
            "SerdeInfo": {"SerializationLibrary": serde, "Parameters": _serde_properties(statement)},
        },
    }
    if statement.buckets:
        columns, number = list(statement.bucketed_by), statement.buckets
        given["StorageDescriptor"] |= {"BucketColumns": columns, "NumberOfBuckets": number}
    if statement.comment:
        given["Description"] = statement.comment
        # Hive has it among the properties, where Trino and Athena's API find it.
        parameters["comment"] = statement.comment
    return given


def _serde_properties(statement: st.CreateTable) -> dict[str, str]:
    """``SERDEPROPERTIES`` as Hive keeps them, with the format that each SerDe has."""
    given = statement.serde_properties
    return {"serialization.format": given.get("field.delim", "1"), **given}


def _formats(statement: st.CreateTable) -> tuple[str, str, str]:
    """SerDe, input and output format; a file that describes itself needs no more than one of them."""
    if statement.input_format:
        return statement.serde or _LAZY_SIMPLE, statement.input_format, statement.output_format
    named = (word for word in _SELF_DESCRIBED if statement.serde == _STORED[word][0])
    stored = statement.stored_as or next(named, "textfile")
    if stored not in _STORED:
        raise QueryFailed(
            "", f"FAILED: SemanticException Unrecognized file format in STORED AS clause: '{stored}'"
        )
    serde, input_format, output_format = _STORED[stored]
    if statement.serde and not (stored in _SELF_DESCRIBED and statement.serde == _LAZY_SIMPLE):
        serde = statement.serde
    return serde, input_format, output_format


def _column(column: st.HiveColumn) -> dict[str, str]:
    given = {"Name": column.name, "Type": column.type}
    return given | {"Comment": column.comment} if column.comment else given


def _check_types(columns: Sequence[st.HiveColumn]) -> None:
    for column in columns:
        try:
            from_hive(column.type)
        except ValueError as error:
            message = f"FAILED: ParseException: cannot recognize the type of {column.name}: {column.type}"
            raise QueryFailed("", message) from error


def _drop_table(statement: st.Drop, session: Session) -> None:
    database, name = session.database_of(statement.name), statement.name.table
    found = session.catalog.get_table(database, name)
    if found is None:
        if statement.if_exists:
            return
        raise QueryFailed("", f"FAILED: SemanticException [Error 10001]: Table not found {database}.{name}")
    is_view = found.get("TableType") == "VIRTUAL_VIEW"
    if is_view != (statement.kind == "DROP_VIEW"):
        kind = "a view" if is_view else "a table"
        raise QueryFailed("", f"FAILED: SemanticException {database}.{name} is {kind}")
    table = session.catalog.iceberg.load(found) if is_iceberg(found) else None
    session.glue.delete_table(DatabaseName=database, Name=name)
    if table is not None:
        iceberg.drop_table(session.s3, table)


def _alter_table(statement: st.AlterTable, session: Session) -> None:
    found = session.table(statement.name)
    if is_iceberg(found):
        _check_types(statement.columns)
        iceberg.alter_table(statement, session.catalog.iceberg.load(found))
        return
    if statement.kind not in _HIVE_CHANGES:
        raise NotSupported(f"{statement.kind.replace('_', ' ')} of a table that is not Iceberg")
    given = updatable(found)
    storage = dict(given.get("StorageDescriptor", {}))
    _check_types(statement.columns)
    added = [_column(c) for c in statement.columns]
    if statement.kind == "ALTER_TABLE_ADD_COLUMNS":
        storage["Columns"] = [*storage.get("Columns", []), *added]
    elif statement.kind == "ALTER_TABLE_REPLACE_COLUMNS":
        storage["Columns"] = added
    elif statement.location:
        split_location(statement.location)
        storage["Location"] = _as_path(statement.location)
    else:
        given["Parameters"] = {**given.get("Parameters", {}), **statement.properties}
    given["StorageDescriptor"] = storage
    session.glue.update_table(DatabaseName=session.database_of(statement.name), TableInput=cast(Any, given))


_HIVE_CHANGES = {
    "ALTER_TABLE_ADD_COLUMNS",
    "ALTER_TABLE_REPLACE_COLUMNS",
    "ALTER_TABLE_SET_LOCATION",
    "ALTER_TABLE_SET_TBLPROPERTIES",
}


def updatable(table: dict[str, Any]) -> dict[str, Any]:
    """The part of Glue's description of a table that ``UpdateTable`` takes."""
    names = ("Name", "Description", "Owner", "Retention", "StorageDescriptor", "PartitionKeys", "Parameters")
    more = ("ViewOriginalText", "ViewExpandedText", "TableType")
    return {name: table[name] for name in (*names, *more) if name in table}


def _show_tables(statement: st.Show, session: Session) -> Shown:
    found = _tables(session, session.database_of(statement.name))
    if statement.kind == "SHOW_VIEWS":
        found = [table for table in found if table.get("TableType") == "VIRTUAL_VIEW"]
    return Shown(text_columns("tab_name"), _matching([t["Name"] for t in found], statement.pattern))


def _show_columns(statement: st.Show, session: Session) -> Shown:
    table = session.table(statement.name)
    return Shown(text_columns("field"), [f"{c['Name']:<20}" for c in _columns(table)])


def _columns(table: dict[str, Any]) -> list[dict[str, str]]:
    """Columns, then partition keys; Iceberg leaves columns that were dropped in the catalog, marked so."""
    columns = [*table.get("StorageDescriptor", {}).get("Columns", []), *table.get("PartitionKeys", [])]
    return [c for c in columns if (c.get("Parameters") or {}).get("iceberg.field.current") != "false"]


def _describe(statement: st.Show, session: Session) -> Shown:
    table = session.table(statement.name)
    if is_iceberg(table):
        shown = text_columns("col_name", "data_type", "comment")
        return Shown(shown, iceberg.describe(session.catalog.iceberg.load(table)))
    lines = [_described(column) for column in _columns(table)]
    if keys := table.get("PartitionKeys"):
        title = (
            "# Partition Information",
            "# col_name            \tdata_type           \tcomment             ",
        )
        lines += ["\t \t ", f"{title[0]}\t \t ", title[1], "\t \t ", *(_described(key) for key in keys)]
    return Shown(text_columns("col_name", "data_type", "comment"), lines)


def _described(column: dict[str, str]) -> str:
    return f"{column['Name']:<20}\t{column.get('Type', ''):<20}\t{column.get('Comment', ''):<20}"


def _show_properties(statement: st.Show, session: Session) -> Shown:
    table = session.table(statement.name)
    parameters = table.get("Parameters") or {}
    if is_iceberg(table):
        parameters = {"table_type": "ICEBERG", **session.catalog.iceberg.load(table).properties}
    lines = [f"{key}\t{value}" for key, value in sorted(parameters.items())]
    return Shown(text_columns("prpt_name", "prpt_value"), lines)


def _show_create_table(statement: st.Show, session: Session) -> Shown:
    table, name = session.table(statement.name), statement.name
    if table.get("TableType") == "VIRTUAL_VIEW":
        raise QueryFailed("", f"FAILED: SemanticException {name.table} is a view: use SHOW CREATE VIEW")
    if is_iceberg(table):
        lines = iceberg.show_create(session.catalog.iceberg.load(table))
        return Shown(text_columns("createtab_stmt"), lines)
    storage = table.get("StorageDescriptor", {})
    serde = storage.get("SerdeInfo", {})
    lines = [f"CREATE EXTERNAL TABLE `{session.database_of(name)}.{name.table}`("]
    lines += _listed(storage.get("Columns", []))
    if comment := table.get("Description") or (table.get("Parameters") or {}).get("comment"):
        lines += ["COMMENT", f"  {_quoted(comment)}"]
    if table.get("PartitionKeys"):
        lines += ["PARTITIONED BY ( ", *_listed(table["PartitionKeys"])]
    lines += ["ROW FORMAT SERDE ", f"  {_quoted(serde.get('SerializationLibrary', ''))} "]
    properties = dict(serde.get("Parameters") or {})
    if properties.get("serialization.format") == "1":
        # What each has is not shown.
        del properties["serialization.format"]
    if properties:
        lines += ["WITH SERDEPROPERTIES ( ", *_listed_properties(properties)]
    lines += ["STORED AS INPUTFORMAT ", f"  {_quoted(storage.get('InputFormat', ''))} "]
    lines += ["OUTPUTFORMAT ", f"  {_quoted(storage.get('OutputFormat', ''))}"]
    lines += ["LOCATION", f"  {_quoted(storage.get('Location', ''))}"]
    parameters = {
        k: v for k, v in (table.get("Parameters") or {}).items() if k not in ("EXTERNAL", "comment")
    }
    if parameters:
        lines += ["TBLPROPERTIES (", *_listed_properties(parameters)]
    return Shown(text_columns("createtab_stmt"), lines)


def _listed(columns: Sequence[dict[str, str]]) -> list[str]:
    texts = [
        f"  `{c['Name']}` {c.get('Type', '')} "
        + (f"COMMENT {_quoted(c['Comment'])}" if c.get("Comment") else "").strip()
        for c in columns
    ]
    return [*(f"{text}, " for text in texts[:-1]), f"{texts[-1]})"]


def _listed_properties(properties: dict[str, str]) -> list[str]:
    texts = [f"  {_quoted(key)}={_quoted(value)}" for key, value in sorted(properties.items())]
    return [*(f"{text}, " for text in texts[:-1]), f"{texts[-1]})"]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _show_create_view(statement: st.Show, session: Session) -> Shown:
    database = session.database_of(statement.name)
    session.table(statement.name)
    view = session.catalog.find("awsdatacatalog", database, statement.name.table, (None, None))
    if not isinstance(view, StoredView):
        raise QueryFailed("", f"FAILED: SemanticException {statement.name.table} is not a view")
    text = f'CREATE VIEW "{database}"."{statement.name.table}" AS \n{view.sql}'
    return Shown(text_columns("Create View"), text.split("\n"))


# Partitions


def _show_partitions(statement: st.Show, session: Session) -> Shown:
    table = session.table(statement.name)
    _refuse_iceberg(table, "SHOW PARTITIONS")
    keys = [key["Name"] for key in table.get("PartitionKeys", [])]
    if not keys:
        name = f"{session.database_of(statement.name)}.{statement.name.table}"
        raise QueryFailed("", f"FAILED: SemanticException Table {name} is not a partitioned table")
    partitions = session.catalog.partitions(session.database_of(statement.name), statement.name.table)
    return Shown(text_columns("partition"), sorted(partition_path(keys, p.values) for p in partitions))


def _refuse_iceberg(table: dict[str, Any], what: str) -> None:
    """Partitions of an Iceberg table are in its metadata, not in the catalog."""
    if is_iceberg(table):
        raise QueryFailed("NOT_SUPPORTED", f"{what} is not supported for Iceberg table {table['Name']}")


def _add_partitions(statement: st.AlterPartitions, session: Session) -> None:
    table = session.table(statement.name)
    _refuse_iceberg(table, "ALTER TABLE ADD PARTITION")
    keys = [key["Name"] for key in table.get("PartitionKeys", [])]
    given = []
    for spec in statement.partitions:
        values = _values(spec, keys)
        root = str(table["StorageDescriptor"].get("Location", "")).rstrip("/")
        given.append((values, spec.location or f"{root}/{partition_path(keys, values)}"))
    register_partitions(
        session.glue, session.database_of(statement.name), table, given, is_tolerant=statement.is_tolerant
    )


def _values(spec: st.PartitionSpec, keys: Sequence[str]) -> list[str]:
    if set(spec.values) != set(keys):
        raise QueryFailed("", f"FAILED: ValidationException partition spec {spec.values} is not complete")
    return [spec.values[key] for key in keys]


def register_partitions(
    glue: GlueClient,
    database: str,
    table: dict[str, Any],
    partitions: Sequence[tuple[Sequence[str], str]],
    *,
    is_tolerant: bool,
) -> None:
    """Register partitions, each its values and its location.

    Raises
    ------
    QueryFailed
        If one exists already and that is not tolerated.
    """
    storage = table["StorageDescriptor"]
    given = [
        {"Values": list(values), "StorageDescriptor": {**storage, "Location": location}}
        for values, location in partitions
    ]
    for start in range(0, len(given), _BATCH):
        answer = glue.batch_create_partition(
            DatabaseName=database,
            TableName=table["Name"],
            PartitionInputList=cast(Any, given[start : start + _BATCH]),
        )
        for error in answer.get("Errors", []):
            detail = error.get("ErrorDetail", {})
            if not (is_tolerant and detail.get("ErrorCode") == "AlreadyExistsException"):
                code, message = detail.get("ErrorCode", ""), detail.get("ErrorMessage", "")
                text = f"FAILED: Execution Error, return code 1. {code}(message:{message})"
                raise QueryFailed("", f"{text} {error.get('PartitionValues')}")


def _drop_partitions(statement: st.AlterPartitions, session: Session) -> None:
    table = session.table(statement.name)
    _refuse_iceberg(table, "ALTER TABLE DROP PARTITION")
    keys = [key["Name"] for key in table.get("PartitionKeys", [])]
    database = session.database_of(statement.name)
    for spec in statement.partitions:
        matching = [
            p.values
            for p in session.catalog.partitions(database, statement.name.table)
            if all(dict(zip(keys, p.values, strict=True)).get(k) == v for k, v in spec.values.items())
        ]
        if not matching and not statement.is_tolerant:
            raise QueryFailed(
                "", f"FAILED: SemanticException [Error 10006]: Partition not found {spec.values}"
            )
        for values in matching:
            session.glue.delete_partition(
                DatabaseName=database, TableName=statement.name.table, PartitionValues=list(values)
            )


def _set_location(statement: st.Statement, session: Session) -> None:
    if isinstance(statement, st.AlterTable):
        _alter_table(statement, session)
        return
    assert isinstance(statement, st.AlterPartitions)
    table = session.table(statement.name)
    keys = [key["Name"] for key in table.get("PartitionKeys", [])]
    database = session.database_of(statement.name)
    for spec in statement.partitions:
        values = _values(spec, keys)
        answer = session.glue.get_partition(
            DatabaseName=database, TableName=statement.name.table, PartitionValues=values
        )
        storage = {**answer["Partition"]["StorageDescriptor"], "Location": spec.location}
        session.glue.update_partition(
            DatabaseName=database,
            TableName=statement.name.table,
            PartitionValueList=values,
            PartitionInput=cast(Any, {"Values": values, "StorageDescriptor": storage}),
        )


def _rename_partition(statement: st.AlterPartitions, session: Session) -> None:
    """Give a partition other values; its files stay where they are."""
    table = session.table(statement.name)
    _refuse_iceberg(table, "ALTER TABLE RENAME PARTITION")
    keys = [key["Name"] for key in table.get("PartitionKeys", [])]
    old, new = (_values(spec, keys) for spec in statement.partitions)
    names: Any = {"DatabaseName": session.database_of(statement.name), "TableName": statement.name.table}
    try:
        found = session.glue.get_partition(**names, PartitionValues=old)["Partition"]
        renamed = {"Values": new, "StorageDescriptor": found["StorageDescriptor"]}
        renamed["Parameters"] = found.get("Parameters") or {}
        session.glue.update_partition(**names, PartitionValueList=old, PartitionInput=cast(Any, renamed))
    except ClientError as error:
        raise _translated(error) from error


def _repair(statement: st.Repair, session: Session) -> Shown:
    """Register every directory ``key=value/…`` below the location that holds a file."""
    table = session.table(statement.name)
    _refuse_iceberg(table, "MSCK REPAIR TABLE")
    keys = [key["Name"] for key in table.get("PartitionKeys", [])]
    location = str(table["StorageDescriptor"].get("Location", "")).rstrip("/")
    root = f"s3://{'/'.join(split_location(location))}"
    known = {p.values for p in session.catalog.partitions(session.database_of(statement.name), table["Name"])}
    found: dict[tuple[str, ...], str] = {}
    for path in list_files(session.s3, location):
        parts = path.removeprefix(root).split("/")[:-1]
        names = [part.partition("=")[0].lower() for part in parts[: len(keys)]]
        values = tuple(unquote(part.partition("=")[2]) for part in parts[: len(keys)])
        if names == keys and values not in known and not is_hidden("/".join(parts)):
            found[values] = f"{root}{'/'.join(parts[: len(keys)])}"
    register_partitions(
        session.glue,
        session.database_of(statement.name),
        table,
        list(found.items()),
        is_tolerant=True,
    )
    if not found:
        return Shown()
    listed = [f"{table['Name']}:{partition_path(keys, values)}" for values in found]
    lines = [f"Partitions not in metastore:\t{chr(9).join(listed)}"]
    lines += [f"Repair: Added partition to metastore {name}" for name in listed]
    return Shown(text_columns("result"), lines)


def _kept(_statement: st.Statement, _session: Session) -> None:
    """Nothing is left to do: prepared statements are the workgroup's, which the plane has."""


_ACTIONS: dict[str, Callable[[Any, Session], Shown | None]] = {
    "ALTER_DATABASE": _alter_database,
    "ALTER_TABLE_ADD_COLUMNS": _alter_table,
    "ALTER_TABLE_ADD_PARTITION": _add_partitions,
    "ALTER_TABLE_CHANGE_COLUMN": _alter_table,
    "ALTER_TABLE_DROP_COLUMN": _alter_table,
    "ALTER_TABLE_DROP_PARTITION": _drop_partitions,
    "ALTER_TABLE_RENAME": _rename_table,
    "ALTER_TABLE_RENAME_PARTITION": _rename_partition,
    "ALTER_TABLE_REPLACE_COLUMNS": _alter_table,
    "ALTER_TABLE_SET_LOCATION": _set_location,
    "ALTER_TABLE_SET_TBLPROPERTIES": _alter_table,
    "ALTER_TABLE_UNSET_TBLPROPERTIES": _alter_table,
    "DEALLOCATE_PREPARE": _kept,
    "PREPARE": _kept,
    "CREATE_DATABASE": _create_database,
    "CREATE_TABLE": _create_table,
    "DESCRIBE_TABLE": _describe,
    "DROP_DATABASE": _drop_database,
    "DROP_TABLE": _drop_table,
    "DROP_VIEW": _drop_table,
    "MSCK_REPAIR_TABLE": _repair,
    "SHOW_COLUMNS": _show_columns,
    "SHOW_CREATE_TABLE": _show_create_table,
    "SHOW_CREATE_VIEW": _show_create_view,
    "SHOW_DATABASES": _show_databases,
    "SHOW_PARTITIONS": _show_partitions,
    "SHOW_TABLES": _show_tables,
    "SHOW_TBLPROPERTIES": _show_properties,
    "SHOW_VIEWS": _show_tables,
}
