"""Reading the files of a table: which there are, and a DuckDB view with exactly the catalog's columns.

Rules: only registered partitions are read, each from its own location; files and directories whose name
begins with ``_`` or ``.`` are no data; columns of Parquet are found by name; a Hive ``timestamp`` has
milliseconds (Athena user guide, "Data types", "Partition your data", "Handle schema updates").
"""

# ruff: noqa: S608 - writing SQL is what this module is for; names and texts in it are quoted
from __future__ import annotations

import datetime as dt
import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millpond.planes.athena.casts import padded
from millpond.planes.athena.catalog import HIDDEN_PATH, NULL_PARTITION, GlueCatalog, Partition
from millpond.planes.athena.exceptions import NotSupported, QueryFailed
from millpond.planes.athena.globs import escape_glob
from millpond.planes.athena.iceberg.filters import row_filter
from millpond.planes.athena.iceberg.metadata_tables import metadata_sql
from millpond.planes.athena.iceberg.plan import plan_files
from millpond.planes.athena.iceberg.scan import RowReader
from millpond.planes.athena.iceberg.tables import TableSnapshot
from millpond.planes.athena.iceberg.values import constant
from millpond.planes.athena.projection import is_projected, location_of, projected_keys
from millpond.planes.athena.queries import Filter, Listing, Scan
from millpond.planes.athena.relations import Column
from millpond.planes.athena.serdes import json_rows
from millpond.planes.athena.texts import delimited, null_text, quoted, separator
from millpond.planes.athena.types import INTEGRAL, Type, duckdb_type, literal, quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from mypy_boto3_s3 import S3Client

