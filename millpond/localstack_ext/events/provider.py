"""What EventBridge delivers to its targets, and when, where LocalStack differs from AWS.

Sources: the EventBridge API Reference, type ``Target``: "Input: Valid JSON text passed to the target. In this
case, nothing from the event itself is passed to the target." The EventBridge User Guide, "Retrying event
delivery" (by default 185 times within 24 hours, with exponential back-off and jitter; answers with status
429 and 5xx are retried, others are not), "Using dead-letter queues to process undelivered events" and
"Monitoring Amazon EventBridge" (namespace ``AWS/Events``, dimension ``RuleName``). ``PutRule`` in the API
Reference: an existing rule is replaced by what is given, its schedule and its state too.
"""

from __future__ import annotations

import copy
import datetime
import json
import logging
import random
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from localstack.aws.api import RequestContext, handler
from localstack.aws.api.events import InvalidEventPatternException
from localstack.aws.connect import connect_to
from localstack.services.events.api_destination import APIDestinationService
from localstack.services.events.archive import ArchiveService
from localstack.services.events.connection import ConnectionService
from localstack.services.events.event_bus import EventBusService
from localstack.services.events.event_rule_engine import EventPatternCompiler, EventRuleEngine
from localstack.services.events.models import Archive, EventsStore, Rule, ValidationException, events_stores
from localstack.services.events.rule import RuleService
from localstack.services.events.scheduler import JobScheduler
from localstack.services.events.target import (
    StatesTargetSender,
    TargetSender,
    TargetSenderFactory,
)
from localstack.services.events.utils import event_time_to_time_string
from localstack.utils.aws.arns import events_rule_arn, sqs_queue_url_for_arn
from localstack.utils.aws.client_types import ServicePrincipal
from localstack.utils.xray.trace_header import TraceHeader

from millpond.localstack_ext.engine import patches, planes
from millpond.localstack_ext.events import patterns, transformers
from millpond.localstack_ext.events.attributes import WholeEventsProvider
from millpond.planes.common.errors import AwsError
from millpond.planes.common.telemetry import datum
from millpond.planes.glue.exceptions import InvalidInputException

_LOG = logging.getLogger(__name__)

NAMESPACE = "AWS/Events"
MAXIMUM_ATTEMPTS = 185
MAXIMUM_AGE_SECONDS = 24 * 3600.0
_LONGEST_WAIT = 600.0


class StateMachineTarget(StatesTargetSender):
    """Starts an execution; LocalStack takes its name from the event, which a target's own input lacks."""

    def send_event(self, event: Any, trace_header: TraceHeader) -> None:  # noqa: ARG002
        # The client is made when first used, for the service of the ARN, which is named "states".
        self.service = "stepfunctions"
        client: Any = self.client
        client.start_execution(stateMachineArn=self.target["Arn"], input=json.dumps(event, default=str))


class WorkflowTarget(TargetSender):
    """Notifies a workflow of Glue, whose trigger of type EVENT starts it (``glue:notifyEvent``)."""

    def send_event(self, event: Any, trace_header: TraceHeader) -> None:  # noqa: ARG002
        arn = str(self.target["Arn"])
        region, account_id, resource = arn.split(":", 5)[3:]
        kind, _, name = resource.partition("/")
        event_id = str(event["id"]) if isinstance(event, dict) and "id" in event else str(uuid.uuid4())
        try:
            if kind != "workflow":
                raise InvalidInputException(f"{arn} is no workflow")
            planes.glue().of(account_id, region).notify_event(name, event_id)
        except AwsError as error:
            answer: Any = {
                "Error": {"Code": error.code, "Message": error.message},
                "ResponseMetadata": {"HTTPStatusCode": error.status_code},
            }
            raise ClientError(answer, "NotifyEvent") from error


