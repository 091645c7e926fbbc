"""``format``: Java's ``Formatter``; reference: "format function"."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import Any

from millpond.planes.athena.kernels import fail, unsupported
from millpond.planes.athena.types import Type

_SPECIFIER = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(<]*)(\d+)?(?:\.(\d+))?([tT])?([a-zA-Z%])")
_WIDE = Context(prec=400)
_JAVA = {
    "boolean": "Boolean", "tinyint": "Long", "smallint": "Long", "integer": "Long", "bigint": "Long",
    "real": "Float", "double": "Double", "decimal": "BigDecimal", "varchar": "String", "char": "String",
    "date": "LocalDate", "timestamp": "LocalDateTime", "time": "LocalTime", "json": "String",
}  # fmt: skip
_PACKAGES = {
    "BigDecimal": "java.math.",
    "LocalDate": "java.time.",
    "LocalDateTime": "java.time.",
    "LocalTime": "java.time.",
}


@dataclass(frozen=True)
class _Specifier:
    """``%index$flags width.precision conversion``."""

    index: int | None
    flags: str
    width: int
    precision: int | None
    is_date: bool
    letter: str


def formatter(types: Sequence[Type]) -> Callable[..., str | None]:
    """The function for values of such types."""
    names = [_JAVA.get(type_.name, "String") for type_ in types]
    shows = [_shown(type_) for type_ in types]

    def call(pattern: str | None, *values: Any) -> str | None:
        if pattern is None:
            return None
        parts = []
        for part, at in _placed(pattern):
            if isinstance(part, str):
                parts.append(part)
                continue
            if not 0 <= at < len(values):
                source = f"%{part.flags}{part.width or ''}{part.letter}"
                raise _wrong(pattern, f"MissingFormatArgument: Format specifier '{source}'")
            if part.is_date:
                raise unsupported("A date in a format")
            parts.append(_one(pattern, part, values[at], (names[at], shows[at])))
        return "".join(parts)

    return call


@lru_cache(1024)
def _placed(pattern: str) -> tuple[tuple[str | _Specifier, int], ...]:
    """The parts of a pattern, each with the place of its value."""
    found: list[tuple[str | _Specifier, int]] = []
    following, last = 0, -1
    for part in _parts(pattern):
        if isinstance(part, str) or part.letter in "%n":
            shown = part if isinstance(part, str) else _padded("%", part) if part.letter == "%" else "\n"
            found.append((shown, -1))
            continue
        if part.index is not None:
            last = part.index - 1
        elif "<" not in part.flags:
            last, following = following, following + 1
        found.append((part, last))
    return tuple(found)


def _shown(type_: Type) -> Callable[[Any], str]:
    from millpond.planes.athena.kernels import times
    from millpond.planes.athena.values import java_double, java_float

    if type_.name == "double":
        return java_double
    if type_.name == "real":
        return java_float
    if type_.name == "boolean":
        return lambda value: "true" if value else "false"
    if type_.name == "decimal":
        return lambda value: format(value, "f")
    if type_.name == "date":
        return times.date_text
    if type_.name == "interval day to second":
        return times.interval_days_text
    if type_.name == "interval year to month":
        return times.interval_months_text
    if type_.name == "time":
        return _clock
    if type_.name == "timestamp":
        return lambda value: times.date_text(value // times.DAY) + "T" + _clock(value % times.DAY)
    return str


def _clock(micros: int) -> str:
    from millpond.planes.athena.kernels import times

    text = times.clock_text(micros, 0)
    fraction = micros % times.SECOND
    if fraction:
        return times.clock_text(micros, 3 if fraction % 1000 == 0 else 6)
    return text.removesuffix(":00") if text.endswith(":00") else text


@lru_cache(1024)
def _parts(pattern: str) -> tuple[str | _Specifier, ...]:
    found: list[str | _Specifier] = []
    at = 0
    while at < len(pattern):
        if pattern[at] != "%":
            end = pattern.find("%", at)
            end = len(pattern) if end < 0 else end
            found.append(pattern[at:end])
            at = end
            continue
        match = _SPECIFIER.match(pattern, at)
        if match is None:
            bad = pattern[at + 1 : at + 2] or "%"
            raise _wrong(pattern, f"UnknownFormatConversion: Conversion = '{bad}'")
        if match[6] not in "bBhHsScCdoxXeEfgGaA%n" and not match[5]:
            raise _wrong(pattern, f"UnknownFormatConversion: Conversion = '{match[6]}'")
        index = int(match[1]) if match[1] else None
        precision = int(match[4]) if match[4] else None
        found.append(_Specifier(index, match[2], int(match[3] or 0), precision, bool(match[5]), match[6]))
        at = match.end()
    return tuple(found)


def _wrong(pattern: str, why: str) -> Exception:
    return fail("INVALID_FUNCTION_ARGUMENT", f"Invalid format string: {pattern} ({why})")


_Shown = tuple[str, Callable[[Any], str]]
"""Java's class of a value, and what writes it."""


