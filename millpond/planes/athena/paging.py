"""How Athena cuts its lists."""

from __future__ import annotations

from millpond.planes.athena.exceptions import InvalidRequestException
from millpond.planes.common.paging import Pages

_PAGES = Pages(
    lambda token: InvalidRequestException(f"Invalid NextToken: {token}", "INVALID_NEXT_TOKEN"), default=50
)
page = _PAGES.page
offset = _PAGES.offset
