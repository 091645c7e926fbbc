"""Event source mappings of queues and streams, as Lambda reads them.

Sources: "How Lambda processes records from stream and queue-based event sources", "Using Lambda with Amazon
SQS" and "Using Lambda to process records from Amazon Kinesis Data Streams" in the Lambda developer guide.
LocalStack reads the sources; what it lacks stands here. A queue's bodies reach the function as they were
sent. A stream is read from where its mapping was, also after a change of the mapping; the shards of one that
is split or merged are read parents first; a batch that fails is halved where the mapping says so.
"""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError
from localstack.services.lambda_.event_source_mapping import esm_worker_factory
from localstack.services.lambda_.event_source_mapping.event_processor import (
    BatchFailureError,
    PartialBatchFailureError,
)
from localstack.services.lambda_.event_source_mapping.pollers.dynamodb_poller import DynamoDBPoller
from localstack.services.lambda_.event_source_mapping.pollers.kinesis_poller import KinesisPoller
from localstack.services.lambda_.event_source_mapping.pollers.poller import (
    EmptyPollResultsException,
    get_batch_item_failures,
    parse_batch_item_failures,
)
from localstack.services.lambda_.event_source_mapping.pollers.sqs_poller import (
    SqsPoller,
    transform_into_events,
)
from localstack.services.lambda_.event_source_mapping.pollers.stream_poller import StreamPoller
from localstack.services.lambda_.invocation.models import lambda_stores
from localstack.utils.backoff import ExponentialBackoff
from localstack.utils.event_matcher import matches_event

from millpond.localstack_ext.engine import patches

Event = dict[str, Any]

# "Lambda quotas": the payload of an invocation, with room for what is around the records.
MAX_BATCH_BYTES = 6 * 1024 * 1024 - 64 * 1024
MAX_BACKOFF_SECONDS = 60
# How many times nothing was found before the shards are looked up anew.
POLLS_PER_LOOK = 10

# A type checker does not see that the fields of this class have defaults.
_BACKOFF: Any = ExponentialBackoff
# The errors of an iterator that was not used for too long.
_LOOK_ANEW = ("ExpiredIteratorException", "TrimmedDataAccessException")

FINISHED = "finished"
POSITIONS: dict[str, dict[str, str]] = {}
"""Mapping → shard → sequence number of the last record that is done with, or ``finished``."""


def install_sources() -> None:
    """Let mappings be read by the pollers of this module."""
    patches.replace(esm_worker_factory, "SqsPoller", QueuePoller)
    patches.replace(esm_worker_factory, "KinesisPoller", KinesisStreamPoller)
    patches.replace(esm_worker_factory, "DynamoDBPoller", TableStreamPoller)


def batches(events: Sequence[Event], max_bytes: int = MAX_BATCH_BYTES) -> Iterator[list[Event]]:
    """Events in lists that a payload can hold; each has one at least."""
    batch: list[Event] = []
    size = 0
    for event in events:
        length = len(json.dumps(event, default=str))
        if batch and size + length > max_bytes:
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += length
    if batch:
        yield batch


def parsed(text: str) -> Any:
    """What filters see of a body: an object where it is one, else the text."""
    try:
        content = json.loads(text)
    except ValueError:
        return text
    return content if isinstance(content, (dict, list)) else text


class QueuePoller(SqsPoller):
    """Reads a queue."""

    def handle_messages(self, messages: list[Event]) -> None:
        events = transform_into_events(messages)
        wanted = [event for event in events if self._is_wanted({**event, "body": parsed(event["body"])})]
        identifiers = {event["messageId"] for event in wanted}
        self.delete_messages(messages, {event["messageId"] for event in events} - identifiers)
        for batch in batches(wanted):
            done = self._deliver(batch)
            self.delete_messages(messages, done)

    def _is_wanted(self, event: Event) -> bool:
        patterns = self.filter_patterns
        return not patterns or any(matches_event(pattern, event) for pattern in patterns)

    def _deliver(self, events: list[Event]) -> set[str]:
        """Give a batch to the function; which messages it is done with."""
        identifiers = {event["messageId"] for event in events}
        try:
            self.processor.process_events_batch(self.add_source_metadata(events))
        except PartialBatchFailureError as error:
            payload: Any = error.partial_failure_payload
            return identifiers - set(parse_batch_item_failures(payload, identifiers))
        return identifiers


