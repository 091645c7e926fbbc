"""What LocalStack does not keep of log groups and destinations: their class and their tags.

Source: ``CreateLogGroup`` (``logGroupClass``), ``TagResource``, ``TagLogGroup``, ``PutDestination`` and
``DeleteLogGroup`` in the CloudWatch Logs API Reference. LocalStack shows every group as of the class
STANDARD, drops the tags of what had none before, and lets a new group have those of a deleted one.
"""

from __future__ import annotations

from typing import Any

from localstack.aws.api import RequestContext, handler
from localstack.services.logs.models import get_moto_logs_backend, logs_stores
from localstack.services.logs.provider import LogsProvider
from localstack.services.moto import call_moto
from localstack.utils.aws import arns

_STANDARD = "STANDARD"


class GroupsProvider(LogsProvider):
    """Keeps the class and the tags that log groups and destinations are made with."""

    @handler("CreateLogGroup", expand=False)
    def create_log_group(self, context: RequestContext, request: Any) -> None:  # type: ignore[override]
        call_moto(context)
        name = request["logGroupName"]
        group: Any = get_moto_logs_backend(context.account_id, context.region).groups[name]
        group.log_group_class = request.get("logGroupClass") or _STANDARD
        _tags(context)[_arn(context, name)] = dict(request.get("tags") or {})

    @handler("DeleteLogGroup", expand=False)
    def delete_log_group(self, context: RequestContext, request: Any) -> None:  # type: ignore[override]
        call_moto(context)
        _tags(context).pop(_arn(context, request["logGroupName"]), None)

    @handler("DescribeLogGroups", expand=False)
    def describe_log_groups(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        return _with_classes(context, super().describe_log_groups(context, request))

    @handler("ListLogGroups", expand=False)
    def list_log_groups(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        return _with_classes(context, super().list_log_groups(context, request))

    @handler("TagResource", expand=False)
    def tag_resource(self, context: RequestContext, request: Any) -> None:  # type: ignore[override]
        _tags(context).setdefault(request["resourceArn"], {})
        super().tag_resource(context, request["resourceArn"], request["tags"])

    @handler("TagLogGroup", expand=False)
    def tag_log_group(self, context: RequestContext, request: Any) -> None:  # type: ignore[override]
        _tags(context).setdefault(_arn(context, request["logGroupName"]), {})
        super().tag_log_group(context, request["logGroupName"], request["tags"])

    @handler("PutDestination", expand=False)
    def put_destination(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        answer: Any = call_moto(context)
        # Tags are those of its first call alone.
        _tags(context).setdefault(answer["destination"]["arn"], dict(request.get("tags") or {}))
        return answer

    @handler("DeleteDestination", expand=False)
    def delete_destination(self, context: RequestContext, request: Any) -> None:  # type: ignore[override]
        arn = (
            get_moto_logs_backend(context.account_id, context.region)
            .get_destination(request["destinationName"])
            .arn
        )
        call_moto(context)
        _tags(context).pop(arn, None)


def _tags(context: RequestContext) -> dict[str, dict[str, str]]:
    tags: dict[str, dict[str, str]] = logs_stores[context.account_id][context.region].TAGS
    return tags


def _arn(context: RequestContext, group: str) -> str:
    return arns.log_group_arn(group_name=group, account_id=context.account_id, region_name=context.region)


def _with_classes(context: RequestContext, answer: Any) -> Any:
    groups = get_moto_logs_backend(context.account_id, context.region).groups
    for shown in answer["logGroups"]:
        # A group may be deleted meanwhile.
        group = groups.get(shown["logGroupName"])
        shown["logGroupClass"] = getattr(group, "log_group_class", _STANDARD)
    return answer
