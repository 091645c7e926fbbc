"""Names of partitions as Hive writes them, ``year=2026/day=1``, with what a path cannot hold escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote

from millpond.planes.common.regexes import Regex

# Hive's FileUtils escapes these, and control characters.
_ESCAPED = re.compile(r"[\x00-\x1f\x7f\"#%'*/:=?\\{\[\]^]")


def partition_name(keys: Sequence[str], values: Sequence[str]) -> str:
    """The name of a partition.

    Examples
    --------
    >>> partition_name(["day", "kind"], ["2026-01-01", "a/b"])
    'day=2026-01-01/kind=a%2Fb'
    """
    return "/".join(f"{_escaped(key)}={_escaped(value)}" for key, value in zip(keys, values, strict=True))


def partition_values(name: str) -> list[str]:
    """The values in a name.

    Examples
    --------
    >>> partition_values("day=2026-01-01/kind=a%2Fb")
    ['2026-01-01', 'a/b']
    """
    return [unquote(part.partition("=")[2]) for part in name.split("/")]


def matches(pattern: str | None) -> Callable[[str], bool]:
    """Whether a name matches a pattern of Hive: ``*`` for anything, ``|`` for "or", in any case."""
    if not pattern:
        return lambda _name: True
    wanted = [re.escape(part).replace(r"\*", ".*") for part in pattern.split("|")]
    compiled = Regex("|".join(f"(?:{part})" for part in wanted), "i")
    return lambda name: compiled.fullmatch(name) is not None


def _escaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", text)
