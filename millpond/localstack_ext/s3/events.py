"""What S3 tells of objects, where LocalStack differs from AWS.

Source: "EventBridge event message structure" in the S3 User Guide: the object's key is as it is (only in
notifications to SNS, SQS and Lambda it is URL-encoded, with ``+`` for a space), ``sequencer`` orders the
events of one key, ``reason`` names the operation, ``requester`` the account.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from localstack.services.events.models import events_stores
from localstack.services.s3 import notifications
from localstack.services.s3.notifications import EventBridgeNotifier

from millpond.localstack_ext.engine import patches

_REASON_PREFIX = "s3:ObjectCreated:"


def corrected(detail: dict[str, Any], account_id: str, moment_ns: int) -> dict[str, Any]:
    """The detail of LocalStack's event as AWS has it."""
    thing = {**detail["object"], "key": unquote_plus(detail["object"]["key"])}
    if "sequencer" in thing:
        thing["sequencer"] = f"{moment_ns:018X}"
    reason = {"reason": detail["reason"].removeprefix(_REASON_PREFIX)} if "reason" in detail else {}
    return {**detail, "object": thing, "requester": account_id, **reason}


def is_awaited(patterns: Iterable[str | None], bucket: str) -> bool:
    """Whether one of some rules' patterns may be of an event of a bucket.

    A job writes hundreds of objects, and most rules wait for other events: those are told apart by the source
    and the bucket that a pattern names. What it says beyond that is EventBridge's to decide.
    """
    event = (("source", "aws.s3"), ("detail", "bucket", "name", bucket))
    return any(
        all(_may_be(json.loads(pattern), path, value) for *path, value in event)
        for pattern in patterns
        if pattern
    )


def _may_be(pattern: Any, path: Sequence[str], value: str) -> bool:
    for name in path:
        if not isinstance(pattern, dict) or name not in pattern:
            return True
        pattern = pattern[name]
    is_plain = isinstance(pattern, list) and all(isinstance(one, str) for one in pattern)
    return not is_plain or value in pattern


def install_events() -> None:
    """Let LocalStack's notifier send the above, where a rule may be waiting for it."""

    def notify(theirs: Any, notifier: Any, ctx: Any, config: Any) -> None:
        buses = events_stores[ctx.bucket_account_id][ctx.bucket_location].event_buses
        rules = [rule for bus in list(buses.values()) for rule in list(bus.rules.values())]
        if is_awaited((rule.event_pattern for rule in rules), ctx.bucket_name):
            theirs(notifier, ctx, config)

    def payload(make: Any, ctx: Any, config_id: Any = None) -> Any:
        entry = make(ctx, config_id)
        detail = corrected(json.loads(entry["Detail"] or "{}"), ctx.bucket_account_id, time.time_ns())
        return {**entry, "Detail": json.dumps(detail)}

    patches.replace(notifications, "quote", partial(quote_plus, safe="/"))
    patches.wrap(EventBridgeNotifier, "_get_event_payload", payload)
    patches.wrap(EventBridgeNotifier, "notify", notify)
