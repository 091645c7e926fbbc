"""Grok patterns: named regular expressions with types."""

from __future__ import annotations

import re
from collections.abc import Mapping

from millpond.planes.common.regexes import Regex, RegexError
from millpond.planes.glue.exceptions import InvalidInputException

# The patterns that most others are made of ("AWS Glue built-in patterns" in the Developer Guide).
_BUILT_IN: Mapping[str, str] = {
    "USERNAME": r"[a-zA-Z0-9._-]+",
    "USER": r"%{USERNAME}",
    "INT": r"(?:[+-]?(?:[0-9]+))",
    "BASE10NUM": r"(?<![0-9.+-])(?:[+-]?(?:(?:[0-9]+(?:\.[0-9]+)?)|(?:\.[0-9]+)))",
    "NUMBER": r"(?:%{BASE10NUM})",
    "POSINT": r"\b(?:[1-9][0-9]*)\b",
    "NONNEGINT": r"\b(?:[0-9]+)\b",
    "WORD": r"\b\w+\b",
    "NOTSPACE": r"\S+",
    "SPACE": r"\s*",
    "DATA": r".*?",
    "GREEDYDATA": r".*",
    "QUOTEDSTRING": r"(?:\"(?:\\.|[^\\\"])*\"|'(?:\\.|[^\\'])*')",
    "QS": r"%{QUOTEDSTRING}",
    "UUID": r"[A-Fa-f0-9]{8}-(?:[A-Fa-f0-9]{4}-){3}[A-Fa-f0-9]{12}",
    "IPV4": r"(?<![0-9])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![0-9])",
    "IPV6": r"[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+",
    "IP": r"(?:%{IPV6}|%{IPV4})",
    "HOSTNAME": r"\b(?:[0-9A-Za-z][0-9A-Za-z-]{0,62})(?:\.(?:[0-9A-Za-z][0-9A-Za-z-]{0,62}))*\.?",
    "HOST": r"%{HOSTNAME}",
    "IPORHOST": r"(?:%{HOSTNAME}|%{IP})",
    "HOSTPORT": r"%{IPORHOST}:%{POSINT}",
    "PATH": r"(?:/[\w.%!$@:,~-]*)+",
    "URIPROTO": r"[A-Za-z]+(?:\+[A-Za-z+]+)?",
    "URIPATH": r"(?:/[A-Za-z0-9$.+!*'(){},~:;=@#%&_-]*)+",
    "URIPARAM": r"\?[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?\[\]<>-]*",
    "URIPATHPARAM": r"%{URIPATH}(?:%{URIPARAM})?",
    "URI": r"%{URIPROTO}://%{IPORHOST}(?::%{POSINT})?(?:%{URIPATHPARAM})?",
    "MONTH": r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\b",
    "MONTHNUM": r"(?:0?[1-9]|1[0-2])",
    "MONTHDAY": r"(?:(?:0[1-9])|(?:[12][0-9])|(?:3[01])|[1-9])",
    "DAY": r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*",
    "YEAR": r"(?:\d\d){1,2}",
    "HOUR": r"(?:2[0123]|[01]?[0-9])",
    "MINUTE": r"(?:[0-5][0-9])",
    "SECOND": r"(?:(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?)",
    "TIME": r"(?<![0-9])%{HOUR}:%{MINUTE}(?::%{SECOND})?(?![0-9])",
    "ISO8601_TIMEZONE": r"(?:Z|[+-]%{HOUR}(?::?%{MINUTE}))",
    "TIMESTAMP_ISO8601": (
        r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?%{ISO8601_TIMEZONE}?"
    ),
    "DATE": r"%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}",
    "HTTPDATE": r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}",
    "SYSLOGTIMESTAMP": r"%{MONTH} +%{MONTHDAY} %{TIME}",
    "LOGLEVEL": (
        r"(?i:alert|trace|debug|notice|info|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|emerg(?:ency)?)"
    ),
    "COMMONAPACHELOG": (
        r"%{IPORHOST:clientip} %{USER:ident} %{USER:auth} \[%{HTTPDATE:timestamp}\] "
        r'"(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})" '
        r"%{NUMBER:response} (?:%{NUMBER:bytes}|-)"
    ),
    "COMBINEDAPACHELOG": r"%{COMMONAPACHELOG} %{QS:referrer} %{QS:agent}",
}
_TYPES = {
    "byte": "tinyint",
    "short": "smallint",
    "int": "int",
    "long": "bigint",
    "float": "float",
    "double": "double",
}
_TYPES |= {"boolean": "boolean", "date": "date", "string": "string"}
_REFERENCE = re.compile(r"%\{(\w+)(?::([\w.-]+))?(?::(\w+))?\}")


def grok_pattern(text: str, custom: str = "") -> tuple[Regex, tuple[tuple[str, str], ...]]:
    """A grok pattern as a regular expression, and the columns it makes.

    Parameters
    ----------
    text : str
        The pattern.
    custom : str
        Further named patterns, one a line.

    Raises
    ------
    InvalidInputException
        If it names a pattern that there is not, or is no regular expression.

    Examples
    --------
    >>> grok_pattern("%{WORD:level} %{NUMBER:n:int}")[1]
    (('level', 'string'), ('n', 'int'))
    """
    named = dict(_BUILT_IN)
    for line in custom.splitlines():
        name, _, pattern = line.strip().partition(" ")
        if pattern:
            named[name] = pattern.strip()
    columns: dict[str, str] = {}

    def expand(match: re.Match[str]) -> str:
        name, column, kind = match.groups()
        if name not in named:
            raise InvalidInputException(f"The grok pattern {name} is not known")
        inner = _REFERENCE.sub(expand, named[name])
        if not column or column.lower() in columns:
            return f"(?:{inner})"
        columns[column.lower()] = _TYPES.get((kind or "string").lower(), "string")
        return f"({inner})"

    try:
        return Regex(_REFERENCE.sub(expand, text), backtracks=True), tuple(columns.items())
    except RegexError as error:
        raise InvalidInputException(f"The grok pattern is not valid: {error}") from error
