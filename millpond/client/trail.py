"""What acted on what in a stack: asked of the engine itself (``docs/stream.md``)."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PATH = "/_localstack/trail"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the engine is on this machine


@dataclass(frozen=True)
class Passage:
    """Something that acted on something.

    Parameters
    ----------
    actor, run, verb, resource : str
        As ``docs/stream.md`` says.
    count : int
        How often.
    first, last : float
        When, in seconds of the epoch.
    """

    actor: str
    run: str
    verb: str
    resource: str
    count: int
    first: float
    last: float

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Passage:
        """What the engine says of one."""
        return cls(**{name: record[name] for name in cls.__annotations__})


class TrailReader:
    """Asks an engine for its passages, after the first time for those that have changed.

    Parameters
    ----------
    endpoint_url : str or None
        The endpoint; None for an account of AWS, which keeps no trail.
    """

    def __init__(self, endpoint_url: str | None) -> None:
        self._endpoint_url = endpoint_url
        self._after, self._trail = 0, ""
        self._known: dict[tuple[str, str, str, str], Passage] = {}

    def read(self) -> list[Passage] | None:
        """All passages; None where the endpoint keeps none.

        Raises
        ------
        OSError
            If the engine does not answer.
        """
        if self._endpoint_url is None:
            return None
        asked = urllib.parse.urlencode({"after": self._after, "trail": self._trail})
        try:
            with _OPENER.open(f"{self._endpoint_url}{PATH}?{asked}", timeout=10) as answered:
                answer = json.load(answered)
            if answer["trail"] != self._trail:
                self._known.clear()
            self._after, self._trail = answer["next"], answer["trail"]
            passages = map(Passage.of, answer["passages"])
        except (urllib.error.HTTPError, ValueError, KeyError, TypeError):
            return None
        self._known |= {
            (passage.actor, passage.run, passage.verb, passage.resource): passage for passage in passages
        }
        return list(self._known.values())