_FILE = "file of the row"
_FILES = "file of the partition"
_TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_LONGEST_LINE = 16 << 20
_NO_TEXT = "\U0010ffff"
# Said so, any of the three ends a line, also where a file has several; found out, each sign of a pair does.
_LINE_ENDS = r"new_line = '\r\n'"
_LISTED_ALONE = 8
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_INTEGERS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19, "UTINYINT": 5, "USMALLINT": 10}
_TIMES = {"TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "TIMESTAMP WITH TIME ZONE"}


@dataclass(frozen=True)
class StoredFile:
    """A file and the values of the partition it belongs to."""

    path: str
    values: tuple[str, ...]


class Scanner:
    """Makes the relations that a compiled query reads.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Where to make them.
    s3 : S3Client
        Lists the files.
    catalog : GlueCatalog
        Knows the tables and their partitions.
    """

    def __init__(self, connection: DuckDBPyConnection, s3: S3Client, catalog: GlueCatalog) -> None:
        self._connection = connection
        self._s3 = s3
        self._catalog = catalog

    def prepare(self, scan: Scan) -> None:
        """Make the view that one scan reads.

        Raises
        ------
        QueryFailed
            If the files do not hold what the catalog says.
        """
        if scan.table.iceberg is not None:
            sql = self._iceberg(scan, scan.table.iceberg)
        elif scan.table.listing is not None:
            sql = self._listed(scan, scan.table.listing)
        else:
            table = self._catalog.get_table(scan.table.database, scan.table.name)
            assert table is not None
            files = self._files(scan, table)
            sql = self._reader(scan, table, files) if files else _empty(scan.table.columns)
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {quote(scan.name)} AS {sql}")

    def _iceberg(self, scan: Scan, snapshot: TableSnapshot) -> str:
        if scan.table.metadata_table:
            return metadata_sql(scan.table.metadata_table, snapshot)
        files = plan_files(snapshot, row_filter(self._connection, snapshot, scan.filters))
        return RowReader(self._connection, snapshot, self._catalog.files).sql(files)

    def _files(self, scan: Scan, table: dict[str, Any]) -> list[StoredFile]:
        if not scan.table.partition_keys:
            location = table.get("StorageDescriptor", {}).get("Location", "")
            return [StoredFile(path, ()) for path in list_files(self._s3, location)]
        partitions = self._wanted(scan, table)
        listed = list_directories(self._s3, [partition.location for partition in partitions])
        return [
            StoredFile(path, partition.values)
            for partition, paths in zip(partitions, listed, strict=True)
            for path in paths
        ]

    def _listed(self, scan: Scan, listing: Listing) -> str:
        """The rows of a relation that no file holds."""
        known = {one.column: self._constants(one) for one in scan.filters if one.operator in ("=", "in")}
        rows = listing(known)
        if rows is None:
            table = self._catalog.get_table(scan.table.database, scan.table.name)
            assert table is not None
            partitions = self._wanted(scan, table)
            found = [_typed_values(partition.values, scan.table.columns) for partition in partitions]
        else:
            found = [", ".join(map(constant, row, (c.type for c in scan.table.columns))) for row in rows]
        if not found:
            return _empty(scan.table.columns)
        names = ", ".join(quote(column.sql_name) for column in scan.table.columns)
        return f"SELECT * FROM (VALUES {', '.join(f'({row})' for row in found)}) AS listed ({names})"

    def _constants(self, one: Filter) -> list[str]:
        """The texts of the constants that a column is compared with."""
        values = ", ".join(f"CAST({value} AS VARCHAR)" for value in one.values)
        found = self._connection.execute(f"SELECT {values}").fetchone() or ()
        return [str(value) for value in found if value is not None]

    def _wanted(self, scan: Scan, table: dict[str, Any]) -> list[Partition]:
        """The partitions that the query's conditions on partition keys leave."""
        if is_projected(table.get("Parameters") or {}):
            return self._projected(scan, table)
        every = list(self._catalog.partitions(scan.table.database, scan.table.name))
        if not scan.predicates or not every:
            return every
        keys = _key_columns(scan)
        rows = ", ".join(f"({index}, {_typed_values(p.values, keys)})" for index, p in enumerate(every))
        names = ", ".join(quote(k.sql_name) for k in keys)
        condition = " AND ".join(f"({predicate})" for predicate in scan.predicates)
        relation = f'(VALUES {rows}) AS {quote(scan.alias)} ("number", {names})'
        found = self._connection.execute(f'SELECT "number" FROM {relation} WHERE {condition}').fetchall()
        return [every[index] for (index,) in found]

    def _projected(self, scan: Scan, table: dict[str, Any]) -> list[Partition]:
        """The partitions that the table's properties tell, whatever is registered."""
        keys, parameters = _key_columns(scan), table.get("Parameters") or {}
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        told = projected_keys([key.name for key in keys], parameters, now)
        values = [self._injected(scan, one.name) if one.values is None else one.values for one in told]
        for key, known in zip(keys, values, strict=True):
            _check_projected(key, known)
        texts = [f"k{number}" for number in range(len(keys))]
        typed = ", ".join(
            f"CAST({text} AS {duckdb_type(key.type)}) AS {quote(key.sql_name)}"
            for text, key in zip(texts, keys, strict=True)
        )
        lists = (f"[{', '.join(map(literal, known))}]" for known in values)
        every = " CROSS JOIN ".join(
            f"(SELECT unnest(CAST({listed} AS VARCHAR[])) AS {text})"
            for listed, text in zip(lists, texts, strict=True)
        )
        condition = " AND ".join(["true", *(f"({predicate})" for predicate in scan.predicates)])
        relation = f"(SELECT {', '.join(texts)}, {typed} FROM {every}) AS {quote(scan.alias)}"
        chosen = f"SELECT {', '.join(texts)} FROM {relation} WHERE {condition}"
        found = self._connection.execute(f"{chosen} ORDER BY {', '.join(texts)}").fetchall()
        template = str(parameters.get("storage.location.template", ""))
        default = str((table.get("StorageDescriptor") or {}).get("Location", ""))
        named = [dict(zip([key.name for key in keys], row, strict=True)) for row in found]
        return [Partition(tuple(one.values()), location_of(one, template, default)) for one in named]

    def _injected(self, scan: Scan, key: str) -> tuple[str, ...]:
        """The values that the query itself has for a key.

        Raises
        ------
        QueryFailed
            ``CONSTRAINT_VIOLATION``, in Athena's words, if it has none.
        """
        given = [one for one in scan.filters if one.column == key and one.operator in ("=", "in")]
        if not given:
            message = (
                f"For the injected projected partition column {key}, the WHERE clause must contain only "
                "static equality conditions, and at least one such condition must be present."
            )
            raise QueryFailed("CONSTRAINT_VIOLATION", message)
        return tuple(dict.fromkeys(self._constants(given[0])))

    def _reader(self, scan: Scan, table: dict[str, Any], files: Sequence[StoredFile]) -> str:
        places = self._catalog.files.readable(file.path for file in files)
        paths = list(places.values())
        storage = table.get("StorageDescriptor", {})
        keys = _key_columns(scan)
        data = [c for c in scan.table.columns if c not in keys and not c.is_hidden]
        read = _read_function(storage, table.get("Parameters") or {}, paths, data)
        is_typed = read.startswith("read_parquet")
        converted = _text_converter(storage.get("SerdeInfo") or {})
        present = {
            row[0].lower(): (row[0], row[1])
            for row in self._connection.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()
        }
        selected = []
        for column in scan.table.columns:
            if column in keys:
                value = f"p.{quote(column.sql_name)}"
            elif column.name == HIDDEN_PATH:
                value = self._catalog.files.location(f"f.{quote(_FILE)}")
            elif column.name in present:
                name, stored = present[column.name]
                value = f"f.{quote(name)}"
                if is_typed:
                    _check_type(stored, column, files[0].path)
                own = converted(value, column.type, data.index(column)) if converted else None
                value = _converted(value, stored, column.type) if own is None else own
            else:
                value = f"CAST(NULL AS {duckdb_type(column.type)})"
            selected.append(f"{value} AS {quote(column.sql_name)}")
        sql = f"SELECT {', '.join(selected)} FROM {read} AS f"
        return (
            f"{sql} JOIN {_partition_table(files, places, keys)} ON f.{quote(_FILE)} = p.{quote(_FILES)}"
            if keys
            else sql
        )


def list_files(s3: S3Client, location: str) -> list[str]:
    """The data files below a location, in order.

    Raises
    ------
    QueryFailed
        If the location is no place in S3.
    """
    bucket, prefix = split_location(location)
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        objects = [item for page in pages for item in page.get("Contents", [])]
    except s3.exceptions.NoSuchBucket as error:
        message = f"The specified bucket does not exist: {bucket}"
        raise QueryFailed("HIVE_METASTORE_ERROR", message) from error
    keys = (str(o["Key"]) for o in objects if o["Size"] > 0 and not is_hidden(str(o["Key"])[len(prefix) :]))
    return [f"s3://{bucket}/{key}" for key in keys]


def list_directories(s3: S3Client, locations: Sequence[str]) -> list[list[str]]:
    """The data files below each of several locations, in order.

    Many that begin alike are listed together, unless much else begins so too.

    Raises
    ------
    QueryFailed
        If a location is no place in S3.
    """
    places = [split_location(location) for location in locations]
    buckets, start = {bucket for bucket, _ in places}, _common_beginning([prefix for _, prefix in places])
    if len(places) <= _LISTED_ALONE or len(buckets) > 1 or not start:
        return [list_files(s3, location) for location in locations]
    bucket, known = buckets.pop(), {prefix for _, prefix in places}
    below: dict[str, list[str]] = defaultdict(list)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=start)
    for number, page in enumerate(pages):
        if number > len(places):
            return [list_files(s3, location) for location in locations]
        for item in page.get("Contents", []):
            for prefix in _directories(str(item["Key"])) & known if item["Size"] > 0 else ():
                if not is_hidden(str(item["Key"])[len(prefix) :]):
                    below[prefix].append(f"s3://{bucket}/{item['Key']}")
    return [below[prefix] for _, prefix in places]


