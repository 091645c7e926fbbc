"""Pages of a list, as a service's API cuts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millpond.planes.common.errors import AwsError

Request = Mapping[str, Any]


@dataclass(frozen=True)
class Pages:
    """How one service cuts its lists.

    Parameters
    ----------
    refusal : callable
        Makes the error for a token that the service has not given out.
    default : int
        Items on a page when the request does not say.
    next_member, size_member : str
        Members of its requests; the token is that of its answers too.
    """

    refusal: Callable[[str], AwsError]
    default: int = 100
    next_member: str = "NextToken"
    size_member: str = "MaxResults"

    def page[Item](
        self, items: Sequence[Item], request: Request, default: int | None = None
    ) -> tuple[list[Item], dict[str, str]]:
        """One page, and the token's member of the answer when there are more.

        Parameters
        ----------
        items : sequence
            Everything, in the order of the answer.
        request : mapping
            Says where the page begins and how long it is.
        default : int, optional
            Its length when the request does not say, for an operation that has its own.
        """
        start = self.offset(request)
        end = start + int(request.get(self.size_member) or default or self.default)
        return list(items[start:end]), ({self.next_member: str(end)} if end < len(items) else {})

    def offset(self, request: Request) -> int:
        """Where the page begins; the token is that number.

        Raises
        ------
        AwsError
            If the service has not given out the token.
        """
        token = str(request.get(self.next_member) or "0")
        # Python takes the digits of every script as decimal.
        if not (token.isascii() and token.isdecimal()):
            raise self.refusal(token)
        return int(token)
