"""What happens in a stack, as it happens (``docs/stream.md``)."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from millpond.base.errors import MillpondError

PATH = "/_localstack/stream"
WAIT_SECONDS = 15.0
# What comes within it comes in one answer, so that a busy engine is asked a few times a second and not more.
GATHERING_SECONDS = 0.1

Record = Mapping[str, Any]


def records(endpoint_url: str, *, is_followed: bool, after: int = 0) -> Iterator[Record]:
    """The records of a stack's stream, oldest first.

    Parameters
    ----------
    endpoint_url : str
        The stack.
    is_followed : bool
        Whether to wait for what comes, without an end, or to stop behind what there is.
    after : int
        0 for all that are kept, -1 for what comes.

    Raises
    ------
    MillpondError
        If nothing answers.
    """
    stream = ""
    while True:
        answer = _ask(endpoint_url, after=after, stream=stream, wait=WAIT_SECONDS if is_followed else 0)
        yield from answer["records"]
        if not is_followed and not answer["records"]:
            return
        after, stream = answer["next"], answer["stream"]
        if is_followed:
            time.sleep(GATHERING_SECONDS)


def _ask(endpoint_url: str, **asked: object) -> dict[str, Any]:
    url = f"{endpoint_url}{PATH}?{urllib.parse.urlencode(asked)}"
    try:
        with urllib.request.urlopen(url, timeout=WAIT_SECONDS + 15) as answered:  # noqa: S310 - http
            answer: dict[str, Any] = json.load(answered)
    except (urllib.error.URLError, ConnectionError) as error:
        raise MillpondError(
            "The engine does not answer.", where=endpoint_url, next_step="millpond up"
        ) from error
    return answer
