"""Trino's regular expressions: Joni's, with Java's syntax; reference: "Regular expression functions"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

import regex  # type: ignore[import-untyped]

from millpond.planes.athena.kernels import fail, unsupported

# Letters, digits and blanks are those of ASCII, whatever the text.
_ASCII = {
    "w": "0-9A-Za-z_", "W": "^0-9A-Za-z_", "d": "0-9", "D": "^0-9",
    "s": " \\t\\n\\r\\f\\v", "S": "^ \\t\\n\\r\\f\\v",
}  # fmt: skip
_BOUNDARY = "(?:(?<=[0-9A-Za-z_])(?![0-9A-Za-z_])|(?<![0-9A-Za-z_])(?=[0-9A-Za-z_]))"


@lru_cache(1024)
def compiled(pattern: str) -> regex.Pattern[str]:
    text = _translated(pattern)
    try:
        return regex.compile(text, regex.V1)
    except (regex.error, ValueError, IndexError, KeyError) as error:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"invalid regular expression: {error}") from None


def _wrong(message: str) -> Exception:
    return fail("INVALID_FUNCTION_ARGUMENT", message)


def _translated(pattern: str) -> str:
    """Joni's syntax as that of the library: what is written alike and means something else."""
    parts: list[str] = []
    at, depth = 0, 0
    while at < len(pattern):
        if pattern[at] == "\\":
            part, at = _escape(pattern, at, in_class=depth > 0)
            parts.append(part)
            continue
        depth += 1 if pattern[at] == "[" else -1 if pattern[at] == "]" and depth else 0
        if not depth and _OPEN_REPEAT.match(pattern, at):
            parts.append("\\")
        if not depth:
            _check_group(pattern, at)
        parts.append(pattern[at])
        at += 1
    if depth:
        raise _wrong("premature end of char-class")
    return "".join(parts)


_OPEN_REPEAT = re.compile(r"\{,\d*\}")
_OPTIONS = re.compile(r"\(\?([a-zA-Z]*)(?:-([a-zA-Z]*))?[:)]")
_FOREIGN_GROUP = re.compile(r"\(\?(?:\^|R\)|\d|&|P|\(|\|)")
_PROPERTY = re.compile(r"\\[pP](?:\{\^?([A-Za-z_ ]+)\})")


def _check_group(pattern: str, at: int) -> None:
    options = _OPTIONS.match(pattern, at)
    unknown = set((options[1] or "") + (options[2] or "")) - set("imsx") if options else set()
    if unknown or _FOREIGN_GROUP.match(pattern, at):
        raise _wrong("undefined group option")


def _escape(pattern: str, at: int, *, in_class: bool) -> tuple[str, int]:
    """What a backslash and that after it are, and where they end."""
    if at + 1 == len(pattern):
        raise _wrong("end pattern at escape")
    letter = pattern[at + 1]
    if letter == "Q":
        end = pattern.find("\\E", at + 2)
        end = len(pattern) if end < 0 else end
        return re.escape(pattern[at + 2 : end]), end + 2
    if letter in "hHRXGkKN":
        raise unsupported(f"\\{letter} in a regular expression")
    if letter in "pP":
        found = _PROPERTY.match(pattern, at)
        if found is None or found[1].lower().startswith(("is", "in", "java")):
            raise _wrong(f"invalid character property name <{found[1] if found else ''}>")
        return found[0], found.end()
    if letter in _ASCII:
        return f"[{_ASCII[letter]}]", at + 2
    outside = {"b": _BOUNDARY, "B": f"(?!{_BOUNDARY})", "z": r"\Z", "Z": r"(?=\n?\Z)"}
    return (outside.get(letter, "\\" + letter) if not in_class else "\\" + letter), at + 2


def _matches(text: str, pattern: str, start: int = 0) -> Iterator[regex.Match[str]]:
    """All matches, one after the other; after an empty one the search goes on one character further."""
    wanted, at = compiled(pattern), start
    if wanted.flags & regex.IGNORECASE and ("\u0130" in text or "\u0131" in text):
        raise unsupported("A dotless i without regard to case")
    while at <= len(text):
        found = wanted.search(text, at)
        if found is None:
            return
        yield found
        at = found.end() + 1 if found.end() == found.start() else found.end()


def _group(pattern: str, group: int) -> None:
    count = compiled(pattern).groups
    if group < 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Group cannot be negative")
    if group > count:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"Pattern has {count} groups. Cannot access group {group}")