@dataclass
class Delivery:
    """One event on its way to one target.

    Parameters
    ----------
    sender : TargetSender
        The target.
    event : mapping
        The event.
    payload : object
        What the target is given of it.
    trace_header : TraceHeader
        Goes with it.
    """

    sender: TargetSender
    event: Mapping[str, Any]
    payload: Any
    trace_header: TraceHeader
    began: float = field(default_factory=time.monotonic)
    retries: int = 0

    def attempt(self) -> None:
        """Deliver, else see to what comes next; it does not raise."""
        if self.retries == 0:
            self._count("Invocations")
        try:
            self.sender.send_event(self.payload, self.trace_header)
        except Exception as error:  # noqa: BLE001 - the event is retried, put into the queue or logged as lost
            self._failed(error)

    def refuse(self, error: Exception) -> None:
        """The event cannot be what the target is given: it is not delivered."""
        self._count("Invocations")
        self._give_up(error, None)

    def _failed(self, error: Exception) -> None:
        policy: Mapping[str, Any] = self.sender.target.get("RetryPolicy") or {}
        most = policy.get("MaximumRetryAttempts", MAXIMUM_ATTEMPTS)
        longest = policy.get("MaximumEventAgeInSeconds", MAXIMUM_AGE_SECONDS)
        if not is_retried(error):
            self._give_up(error, None)
        elif self.retries >= most:
            self._give_up(error, "MaximumRetryAttempts")
        elif time.monotonic() - self.began >= longest:
            self._give_up(error, "MaximumEventAgeInSeconds")
        else:
            wait = min(_LONGEST_WAIT, 2.0**self.retries) * random.uniform(0.5, 1.0)  # noqa: S311
            self.retries += 1
            self._count("RetryInvocationAttempts")
            timer = threading.Timer(wait, self.attempt)
            timer.daemon = True
            timer.start()

    def _give_up(self, error: Exception, exhausted: str | None) -> None:
        self._count("FailedInvocations")
        queue = (self.sender.target.get("DeadLetterConfig") or {}).get("Arn")
        if queue is None:
            _LOG.warning("rule %s: an event was not delivered to %s: %s", self._rule, self.sender.arn, error)
            return
        try:
            self._send_to_queue(queue, error, exhausted)
        except (ClientError, BotoCoreError):
            self._count("InvocationsFailedToBeSentToDlq")
            _LOG.warning(
                "rule %s: an event was not delivered, nor sent to %s", self._rule, queue, exc_info=True
            )
        else:
            self._count("InvocationsSentToDlq")

    def _send_to_queue(self, queue: str, error: Exception, exhausted: str | None) -> None:
        attributes = {
            "RULE_ARN": self.sender.rule_arn,
            "TARGET_ARN": self.sender.arn,
            "ERROR_CODE": error_code(error),
            "ERROR_MESSAGE": str(error),
            "RETRY_ATTEMPTS": str(self.retries),
            **({"EXHAUSTED_RETRY_CONDITION": exhausted} if exhausted else {}),
        }
        sqs: Any = connect_to(aws_access_key_id=self.sender.account_id, region_name=self.sender.region).sqs
        sqs.request_metadata(
            service_principal=ServicePrincipal.events, source_arn=self.sender.rule_arn
        ).send_message(
            QueueUrl=sqs_queue_url_for_arn(queue),
            MessageBody=json.dumps(self.event, default=str),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )

    @property
    def _rule(self) -> str:
        return str(self.sender.rule_name)

    def _count(self, name: str) -> None:
        planes.telemetry().metrics(
            NAMESPACE,
            [datum(name, 1, "Count", RuleName=self._rule)],
            account_id=self.sender.account_id,
            region=self.sender.region,
        )


