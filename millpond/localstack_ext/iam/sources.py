"""For which job, function, machine or build each session of a role was made."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from millpond.localstack_ext.iam.keys import holders
from millpond.localstack_ext.iam.principals import Caller

_MOST = 5000


class Sources:
    """Sources of sessions by access key, the newest of them."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()

    def assumed(self, caller: Caller, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """A service has assumed a role.

        It says for what, or only one of its things has the role, or the session bears the name of a function.
        """
        key = answer.get("Credentials", {}).get("AccessKeyId", "")
        if not (caller.is_service and key):
            return
        told = caller.context.get("aws:sourcearn")
        found = told or holders(caller.arn, str(request.get("RoleArn", "")))
        name = str(request.get("RoleSessionName", ""))
        named = {one for one in found if one.rpartition(":function:")[2] == name}
        only = named if len(named) == 1 else set(found)
        if len(only) == 1:
            self._known[key] = only.pop()
            while len(self._known) > _MOST:
                self._known.popitem(last=False)

    def of(self, key: str) -> str:
        """ARN of what has a session; empty where nothing says so."""
        return self._known.get(key, "")
