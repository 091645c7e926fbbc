"""What Trino answers, as Athena writes it: types from signatures, and values of JSON as text."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from millpond.planes.athena.exceptions import NotSupported
from millpond.planes.athena.relations import Column
from millpond.planes.athena.types import TIME_TZ, TIMESTAMP_TZ, Type

Writer = Callable[[Any], str]
_SECOND = re.compile(r"(\d\d:\d\d:\d\d)(?:\.(\d+))?")


def columns_of(described: list[dict[str, Any]]) -> list[Column]:
    """The columns of an answer."""
    return [
        Column(str(column["name"]), str(column["name"]), type_of(column["typeSignature"]))
        for column in described
    ]


def type_of(signature: dict[str, Any]) -> Type:
    """A type from its ``typeSignature``."""
    name, arguments = str(signature["rawType"]), signature.get("arguments") or []
    numbers: list[int] = []
    elements: list[Type] = []
    fields: list[str] = []
    for argument in arguments:
        kind, value = argument["kind"], argument["value"]
        if kind == "LONG":
            numbers.append(int(value))
        elif kind == "TYPE":
            elements.append(type_of(value))
        elif kind == "NAMED_TYPE":
            fields.append((value.get("fieldName") or {}).get("name") or "")
            elements.append(type_of(value["typeSignature"]))
    return Type(name, tuple(numbers), tuple(elements), tuple(fields))


def writer(type_: Type) -> Writer:
    """The function that writes a value that is not NULL, as JSON has it with numbers as text.

    Raises
    ------
    NotSupported
        If a map in it has keys that Trino's answer does not tell exactly.
    """
    if type_.name == "array":
        element = writer(type_.elements[0])
        return lambda values: f"[{', '.join(_text(value, element) for value in values)}]"
    if type_.name == "map":
        key, value = _writer_of_keys(type_.elements[0]), writer(type_.elements[1])
        return lambda entries: _braces((key(k), _text(v, value)) for k, v in entries.items())
    if type_.name == "row":
        writers = [writer(element) for element in type_.elements]
        return lambda values: _braces(
            (name, _text(value, write))
            for name, value, write in zip(type_.field_names, values, writers, strict=True)
        )
    if type_.name in ("timestamp", TIMESTAMP_TZ, "time", TIME_TZ):
        return _times(type_.precision)
    return _WRITERS.get(type_.name, _plain)


def _writer_of_keys(type_: Type) -> Writer:
    """JSON's keys are text: of arrays and maps as Java prints them, of rows without the names of fields."""
    if not type_.elements:
        return writer(type_)
    if not _is_printed_alike(type_):
        raise NotSupported(f"A result with a map whose keys are of type {type_}")
    return _plain


def _is_printed_alike(type_: Type) -> bool:
    """Whether Java prints a value as Athena does."""
    if type_.name in ("array", "map"):
        return all(map(_is_printed_alike, type_.elements))
    return type_.is_integral or type_.name in ("varchar", "boolean", "date", "decimal")


def _text(value: Any, write: Writer) -> str:
    return "null" if value is None else write(value)


def _braces(pairs: Any) -> str:
    return "{" + ", ".join(f"{name}={text}" for name, text in pairs) + "}"


def _times(precision: int) -> Writer:
    """A time with three digits of a second at least, as the compiler's results have it; six beyond that."""
    digits = 3 if precision <= 3 else max(6, precision)
    return lambda text: _SECOND.sub(lambda m: f"{m[1]}.{(m[2] or '').ljust(digits, '0')}", text, count=1)


def _binary(text: str) -> str:
    return base64.b64decode(text).hex(" ")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


_WRITERS: dict[str, Writer] = {"varbinary": _binary}
