"""Schedules that are kept by moto, and invoke their targets when they are due.

Source: the EventBridge Scheduler User Guide: retries with exponential back-off within ``RetryPolicy``, then
"Configuring a dead-letter queue"; ``ActionAfterCompletion``; metrics of the namespace ``AWS/Scheduler``. A
flexible time window is invoked at its beginning.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from localstack.aws.api import RequestContext, handler
from localstack.aws.api.scheduler import ResourceNotFoundException, ValidationException
from localstack.services.moto import call_moto
from localstack.services.scheduler.provider import SchedulerProvider
from localstack.utils.aws.arns import sqs_queue_url_for_arn
from moto.scheduler.models import scheduler_backends

from millpond.localstack_ext.engine import planes
from millpond.localstack_ext.engine.clocked import Clocked
from millpond.localstack_ext.events.provider import error_code, is_retried
from millpond.localstack_ext.iam.roles import assume, clients_of
from millpond.planes.common.telemetry import datum
from millpond.planes.scheduler.targets import Call, Invocation, call_of
from millpond.planes.scheduler.timing import Timing

_LOG = logging.getLogger(__name__)

NAMESPACE = "AWS/Scheduler"
_LONGEST_WAIT = 600.0


@dataclass(frozen=True)
class Place:
    """Where a schedule is."""

    account: str
    region: str
    group: str
    name: str

    @property
    def key(self) -> tuple[str, str]:
        return (f"{self.account}:{self.region}:{self.group}", self.name)

    def schedule(self) -> Any | None:
        """What moto keeps of it; None when it is gone."""
        groups = scheduler_backends[self.account][self.region].schedule_groups
        group = groups.get(self.group)
        return group.schedules.get(self.name) if group else None


class DueSchedulerProvider(Clocked, SchedulerProvider):
    """Schedules with one clock."""

    CLOCK = "scheduler"

    def on_after_state_load(self) -> None:
        """Go on from now: what was due while the engine did not run was not invoked."""
        now = datetime.now(UTC)
        for account, backends in scheduler_backends.items():
            for region, backend in backends.items():
                for group in backend.schedule_groups.values():
                    for name in group.schedules:
                        self._set(Place(account, region, group.name, name), now)

    @handler("CreateSchedule", expand=False)
    def create_schedule(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Make a schedule whose target can be invoked here."""
        _check(request)
        answer = call_moto(context)
        self._begin(context, request)
        return answer

    @handler("UpdateSchedule", expand=False)
    def update_schedule(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Put a schedule anew."""
        _check(request)
        answer = call_moto(context)
        self._begin(context, request)
        return answer

    def _begin(self, context: RequestContext, request: Mapping[str, Any]) -> None:
        group = request.get("GroupName") or "default"
        place = Place(context.account_id, context.region, group, request["Name"])
        schedule = place.schedule()
        if schedule is None:
            raise ResourceNotFoundException(f"Schedule {place.name} does not exist.")
        # A tick earlier: a rate is due at once.
        self._set(place, _timing(schedule).created - timedelta(microseconds=1))

    def _set(self, place: Place, after: datetime) -> None:
        """Wait for the next time that a schedule is due."""
        schedule = place.schedule()
        if schedule is None or schedule.state != "ENABLED":
            self._clock.forget(place.key)
            return
        moment = _timing(schedule).next(after)
        if moment is None:
            self._clock.forget(place.key)
            return
        self._clock.set(place.key, moment, lambda: self._is_due(place, moment))

    def _is_due(self, place: Place, moment: datetime) -> None:
        schedule = place.schedule()
        if schedule is None or schedule.state != "ENABLED":
            return
        is_last = _timing(schedule).next(moment) is None
        self._invoke(place, dict(schedule.target), Invocation(schedule.arn, moment, str(uuid.uuid4())))
        if not is_last:
            self._set(place, moment)
        elif schedule.action_after_completion == "DELETE":
            scheduler_backends[place.account][place.region].delete_schedule(place.group, place.name)

    def _invoke(self, place: Place, target: Mapping[str, Any], invocation: Invocation) -> None:
        _count(place, "InvocationAttemptCount")
        try:
            _make(call_of(target, invocation), place, target["RoleArn"])
        except (ClientError, BotoCoreError, ValueError) as error:
            _count(place, "TargetErrorCount")
            self._failed(place, target, invocation, error)

    def _failed(
        self, place: Place, target: Mapping[str, Any], invocation: Invocation, error: Exception
    ) -> None:
        policy = target.get("RetryPolicy") or {}
        now = datetime.now(UTC)
        wait = min(_LONGEST_WAIT, 2.0 ** (invocation.attempt - 1))
        age = (now - invocation.moment).total_seconds() + wait
        if not is_retried(error):
            self._give_up(place, target, invocation, error, None)
        elif invocation.attempt > policy.get("MaximumRetryAttempts", 185):
            self._give_up(place, target, invocation, error, "MaximumRetryAttempts")
        elif age > policy.get("MaximumEventAgeInSeconds", 86_400):
            self._give_up(place, target, invocation, error, "MaximumEventAgeInSeconds")
        else:
            again = replace(invocation, attempt=invocation.attempt + 1)
            self._clock.set(
                (invocation.execution_id, ""),
                now + timedelta(seconds=wait),
                lambda: self._invoke(place, target, again),
            )

    def _give_up(
        self,
        place: Place,
        target: Mapping[str, Any],
        invocation: Invocation,
        error: Exception,
        exhausted: str | None,
    ) -> None:
        _count(place, "InvocationDroppedCount")
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if queue is None:
            _LOG.warning("schedule %s: %s was not invoked: %s", place.name, target["Arn"], error)
            return
        attributes = {
            "SCHEDULE_ARN": invocation.schedule_arn,
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": error_code(error),
            "ERROR_MESSAGE": str(error),
            "RETRY_ATTEMPTS": str(invocation.attempt - 1),
            **({"EXHAUSTED_RETRY_CONDITION": exhausted} if exhausted else {}),
        }
        message = {
            "QueueUrl": sqs_queue_url_for_arn(queue),
            "MessageBody": invocation.fill_in(target.get("Input") or "{}"),
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        }
        try:
            _make(Call("sqs", "send_message", message), place, target["RoleArn"])
        except (ClientError, BotoCoreError):
            _count(place, "InvocationsFailedToBeSentToDeadLetterCount")
            _LOG.warning("schedule %s: nor was it sent to %s", place.name, queue, exc_info=True)
        else:
            _count(place, "InvocationsSentToDeadLetterCount")


def _timing(schedule: Any) -> Timing:
    return Timing(
        schedule.schedule_expression,
        schedule.schedule_expression_timezone,
        datetime.fromtimestamp(float(schedule.last_modified_date), UTC),
        _moment(schedule.start_date),
        _moment(schedule.end_date),
    )


def _moment(value: Any) -> datetime | None:
    """Moto keeps what the request had: seconds of the epoch, or a text."""
    if value is None or value == "":
        return None
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError):
        return value if isinstance(value, datetime) else datetime.fromisoformat(str(value)).astimezone(UTC)


def _check(request: Mapping[str, Any]) -> None:
    """Refuse a schedule that would never be due, or whose target cannot be invoked here."""
    now = datetime.now(UTC)
    timezone = request.get("ScheduleExpressionTimezone") or "UTC"
    try:
        Timing(request["ScheduleExpression"], timezone, now).next(now)
    except ValueError as error:
        text = f"Invalid Schedule Expression {request['ScheduleExpression']}: {error}."
        raise ValidationException(text) from error
    try:
        call_of(request["Target"], Invocation("arn:aws:scheduler:::schedule/x/y", now, "x"))
    except ValueError as error:
        raise ValidationException(f"Invalid target: {error}. See docs/coverage.") from error


def _make(call: Call, place: Place, role: str) -> None:
    """Make a call by the target's role; the trust policy sees the group of the schedule."""
    group = f"arn:aws:scheduler:{place.region}:{place.account}:schedule-group/{place.group}"
    clients = clients_of(assume(role, "scheduler", group, place.account, place.region), place.region)
    client = getattr(clients, f"{call.service}_" if call.service == "lambda" else call.service)
    parameters = dict(call.parameters)
    if call.service == "sqs" and str(parameters["QueueUrl"]).startswith("/"):
        account, name = parameters["QueueUrl"].strip("/").split("/")
        parameters["QueueUrl"] = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)[
            "QueueUrl"
        ]
    answer = getattr(client, call.operation)(**parameters)
    # PutEvents tells of an entry that it did not take in its answer.
    if answer.get("FailedEntryCount"):
        entry = answer["Entries"][0]
        error: Any = {"Error": {"Code": entry["ErrorCode"], "Message": entry["ErrorMessage"]}}
        raise ClientError(error, "PutEvents")


def _count(place: Place, name: str) -> None:
    planes.telemetry().metrics(
        NAMESPACE,
        [datum(name, 1, "Count", ScheduleGroup=place.group)],
        account_id=place.account,
        region=place.region,
    )
