"""What CloudWatch Logs does with events that arrive, where LocalStack differs from AWS.

Sources: the CloudWatch Logs API Reference, ``PutMetricFilter`` and type ``MetricTransformation``; the
CloudWatch Logs User Guide, "Creating metrics from log events using filters" and "Embedded metric format
specification". LocalStack lets every event match every filter of every group.

A filter's default value is reported once for each ``PutLogEvents`` without a match; AWS does so once for
each minute in which events arrive and none matches.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.aws.api.logs import (
    InvalidParameterException,
    PutLogEventsRequest,
    PutLogEventsResponse,
    PutMetricFilterRequest,
    ResourceNotFoundException,
)
from localstack.services.logs import provider as localstack_logs
from localstack.services.logs.models import get_moto_logs_backend
from localstack.services.moto import call_moto
from localstack.state import AssetDirectory, StateVisitor
from moto.logs.exceptions import ResourceAlreadyExistsException
from moto.logs.models import LogGroup

from millpond.localstack_ext.engine import patches, planes
from millpond.localstack_ext.logs import events
from millpond.localstack_ext.logs import patterns as log_patterns
from millpond.localstack_ext.logs.groups import GroupsProvider
from millpond.localstack_ext.logs.patterns import Fields, InvalidPatternError, Pattern
from millpond.planes.common.telemetry import datum

Shape = dict[str, Any]

_LOG = logging.getLogger(__name__)


class LakeLogsProvider(GroupsProvider):
    """LocalStack's Logs with filter patterns, metric filters and embedded metrics that do what they say."""

    def accept_state_visitor(self, visitor: StateVisitor) -> None:
        super().accept_state_visitor(visitor)
        visitor.visit(AssetDirectory("logs", str(events.store().directory)))

    def on_after_state_reset(self) -> None:
        events.store().forget()

    @handler("PutMetricFilter", expand=False)
    def put_metric_filter(self, context: RequestContext, request: PutMetricFilterRequest) -> None:  # type: ignore[override]
        """Keep a filter, in the place of one with the same name."""
        backend = get_moto_logs_backend(context.account_id, context.region)
        if request["logGroupName"] not in backend.groups:
            raise ResourceNotFoundException("The specified log group does not exist.")
        try:
            log_patterns.parse(request["filterPattern"])
        except InvalidPatternError as error:
            raise InvalidParameterException(f"Invalid filter pattern: {error}") from error
        backend.delete_metric_filter(request["filterName"], request["logGroupName"])
        call_moto(context)

    @handler("PutLogEvents", expand=False)
    def put_log_events(  # type: ignore[override]
        self, context: RequestContext, request: PutLogEventsRequest
    ) -> PutLogEventsResponse:
        """Keep events, then report the metrics that are in them."""
        answer: PutLogEventsResponse = call_moto(context)
        backend = get_moto_logs_backend(context.account_id, context.region)
        messages = [event["message"] for event in request["logEvents"]]
        filters = [
            metric_filter
            for metric_filter in backend.filters.metric_filters
            if metric_filter["logGroupName"] == request["logGroupName"]
        ]
        where = {"account_id": context.account_id, "region": context.region}
        for namespace, data in [*filtered(filters, messages), *embedded(messages)]:
            planes.telemetry().metrics(namespace, data, **where)
        return answer


def install_patterns() -> None:
    """Let LocalStack's subscriptions and ``FilterLogEvents`` use the patterns."""

    def matcher(pattern: str) -> Any:
        parsed = _parsed(pattern)
        return lambda _pattern, event: parsed.match(_message(event)) is not None

    def create_log_stream(self: LogGroup, log_stream_name: str) -> None:
        if log_stream_name in self.streams:
            raise ResourceAlreadyExistsException
        self.streams[log_stream_name] = events.StoredLogStream(self, log_stream_name)

    patches.replace(localstack_logs, "get_pattern_matcher", matcher)
    patches.replace(LogGroup, "create_log_stream", create_log_stream)


def filtered(
    filters: Iterable[Mapping[str, Any]], messages: Sequence[str]
) -> Iterable[tuple[str, list[Shape]]]:
    """Namespaces and data that metric filters make of messages."""
    for metric_filter in filters:
        pattern = _parsed(metric_filter.get("filterPattern", ""))
        fields_by_message = [(message, pattern.match(message)) for message in messages]
        matches = [fields for _, fields in fields_by_message if fields is not None]
        for transformation in metric_filter["metricTransformations"]:
            data = [value for fields in matches if (value := _transformed(transformation, fields))]
            if not matches and transformation.get("defaultValue") is not None:
                data = [_datum(transformation, float(transformation["defaultValue"]), {})]
            if data:
                yield transformation["metricNamespace"], data


def embedded(messages: Iterable[str]) -> Iterable[tuple[str, list[Shape]]]:
    """Namespaces and data of messages in the embedded metric format."""
    for message in messages:
        if '"CloudWatchMetrics"' not in message:
            continue
        try:
            document = json.loads(message)
            metadata = document["_aws"]
            moment = datetime.fromtimestamp(metadata["Timestamp"] / 1000, UTC)
            for directive in metadata["CloudWatchMetrics"]:
                yield directive["Namespace"], _of_directive(document, directive, moment)
        except (ValueError, KeyError, TypeError) as error:
            # As on AWS the event is kept, and no metric is made of it.
            _LOG.info("a log event is not in the embedded metric format: %r", error)


def _of_directive(document: Mapping[str, Any], directive: Mapping[str, Any], moment: datetime) -> list[Shape]:
    data: list[Shape] = []
    for names in directive.get("Dimensions") or [[]]:
        dimensions = {name: str(document[name]) for name in names}
        for metric in directive["Metrics"]:
            raw = document[metric["Name"]]
            values = raw if isinstance(raw, list) else [raw]
            data.extend(
                {
                    "Timestamp": moment,
                    **datum(metric["Name"], float(value), metric.get("Unit", "None"), **dimensions),
                }
                for value in values
            )
    return data


def _transformed(transformation: Mapping[str, Any], fields: Fields) -> Shape | None:
    """The datum of a match; None if the event has no number, or no value for a dimension."""
    value = _number(transformation.get("metricValue") or "1", fields)
    dimensions = {
        name: fields(selector) for name, selector in (transformation.get("dimensions") or {}).items()
    }
    if value is None or None in dimensions.values():
        return None
    shown = {
        name: dimension if isinstance(dimension, str) else json.dumps(dimension)
        for name, dimension in dimensions.items()
    }
    return _datum(transformation, value, shown)


def _datum(transformation: Mapping[str, Any], value: float, dimensions: Mapping[str, str]) -> Shape:
    return datum(
        transformation["metricName"], value, transformation.get("unit") or "None", **dict(dimensions)
    )


def _number(text: str, fields: Fields) -> float | None:
    return log_patterns.number_of(fields(text) if text.startswith("$") else text)


def _parsed(pattern: str) -> Pattern:
    try:
        return log_patterns.parse(pattern or "")
    except InvalidPatternError as error:
        raise CommonServiceException(
            "InvalidParameterException", f"Invalid filter pattern: {error}", sender_fault=True
        ) from error


def _message(event: Any) -> str:
    return str(event["message"] if isinstance(event, dict) else event.message)
