"""DynamoDB Streams: a record for each change of an item, and the API that reads them.

Source: "Change data capture for DynamoDB Streams" in the DynamoDB Developer Guide and the DynamoDB Streams
API Reference: a write that changes nothing makes no record, images are there as the stream's view type says
and where there is such an item, records are kept for 24 hours. A stream has one shard here. moto keeps the
stream with its table; its records lack regions and types, an item that is updated into being has two, and a
table whose stream was switched off can be written no more.
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from localstack.aws.api import CommonServiceException, RequestContext
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import StreamShard, Table

from millpond.localstack_ext.engine import patches

KEPT_SECONDS = 24 * 3600
# Not AWS's: as many records of a table are kept in memory, later ones push the oldest out.
KEPT_RECORDS = 100_000
ITERATOR_SECONDS = 15 * 60
MAX_RECORDS = 1000

Handler = Callable[[RequestContext, Any], Any]


def install_records() -> None:
    """Write records as DynamoDB does."""

    def add(self: StreamShard, old: Item | None, new: Item | None) -> None:
        specification = self.table.stream_specification or {}
        if specification.get("StreamEnabled"):
            _add(self, _attributes(old), _attributes(new), specification["StreamViewType"])

    patches.replace(StreamShard, "add", add)


def _attributes(item: Item | None) -> dict[str, Any] | None:
    return None if item is None else copy.deepcopy(item.to_json()["Attributes"])


def _add(shard: StreamShard, old: dict[str, Any] | None, new: dict[str, Any] | None, view: str) -> None:
    if old == new:
        return
    records: list[Any] = shard.items
    keys = {name: (new or old or {})[name] for name in shard.table.table_key_attrs}
    sequence = _sequence(records[-1]) + 1 if records else shard.starting_sequence_number
    # moto first puts the key of an item that an update makes: there is nothing between.
    if old is None and records and _is_insert_of(records[-1], keys):
        sequence = _sequence(records.pop())
    images = {"OldImage": old} if view in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES") and old is not None else {}
    if view in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES") and new is not None:
        images["NewImage"] = new
    records.append(
        {
            "eventID": uuid.uuid4().hex,
            "eventName": "INSERT" if old is None else "REMOVE" if new is None else "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": shard.table.region_name,
            "dynamodb": {
                # Whole seconds, as DynamoDB tells them.
                "ApproximateCreationDateTime": int(time.time()),
                "Keys": keys,
                **images,
                "SequenceNumber": str(sequence),
                "SizeBytes": sum(_size_of_item(image) for image in (keys, *images.values())),
                "StreamViewType": view,
            },
        }
    )
    oldest = time.time() - KEPT_SECONDS
    while len(records) > KEPT_RECORDS or records[0]["dynamodb"]["ApproximateCreationDateTime"] < oldest:
        del records[0]


def _is_insert_of(record: Mapping[str, Any], keys: Mapping[str, Any]) -> bool:
    return bool(record["eventName"] == "INSERT" and record["dynamodb"]["Keys"] == keys)


def _sequence(record: Mapping[str, Any]) -> int:
    return int(record["dynamodb"]["SequenceNumber"])


def _size_of_item(attributes: Mapping[str, Any]) -> int:
    return sum(len(name.encode()) + _size(value) for name, value in attributes.items())


def _size(value: Mapping[str, Any]) -> int:
    """Bytes of a value ("DynamoDB item sizes and formats" in the Developer Guide)."""
    ((kind, content),) = value.items()
    if kind == "M":
        return 3 + sum(len(name.encode()) + _size(member) + 1 for name, member in content.items())
    if kind == "L":
        return 3 + sum(_size(item) + 1 for item in content)
    if kind in ("SS", "NS", "BS"):
        return sum(_size({kind[0]: item}) for item in content)
    if kind == "N":
        return len(str(content).replace(".", "").strip("-0")) // 2 + 1
    if kind == "B":
        return len(base64.b64decode(content))
    return len(content.encode()) if kind == "S" else 1


def stream_handlers() -> dict[str, Handler]:
    """The four operations of DynamoDB Streams."""
    return {
        "DescribeStream": _describe_stream,
        "GetRecords": _get_records,
        "GetShardIterator": _get_shard_iterator,
        "ListStreams": _list_streams,
    }


def _list_streams(context: RequestContext, request: Any) -> dict[str, Any]:
    limit = request.get("Limit") or 100
    tables = _tables(context).values()
    streams = sorted(
        (_arn(table), table.name, table.latest_stream_label)
        for table in tables
        if table.latest_stream_label and request.get("TableName") in (None, table.name)
    )
    start = request.get("ExclusiveStartStreamArn") or ""
    streams = [stream for stream in streams if stream[0] > start]
    names = ("StreamArn", "TableName", "StreamLabel")
    answer: dict[str, Any] = {
        "Streams": [dict(zip(names, stream, strict=True)) for stream in streams[:limit]]
    }
    return {**answer, "LastEvaluatedStreamArn": streams[limit - 1][0]} if len(streams) > limit else answer


def _describe_stream(context: RequestContext, request: Any) -> dict[str, Any]:
    table, shard = _stream(context, request["StreamArn"])
    specification = table.stream_specification or {}
    is_enabled = bool(specification.get("StreamEnabled"))
    last = {} if is_enabled or not shard.items else {"EndingSequenceNumber": str(_last(shard))}
    view = specification.get("StreamViewType") or (shard.items and _view(shard)) or "KEYS_ONLY"
    start = {"StartingSequenceNumber": str(shard.starting_sequence_number)}
    is_behind = (request.get("ExclusiveStartShardId") or "") >= shard.id
    shards = [] if is_behind else [{"ShardId": shard.id, "SequenceNumberRange": {**start, **last}}]
    return {
        "StreamDescription": {
            "StreamArn": _arn(table),
            "StreamLabel": table.latest_stream_label,
            "StreamStatus": "ENABLED" if is_enabled else "DISABLED",
            "StreamViewType": view,
            "CreationRequestDateTime": shard.created_on,
            "TableName": table.name,
            "KeySchema": table.schema,
            "Shards": shards,
        }
    }


def _get_shard_iterator(context: RequestContext, request: Any) -> dict[str, Any]:
    arn = request["StreamArn"]
    _, shard = _stream(context, arn)
    if request["ShardId"] != shard.id:
        _refuse(
            "ResourceNotFoundException",
            f"Requested resource not found: Shard: {request['ShardId']} not found",
        )
    kind, text = request["ShardIteratorType"], request.get("SequenceNumber")
    if kind == "TRIM_HORIZON":
        after = 0
    elif kind == "LATEST":
        after = _last(shard)
    elif not text or not str(text).isdecimal():
        _refuse("ValidationException", f"Invalid SequenceNumber for iterator type {kind}: {text}")
    else:
        after = int(text) - (kind == "AT_SEQUENCE_NUMBER")
        if shard.items and after + 1 < _sequence(_plain(shard.items[0])):
            _refuse("TrimmedDataAccessException", "The operation attempted to read past the oldest record")
    return {"ShardIterator": _token(arn, after)}


def _get_records(context: RequestContext, request: Any) -> dict[str, Any]:
    limit = request.get("Limit") or MAX_RECORDS
    if not 1 <= limit <= MAX_RECORDS:
        _refuse("ValidationException", f"Limit must be 1 to {MAX_RECORDS}, and is {limit}.")
    arn, after = _read_token(request["ShardIterator"])
    table, shard = _stream(context, arn)
    behind = (item for item in map(_plain, list(shard.items)) if _sequence(item) > after)
    records = list(itertools.islice(behind, limit))
    after = _sequence(records[-1]) if records else after
    answer: dict[str, Any] = {"Records": [_parsed_record(record) for record in records]}
    is_at_end = after >= _last(shard)
    if (table.stream_specification or {}).get("StreamEnabled") or not is_at_end:
        answer["NextShardIterator"] = _token(arn, after)
    return answer


def _parsed_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as botocore has it: bytes for binary values, a moment for the time."""
    change = dict(record["dynamodb"])
    change["ApproximateCreationDateTime"] = datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC)
    for name in ("Keys", "OldImage", "NewImage"):
        if name in change:
            change[name] = {key: _parsed(value) for key, value in change[name].items()}
    return {**record, "dynamodb": change}


