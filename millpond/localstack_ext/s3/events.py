"""What S3 tells of objects, where LocalStack differs from AWS.

Source: "EventBridge event message structure" in the S3 User Guide: the object's key is as it is (only in
notifications to SNS, SQS and Lambda it is URL-encoded, with ``+`` for a space), ``sequencer`` orders the
events of one key, ``reason`` names the operation, ``requester`` the account.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from localstack.services.events.models import events_stores
from localstack.services.events.utils import format_event
from localstack.services.s3 import notifications
from localstack.services.s3.notifications import EventBridgeNotifier

from millpond.localstack_ext.engine import patches
from millpond.localstack_ext.events import patterns

DEFAULT_BUS = "default"
_REASON_PREFIX = "s3:ObjectCreated:"


def corrected(detail: dict[str, Any], account_id: str, moment_ns: int) -> dict[str, Any]:
    """The detail of LocalStack's event as AWS has it."""
    thing = {**detail["object"], "key": unquote_plus(detail["object"]["key"])}
    if "sequencer" in thing:
        thing["sequencer"] = f"{moment_ns:018X}"
    reason = {"reason": detail["reason"].removeprefix(_REASON_PREFIX)} if "reason" in detail else {}
    return {**detail, "object": thing, "requester": account_id, **reason}


def is_awaited(entry: Any, account_id: str, region: str) -> bool:
    """Whether the pattern of a rule of the default event bus is of an event.

    A job writes hundreds of objects; a request to EventBridge for each would take longer than their writing.
    """
    bus = events_stores[account_id][region].event_buses.get(DEFAULT_BUS)
    rules = list(bus.rules.values()) if bus else []
    event = format_event(entry, region, account_id, DEFAULT_BUS)
    return any(rule.event_pattern and patterns.parse(rule.event_pattern).matches(event) for rule in rules)


def install_events() -> None:
    """Let LocalStack's notifier send the above, where a rule waits for it."""

    def notify(theirs: Any, notifier: Any, ctx: Any, config: Any) -> None:
        entry = notifier._get_event_payload(ctx)
        if is_awaited(entry, ctx.bucket_account_id, ctx.bucket_location):
            theirs(notifier, ctx, config)

    def payload(make: Any, ctx: Any, config_id: Any = None) -> Any:
        entry = make(ctx, config_id)
        detail = corrected(json.loads(entry["Detail"] or "{}"), ctx.bucket_account_id, time.time_ns())
        return {**entry, "Detail": json.dumps(detail)}

    patches.replace(notifications, "quote", partial(quote_plus, safe="/"))
    patches.wrap(EventBridgeNotifier, "_get_event_payload", payload)
    patches.wrap(EventBridgeNotifier, "notify", notify)
