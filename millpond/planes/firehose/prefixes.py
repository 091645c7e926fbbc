"""Where an object lies: prefixes with their expressions.

Source: "Understand custom prefixes for Amazon S3 objects" in the Firehose Developer Guide.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable, Mapping
from datetime import datetime

from millpond.planes.firehose.exceptions import InvalidArgumentException

_EXPRESSION = re.compile(r"!\{([^}]*)\}")
_TOKEN = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']+")
# What the patterns of Java's DateTimeFormatter stand for, as far as dates and times of day go.
_PATTERNS: Mapping[str, str] = {
    "yyyy": "%Y",
    "yy": "%y",
    "YYYY": "%Y",
    "MM": "%m",
    "dd": "%d",
    "HH": "%H",
    "mm": "%M",
    "ss": "%S",
    "DDD": "%j",
    "MMM": "%b",
    "EEE": "%a",
    "a": "%p",
    "hh": "%I",
}
_SHORT: Mapping[str, Callable[[datetime], int]] = {
    "y": lambda moment: moment.year,
    "M": lambda moment: moment.month,
    "d": lambda moment: moment.day,
    "H": lambda moment: moment.hour,
    "m": lambda moment: moment.minute,
    "s": lambda moment: moment.second,
}
_RANDOM_LETTERS = string.ascii_letters + string.digits
_DEFAULT = "%Y/%m/%d/%H/"


def has_expression(prefix: str) -> bool:
    return "!{" in prefix


def check(prefix: str, *, of_errors: bool = False) -> None:
    """Evaluate a prefix for nothing.

    Raises
    ------
    InvalidArgumentException
        If it has an expression that there is not.
    """
    evaluate(prefix, datetime(2000, 1, 1), "output" if of_errors else None)


def evaluate(prefix: str, moment: datetime, error_type: str | None = None) -> str:
    """The prefix of an object.

    Parameters
    ----------
    prefix : str
        As the destination has it. Without an expression the hour is added to it.
    moment : datetime
        When the first of its records arrived, in the stream's time zone.
    error_type : str, optional
        What went wrong with its records, for the prefix of errors.
    """
    if not has_expression(prefix):
        kind = f"{error_type}/" if error_type else ""
        return f"{prefix}{kind}{moment:{_DEFAULT}}"
    return _EXPRESSION.sub(lambda match: _value(match[1], moment, error_type), prefix)


def _value(expression: str, moment: datetime, error_type: str | None) -> str:
    namespace, _, value = expression.partition(":")
    if namespace == "timestamp" and value:
        return formatted(value, moment)
    if expression == "firehose:random-string":
        return "".join(secrets.choice(_RANDOM_LETTERS) for _ in range(11))
    if expression == "firehose:error-output-type" and error_type is not None:
        return error_type
    raise InvalidArgumentException(f"The expression !{{{expression}}} is not supported in this prefix.")


def formatted(pattern: str, moment: datetime) -> str:
    """A moment by a pattern of Java's DateTimeFormatter.

    Raises
    ------
    InvalidArgumentException
        If it has letters that are not supported.
    """
    parts = []
    for match in _TOKEN.finditer(pattern):
        token = match[0]
        if match[1] is not None:
            parts.append(match[1] or "'")
        elif token in _PATTERNS:
            parts.append(moment.strftime(_PATTERNS[token]))
        elif token in _SHORT:
            parts.append(str(_SHORT[token](moment)))
        elif token[0].isalpha():
            raise InvalidArgumentException(
                f"The pattern {token!r} of a timestamp is not supported: {pattern}"
            )
        else:
            parts.append(token)
    return "".join(parts)