def is_retried(error: Exception) -> bool:
    """Whether a target that answers so is asked again."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return bool(status == 429 or status >= 500)
    return isinstance(error, BotoCoreError)


def error_code(error: Exception) -> str:
    """The code that a message in the dead-letter queue has for an error."""
    if not isinstance(error, ClientError):
        return "SDK_CLIENT_ERROR"
    code = error.response["Error"]["Code"]
    if "AccessDenied" in code or "Authorization" in code:
        return "NO_PERMISSIONS"
    if any(word in code for word in ("NotFound", "DoesNotExist", "NonExistent", "NoSuch")):
        return "NO_RESOURCE"
    return "SDK_CLIENT_ERROR"


def _payload(sender: TargetSender, event: dict[str, Any]) -> Any:
    """What a target is given; its own input also when it is empty, which LocalStack takes for nothing."""
    if (own_input := sender.target.get("Input")) is not None:
        return json.loads(own_input)
    payload: Any = event
    if input_path := sender.target.get("InputPath"):
        payload = transformers.value_at(payload, input_path)
    if transformer := sender.target.get("InputTransformer"):
        payload = transformers.read(transformer).apply(payload, _predefined(sender, event))
    return payload


def _predefined(sender: TargetSender, event: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that every transformer has."""
    renamed = {"detailType" if name == "detail-type" else name: value for name, value in event.items()}
    return {
        "aws.events.rule-arn": sender.rule_arn,
        "aws.events.rule-name": sender.rule_name,
        "aws.events.event.ingestion-time": event["time"],
        "aws.events.event": {name: value for name, value in renamed.items() if name != "detail"},
        "aws.events.event.json": event,
    }


def _process_event(self: TargetSender, event: Any, trace_header: TraceHeader) -> None:
    """Deliver an event to a target, now or later."""
    shown = {key: _shown(value) for key, value in event.items() if key != "event-bus-name"}
    try:
        payload = _payload(self, copy.deepcopy(shown))
    except transformers.InvalidTransformerError as error:
        Delivery(self, shown, None, trace_header).refuse(error)
    else:
        Delivery(self, shown, payload, trace_header).attempt()


def _shown(value: Any) -> Any:
    """A field of an event as text, if it is a moment."""
    return event_time_to_time_string(value) if isinstance(value, datetime.datetime) else value


