"""The rescheduling Lambda: gives the rule that starts the ingest the schedule which Parameter Store holds.

EventBridge calls it whenever the parameter changes. See docs/contracts.md.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient


def handler(_event: object, _context: object) -> dict[str, str]:
    parameter = boto3.client("ssm").get_parameter(Name=os.environ["SCHEDULE_PARAMETER"])["Parameter"]
    return reschedule(boto3.client("events"), os.environ["RULE"], parameter["Value"])


def reschedule(events: EventBridgeClient, rule: str, expression: str) -> dict[str, str]:
    """Give a rule a schedule; all else that it says stays.

    Parameters
    ----------
    events : EventBridgeClient
        Of the rule's region.
    rule : str
        Its name, on the default bus.
    expression : str
        ``rate(...)`` or ``cron(...)``; EventBridge refuses another with ValidationException.
    """
    found = events.describe_rule(Name=rule)
    # PutRule puts a rule as a whole: what it is not given is gone.
    kept: Any = {name: found[name] for name in ("Description", "State") if name in found}
    events.put_rule(Name=rule, ScheduleExpression=expression, **kept)
    return {"rule": rule, "schedule": expression}
