"""The rules of an engine's faults, over HTTP."""

from __future__ import annotations

import json
import urllib.request
from typing import Any


def ask(endpoint_url: str, method: str, rules: object = None) -> Any:
    """Show (GET), replace (POST), add (PATCH) or take back (DELETE) rules; the rules in force then."""
    data = None if rules is None else json.dumps(rules).encode()
    request = urllib.request.Request(f"{endpoint_url}/_localstack/chaos/faults", data, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        return json.load(answer)
