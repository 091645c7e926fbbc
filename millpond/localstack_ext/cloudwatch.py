"""What CloudWatch keeps of an alarm, where LocalStack differs from AWS.

Source: the CloudWatch API Reference, ``PutMetricAlarm`` and ``PutCompositeAlarm``: ``Tags`` are associated
with the alarm when it is created; for an alarm that exists they are ignored.
"""

from __future__ import annotations

from typing import Any

from localstack.aws.api import RequestContext, handler
from localstack.aws.api.cloudwatch import PutCompositeAlarmInput, PutMetricAlarmInput
from localstack.services.cloudwatch.provider_v2 import CloudwatchProvider
from localstack.utils.aws import arns


class TaggingCloudwatchProvider(CloudwatchProvider):
    """Keeps the tags that a new alarm is made with, which LocalStack drops."""

    @handler("PutMetricAlarm", expand=False)
    def put_metric_alarm(  # type: ignore[override]
        self, context: RequestContext, request: PutMetricAlarmInput
    ) -> None:
        is_new = self._is_new(context, request)
        super().put_metric_alarm(context, request)
        if is_new:
            self._keep_tags(context, request)

    @handler("PutCompositeAlarm", expand=False)
    def put_composite_alarm(  # type: ignore[override]
        self, context: RequestContext, request: PutCompositeAlarmInput
    ) -> None:
        is_new = self._is_new(context, request)
        super().put_composite_alarm(context, request)
        if is_new:
            self._keep_tags(context, request)

    def _is_new(self, context: RequestContext, request: Any) -> bool:
        return _arn(context, request) not in self.get_store(context.account_id, context.region).alarms

    def _keep_tags(self, context: RequestContext, request: Any) -> None:
        if request.get("Tags"):
            self.tag_resource(context, _arn(context, request), request["Tags"])


def _arn(context: RequestContext, request: Any) -> str:
    return arns.cloudwatch_alarm_arn(
        request["AlarmName"], account_id=context.account_id, region_name=context.region
    )
