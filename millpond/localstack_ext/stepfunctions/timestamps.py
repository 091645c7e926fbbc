"""Timestamps that a Choice state compares and a Wait state waits for: the profile of ISO 8601 of RFC 3339.

Source: "Choice workflow state" and "Wait workflow state" in the Step Functions developer guide and the Amazon
States Language: with an uppercase ``T`` between date and time, and an uppercase ``Z`` where there is no
numeric offset, for example ``2001-01-01T12:00:00Z``. A fraction of a second is part of the profile, and so is
an offset. LocalStack reads neither in a Choice state, and no offset in a Wait state, which it ends at another
moment wherever the machine's clock is not on UTC.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from localstack.services.stepfunctions.asl.component.state.state_choice.comparison.operator.implementations.is_operator import (  # noqa: E501
    IsTimestamp,
)
from localstack.services.stepfunctions.asl.component.state.state_wait.wait_function.timestamp import Timestamp

from millpond.localstack_ext.engine import patches

_PROFILE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def timestamp(text: object) -> datetime | None:
    """The moment that a text names; None if it is no timestamp."""
    if not isinstance(text, str) or not _PROFILE.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def local(text: object) -> datetime | None:
    """The moment that a text names on the clock of this machine, which a Wait state compares it with."""
    moment = timestamp(text)
    return moment.astimezone().replace(tzinfo=None) if moment else None


def install_timestamps() -> None:
    """Let LocalStack's Choice and Wait states read timestamps by the above."""

    def read(_theirs: Any, string: str) -> datetime | None:
        return timestamp(string)

    def read_local(_theirs: Any, timestamp: str) -> datetime | None:
        return local(timestamp)

    patches.wrap(IsTimestamp, "string_to_timestamp", read)
    patches.wrap(Timestamp, "_from_timestamp_string", read_local)
