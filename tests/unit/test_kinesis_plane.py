"""The Kinesis plane without an engine: records, shards that are split and merged, iterators, limits."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.common.errors import AwsError
from millpond.planes.kinesis import KinesisPlane
from millpond.planes.kinesis import plane as module
from millpond.planes.kinesis.shards import MAX_HASH_KEY, Record


@pytest.fixture
def kinesis(tmp_path: Path) -> Iterator[KinesisPlane]:
    tools = Tools(*[tmp_path] * 6, {})
    plane = KinesisPlane(PlaneContext("http://127.0.0.1:1", "eu-west-1", "111122223333", tmp_path, tools))
    plane.create_stream({"StreamName": "s", "ShardCount": 2})
    yield plane
    plane.close()


def shards(kinesis: KinesisPlane) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = kinesis.list_shards({"StreamName": "s"})["Shards"]
    return listed


def read(kinesis: KinesisPlane, shard: str, kind: str = "TRIM_HORIZON", **more: Any) -> list[bytes]:
    request = {"StreamName": "s", "ShardId": shard, "ShardIteratorType": kind, **more}
    iterator = kinesis.get_shard_iterator(request)["ShardIterator"]
    return [record["Data"] for record in kinesis.get_records({"ShardIterator": iterator})["Records"]]


def put(kinesis: KinesisPlane, data: bytes, key: str = "k", **more: Any) -> dict[str, Any]:
    return kinesis.put_record({"StreamName": "s", "Data": data, "PartitionKey": key, **more})


def test_ranges_of_a_new_stream_cover_every_hash_key(kinesis: KinesisPlane) -> None:
    ranges = [shard["HashKeyRange"] for shard in shards(kinesis)]
    assert [(hash_range["StartingHashKey"], hash_range["EndingHashKey"]) for hash_range in ranges] == [
        ("0", str(2**127 - 1)),
        (str(2**127), str(MAX_HASH_KEY)),
    ]


def test_records_go_by_the_hash_of_their_key_and_keep_their_order(kinesis: KinesisPlane) -> None:
    first = [put(kinesis, b"%d" % n) for n in range(5)]
    assert len({record["ShardId"] for record in first}) == 1
    numbers = [record["SequenceNumber"] for record in first]
    assert numbers == sorted(numbers)
    assert {len(number) for number in numbers} == {56}
    assert read(kinesis, first[0]["ShardId"]) == [b"0", b"1", b"2", b"3", b"4"]
    low = put(kinesis, b"low", ExplicitHashKey="0")["ShardId"]
    high = put(kinesis, b"high", ExplicitHashKey=str(MAX_HASH_KEY))["ShardId"]
    assert (low, high) == ("shardId-000000000000", "shardId-000000000001")


def test_iterators_begin_where_they_say(kinesis: KinesisPlane) -> None:
    first, two = put(kinesis, b"one"), put(kinesis, b"two")
    shard, number = first["ShardId"], two["SequenceNumber"]
    assert read(kinesis, shard, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=number) == [b"two"]
    assert read(kinesis, shard, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=first["SequenceNumber"]) == [
        b"two"
    ]
    assert read(kinesis, shard, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=number) == []
    assert read(kinesis, shard, "AT_TIMESTAMP", Timestamp=datetime.now(UTC) - timedelta(hours=1)) == [
        b"one",
        b"two",
    ]
    assert read(kinesis, shard, "AT_TIMESTAMP", Timestamp=time.time() + 60) == []
    latest = kinesis.get_shard_iterator({"StreamName": "s", "ShardId": shard, "ShardIteratorType": "LATEST"})[
        "ShardIterator"
    ]
    put(kinesis, b"three")
    answer = kinesis.get_records({"ShardIterator": latest, "Limit": 1})
    assert [record["Data"] for record in answer["Records"]] == [b"three"]
    assert kinesis.get_records({"ShardIterator": answer["NextShardIterator"]})["Records"] == []


def test_a_split_shard_keeps_its_records_and_ends_with_its_children(kinesis: KinesisPlane) -> None:
    parent = put(kinesis, b"before")["ShardId"]
    described = next(
        described_shard for described_shard in shards(kinesis) if described_shard["ShardId"] == parent
    )
    middle = (
        int(described["HashKeyRange"]["StartingHashKey"]) + int(described["HashKeyRange"]["EndingHashKey"])
    ) // 2
    kinesis.split_shard({"StreamName": "s", "ShardToSplit": parent, "NewStartingHashKey": str(middle)})
    after = put(kinesis, b"after")["ShardId"]
    iterator = kinesis.get_shard_iterator(
        {"StreamName": "s", "ShardId": parent, "ShardIteratorType": "TRIM_HORIZON"}
    )["ShardIterator"]
    answer = kinesis.get_records({"ShardIterator": iterator})
    assert [record["Data"] for record in answer["Records"]] == [b"before"]
    assert "NextShardIterator" not in answer
    children = [child["ShardId"] for child in answer["ChildShards"]]
    assert after in children
    assert [child["ParentShardId"] for child in shards(kinesis) if child["ShardId"] in children] == [
        parent
    ] * 2
    assert (
        kinesis.describe_stream_summary({"StreamName": "s"})["StreamDescriptionSummary"]["OpenShardCount"]
        == 3
    )
    kinesis.merge_shards(
        {"StreamName": "s", "ShardToMerge": children[0], "AdjacentShardToMerge": children[1]}
    )
    merged = shards(kinesis)[-1]
    assert (merged["ParentShardId"], merged["AdjacentParentShardId"]) == tuple(children)
    assert merged["HashKeyRange"] == described["HashKeyRange"]


@pytest.mark.parametrize("target", [1, 3, 4])
def test_a_stream_is_resized_without_a_gap(kinesis: KinesisPlane, target: int) -> None:
    kinesis.update_shard_count(
        {"StreamName": "s", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"}
    )
    ranges = sorted(
        (int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"]))
        for shard in shards(kinesis)
        if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
    )
    assert len(ranges) == target
    assert (ranges[0][0], ranges[-1][1]) == (0, MAX_HASH_KEY)
    assert all(lower[1] + 1 == higher[0] for lower, higher in itertools.pairwise(ranges))


def test_records_are_kept_as_long_as_the_stream_says(kinesis: KinesisPlane) -> None:
    old = put(kinesis, b"old")["ShardId"]
    shard = kinesis._streams["s"].shards.all[old]
    shard.records[0] = Record(shard.records[0].sequence, "k", b"old", datetime.now(UTC) - timedelta(hours=25))
    kinesis.increase_stream_retention_period({"StreamName": "s", "RetentionPeriodHours": 48})
    assert read(kinesis, old) == [b"old"]
    kinesis.decrease_stream_retention_period({"StreamName": "s", "RetentionPeriodHours": 24})
    assert read(kinesis, old) == []


def test_a_subscription_gives_what_arrives_and_ends_with_its_shard(kinesis: KinesisPlane) -> None:
    arn = "arn:aws:kinesis:eu-west-1:111122223333:stream/s"
    consumer = kinesis.register_stream_consumer({"StreamARN": arn, "ConsumerName": "c"})["Consumer"]
    shard = put(kinesis, b"one")["ShardId"]
    events = kinesis.subscribe_to_shard(
        {
            "ConsumerARN": consumer["ConsumerARN"],
            "ShardId": shard,
            "StartingPosition": {"Type": "TRIM_HORIZON"},
        }
    )["EventStream"]
    first = next(events)["SubscribeToShardEvent"]
    assert [record["Data"] for record in first["Records"]] == [b"one"]
    kinesis.update_shard_count({"StreamName": "s", "TargetShardCount": 1})
    last = next(events)["SubscribeToShardEvent"]
    assert [child["ParentShards"] for child in last["ChildShards"]] == [
        ["shardId-000000000000", "shardId-000000000001"]
    ]
    assert list(events) == []


@pytest.mark.parametrize(
    ("call", "request_", "code"),
    [
        ("create_stream", {"StreamName": "s", "ShardCount": 1}, "ResourceInUseException"),
        ("create_stream", {"StreamName": "t"}, "ValidationException"),
        ("describe_stream", {"StreamName": "t"}, "ResourceNotFoundException"),
        ("describe_stream", {}, "InvalidArgumentException"),
        ("get_records", {"ShardIterator": "no"}, "InvalidArgumentException"),
        ("put_record", {"StreamName": "s", "Data": b"x" * 1048577, "PartitionKey": "k"},
         "ValidationException"),
        ("put_record", {"StreamName": "s", "Data": b"x", "PartitionKey": "k", "ExplicitHashKey": str(2**128)},
         "InvalidArgumentException"),
        ("put_records", {"StreamName": "s", "Records": [{"Data": b"", "PartitionKey": "k"}] * 501},
         "ValidationException"),
        ("split_shard", {"StreamName": "s", "ShardToSplit": "shardId-000000000000",
                         "NewStartingHashKey": "0"},
         "InvalidArgumentException"),
        ("update_shard_count", {"StreamName": "s", "TargetShardCount": 9}, "LimitExceededException"),
        ("decrease_stream_retention_period", {"StreamName": "s", "RetentionPeriodHours": 30},
         "InvalidArgumentException"),
        ("get_shard_iterator", {"StreamName": "s", "ShardId": "shardId-000000000009",
                                "ShardIteratorType": "LATEST"}, "ResourceNotFoundException"),
    ],
)  # fmt: skip
def test_what_kinesis_refuses_is_refused(
    kinesis: KinesisPlane, call: str, request_: dict[str, Any], code: str
) -> None:
    with pytest.raises(AwsError) as caught:
        getattr(kinesis, call)(request_)
    assert caught.value.code == code


def test_what_is_held_in_memory_is_bounded(kinesis: KinesisPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HELD_BYTES", 10)
    put(kinesis, b"12345678")
    with pytest.raises(AwsError, match="hold 8 bytes"):
        put(kinesis, b"12345678")
    kinesis.delete_stream({"StreamName": "s"})
    kinesis.create_stream({"StreamName": "s", "ShardCount": 1})
    put(kinesis, b"12345678")
