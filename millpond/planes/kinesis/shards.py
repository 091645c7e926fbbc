"""Shards: ranges of hash keys with their records, split and merged.

Sources: "Amazon Kinesis Data Streams terminology and concepts" and "Reshard a stream" in the Kinesis Data
Streams Developer Guide: a record goes to the shard whose range has the MD5 of its partition key; a shard that
is split or merged is closed and keeps its records, and its children begin empty.
"""

from __future__ import annotations

import hashlib
import itertools
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

MAX_HASH_KEY = 2**128 - 1
# Sequence numbers of AWS have 56 digits; those of one length sort as text as well.
_FIRST_SEQUENCE = 49 * 10**54


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it is kept; ``sequence`` is its sequence number, ``arrived`` its time of arrival."""

    sequence: int
    partition_key: str
    data: bytes
    arrived: datetime


@dataclass
class Shard:
    """A shard.

    Parameters
    ----------
    id : str
        For example ``shardId-000000000000``.
    first, last : int
        The range of hash keys, both ends belonging to it.
    starting : int
        Its first sequence number.
    parents : list of str
        The shard that was split, or both that were merged.
    ending : int, optional
        The last sequence number of a closed shard.
    """

    id: str
    first: int
    last: int
    starting: int
    parents: list[str] = field(default_factory=list)
    ending: int | None = None
    closed: datetime | None = None
    records: list[Record] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.ending is None

    def after(self, sequence: int) -> int:
        """Index of the first record behind a sequence number."""
        return bisect_right(self.records, sequence, key=lambda record: record.sequence)

    def trim(self, before: datetime) -> int:
        """Forget what is older; how many bytes that were."""
        old = bisect_right(self.records, before, key=lambda record: record.arrived)
        freed = sum(len(record.data) for record in self.records[:old])
        del self.records[:old]
        return freed

    def describe(self) -> dict[str, object]:
        """The shard as ``DescribeStream`` and ``ListShards`` tell of it."""
        sequences = {"StartingSequenceNumber": str(self.starting)}
        if self.ending is not None:
            sequences["EndingSequenceNumber"] = str(self.ending)
        names = ("ParentShardId", "AdjacentParentShardId")
        return {
            "ShardId": self.id,
            "HashKeyRange": {"StartingHashKey": str(self.first), "EndingHashKey": str(self.last)},
            "SequenceNumberRange": sequences,
            **dict(zip(names, self.parents, strict=False)),
        }


@dataclass
class Shards:
    """The shards of a stream, also the closed ones, in the order of their making."""

    all: dict[str, Shard] = field(default_factory=dict)
    made: int = 0
    sequence: int = _FIRST_SEQUENCE

    def next_sequence(self) -> int:
        """A sequence number above every one before, in this stream and in one of its name before it."""
        now = _FIRST_SEQUENCE + int(datetime.now(UTC).timestamp() * 1e9)
        self.sequence = max(self.sequence + 1, now)
        return self.sequence

    def add(self, first: int, last: int, parents: Iterable[str] = ()) -> Shard:
        """A new open shard."""
        shard = Shard(f"shardId-{self.made:012d}", first, last, self.next_sequence(), list(parents))
        self.made += 1
        self.all[shard.id] = shard
        return shard

    def divide(self, count: int) -> None:
        """Make the shards of a new stream, with ranges of equal length."""
        bounds = [index * (MAX_HASH_KEY + 1) // count for index in range(count + 1)]
        for first, end in itertools.pairwise(bounds):
            self.add(first, end - 1)

    @property
    def open(self) -> list[Shard]:
        """The shards that take records, in the order of their ranges."""
        return sorted((shard for shard in self.all.values() if shard.is_open), key=lambda shard: shard.first)

    def of_hash(self, key: int) -> Shard:
        return next(shard for shard in self.open if shard.first <= key <= shard.last)

    def split(self, shard: Shard, at: int) -> None:
        """Close a shard and make two of its range; the second begins at a hash key."""
        self._close(shard)
        self.add(shard.first, at - 1, [shard.id])
        self.add(at, shard.last, [shard.id])

    def merge(self, first: Shard, second: Shard) -> None:
        """Close two shards whose ranges touch, and make one of them."""
        for shard in (first, second):
            self._close(shard)
        self.add(min(first.first, second.first), max(first.last, second.last), [first.id, second.id])

    def resize(self, count: int) -> None:
        """Split the longest ranges, or merge neighbours, until there are as many open shards."""
        while (missing := count - len(self.open)) > 0:
            for shard in sorted(self.open, key=lambda shard: shard.first - shard.last)[:missing]:
                self.split(shard, (shard.first + shard.last + 1) // 2)
        while (surplus := len(self.open) - count) > 0:
            shards = self.open
            pairs = list(zip(shards[::2], shards[1::2], strict=False))
            for first, second in pairs[:surplus]:
                self.merge(first, second)

    def forget(self, retention: timedelta) -> int:
        """Trim every shard and drop those that closed before; how many bytes that were."""
        before = datetime.now(UTC) - retention
        freed = sum(shard.trim(before) for shard in self.all.values())
        for shard in [shard for shard in self.all.values() if shard.closed and shard.closed < before]:
            del self.all[shard.id]
        return freed

    def _close(self, shard: Shard) -> None:
        shard.ending = self.next_sequence()
        shard.closed = datetime.now(UTC)


def hash_key(partition_key: str) -> int:
    """The hash key of a partition key."""
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest())


def take(records: Sequence[Record], limit: int, max_bytes: int) -> Sequence[Record]:
    """The first records, as many as one answer has: at least one, even one that is larger."""
    size = 0
    for index, record in enumerate(records[:limit]):
        size += len(record.data) + len(record.partition_key)
        if size > max_bytes and index:
            return records[:index]
    return records[:limit]
