"""Statements that write files: ``CREATE TABLE AS``, ``INSERT INTO`` and ``UNLOAD``.

Files are written before the catalog changes, so a reader sees all of them or none.
"""

# ruff: noqa: S608 - writing SQL is what this module is for; names and texts in it are quoted
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from sqlglot import exp

from millpond.planes.athena import statements as st
from millpond.planes.athena.casts import coerce
from millpond.planes.athena.catalog import GlueCatalog, view_text
from millpond.planes.athena.ddl import register_partitions, updatable
from millpond.planes.athena.exceptions import (
    MOST_PARTITIONS,
    NotSupported,
    QueryFailed,
    table_exists,
    too_many_partitions,
)
from millpond.planes.athena.formats import Columns, FileFormat, file_format, format_of
from millpond.planes.athena.projection import is_projected
from millpond.planes.athena.queries import CompiledQuery, StoredTable, compile_query
from millpond.planes.athena.relations import Column, Typed
from millpond.planes.athena.scans import Scanner, list_files, split_location
from millpond.planes.athena.sql import parse_query
from millpond.planes.athena.types import UNKNOWN, Type, can_coerce, duckdb_type, literal, quote, to_hive

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from mypy_boto3_s3 import S3Client

_CTAS_OPTIONS = {
    *("format", "external_location", "partitioned_by", "field_delimiter"),
    *("write_compression", "parquet_compression"),
}
_SAID_ANYWAY = {"table_type": "HIVE", "is_external": "TRUE"}
"""Properties of CTAS with the values that they have unless given (User Guide, "CREATE TABLE AS")."""
_UNLOAD_OPTIONS = {"format", "compression", "partitioned_by", "field_delimiter"}


@dataclass(frozen=True)
class Written:
    """What a statement wrote."""

    rows: int
    files: list[str]