def _parsed(value: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, content),) = value.items()
    if kind == "B":
        content = base64.b64decode(content)
    elif kind == "BS":
        content = [base64.b64decode(text) for text in content]
    elif kind == "M":
        content = {name: _parsed(member) for name, member in content.items()}
    elif kind == "L":
        content = [_parsed(item) for item in content]
    return {kind: content}


def _plain(record: Any) -> dict[str, Any]:
    plain: dict[str, Any] = record
    return plain


def _view(shard: StreamShard) -> Any:
    return _plain(shard.items[-1])["dynamodb"]["StreamViewType"]


def _last(shard: StreamShard) -> int:
    return _sequence(_plain(shard.items[-1])) if shard.items else shard.starting_sequence_number - 1


def _tables(context: RequestContext) -> Mapping[str, Table]:
    tables: Mapping[str, Table] = dynamodb_backends[context.account_id][context.region].tables
    return tables


def _arn(table: Table) -> str:
    return f"{table.table_arn}/stream/{table.latest_stream_label}"


def _stream(context: RequestContext, arn: str) -> tuple[Table, StreamShard]:
    table = _tables(context).get(arn.partition(":table/")[2].partition("/")[0])
    if table is None or table.stream_shard is None or _arn(table) != arn:
        _refuse("ResourceNotFoundException", f"Requested resource not found: Stream: {arn} not found")
    return table, table.stream_shard


def _token(arn: str, after: int) -> str:
    content = base64.b64encode(json.dumps([after, time.time()]).encode()).decode()
    return f"{arn}|1|{content}"


def _read_token(token: str) -> tuple[str, int]:
    arn, _, content = token.rpartition("|1|")
    try:
        after, issued = json.loads(base64.b64decode(content, validate=True))
        after, age = int(after), time.time() - float(issued)
    except (ValueError, TypeError):
        _refuse("ValidationException", "Invalid ShardIterator")
    if age > ITERATOR_SECONDS:
        _refuse("ExpiredIteratorException", "The shard iterator has expired: get another one.")
    return arn, after


def _refuse(code: str, message: str) -> NoReturn:
    raise CommonServiceException(code, message, sender_fault=True)
