r"""Intrinsic functions of JSONPath states, whole: their grammar, their values and their limits.

Source: "Intrinsics for JSONPath states in Step Functions" in the developer guide. Arguments are strings in
single quotes with the escapes ``\'``, ``\{``, ``\}`` and ``\\``, numbers, ``true``, ``false``, ``null``,
paths and other functions, ten of them in a field at most. LocalStack breaks strings off at an escaped quote,
drops null from ``States.Array`` and keeps no limits.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import random
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

MOST_CHARACTERS = 10_000
MOST_IN_RANGE = 1_000
MOST_NESTED = 10
_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**31), 2**31 - 1
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}

_NAME = re.compile(r"States\.([A-Za-z0-9]+)\s*\(")
_TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_WORD = re.compile(r"[^\s,()']+")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_CONSTANTS = {"true": True, "false": False, "null": None}

PathReader = Callable[[str], Any]


class IntrinsicError(ValueError):
    """A function that cannot be read, or that fails with what it is given."""


@dataclass(frozen=True)
class Text:
    """A string as it is written, with its escapes."""

    raw: str


@dataclass(frozen=True)
class Constant:
    """A number, a boolean or null."""

    value: float | bool | None


@dataclass(frozen=True)
class Path:
    """A path into the input (``$.``), the context object (``$$.``) or a variable (``$name``)."""

    text: str


@dataclass(frozen=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple[Argument, ...]

    def evaluate(self, read: PathReader) -> Any:
        """The function's value.

        Parameters
        ----------
        read : callable
            Gives the value of a path; what it raises is raised.

        Raises
        ------
        IntrinsicError
            If the arguments are not what the function takes.
        """
        if self.name == "Format":
            return _format(self.arguments, [_value(argument, read) for argument in self.arguments[1:]], read)
        return _FUNCTIONS[self.name].call(*(_value(argument, read) for argument in self.arguments))

    def paths(self) -> list[str]:
        """The paths among its arguments and in functions therein."""
        paths: list[str] = []
        for argument in self.arguments:
            if isinstance(argument, Path):
                paths.append(argument.text)
            elif isinstance(argument, Call):
                paths.extend(argument.paths())
        return paths


type Argument = Text | Constant | Path | Call


def parse(text: str) -> Call:
    r"""Read a function.

    Raises
    ------
    IntrinsicError
        If it is not one, or has a number of arguments that it does not take.

    Examples
    --------
    >>> parse("States.Format('it\\'s {} of {}', $.n, 10)").evaluate({"$.n": 3}.__getitem__)
    "it's 3 of 10"
    """
    return _Reader(text).whole()


def _value(argument: Argument, read: PathReader) -> Any:
    match argument:
        case Text(raw):
            return _unescaped(raw)
        case Constant(value):
            return value
        case Path(path):
            return read(path)
        case Call():
            return argument.evaluate(read)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._calls = 0

    def whole(self) -> Call:
        call = self._call()
        self._spaces()
        if call is None or self._at != len(self._text):
            raise self._wrong()
        return call

    def _call(self) -> Call | None:
        self._spaces()
        match = _NAME.match(self._text, self._at)
        if match is None:
            return None
        name = match.group(1)
        if name not in _FUNCTIONS:
            raise IntrinsicError(f"States.{name} is not an intrinsic function, in {self._text}")
        self._calls += 1
        if self._calls > MOST_NESTED + 1:
            raise IntrinsicError(f"more than {MOST_NESTED} intrinsic functions are nested in {self._text}")
        self._at = match.end()
        call = Call(name, tuple(self._arguments()))
        least, most = _FUNCTIONS[name].least, _FUNCTIONS[name].most
        if not least <= len(call.arguments) <= most:
            raise IntrinsicError(f"States.{name} does not take {len(call.arguments)} arguments")
        return call

    def _arguments(self) -> list[Argument]:
        arguments: list[Argument] = []
        while not self._takes(")"):
            if arguments and not self._takes(","):
                raise self._wrong()
            arguments.append(self._argument())
        return arguments

    def _argument(self) -> Argument:
        if (call := self._call()) is not None:
            return call
        if text := _TEXT.match(self._text, self._at):
            self._at = text.end()
            return Text(text.group(1))
        if self._text.startswith("$", self._at):
            return self._path()
        word = _WORD.match(self._text, self._at)
        if word is None:
            raise self._wrong()
        if word.group() in _CONSTANTS:
            value: float | bool | None = _CONSTANTS[word.group()]
        elif _NUMBER.fullmatch(word.group()):
            value = json.loads(word.group())
        else:
            raise self._wrong()
        self._at = word.end()
        return Constant(value)

    def _path(self) -> Path:
        """A path ends at a comma or parenthesis that is in none of its brackets, filters or quotes."""
        start, open_ones, quote = self._at, 0, ""
        while self._at < len(self._text):
            character = self._text[self._at]
            if quote:
                quote = "" if character == quote else quote
            elif character in "'\"":
                quote = character
            elif character in "[(":
                open_ones += 1
            elif character in "])" and open_ones:
                open_ones -= 1
            elif character in ",)":
                break
            self._at += 1
        return Path(self._text[start : self._at].strip())

    def _takes(self, token: str) -> bool:
        self._spaces()
        if self._text.startswith(token, self._at):
            self._at += len(token)
            return True
        return False

    def _spaces(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _wrong(self) -> IntrinsicError:
        rest = self._text[self._at :]
        return IntrinsicError(
            f"unexpected {rest[:20]!r} in {self._text}" if rest else f"{self._text} ends early"
        )


# What the functions do


@dataclass(frozen=True)
class _Function:
    call: Callable[..., Any]
    least: int
    most: float


def _format(arguments: Sequence[Argument], values: Sequence[Any], read: PathReader) -> str:
    first = arguments[0]
    template = first.raw if isinstance(first, Text) else _value(first, read)
    if not isinstance(template, str):
        raise IntrinsicError("the first argument of States.Format is to be a string")
    parts = re.split(r"(\\.|\{\})", template, flags=re.DOTALL)
    if parts.count("{}") != len(values):
        raise IntrinsicError(
            f"States.Format has {parts.count('{}')} times {{}} in its template, and {len(values)} values"
        )
    rest = iter(values)
    return "".join(_shown(next(rest)) if part == "{}" else _unescaped(part) for part in parts)


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):
        raise IntrinsicError("States.Format takes strings, numbers, booleans and null")
    return value if isinstance(value, str) else json.dumps(value)


def _unescaped(raw: str) -> str:
    def character(match: re.Match[str]) -> str:
        if match.group(1) not in ("'", "{", "}", "\\"):
            raise IntrinsicError(f"the escape {match.group()} is not known, in '{raw}'")
        return match.group(1)

    return re.sub(r"\\(.)", character, raw, flags=re.DOTALL)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _integer(name: str, value: Any) -> int:
    """A number, rounded to the nearest integer as the guide says."""
    if not _is_number(value):
        raise IntrinsicError(f"States.{name} needs a number, not {json.dumps(value)}")
    nearest: int = math.floor(value + 0.5)
    return nearest


def _array(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise IntrinsicError(f"States.{name} needs an array, not {json.dumps(value)}")
    return value


def _text(name: str, value: Any, most: float = math.inf) -> str:
    if not isinstance(value, str):
        raise IntrinsicError(f"States.{name} needs a string, not {json.dumps(value)}")
    if len(value) > most:
        raise IntrinsicError(f"States.{name} takes at most {most} characters, not {len(value)}")
    return value


def _key(value: Any) -> str:
    """A value by which equal ones are found: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(value, float) and value.is_integer():
        return json.dumps(int(value))
    return json.dumps(value, sort_keys=True)


