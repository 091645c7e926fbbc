r"""Input transformers of EventBridge: what a target is given of an event.

Source: "Amazon EventBridge input transformation" in the EventBridge User Guide: variables in angle brackets
have their values from paths into the event, or are predefined; in a template that is JSON a value is written
as JSON, and within quotes as the text that it is; in a template that is a text in quotes, or several on lines
of their own, values are written as texts. A path that finds nothing writes an empty text, or null in JSON.
LocalStack writes texts for numbers nowhere, so that such an event vanishes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_VARIABLES = 100
MOST_CHARACTERS = 8192
PREDEFINED = frozenset(
    {
        "aws.events.rule-arn",
        "aws.events.rule-name",
        "aws.events.event.ingestion-time",
        "aws.events.event",
        "aws.events.event.json",
    }
)
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_PIECE = re.compile(r'<([^<>"\s]+)>|(\\.)|(")|([^<"\\]+|[<\\])', re.DOTALL)
_STEP = re.compile(r"""\.([^.\[\]'"]+)|\[(\d+)\]|\[['"]([^'"]+)['"]\]""")


class InvalidTransformerError(ValueError):
    """A transformer that EventBridge would refuse."""


@dataclass(frozen=True)
class _Variable:
    name: str
    is_quoted: bool


@dataclass(frozen=True)
class Transformer:
    """A transformer that was read.

    Parameters
    ----------
    paths : mapping of str to str
        ``InputPathsMap``.
    is_json : bool
        Whether its template is an object or an array.
    """

    paths: Mapping[str, str]
    is_json: bool
    pieces: tuple[str | _Variable, ...]

    def apply(self, event: Mapping[str, Any], predefined: Mapping[str, Any]) -> Any:
        """What the target is given: a value of JSON, or a text.

        Raises
        ------
        InvalidTransformerError
            If the template is no JSON with the values of the event.
        """
        values = {name: value_at(event, path) for name, path in self.paths.items()}
        values.update(predefined)
        text = "".join(
            piece if isinstance(piece, str) else self._written(piece, values[piece.name])
            for piece in self.pieces
        )
        if not self.is_json:
            return text
        try:
            return json.loads(text, strict=False)
        except ValueError as error:
            raise InvalidTransformerError(f"The template is no JSON with this event: {text}") from error

    def _written(self, variable: _Variable, value: Any) -> str:
        if not self.is_json:
            return _as_text(value)
        if variable.is_quoted:
            return json.dumps(_as_text(value))[1:-1]
        return json.dumps(value)


def read(transformer: Mapping[str, Any]) -> Transformer:
    """Read an ``InputTransformer``.

    Raises
    ------
    InvalidTransformerError
        If it names variables that it has no path for, paths that are none, or has a template that is neither
        JSON nor a text in quotes.
    """
    paths: Mapping[str, str] = transformer.get("InputPathsMap") or {}
    template: str = transformer["InputTemplate"]
    if len(paths) > MOST_VARIABLES:
        raise InvalidTransformerError(f"There are at most {MOST_VARIABLES} variables")
    if not 1 <= len(template) <= MOST_CHARACTERS:
        raise InvalidTransformerError(f"A template has from 1 to {MOST_CHARACTERS} characters")
    for name, path in paths.items():
        if not _NAME.fullmatch(name) or name.startswith("AWS"):
            raise InvalidTransformerError(f"{name} is not the name of a variable")
        check_path(path)
    is_json = template.lstrip().startswith(("{", "["))
    pieces = tuple(_pieces(template, paths))
    checked = Transformer(paths, is_json, pieces if is_json else tuple(_unquoted(pieces, template)))
    _check(checked, template)
    return checked


def _pieces(template: str, paths: Mapping[str, str]) -> Iterator[str | _Variable]:
    is_quoted = False
    for name, escape, quote, text in _PIECE.findall(template):
        if quote:
            is_quoted = not is_quoted
        if not name:
            yield escape or quote or text
        elif name in paths or name in PREDEFINED:
            yield _Variable(name, is_quoted)
        else:
            raise InvalidTransformerError(f"InputTemplate contains invalid placeholder {name}.")


def _unquoted(pieces: tuple[str | _Variable, ...], template: str) -> Iterator[str | _Variable]:
    """A template that is text: what is in its quotes; outside there are blanks and variables alone."""
    is_quoted = False
    for piece in pieces:
        if piece == '"':
            is_quoted = not is_quoted
        elif isinstance(piece, _Variable):
            yield piece
        elif is_quoted:
            yield json.loads(f'"{piece}"') if piece.startswith("\\") else piece
        elif piece.strip():
            raise InvalidTransformerError(f"The template is neither JSON nor text in quotes: {template}")
        else:
            yield piece
    if is_quoted:
        raise InvalidTransformerError(f"The template has no closing quote: {template}")


def _check(transformer: Transformer, template: str) -> None:
    """A template that is no JSON whatever the values are."""
    if transformer.is_json:
        text = "".join(
            piece if isinstance(piece, str) else ("x" if piece.is_quoted else "0")
            for piece in transformer.pieces
        )
        try:
            json.loads(text, strict=False)
        except ValueError as error:
            raise InvalidTransformerError(f"The template is no JSON: {template}") from error


def value_at(event: Any, path: str) -> Any:
    """What a path finds in an event; None for nothing."""
    value = event
    for name, index in _steps(path):
        if index is None:
            value = value.get(name) if isinstance(value, dict) else None
        else:
            value = value[index] if isinstance(value, list) and index < len(value) else None
    return value


def check_path(path: str) -> None:
    """Raise :class:`InvalidTransformerError` for what is no path."""
    list(_steps(path))


def _steps(path: str) -> Iterator[tuple[str, int | None]]:
    at = 1
    while at < len(path) and (step := _STEP.match(path, at)):
        name, index, quoted = step.groups()
        yield (name or quoted or "", None if index is None else int(index))
        at = step.end()
    if not path.startswith("$") or at != max(1, len(path)):
        raise InvalidTransformerError(f"{path} is not a path")


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))
