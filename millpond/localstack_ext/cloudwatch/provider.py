"""What CloudWatch does with metrics and alarms, where LocalStack differs from AWS.

Sources: the CloudWatch API Reference, ``PutMetricAlarm`` and ``PutCompositeAlarm``: ``Tags`` are associated
with the alarm when it is created, for an alarm that exists they are ignored; updating an alarm leaves its
state. ``GetMetricData``: expressions. The CloudWatch User Guide, "Using Amazon CloudWatch alarms": alarms
are evaluated once a minute, those of a shorter period than a minute every ten seconds, those of a longer one
than an hour once an hour; "Alarm events and EventBridge".

Here an alarm is evaluated also when a value of its metric arrives, so at most a minute earlier than on AWS.
Its periods end at the moment of the evaluation.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.aws.api.cloudwatch import (
    GetMetricDataInput,
    GetMetricDataOutput,
    PutCompositeAlarmInput,
    PutMetricAlarmInput,
    PutMetricDataInput,
)
from localstack.aws.connect import connect_to
from localstack.services.cloudwatch.models import (
    LocalStackCompositeAlarm,
    LocalStackMetricAlarm,
    cloudwatch_stores,
)
from localstack.services.cloudwatch.provider_v2 import CloudwatchProvider
from localstack.utils.aws import arns

from millpond.localstack_ext.cloudwatch import alarm_rules, alarms, metric_math
from millpond.localstack_ext.cloudwatch.actions import acting_for
from millpond.localstack_ext.cloudwatch.alarm_clock import AlarmClock
from millpond.localstack_ext.cloudwatch.metric_queries import Queries
from millpond.localstack_ext.cloudwatch.metric_store import MetricStore, is_statistic
from millpond.localstack_ext.engine import planes

_LOG = logging.getLogger(__name__)
_HOUR = 3600
_OF_STATE = ("AlarmName", "StateValue", "StateReason", "StateReasonData")


class LakeCloudwatchProvider(CloudwatchProvider):
    """LocalStack's CloudWatch with metric math, percentiles, whole composite rules and AWS's alarm states."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._clock = AlarmClock(self._evaluate)
        self._store = MetricStore()  # type: ignore[no-untyped-call]
        self.cloudwatch_database = self._store
        self.alarm_scheduler = self._clock  # type: ignore[assignment]

    def on_after_state_load(self) -> None:
        """Evaluate the alarms that are back."""
        self._clock.start()
        for _account, _region, store in cloudwatch_stores.iter_stores():
            for arn, alarm in store.alarms.items():
                if isinstance(alarm, LocalStackMetricAlarm):
                    self._clock.schedule_metric_alarm(arn)

    def on_after_state_reset(self) -> None:
        self._clock.start()

    # Metrics

    @handler("PutMetricData", expand=False)
    def put_metric_data(self, context: RequestContext, request: PutMetricDataInput) -> None:  # type: ignore[override]
        """Keep data, and evaluate the alarms that watch it."""
        data = list(request.get("MetricData") or [])
        super().put_metric_data(context, request["Namespace"], data)
        written = {(request["Namespace"], datum["MetricName"]) for datum in data}
        for arn, alarm in list(self.get_store(context.account_id, context.region).alarms.items()):
            if isinstance(alarm, LocalStackMetricAlarm) and not written.isdisjoint(_watched(alarm.alarm)):
                self._clock.wake(arn)

    @handler("GetMetricData", expand=False)
    def get_metric_data(  # type: ignore[override]
        self, context: RequestContext, request: GetMetricDataInput
    ) -> GetMetricDataOutput:
        """Values of metrics and expressions."""
        queries = self._queries(
            context.account_id,
            context.region,
            request["MetricDataQueries"],
            request["StartTime"],
            request["EndTime"],
        )
        try:
            results = queries.results(request.get("ScanBy") or "TimestampDescending")
        except metric_math.MathError as error:
            raise CommonServiceException("ValidationError", str(error), sender_fault=True) from error
        return GetMetricDataOutput(MetricDataResults=results, Messages=[])  # type: ignore[typeddict-item]

    # Alarms

    @handler("PutMetricAlarm", expand=False)
    def put_metric_alarm(  # type: ignore[override]
        self, context: RequestContext, request: PutMetricAlarmInput
    ) -> None:
        before = self._alarm(context, request)
        super().put_metric_alarm(context, request)
        self._keep(context, request, before)

    @handler("PutCompositeAlarm", expand=False)
    def put_composite_alarm(  # type: ignore[override]
        self, context: RequestContext, request: PutCompositeAlarmInput
    ) -> None:
        try:
            alarm_rules.parse(request["AlarmRule"])
        except alarm_rules.InvalidRuleError as error:
            message = f"Error in AlarmRule: {error}"
            raise CommonServiceException("ValidationError", message, sender_fault=True) from error
        before = self._alarm(context, request)
        super().put_composite_alarm(context, request)
        self._keep(context, request, before)
        made = self._alarm(context, request)
        self._evaluate_composite_alarm(context, made, made)

    def _alarm(self, context: RequestContext, request: Any) -> Any:
        arn = arns.cloudwatch_alarm_arn(
            request["AlarmName"], account_id=context.account_id, region_name=context.region
        )
        return self.get_store(context.account_id, context.region).alarms.get(arn)

    def _keep(self, context: RequestContext, request: Any, before: Any) -> None:
        """Keep the state of a changed alarm and the tags of a new one, as LocalStack drops both."""
        alarm = self._alarm(context, request).alarm
        if before is not None:
            kept = ("StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp")
            alarm.update({name: before.alarm[name] for name in kept if name in before.alarm})
        elif request.get("Tags"):
            self.tag_resource(context, alarm["AlarmArn"], request["Tags"])

    def _evaluate(self, alarm_arn: str) -> float | None:
        """Evaluate a metric alarm; in how many seconds to do so again."""
        parsed = arns.parse_arn(alarm_arn)
        account_id, region = parsed["account"], parsed["region"]
        stored = self.get_store(account_id, region).alarms.get(alarm_arn)
        if not isinstance(stored, LocalStackMetricAlarm):
            return None
        alarm: Mapping[str, Any] = stored.alarm
        settings = alarms.Settings.of({"Threshold": 0, **alarm})
        queries = alarm.get("Metrics") or [_own_query(alarm)]
        stats = [query["MetricStat"] for query in queries if "MetricStat" in query]
        if not settings.is_supported or "Threshold" not in alarm or not stats:
            _LOG.warning("alarm %s is not evaluated: only fixed thresholds are available here", alarm_arn)
            return None
        if odd := [stat["Stat"] for stat in stats if not is_statistic(stat["Stat"])]:
            _LOG.warning(
                "alarm %s is not evaluated: the statistics %s are not available here", alarm_arn, odd
            )
            return None
        period = int(stats[0]["Period"])
        end = math.ceil(datetime.now(UTC).timestamp())
        start = end - settings.range * period
        asked = self._queries(account_id, region, queries, _moment(start), _moment(end))
        [compared] = [
            result
            for result in asked.results("TimestampAscending")
            if len(queries) == 1 or _returns(queries, result["Id"])
        ]
        values = {
            round(at.timestamp()): value
            for at, value in zip(compared["Timestamps"], compared["Values"], strict=True)
        }
        points = [alarms.Point(_moment(at), values.get(at)) for at in range(start, end, period)]
        verdict = alarms.evaluate(points, settings, alarm["StateValue"])
        if verdict.state != alarm["StateValue"]:
            recent = [point.value for point in points if point.value is not None]
            data = {
                "version": "1.0",
                "queryDate": _text(datetime.now(UTC)),
                "startDate": _text(_moment(start)),
                "period": period,
                "recentDatapoints": recent,
                "threshold": settings.threshold,
                **({"statistic": alarm["Statistic"]} if alarm.get("Statistic") else {}),
            }
            client: Any = connect_to(aws_access_key_id=account_id, region_name=region).cloudwatch
            client.set_alarm_state(
                AlarmName=alarm["AlarmName"],
                StateValue=verdict.state,
                StateReason=verdict.reason[:1023],
                StateReasonData=json.dumps(data),
            )
        return 10 if period < 60 else 60 if period <= _HOUR else _HOUR

    def _queries(self, account_id: str, region: str, queries: Any, start: datetime, end: datetime) -> Queries:
        def ask(query: Mapping[str, Any]) -> dict[int, float]:
            if not is_statistic(query["MetricStat"]["Stat"]):
                message = f"The statistic {query['MetricStat']['Stat']} is not available here"
                raise CommonServiceException("ValidationError", message, sender_fault=True)
            answer = self._store.get_metric_data_stat(
                account_id, region, query, start, end, "TimestampAscending"
            )
            return dict(zip(answer["timestamps"], answer["values"], strict=True))

        return Queries(queries, ask, start, end)

    # States

    def _evaluate_composite_alarms(self, context: RequestContext, triggering_alarm: Any) -> None:
        """Evaluate the composite alarms whose rule asks for an alarm that has changed."""
        names = {triggering_alarm.alarm["AlarmArn"], triggering_alarm.alarm["AlarmName"]}
        for alarm in list(self.get_store(context.account_id, context.region).alarms.values()):
            if isinstance(alarm, LocalStackCompositeAlarm):
                rule = alarm_rules.parse(alarm.alarm["AlarmRule"] or "")
                if not names.isdisjoint(rule.alarms):
                    self._evaluate_composite_alarm(context, alarm, triggering_alarm)

    def _evaluate_composite_alarm(
        self, context: RequestContext, composite_alarm: Any, triggering_alarm: Any
    ) -> None:
        store = self.get_store(context.account_id, context.region)
        states: dict[str, str] = {
            name: str(member.alarm["StateValue"])
            for member in store.alarms.values()
            for name in (str(member.alarm["AlarmArn"]), str(member.alarm["AlarmName"]))
        }
        rule = alarm_rules.parse(composite_alarm.alarm["AlarmRule"])
        new = alarms.ALARM if rule.holds(lambda name: states.get(name, "")) else alarms.OK
        old = composite_alarm.alarm["StateValue"]
        if new == old:
            return
        trigger = triggering_alarm.alarm
        moment = trigger["StateTransitionedTimestamp"]
        change = f"{trigger['AlarmArn']} transitioned to {trigger['StateValue']}"
        reason = f"{change} at {moment:%A %d %B, %Y %H:%M:%S UTC}"
        state = {"value": trigger["StateValue"], "timestamp": round(moment.timestamp() * 1000)}
        data = {"triggeringAlarms": [{"arn": trigger["AlarmArn"], "state": state}]}
        composite_alarm.alarm["StateTransitionedTimestamp"] = datetime.now(UTC)
        self._update_state(context, composite_alarm, new, reason, data)
        self._evaluate_composite_alarms(context, composite_alarm)
        if composite_alarm.alarm["ActionsEnabled"]:
            run_actions: Any = self._run_composite_alarm_actions
            with acting_for(composite_alarm.alarm["AlarmArn"]):
                run_actions(context, composite_alarm, old, triggering_alarm)

    @handler("SetAlarmState", expand=False)
    def set_alarm_state(self, context: RequestContext, request: Any) -> None:  # type: ignore[override]
        """As LocalStack does; what an alarm does in a state is done by the service, for that alarm."""
        set_state: Any = super().set_alarm_state
        name = str(request["AlarmName"])
        arn = arns.cloudwatch_alarm_arn(name, account_id=context.account_id, region_name=context.region)
        with acting_for(arn):
            set_state(context, *(request.get(member) for member in _OF_STATE))

    def _update_state(
        self,
        context: RequestContext,
        alarm: Any,
        state_value: str,
        state_reason: str,
        state_reason_data: dict[str, Any] | None = None,
    ) -> None:
        """Enter a state and tell EventBridge, which LocalStack does not."""
        before = _state(alarm.alarm)
        enter: Any = super()._update_state
        enter(context, alarm, state_value, state_reason, state_reason_data)
        detail = {
            "alarmName": alarm.alarm["AlarmName"],
            "state": _state(alarm.alarm),
            "previousState": before,
            "configuration": _configuration(alarm.alarm),
        }
        entry = {
            "Source": "aws.cloudwatch",
            "DetailType": "CloudWatch Alarm State Change",
            "Detail": json.dumps(detail, default=str),
            "Resources": [alarm.alarm["AlarmArn"]],
        }
        planes.telemetry().event(entry, account_id=context.account_id, region=context.region)


