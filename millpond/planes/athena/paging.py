"""``NextToken`` and ``MaxResults``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millpond.planes.athena.exceptions import InvalidRequestException


def page[T](
    items: Sequence[T], request: Mapping[str, Any], default: int = 50
) -> tuple[list[T], dict[str, str]]:
    """One page of a list, and the member ``NextToken`` where there are more.

    Parameters
    ----------
    items : sequence
        The whole list.
    request : mapping
        May have ``NextToken`` and ``MaxResults``.
    default : int
        Length of a page when the request does not say.
    """
    start = offset(request)
    end = start + int(request.get("MaxResults") or default)
    more = {"NextToken": str(end)} if end < len(items) else {}
    return list(items[start:end]), more


def offset(request: Mapping[str, Any]) -> int:
    """Where the page begins.

    Raises
    ------
    InvalidRequestException
        If the token is none of ours.
    """
    token = request.get("NextToken") or "0"
    if not str(token).isdigit():
        raise InvalidRequestException(f"Invalid NextToken: {token}", "INVALID_NEXT_TOKEN")
    return int(token)