class Writer:
    """Runs the statements that write.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Reads and writes the files.
    s3 : S3Client
        Lists them.
    catalog : GlueCatalog
        Learns of them.
    database : str
        What a name without a database is relative to.
    query_id : str
        Goes into the names of the files.
    """

    def __init__(
        self, connection: DuckDBPyConnection, s3: S3Client, catalog: GlueCatalog, database: str, query_id: str
    ) -> None:
        self._connection = connection
        self._s3 = s3
        self._catalog = catalog
        self._database = database
        self._query_id = query_id

    def create_table_as(self, statement: st.CreateTableAs, default_location: str) -> Written:
        """Write a query's result and make a table of it."""
        given = statement.properties.items()
        options = {name: value for name, value in given if str(value).upper() != _SAID_ANYWAY.get(name)}
        _refuse_options(options, _CTAS_OPTIONS)
        database, name = statement.name.database or self._database, statement.name.table
        if is_taken(self._catalog, database, name, if_not_exists=statement.if_not_exists):
            return Written(0, [])
        made = file_format(options)
        query = self._compile(statement.node)
        keys = [str(key) for key in options.get("partitioned_by", [])]
        check_names(query.columns, keys)
        location = str(options.get("external_location") or default_location).rstrip("/") + "/"
        if list_files(self._s3, location):
            message = f"Target directory for table '{database}.{name}' already exists: {location}"
            raise QueryFailed("HIVE_PATH_ALREADY_EXISTS", message)
        compression = options.get("write_compression") or options.get("parquet_compression") or ""
        written = Written(0, [])
        if statement.has_data:
            written = self._copy(named(query), location, keys, str(compression), made, _typed(query))
        self._catalog.glue.create_table(
            DatabaseName=database, TableInput=cast(Any, _new_table(name, query.columns, keys, location, made))
        )
        table = self._catalog.get_table(database, name)
        assert table is not None
        self._register(database, table, keys, location, written.files)
        return written

    def insert(self, statement: st.InsertInto) -> Written:
        """Write a query's result into a table, and register the partitions that are new."""
        database, name = statement.name.database or self._database, statement.name.table
        stored = self._catalog.find("awsdatacatalog", database, name, (1, 1))
        if not isinstance(stored, StoredTable):
            raise NotSupported("INSERT INTO a view")
        table = self._catalog.get_table(database, name)
        assert table is not None
        storage = table["StorageDescriptor"]
        made = format_of(storage)
        if int(storage.get("NumberOfBuckets") or 0) > 0:
            raise NotSupported("INSERT INTO a bucketed table")
        if is_projected(table.get("Parameters") or {}):
            raise NotSupported("INSERT INTO a table with partition projection")
        targets = [c for c in stored.columns if not c.is_hidden]
        sql = aligned(self._compile(statement.node), targets, statement.columns)
        keys = list(stored.partition_keys)
        compression = str((table.get("Parameters") or {}).get("write.compression", ""))
        typed = [(target.sql_name, target.type) for target in targets]
        written = self._copy(sql, str(storage["Location"]), keys, compression, made, typed)
        self._register(database, table, keys, str(storage["Location"]), written.files)
        return written

    def unload(self, statement: st.Unload) -> Written:
        """Write a query's result to a place in S3."""
        _refuse_options(statement.properties, _UNLOAD_OPTIONS)
        made = file_format(statement.properties)
        query = self._compile(statement.node)
        keys = [str(key) for key in statement.properties.get("partitioned_by", [])]
        check_names(query.columns, keys)
        if list_files(self._s3, statement.location):
            raise QueryFailed("HIVE_PATH_ALREADY_EXISTS", f"{statement.location} is not empty")
        compression = str(statement.properties.get("compression", ""))
        return self._copy(named(query), statement.location, keys, compression, made, _typed(query))

    def create_view(self, statement: st.CreateView) -> None:
        """Store a view, once its query has been found to compile."""
        query = compile_query(parse_query(statement.sql), self._catalog, self._database)
        store_view(statement, query.columns, self._catalog, self._database)

    def _compile(self, node: exp.Expr) -> CompiledQuery:
        query = compile_query(node, self._catalog, self._database)
        scanner = Scanner(self._connection, self._s3, self._catalog)
        for scan in query.scans:
            scanner.prepare(scan)
        return query

    def _copy(
        self,
        sql: str,
        location: str,
        keys: Sequence[str],
        compression: str,
        made: FileFormat,
        columns: Columns,
    ) -> Written:
        """Run ``COPY`` below a location; the names of the new files begin with the query's id."""
        sql, options, suffix = made.copied(sql, columns, keys, compression)
        bucket, prefix = split_location(location)
        target = f"s3://{bucket}/{prefix}"
        if keys:
            listed = ", ".join(quote(key) for key in keys)
            options += f", PARTITION_BY ({listed}), APPEND, FILENAME_PATTERN '{self._query_id}_{{uuid}}'"
            if made.line is not None:
                # Else ".csv"; that of the compression is added.
                options += ", FILE_EXTENSION 'txt'"
            target = target.rstrip("/")
        else:
            target = f"{target}{self._query_id}{suffix}"
        found = self._connection.execute(f"COPY ({sql}) TO {literal(target)} ({options})").fetchone()
        rows = int(found[0]) if found else 0
        files = [
            path
            for path in list_files(self._s3, location)
            if path.rpartition("/")[2].startswith(self._query_id)
        ]
        if not rows:
            # No rows are no file.
            self._remove(files)
            return Written(0, [])
        self._check_partitions(files, keys)
        return Written(rows, files)

    def _remove(self, files: Sequence[str]) -> None:
        for path in files:
            bucket, _, key = path.removeprefix("s3://").partition("/")
            self._s3.delete_object(Bucket=bucket, Key=key)

    def _check_partitions(self, files: Sequence[str], keys: Sequence[str]) -> None:
        """Take back what went into more partitions than one statement may write."""
        if len({path.rpartition("/")[0] for path in files}) <= MOST_PARTITIONS or not keys:
            return
        self._remove(files)
        raise too_many_partitions("HIVE", "partitions/buckets")

    def _register(
        self, database: str, table: dict[str, Any], keys: Sequence[str], location: str, files: Sequence[str]
    ) -> None:
        if not keys:
            return
        root = f"s3://{'/'.join(split_location(location))}"
        found: dict[tuple[str, ...], str] = {}
        for path in files:
            parts = path.removeprefix(root).split("/")[: len(keys)]
            values = tuple(unquote(part.partition("=")[2]) for part in parts)
            found[values] = f"{root}{'/'.join(parts)}"
        register_partitions(self._catalog.glue, database, table, list(found.items()), is_tolerant=True)


def store_view(
    statement: st.CreateView, columns: Sequence[Column], catalog: GlueCatalog, session_database: str
) -> None:
    """Store a view whose query has these columns.

    Raises
    ------
    QueryFailed
        If two columns have one name, or the name of the view is taken.
    """
    database, name = statement.name.database or session_database, statement.name.table
    check_names(columns, [], statement.columns)
    names = statement.columns or tuple(c.name.lower() for c in columns)
    existing = catalog.get_table(database, name)
    if existing is not None and (not statement.or_replace or existing.get("TableType") != "VIRTUAL_VIEW"):
        message = f"View already exists: 'awsdatacatalog.{database}.{name}'"
        raise QueryFailed("TABLE_ALREADY_EXISTS", message, 1, 1)
    typed = [(n, c.type) for n, c in zip(names, columns, strict=True)]
    given = {
        "Name": name,
        # Trino asks whose rights a view has.
        "Owner": "hadoop",
        "TableType": "VIRTUAL_VIEW",
        "ViewOriginalText": view_text(statement.sql, session_database, typed),
        "ViewExpandedText": "/* Presto View */",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": [{"Name": n, "Type": _view_type(c)} for n, c in zip(names, columns, strict=True)],
            "Location": "",
            "SerdeInfo": {},
        },
    }
    if existing is None:
        catalog.glue.create_table(DatabaseName=database, TableInput=cast(Any, given))
    else:
        catalog.glue.update_table(
            DatabaseName=database, TableInput=cast(Any, {**updatable(existing), **given})
        )


def named(query: CompiledQuery) -> str:
    """The query with the names its columns have in a file."""
    listed = ", ".join(f"{quote(c.sql_name)} AS {quote(c.name.lower())}" for c in query.columns)
    return f"SELECT {listed} FROM ({query.sql})"


