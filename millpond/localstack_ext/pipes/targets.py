"""Targets and enrichments of pipes: a batch of events becomes calls.

Source: "Amazon EventBridge Pipes targets", "Pipes enrichment" and "Pipes batching and concurrency" in the
EventBridge User Guide: functions and state machines are given a batch as one array; queues, topics, buses and
streams one message for each event.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError
from localstack.services.lambda_.event_source_mapping.event_processor import (
    BatchFailureError,
    PartialBatchFailureError,
)
from localstack.services.lambda_.event_source_mapping.pipe_utils import to_json_str
from localstack.services.lambda_.event_source_mapping.pollers.poller import has_batch_item_failures

from millpond.localstack_ext.pipes.templates import value
from millpond.planes.common.errors import AwsError

Parameters = Mapping[str, Any]
Client = Any
MOST_ENTRIES = 10


class ValidationException(AwsError):  # noqa: N818 - as AWS names it
    """The request is refused."""

    code = "ValidationException"


def deliver(client: Client, pipe: Mapping[str, Any], events: Sequence[Any], inputs: list[Any]) -> None:
    """Give a pipe's target what was made of a batch of events.

    Parameters
    ----------
    client : Client
        Of the target's service.
    pipe : mapping
        As ``DescribePipe`` has it.
    events : sequence
        From which paths in the parameters of the target are read.
    inputs : list
        What the target is given for each of them.

    Raises
    ------
    BatchFailureError, PartialBatchFailureError
        If the target did not take all of it.
    """
    arn = pipe["Target"]
    parameters = {**(pipe.get("TargetParameters") or {}), "Name": pipe["Name"]}
    try:
        _TARGETS[service_of(arn)](client, arn, parameters, events, inputs)
    except ClientError as error:
        raise BatchFailureError({"message": str(error), "exceptionType": "BadRequest"}) from error


def enrich(client: Client, arn: str, inputs: list[Any]) -> list[Any]:
    """What an enrichment, which is a function or an express state machine, makes of a batch."""
    if service_of(arn) == "states":
        answer = _synchronously(client, arn, inputs)
    else:
        answer = _invoked(client, arn, inputs)
    if not answer:
        return []
    return answer if isinstance(answer, list) else [answer]


def check(pipe: Mapping[str, Any]) -> None:
    """Refuse what cannot be enriched or delivered here, by name."""
    target, enrichment = pipe["Target"], pipe.get("Enrichment")
    if service_of(target) not in _TARGETS:
        raise ValidationException(f"Millpond cannot do pipes to the target {target}: docs/coverage.")
    if enrichment and service_of(enrichment) not in ("lambda", "states"):
        raise ValidationException(
            f"Millpond cannot do pipes with the enrichment {enrichment}: docs/coverage."
        )


def service_of(arn: str) -> str:
    """The service that an ARN is of; empty if it is none."""
    parts = arn.split(":")
    return parts[2] if len(parts) > 5 and parts[0] == "arn" else ""


def _function(
    client: Client, arn: str, parameters: Parameters, _events: Sequence[Any], inputs: list[Any]
) -> None:
    own = parameters.get("LambdaFunctionParameters") or {}
    if own.get("InvocationType") == "FIRE_AND_FORGET":
        client.invoke(FunctionName=arn, InvocationType="Event", Payload=to_json_str(inputs))
        return
    answer = _invoked(client, arn, inputs)
    if isinstance(answer, dict) and has_batch_item_failures(answer):
        failures: Any = answer
        raise PartialBatchFailureError(failures, {"message": "Target invocation failed partially."})


def _invoked(client: Client, arn: str, inputs: list[Any]) -> Any:
    answer = client.invoke(FunctionName=arn, Payload=to_json_str(inputs))
    payload = answer["Payload"].read().decode()
    if answer.get("FunctionError"):
        raise BatchFailureError({"message": payload, "exceptionType": "BadRequest"})
    return json.loads(payload) if payload else None


def _machine(
    client: Client, arn: str, parameters: Parameters, _events: Sequence[Any], inputs: list[Any]
) -> None:
    own = parameters.get("StepFunctionStateMachineParameters") or {}
    if own.get("InvocationType", "FIRE_AND_FORGET") == "FIRE_AND_FORGET":
        client.start_execution(stateMachineArn=arn, input=to_json_str(inputs))
    else:
        _synchronously(client, arn, inputs)


def _synchronously(client: Client, arn: str, inputs: list[Any]) -> Any:
    answer = client.start_sync_execution(stateMachineArn=arn, input=to_json_str(inputs))
    if answer["status"] != "SUCCEEDED":
        raise BatchFailureError({"message": answer.get("cause", answer["status"])})
    return json.loads(answer["output"])


def _queue(
    client: Client, arn: str, parameters: Parameters, events: Sequence[Any], inputs: list[Any]
) -> None:
    account, name = arn.split(":")[4:6]
    url = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
    own = parameters.get("SqsQueueParameters") or {}
    for event, content in zip(events, inputs, strict=True):
        named = {name: value(text, event) for name, text in own.items()}
        client.send_message(QueueUrl=url, MessageBody=_text(content), **named)


def _topic(
    client: Client, arn: str, _parameters: Parameters, _events: Sequence[Any], inputs: list[Any]
) -> None:
    for content in inputs:
        client.publish(TopicArn=arn, Message=_text(content))


def _stream(
    client: Client, arn: str, parameters: Parameters, events: Sequence[Any], inputs: list[Any]
) -> None:
    key = (parameters.get("KinesisStreamParameters") or {}).get("PartitionKey", "")
    for event, content in zip(events, inputs, strict=True):
        client.put_record(StreamARN=arn, Data=_text(content).encode(), PartitionKey=value(key, event))


def _delivery(
    client: Client, arn: str, _parameters: Parameters, _events: Sequence[Any], inputs: list[Any]
) -> None:
    name = arn.rpartition("/")[2]
    for content in inputs:
        client.put_record(DeliveryStreamName=name, Record={"Data": _text(content).encode()})


def _bus(client: Client, arn: str, parameters: Parameters, events: Sequence[Any], inputs: list[Any]) -> None:
    own = dict(parameters.get("EventBridgeEventBusParameters") or {})
    own.pop("EndpointId", None)
    resources = own.pop("Resources", [])
    entries = [
        {
            "EventBusName": arn,
            "Detail": content if isinstance(content, str) else to_json_str(content),
            "DetailType": f"Event from {event.get('eventSource', '')}",
            "Source": f"Pipe {parameters['Name']}",
            "Resources": resources,
            **{name: value(text, event) for name, text in own.items()},
        }
        for event, content in zip(events, inputs, strict=True)
    ]
    for start in range(0, len(entries), MOST_ENTRIES):
        answer = client.put_events(Entries=entries[start : start + MOST_ENTRIES])
        if answer.get("FailedEntryCount"):
            raise BatchFailureError({"message": json.dumps(answer["Entries"])})


def _text(content: Any) -> str:
    return content if isinstance(content, str) else to_json_str(content)


_TARGETS: Mapping[str, Callable[[Client, str, Parameters, Sequence[Any], list[Any]], None]] = {
    "events": _bus,
    "firehose": _delivery,
    "kinesis": _stream,
    "lambda": _function,
    "sns": _topic,
    "sqs": _queue,
    "states": _machine,
}
