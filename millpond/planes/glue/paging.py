"""Pages of a list, as the Glue API cuts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millpond.planes.glue.exceptions import InvalidInputException


def page[Item](
    items: Sequence[Item], request: Mapping[str, Any], *, default_size: int = 100
) -> tuple[list[Item], dict[str, str]]:
    """One page, and the ``NextToken`` member of the answer when there are more.

    Parameters
    ----------
    items : sequence
        Everything, in the order of the answer.
    request : mapping
        Its ``NextToken`` and ``MaxResults`` are read.
    default_size : int
        Items on a page when the request does not say.
    """
    token = request.get("NextToken") or "0"
    if not token.isdecimal():
        raise InvalidInputException("Invalid NextToken")
    start = int(token)
    end = start + int(request.get("MaxResults") or default_size)
    return list(items[start:end]), ({"NextToken": str(end)} if end < len(items) else {})
