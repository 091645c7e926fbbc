"""Whether anything of a stack has changed its state since the last look, by the engine's own stream."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request

from millpond.client.stream import PATH

# A look is taken after so long whatever the stream says: what was deleted does not tell.
AT_LEAST = 60.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the engine is on this machine


class Stirring:
    """Asks the stream of an engine (``docs/stream.md``) for states that something entered.

    One question that costs the engine next to nothing, in place of a listing of every service.

    Parameters
    ----------
    endpoint_url : str or None
        The endpoint; None for an account of AWS. One that has no such stream is taken to stir always.
    """

    def __init__(self, endpoint_url: str | None) -> None:
        self._endpoint_url = endpoint_url
        self._after, self._stream = -1, ""
        self._looked = float("-inf")

    def has_stirred(self) -> bool:
        """Whether to look: something entered a state, records were lost, or the last look is long ago."""
        is_late = time.monotonic() - self._looked >= AT_LEAST
        stirred = self._ask()
        if is_late or stirred:
            self._looked = time.monotonic()
        return is_late or stirred

    def _ask(self) -> bool:
        if self._endpoint_url is None:
            return True
        asked = urllib.parse.urlencode({"after": self._after, "stream": self._stream, "most": 2000})
        try:
            with _OPENER.open(f"{self._endpoint_url}{PATH}?{asked}", timeout=10) as answered:
                answer = json.load(answered)
            records, self._after, self._stream = answer["records"], answer["next"], answer["stream"]
            return bool(answer["is_missing"]) or any(one["kind"] == "state" for one in records)
        except (OSError, ValueError, KeyError, TypeError):
            # No stream, or not this engine's: what there is, is found by looking.
            return True
