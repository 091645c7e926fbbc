"""What a distributed Map iterates over: the inputs of its ``ItemReader``, and batches of items.

Source: "ItemReader (Map)" and "ItemBatcher (Map)" in the Step Functions developer guide: objects listed by
``listObjectsV2``, and files of ``getObject`` as CSV, JSON, JSON Lines, Parquet, an inventory of S3 or the
manifest of an Athena ``UNLOAD``. Compressed data is read as what its first bytes say.
"""

from __future__ import annotations

import base64
import csv
import datetime
import decimal
import gzip
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus, urlsplit

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Shape = Mapping[str, Any]

MOST_ITEMS = 100_000_000
_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}
_GZIP = b"\x1f\x8b"


class ItemReaderError(ValueError):
    """Input that is not what the reader is to read."""


def listed(s3: S3Client, parameters: Shape) -> Iterator[Shape]:
    """What ``listObjectsV2`` says of each object, in the names of the developer guide."""
    for page in s3.get_paginator("list_objects_v2").paginate(**parameters):
        for entry in page.get("Contents", []):
            yield {
                "Etag": entry["ETag"],
                "Key": entry["Key"],
                "LastModified": int(entry["LastModified"].timestamp()),
                "Size": entry["Size"],
                "StorageClass": entry.get("StorageClass", "STANDARD"),
            }


def items_of_file(s3: S3Client, bucket: str, data: bytes, config: Shape) -> Iterable[Any]:
    """The items of a file.

    Parameters
    ----------
    s3 : client
        Reads the files that a manifest names.
    bucket : str
        Where the file is.
    data : bytes
        The file.
    config : mapping
        ``ReaderConfig``.

    Raises
    ------
    ItemReaderError
        If the file is not of the type.
    """
    kind = config.get("ManifestType") or config["InputType"]
    try:
        if kind == "ATHENA_DATA":
            return _of_athena(s3, bucket, data, config)
        if kind in ("MANIFEST", "S3_INVENTORY"):
            return _of_inventory(s3, data)
        return _of_type(kind, _plain(data), config)
    except (ValueError, KeyError, csv.Error) as error:
        raise ItemReaderError(f"The file is no {kind}: {error}") from error


def limited(items: Iterable[Any], most: int | None) -> list[Any]:
    """The items up to ``MaxItems``, of which none stands for all."""
    return list(itertools.islice(items, most or MOST_ITEMS))


def batches(items: Sequence[Any], most: int | None, most_bytes: int | None, shared: Any) -> list[list[Any]]:
    """Items in batches of at most so many items, and of at most so many bytes of JSON together.

    Raises
    ------
    ItemReaderError
        If one item alone has more bytes.
    """
    batches_of_items: list[list[Any]] = []
    around = _size({"BatchInput": shared, "Items": []} if shared is not None else {"Items": []})
    size = 0
    for item in items:
        bytes_of_item = _size(item) + 1
        if most_bytes is not None and around + bytes_of_item > most_bytes:
            raise ItemReaderError(f"An item has more bytes than the {most_bytes} of a batch")
        is_full = batches_of_items and (
            (most is not None and len(batches_of_items[-1]) >= most)
            or (most_bytes is not None and around + size + bytes_of_item > most_bytes)
        )
        if not batches_of_items or is_full:
            batches_of_items.append([])
            size = 0
        batches_of_items[-1].append(item)
        size += bytes_of_item
    return batches_of_items


def _size(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def _plain(data: bytes) -> bytes:
    return gzip.decompress(data) if data.startswith(_GZIP) else data


def _of_type(kind: str, data: bytes, config: Shape) -> Iterable[Any]:
    match kind:
        case "CSV":
            return _of_csv(data, config)
        case "JSONL":
            return [json.loads(line) for line in data.decode("utf-8-sig").splitlines() if line.strip()]
        case "PARQUET":
            return _of_parquet(data)
        case "JSON":
            return _of_json(data, config.get("ItemsPointer", ""))
    raise ItemReaderError(f"The input type {kind} is not known")


def _of_csv(data: bytes, config: Shape) -> Iterable[Shape]:
    delimiter = _DELIMITERS[config.get("CSVDelimiter", "COMMA")]
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter))
    is_given = config.get("CSVHeaderLocation") == "GIVEN"
    names = config["CSVHeaders"] if is_given else next(iter(rows), [])
    if len(set(names)) < len(names):
        raise ItemReaderError("CSV headers cannot contain duplicates.")
    return [
        dict(itertools.zip_longest(names, row[: len(names)], fillvalue=""))
        for row in (rows if is_given else rows[1:])
        if row
    ]


def _of_json(data: bytes, pointer: str) -> Iterable[Any]:
    value = json.loads(data.decode("utf-8-sig"))
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(name)] if isinstance(value, list) else value[name]
        except (LookupError, TypeError, ValueError) as error:
            raise ItemReaderError(f"The file has nothing at {pointer}") from error
    if isinstance(value, dict):
        return [{"Key": name, "Value": member} for name, member in value.items()]
    if not isinstance(value, list):
        raise ItemReaderError("Attempting to map over non-iterable node.")
    return value


def _of_parquet(data: bytes) -> Iterable[Any]:
    from pyarrow import ArrowInvalid, parquet

    try:
        rows = parquet.read_table(io.BytesIO(data)).to_pylist()
    except ArrowInvalid as error:
        raise ItemReaderError(f"The file is no PARQUET: {error}") from error
    return [_as_json(row) for row in rows]


def _as_json(value: Any) -> Any:
    match value:
        case dict():
            return {str(name): _as_json(member) for name, member in value.items()}
        case list() | tuple():
            return [_as_json(item) for item in value]
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case decimal.Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            return base64.b64encode(value).decode()
    return value


def _of_inventory(s3: S3Client, data: bytes) -> Iterator[Shape]:
    """The objects that an inventory of S3 lists, in the columns of its schema."""
    manifest = json.loads(data)
    if manifest["fileFormat"] != "CSV":
        raise ItemReaderError(f"An inventory is read as CSV, not as {manifest['fileFormat']}")
    names = [name.strip() for name in manifest["fileSchema"].split(",")]
    bucket = manifest["destinationBucket"].removeprefix("arn:aws:s3:::")
    for file in manifest["files"]:
        body = s3.get_object(Bucket=bucket, Key=file["key"])["Body"].read()
        for row in csv.reader(io.StringIO(_plain(body).decode(), newline="")):
            item = dict(zip(names, row, strict=False))
            yield {**item, "Key": unquote_plus(item["Key"])} if "Key" in item else item


def _of_athena(s3: S3Client, bucket: str, data: bytes, config: Shape) -> Iterator[Any]:
    """The rows of the files that an ``UNLOAD`` wrote, which its manifest names."""
    for line in data.decode().splitlines():
        place = urlsplit(line.strip())
        if not place.path:
            continue
        body = s3.get_object(Bucket=place.netloc or bucket, Key=place.path.lstrip("/"))["Body"].read()
        yield from _of_type(config["InputType"], _plain(body), config)
