"""Crawls as the API, EventBridge and metrics tell of them."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from millpond.planes.glue.crawlers.store import LOG_GROUP, Crawl, Crawler
from millpond.planes.glue.exceptions import InvalidInputException, ValidationException
from millpond.planes.glue.requests import Shape, now

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "LT": operator.lt,
    "EQ": operator.eq,
    "GT": operator.gt,
    "NE": operator.ne,
    "LE": operator.le,
    "GE": operator.ge,
}
_FIELDS = ("START_TIME", "END_TIME", "STATE", "CRAWL_ID", "DPU_HOUR")
_ONLY_EQUAL = ("STATE", "CRAWL_ID")


def _seconds(crawl: Crawl) -> float:
    return ((crawl.ended_on or now()) - crawl.started_on).total_seconds()


def crawl_of_history(crawl: Crawl) -> Shape:
    """The ``CrawlerHistory`` structure."""
    added = {"TABLE": {"ADD": {"Count": crawl.created}, "UPDATE": {"Count": crawl.updated}}}
    added["PARTITION"] = {"ADD": {"Count": crawl.partitions}}
    shape = {
        "CrawlId": crawl.id,
        "State": crawl.state,
        "StartTime": crawl.started_on,
        "Summary": json.dumps(added),
        "LogGroup": LOG_GROUP,
        "LogStream": crawl.crawler,
        "MessagePrefix": crawl.id,
        "DPUHour": 0.0,
    }
    if crawl.ended_on:
        shape["EndTime"] = crawl.ended_on
    return shape | ({"ErrorMessage": crawl.error} if crawl.error else {})


def crawl_of_graph(crawl: Crawl) -> Shape:
    """The ``Crawl`` structure of a workflow's node."""
    shape = {
        "State": crawl.trigger_state,
        "StartedOn": crawl.started_on,
        "LogGroup": LOG_GROUP,
        "LogStream": crawl.crawler,
    }
    if crawl.ended_on:
        shape["CompletedOn"] = crawl.ended_on
    return shape | ({"ErrorMessage": crawl.error} if crawl.error else {})


def metrics_of(crawler: Crawler) -> Shape:
    """The ``CrawlerMetrics`` structure."""
    ended = [one for one in crawler.crawls if one.ended_on]
    runtimes = sorted(_seconds(one) for one in ended)
    last = crawler.crawls[-1] if crawler.crawls else None
    return {
        "CrawlerName": crawler.definition["Name"],
        "TimeLeftSeconds": 0.0,
        "StillEstimating": crawler.state == "RUNNING",
        "LastRuntimeSeconds": _seconds(ended[-1]) if ended else 0.0,
        "MedianRuntimeSeconds": runtimes[len(runtimes) // 2] if runtimes else 0.0,
        "TablesCreated": last.created if last else 0,
        "TablesUpdated": last.updated if last else 0,
        "TablesDeleted": last.deleted if last else 0,
    }


def compile_filters(filters: Sequence[Mapping[str, Any]]) -> Callable[[Crawl], bool]:
    """The ``Filters`` of ``ListCrawls``.

    Raises
    ------
    ValidationException, InvalidInputException
        If a filter is none.
    """
    compiled = [_filter(place, one) for place, one in enumerate(filters, 1)]
    return lambda crawl: all(fits(crawl) for fits in compiled)


def _filter(place: int, given: Mapping[str, Any]) -> Callable[[Crawl], bool]:
    name, compared, value = (given.get(key) for key in ("FieldName", "FilterOperator", "FieldValue"))
    _check_one_of(place, "filterOperator", compared, tuple(_OPERATORS))
    _check_one_of(place, "fieldName", name, _FIELDS)
    if value is None or name is None or compared is None:
        shown = ", ".join(
            f"{key}: {given.get(key) or 'null'}" for key in ("FieldName", "FilterOperator", "FieldValue")
        )
        raise InvalidInputException(f"Invalid Filter Provided: {shown}")
    if name in _ONLY_EQUAL and compared not in ("EQ", "NE"):
        raise InvalidInputException(f"Only EQ or NE operator is allowed for field : {name}")
    wanted = value if name in _ONLY_EQUAL else _number(value)
    decide = _OPERATORS[compared]

    def fits(crawl: Crawl) -> bool:
        found: Any = {
            "STATE": crawl.state,
            "CRAWL_ID": crawl.id,
            "DPU_HOUR": 0.0,
            "START_TIME": _milliseconds(crawl.started_on),
            "END_TIME": _milliseconds(crawl.ended_on) if crawl.ended_on else None,
        }[name]
        return found is not None and decide(found, wanted)

    return fits


def _check_one_of(place: int, member: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise ValidationException(
            f"Value '{value}' at 'filters.{place}.member.{member}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(allowed)}]"
        )


def _milliseconds(moment: datetime) -> float:
    return moment.timestamp() * 1000


def _number(text: str) -> float:
    """A number, or the milliseconds of a time of ISO 8601, which is one of UTC unless it says."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputException(f"The value {text} is neither a number nor a time of ISO 8601") from error
    return _milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def event(crawl: Crawl, account_id: str, state: str) -> Shape:
    """The entry for ``PutEvents`` ("Automating AWS Glue with EventBridge" in the Developer Guide)."""
    detail: Shape = {
        "accountId": account_id,
        "crawlerName": crawl.crawler,
        "state": state,
        "message": f"Crawler {state}",
    }
    if state == "Started":
        detail["startTime"] = _iso(crawl.started_on)
    elif state == "Failed":
        detail["errorMessage"] = crawl.error
    else:
        detail |= {
            "tablesCreated": str(crawl.created),
            "tablesUpdated": str(crawl.updated),
            "tablesDeleted": str(crawl.deleted),
            "partitionsCreated": str(crawl.partitions),
            "partitionsUpdated": "0",
            "partitionsDeleted": "0",
            "warningMessage": "N/A",
            "runningTime (sec)": str(round(_seconds(crawl))),
            "completionDate": _iso(crawl.ended_on or now()),
        }
    return {
        "Source": "aws.glue",
        "DetailType": "Glue Crawler State Change",
        "Detail": json.dumps(detail),
        "Resources": [],
    }


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
