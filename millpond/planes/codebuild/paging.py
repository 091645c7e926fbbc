"""Order and pages of a list, as the CodeBuild API cuts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millpond.planes.codebuild.exceptions import InvalidInputException

PAGE = 100


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
    size = int(request.get("maxResults") or PAGE)
    if not 1 <= size <= PAGE:
        raise InvalidInputException(f"maxResults must be between 1 and {PAGE}")
    token = request.get("nextToken") or "0"
    if not token.isdecimal():
        raise InvalidInputException("Invalid next token")
    ordered = list(items) if order == "ASCENDING" else list(reversed(items))
    start = int(token)
    end = start + size
    return ordered[start:end], ({"nextToken": str(end)} if end < len(ordered) else {})