def like(text: str, pattern: str) -> bool:
    return next(_matches(text, pattern), None) is not None


def count(text: str, pattern: str) -> int:
    return sum(1 for _ in _matches(text, pattern))


def extract(text: str, pattern: str) -> str | None:
    return extract_group(text, pattern, 0)


def extract_group(text: str, pattern: str, group: int) -> str | None:
    _group(pattern, group)
    found = next(_matches(text, pattern), None)
    return found[group] if found else None


def extract_all(text: str, pattern: str) -> list[str | None]:
    return extract_all_group(text, pattern, 0)


def extract_all_group(text: str, pattern: str, group: int) -> list[str | None]:
    _group(pattern, group)
    return [found[group] for found in _matches(text, pattern)]


def split(text: str, pattern: str) -> list[str]:
    parts, last = [], 0
    for found in _matches(text, pattern):
        parts.append(text[last : found.start()])
        last = found.end()
    return [*parts, text[last:]]


def position(text: str, pattern: str) -> int:
    return position_from(text, pattern, 1)


def position_from(text: str, pattern: str, start: int) -> int:
    return position_nth(text, pattern, start, 1)


def position_nth(text: str, pattern: str, start: int, occurrence: int) -> int:
    if start < 1:
        raise fail("INVALID_FUNCTION_ARGUMENT", "start position cannot be smaller than 1")
    if occurrence < 1:
        raise fail("INVALID_FUNCTION_ARGUMENT", "occurrence cannot be smaller than 1")
    compiled(pattern)
    if start > len(text):
        return -1
    for number, found in enumerate(_matches(text, pattern, start - 1), 1):
        if number == occurrence:
            return int(found.start()) + 1
    return -1


def remove(text: str, pattern: str) -> str:
    return replace(text, pattern, "")


@lru_cache(1024)
def _template(pattern: str, replacement: str) -> tuple[str | int, ...]:
    groups = compiled(pattern)
    parts: list[str | int] = []
    at = 0
    while at < len(replacement):
        character = replacement[at]
        if character == "$":
            number = re.compile(r"\d+").match(replacement, at + 1)
            name = re.compile(r"\{([^}]*)\}").match(replacement, at + 1)
            if number:
                digits = number[0]
                if int(digits[0]) > groups.groups:
                    raise fail(
                        "INVALID_FUNCTION_ARGUMENT",
                        f"Illegal replacement sequence: unknown group {digits[0]}",
                    )
                # As many digits as still name a group.
                size = max(n for n in range(1, len(digits) + 1) if int(digits[:n]) <= groups.groups)
                parts.append(int(digits[:size]))
                at += 1 + size
            elif name:
                if name[1] not in groups.groupindex:
                    raise fail(
                        "INVALID_FUNCTION_ARGUMENT",
                        f"Illegal replacement sequence: unknown group {{ {name[1]} }}",
                    )
                parts.append(groups.groupindex[name[1]])
                at = name.end()
            else:
                raise fail("INVALID_FUNCTION_ARGUMENT", f"Illegal replacement sequence: {replacement[at:]}")
        elif character == "\\":
            if at + 1 == len(replacement):
                raise fail("INVALID_FUNCTION_ARGUMENT", f"Illegal replacement sequence: {replacement}")
            parts.append(replacement[at + 1])
            at += 2
        else:
            parts.append(character)
            at += 1
    return tuple(parts)


def replace(text: str, pattern: str, replacement: str) -> str:
    found = list(_matches(text, pattern))
    if not found:
        return text
    parts = _template(pattern, replacement)
    out, last = [], 0
    for match in found:
        out.append(text[last : match.start()])
        out.extend(part if isinstance(part, str) else (match[part] or "") for part in parts)
        last = match.end()
    return "".join([*out, text[last:]])


_SIMPLE = re.compile(
    r"(?:[A-Za-z0-9 _/:,;@#%&=~'\"<>!-]|\\[./*+?()\[\]{}|^$\\-]|[.*+?|()^]|\[[A-Za-z0-9_. -]+\])*"
)


def is_simple(pattern: str) -> bool:
    """Whether DuckDB's own expressions find the same: none of the classes of letters, and no look around."""
    if _SIMPLE.fullmatch(pattern) is None or re.search(
        r"\(\?|[*+?]{2}|(?<!\\)\^.|^[*+?]|[(|^][*+?]", pattern.lstrip("^")
    ):
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


Function = Callable[..., object]
