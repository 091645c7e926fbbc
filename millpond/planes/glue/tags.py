"""Tags of jobs and connections, and which ARNs those are."""

from __future__ import annotations

import re

_ARN = re.compile(r"arn:aws[\w-]*:glue:[^:]*:\d{12}:(?P<kind>job|connection)/(?P<name>.+)")


def parse_arn(arn: str) -> tuple[str, str] | None:
    """Kind (``job`` or ``connection``) and name of a resource of this plane; None for any other ARN."""
    match = _ARN.fullmatch(arn)
    return (match["kind"], match["name"]) if match else None
