"""A delivery stream: its destination, as it is described, and what waits to be delivered."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from millpond.planes.firehose import prefixes
from millpond.planes.firehose.exceptions import InvalidArgumentException

Settings = Mapping[str, Any]

DESTINATIONS = ("ExtendedS3DestinationConfiguration", "S3DestinationConfiguration")
SOURCES = ("KinesisStreamSourceConfiguration", "DirectPutSourceConfiguration")
_EXTENSIONS = {"UNCOMPRESSED": "", "GZIP": ".gz"}
_PROCESSORS = ("Lambda", "AppendDelimiterToRecord")
# Settings by which records would not be delivered as they are.
_UNSUPPORTED = {
    "DataFormatConversionConfiguration": "converts no formats",
    "DynamicPartitioningConfiguration": "does not partition by the content of records",
}
_DEFAULTS: Settings = {
    "Prefix": "",
    "BufferingHints": {},
    "CompressionFormat": "UNCOMPRESSED",
    "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
    "CloudWatchLoggingOptions": {"Enabled": False},
    "ProcessingConfiguration": {"Enabled": False, "Processors": []},
    "S3BackupMode": "Disabled",
}
_HINTS: Settings = {"SizeInMBs": 5, "IntervalInSeconds": 300}


@dataclass(frozen=True)
class Waiting:
    """A record that is not delivered yet; ``metadata`` is what Kinesis told of it."""

    data: bytes
    arrived: float = field(default_factory=time.time)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    metadata: Mapping[str, Any] | None = None


@dataclass
class DeliveryStream:
    """A delivery stream.

    Parameters
    ----------
    name, arn : str
        What it is called.
    source : dict, optional
        The Kinesis stream that it reads; without, records are put.
    settings : dict
        The destination, with the defaults of what was not said.
    positions : dict
        Shard of the source → iterator type or last sequence number, ``finished`` for one read to its end.
    """

    name: str
    arn: str
    source: dict[str, Any] | None
    settings: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)
    version: int = 1
    destination_id: str = "destinationId-000000000001"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    waiting: list[Waiting] = field(default_factory=list)
    positions: dict[str, str] = field(default_factory=dict)

    @property
    def interval(self) -> float:
        return float(self.settings["BufferingHints"]["IntervalInSeconds"])

    @property
    def size(self) -> int:
        """Bytes at which what waits is delivered before its time."""
        return int(self.settings["BufferingHints"]["SizeInMBs"]) * 1024 * 1024

    @property
    def extension(self) -> str:
        extension: str = self.settings.get("FileExtension") or ""
        return extension or _EXTENSIONS[self.settings["CompressionFormat"]]

    def processor(self, kind: str) -> dict[str, str] | None:
        """The parameters of a processor that is switched on."""
        configuration = self.settings["ProcessingConfiguration"]
        for processor in configuration.get("Processors", []) if configuration.get("Enabled") else []:
            if processor["Type"] == kind:
                return {
                    each["ParameterName"]: each["ParameterValue"] for each in processor.get("Parameters", [])
                }
        return None

    def describe(self) -> dict[str, Any]:
        """What ``DescribeDeliveryStream`` tells."""
        plain = ("RoleARN", "BucketARN", "Prefix", "ErrorOutputPrefix", "BufferingHints", "CompressionFormat")
        names = (*plain, "EncryptionConfiguration", "CloudWatchLoggingOptions")
        source = {"Source": {"KinesisStreamSourceDescription": self.source}} if self.source else {}
        return {
            "DeliveryStreamName": self.name,
            "DeliveryStreamARN": self.arn,
            "DeliveryStreamStatus": "ACTIVE",
            "DeliveryStreamType": "KinesisStreamAsSource" if self.source else "DirectPut",
            "VersionId": str(self.version),
            "CreateTimestamp": self.created,
            **source,
            "Destinations": [
                {
                    "DestinationId": self.destination_id,
                    "S3DestinationDescription": {
                        name: self.settings[name] for name in names if name in self.settings
                    },
                    "ExtendedS3DestinationDescription": self.settings,
                }
            ],
            "HasMoreDestinations": False,
        }


def completed(destination: Settings, before: Settings | None = None) -> dict[str, Any]:
    """A destination's settings with the defaults, or with those that it had.

    Raises
    ------
    InvalidArgumentException
        If they ask for what is not done here.
    """
    settings = {**_DEFAULTS, **(before or {}), **destination}
    settings["BufferingHints"] = {**_HINTS, **settings["BufferingHints"]}
    _refuse_unsupported(settings)
    prefix, errors = settings["Prefix"], settings.get("ErrorOutputPrefix") or ""
    prefixes.check(prefix)
    prefixes.check(errors, of_errors=True)
    if prefixes.has_expression(prefix) and not errors:
        raise InvalidArgumentException(
            "ErrorOutputPrefix cannot be null or empty when Prefix contains expressions."
        )
    return settings


def _refuse_unsupported(settings: Settings) -> None:
    for name, what in _UNSUPPORTED.items():
        if settings.get(name) and settings[name].get("Enabled", True):
            raise InvalidArgumentException(f"Millpond {what}: leave {name} out.")
    if settings["S3BackupMode"] != "Disabled":
        raise InvalidArgumentException(
            "Millpond keeps no backup of source records: S3BackupMode must be Disabled."
        )
    if settings["CompressionFormat"] not in _EXTENSIONS:
        known = " and ".join(_EXTENSIONS)
        raise InvalidArgumentException(f"Millpond knows the compression formats {known}.")
    if settings["ProcessingConfiguration"].get("Enabled"):
        for processor in settings["ProcessingConfiguration"].get("Processors", []):
            if processor["Type"] not in _PROCESSORS:
                raise InvalidArgumentException(
                    f"Millpond has no processor {processor['Type']}; there are {' and '.join(_PROCESSORS)}."
                )