def _common_beginning(texts: Sequence[str]) -> str:
    least, most = min(texts, default=""), max(texts, default="")
    return least[: next((i for i, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), len(least))]


def _directories(key: str) -> set[str]:
    """Every prefix of a key that ends with a slash."""
    return {key[: position + 1] for position, sign in enumerate(key) if sign == "/"}


def split_location(location: str) -> tuple[str, str]:
    """Bucket and prefix of a directory in S3; the prefix is empty or ends with a slash."""
    scheme, _, rest = location.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme not in ("s3", "s3a", "s3n") or not bucket:
        raise QueryFailed("HIVE_METASTORE_ERROR", f"The location {location!r} is not a place in S3")
    return bucket, prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def is_hidden(path: str) -> bool:
    """Whether a file is hidden, or lies in a hidden directory, below the location."""
    return any(part.startswith(("_", ".")) for part in path.split("/") if part)


def partition_path(keys: Sequence[str], values: Sequence[str]) -> str:
    """The directory that Hive gives to a partition."""
    return posixpath.join(
        *(f"{key}={escape_partition(value)}" for key, value in zip(keys, values, strict=True))
    )


def escape_partition(value: str) -> str:
    """A partition value as Hive writes it in a path."""
    special = "\"#%'*/:=?\\{[]^\x7f"
    return "".join(f"%{ord(c):02X}" if c in special or ord(c) < 32 else c for c in value)


