"""Firehose's API, and a thread for each delivery stream that delivers what waits when it is time.

Source: the Firehose API Reference and "Amazon Data Firehose quota". A delivery stream is active at once, its
role is not asked for, and what a bucket does not take waits and is tried again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millpond.planes.common.context import PlaneContext
from millpond.planes.common.credentials import Clients
from millpond.planes.firehose.delivery import deliver
from millpond.planes.firehose.exceptions import (
    ConcurrentModificationException,
    InvalidArgumentException,
    ResourceInUseException,
    ResourceNotFoundException,
    ServiceUnavailableException,
)
from millpond.planes.firehose.source import KinesisReader
from millpond.planes.firehose.streams import DESTINATIONS, SOURCES, DeliveryStream, Waiting, completed

Request = Mapping[str, Any]
Answer = dict[str, Any]

MAX_RECORD_BYTES = 1024 * 1000
MAX_BATCH = 500
MAX_BATCH_BYTES = 4 * 1024 * 1024
# What may wait in memory before puts are refused: a bucket that takes nothing must not fill it.
MAX_WAITING_BYTES = 256 * 1024 * 1024
POLL_SECONDS = 0.5
RETRY_SECONDS = 5.0
_TYPES = {None: False, "DirectPut": False, "KinesisStreamAsSource": True}


class FirehosePlane:
    """Firehose of one account and region; a method for each operation, as botocore's clients name it."""

    KEPT = ("_streams",)

    def __init__(self, context: PlaneContext) -> None:
        self._context = context
        self._clients = Clients(context, "firehose.amazonaws.com")
        self._streams: dict[str, DeliveryStream] = {}
        self._lock = threading.RLock()
        self._is_closed = threading.Event()

    def settle(self) -> None:
        """Go on delivering, once everything is back."""
        for stream in self._streams.values():
            self._start(stream, self._reader(stream))

    def close(self) -> None:
        """End the threads; what waits is kept with the stream."""
        self._is_closed.set()

    def create_delivery_stream(self, request: Request) -> Answer:
        name, kind = request["DeliveryStreamName"], request.get("DeliveryStreamType")
        destinations = [member for member in request if member.endswith("DestinationConfiguration")]
        if len(destinations) != 1 or destinations[0] not in DESTINATIONS:
            raise InvalidArgumentException(
                f"Millpond delivers to S3, one destination a stream ({', '.join(DESTINATIONS)}), and this is "
                f"{', '.join(destinations) or 'none'}."
            )
        others = [
            member for member in request if member.endswith("SourceConfiguration") and member not in SOURCES
        ]
        if kind not in _TYPES or others:
            raise InvalidArgumentException(
                f"Millpond delivers what is put and what is in Kinesis, not {kind or others[0]}."
            )
        source = request.get("KinesisStreamSourceConfiguration")
        if bool(source) != _TYPES[kind]:
            raise InvalidArgumentException(
                "KinesisStreamSourceConfiguration belongs to DeliveryStreamType KinesisStreamAsSource."
            )
        settings = completed(request[destinations[0]])
        arn = self._context.arn("firehose", f"deliverystream/{name}")
        tags = {tag["Key"]: tag.get("Value", "") for tag in request.get("Tags") or []}
        stream = DeliveryStream(name, arn, dict(source) if source else None, settings, tags)
        reader = self._reader(stream)
        if stream.source and reader:
            stream.source["DeliveryStartTimestamp"] = stream.created
            reader.begin()
        with self._lock:
            if name in self._streams:
                raise ResourceInUseException(
                    f"Firehose {name} under accountId {self._context.account_id} already exists"
                )
            self._streams[name] = stream
        self._start(stream, reader)
        return {"DeliveryStreamARN": arn}

    def delete_delivery_stream(self, request: Request) -> Answer:
        with self._lock:
            del self._streams[self._stream(request).name]
        return {}

    def describe_delivery_stream(self, request: Request) -> Answer:
        return {"DeliveryStreamDescription": self._stream(request).describe()}

    def list_delivery_streams(self, request: Request) -> Answer:
        start, limit = request.get("ExclusiveStartDeliveryStreamName") or "", request.get("Limit") or 10
        wanted = request.get("DeliveryStreamType")
        names = sorted(
            stream.name
            for stream in list(self._streams.values())
            if stream.name > start and wanted in (None, stream.describe()["DeliveryStreamType"])
        )
        return {"DeliveryStreamNames": names[:limit], "HasMoreDeliveryStreams": len(names) > limit}

    def update_destination(self, request: Request) -> Answer:
        updates = [member for member in request if member.endswith("DestinationUpdate")]
        if len(updates) != 1 or updates[0].replace("Update", "Configuration") not in DESTINATIONS:
            raise InvalidArgumentException("Millpond delivers to S3 only.")
        with self._lock:
            stream = self._stream(request)
            if request["CurrentDeliveryStreamVersionId"] != str(stream.version):
                raise ConcurrentModificationException(
                    f"The version of delivery stream {stream.name} is {stream.version}."
                )
            if request["DestinationId"] != stream.destination_id:
                raise InvalidArgumentException(f"Destination Id {request['DestinationId']} not found")
            stream.settings = completed(request[updates[0]], stream.settings)
            stream.version += 1
        return {}

    def put_record(self, request: Request) -> Answer:
        (record,) = self._put(request, [request["Record"]])
        return {"RecordId": record.id, "Encrypted": False}

    def put_record_batch(self, request: Request) -> Answer:
        records = self._put(request, request["Records"])
        return {
            "FailedPutCount": 0,
            "Encrypted": False,
            "RequestResponses": [{"RecordId": record.id} for record in records],
        }

    def _put(self, request: Request, entries: list[Any]) -> list[Waiting]:
        stream = self._stream(request)
        if stream.source:
            raise InvalidArgumentException(
                "This operation is not permitted on KinesisStreamAsSource delivery stream type."
            )
        sizes = [len(entry["Data"]) for entry in entries]
        if (
            not 1 <= len(entries) <= MAX_BATCH
            or sum(sizes) > MAX_BATCH_BYTES
            or max(sizes) > MAX_RECORD_BYTES
        ):
            raise InvalidArgumentException(
                f"A call has 1 to {MAX_BATCH} records of {MAX_RECORD_BYTES} bytes each and "
                f"{MAX_BATCH_BYTES} in all."
            )
        records = [Waiting(bytes(entry["Data"])) for entry in entries]
        with self._lock:
            if sum(len(record.data) for record in stream.waiting) + sum(sizes) > MAX_WAITING_BYTES:
                raise ServiceUnavailableException(
                    f"{MAX_WAITING_BYTES} bytes wait to be delivered to {stream.settings['BucketARN']}: "
                    "is the bucket there?"
                )
            stream.waiting += records
        return records

    # Tags

    def tag_delivery_stream(self, request: Request) -> Answer:
        self._stream(request).tags.update({tag["Key"]: tag.get("Value", "") for tag in request["Tags"]})
        return {}

    def untag_delivery_stream(self, request: Request) -> Answer:
        tags = self._stream(request).tags
        for key in request["TagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_delivery_stream(self, request: Request) -> Answer:
        tags = sorted(self._stream(request).tags.items())
        start, limit = request.get("ExclusiveStartTagKey") or "", request.get("Limit") or 50
        behind = [{"Key": key, "Value": value} for key, value in tags if key > start]
        return {"Tags": behind[:limit], "HasMoreTags": len(behind) > limit}

    # Delivery

    def _start(self, stream: DeliveryStream, reader: KinesisReader | None) -> None:
        name = f"firehose-{stream.name}"
        threading.Thread(target=self._run, args=(stream, reader), name=name, daemon=True).start()

    def _reader(self, stream: DeliveryStream) -> KinesisReader | None:
        return KinesisReader(stream, self._clients.own("kinesis")) if stream.source else None

    def _run(self, stream: DeliveryStream, reader: KinesisReader | None) -> None:
        """Read the source and deliver what is due, until the stream is deleted or the plane is closed."""
        pause = POLL_SECONDS
        while not self._is_closed.wait(pause):
            if self._streams.get(stream.name) is not stream:
                return
            pause = POLL_SECONDS
            try:
                self._read(stream, reader)
                self._deliver_due(stream)
            except (ClientError, BotoCoreError):
                # The source or the bucket is not there, or the engine stops: what waits is tried again.
                pause = RETRY_SECONDS

    def _read(self, stream: DeliveryStream, reader: KinesisReader | None) -> None:
        """Take from the source as long as less waits than is delivered at once."""
        while reader and sum(len(record.data) for record in stream.waiting) < stream.size:
            records = reader.read()
            with self._lock:
                stream.waiting += records
            if not records:
                return

    def _deliver_due(self, stream: DeliveryStream) -> None:
        with self._lock:
            waiting = list(stream.waiting)
        if not waiting:
            return
        is_full = sum(len(record.data) for record in waiting) >= stream.size
        if is_full or time.time() - waiting[0].arrived >= stream.interval:
            deliver(stream, waiting, self._clients.own("lambda"), self._clients.own("s3"))
            with self._lock:
                del stream.waiting[: len(waiting)]

    def _stream(self, request: Request) -> DeliveryStream:
        name = request["DeliveryStreamName"]
        try:
            return self._streams[name]
        except KeyError:
            raise ResourceNotFoundException(
                f"Firehose {name} under account {self._context.account_id} not found."
            ) from None
