"""What Trino answers, as Athena writes it: types from signatures, and values of JSON as text."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

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
    """The function that writes a value that is not NULL, as JSON has it with numbers as text."""
    if type_.name == "array":
        element = writer(type_.elements[0])
        return lambda values: f"[{', '.join(_text(value, element) for value in values)}]"
    if type_.name == "map":
        key, value = map(writer, type_.elements)
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
