"""The JsonPath of ``format_options``: ``$.a.b``, ``$['a']``, ``$.list[*]``, ``$[0]``."""

from __future__ import annotations

import re
from typing import Any, List, Tuple, Union

Path = Tuple[Union[str, int], ...]

_STEP = re.compile(r"\.(\*|[^.\[\]'\"*]+)|\[\s*(\*|\d+)\s*\]|\[\s*(?:'([^']*)'|\"([^\"]*)\")\s*\]")
_ALL = "*"


def parse(text: str) -> Path:
    """Take a path apart.

    Raises
    ------
    NotImplementedError
        For filters, slices and ``..``.
    """
    rest = text.strip()
    if not rest.startswith("$"):
        raise ValueError(f"{text!r} is no JsonPath: it begins with $")
    steps: List[Union[str, int]] = []
    position = 1
    while position < len(rest):
        match = _STEP.match(rest, position)
        if match is None:
            raise NotImplementedError(
                f"format_options: jsonPath {text} is not available in Millpond; names, indexes and [*] are"
            )
        name, index, single, double = match.groups()
        steps.append(int(index) if index and index != _ALL else name or index or single or double or "")
        position = match.end()
    return tuple(steps)


def find(value: Any, path: Path) -> List[Any]:
    """The values at a path; an array at its end is its elements."""
    values = [value]
    for step in path:
        values = [inside for parent in values for inside in _step(parent, step)]
    return [inside for parent in values for inside in (parent if isinstance(parent, list) else [parent])]


def _step(value: Any, step: Union[str, int]) -> List[Any]:
    if step == _ALL:
        return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(step, int):
        return value[step : step + 1] if isinstance(value, list) else []
    return [value[step]] if isinstance(value, dict) and step in value else []
