"""Hive's types, as a table's columns have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class HiveType:
    """A type: its name in lower case, and what it is made of.

    Parameters
    ----------
    name : str
        For example ``int``, ``decimal``, ``array`` or ``struct``.
    numbers : tuple of int
        Of ``decimal(10,2)`` those two.
    parts : tuple of (str, HiveType)
        Fields of a struct by name; of an array ``element``, of a map ``key`` and ``value``.
    """

    name: str
    numbers: tuple[int, ...] = ()
    parts: tuple[tuple[str, HiveType], ...] = ()

    def __str__(self) -> str:
        if self.name == "struct":
            return f"struct<{','.join(f'{name}:{kind}' for name, kind in self.parts)}>"
        if self.parts:
            return f"{self.name}<{','.join(str(kind) for _, kind in self.parts)}>"
        if self.numbers:
            return f"{self.name}({','.join(str(number) for number in self.numbers)})"
        return self.name


def parse_type(text: str) -> HiveType:
    """Read a type.

    Raises
    ------
    ValueError
        If it cannot be read.

    Examples
    --------
    >>> str(parse_type("STRUCT<a: int, b: array<decimal(10, 2)>>"))
    'struct<a:int,b:array<decimal(10,2)>>'
    """
    text = text.strip()
    head, bracket, rest = _split(text)
    name = head.strip().lower()
    if not name:
        raise ValueError(f"no type: {text!r}")
    if not bracket:
        return HiveType(name)
    inner = rest[:-1]
    if bracket == "(":
        return HiveType(name, tuple(int(number) for number in inner.split(",")))
    pieces = list(_pieces(inner))
    if name == "struct":
        fields = [piece.split(":", 1) for piece in pieces]
        if any(len(field) != 2 for field in fields):
            raise ValueError(f"no type: {text!r}")
        return HiveType(name, (), tuple((field.strip(), parse_type(kind)) for field, kind in fields))
    names = {"array": ("element",), "map": ("key", "value")}.get(name)
    if names is None and name != "uniontype":
        raise ValueError(f"no type: {text!r}")
    labels = names or tuple(str(number) for number in range(len(pieces)))
    if len(labels) != len(pieces):
        raise ValueError(f"no type: {text!r}")
    return HiveType(
        name, (), tuple((label, parse_type(kind)) for label, kind in zip(labels, pieces, strict=True))
    )


def _split(text: str) -> tuple[str, str, str]:
    places = [place for place in (text.find("<"), text.find("(")) if place >= 0]
    if not places:
        return text, "", ""
    place = min(places)
    closing = ">" if text[place] == "<" else ")"
    if not text.endswith(closing):
        raise ValueError(f"no type: {text!r}")
    return text[:place], text[place], text[place + 1 :]


def _pieces(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for place, character in enumerate(text):
        depth += (character in "<(") - (character in ">)")
        if character == "," and not depth:
            yield text[start:place]
            start = place + 1
    yield text[start:]