class ReschedulingEventsProvider(WholeEventsProvider):
    """Rules with patterns and transformers that EventBridge knows, and with one clock each.

    A rule that is put again has a new clock; LocalStack starts one only with targets, and stops none.
    """

    @handler("PutRule", expand=False)
    def put_rule(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Keep a rule, in the place of one with the same name."""
        _check_pattern(request.get("EventPattern"))
        return super().put_rule(context, **_arguments(request))

    @handler("CreateArchive", expand=False)
    def create_archive(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Make an archive of the events that its pattern finds."""
        _check_pattern(request.get("EventPattern"))
        return super().create_archive(context, **_arguments(request))

    @handler("UpdateArchive", expand=False)
    def update_archive(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Change an archive."""
        _check_pattern(request.get("EventPattern"))
        return super().update_archive(context, **_arguments(request))

    @handler("PutTargets", expand=False)
    def put_targets(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Give a rule its targets, if what they are to be given can be made of an event."""
        for target in request["Targets"]:
            _check_input(target)
        return super().put_targets(context, **_arguments(request))

    def create_rule_service(self, name: str, region: str, account_id: str, *arguments: Any) -> RuleService:
        before = self._rule_services_store.get(events_rule_arn(name, account_id, region))
        service = super().create_rule_service(name, region, account_id, *arguments)
        if before is not None:
            _stop_clock(before)
        if service.schedule_cron and service.rule.targets:
            fire = self._get_scheduled_rule_job_function(account_id, region, service.rule)
            service.create_schedule_job(fire)
        return service

    def on_before_state_load(self) -> None:
        self._forget()

    def on_after_state_load(self) -> None:
        """Make what acts on the rules, targets and connections that are back."""
        for account_id, region, store in events_stores.iter_stores():
            for bus in store.event_buses.values():
                self._event_bus_services_store[bus.arn] = EventBusService(bus)
                for rule in bus.rules.values():
                    self._bring_back(rule, region, account_id)
            for archive in store.archives.values():
                self._archive_service_store[archive.arn] = _archive_service(archive)
            self._bring_back_connections(store)

    def on_before_state_reset(self) -> None:
        self._forget()

    def _forget(self) -> None:
        for service in self._rule_services_store.values():
            _stop_clock(service)
        for made in (
            self._event_bus_services_store,
            self._rule_services_store,
            self._target_sender_store,
            self._archive_service_store,
            self._replay_service_store,
            self._connection_service_store,
            self._api_destination_service_store,
        ):
            made.clear()

    def _bring_back(self, rule: Rule, region: str, account_id: str) -> None:
        service = RuleService(rule)
        self._rule_services_store[service.arn] = service
        for target in rule.targets.values():
            self.create_target_sender(target, rule.arn, rule.name, region, account_id)
        if service.schedule_cron and rule.targets:
            service.create_schedule_job(self._get_scheduled_rule_job_function(account_id, region, rule))

    def _bring_back_connections(self, store: EventsStore) -> None:
        by_arn = {connection.arn: connection for connection in store.connections.values()}
        for connection in by_arn.values():
            self._connection_service_store[connection.arn] = ConnectionService.restore_from_connection(
                connection
            )
        for destination in store.api_destinations.values():
            service = APIDestinationService.restore_from_api_destination_and_connection(
                destination, by_arn[destination.connection_arn]
            )
            self._api_destination_service_store[destination.arn] = service


def _archive_service(archive: Archive) -> ArchiveService:
    created = archive.creation_time
    service = ArchiveService(archive)
    archive.creation_time = created
    return service


def _restart_clock(start: Any, self: RuleService, fire: Callable[..., None]) -> None:
    """Give a rule its clock; the one that it had, from other targets, stops."""
    _stop_clock(self)
    start(self, fire)


def _stop_clock(service: RuleService) -> None:
    JobScheduler.instance().cancel_job(getattr(service, "job_id", None))  # type: ignore[no-untyped-call]


def _arguments(request: Any) -> dict[str, Any]:
    """A request as LocalStack's methods take it."""
    return {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower(): value for name, value in request.items()}


def _check_pattern(pattern: str | None) -> None:
    if pattern is None:
        return
    try:
        patterns.parse(pattern)
    except patterns.InvalidPatternError as error:
        raise InvalidEventPatternException(f"Event pattern is not valid. Reason: {error}") from error


def _check_input(target: Mapping[str, Any]) -> None:
    members = [
        member for member in ("Input", "InputPath", "InputTransformer") if target.get(member) is not None
    ]
    if len(members) > 1:
        raise ValidationException(
            "Only one of Input, InputPath, or InputTransformer must be provided for target "
            f"{target.get('Id')}."
        )
    try:
        if "Input" in members:
            json.loads(target["Input"])
        if "InputPath" in members:
            transformers.check_path(target["InputPath"])
        if "InputTransformer" in members:
            transformers.read(target["InputTransformer"])
    except ValueError as error:
        raise ValidationException(f"Invalid {members[0]} for target {target.get('Id')} : {error}") from error


def install_patterns() -> None:
    """Let rules, archives and the filters of event source mappings use Millpond's patterns."""

    def compile_pattern(_theirs: Any, _self: Any, event_pattern: Any) -> Any:
        text = event_pattern if isinstance(event_pattern, str) else json.dumps(event_pattern)
        _check_pattern(text)
        return patterns.parse(text)

    def evaluate(_theirs: Any, _self: Any, compiled_event_pattern: Any, event: Any) -> bool:
        try:
            body = json.loads(event) if isinstance(event, str) else event
        except ValueError:
            return False
        return isinstance(body, dict) and bool(compiled_event_pattern.matches(body))

    patches.wrap(EventPatternCompiler, "compile_event_pattern", compile_pattern)
    patches.wrap(EventRuleEngine, "evaluate_pattern_on_event", evaluate)


def install_targets() -> None:
    """Let LocalStack's rules deliver to targets as this module does."""
    patches.wrap(RuleService, "create_schedule_job", _restart_clock)
    senders = {**TargetSenderFactory.target_map, "states": StateMachineTarget, "glue": WorkflowTarget}
    patches.replace(TargetSenderFactory, "target_map", senders)
    patches.replace(TargetSender, "process_event", _process_event)
