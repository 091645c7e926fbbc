"""Trino's JSON: values in one canonical text, paths, and casts; reference: "JSON functions and operators".

The canonical text is that of ``json_parse``: no blanks, keys in order, numbers with a fraction as doubles.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from millpond.planes.athena.kernels import fail
from millpond.planes.athena.kernels.numbers import double_text
from millpond.planes.athena.types import Type

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


class Number(str):
    """A number as it was written."""

    __slots__ = ()


class NotJsonError(ValueError):
    pass


def _refuse(_: str) -> Any:
    raise NotJsonError


_DECODER = json.JSONDecoder(
    parse_float=Number, parse_int=Number, parse_constant=_refuse, object_pairs_hook=lambda p: dict(p)
)


def loads(text: str) -> Any:
    """A JSON document with its numbers as texts.

    Raises
    ------
    NotJsonError
        If it is none.
    """
    try:
        return _DECODER.decode(text.strip(" \t\n\r")) if text.strip(" \t\n\r") else _refuse("")
    except (ValueError, RecursionError) as error:
        raise NotJsonError from error


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\x7f")


def dumps(value: Any, *, is_sorted: bool = True) -> str:
    """The canonical text of a document; the keys may be left in their order."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        if re.fullmatch(r"-?\d+", value):
            return value if int(value) or not value.startswith("-") else "0"
        return _double(float(value))
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[" + ",".join(dumps(part, is_sorted=is_sorted) for part in value) + "]"
    entries = sorted(value.items(), key=lambda entry: entry[0]) if is_sorted else value.items()
    return "{" + ",".join(f"{quoted(k)}:{dumps(v, is_sorted=is_sorted)}" for k, v in entries) + "}"


def _double(value: float) -> str:
    from millpond.planes.athena.values import java_double

    if value != value or value in (float("inf"), float("-inf")):
        return f'"{java_double(value)}"'
    return java_double(value)


def parse(text: str) -> str:
    try:
        return dumps(loads(text))
    except NotJsonError:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"Cannot convert value to JSON: '{text}'") from None


# Paths

_PLAIN_KEY = re.compile(r"[\w:]+")
_SUBSCRIPT = re.compile(r"\[(?:\s*(\d+)\s*|\"((?:[^\"\\]|\\.)*)\"|([A-Za-z_][\w-]*))\]")


@lru_cache(1024)
def steps(path: str) -> tuple[str | int, ...]:
    """The steps of a path of ``json_extract``.

    Raises
    ------
    KernelFailed
        ``INVALID_FUNCTION_ARGUMENT`` if it is no such path.
    """
    if not path.startswith("$"):
        raise fail("INVALID_FUNCTION_ARGUMENT", f"Invalid JSON path: '{path}'")
    found: list[str | int] = []
    at = 1
    while at < len(path):
        if path[at] == ".":
            match = _PLAIN_KEY.match(path, at + 1)
            if match is not None:
                found.append(match[0])
                at = match.end()
                continue
        elif path[at] == "[":
            match = _SUBSCRIPT.match(path, at)
            if match is not None:
                if match[1] is not None:
                    found.append(int(match[1]))
                else:
                    found.append(re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3])
                at = match.end()
                continue
        raise fail("INVALID_FUNCTION_ARGUMENT", f"Invalid JSON path: '{path}'")
    return tuple(found)


_MISSING = object()


