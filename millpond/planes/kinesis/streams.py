"""Streams and their consumers, as they are described."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from millpond.planes.kinesis.shards import Shards

DEFAULT_RECORD_KIB = 1024


@dataclass
class Consumer:
    """A registered consumer with a share of its own, as ``SubscribeToShard`` names it."""

    name: str
    arn: str
    stream_arn: str
    created: datetime

    def describe(self) -> dict[str, Any]:
        return {
            "ConsumerName": self.name,
            "ConsumerARN": self.arn,
            "ConsumerStatus": "ACTIVE",
            "ConsumerCreationTimestamp": self.created,
        }


@dataclass
class Stream:
    """A stream.

    Parameters
    ----------
    name, arn : str
        What it is called.
    mode : str
        ``PROVISIONED`` or ``ON_DEMAND``.
    record_kib : int
        Size of the largest record that it takes.
    """

    name: str
    arn: str
    mode: str
    record_kib: int = DEFAULT_RECORD_KIB
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    retention_hours: int = 24
    key: str | None = None
    policy: str | None = None
    shards: Shards = field(default_factory=Shards)
    consumers: dict[str, Consumer] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def retention(self) -> timedelta:
        return timedelta(hours=self.retention_hours)

    def describe(self) -> dict[str, Any]:
        """What ``DescribeStream``, its summary and ``ListStreams`` have in common."""
        encryption = {"KeyId": self.key} if self.key else {}
        return {
            "StreamName": self.name,
            "StreamARN": self.arn,
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": self.mode},
            "StreamCreationTimestamp": self.created,
            "EncryptionType": "KMS" if self.key else "NONE",
            **encryption,
        }
