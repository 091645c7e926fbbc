"""Shard iterators: where in a shard a reader goes on, for five minutes.

Source: ``GetShardIterator`` in the Kinesis API Reference.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from millpond.planes.kinesis.exceptions import ExpiredIteratorException, InvalidArgumentException
from millpond.planes.kinesis.shards import Shard

VALID_SECONDS = 300


@dataclass(frozen=True)
class Position:
    """Behind which sequence number of which shard; the stream is told by its ARN and its time of creation."""

    stream_arn: str
    created: float
    shard_id: str
    after: int

    def token(self) -> str:
        """The iterator that a client gets."""
        content = [self.stream_arn, self.created, self.shard_id, self.after, time.time()]
        return base64.b64encode(json.dumps(content).encode()).decode()

    @classmethod
    def of(cls, token: str) -> Position:
        """What an iterator says.

        Raises
        ------
        InvalidArgumentException
            If it is none.
        ExpiredIteratorException
            If it is too old.
        """
        try:
            arn, created, shard, after, issued = json.loads(base64.b64decode(token, validate=True))
            position = cls(str(arn), float(created), str(shard), int(after))
            age = time.time() - float(issued)
        except (ValueError, TypeError) as error:
            raise InvalidArgumentException("Invalid ShardIterator.") from error
        if age > VALID_SECONDS:
            raise ExpiredIteratorException(
                f"Iterator expired. The iterator was created {age:.0f} seconds ago, which is more than "
                f"{VALID_SECONDS} seconds."
            )
        return position


def start_of(shard: Shard, kind: str, request: Mapping[str, Any]) -> int:
    """The sequence number behind which an iterator of a type begins.

    Parameters
    ----------
    shard : Shard
        Of which.
    kind : str
        ``TRIM_HORIZON``, ``LATEST``, ``AT_TIMESTAMP``, ``AT_SEQUENCE_NUMBER`` or ``AFTER_SEQUENCE_NUMBER``.
    request : mapping
        Has ``StartingSequenceNumber`` or ``SequenceNumber``, or ``Timestamp``.

    Raises
    ------
    InvalidArgumentException
        If what the type needs is missing or is nothing of this shard.
    """
    if kind == "TRIM_HORIZON":
        return 0
    if kind == "LATEST":
        return shard.records[-1].sequence if shard.records else shard.starting
    if kind == "AT_TIMESTAMP":
        since = request.get("Timestamp")
        if since is None:
            raise InvalidArgumentException(
                "Must specify timestamp parameter for iterator of type AT_TIMESTAMP."
            )
        moment = since if isinstance(since, datetime) else datetime.fromtimestamp(float(since), UTC)
        earlier = [record.sequence for record in shard.records if record.arrived < _aware(moment)]
        return earlier[-1] if earlier else 0
    text = str(request.get("StartingSequenceNumber") or request.get("SequenceNumber") or "")
    if not text.isdecimal() or not text.isascii():
        raise InvalidArgumentException(f"StartingSequenceNumber {text} is not a valid sequence number.")
    sequence = int(text)
    if sequence < shard.starting or (shard.ending is not None and sequence > shard.ending):
        raise InvalidArgumentException(
            f"StartingSequenceNumber {text} used in GetShardIterator on shard {shard.id} is invalid because "
            "it did not come from this stream."
        )
    return sequence - 1 if kind == "AT_SEQUENCE_NUMBER" else sequence


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
