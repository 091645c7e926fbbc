"""Clients that a script makes find the stack, where botocore by itself does not look for it.

``AWS_ENDPOINT_URL`` is read by botocore from version 1.31 on. Glue 4.0 and Python shell's modules have an
older one; where it is imported, its clients are made with that address unless the script gives another.
With every version, an address of AWS's own that the script gives stands for the stack, as the examples of the
Developer Guide give one: the run has credentials of the stack alone.
"""

from __future__ import annotations

import functools
import importlib.machinery
import os
import re
import sys
from typing import Any

VARIABLE = "AWS_ENDPOINT_URL"
_READS_IT = (1, 31)
_OF_AWS = re.compile(r"https?://(?:[\w-]+\.)+(?:amazonaws\.com(?:\.cn)?|api\.aws)(?::\d+)?/?")
# Module to its class of sessions and the method that makes a client; both take the address as a keyword.
_SESSIONS = {
    "botocore.session": ("Session", "create_client"),
    "aiobotocore.session": ("AioSession", "_create_client"),
}
# Where ``endpoint_url`` is among the positional arguments after the name of the service.
_POSITION = 4


class SessionFinder:
    """Finds the modules of sessions as Python does, and changes their class once they are there."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        """See ``importlib.abc.MetaPathFinder``."""
        if name not in _SESSIONS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def executed(module: Any) -> None:
                execute(module)
                _change(module)

            spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


def _change(module: Any) -> None:
    version = getattr(sys.modules.get("botocore"), "__version__", "")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    reads_it = numbers >= _READS_IT
    kind, method = _SESSIONS[module.__name__]
    session = getattr(module, kind)
    make = getattr(session, method)

    @functools.wraps(make)
    def made(self: Any, service_name: str, *arguments: Any, **options: Any) -> Any:
        stack, endpoint_url = os.environ.get(VARIABLE), options.get("endpoint_url")
        if len(arguments) > _POSITION:
            endpoint_url = arguments[_POSITION]
        if stack and (not reads_it if endpoint_url is None else _OF_AWS.fullmatch(endpoint_url)):
            if len(arguments) > _POSITION:
                arguments = (*arguments[:_POSITION], stack, *arguments[_POSITION + 1 :])
            else:
                options["endpoint_url"] = stack
        return make(self, service_name, *arguments, **options)

    setattr(session, method, made)


def install() -> None:
    """Look at the modules that are imported from here on."""
    sys.meta_path.insert(0, SessionFinder)
