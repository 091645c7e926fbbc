"""What a run wrote to S3, as tables that can be compared after the stack was put back."""

from __future__ import annotations

import bz2
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.orc as po
import pyarrow.parquet as pq

from millpond.client.aws import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from millpond.client.listing import pages

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Place = tuple[str, str]
"""A bucket and a key, or the beginning of one."""

# A file whose name Spark, Glue or a table format has made: what it is part of is its directory.
_PART = re.compile(r"part-|run-|.*[0-9a-f]{8}-[0-9a-f]{4}-", re.DOTALL)
_PARTITION = re.compile(r"[^/=]+=[^/]*")
_ICEBERG = re.compile(r"(.+)/metadata/[^/]+\.metadata\.json")
_DELTA = re.compile(r"(.+)/_delta_log/\d{20}\.json")
_HUDI = re.compile(r"(.+)/\.hoodie/.+")
_TEXT = frozenset({"csv", "tsv", "json", "jsonl", "ndjson", "txt", "xml", "log", ""})


@dataclass(frozen=True)
class Dataset:
    """A directory, a file or a table that was written.

    Parameters
    ----------
    kind : str
        ``parquet``, ``orc``, ``text``, ``iceberg``, ``delta``, or the ending of the files' names.
    files : int
        How many were written.
    rows : tuple of Path
        Parquet files with its rows; what has no types, as text, has a column ``line`` and one of
        its partition.
    unread : str
        Why there are no rows to compare; empty where there are.
    """

    kind: str
    files: int
    rows: tuple[Path, ...] = ()
    unread: str = ""


def datasets(s3: S3Client, written: Sequence[Place], folder: Path) -> Mapping[str, Dataset]:
    """Copy what was written into a folder, by the address of what it is part of.

    Of a table of Iceberg or Delta that is all of it, as it is now; of other directories, the files that were
    written.
    """
    by_address: dict[str, Dataset] = {}
    rest = list(written)
    for pattern, read in ((_ICEBERG, _iceberg), (_DELTA, _delta), (_HUDI, _hudi)):
        for bucket, base in sorted({(b, m[1]) for b, key in rest if (m := pattern.fullmatch(key))}):
            here = [place for place in rest if place[0] == bucket and place[1].startswith(f"{base}/")]
            rest = [place for place in rest if place not in set(here)]
            address = f"s3://{bucket}/{base}/"
            by_address[address] = read(s3, (bucket, base), len(here), folder / str(len(by_address)))
    for address, places in sorted(_by_directory(rest).items()):
        by_address[address] = _files(s3, places, folder / str(len(by_address)))
    return by_address


def directory_of(key: str) -> str:
    """What a file is part of: its directory without partitions, or itself where a person named it.

    Examples
    --------
    >>> directory_of("out/day=1/part-0.parquet"), directory_of("out/report.csv")
    ('out/', 'out/report.csv')
    """
    *directories, name = key.split("/")
    while directories and _PARTITION.fullmatch(directories[-1]):
        directories.pop()
    if _PART.match(name) or len(directories) < key.count("/"):
        return "".join(f"{directory}/" for directory in directories)
    return key


def _by_directory(places: Sequence[Place]) -> Mapping[str, list[Place]]:
    by_directory: dict[str, list[Place]] = defaultdict(list)
    for bucket, key in places:
        # What Spark itself does not read, and the marks of directories.
        if not key.endswith(("/", "_$folder$")) and not any(
            part.startswith(("_", ".")) and "=" not in part for part in key.split("/")
        ):
            by_directory[f"s3://{bucket}/{directory_of(key)}"].append((bucket, key))
    return by_directory


def _files(s3: S3Client, places: Sequence[Place], folder: Path) -> Dataset:
    folder.mkdir(parents=True)
    kinds: set[str] = set()
    tables: list[Path] = []
    texts: dict[str, list[str]] = {}
    for number, (bucket, key) in enumerate(sorted(places)):
        content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        if not content:
            continue
        partition = [part for part in key.split("/")[:-1] if _PARTITION.fullmatch(part)]
        kind, plain = _kind(key, content)
        kinds.add(kind)
        if kind == "parquet":
            tables.append(
                _kept(pq.read_table(pa.BufferReader(plain)), partition, folder / f"{number}.parquet")
            )
        elif kind == "orc":
            tables.append(
                _kept(po.ORCFile(pa.BufferReader(plain)).read(), partition, folder / f"{number}.parquet")
            )
        elif kind == "text":
            texts[f"{number} {'/'.join(partition)}"] = plain.decode().splitlines()
    if len(kinds) > 1 or not kinds <= {"parquet", "orc", "text"}:
        return Dataset(" and ".join(sorted(kinds)), len(places), unread="of a form that is not read here")
    if texts:
        tables.append(folder / "lines.parquet")
        pq.write_table(_lines(texts), tables[-1])
    return Dataset("".join(kinds) or "text", len(places), tuple(tables))


