"""Files below a path: in S3 by its API, elsewhere by Hadoop's file system."""

from __future__ import annotations

import bz2
import json
import re
import zlib
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple
from urllib.parse import urlparse

_S3 = ("s3", "s3a", "s3n")
_HEAD_BYTES = 1 << 18


@dataclass(frozen=True, order=True)
class File:
    """A file.

    Parameters
    ----------
    path : str
    modified : int
        When it was last written, in milliseconds since 1970.
    size : int
        In bytes.
    storage_class : str
        In S3.
    """

    path: str
    modified: int = 0
    size: int = 0
    storage_class: str = "STANDARD"


def is_s3(path: str) -> bool:
    """Whether a path is in S3."""
    return urlparse(path).scheme in _S3


def bucket_and_key(path: str) -> Tuple[str, str]:
    """Bucket and key of an S3 path."""
    parts = urlparse(path, allow_fragments=False)
    return parts.netloc, path.split(parts.netloc, 1)[1].lstrip("/")


def files_of(
    session: Any,
    paths: Iterable[str],
    *,
    recurse: bool = True,
    exclusions: Sequence[str] = (),
    excluded_classes: Iterable[str] = (),
) -> List[File]:
    """The files below paths, in the order of their names.

    Parameters
    ----------
    session : SparkSession
    paths : iterable of str
        Directories, files, or prefixes that end with a slash or not.
    recurse : bool
        Whether those in directories below count.
    exclusions : sequence of str
        Glob patterns of files that do not count.
    excluded_classes : iterable of str
        Storage classes of S3 that do not count.
    """
    unwanted = [re.compile(_regular(exclusion)) for exclusion in exclusions]
    classes = set(excluded_classes)
    by_path: Dict[str, File] = {}
    for path in paths:
        for file in _s3_files(path) if is_s3(path) else _hadoop_files(session, path):
            relative = file.path[len(path.rstrip("/")) :].lstrip("/")
            if not _counts(relative or file.path.rsplit("/", 1)[-1], recurse=recurse):
                continue
            if file.storage_class in classes:
                continue
            if any(pattern.fullmatch(name) for pattern in unwanted for name in (file.path, relative)):
                continue
            by_path[file.path] = file
    return sorted(by_path.values())


def _counts(relative: str, *, recurse: bool) -> bool:
    if not recurse and "/" in relative:
        return False
    # Spark's own rule: what is hidden or a mark of a committer is no data.
    return not any(
        part.startswith(".") or (part.startswith("_") and "=" not in part) for part in relative.split("/")
    )


def _s3_files(path: str) -> Iterator[File]:
    import boto3

    bucket, key = bucket_and_key(path)
    scheme = urlparse(path).scheme
    client = boto3.client("s3")
    if key and not key.endswith("/"):
        exact = client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        if exact and exact[0]["Key"] == key:
            yield _s3_file(scheme, bucket, exact[0])
            return
        key += "/"
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
        for entry in page.get("Contents", []):
            if not entry["Key"].endswith("/"):
                yield _s3_file(scheme, bucket, entry)


def _s3_file(scheme: str, bucket: str, entry: Any) -> File:
    modified = int(entry["LastModified"].timestamp() * 1000)
    return File(
        f"{scheme}://{bucket}/{entry['Key']}", modified, entry["Size"], entry.get("StorageClass", "STANDARD")
    )


def _hadoop_files(session: Any, path: str) -> Iterator[File]:
    jvm = session.sparkContext._jvm
    where = jvm.org.apache.hadoop.fs.Path(path)
    system = where.getFileSystem(session.sparkContext._jsc.hadoopConfiguration())
    if not system.exists(where):
        return
    listed = system.listFiles(where, True)
    while listed.hasNext():
        status = listed.next()
        yield File(
            _as_given(status.getPath().toString(), path), status.getModificationTime(), status.getLen()
        )


def _as_given(listed_path: str, path: str) -> str:
    """A path in the spelling of the one below which it was found."""
    plain = re.sub(r"^file:/+", "/", listed_path)
    return plain if path.startswith("/") else re.sub(r"^file:/+", "file:///", listed_path)


def _regular(glob: str) -> str:
    """A glob of the Glue Developer Guide as a regular expression: ``**`` crosses slashes, ``*`` does not."""
    out, position, depth = [], 0, 0
    while position < len(glob):
        character = glob[position]
        if glob.startswith("**", position):
            out.append(".*")
            position += 1
        elif character == "*":
            out.append("[^/]*")
        elif character == "?":
            out.append("[^/]")
        elif character == "[":
            end = glob.find("]", position)
            inside = glob[position + 1 : end]
            out.append(f"[{'^' + inside[1:] if inside.startswith('!') else inside}]")
            position = end
        elif character == "{":
            out.append("(?:")
            depth += 1
        elif character == "}" and depth:
            out.append(")")
            depth -= 1
        elif character == "," and depth:
            out.append("|")
        else:
            out.append(re.escape(character))
        position += 1
    return "".join(out)


def exclusions_of(options: Any) -> List[str]:
    """The patterns in the option ``exclusions``: a list, or the JSON of one."""
    exclusions = options.get("exclusions") or []
    return list(json.loads(exclusions)) if isinstance(exclusions, str) else list(exclusions)


def first_line(session: Any, path: str) -> Optional[str]:
    """The first line of a text file, which may be compressed; ``None`` of an empty one."""
    data = _s3_head(path) if is_s3(path) else _hadoop_head(session, path)
    if path.endswith(".gz"):
        data = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data)
    elif path.endswith(".bz2"):
        data = bz2.BZ2Decompressor().decompress(data)
    text = data.decode("utf-8-sig", errors="replace")
    return text.splitlines()[0] if text else None


def _s3_head(path: str) -> bytes:
    import boto3

    bucket, key = bucket_and_key(path)
    client = boto3.client("s3")
    if client.head_object(Bucket=bucket, Key=key)["ContentLength"] == 0:
        return b""
    body = client.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{_HEAD_BYTES}")["Body"]
    return bytes(body.read())


def _hadoop_head(session: Any, path: str) -> bytes:
    rows = session.sparkContext.binaryFiles(path).map(lambda pair: pair[1][:_HEAD_BYTES]).take(1)
    return rows[0] if rows else b""