def _key_columns(scan: Scan) -> list[Column]:
    return [column for column in scan.table.columns if column.name in scan.table.partition_keys]


def _partition_table(files: Iterable[StoredFile], places: Mapping[str, str], keys: Sequence[Column]) -> str:
    rows = ", ".join(f"({literal(places[f.path])}, {_typed_values(f.values, keys)})" for f in files)
    names = ", ".join(quote(name) for name in (_FILES, *(k.sql_name for k in keys)))
    return f"(VALUES {rows}) AS p ({names})"


def _typed_values(values: Sequence[str], keys: Sequence[Column]) -> str:
    return ", ".join(_partition_value(v, k.type) for v, k in zip(values, keys, strict=True))


def _partition_value(value: str, type_: Type) -> str:
    if value == NULL_PARTITION:
        return f"CAST(NULL AS {duckdb_type(type_)})"
    if type_.name == "char":
        return f"rpad({literal(value)}, {type_.precision}, ' ')"
    return f"CAST({literal(value)} AS {duckdb_type(type_)})"


def _check_projected(key: Column, values: Sequence[str]) -> None:
    """Refuse values that are written otherwise than those of the key's type are read."""
    is_read = key.type.is_text or key.type.is_integral
    if not is_read and not (key.type.name == "date" and all(map(_DAY.fullmatch, values))):
        raise NotSupported(f"The projected partition key {key.name} of type {key.type}")


def _empty(columns: Sequence[Column]) -> str:
    nulls = ", ".join(f"CAST(NULL AS {duckdb_type(c.type)}) AS {quote(c.sql_name)}" for c in columns)
    return f"SELECT {nulls} WHERE false"


def _read_function(
    storage: dict[str, Any], parameters: dict[str, str], paths: Sequence[str], columns: Sequence[Column]
) -> str:
    listed = ", ".join(literal(escape_glob(path)) for path in paths)
    serde = storage.get("SerdeInfo") or {}
    library = str(serde.get("SerializationLibrary", "")).lower()
    common = f"hive_partitioning = false, filename = {literal(_FILE)}"
    if "parquet" in library or "parquet" in str(storage.get("InputFormat", "")).lower():
        return f"read_parquet([{listed}], union_by_name = true, {common})"
    options = serde.get("Parameters") or {}
    reader = str(storage.get("InputFormat") or _TEXT_INPUT)
    if reader != _TEXT_INPUT:
        raise NotSupported(f"The input format {reader}")
    if "json" in library:
        kernel = json_rows(columns, options, is_openx="openx" in library)
        text = kernel.sql(["coalesce(line, '')"])
        lines = f"SELECT {text} AS parsed, {quote(_FILE)} FROM {_lines(listed, common)}"
        fields = "".join(f"parsed.{quote(c.sql_name)}, " for c in columns)
        return f"(SELECT {fields}{quote(_FILE)} FROM ({lines}))"
    if "opencsv" in library:
        dialect = (
            options.get("separatorChar", ","),
            options.get("quoteChar", '"'),
            options.get("escapeChar", "\\"),
        )
        # An empty value is an empty text.
        return _csv(listed, columns, parameters, common, dialect, None)
    if "lazysimple" in library:
        _refuse_unread(options)
        dialect = (separator(options, 0), "", "")
        return _csv(listed, columns, parameters, common, dialect, null_text(options))
    raise NotSupported(f"The format {library or storage.get('InputFormat') or 'of the table'}")


def _text_converter(serde: Mapping[str, Any]) -> Callable[[str, Type, int], str | None] | None:
    """What makes values of the texts that a SerDe reads; None where DuckDB types them."""
    library, options = str(serde.get("SerializationLibrary", "")).lower(), serde.get("Parameters") or {}
    if "opencsv" in library:
        return quoted
    if "lazysimple" in library:
        return lambda value, type_, _: delimited(value, type_, options)
    return None


def _refuse_unread(options: Mapping[str, str]) -> None:
    """Refuse what LazySimpleSerDe reads out of a line and ``read_csv`` does not."""
    if options.get("escape.delim"):
        raise NotSupported("A text table with escapes")


