"""Which ARNs are those of jobs, connections and sessions, whose tags the plane keeps."""

from __future__ import annotations

import re

_ARN = re.compile(r"arn:aws[\w-]*:glue:[^:]*:[^:]*:(job|connection|session)/.+", re.DOTALL)


def is_tagged_here(arn: str) -> bool:
    """Whether an ARN is that of a job, a connection or a session, of whatever account and region."""
    return _ARN.fullmatch(arn) is not None
