"""Tables with what their catalog, their files and their snapshots say; buckets as folders."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Any, Literal, cast
from urllib.parse import urlencode

from millpond.base.ranged import RangedObject
from millpond.client.aws import Aws
from millpond.client.listing import pages

# How old the list of tables may be.
SECONDS = 10.0
MOST_PARTITIONS = 10_000
MOST_FILES = 10_000
MOST_VERSIONS = 20
PREVIEW_ROWS = 100
# What of a file is read to show its beginning.
PREVIEW_BYTES = 256 * 1024
# What is read as a whole, of formats whose beginning cannot be read alone.
MOST_WHOLE_BYTES = 64 * 1024 * 1024
_TOO_LARGE = "It is too large to be shown here: a table over it can be asked."
# Rows that a profile of the columns reads at most.
PROFILE_ROWS = 100_000


@dataclass(frozen=True)
class Entry:
    """A table, for the list of them."""

    database: str
    name: str
    form: str
    columns: int
    location: str

    @property
    def link(self) -> str:
        """The address of its page."""
        return f"/table?{urlencode({'database': self.database, 'name': self.name})}"


def entries(aws: Aws) -> list[Entry]:
    """Every table of every database."""
    return [
        Entry(
            database["Name"],
            table["Name"],
            form_of(table),
            len(_columns(table)),
            table.get("StorageDescriptor", {}).get("Location", ""),
        )
        for database in pages(aws.glue, "get_databases", "DatabaseList")
        for table in pages(aws.glue, "get_tables", "TableList", DatabaseName=database["Name"])
    ]


def form_of(table: Mapping[str, Any]) -> str:
    """``ICEBERG``, ``view``, or what its files are, by the class that reads them."""
    if kind := table.get("Parameters", {}).get("table_type"):
        return str(kind)
    if table.get("TableType") == "VIRTUAL_VIEW":
        return "view"
    reader = table.get("StorageDescriptor", {}).get("SerdeInfo", {}).get("SerializationLibrary", "")
    return str(reader).rpartition(".")[2].removesuffix("SerDe").removesuffix("Serde")


def _columns(table: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    storage = table.get("StorageDescriptor", {})
    return [
        (one["Name"], one.get("Type", ""), one.get("Comment", "") + (" (partition)" if is_key else ""))
        for is_key, columns in ((False, storage.get("Columns", [])), (True, table.get("PartitionKeys", [])))
        for one in columns
    ]


@dataclass(frozen=True)
class Change:
    """What a version of a table has changed against the one before.

    Parameters
    ----------
    version : str
        Of the new one.
    when : datetime or None
        When it was made.
    what : tuple of str
        Columns that were added, removed or given another type.
    """

    version: str
    when: datetime | None
    what: tuple[str, ...]


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of an Iceberg table.

    Parameters
    ----------
    id : int
        Of the snapshot.
    when : datetime
        When it was committed.
    operation : str
        ``append``, ``overwrite``, ``delete``, ``replace``.
    added, deleted, total : str
        Rows, as the summary has them; empty where it does not.
    files : str
        How many data files there are with it.
    """

    id: int
    when: datetime
    operation: str
    added: str
    deleted: str
    total: str
    files: str


@dataclass(frozen=True)
class Table:
    """A table with all that can be told of it without reading its rows.

    Parameters
    ----------
    columns : tuple of (name, type, comment)
        Those of the files, then those of the partitions.
    parameters : mapping
        Of the table.
    location : str
        Where its files are.
    form : str
        Of :func:`form_of`.
    partition_keys : tuple of str
        Their names.
    partitions : tuple of tuple of str
        Values of each partition, with its location last.
    changes : tuple of Change
        Of its versions, the newest first.
    snapshots : tuple of Snapshot
        Of an Iceberg table, the newest first.
    """

    columns: tuple[tuple[str, str, str], ...]
    parameters: Mapping[str, str]
    location: str
    form: str
    partition_keys: tuple[str, ...]
    partitions: tuple[tuple[str, ...], ...]
    changes: tuple[Change, ...]
    snapshots: tuple[Snapshot, ...]