def _walk(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        if isinstance(document, dict):
            document = document.get(str(step), _MISSING)
        elif isinstance(document, list) and (isinstance(step, int) or step.isdigit()):
            index = int(step)
            document = document[index] if index < len(document) else _MISSING
        else:
            return _MISSING
    return document


def _at(text: str, path: str) -> Any:
    wanted = steps(path)
    try:
        return _walk(loads(text), wanted)
    except NotJsonError:
        return _MISSING


def extract(text: str, path: str) -> str | None:
    value = _at(text, path)
    return None if value is _MISSING else dumps(value, is_sorted=False)


def extract_scalar(text: str, path: str) -> str | None:
    value = _at(text, path)
    if value is _MISSING or value is None or isinstance(value, list | dict):
        return None
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def size(text: str, path: str) -> int | None:
    value = _at(text, path)
    if value is _MISSING:
        return None
    return len(value) if isinstance(value, list | dict) else 0


def _list(text: str) -> list[Any] | None:
    try:
        value = loads(text)
    except NotJsonError:
        return None
    return value if isinstance(value, list) else None


def array_length(text: str) -> int | None:
    values = _list(text)
    return None if values is None else len(values)


def array_get(text: str, index: int) -> str | None:
    values = _list(text)
    if values is None or not -len(values) <= index < len(values):
        return None
    value = values[index]
    if value is None:
        return None
    return (
        value if isinstance(value, str) and not isinstance(value, Number) else dumps(value, is_sorted=False)
    )


def array_contains_text(text: str, wanted: str) -> bool | None:
    values = _list(text)
    return None if values is None else any(type(v) is str and v == wanted for v in values)


def array_contains_boolean(text: str, wanted: bool) -> bool | None:
    values = _list(text)
    return None if values is None else any(v is wanted for v in values)


def array_contains_integer(text: str, wanted: int) -> bool | None:
    values = _list(text)
    if values is None:
        return None
    return any(
        isinstance(v, Number) and re.fullmatch(r"-?\d+", v) is not None and int(v) == wanted for v in values
    )


def array_contains_double(text: str, wanted: float) -> bool | None:
    if wanted != wanted or wanted in (float("inf"), float("-inf")):
        return False
    values = _list(text)
    if values is None:
        return None
    return any(
        isinstance(v, Number) and re.fullmatch(r"-?\d+", v) is None and float(v) == wanted for v in values
    )


def is_scalar(text: str) -> bool:
    try:
        return not isinstance(loads(text), list | dict)
    except NotJsonError:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"Invalid JSON value: {text}") from None


# Casts


def to_json(type_: Type) -> Callable[[Any], Any]:
    """What makes the canonical text of a value of a type."""
    write = _writer(type_)
    return lambda value: write(value)


def _writer(type_: Type) -> Callable[[Any], str]:
    name = type_.name
    if name == "array":
        element = _nullable(_writer(type_.elements[0]))
        return lambda value: "[" + ",".join(map(element, value)) + "]"
    if name == "map":
        key, element = _key_writer(type_.elements[0]), _nullable(_writer(type_.elements[1]))
        return lambda value: (
            "{"
            + ",".join(
                f"{quoted(k)}:{element(v)}"
                for k, v in sorted(((key(k), v) for k, v in value), key=lambda e: e[0])
            )
            + "}"
        )
    if name == "row":
        writers = [_nullable(_writer(element)) for element in type_.elements]
        names = [quoted(field) for field in type_.fields]
        return lambda value: (
            "{"
            + ",".join(f"{n}:{w(v)}" for n, w, v in zip(names, writers, value.values(), strict=True))
            + "}"
        )
    if name in ("double", "real"):
        from millpond.planes.athena.values import java_float

        return (
            _double
            if name == "double"
            else lambda v: f'"{java_float(v)}"' if v != v or abs(v) == float("inf") else java_float(v)
        )
    if name == "boolean":
        return lambda value: "true" if value else "false"
    if name == "json":
        return str
    if name == "decimal":
        return lambda value: format(value, "f")
    if type_.is_integral or name == "unknown":
        return str
    return lambda value: quoted(text_of(type_)(value))


def text_of(type_: Type) -> Callable[[Any], str]:
    """The text of a point in time, or the text itself."""
    from millpond.planes.athena.kernels import times

    if type_.name == "date":
        return times.date_text
    if type_.name == "timestamp":
        return times.timestamp_texts(type_.precision, " ")
    return str


