"""How CodeBuild orders and cuts its lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millpond.planes.codebuild.exceptions import InvalidInputException
from millpond.planes.common.paging import Pages

PAGE = 100
_PAGES = Pages(
    lambda _token: InvalidInputException("Invalid next token"),
    PAGE,
    next_member="nextToken",
    size_member="maxResults",
)


def page[Item](items: Sequence[Item], request: Mapping[str, Any]) -> tuple[list[Item], dict[str, str]]:
    """One page, and the ``nextToken`` member of the answer when there are more.

    Parameters
    ----------
    items : sequence
        Everything, in ascending order.
    request : mapping
        Its ``sortOrder``, ``nextToken`` and ``maxResults`` are read.
    """
    order = request.get("sortOrder") or "ASCENDING"
    if order not in ("ASCENDING", "DESCENDING"):
        raise InvalidInputException(f"Invalid sort order: {order}")
    if not 1 <= int(request.get("maxResults") or PAGE) <= PAGE:
        raise InvalidInputException(f"maxResults must be between 1 and {PAGE}")
    return _PAGES.page(items if order == "ASCENDING" else items[::-1], request)