def _partition(array: Any, size: Any) -> list[Any]:
    values, many = _array("ArrayPartition", array), _integer("ArrayPartition", size)
    if many < 1:
        raise IntrinsicError("States.ArrayPartition needs chunks of at least 1")
    return [values[at : at + many] for at in range(0, len(values), many)]


def _contains(array: Any, value: Any) -> bool:
    return _key(value) in {_key(item) for item in _array("ArrayContains", array)}


def _range(first: Any, last: Any, step: Any) -> list[int]:
    start, end, by = (_integer("ArrayRange", bound) for bound in (first, last, step))
    if by == 0:
        raise IntrinsicError("States.ArrayRange cannot step by 0")
    numbers = range(start, end + (1 if by > 0 else -1), by)
    if len(numbers) > MOST_IN_RANGE:
        raise IntrinsicError(f"States.ArrayRange makes at most {MOST_IN_RANGE} items, not {len(numbers)}")
    return list(numbers)


def _item(array: Any, index: Any) -> Any:
    values, at = _array("ArrayGetItem", array), _integer("ArrayGetItem", index)
    if not 0 <= at < len(values):
        raise IntrinsicError(f"States.ArrayGetItem has no item {at} of {len(values)}")
    return values[at]


def _unique(array: Any) -> list[Any]:
    return list({_key(item): item for item in reversed(_array("ArrayUnique", array))}.values())[::-1]


