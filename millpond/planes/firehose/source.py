"""Reads the Kinesis stream of a delivery stream, from where it stood when that was made."""

from __future__ import annotations

import time
from typing import Any

from botocore.exceptions import ClientError

from millpond.planes.firehose.exceptions import ResourceNotFoundException
from millpond.planes.firehose.streams import DeliveryStream, Waiting

FINISHED = "finished"


class KinesisReader:
    """A reader of every shard.

    Parameters
    ----------
    stream : DeliveryStream
        Whose source; its ``positions`` say where each shard is.
    kinesis : client
        Of the account and region of the source.
    """

    def __init__(self, stream: DeliveryStream, kinesis: Any) -> None:
        self._stream = stream
        self._kinesis = kinesis
        self._arn = (stream.source or {})["KinesisStreamARN"]
        self._iterators: dict[str, str] = {}

    def begin(self) -> None:
        """Note where the shards stand now.

        Raises
        ------
        ResourceNotFoundException
            If there is no such stream.
        """
        try:
            shards = self._shards()
        except ClientError as error:
            raise ResourceNotFoundException(f"Kinesis Stream with ARN {self._arn} not found") from error
        now = time.time()
        for name in (shard["ShardId"] for shard in shards):
            # The iterator is exact; the time, which botocore cuts to seconds, is for after a restart.
            self._iterators[name] = self._iterator(name, {"ShardIteratorType": "LATEST"})
            self._stream.positions[name] = f"at {now}"

    def read(self) -> list[Waiting]:
        """What is new in the shards whose parents are read to their end."""
        records: list[Waiting] = []
        positions = self._stream.positions
        for shard in self._shards():
            name = shard["ShardId"]
            parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
            if positions.get(name) == FINISHED or any(
                parent in positions and positions[parent] != FINISHED for parent in parents if parent
            ):
                continue
            records += self._read(name)
        return records

    def _shards(self) -> list[dict[str, Any]]:
        pages = self._kinesis.get_paginator("list_shards").paginate(StreamARN=self._arn)
        return [shard for page in pages for shard in page["Shards"]]

    def _read(self, shard: str) -> list[Waiting]:
        try:
            iterator = self._iterators.get(shard) or self._iterator(shard, self._start_of(shard))
            answer = self._kinesis.get_records(ShardIterator=iterator)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExpiredIteratorException":
                raise
            self._iterators.pop(shard, None)
            return []
        records = answer["Records"]
        if records:
            self._stream.positions[shard] = records[-1]["SequenceNumber"]
        self._iterators[shard] = answer.get("NextShardIterator", "")
        if not self._iterators[shard]:
            self._stream.positions[shard] = FINISHED
        return [_waiting(record, shard) for record in records]

    def _start_of(self, shard: str) -> dict[str, Any]:
        position = self._stream.positions.get(shard)
        if position is None:
            return {"ShardIteratorType": "TRIM_HORIZON"}
        if position.startswith("at "):
            return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": float(position[3:])}
        return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": position}

    def _iterator(self, shard: str, start: dict[str, Any]) -> str:
        answer = self._kinesis.get_shard_iterator(StreamARN=self._arn, ShardId=shard, **start)
        iterator: str = answer["ShardIterator"]
        return iterator


def _waiting(record: dict[str, Any], shard: str) -> Waiting:
    arrived = record["ApproximateArrivalTimestamp"].timestamp()
    metadata = {
        "shardId": shard,
        "partitionKey": record["PartitionKey"],
        "approximateArrivalTimestamp": int(arrived * 1000),
        "sequenceNumber": record["SequenceNumber"],
        "subsequenceNumber": "",
    }
    return Waiting(record["Data"], arrived, f"{record['SequenceNumber']}0000", metadata)
