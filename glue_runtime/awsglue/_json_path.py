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
        found = _STEP.match(rest, position)
        if found is None:
            raise NotImplementedError(
                f"format_options: jsonPath {text} is not available in Millpond; names, indexes and [*] are"
            )
        name, index, single, double = found.groups()
        steps.append(int(index) if index and index != _ALL else name or index or single or double or "")
        position = found.end()
    return tuple(steps)


def find(value: Any, path: Path) -> List[Any]:
    """The values at a path; an array at its end is its elements."""
    found = [value]
    for step in path:
        found = [inside for one in found for inside in _step(one, step)]
    return [inside for one in found for inside in (one if isinstance(one, list) else [one])]


def _step(value: Any, step: Union[str, int]) -> List[Any]:
    if step == _ALL:
        return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(step, int):
        return value[step : step + 1] if isinstance(value, list) else []
    return [value[step]] if isinstance(value, dict) and step in value else []
