"""Reads ``.proto`` files as far as compatibility needs: messages, their fields, and enums."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[\w.+-]+|[{}\[\]();=<>,:]')
_SKIPPED = frozenset({"option", "reserved", "extensions", "import", "package", "syntax", "edition"})
_LABELS = frozenset({"optional", "required", "repeated"})
# Types whose values on the wire are read as one another's ("Updating A Message Type").
_ALIKE: tuple[frozenset[str], ...] = (
    frozenset({"int32", "uint32", "int64", "uint64", "bool"}),
    frozenset({"sint32", "sint64"}),
    frozenset({"string", "bytes"}),
    frozenset({"fixed32", "sfixed32"}),
    frozenset({"fixed64", "sfixed64"}),
)


@dataclass(frozen=True)
class Field:
    """A field of a message."""

    name: str
    kind: str
    label: str


@dataclass
class Message:
    """Fields by their number."""

    fields: dict[int, Field] = field(default_factory=dict)


def parse(text: str) -> Mapping[str, Message]:
    """The messages of a file, nested ones by their whole name.

    Raises
    ------
    ValueError
        If it cannot be read.

    Examples
    --------
    >>> parse('syntax = "proto3"; message A { string b = 1; }')["A"].fields[1].kind
    'string'
    """
    clean = _COMMENT.sub(" ", text)
    if left := _TOKEN.sub("", clean).split():
        raise ValueError(f"cannot read {left[0]!r}")
    tokens = _TOKEN.findall(clean)
    found: dict[str, Message] = {}
    rest = _read(tokens, 0, (), found)
    if rest != len(tokens) or not tokens:
        raise ValueError("the definition ends too early or too late")
    return found


def _read(tokens: list[str], place: int, path: tuple[str, ...], found: dict[str, Message]) -> int:
    while place < len(tokens) and tokens[place] != "}":
        word = tokens[place]
        if word in ("message", "group"):
            name = (*path, tokens[place + 1])
            found[".".join(name)] = Message()
            place = _closed(tokens, _read(tokens, _opened(tokens, place + 2), name, found))
        elif word == "oneof":
            place = _closed(tokens, _read(tokens, _opened(tokens, place + 2), path, found))
        elif word in ("enum", "service", "extend"):
            place = _skip_block(tokens, place)
        elif word in _SKIPPED or word == ";":
            place = _after(tokens, place)
        else:
            place = _read_field(tokens, place, path, found)
    return place


def _read_field(tokens: list[str], place: int, path: tuple[str, ...], found: dict[str, Message]) -> int:
    end = _after(tokens, place)
    words = tokens[place : end - 1]
    label = words.pop(0) if words and words[0] in _LABELS else ""
    if "=" not in words or not path:
        raise ValueError(f"cannot read {' '.join(tokens[place:end])}")
    equals = words.index("=")
    number = words[equals + 1] if len(words) > equals + 1 else ""
    if equals < 2 or not number.isdecimal():
        raise ValueError(f"cannot read {' '.join(tokens[place:end])}")
    kind, name = "".join(words[: equals - 1]), words[equals - 1]
    message = found[".".join(path)]
    if int(number) in message.fields:
        raise ValueError(f"field number {number} is used twice")
    message.fields[int(number)] = Field(name, kind, label)
    return end


def _opened(tokens: list[str], place: int) -> int:
    if place >= len(tokens) or tokens[place] != "{":
        raise ValueError("{ is missing")
    return place + 1


def _closed(tokens: list[str], place: int) -> int:
    if place >= len(tokens):
        raise ValueError("} is missing")
    return place + 1


def _after(tokens: list[str], place: int) -> int:
    while place < len(tokens) and tokens[place] != ";":
        if tokens[place] == "}":
            raise ValueError("; is missing")
        place += 1
    if place >= len(tokens):
        raise ValueError("; is missing")
    return place + 1


def _skip_block(tokens: list[str], place: int) -> int:
    while place < len(tokens) and tokens[place] != "{":
        place += 1
    depth = 0
    while place < len(tokens):
        depth += (tokens[place] == "{") - (tokens[place] == "}")
        place += 1
        if not depth:
            return place
    raise ValueError("} is missing")


def problems(reader: Mapping[str, Message], writer: Mapping[str, Message]) -> Iterator[str]:
    """Why the writer's messages cannot be read with the reader's."""
    for name, written in writer.items():
        if name not in reader:
            yield f"message {name} is gone"
            continue
        own = reader[name].fields
        for number, theirs in written.fields.items():
            if number in own and not _are_alike(own[number], theirs):
                yield f"{name}: field {number} was {theirs.kind} and is {own[number].kind}"
        for number, mine in own.items():
            if mine.label == "required" and number not in written.fields:
                yield f"{name}: field {number} is required, and the writer has none"


def _are_alike(first: Field, second: Field) -> bool:
    if (first.label == "repeated") != (second.label == "repeated"):
        return False
    if first.kind == second.kind:
        return True
    return any({first.kind, second.kind} <= group for group in _ALIKE)
