"""What runs a pipe: a poller of event source mappings, and what it gives events to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.config import Config
from localstack.services.lambda_.event_source_mapping.event_processor import EventProcessor
from localstack.services.lambda_.event_source_mapping.pipe_utils import get_internal_client
from localstack.services.lambda_.event_source_mapping.pollers.poller import EmptyPollResultsException, Poller

from millpond.localstack_ext.functions.sources import (
    POSITIONS,
    KinesisStreamPoller,
    QueuePoller,
    TableStreamPoller,
)
from millpond.localstack_ext.pipes import templates
from millpond.localstack_ext.pipes.targets import ValidationException, deliver, enrich, service_of

_LOG = logging.getLogger(__name__)

PRINCIPAL = "pipes.amazonaws.com"
_LONGEST_WAIT = 5.0
# How long a call to a source or a target takes at most: a function runs for 15 minutes.
_LONGEST_CALL = 905

# Service → the member of ``SourceParameters``, and what a pipe has that does not say it.
_SOURCES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "sqs": ("SqsQueueParameters", {"BatchSize": 10}),
    "kinesis": ("KinesisStreamParameters", {"BatchSize": 100, "MaximumRetryAttempts": -1}),
    "dynamodb": ("DynamoDBStreamParameters", {"BatchSize": 100, "MaximumRetryAttempts": -1}),
}
_NOT_HERE = ("OnPartialBatchItemFailure",)


def check_source(pipe: Mapping[str, Any]) -> None:
    """Refuse a source that is not read here, by name."""
    source = service_of(pipe["Source"])
    if source not in _SOURCES:
        raise ValidationException(
            f"Millpond cannot do pipes from the source {pipe['Source']}: docs/coverage."
        )
    member, _ = _SOURCES[source]
    parameters = (pipe.get("SourceParameters") or {}).get(member) or {}
    if unknown := [name for name in _NOT_HERE if parameters.get(name)]:
        raise ValidationException(f"Millpond cannot do {unknown[0]} of pipes: docs/coverage.")
    if source != "sqs" and not parameters.get("StartingPosition"):
        raise ValidationException(f"{member}.StartingPosition is needed.")


class Processor(EventProcessor):
    """Gives a batch of events to the target of a pipe."""

    def __init__(self, pipe: Mapping[str, Any]) -> None:
        self._pipe = pipe
        self._clients: dict[str, Any] = {}

    def process_events_batch(self, input_events: list[dict[str, Any]]) -> None:
        """Enrich, transform and deliver."""
        pipe = self._pipe
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        events: list[Any] = list(input_events)
        if enrichment := pipe.get("Enrichment"):
            parameters = pipe.get("EnrichmentParameters") or {}
            inputs = self._made(parameters.get("InputTemplate"), events, now)
            events = enrich(self._client(enrichment), enrichment, inputs)
        if events:
            template = (pipe.get("TargetParameters") or {}).get("InputTemplate")
            deliver(self._client(pipe["Target"]), pipe, events, self._made(template, events, now))

    def generate_event_failure_context(self, abort_condition: str, **kwargs: Any) -> dict[str, Any]:
        """What a dead-letter queue is told beside the events."""
        error = kwargs.get("error") or {}
        return {
            "context": {
                "partnerResourceArn": self._pipe["Arn"],
                "condition": abort_condition,
                "errorMessage": error.get("message"),
            }
        }

    def _made(self, template: str | None, events: list[Any], now: str) -> list[Any]:
        if not template:
            return events
        return [templates.apply(template, event, self._pipe, now) for event in events]

    def _client(self, arn: str) -> Any:
        if arn not in self._clients:
            self._clients[arn] = _client(self._pipe, arn)
        return self._clients[arn]


class Worker:
    """One pipe that runs."""

    def __init__(self, pipe: Mapping[str, Any]) -> None:
        self._pipe = dict(pipe)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pipe-{pipe['Name']}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more; what is being delivered is."""
        self._stopped.set()

    def _run(self) -> None:
        poller: Any = None
        wait = 0.0
        while not self._stopped.wait(wait):
            try:
                poller = poller or _poller(self._pipe)
                poller.poll_events()
                wait = 0.0
            except EmptyPollResultsException:
                wait = min(_LONGEST_WAIT, max(0.5, wait * 2))
            except Exception as error:  # noqa: BLE001 - it is told, and tried again
                _LOG.warning("pipe %s: %s", self._pipe["Name"], error)
                wait = min(_LONGEST_WAIT, max(1.0, wait * 2))
        if poller is not None:
            poller.close()


def forget(arn: str) -> None:
    """A pipe is gone, and where it was in a stream."""
    POSITIONS.pop(arn, None)


def _poller(pipe: Mapping[str, Any]) -> Poller:
    source = service_of(pipe["Source"])
    member, defaults = _SOURCES[source]
    parameters = pipe.get("SourceParameters") or {}
    common: dict[str, Any] = {
        "source_arn": pipe["Source"],
        "source_parameters": {
            "FilterCriteria": parameters.get("FilterCriteria") or {"Filters": []},
            member: {**defaults, **(parameters.get(member) or {})},
        },
        "source_client": _client(pipe, pipe["Source"]),
        "processor": Processor(pipe),
    }
    if source == "sqs":
        return QueuePoller(**common)
    kind: Any = KinesisStreamPoller if source == "kinesis" else TableStreamPoller
    poller: Poller = kind(**common, esm_uuid=pipe["Arn"], partner_resource_arn=pipe["Arn"])
    return poller


def _client(pipe: Mapping[str, Any], arn: str) -> Any:
    """A client of the service of an ARN that acts as the pipe's role."""
    return get_internal_client(
        arn,
        client_config=Config(retries={"total_max_attempts": 1}, read_timeout=_LONGEST_CALL),
        role_arn=pipe["RoleArn"],
        service_principal=PRINCIPAL.partition(".")[0],
        source_arn=pipe["Arn"],
        session_name=f"pipe-{pipe['Name']}"[:64],
    )