def read_table(aws: Aws, database: str, name: str) -> Table:
    """A table, its partitions, versions and snapshots.

    Raises
    ------
    ClientError
        If there is none.
    """
    table: Mapping[str, Any] = aws.glue.get_table(DatabaseName=database, Name=name)["Table"]
    keys = tuple(one["Name"] for one in table.get("PartitionKeys", []))
    partitions = (
        pages(aws.glue, "get_partitions", "Partitions", DatabaseName=database, TableName=name)
        if keys
        else iter(())
    )
    versions = pages(aws.glue, "get_table_versions", "TableVersions", DatabaseName=database, TableName=name)
    return Table(
        tuple(_columns(table)),
        table.get("Parameters", {}),
        table.get("StorageDescriptor", {}).get("Location", ""),
        form_of(table),
        keys,
        tuple(
            (*one["Values"], one.get("StorageDescriptor", {}).get("Location", ""))
            for one in islice(partitions, MOST_PARTITIONS)
        ),
        tuple(changes(list(islice(versions, MOST_VERSIONS)))),
        tuple(_snapshots(aws, table.get("Parameters", {}).get("metadata_location", ""))),
    )


def changes(versions: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    """What each version has changed, from those of ``GetTableVersions`` in whatever order."""
    ordered = sorted(versions, key=lambda one: int(one["VersionId"]), reverse=True)
    for newer, older in zip(ordered, [*ordered[1:], None], strict=True):
        after = {column: kind for column, kind, _ in _columns(newer["Table"])}
        before = {column: kind for column, kind, _ in _columns(older["Table"])} if older else after
        what = [f"+ {one} {after[one]}" for one in after if one not in before]
        what += [f"- {one} {before[one]}" for one in before if one not in after]
        what += [
            f"{one}: {before[one]} → {kind}"
            for one, kind in after.items()
            if one in before and before[one] != kind
        ]
        yield Change(newer["VersionId"], newer["Table"].get("UpdateTime"), tuple(what))


def _snapshots(aws: Aws, location: str) -> list[Snapshot]:
    if not location:
        return []
    bucket, key = bucket_and_key(location)
    content = aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return snapshots_of(json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content))


def snapshots_of(metadata: Mapping[str, Any]) -> list[Snapshot]:
    """The snapshots that the metadata of an Iceberg table names, the newest first."""
    found = [
        Snapshot(
            one["snapshot-id"],
            datetime.fromtimestamp(one["timestamp-ms"] / 1000, UTC),
            one.get("summary", {}).get("operation", ""),
            *(
                one.get("summary", {}).get(name, "")
                for name in ("added-records", "deleted-records", "total-records", "total-data-files")
            ),
        )
        for one in metadata.get("snapshots", [])
    ]
    return sorted(found, key=lambda one: one.when, reverse=True)