def _lines(listed: str, common: str) -> str:
    """The lines of files, with NULL for the empty ones; what would part values is no character."""
    return (
        f"read_csv([{listed}], auto_detect = false, header = false, columns = {{'line': 'VARCHAR'}}, "
        f"delim = '\U0010fffe', quote = '', escape = '', nullstr = '', strict_mode = false, "
        f"{_LINE_ENDS}, max_line_size = {_LONGEST_LINE}, {common})"
    )


def _csv(
    listed: str,
    columns: Sequence[Column],
    parameters: dict[str, str],
    common: str,
    dialect: tuple[str, str, str],
    null: str | None,
) -> str:
    """The rows of delimited text; ``null`` is the text for NULL, and None where there is none.

    ``read_csv`` passes over empty lines, which are rows to Hive: their first value is an empty text where
    there is one for NULL, and the others are not there.
    """
    separator, quotes, escape = map(literal, dialect)
    types = ", ".join(f"{literal(c.sql_name)}: 'VARCHAR'" for c in columns)
    common = f"skip = {int(parameters.get('skip.header.line.count', '0'))}, {common}"
    rows = (
        f"read_csv([{listed}], auto_detect = false, header = false, null_padding = true, "
        # What a line has beyond the columns is passed over, as Hive does.
        f"strict_mode = false, {_LINE_ENDS}, delim = {separator}, quote = {quotes}, escape = {escape}, "
        f"nullstr = {literal(_NO_TEXT if null is None else null)}, columns = {{{types}}}, {common})"
    )
    if len(columns) == 1 and null == "":
        # Then it passes over none.
        return rows
    first = f"{literal('') if null else 'CAST(NULL AS VARCHAR)'} AS {quote(columns[0].sql_name)}"
    empty = f"SELECT {first}, {quote(_FILE)} FROM {_lines(listed, common)} WHERE line IS NULL"
    return f"(FROM {rows} UNION ALL BY NAME {empty})"


def _check_type(stored: str, column: Column, path: str) -> None:
    """Compare what Parquet files hold with the catalog.

    Raises
    ------
    QueryFailed
        ``HIVE_BAD_DATA`` if the file holds another kind of value.
    """
    wanted = column.type
    if not _is_compatible(stored, wanted):
        message = (
            f"Field {column.name}'s type {stored} in file {path} is incompatible with type {wanted} "
            "defined in table schema"
        )
        raise QueryFailed("HIVE_BAD_DATA", message)


def _is_compatible(stored: str, wanted: Type) -> bool:
    target = duckdb_type(wanted)
    if stored == target or stored == "NULL":
        return True
    if stored in _INTEGERS:
        return wanted.is_integral and INTEGRAL[wanted.name] >= _INTEGERS[stored]
    if stored in _TIMES:
        return wanted.name == "timestamp"
    if stored == "FLOAT":
        return wanted.name == "double"
    if stored.startswith("DECIMAL"):
        return wanted.name == "decimal"
    if stored == "VARCHAR":
        return wanted.is_text or wanted.name == "varbinary"
    if stored == "BLOB":
        return wanted.is_text
    return bool(wanted.elements)


def _converted(sql: str, stored: str, wanted: Type) -> str:
    target = duckdb_type(wanted)
    if wanted.name == "timestamp":
        plain = f"timezone('UTC', {sql})" if stored.endswith("TIME ZONE") else f"CAST({sql} AS TIMESTAMP)"
        return f"date_trunc('millisecond', {plain})"
    if wanted.name == "array" and wanted.elements[0].name in ("timestamp", "varchar", "char"):
        element = stored.removesuffix("[]")
        return f"list_transform({sql}, lambda e: {_converted('e', element, wanted.elements[0])})"
    if stored == "BLOB" and wanted.is_text:
        sql, stored = f"decode({sql})", "VARCHAR"
    if wanted.name == "varbinary" and stored == "VARCHAR":
        return f"encode({sql})"
    if wanted.name == "varchar" and wanted != Type("varchar", (2147483647,)):
        return f"substr({sql}, 1, {wanted.precision})"
    if wanted.name == "char":
        return f"rpad(substr({sql}, 1, {wanted.precision}), {wanted.precision}, ' ')"
    if stored == "VARCHAR" and not wanted.is_text:
        return f"TRY_CAST({sql} AS {target})"
    return padded(sql if stored == target else f"CAST({sql} AS {target})", wanted)
