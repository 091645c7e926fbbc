"""Which call the target of a schedule stands for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.session import get_session

Target = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """A call of the AWS API.

    Parameters
    ----------
    service, operation : str
        As botocore names the service and the client's method.
    parameters : mapping
        The input.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Invocation:
    """One time that a schedule is due.

    Parameters
    ----------
    schedule_arn : str
        Of the schedule.
    moment : datetime
        When it is due.
    execution_id : str
        Of this time; retries have the same.
    attempt : int
        From 1.
    """

    schedule_arn: str
    moment: datetime
    execution_id: str
    attempt: int = 1

    def fill_in(self, text: str) -> str:
        """The input of a target with its context attributes."""
        for name, value in {
            "schedule-arn": self.schedule_arn,
            "scheduled-time": _text(self.moment),
            "execution-id": self.execution_id,
            "attempt-number": str(self.attempt),
        }.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        return text


def call_of(target: Target, invocation: Invocation) -> Call:
    """The call that a target stands for.

    Raises
    ------
    ValueError
        If it is none that can be made here, or lacks what it needs; the text says what.
    """
    arn = str(target["Arn"])
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn":
        raise ValueError(f"{arn} is not a valid ARN")
    own = target.get("Input")
    content = invocation.fill_in(own) if own is not None else _default(invocation)
    if parts[2] == "scheduler" and parts[5] == "aws-sdk" and len(parts) == 8:
        return _universal(parts[6], parts[7], content)
    make = _TEMPLATED.get(parts[2])
    if make is None:
        raise ValueError(f"the target {arn} is not available in Millpond")
    return make(target, content)


def _default(invocation: Invocation) -> str:
    """What a target is given that has no input of its own."""
    region, account = invocation.schedule_arn.split(":")[3:5]
    return json.dumps(
        {
            "version": "0",
            "id": invocation.execution_id,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": account,
            "time": _text(invocation.moment),
            "region": region,
            "resources": [invocation.schedule_arn],
            "detail": "{}",
        }
    )


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _lambda(target: Target, content: str) -> Call:
    parameters = {"FunctionName": target["Arn"], "InvocationType": "Event", "Payload": content}
    return Call("lambda", "invoke", parameters)


def _state_machine(target: Target, content: str) -> Call:
    return Call("stepfunctions", "start_execution", {"stateMachineArn": target["Arn"], "input": content})


def _queue(target: Target, content: str) -> Call:
    account, name = target["Arn"].split(":")[4:6]
    group = (target.get("SqsParameters") or {}).get("MessageGroupId")
    parameters = {"QueueUrl": f"/{account}/{name}", "MessageBody": content}
    return Call("sqs", "send_message", parameters | ({"MessageGroupId": group} if group else {}))


def _topic(target: Target, content: str) -> Call:
    return Call("sns", "publish", {"TopicArn": target["Arn"], "Message": content})


def _bus(target: Target, content: str) -> Call:
    named = _needed(target, "EventBridgeParameters", "DetailType", "Source")
    return Call(
        "events", "put_events", {"Entries": [{"EventBusName": target["Arn"], **named, "Detail": content}]}
    )


def _stream(target: Target, content: str) -> Call:
    named = _needed(target, "KinesisParameters", "PartitionKey")
    return Call("kinesis", "put_record", {"StreamARN": target["Arn"], "Data": content.encode(), **named})


def _delivery_stream(target: Target, content: str) -> Call:
    name = target["Arn"].rpartition("/")[2]
    return Call("firehose", "put_record", {"DeliveryStreamName": name, "Record": {"Data": content.encode()}})


def _project(target: Target, content: str) -> Call:
    name = target["Arn"].rpartition("/")[2]
    own = json.loads(content) if target.get("Input") else {}
    return Call("codebuild", "start_build", {**_members("codebuild", "StartBuild", own), "projectName": name})


_TEMPLATED: Mapping[str, Callable[[Target, str], Call]] = {
    "codebuild": _project,
    "events": _bus,
    "firehose": _delivery_stream,
    "kinesis": _stream,
    "lambda": _lambda,
    "sns": _topic,
    "sqs": _queue,
    "states": _state_machine,
}
# Services that a universal target names otherwise than botocore.
_SERVICES = {
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "sfn": "stepfunctions",
}


def _needed(target: Target, group: str, *names: str) -> dict[str, Any]:
    parameters = target.get(group) or {}
    if lacking := [name for name in names if not parameters.get(name)]:
        raise ValueError(f"{group} must have {', '.join(lacking)}")
    return {name: parameters[name] for name in names}


def _universal(service: str, operation: str, content: str) -> Call:
    """``arn:aws:scheduler:::aws-sdk:SERVICE:OPERATION``: any call, with the input as its parameters."""
    name = _SERVICES.get(service, service)
    operation_name = operation[:1].upper() + operation[1:]
    try:
        parameters = json.loads(content)
    except ValueError:
        raise ValueError(f"the input of {service}:{operation} is not JSON") from None
    return Call(name, xform_name(operation_name), _members(name, operation_name, parameters))


def _members(service: str, operation: str, members: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as the API writes them: a target writes each with a capital."""
    try:
        model = get_session().get_service_model(service)
    except UnknownServiceError:
        raise ValueError(f"there is no service {service}") from None
    if operation not in model.operation_names:
        raise ValueError(f"{service} has no operation {operation}")
    shape: Any = model.operation_model(operation).input_shape
    names = {name.lower(): name for name in (shape.members if shape else ())}
    if unknown := [name for name in members if name.lower() not in names]:
        raise ValueError(f"{service}:{operation} has no parameter {', '.join(unknown)}")
    return {names[name.lower()]: value for name, value in members.items()}