def _one(pattern: str, part: _Specifier, value: Any, shown: _Shown) -> str:
    kind, name = part.letter.lower(), shown[0]
    if value is None and kind != "b":
        text = "null" if part.precision is None or kind not in "sh" else "null"[: part.precision]
    elif kind in "sbh":
        text = _general(part, value, shown)
    elif kind == "a":
        raise unsupported("%a")
    elif name == "Long" and kind in "doxc" and (kind != "c" or -(2**31) <= value < 2**31):
        text = _whole(part, value)
    elif kind in "feg" and name in ("Double", "Float", "BigDecimal"):
        text = _floating(kind, part, value, shown[1])
    else:
        java = _PACKAGES.get(name, "java.lang.") + name
        raise _wrong(pattern, f"IllegalFormatConversion: {part.letter} != {java}")
    return _padded(text.upper() if part.letter.isupper() else text, part)


def _general(part: _Specifier, value: Any, shown: _Shown) -> str:
    name, show = shown
    kind = part.letter.lower()
    if kind == "h":
        if name not in ("String", "Long", "Boolean"):
            raise unsupported("%h of such a value")
        return format(_hash(value, name), "x")
    text = (
        show(value)
        if kind == "s" or (name == "Boolean" and value is not None)
        else str(value is not None).lower()
    )
    return text if part.precision is None else text[: part.precision]


def _whole(part: _Specifier, value: int) -> str:
    kind = part.letter.lower()
    if kind == "d":
        return _signed(_grouped(str(abs(value)), part.flags), value < 0, part)
    if kind == "c":
        return chr(value)
    text = format(value & (2**64 - 1), kind)
    text = ("0x" if kind == "x" else "0") + text if "#" in part.flags else text
    return text.rjust(part.width, "0") if "0" in part.flags else text


def _hash(value: Any, name: str) -> int:
    if name == "Boolean":
        return 1231 if value else 1237
    if name == "Long":
        return int((value ^ (value >> 32)) & 0xFFFFFFFF)
    result = 0
    encoded = value.encode("utf-16-be")
    for at in range(0, len(encoded), 2):
        result = (31 * result + int.from_bytes(encoded[at : at + 2], "big")) & 0xFFFFFFFF
    return result


def _padded(text: str, part: _Specifier) -> str:
    return text.ljust(part.width) if "-" in part.flags else text.rjust(part.width)


def _grouped(digits: str, flags: str) -> str:
    return f"{int(digits):,}" if "," in flags else digits


def _signed(text: str, is_negative: bool, part: _Specifier) -> str:
    flags = part.flags
    before = after = ""
    if is_negative:
        before, after = ("(", ")") if "(" in flags else ("-", "")
    elif "+" in flags or " " in flags:
        before = "+" if "+" in flags else " "
    if "0" in flags:
        text = text.rjust(part.width - len(before) - len(after), "0")
    return before + text + after


def _floating(kind: str, part: _Specifier, value: Any, show: Callable[[Any], str]) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        plain = replace(part, flags=part.flags.replace("0", ""))
        return "NaN" if value != value else _signed("Infinity", value < 0, plain)
    exact = value if isinstance(value, Decimal) else Decimal(show(value))
    is_negative = exact.is_signed() and (exact != 0 or isinstance(value, float))
    size = 6 if part.precision is None else part.precision
    amount = exact.copy_abs()
    if kind == "g":
        size = max(size, 1)
        rounded = Context(prec=size, rounding=ROUND_HALF_UP).create_decimal(amount)
        if rounded == 0 or Decimal("0.0001") <= rounded < Decimal(10) ** size:
            power = rounded.adjusted() if rounded else 0
            return _signed(_fixed(amount, max(size - 1 - power, 0), part.flags), is_negative, part)
        return _signed(_exponential(amount, size - 1), is_negative, part)
    text = _fixed(amount, size, part.flags) if kind == "f" else _exponential(amount, size)
    return _signed(text, is_negative, part)


def _fixed(amount: Decimal, size: int, flags: str) -> str:
    text = format(amount.quantize(Decimal(1).scaleb(-size), ROUND_HALF_UP, _WIDE), "f")
    whole, point, fraction = text.partition(".")
    return _grouped(whole, flags) + point + fraction


def _exponential(amount: Decimal, size: int) -> str:
    if amount == 0:
        return "0" + ("." + "0" * size if size else "") + "e+00"
    rounded = Context(prec=size + 1, rounding=ROUND_HALF_UP).create_decimal(amount)
    power = rounded.adjusted()
    scaled = rounded.scaleb(-power, _WIDE).quantize(Decimal(1).scaleb(-size), ROUND_HALF_UP, _WIDE)
    return f"{format(scaled, 'f')}e{'-' if power < 0 else '+'}{abs(power):02}"