def _watched(alarm: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Namespaces and names of an alarm's metrics."""
    metrics = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics") or [] if "MetricStat" in query]
    return {(metric.get("Namespace", ""), metric.get("MetricName", "")) for metric in [*metrics, alarm]}


def _own_query(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """What an alarm without ``Metrics`` asks for."""
    metric = {name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions") if alarm.get(name)}
    stat = {
        "Metric": metric,
        "Period": alarm["Period"],
        "Stat": alarm.get("Statistic") or alarm["ExtendedStatistic"],
        **({"Unit": alarm["Unit"]} if alarm.get("Unit") else {}),
    }
    return {"Id": "m1", "MetricStat": stat}


def _returns(queries: Any, query_id: str) -> bool:
    return any(query["Id"] == query_id and query.get("ReturnData", True) for query in queries)


def _state(alarm: Mapping[str, Any]) -> dict[str, Any]:
    state = {
        "value": alarm["StateValue"],
        "reason": alarm["StateReason"],
        "timestamp": _text(alarm["StateUpdatedTimestamp"]),
    }
    return state | ({"reasonData": alarm["StateReasonData"]} if alarm.get("StateReasonData") else {})


def _configuration(alarm: Mapping[str, Any]) -> dict[str, Any]:
    description = {"description": alarm["AlarmDescription"]} if alarm.get("AlarmDescription") else {}
    if "AlarmRule" in alarm:
        return {**description, "alarmRule": alarm["AlarmRule"]}
    return {
        **description,
        "metrics": [_described(query) for query in alarm.get("Metrics") or [_own_query(alarm)]],
    }


def _described(query: Mapping[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"id": query["Id"], "returnData": query.get("ReturnData", True)}
    if "Expression" in query:
        return {**described, "expression": query["Expression"]}
    stat = query["MetricStat"]
    metric = {
        "namespace": stat["Metric"]["Namespace"],
        "name": stat["Metric"]["MetricName"],
        "dimensions": {
            dimension["Name"]: dimension["Value"] for dimension in stat["Metric"].get("Dimensions") or []
        },
    }
    return {**described, "metricStat": {"metric": metric, "period": stat["Period"], "stat": stat["Stat"]}}


def _moment(seconds: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def _text(moment: datetime) -> str:
    """For example ``2026-05-31T23:59:59.123+0000``."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}+0000"