def _kind(key: str, content: bytes) -> tuple[str, bytes]:
    """What a file is, by its first bytes, else by its name; and its content, not compressed."""
    if content.startswith(b"PAR1"):
        return "parquet", content
    if content.startswith(b"ORC"):
        return "orc", content
    name = key.rpartition("/")[2]
    if content.startswith(b"\x1f\x8b"):
        content, name = gzip.decompress(content), name.removesuffix(".gz")
    elif content.startswith(b"BZh"):
        content, name = bz2.decompress(content), name.removesuffix(".bz2")
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    try:
        content.decode()
    except UnicodeDecodeError:
        return ending or "bytes", content
    return ("text" if ending in _TEXT or b"\0" not in content else ending), content


def _lines(texts: Mapping[str, Sequence[str]]) -> pa.Table:
    """Lines as rows; one that begins every file, as a header of CSV does, counts once."""
    first = {lines[0] for lines in texts.values() if lines}
    has_header = len(first) == 1 and len(texts) > 1
    rows = [(first.pop(), "")] if has_header else []
    for name, lines in texts.items():
        rows += [(line, name.partition(" ")[2]) for line in lines[has_header:]]
    columns = {"line": [line for line, _ in rows], "partition": [value for _, value in rows]}
    return pa.table(columns, pa.schema([(name, pa.string()) for name in columns]))


def _kept(table: pa.Table, partition: Sequence[str], path: Path) -> Path:
    for part in partition:
        name, _, value = part.partition("=")
        if name not in table.column_names:
            table = table.append_column(name, pa.array([value] * len(table), pa.string()))
    pq.write_table(table, path)
    return path


def _iceberg(s3: S3Client, place: Place, files: int, folder: Path) -> Dataset:
    from pyiceberg.table import StaticTable

    bucket, base = place
    listed = [
        entry
        for entry in pages(s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=f"{base}/metadata/")
        if entry["Key"].endswith(".metadata.json")
    ]
    newest = max(listed, key=lambda entry: (entry["LastModified"], entry["Key"]))["Key"]
    properties = {
        "s3.endpoint": s3.meta.endpoint_url,
        "s3.region": s3.meta.region_name,
        "s3.access-key-id": ACCESS_KEY_ID,
        "s3.secret-access-key": SECRET_ACCESS_KEY,
    }
    folder.mkdir(parents=True)
    path = folder / "rows.parquet"
    try:
        pq.write_table(
            StaticTable.from_metadata(f"s3://{bucket}/{newest}", properties).scan().to_arrow(), path
        )
    except (NotImplementedError, ValueError, OSError) as error:
        return Dataset("iceberg", files, unread=f"not read here: {error}")
    return Dataset("iceberg", files, (path,))


def _delta(s3: S3Client, place: Place, files: int, folder: Path) -> Dataset:
    """The files that the log names and does not take away again, with the values of their partitions."""
    bucket, base = place
    listed = [
        entry["Key"]
        for entry in pages(s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=f"{base}/_delta_log/")
        if _DELTA.fullmatch(entry["Key"])
    ]
    actions = [action for key in sorted(listed) for action in _actions(s3, bucket, key)]
    active = active_files(actions)
    if active is None or not min(listed).endswith(f"{0:020}.json"):
        return Dataset("delta", files, unread="of a form that is not read here")
    folder.mkdir(parents=True)
    kept = []
    for number, (path, values) in enumerate(sorted(active.items())):
        content = s3.get_object(Bucket=bucket, Key=f"{base}/{path}")["Body"].read()
        partition = [f"{name}={value}" for name, value in values.items()]
        table = pq.read_table(pa.BufferReader(content))
        kept.append(_kept(table, partition, folder / f"{number}.parquet"))
    return Dataset("delta", files, tuple(kept))


def active_files(actions: Sequence[Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]] | None:
    """The data files of a table of Delta, with the values of their partitions, after all its commits.

    None where a feature of the table says that its files alone are not its rows: deletion vectors, columns by
    other names (protocol of Delta Lake, ``add``, ``remove`` and ``metaData``).

    Examples
    --------
    >>> active_files([{"add": {"path": "a"}}, {"add": {"path": "b"}}, {"remove": {"path": "a"}}])
    {'b': {}}
    """
    active: dict[str, Mapping[str, Any]] = {}
    for action in actions:
        configuration = action.get("metaData", {}).get("configuration", {})
        if configuration.get("delta.columnMapping.mode", "none") != "none":
            return None
        if added := action.get("add"):
            if added.get("deletionVector"):
                return None
            active[added["path"]] = added.get("partitionValues", {})
        elif removed := action.get("remove"):
            active.pop(removed["path"], None)
    return active


def _actions(s3: S3Client, bucket: str, key: str) -> Iterator[Mapping[str, Any]]:
    for line in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_lines():
        if line:
            yield json.loads(line)


def _hudi(s3: S3Client, place: Place, files: int, folder: Path) -> Dataset:  # noqa: ARG001 - as its neighbours
    return Dataset("hudi", files, unread="tables of Hudi hold times of their commits in each row")
