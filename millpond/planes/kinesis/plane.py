"""Kinesis's API: streams, shards, records and consumers.

Sources: the Kinesis API Reference and "Quotas and limits" in the Kinesis Data Streams Developer Guide. A
stream is active at once, and a shard takes any number of records a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from millpond.planes.common.context import PlaneContext
from millpond.planes.common.paging import Pages
from millpond.planes.kinesis.exceptions import (
    InvalidArgumentException,
    LimitExceededException,
    ResourceInUseException,
    ResourceNotFoundException,
    ValidationException,
)
from millpond.planes.kinesis.iterators import Position, start_of
from millpond.planes.kinesis.shards import MAX_HASH_KEY, Record, Shard, hash_key, take
from millpond.planes.kinesis.streams import DEFAULT_RECORD_KIB, Consumer, Stream

Request = Mapping[str, Any]
Answer = dict[str, Any]

ON_DEMAND_SHARDS = 4
MAX_RECORDS = 500
MAX_GET_RECORDS = 10_000
MEGABYTE = 1024 * 1024
MAX_PUT_BYTES = 10 * MEGABYTE
MAX_GET_BYTES = 10 * MEGABYTE
MAX_TAGS = 50
MAX_CONSUMERS = 20
SUBSCRIPTION_SECONDS = 300.0
SUBSCRIPTION_PAUSE = 0.5
# Not AWS's: what the streams of an account and region may hold here, in memory.
MAX_HELD_BYTES = 512 * MEGABYTE


def _bad_token(token: str) -> InvalidArgumentException:
    return InvalidArgumentException(f"Invalid NextToken: {token}")


_SHARD_PAGES = Pages(_bad_token, 1000)
_PAGES = Pages(_bad_token, 100)


class KinesisPlane:
    """Kinesis of one account and region; a method for each operation, named as botocore's clients name it."""

    KEPT = ("_streams",)

    def __init__(self, context: PlaneContext) -> None:
        self._context = context
        self._streams: dict[str, Stream] = {}
        self._held = 0
        self._lock = threading.RLock()
        self._is_closed = threading.Event()

    def settle(self) -> None:
        """Count what is held, once everything is back."""
        self._held = sum(
            len(record.data)
            for stream in self._streams.values()
            for shard in stream.shards.all.values()
            for record in shard.records
        )

    def close(self) -> None:
        """End the subscriptions."""
        self._is_closed.set()

    # Streams

    def create_stream(self, request: Request) -> Answer:
        name = request["StreamName"]
        mode = request.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED")
        count = ON_DEMAND_SHARDS if mode == "ON_DEMAND" else request.get("ShardCount")
        if not count or count < 1:
            raise ValidationException("ShardCount must be at least 1 for a stream of mode PROVISIONED.")
        record_kib = request.get("MaxRecordSizeInKiB") or DEFAULT_RECORD_KIB
        stream = Stream(name, self._context.arn("kinesis", f"stream/{name}"), mode, record_kib)
        _tag(stream.tags, request.get("Tags") or {})
        with self._lock:
            if name in self._streams:
                raise ResourceInUseException(
                    f"Stream {name} under account {self._context.account_id} already exists."
                )
            stream.shards.divide(count)
            self._streams[name] = stream
        return {}

    def delete_stream(self, request: Request) -> Answer:
        with self._lock:
            stream = self._stream(request)
            if stream.consumers and not request.get("EnforceConsumerDeletion"):
                raise ResourceInUseException(
                    f"Stream {stream.name} under account {self._context.account_id} has registered "
                    "consumers. Deregister them, or set EnforceConsumerDeletion."
                )
            del self._streams[stream.name]
            self.settle()
        return {}

    def describe_stream(self, request: Request) -> Answer:
        stream = self._stream(request)
        shards = self._shards_behind(stream, request.get("ExclusiveStartShardId"))
        limit = request.get("Limit") or 100
        return {
            "StreamDescription": {
                **stream.describe(),
                "Shards": [shard.describe() for shard in shards[:limit]],
                "HasMoreShards": len(shards) > limit,
                "RetentionPeriodHours": stream.retention_hours,
                "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            }
        }

    def describe_stream_summary(self, request: Request) -> Answer:
        stream = self._stream(request)
        return {
            "StreamDescriptionSummary": {
                **stream.describe(),
                "RetentionPeriodHours": stream.retention_hours,
                "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
                "OpenShardCount": len(stream.shards.open),
                "ConsumerCount": len(stream.consumers),
                "MaxRecordSizeInKiB": stream.record_kib,
            }
        }

    def list_streams(self, request: Request) -> Answer:
        streams = sorted(self._streams.values(), key=lambda stream: stream.name)
        start = request.get("NextToken") or request.get("ExclusiveStartStreamName") or ""
        streams = [stream for stream in streams if stream.name > start]
        shown, rest = streams[: request.get("Limit") or 100], streams[request.get("Limit") or 100 :]
        names = ("StreamName", "StreamARN", "StreamStatus", "StreamModeDetails", "StreamCreationTimestamp")
        return {
            "StreamNames": [stream.name for stream in shown],
            "HasMoreStreams": bool(rest),
            **({"NextToken": shown[-1].name} if rest else {}),
            "StreamSummaries": [
                {name: value for name, value in stream.describe().items() if name in names}
                for stream in shown
            ],
        }

    def describe_limits(self, _request: Request) -> Answer:
        streams = self._streams.values()
        return {
            "ShardLimit": 20_000,
            "OpenShardCount": sum(
                len(stream.shards.open) for stream in streams if stream.mode == "PROVISIONED"
            ),
            "OnDemandStreamCount": sum(stream.mode == "ON_DEMAND" for stream in streams),
            "OnDemandStreamCountLimit": 50,
        }

    def increase_stream_retention_period(self, request: Request) -> Answer:
        return self._keep_for(request, lambda old, new: new >= old, "less than")

    def decrease_stream_retention_period(self, request: Request) -> Answer:
        return self._keep_for(request, lambda old, new: new <= old, "more than")

    def _keep_for(self, request: Request, fits: Any, what: str) -> Answer:
        stream, hours = self._stream(request), request["RetentionPeriodHours"]
        if not 24 <= hours <= 8760:
            raise InvalidArgumentException(
                f"Retention period {hours} hours is not between 24 and 8760 hours."
            )
        if not fits(stream.retention_hours, hours):
            raise InvalidArgumentException(
                f"Requested retention period ({hours} hours) for stream {stream.name} can not be {what} the "
                f"existing retention period ({stream.retention_hours} hours)."
            )
        stream.retention_hours = hours
        return {}

    def update_stream_mode(self, request: Request) -> Answer:
        self._stream(request).mode = request["StreamModeDetails"]["StreamMode"]
        return {}

    def update_max_record_size(self, request: Request) -> Answer:
        self._stream(request).record_kib = request["MaxRecordSizeInKiB"]
        return {}

    def start_stream_encryption(self, request: Request) -> Answer:
        self._stream(request).key = request["KeyId"]
        return {}

    def stop_stream_encryption(self, request: Request) -> Answer:
        self._stream(request).key = None
        return {}

    # Shards

    def list_shards(self, request: Request) -> Answer:
        name, _, offset = str(request.get("NextToken") or "").rpartition(" ")
        stream = self._stream({"StreamName": name} if name else request)
        shards = self._shards_behind(stream, request.get("ExclusiveStartShardId"))
        if request.get("ShardFilter", {}).get("Type") in ("AT_LATEST",):
            shards = [shard for shard in shards if shard.is_open]
        page, more = _SHARD_PAGES.page(shards, {**request, "NextToken": offset})
        token = {"NextToken": f"{stream.name} {more['NextToken']}"} if more else {}
        return {"Shards": [shard.describe() for shard in page], **token}

    def split_shard(self, request: Request) -> Answer:
        with self._lock:
            stream = self._provisioned(request)
            shard = self._open_shard(stream, request["ShardToSplit"])
            at = _number(request["NewStartingHashKey"], "NewStartingHashKey")
            if not shard.first < at <= shard.last:
                raise InvalidArgumentException(
                    f"NewStartingHashKey {at} used in SplitShard() on shard {shard.id} in stream "
                    f"{stream.name} under account {self._context.account_id} is not both greater than "
                    f"one plus the shard's StartingHashKey {shard.first} and less than the shard's "
                    f"EndingHashKey {shard.last}."
                )
            stream.shards.split(shard, at)
        return {}

    def merge_shards(self, request: Request) -> Answer:
        with self._lock:
            stream = self._provisioned(request)
            shard = self._open_shard(stream, request["ShardToMerge"])
            adjacent = self._open_shard(stream, request["AdjacentShardToMerge"])
            if shard.last + 1 != adjacent.first and adjacent.last + 1 != shard.first:
                raise InvalidArgumentException(
                    f"Shards {shard.id} and {adjacent.id} in stream {stream.name} under account "
                    f"{self._context.account_id} are not an adjacent pair of shards eligible for merging"
                )
            stream.shards.merge(shard, adjacent)
        return {}

    def update_shard_count(self, request: Request) -> Answer:
        with self._lock:
            stream, target = self._provisioned(request), request["TargetShardCount"]
            current = len(stream.shards.open)
            if not current / 2 <= target <= current * 2:
                raise LimitExceededException(
                    f"UpdateShardCount cannot go from {current} to {target} shards at a time."
                )
            stream.shards.resize(target)
        return {
            "StreamName": stream.name,
            "StreamARN": stream.arn,
            "CurrentShardCount": current,
            "TargetShardCount": target,
        }

    # Records

    def put_record(self, request: Request) -> Answer:
        stream = self._stream(request)
        record, shard = self._put(stream, request)
        return {"ShardId": shard.id, "SequenceNumber": str(record.sequence), **_encryption(stream)}

    def put_records(self, request: Request) -> Answer:
        stream, entries = self._stream(request), request["Records"]
        if not 1 <= len(entries) <= MAX_RECORDS:
            raise ValidationException(f"Records must be 1 to {MAX_RECORDS}, and are {len(entries)}.")
        if sum(_size(entry) for entry in entries) > MAX_PUT_BYTES:
            raise InvalidArgumentException("Records size exceeds 10 MB limit")
        for entry in entries:
            self._refuse_large(stream, entry)
        put = [self._put(stream, entry) for entry in entries]
        return {
            "FailedRecordCount": 0,
            "Records": [
                {"SequenceNumber": str(record.sequence), "ShardId": shard.id} for record, shard in put
            ],
            **_encryption(stream),
        }

    def get_shard_iterator(self, request: Request) -> Answer:
        stream = self._stream(request)
        shard = self._shard(stream, request["ShardId"])
        after = start_of(shard, request["ShardIteratorType"], request)
        return {"ShardIterator": _position(stream, shard, after).token()}

    def get_records(self, request: Request) -> Answer:
        position = Position.of(request["ShardIterator"])
        limit = request.get("Limit") or MAX_GET_RECORDS
        if limit > MAX_GET_RECORDS:
            raise InvalidArgumentException(f"Limit must be {MAX_GET_RECORDS} at most, and is {limit}.")
        with self._lock:
            stream = self._stream({"StreamARN": position.stream_arn})
            if stream.created.timestamp() != position.created:
                raise ResourceNotFoundException(
                    f"Stream {stream.name} is another one than that of the iterator."
                )
            return self._read(stream, self._shard(stream, position.shard_id), position.after, limit)

    def _read(self, stream: Stream, shard: Shard, after: int, limit: int) -> Answer:
        """The records behind a sequence number; no iterator once a closed shard is read to its end."""
        self._forget(stream)
        rest = shard.records[shard.after(after) :]
        taken = take(rest, limit, MAX_GET_BYTES)
        is_at_end = len(taken) == len(rest)
        answer: Answer = {
            "Records": [_described(record, stream) for record in taken],
            "MillisBehindLatest": 0 if is_at_end else _age_ms(rest[len(taken)]),
        }
        if is_at_end and not shard.is_open:
            answer["ChildShards"] = _children(stream, shard)
        else:
            answer["NextShardIterator"] = _position(
                stream, shard, taken[-1].sequence if taken else after
            ).token()
        return answer

    def subscribe_to_shard(self, request: Request) -> Answer:
        stream, _ = self._consumer({"ConsumerARN": request["ConsumerARN"]})
        shard = self._shard(stream, request["ShardId"])
        start = request["StartingPosition"]
        after = start_of(shard, start["Type"], start)
        return {"EventStream": self._events(stream.arn, shard, after)}

    def _events(self, stream_arn: str, shard: Shard, after: int) -> Iterator[Answer]:
        """What arrives, for five minutes or until the shard ends or the stream is deleted."""
        end = time.monotonic() + SUBSCRIPTION_SECONDS
        while time.monotonic() < end and not self._is_closed.is_set():
            with self._lock:
                stream = self._stream({"StreamARN": stream_arn})
                answer = self._read(stream, shard, after, MAX_GET_RECORDS)
            records = answer["Records"]
            after = int(records[-1]["SequenceNumber"]) if records else after
            children = answer.get("ChildShards")
            yield {
                "SubscribeToShardEvent": {
                    "Records": records,
                    "ContinuationSequenceNumber": str(after or shard.starting),
                    "MillisBehindLatest": answer["MillisBehindLatest"],
                    **({"ChildShards": children} if children else {}),
                }
            }
            if children is not None:
                return
            if not records:
                self._is_closed.wait(SUBSCRIPTION_PAUSE)

    def _put(self, stream: Stream, entry: Request) -> tuple[Record, Shard]:
        self._refuse_large(stream, entry)
        key = entry["PartitionKey"]
        if not 1 <= len(key) <= 256:
            raise ValidationException("PartitionKey must have 1 to 256 characters.")
        explicit = entry.get("ExplicitHashKey")
        place = hash_key(key) if explicit is None else _number(explicit, "ExplicitHashKey")
        if place > MAX_HASH_KEY:
            raise InvalidArgumentException(
                "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
                f"Specified value was {place}"
            )
        with self._lock:
            self._forget(stream)
            data = bytes(entry["Data"])
            if self._held + len(data) > MAX_HELD_BYTES:
                raise LimitExceededException(
                    f"The streams of this account and region hold {self._held} bytes, and Millpond keeps "
                    f"{MAX_HELD_BYTES} in memory: delete streams that are not needed."
                )
            shard = stream.shards.of_hash(place)
            record = Record(stream.shards.next_sequence(), key, data, datetime.now(UTC))
            shard.records.append(record)
            self._held += len(data)
        return record, shard

    def _refuse_large(self, stream: Stream, entry: Request) -> None:
        if _size(entry) > stream.record_kib * 1024:
            raise ValidationException(
                "1 validation error detected: Value at 'data' failed to satisfy constraint: Member must "
                f"have length less than or equal to {stream.record_kib * 1024}."
            )

    def _forget(self, stream: Stream) -> None:
        self._held -= stream.shards.forget(stream.retention)

    # Consumers

    def register_stream_consumer(self, request: Request) -> Answer:
        name = request["ConsumerName"]
        with self._lock:
            stream = self._stream(request)
            if name in stream.consumers:
                raise ResourceInUseException(f"Consumer {name} of stream {stream.name} already exists.")
            if len(stream.consumers) >= MAX_CONSUMERS:
                raise LimitExceededException(f"Stream {stream.name} has {MAX_CONSUMERS} consumers already.")
            created = datetime.now(UTC).replace(microsecond=0)
            arn = f"{stream.arn}/consumer/{name}:{created.timestamp():.0f}"
            consumer = stream.consumers[name] = Consumer(name, arn, stream.arn, created)
        return {"Consumer": {**consumer.describe(), "ConsumerStatus": "CREATING"}}

    def describe_stream_consumer(self, request: Request) -> Answer:
        _, consumer = self._consumer(request)
        return {"ConsumerDescription": {**consumer.describe(), "StreamARN": consumer.stream_arn}}

    def deregister_stream_consumer(self, request: Request) -> Answer:
        with self._lock:
            stream, consumer = self._consumer(request)
            del stream.consumers[consumer.name]
        return {}

    def list_stream_consumers(self, request: Request) -> Answer:
        consumers = sorted(self._stream(request).consumers.values(), key=lambda consumer: consumer.name)
        page, more = _PAGES.page(consumers, request)
        return {"Consumers": [consumer.describe() for consumer in page], **more}

    # Tags and policies

    def add_tags_to_stream(self, request: Request) -> Answer:
        _tag(self._stream(request).tags, request["Tags"])
        return {}

    def remove_tags_from_stream(self, request: Request) -> Answer:
        tags = self._stream(request).tags
        for key in request["TagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_stream(self, request: Request) -> Answer:
        tags = _described_tags(self._stream(request).tags)
        start, limit = request.get("ExclusiveStartTagKey") or "", request.get("Limit") or MAX_TAGS
        behind = [tag for tag in tags if tag["Key"] > start]
        return {"Tags": behind[:limit], "HasMoreTags": len(behind) > limit}

    def tag_resource(self, request: Request) -> Answer:
        return self.add_tags_to_stream({"StreamARN": request["ResourceARN"], "Tags": request["Tags"]})

    def untag_resource(self, request: Request) -> Answer:
        return self.remove_tags_from_stream(
            {"StreamARN": request["ResourceARN"], "TagKeys": request["TagKeys"]}
        )

    def list_tags_for_resource(self, request: Request) -> Answer:
        return {"Tags": _described_tags(self._stream({"StreamARN": request["ResourceARN"]}).tags)}

    def policy_of(self, name: str) -> str | None:
        """The policy of a stream; None if it has none, or there is no such stream."""
        stream = self._streams.get(name)
        return stream.policy if stream else None

    def put_resource_policy(self, request: Request) -> Answer:
        self._stream({"StreamARN": request["ResourceARN"]}).policy = request["Policy"]
        return {}

    def get_resource_policy(self, request: Request) -> Answer:
        return {"Policy": self._stream({"StreamARN": request["ResourceARN"]}).policy or "{}"}

    def delete_resource_policy(self, request: Request) -> Answer:
        stream = self._stream({"StreamARN": request["ResourceARN"]})
        if stream.policy is None:
            raise ResourceNotFoundException(f"No resource policy found for resource ARN {stream.arn}")
        stream.policy = None
        return {}

    # What a request names

    def _stream(self, request: Request) -> Stream:
        arn = request.get("StreamARN")
        name = request.get("StreamName") or (arn or "").partition(":stream/")[2].partition("/")[0]
        if not name:
            raise InvalidArgumentException("Either StreamName or StreamARN should be present.")
        stream = self._streams.get(name)
        if stream is None or (arn and not arn.startswith(stream.arn)):
            raise ResourceNotFoundException(
                f"Stream {name} under account {self._context.account_id} not found."
            )
        return stream

    def _provisioned(self, request: Request) -> Stream:
        stream = self._stream(request)
        if stream.mode == "ON_DEMAND":
            raise ValidationException(
                f"Request is invalid. Stream {stream.name} under account {self._context.account_id} is in "
                "On-Demand mode."
            )
        return stream

    def _shard(self, stream: Stream, shard_id: str) -> Shard:
        shard = stream.shards.all.get(shard_id)
        if shard is None:
            raise ResourceNotFoundException(
                f"Shard {shard_id} in stream {stream.name} under account {self._context.account_id} does "
                "not exist"
            )
        return shard

    def _open_shard(self, stream: Stream, shard_id: str) -> Shard:
        shard = self._shard(stream, shard_id)
        if not shard.is_open:
            raise ResourceInUseException(
                f"Shard {shard_id} in stream {stream.name} under account {self._context.account_id} has "
                "already been merged or split, and thus is not eligible for merging or splitting."
            )
        return shard

    def _shards_behind(self, stream: Stream, shard_id: str | None) -> list[Shard]:
        with self._lock:
            self._forget(stream)
            return [shard for shard in stream.shards.all.values() if shard.id > (shard_id or "")]

    def _consumer(self, request: Request) -> tuple[Stream, Consumer]:
        arn = request.get("ConsumerARN")
        stream = self._stream({"StreamARN": request.get("StreamARN") or arn})
        for consumer in stream.consumers.values():
            if consumer.arn == arn or (not arn and consumer.name == request.get("ConsumerName")):
                return stream, consumer
        raise ResourceNotFoundException(
            f"Consumer {arn or request.get('ConsumerName')}, account {self._context.account_id} not found."
        )


def _described(record: Record, stream: Stream) -> Answer:
    return {
        "SequenceNumber": str(record.sequence),
        "ApproximateArrivalTimestamp": record.arrived,
        "Data": record.data,
        "PartitionKey": record.partition_key,
        **_encryption(stream),
    }


def _encryption(stream: Stream) -> dict[str, str]:
    return {"EncryptionType": "KMS"} if stream.key else {}


def _children(stream: Stream, shard: Shard) -> list[Answer]:
    return [
        {"ShardId": child.id, "ParentShards": child.parents, "HashKeyRange": child.describe()["HashKeyRange"]}
        for child in stream.shards.all.values()
        if shard.id in child.parents
    ]


def _position(stream: Stream, shard: Shard, after: int) -> Position:
    return Position(stream.arn, stream.created.timestamp(), shard.id, after)


def _age_ms(record: Record) -> int:
    return int((datetime.now(UTC) - record.arrived).total_seconds() * 1000)


def _size(entry: Request) -> int:
    return len(entry["Data"]) + len(entry["PartitionKey"].encode())


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise InvalidArgumentException(f"{name} {text} is no number.")
    return int(text)


def _tag(tags: dict[str, str], added: Mapping[str, str]) -> None:
    if len({**tags, **added}) > MAX_TAGS:
        raise InvalidArgumentException(f"A stream has at most {MAX_TAGS} tags.")
    tags.update(added)


def _described_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]