def _nullable(write: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "null" if value is None else write(value)


def _key_writer(type_: Type) -> Callable[[Any], str]:
    if type_.is_text:
        return str
    if type_.name == "double":
        from millpond.planes.athena.values import java_double

        return java_double
    return _writer(type_)


class _UnfitError(Exception):
    pass


def from_json(type_: Type) -> Callable[[str], Any]:
    """What reads a value of a type from the canonical text; numbers are kept within their ranges."""
    read = _reader(type_)

    def convert(text: str) -> Any:
        try:
            return read(loads(text))
        except (_UnfitError, ValueError, ArithmeticError):
            raise fail("INVALID_CAST_ARGUMENT", f"Cannot cast to {type_}. {text}") from None

    return convert


_RANGES = {"tinyint": 7, "smallint": 15, "integer": 31, "bigint": 63}


def _reader(type_: Type) -> Callable[[Any], Any]:
    read = _plain_reader(type_)
    if type_.name == "json":
        return dumps
    return lambda value: None if value is None else read(value)


def _plain_reader(type_: Type) -> Callable[[Any], Any]:
    make = _READERS.get(type_.name)
    if make is None:
        raise _UnfitError
    return make(type_)


def _array_reader(type_: Type) -> Callable[[Any], Any]:
    element = _reader(type_.elements[0])
    return lambda value: [element(v) for v in _needs(value, list)]


def _map_reader(type_: Type) -> Callable[[Any], Any]:
    key, element = _key_reader(type_.elements[0]), _reader(type_.elements[1])
    return lambda value: [(key(k), element(v)) for k, v in _needs(value, dict).items()]


def _needs(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise _UnfitError
    return value


def _row_reader(type_: Type) -> Callable[[Any], Any]:
    readers = [_reader(element) for element in type_.elements]
    names = type_.field_names

    def read(value: Any) -> dict[str, Any]:
        if isinstance(value, list):
            if len(value) != len(readers):
                raise _UnfitError
            return {n: r(v) for n, r, v in zip(names, readers, value, strict=True)}
        given = {k.lower(): v for k, v in _needs(value, dict).items()}
        return {n: r(given.get(n.lower())) for n, r in zip(names, readers, strict=True)}

    return read


def _key_reader(type_: Type) -> Callable[[str], Any]:
    if type_.is_text:
        return str
    if type_.is_integral or type_.name in ("double", "real", "decimal"):
        plain = _plain_reader(type_)
        return lambda key: plain(Number(key) if _NUMBER.fullmatch(key) else key)
    return _plain_reader(type_)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return str(value) if re.fullmatch(r"-?\d+", value) else double_text(float(value))
    if isinstance(value, str):
        return value
    raise _UnfitError


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, Number):
        return float(value) != 0
    if isinstance(value, str) and value.lower() in ("true", "false", "t", "f", "1", "0"):
        return value.lower() in ("true", "t", "1")
    raise _UnfitError


def _integer(value: Any, bits: int) -> int:
    if isinstance(value, bool):
        number = int(value)
    elif isinstance(value, Number):
        if re.fullmatch(r"-?\d+", value):
            number = int(value)
        else:
            floating = float(value)
            number = int(abs(floating) + 0.5) * (1 if floating >= 0 else -1)
    elif isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value):
        number = int(value)
    else:
        raise _UnfitError
    if not -(2**bits) <= number < 2**bits:
        raise _UnfitError
    return number


def _floating(value: Any) -> float:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        from millpond.planes.athena.kernels.numbers import parse_double

        return parse_double(value)
    raise _UnfitError


def _decimal(value: Any, type_: Type) -> Decimal:
    from millpond.planes.athena.kernels.numbers import fitted

    if isinstance(value, bool):
        return fitted(Decimal(int(value)), type_)
    if isinstance(value, str):
        return fitted(Decimal(str(value).strip()), type_)
    raise _UnfitError


def _time(value: Any, type_: Type) -> int:
    from millpond.planes.athena.kernels import times

    if not isinstance(value, str) or isinstance(value, Number):
        raise _UnfitError
    return times.to_date(value) if type_.name == "date" else times.to_timestamp(type_.precision)(value)


_READERS: dict[str, Callable[[Type], Callable[[Any], Any]]] = {
    "array": _array_reader,
    "map": _map_reader,
    "row": _row_reader,
    "varchar": lambda _: _text,
    "boolean": lambda _: _boolean,
    **{name: lambda type_: lambda value: _integer(value, _RANGES[type_.name]) for name in _RANGES},
    "double": lambda _: _floating,
    "real": lambda _: _floating,
    "decimal": lambda type_: lambda value: _decimal(value, type_),
    "json": lambda _: dumps,
    "date": lambda type_: lambda value: _time(value, type_),
    "timestamp": lambda type_: lambda value: _time(value, type_),
}
