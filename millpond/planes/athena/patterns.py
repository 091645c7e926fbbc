"""Date patterns of MySQL and Joda as ``strftime`` patterns.

Sources: Trino's reference, "Date and time functions": "MySQL date functions" and "Java date functions".
"""

from __future__ import annotations

import re

from millpond.planes.athena.exceptions import NotSupported

_MYSQL = {
    "a": "%a",
    "b": "%b",
    "c": "%-m",
    "d": "%d",
    "e": "%-d",
    "f": "%f",
    "H": "%H",
    "h": "%I",
    "I": "%I",
    "i": "%M",
    "j": "%j",
    "k": "%-H",
    "l": "%-I",
    "M": "%B",
    "m": "%m",
    "p": "%p",
    "r": "%I:%M:%S %p",
    "S": "%S",
    "s": "%S",
    "T": "%H:%M:%S",
    "v": "%V",
    "W": "%A",
    "x": "%G",
    "Y": "%Y",
    "y": "%y",
    "%": "%%",
}

_JODA = {
    "yyyy": "%Y",
    "YYYY": "%Y",
    "yy": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "%-m",
    "dd": "%d",
    "d": "%-d",
    "EEEE": "%A",
    "EEE": "%a",
    "E": "%a",
    "HH": "%H",
    "H": "%-H",
    "hh": "%I",
    "h": "%-I",
    "mm": "%M",
    "m": "%-M",
    "ss": "%S",
    "s": "%-S",
    "SSS": "%g",
    "a": "%p",
    "DDD": "%j",
    "xxxx": "%G",
    "ww": "%V",
}


def mysql_to_strftime(pattern: str) -> str:
    """Translate the pattern of ``date_format`` and ``date_parse``.

    Raises
    ------
    NotSupported
        If Trino has no such specifier (``%D %U %u %V %w %X``).
    """

    def replace(match: re.Match[str]) -> str:
        letter = match[1]
        if letter in "DUuVwX":
            raise NotSupported(f"The date specifier %{letter}")
        return _MYSQL.get(letter, letter)

    return re.sub(r"%(.)", replace, pattern)


def joda_to_strftime(pattern: str) -> str:
    """Translate the pattern of ``format_datetime``.

    Raises
    ------
    NotSupported
        If the pattern has a letter that has no counterpart.
    """
    parts = []
    for match in re.finditer(r"'((?:[^']|'')*)'|(([A-Za-z])\3*)|([^A-Za-z'])", pattern):
        text, letters, _, other = match.groups()
        if letters is not None:
            if letters not in _JODA:
                raise NotSupported(f"The date pattern {letters}")
            parts.append(_JODA[letters])
        elif text is not None:
            parts.append((text.replace("''", "'") or "'").replace("%", "%%"))
        else:
            parts.append(other.replace("%", "%%"))
    return "".join(parts)
