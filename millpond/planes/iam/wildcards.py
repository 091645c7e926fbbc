"""Patterns of policies: ``*``, ``?`` and policy variables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache, lru_cache

Context = Mapping[str, Sequence[str]]
"""Condition keys in lower case with their values in a request."""


class Wild(Enum):
    """What stands for other text."""

    ANY = "*"
    LETTER = "?"


Part = str | Wild
"""One letter that stands for itself, or a wildcard."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_WITH_DEFAULT = re.compile(r"(?P<key>[^,]+?)\s*,\s*'(?P<default>[^']*)'")
_WILD = {wild.value: wild for wild in Wild}


@lru_cache(maxsize=16384)
def matches(pattern: str, text: str) -> bool:
    """Whether a pattern without variables is of a text, which is compared letter by letter."""
    head, star, tail = pattern.partition("*")
    if "?" in pattern or "*" in tail:
        return _fits(_parts(pattern), text)
    # Nearly every pattern has one wildcard or none.
    if not star:
        return pattern == text
    return len(text) >= len(head) + len(tail) and text.startswith(head) and text.endswith(tail)


def matches_in(pattern: str, text: str, context: Context) -> bool:
    """Whether a pattern is of a text once its variables have the values of a request.

    Wildcards in the value of a variable stand for themselves. A variable that the request does not have, and
    that has no default, fits no text.
    """
    if "${" not in pattern:
        return matches(pattern, text)
    parts = expand(pattern, context)
    return parts is not None and _fits(parts, text)


def expand(pattern: str, context: Context) -> Sequence[Part] | None:
    """The parts of a pattern with its variables replaced; None if the request lacks one of them."""
    if "${" not in pattern:
        return _parts(pattern)
    found: list[Part] = []
    end = 0
    for variable in _VARIABLE.finditer(pattern):
        value = _value(variable[1], context)
        if value is None:
            return None
        found += _parts(pattern[end : variable.start()])
        found += value
        end = variable.end()
    return [*found, *_parts(pattern[end:])]


def _value(name: str, context: Context) -> str | None:
    if name in ("*", "?", "$"):
        return name
    with_default = _WITH_DEFAULT.fullmatch(name)
    key = with_default["key"] if with_default else name
    values = context.get(key.strip().lower(), ())
    # A key with several values cannot be a variable.
    if len(values) == 1:
        return values[0]
    return with_default["default"] if with_default else None


@cache
def _parts(pattern: str) -> tuple[Part, ...]:
    return tuple(_WILD.get(letter, letter) for letter in pattern)


def _fits(parts: Sequence[Part], text: str) -> bool:
    """In time of at most the product of both lengths, whatever the pattern: it is other people's."""
    at = place = 0
    star, retry = -1, 0
    while place < len(text):
        part = parts[at] if at < len(parts) else None
        if part is Wild.ANY:
            star, retry = at, place
            at += 1
        elif part is Wild.LETTER or part == text[place]:
            at += 1
            place += 1
        elif star >= 0:
            retry += 1
            at, place = star + 1, retry
        else:
            return False
    return all(part is Wild.ANY for part in parts[at:])