def _encoded(text: Any) -> str:
    return base64.b64encode(_text("Base64Encode", text, MOST_CHARACTERS).encode()).decode()


def _decoded(text: Any) -> str:
    try:
        return base64.b64decode(_text("Base64Decode", text, MOST_CHARACTERS), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise IntrinsicError(f"States.Base64Decode cannot decode {text}: {error}") from error


def _hash(data: Any, algorithm: Any) -> str:
    if algorithm not in _ALGORITHMS:
        raise IntrinsicError(f"States.Hash knows {', '.join(_ALGORITHMS)}, not {algorithm}")
    text = data if isinstance(data, str) else _json(data)
    return hashlib.new(_ALGORITHMS[algorithm], _text("Hash", text, MOST_CHARACTERS).encode()).hexdigest()


def _merged(left: Any, right: Any, is_deep: Any) -> dict[str, Any]:
    if is_deep is not False:
        raise IntrinsicError("States.JsonMerge merges the outermost level only: its last argument is false")
    if not isinstance(left, dict) or not isinstance(right, dict):
        raise IntrinsicError("States.JsonMerge needs two objects")
    return left | right


def _parsed(text: Any) -> Any:
    try:
        return json.loads(_text("StringToJson", text))
    except ValueError as error:
        raise IntrinsicError(f"States.StringToJson cannot read {text!r}: {error}") from error


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _random(start: Any, end: Any, seed: Any = None) -> int:
    first, last = _integer("MathRandom", start), _integer("MathRandom", end)
    if first >= last:
        raise IntrinsicError("States.MathRandom needs a start that is less than the end")
    source = random if seed is None else random.Random(_integer("MathRandom", seed))  # noqa: S311
    return source.randrange(first, last)


def _sum(left: Any, right: Any) -> int:
    both = _integer("MathAdd", left), _integer("MathAdd", right)
    if any(not _SMALLEST_INTEGER <= number <= _LARGEST_INTEGER for number in (*both, sum(both))):
        raise IntrinsicError(f"States.MathAdd takes integers from {_SMALLEST_INTEGER} to {_LARGEST_INTEGER}")
    return sum(both)


def _split(text: Any, delimiters: Any) -> list[str]:
    """Each character is a delimiter, and nothing is no part."""
    pattern = f"[{re.escape(_text('StringSplit', delimiters))}]"
    whole = _text("StringSplit", text)
    return [part for part in (re.split(pattern, whole) if delimiters else [whole]) if part]


_FUNCTIONS = {
    "Array": _Function(lambda *values: list(values), 0, math.inf),
    "ArrayContains": _Function(_contains, 2, 2),
    "ArrayGetItem": _Function(_item, 2, 2),
    "ArrayLength": _Function(lambda array: len(_array("ArrayLength", array)), 1, 1),
    "ArrayPartition": _Function(_partition, 2, 2),
    "ArrayRange": _Function(_range, 3, 3),
    "ArrayUnique": _Function(_unique, 1, 1),
    "Base64Decode": _Function(_decoded, 1, 1),
    "Base64Encode": _Function(_encoded, 1, 1),
    "Format": _Function(_format, 1, math.inf),
    "Hash": _Function(_hash, 2, 2),
    "JsonMerge": _Function(_merged, 3, 3),
    "JsonToString": _Function(_json, 1, 1),
    "MathAdd": _Function(_sum, 2, 2),
    "MathRandom": _Function(_random, 2, 3),
    "StringSplit": _Function(_split, 2, 2),
    "StringToJson": _Function(_parsed, 1, 1),
    "UUID": _Function(lambda: str(uuid.uuid4()), 0, 0),
}
