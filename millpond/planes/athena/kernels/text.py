"""Trino's string functions over code points; reference: "String functions"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Literal

from millpond.planes.athena.kernels import fail

_LONGEST = 2**31 - 1
# No text of a query is longer: its process would have no memory left for it.
_MOST_AT_ONCE = 2**28
_MOST_COMPARED = 1_000_000
# What Java's Character.isWhitespace says.
WHITESPACE = (
    "".join(map(chr, [*range(9, 14), *range(28, 33), 0x1680, *range(0x2000, 0x2007), *range(0x2008, 0x200B)]))
    + "\u2028\u2029\u205f\u3000"
)


def reverse(text: str) -> str:
    return text[::-1]


def chr_(code: int) -> str:
    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"Not a valid Unicode code point: {code}")
    return chr(code)


def codepoint(text: str) -> int:
    if len(text) != 1:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Input string must be a single character string")
    return ord(text)


def substr(text: str, start: int) -> str:
    return substr_length(text, start, len(text))


def substr_length(text: str, start: int, length: int) -> str:
    if start == 0 or length <= 0 or abs(start) > len(text):
        return text[:0]
    begin = start - 1 if start > 0 else len(text) + start
    return text[begin : begin + length]


def substr_bytes(data: bytes, start: int) -> bytes:
    return substr_bytes_length(data, start, len(data))


def substr_bytes_length(data: bytes, start: int, length: int) -> bytes:
    if start == 0 or length <= 0 or abs(start) > len(data):
        return b""
    begin = start - 1 if start > 0 else len(data) + start
    return data[begin : begin + length]


def split(text: str, delimiter: str) -> list[str]:
    if not delimiter:
        raise fail("INVALID_FUNCTION_ARGUMENT", "The delimiter may not be the empty string")
    return text.split(delimiter)


def split_limit(text: str, delimiter: str, limit: int) -> list[str]:
    if limit <= 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Limit must be positive")
    if limit > _LONGEST:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Limit is too large")
    if not delimiter:
        raise fail("INVALID_FUNCTION_ARGUMENT", "The delimiter may not be the empty string")
    return text.split(delimiter, limit - 1)


def split_part(text: str, delimiter: str, index: int) -> str | None:
    if index <= 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Index must be greater than zero")
    parts = text.split(delimiter) if delimiter else list(text)
    return parts[index - 1] if index <= len(parts) else None


def strpos(text: str, wanted: str, instance: int) -> int:
    if instance == 0:
        raise fail("INVALID_FUNCTION_ARGUMENT", "'instance' must be a positive or negative number.")
    if not wanted:
        return 1
    at = -1 if instance > 0 else len(text)
    for _ in range(abs(instance)):
        at = (
            text.find(wanted, at + 1) if instance > 0 else text.rfind(wanted, 0, max(0, at - 1 + len(wanted)))
        )
        if at < 0 or (instance < 0 and at + len(wanted) > len(text)):
            return 0
    return at + 1


def _padding(size: int, fill: str | bytes) -> None:
    if not 0 <= size <= _LONGEST:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"Target length must be in the range [0..{_LONGEST}]")
    if size > _MOST_AT_ONCE:
        raise fail("EXCEEDED_LOCAL_MEMORY_LIMIT", "Query exceeded per-node memory limit")
    if not fill:
        raise fail(
            "INVALID_FUNCTION_ARGUMENT",
            f"Padding {'string' if isinstance(fill, str) else 'bytes'} must not be empty",
        )


def lpad(text: str, size: int, fill: str) -> str:
    _padding(size, fill)
    missing = size - len(text)
    return text[:size] if missing <= 0 else (fill * (missing // len(fill) + 1))[:missing] + text


def rpad(text: str, size: int, fill: str) -> str:
    _padding(size, fill)
    missing = size - len(text)
    return text[:size] if missing <= 0 else text + (fill * (missing // len(fill) + 1))[:missing]


def lpad_bytes(data: bytes, size: int, fill: bytes) -> bytes:
    _padding(size, fill)
    missing = size - len(data)
    return data[:size] if missing <= 0 else (fill * (missing // len(fill) + 1))[:missing] + data


def rpad_bytes(data: bytes, size: int, fill: bytes) -> bytes:
    _padding(size, fill)
    missing = size - len(data)
    return data[:size] if missing <= 0 else data + (fill * (missing // len(fill) + 1))[:missing]


def replace(text: str, old: str, new: str) -> str:
    return text.replace(old, new)


def translate(text: str, of: str, to: str) -> str:
    table: dict[int, str | None] = {}
    for index, character in enumerate(of):
        table.setdefault(ord(character), to[index] if index < len(to) else None)
    return text.translate(table)


def ltrim(text: str, characters: str) -> str:
    return text.lstrip(characters) if characters else text


def rtrim(text: str, characters: str) -> str:
    return text.rstrip(characters) if characters else text


def trim(text: str, characters: str) -> str:
    return text.strip(characters) if characters else text


def levenshtein_distance(one: str, other: str) -> int:
    if not one or not other:
        return len(one) + len(other)
    if len(one) * len(other) > _MOST_COMPARED:
        raise fail(
            "INVALID_FUNCTION_ARGUMENT",
            f"The combined inputs for Levenshtein distance are too large: {len(one)} x {len(other)}",
        )
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


def hamming_distance(one: str, other: str) -> int:
    if len(one) != len(other):
        raise fail(
            "INVALID_FUNCTION_ARGUMENT",
            "The input strings to hamming_distance function must have the same length",
        )
    return sum(a != b for a, b in zip(one, other, strict=True))


_SOUNDEX = {c: d for d, cs in enumerate(("BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"), 1) for c in cs}


def soundex(text: str) -> str:
    letters = [c for c in text.upper() if "A" <= c <= "Z"]
    if any(ord(c) > 127 and c.isalpha() for c in text):
        character = next(c for c in text if ord(c) > 127)
        raise fail(
            "INVALID_FUNCTION_ARGUMENT",
            f"The character is not mapped: {character} (index={ord(character) - 65})",
        )
    if not letters:
        return ""
    code, last = letters[0], _SOUNDEX.get(letters[0], 0)
    for letter in letters[1:]:
        digit = _SOUNDEX.get(letter, 0)
        if letter in "HW":
            continue
        if digit and digit != last:
            code += str(digit)
        last = digit
    return code[:4].ljust(4, "0")


def normalize(text: str, form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> str:
    return unicodedata.normalize(form, text)


def luhn_check(text: str) -> bool:
    if not text:
        return False
    if not re.fullmatch(r"[0-9]+", text):
        raise fail("INVALID_FUNCTION_ARGUMENT", "The input string contains invalid character")
    total = 0
    for index, digit in enumerate(map(int, reversed(text))):
        doubled = digit * 2 if index % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def normalizer(form: str) -> Callable[[str], str]:
    def normalize(text: str) -> str:
        return unicodedata.normalize(form, text)  # type: ignore[arg-type]

    return normalize


def concat_ws(separator: str | None, *texts: str | None) -> str | None:
    return None if separator is None else separator.join(t for t in texts if t is not None)


def concat_ws_nothing(_separator: str) -> str:
    raise fail("INVALID_FUNCTION_ARGUMENT", "There must be two or more arguments")


def concat_ws_list(separator: str | None, texts: list[str | None] | None) -> str | None:
    if separator is None:
        return None
    return separator.join(t for t in texts or [] if t is not None)


def from_utf8(data: bytes) -> str:
    return from_utf8_replacing(data, "\ufffd")


def from_utf8_replacing(data: bytes, replacement: str) -> str:
    if len(replacement) > 1:
        raise fail(
            "INVALID_FUNCTION_ARGUMENT", "Replacement character string must empty or a single character"
        )
    marked = data.decode("utf-8", errors="surrogateescape")
    # One replacement for a sequence that is cut short, as for any other byte that is none.
    return re.sub("[\udc80-\udcff]", lambda _: replacement, _merged(marked))


def _merged(text: str) -> str:
    """The bytes of a sequence that is cut short, as one."""

    def first(match: re.Match[str]) -> str:
        return match[0][0]

    leads = "[\udcc2-\udcdf]|[\udce0-\udcef][\udc80-\udcbf]?|[\udcf0-\udcf4][\udc80-\udcbf]{0,2}"
    return re.sub(leads, first, text)


def from_utf8_code(data: bytes, code: int) -> str:
    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Invalid replacement character")
    return from_utf8_replacing(data, chr(code))


def split_to_map(text: str, between: str, inside: str) -> list[tuple[str, str]]:
    return [(k, v) for k, v in _entries(text, between, inside, is_multi=False)]


def split_to_multimap(text: str, between: str, inside: str) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for key, value in _entries(text, between, inside, is_multi=True):
        found.setdefault(key, []).append(value)
    return list(found.items())


def _entries(text: str, between: str, inside: str, *, is_multi: bool) -> list[tuple[str, str]]:
    if not between:
        raise fail("INVALID_FUNCTION_ARGUMENT", "entryDelimiter is empty")
    if not inside:
        raise fail("INVALID_FUNCTION_ARGUMENT", "keyValueDelimiter is empty")
    if between == inside:
        raise fail("INVALID_FUNCTION_ARGUMENT", "entryDelimiter and keyValueDelimiter must not be the same")
    found: list[tuple[str, str]] = []
    seen = set()
    parts = text.split(between)
    if parts and not parts[-1]:
        parts.pop()
    for part in parts:
        key, sign, value = part.partition(inside)
        if not sign:
            raise fail(
                "INVALID_FUNCTION_ARGUMENT",
                f"Key-value delimiter must appear exactly once in each entry. Bad input: '{part}'",
            )
        if inside in value:
            raise fail(
                "INVALID_FUNCTION_ARGUMENT",
                f"Key-value delimiter must appear exactly once in each entry. Bad input: '{part}'",
            )
        if key in seen and not is_multi:
            raise fail("INVALID_FUNCTION_ARGUMENT", f"Duplicate keys ({key}) are not allowed")
        seen.add(key)
        found.append((key, value))
    return found


_SIZES = {"B": 0, "kB": 1, "MB": 2, "GB": 3, "TB": 4, "PB": 5, "EB": 6, "ZB": 7, "YB": 8}


def parse_data_size(text: str) -> Decimal:
    found = re.fullmatch(r"([0-9.]+)([a-zA-Z]+)", text)
    if found is None or found[2] not in _SIZES or not re.fullmatch(r"\d+(\.\d*)?|\.\d+", found[1]):
        raise fail("INVALID_FUNCTION_ARGUMENT", f"Invalid data size: '{text}'")
    value = Decimal(found[1]) * 1024 ** _SIZES[found[2]]
    if value >= Decimal(10) ** 38:
        raise fail("NUMERIC_VALUE_OUT_OF_RANGE", f"Value out of range: '{text}' ('{value}B')")
    return Decimal(int(value))


_DURATIONS = {
    "ns": Fraction(1, 10**6), "us": Fraction(1, 1000), "ms": Fraction(1), "s": Fraction(1000),
    "m": Fraction(60_000), "h": Fraction(3_600_000), "d": Fraction(86_400_000),
}  # fmt: skip


def parse_duration(text: str) -> int:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*", text)
    if not text:
        raise fail("INVALID_FUNCTION_ARGUMENT", "duration is empty")
    if found is None:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"duration is not a valid data duration string: {text}")
    if found[2] not in _DURATIONS:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"Unknown time unit: {found[2]}")
    exact = Fraction(found[1]) * _DURATIONS[found[2]]
    return int(exact + Fraction(1, 2))


def human_readable_seconds(seconds: float) -> str:
    if seconds != seconds or seconds in (float("inf"), float("-inf")):
        shown = "NaN" if seconds != seconds else ("Infinity" if seconds > 0 else "-Infinity")
        raise fail("INVALID_FUNCTION_ARGUMENT", f"Invalid argument found: {shown}")
    rest = int(Decimal(abs(seconds)).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    sizes = (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
    parts = []
    for name, size in sizes:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}{'s' if count != 1 else ''}")
    return ", ".join(parts) or "0 seconds"


def format_number(value: float) -> str:
    # Beyond a bigint, or no number: as Java converts a double to a long.
    limit = float(2**63)
    amount = Decimal(0) if value != value else Decimal(int(min(max(value, -limit), limit - 1024)))
    size, unit = abs(amount), 0
    names = ("", "K", "M", "B", "T", "Q")
    scaled = Decimal(int(size))
    while scaled >= 1000 and unit < len(names) - 1:
        scaled, unit = scaled / 1000, unit + 1
    digits = 2 if scaled < 10 else 1 if scaled < 100 else 0
    text = format(scaled.quantize(Decimal(1).scaleb(-digits)), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return ("-" if amount < 0 else "") + text + names[unit]


def to_base(value: int, radix: int) -> str:
    if not 2 <= radix <= 36:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Radix must be between 2 and 36")
    digits, rest = "", abs(value)
    while rest:
        rest, digit = divmod(rest, radix)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return ("-" if value < 0 else "") + (digits or "0")


def from_base(text: str, radix: int) -> int:
    if not 2 <= radix <= 36:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Radix must be between 2 and 36")
    try:
        if not re.fullmatch(r"[+-]?[0-9a-zA-Z]+", text):
            raise ValueError
        value = int(text, radix)
    except ValueError:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"Not a valid base-{radix} number: {text}") from None
    if not -(2**63) <= value < 2**63:
        raise fail("INVALID_FUNCTION_ARGUMENT", f"Not a valid base-{radix} number: {text}")
    return value


def like(text: str, pattern: str, escape: str) -> bool:
    return _like_pattern(pattern, escape).fullmatch(text) is not None


def _like_pattern(pattern: str, escape: str) -> re.Pattern[str]:
    found = _LIKE.get((pattern, escape))
    if found is None:
        found = _LIKE[pattern, escape] = re.compile(like_regex(pattern, escape), re.DOTALL)
    return found


_LIKE: dict[tuple[str, str], re.Pattern[str]] = {}


def like_regex(pattern: str, escape: str) -> str:
    if len(escape) != 1:
        raise fail("INVALID_FUNCTION_ARGUMENT", "Escape string must be a single character")
    parts, is_escaped = [], False
    for character in pattern:
        if is_escaped:
            if character not in ("%", "_", escape):
                break
            parts.append(re.escape(character))
            is_escaped = False
        elif escape and character == escape:
            is_escaped = True
        else:
            parts.append({"%": ".*", "_": "."}.get(character) or re.escape(character))
    if is_escaped:
        raise fail(
            "INVALID_FUNCTION_ARGUMENT",
            "Escape character must be followed by '%', '_' or the escape character itself",
        )
    return "".join(parts)


def to_uuid(text: str) -> str:
    found = re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text)
    if found is None:
        raise fail("INVALID_CAST_ARGUMENT", f"Cannot cast value to UUID: {text}")
    return text.lower()