def _typed(query: CompiledQuery) -> Columns:
    return [(column.name.lower(), column.type) for column in query.columns]


def aligned(query: CompiledQuery, targets: Sequence[Column], names: Sequence[str]) -> str:
    """The query with the columns of the table it goes into; columns that are not named are NULL."""
    wanted = list(names) or [c.name for c in targets]
    if len(wanted) != len(query.columns):
        message = (
            f"Insert query has {len(query.columns)} expression(s) but expected {len(wanted)} target column(s)"
        )
        raise QueryFailed("TYPE_MISMATCH", message, 1, 1)
    given = dict(zip(wanted, query.columns, strict=True))
    if unknown := set(wanted) - {c.name for c in targets}:
        raise QueryFailed(
            "COLUMN_NOT_FOUND", f"Insert column name does not exist in target table: {unknown.pop()}", 1, 1
        )
    parts = []
    for target in targets:
        source = given.get(target.name)
        if source is None:
            value = f"CAST(NULL AS {duckdb_type(target.type)})"
        else:
            value = assigned(Typed(quote(source.sql_name), source.type), target.type, _mismatch)
        parts.append(f"{value} AS {quote(target.sql_name)}")
    return f"SELECT {', '.join(parts)} FROM ({query.sql})"


def _mismatch(source: Type, target: Type) -> str:
    return f"Insert query has mismatched column types: {target} and {source}"


def assigned(value: Typed, target: Type, mismatch: Callable[[Type, Type], str]) -> str:
    """A value as a column of a table takes it.

    Raises
    ------
    QueryFailed
        ``TYPE_MISMATCH``, with the message that ``mismatch`` makes of the two types.
    """
    if not _is_storable(value.type, target):
        raise QueryFailed("TYPE_MISMATCH", mismatch(value.type, target), 1, 1)
    return _stored(value, target)


def _is_storable(source: Type, target: Type) -> bool:
    return (
        can_coerce(source, target)
        or (source.is_integral and target.is_integral)
        or (source.is_text and target.is_text)
    )


def _stored(value: Typed, target: Type) -> str:
    if target.name == "char" and value.type.is_text:
        return f"trino_stored_char({value.sql}, {target.precision})"
    return coerce(value, target).sql


def _new_table(
    name: str, columns: Sequence[Column], keys: Sequence[str], location: str, made: FileFormat
) -> dict[str, Any]:
    described = []
    for column in columns:
        try:
            described.append({"Name": column.name.lower(), "Type": to_hive(column.type)})
        except ValueError as error:
            raise QueryFailed("NOT_SUPPORTED", f"Column {column.name}: {error}", 1, 1) from error
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "has_encrypted_data": "false"},
        "PartitionKeys": [c for c in described if c["Name"] in keys],
        "StorageDescriptor": {
            "Columns": [c for c in described if c["Name"] not in keys],
            "Location": location,
            **made.storage,
        },
    }


def is_taken(catalog: GlueCatalog, database: str, name: str, *, if_not_exists: bool) -> bool:
    """Whether CREATE TABLE AS finds its table there already, and is to leave it.

    Raises
    ------
    QueryFailed
        ``TABLE_ALREADY_EXISTS`` if it is not to leave it, ``SCHEMA_NOT_FOUND`` without its database.
    """
    if catalog.get_table(database, name) is not None:
        if if_not_exists:
            return True
        raise table_exists(database, name)
    if not catalog.has_database(database):
        raise QueryFailed("SCHEMA_NOT_FOUND", f"Schema {database} not found", 1, 1)
    return False


def check_names(columns: Sequence[Column], keys: Sequence[str], renamed: Sequence[str] = ()) -> None:
    names = [name.lower() for name in renamed] or [column.name.lower() for column in columns]
    if len(names) != len(columns):
        raise QueryFailed(
            "MISMATCHED_COLUMN_ALIASES", "The view has another number of columns than its query", 1, 1
        )
    for number, name in enumerate(names):
        if name == f"_col{number}":
            raise QueryFailed(
                "MISSING_COLUMN_NAME", f"Column name not specified at position {number + 1}", 1, 1
            )
    for number, column in enumerate(columns):
        if column.type == UNKNOWN:
            message = f"Column type is unknown at position {number + 1}"
            raise QueryFailed("COLUMN_TYPE_UNKNOWN", message, 1, 1)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise QueryFailed("DUPLICATE_COLUMN_NAME", f"Column name '{twice}' specified more than once", 1, 1)
    if keys and names[-len(keys) :] != list(keys):
        message = f"Partition keys must be the last columns in the table and in the same order: {list(keys)}"
        raise QueryFailed("HIVE_COLUMN_ORDER_MISMATCH", message)


def _refuse_options(options: dict[str, Any], known: set[str]) -> None:
    if unknown := set(options) - known:
        raise NotSupported(f"The property {unknown.pop()}")


def _view_type(column: Column) -> str:
    try:
        return to_hive(column.type)
    except ValueError:
        return str(column.type)