def bucket_and_key(address: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``; ``s3a`` and ``s3n`` are the same."""
    bucket, _, key = address.partition("://")[2].partition("/")
    return bucket, key


def quoted(name: str) -> str:
    """A name as a statement has it."""
    return '"' + name.replace('"', '""') + '"'


def sample_statement(database: str, name: str, snapshot: int | None = None) -> str:
    """The statement for some rows of a table, now or as of a snapshot."""
    version = f" FOR VERSION AS OF {snapshot}" if snapshot is not None else ""
    return f"SELECT * FROM {quoted(database)}.{quoted(name)}{version} LIMIT {PREVIEW_ROWS}"  # noqa: S608


def difference_statement(database: str, name: str, before: int, after: int) -> str:
    """The statement for rows that a table has as of one snapshot and not as of another, each as often.

    Parameters
    ----------
    database, name : str
        The table.
    before, after : int
        Snapshots: the rows of ``after`` that ``before`` has not. The other way round they are those removed.
    """
    asked = [
        f"SELECT * FROM {quoted(database)}.{quoted(name)} FOR VERSION AS OF {one}"  # noqa: S608
        for one in (after, before)
    ]
    return f"{' EXCEPT ALL '.join(asked)} LIMIT {PREVIEW_ROWS}"


_COMPARED = ("int", "decimal", "double", "float", "date", "timestamp", "string", "char", "boolean")


def profile_statement(database: str, name: str, columns: Sequence[tuple[str, str, str]]) -> str:
    """The statement that counts nulls and different values of each column, and finds its range.

    It reads at most :data:`PROFILE_ROWS` rows.
    """
    asked = ["count(*)"]
    for column, kind, _ in columns:
        own, can_compare = quoted(column), any(one in kind for one in _COMPARED) and "<" not in kind
        asked.append(f"count(*) - count({own})")
        asked.append(f"approx_distinct({own})" if can_compare else "NULL")
        asked += [f"{one}({own})" if can_compare else "NULL" for one in ("min", "max")]
    table = f"(SELECT * FROM {quoted(database)}.{quoted(name)} LIMIT {PROFILE_ROWS})"  # noqa: S608
    return f"SELECT {', '.join(f'{one} AS c{n}' for n, one in enumerate(asked))} FROM {table} AS t"  # noqa: S608


def profile_rows(
    columns: Sequence[tuple[str, str, str]], row: Sequence[str | None]
) -> list[tuple[str | None, ...]]:
    """What the statement of a profile has found: name, type, nulls, different values, least, greatest."""
    return [
        (column, kind, *row[1 + 4 * number : 5 + 4 * number])
        for number, (column, kind, _) in enumerate(columns)
    ]


@dataclass(frozen=True)
class Folder:
    """What a bucket has below a prefix.

    Parameters
    ----------
    folders : tuple of str
        Prefixes.
    files : tuple of (key, bytes, modified)
        Objects.
    following : str
        What asks for what comes behind; empty at the end.
    """

    folders: tuple[str, ...]
    files: tuple[tuple[str, int, datetime], ...]
    following: str


def read_folder(aws: Aws, bucket: str, prefix: str = "", token: str = "") -> Folder:
    """A page of a folder, up to a thousand objects and folders."""
    arguments: Any = {"ContinuationToken": token} if token else {}
    answer = aws.s3.list_objects_v2(Bucket=bucket, Prefix=prefix, Delimiter="/", **arguments)
    return Folder(
        tuple(one["Prefix"] for one in answer.get("CommonPrefixes", [])),
        tuple((one["Key"], one["Size"], one["LastModified"]) for one in answer.get("Contents", [])),
        answer.get("NextContinuationToken", ""),
    )


def files_of(aws: Aws, location: str) -> list[tuple[str, int, datetime]]:
    """The objects of a table: key, bytes, when; as many as a page can hold."""
    bucket, prefix = bucket_and_key(location)
    if not bucket:
        return []
    prefix = f"{prefix.rstrip('/')}/" if prefix else ""
    found = pages(aws.s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=prefix)
    return [(one["Key"], one["Size"], one["LastModified"]) for one in islice(found, MOST_FILES)]


@dataclass(frozen=True)
class Preview:
    """The beginning of a file.

    Parameters
    ----------
    kind : {"rows", "text", "none"}
        What is shown.
    columns : tuple of str
        Of rows.
    rows : tuple of tuple
        Values as text; None is NULL.
    text : str
        Of a text; why there is none.
    types : tuple of str
        Of the columns, where the file has them.
    """

    kind: Literal["rows", "text", "none"]
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    text: str = ""
    types: tuple[str, ...] = ()


def preview(aws: Aws, bucket: str, key: str) -> Preview:
    """The beginning of an object, by what its name ends with and its first bytes.

    Raises
    ------
    ClientError
        If it cannot be read.
    """
    size = aws.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    if not size:
        return Preview("none", text="It is empty.")
    whole = RangedObject(aws.s3, bucket, key, size)
    begin = whole.read(PREVIEW_BYTES)
    for magic, shown in _BY_MAGIC.items():
        if begin.startswith(magic):
            whole.seek(0)
            return shown(whole, size)
    if begin[:2] == b"\x1f\x8b":
        begin = gzip.GzipFile(fileobj=io.BytesIO(begin)).read1(PREVIEW_BYTES)
    return of_text(begin, key, is_whole=size <= PREVIEW_BYTES)


def _of_parquet(file: RangedObject, _size: int) -> Preview:
    # 40 MB of memory, for who looks into such a file.
    import pyarrow.parquet

    opened = pyarrow.parquet.ParquetFile(file)
    batch = next(opened.iter_batches(batch_size=PREVIEW_ROWS), None)
    return _of_arrow(opened.schema_arrow, batch)


def _of_orc(file: RangedObject, size: int) -> Preview:
    import pyarrow.orc

    opened = pyarrow.orc.ORCFile(file)
    if not opened.nstripes:
        return _of_arrow(opened.schema, None)
    # A stripe is read as a whole.
    if size > MOST_WHOLE_BYTES * opened.nstripes:
        return Preview("none", text=_TOO_LARGE)
    return _of_arrow(opened.schema, opened.read_stripe(0).slice(0, PREVIEW_ROWS))


def _of_avro(file: RangedObject, _size: int) -> Preview:
    import fastavro

    opened: Any = fastavro.reader(cast("IO[bytes]", file))
    schema, records = opened.writer_schema, list(islice(opened, PREVIEW_ROWS))
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return Preview("rows", ("value",), tuple((str(one),) for one in records))
    names = tuple(one["name"] for one in schema["fields"])
    types = tuple(_avro_type(one["type"]) for one in schema["fields"])
    values = (tuple(one.get(name) for name in names) for one in records)
    rows = tuple(tuple(None if one is None else str(one) for one in row) for row in values)
    return Preview("rows", names, rows, types=types)


def _avro_type(kind: Any) -> str:
    """How a type of Avro is called: of a union what it is when it is not null."""
    if isinstance(kind, list):
        return " or ".join(_avro_type(one) for one in kind if one != "null")
    if isinstance(kind, dict):
        return str(kind.get("logicalType") or kind.get("name") or kind["type"])
    return str(kind)


def _of_arrow(schema: Any, found: Any) -> Preview:
    names, types = tuple(schema.names), tuple(map(str, schema.types))
    if found is None:
        return Preview("rows", names, (), types=types)
    values = [[None if one is None else str(one) for one in column.to_pylist()] for column in found.columns]
    return Preview("rows", names, tuple(zip(*values, strict=True)), types=types)


# By the bytes that a file of the format begins with.
_BY_MAGIC: Mapping[bytes, Callable[[RangedObject, int], Preview]] = {
    b"PAR1": _of_parquet,
    b"ORC": _of_orc,
    b"Obj\x01": _of_avro,
}


def of_text(content: bytes, name: str, *, is_whole: bool) -> Preview:
    """The beginning of a file that may be text: rows of CSV, JSON laid out, or the text as it is."""
    try:
        # A character may be cut at the end of what was read.
        text = content.decode("utf-8", "strict" if is_whole else "ignore")
    except UnicodeDecodeError:
        return Preview("none", text="It is no text, and nothing that is shown here.")
    if "\0" in text:
        return Preview("none", text="It is no text, and nothing that is shown here.")
    plain = name.removesuffix(".gz").lower()
    lines = text.splitlines() if is_whole else text.splitlines()[:-1] or [text]
    if plain.endswith((".csv", ".tsv")):
        delimiter = "\t" if plain.endswith(".tsv") else ","
        rows = [row for row in islice(csv.reader(lines, delimiter=delimiter), PREVIEW_ROWS) if row]
        width = max(map(len, rows), default=0)
        columns = tuple(f"{number + 1}" for number in range(width))
        return Preview("rows", columns, tuple((*row, *[None] * (width - len(row))) for row in rows))
    if plain.endswith(".json") and is_whole:
        try:
            return Preview("text", text=json.dumps(json.loads(text), indent=2, ensure_ascii=False))
        except ValueError:
            # One document a line, or none: as it is.
            return Preview("text", text=text)
    return Preview("text", text="\n".join(lines))