class _StreamPoller(StreamPoller):
    """Reads a stream's shards, and knows where it is in each."""

    esm_uuid: str
    source_arn: str
    source_client: Any

    def poll_events(self) -> None:
        positions = POSITIONS.setdefault(self.esm_uuid, {})
        if not self.shards or self._quiet >= POLLS_PER_LOOK:
            self._look_for_shards(positions)
        polled = [self._poll(shard_id, positions) for shard_id in list(self.shards)]
        if not self._is_shutdown.is_set() and not any(polled):
            self._quiet += 1
            raise EmptyPollResultsException(service=self.event_source(), source_arn=self.source_arn)
        self._quiet = 0

    _quiet = 0

    def _look_for_shards(self, positions: dict[str, str]) -> None:
        """Have an iterator for each shard whose parents are read to their end."""
        self._quiet = 0
        described = self._described_shards()
        present = {shard["ShardId"] for shard in described}
        is_first = not positions
        for shard in described:
            named = (shard.get("ParentShardId") or "", shard.get("AdjacentParentShardId") or "")
            parents = [parent for parent in named if parent in present]
            name = shard["ShardId"]
            if name in self.shards or positions.get(name) == FINISHED:
                continue
            if any(positions.get(parent) != FINISHED for parent in parents):
                continue
            self.shards[name] = self._iterator(name, positions, is_first=is_first and not parents)
            positions.setdefault(name, "")

    def _iterator(self, shard_id: str, positions: dict[str, str], *, is_first: bool) -> str:
        start: Event = {"ShardIteratorType": "TRIM_HORIZON"}
        if position := positions.get(shard_id):
            start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", self.sequence_member: position}
        elif is_first or shard_id in positions:
            start = {"ShardIteratorType": self.stream_parameters["StartingPosition"]}
            if start["ShardIteratorType"] == "AT_TIMESTAMP":
                start["Timestamp"] = self.stream_parameters["StartingPositionTimestamp"]
        answer = self.source_client.get_shard_iterator(
            **{self.arn_member: self.source_arn}, ShardId=shard_id, **start
        )
        iterator: str = answer["ShardIterator"]
        return iterator

    sequence_member = "StartingSequenceNumber"
    arn_member = "StreamARN"

    def _poll(self, shard_id: str, positions: dict[str, str]) -> bool:
        """Read from a shard and deliver what is due; whether there was anything."""
        answer = self._records(shard_id, positions)
        if answer is None:
            return False
        records, following = answer["Records"], answer.get("NextShardIterator")
        batcher = self.shard_batcher[shard_id]
        is_due = batcher.add(records) or (following is None)
        if is_due:
            for batch in self._cut(batcher.flush()):
                if not self._deliver(shard_id, self.transform_into_events(batch, shard_id)):
                    # Stopped meanwhile: what is not done with is read again from there.
                    return False
                positions[shard_id] = self._sequence_of(batch[-1])
        if following is None:
            del self.shards[shard_id]
            positions[shard_id] = FINISHED
            self._quiet = POLLS_PER_LOOK
        else:
            self.shards[shard_id] = following
        return bool(records)

    def _cut(self, records: list[Event]) -> Iterator[list[Event]]:
        size = self.stream_parameters["BatchSize"]
        for start in range(0, len(records), size):
            yield from batches(records[start : start + size])

    def _records(self, shard_id: str, positions: dict[str, str]) -> Event | None:
        try:
            answer: Event = self.source_client.get_records(
                **self.stream_arn_param(),
                ShardIterator=self.shards[shard_id],
                Limit=min(self.stream_parameters["BatchSize"], self.max_records),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _LOOK_ANEW:
                raise
            self.shards[shard_id] = self._iterator(shard_id, positions, is_first=False)
            return None
        return answer

    max_records = 10_000

    def _deliver(self, shard_id: str, events: list[Event]) -> bool:
        """Give a batch to the function until it is done with; False if the mapping was stopped meanwhile."""
        wanted = [event for event in events if self._is_wanted(event)]
        return not wanted or self._try(shard_id, self.add_source_metadata(wanted), 0)

    def _is_wanted(self, event: Event) -> bool:
        patterns = self.filter_patterns
        seen = self._seen_by_filters(event) if patterns else event
        return not patterns or (
            seen is not None and any(matches_event(pattern, seen) for pattern in patterns)
        )

    def _seen_by_filters(self, event: Event) -> Event | None:
        return event

    def _try(self, shard_id: str, events: list[Event], attempts: int) -> bool:
        backoff = _BACKOFF(max_interval=MAX_BACKOFF_SECONDS)
        error: Event = {}
        while events:
            if self._is_shutdown.is_set():
                return False
            events = self._without_old(shard_id, events, error, attempts)
            if not events:
                return True
            if self.max_retries_exceeded(attempts):
                self._give_up(shard_id, events, "RetryAttemptsExhausted", error, attempts)
                return True
            try:
                self.processor.process_events_batch(events)
                return True
            except PartialBatchFailureError as failure:
                error = failure.error
                events = self._behind_checkpoint(events, failure)
            except BatchFailureError as failure:
                error = failure.error
                if self._settings().get("BisectBatchOnFunctionError") and len(events) > 1:
                    middle = len(events) // 2
                    halves = (events[:middle], events[middle:])
                    return all(self._try(shard_id, half, attempts) for half in halves)
            except ClientError as failure:
                # Throttled, or not there for now: no attempt of the function's.
                error = {"message": str(failure)}
                attempts -= 1
            attempts += 1
            self._is_shutdown.wait(backoff.next_backoff())
        return True

    def _behind_checkpoint(self, events: list[Event], failure: PartialBatchFailureError) -> list[Event]:
        """What is tried again: from the lowest sequence number that the function reported, or everything."""
        numbers = {self.get_sequence_number(event) for event in events}
        payload: Any = failure.partial_failure_payload
        failed = get_batch_item_failures(payload, numbers)
        if not failed:
            return events
        lowest = min(int(number) for number in failed)
        return [event for event in events if int(self.get_sequence_number(event)) >= lowest]

    def _without_old(self, shard_id: str, events: list[Event], error: Event, attempts: int) -> list[Event]:
        oldest = self.stream_parameters.get("MaximumRecordAgeInSeconds", -1)
        if oldest is None or oldest < 0:
            return events
        before = time.time() - oldest
        old = [event for event in events if self.get_approximate_arrival_time(event) < before]
        if old:
            self._give_up(shard_id, old, "RecordAgeExceeded", error, attempts)
        return events[len(old) :]

    def _give_up(
        self, shard_id: str, events: list[Event], condition: str, error: Event, attempts: int
    ) -> None:
        """Tell the destination for failures of records that are not tried again."""
        context = self.processor.generate_event_failure_context(
            abort_condition=condition, error=error or {"requestId": None}, attempts_count=attempts
        )
        if condition == "RecordAgeExceeded" and not attempts:
            context.pop("responseContext", None)
        self.send_events_to_dlq(shard_id, events, context=context)

    def _settings(self) -> Event:
        """The mapping as it was made; LocalStack hands on a part of it."""
        account, region = self.source_arn.split(":")[4], self.source_arn.split(":")[3]
        settings: Any = lambda_stores[account][region].event_source_mappings.get(self.esm_uuid, {})
        return dict(settings)

    def _described_shards(self) -> list[Event]:
        raise NotImplementedError

    def _sequence_of(self, record: Event) -> str:
        raise NotImplementedError


class KinesisStreamPoller(_StreamPoller, KinesisPoller):
    """Reads a Kinesis stream."""

    def _described_shards(self) -> list[Event]:
        # LocalStack's client for a mapping has no paginators.
        page: Event = self.source_client.list_shards(StreamARN=self.source_arn)
        shards: list[Event] = page["Shards"]
        while token := page.get("NextToken"):
            page = self.source_client.list_shards(NextToken=token)
            shards += page["Shards"]
        return shards

    def _sequence_of(self, record: Event) -> str:
        number: str = record["SequenceNumber"]
        return number

    def _iterator(self, shard_id: str, positions: dict[str, str], *, is_first: bool) -> str:
        since = self._settings().get("StartingPositionTimestamp")
        if since is not None:
            self.stream_parameters["StartingPositionTimestamp"] = since
        return super()._iterator(shard_id, positions, is_first=is_first)

    def _seen_by_filters(self, event: Event) -> Event | None:
        """A filter's ``data`` is what the record's data says; text that is no JSON fits no such filter."""
        # A pipe's events have no such member of their own.
        record = event.get("kinesis", event)
        try:
            data = parsed(base64.b64decode(record["data"]).decode())
        except UnicodeDecodeError:
            return None
        return {**event, **record, "data": data}


class TableStreamPoller(_StreamPoller, DynamoDBPoller):
    """Reads the stream of a DynamoDB table."""

    sequence_member = "SequenceNumber"
    arn_member = "StreamArn"
    max_records = 1000

    def _described_shards(self) -> list[Event]:
        answer = self.source_client.describe_stream(StreamArn=self.source_arn)["StreamDescription"]
        shards: list[Event] = answer["Shards"]
        return shards

    def _sequence_of(self, record: Event) -> str:
        number: str = record["dynamodb"]["SequenceNumber"]
        return number

    def get_approximate_arrival_time(self, record: Event) -> float:
        moment: float = record["dynamodb"]["ApproximateCreationDateTime"]
        return moment

    def transform_into_events(self, records: list[Event], shard_id: str) -> list[Event]:
        """Events, with binary values as the text that they are in JSON; the records stay as they are."""
        events: list[Event] = super().transform_into_events(copy.deepcopy(records), shard_id)
        for event in events:
            for name in ("Keys", "OldImage", "NewImage"):
                if name in event["dynamodb"]:
                    event["dynamodb"][name] = _json_values(event["dynamodb"][name])
        return events


def _json_values(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: _json_values(member) for name, member in value.items()}
    return [_json_values(item) for item in value] if isinstance(value, list) else value
