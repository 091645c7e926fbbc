"""Statements of the collection with other literals, and calls of functions with arguments of every type."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from millpond.planes.athena.functions import SCALARS
from trino_answers.engine import TABLES

_LITERAL = re.compile(
    r"(?P<type>\b(?:DATE|TIMESTAMP|TIME|INTERVAL|DECIMAL|DOUBLE|REAL|BIGINT|JSON|UUID|X|U&)\s*)?"
    r"(?P<text>'(?:[^']|'')*')|(?<![\w.'])(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)(?![\w.'])",
    re.IGNORECASE,
)
_OF_TABLES = re.compile(rf"\b({'|'.join(TABLES)})\b")
# After these a literal is a length, a number of rows, a zone or a unit of time: another one says little.
_STAYS = re.compile(
    r"((char|decimal|timestamp|time|varbinary)\s*\(\s*(\d+\s*,\s*)?"
    r"|\b(AT TIME ZONE|LIMIT|OFFSET|ROWS|RANGE|GROUPS)\s*"
    r"|(date_trunc|date_add|date_diff|date_format|date_parse|format_datetime|parse_datetime|_timezone)\s*\([^)]*)$",
    re.IGNORECASE,
)


def _kind(literal: re.Match[str]) -> str:
    if literal["text"] is not None:
        return (literal["type"] or "text").strip().upper()
    number = literal["number"].lower()
    return "double" if "e" in number else "decimal" if "." in number else "integer"


class Mutator:
    """Puts literals of the same kind, from other statements, in the places of a statement's own.

    Parameters
    ----------
    statements : sequence of str
        Those of a chapter; what reads tables of TPC-H is left out.
    seed : int
        From which choices follow.
    """

    def __init__(self, statements: Sequence[str], seed: int) -> None:
        self._statements = [one for one in statements if not _OF_TABLES.search(one)]
        self._random = random.Random(seed)
        self._literals = defaultdict(list)
        for statement in self._statements:
            for literal in _LITERAL.finditer(statement):
                self._literals[_kind(literal)].append(literal["text"] or literal["number"])

    def statements(self, count: int) -> Iterator[str]:
        """At most so many, each other than the one that it was made of."""
        for _ in range(count):
            original = self._random.choice(self._statements)
            mutated = _LITERAL.sub(self._other, original)
            if mutated != original:
                yield mutated

    def _other(self, literal: re.Match[str]) -> str:
        if _STAYS.search(literal.string[: literal.start()]) or self._random.random() < 0.5:
            return literal[0]
        return (literal["type"] or "") + self._random.choice(self._literals[_kind(literal)])


ARGUMENTS: Mapping[str, Sequence[str]] = {
    "boolean": ["true"],
    "tinyint": ["TINYINT '5'"],
    "smallint": ["SMALLINT '-3'"],
    "integer": ["2", "0", "-1"],
    "bigint": ["BIGINT '3'", "BIGINT '5000000000'"],
    "real": ["REAL '1.5'"],
    "double": ["2.5E0", "nan()"],
    "decimal": ["1.25", "DECIMAL '100'"],
    "varchar": ["'abc'", "''", "'12'", "'ünï'"],
    "char": ["CAST('ab' AS char(4))"],
    "varbinary": ["X'00ff'"],
    "date": ["DATE '2020-02-29'"],
    "timestamp": ["TIMESTAMP '2020-02-29 12:34:56.789'"],
    "timestamp with time zone": ["TIMESTAMP '2020-02-29 12:34:56.789 Europe/Berlin'"],
    "time": ["TIME '12:34:56.123'"],
    "time with time zone": ["TIME '12:34:56.123+02:00'"],
    "interval day to second": ["INTERVAL '3' DAY"],
    "interval year to month": ["INTERVAL '14' MONTH"],
    "json": ["JSON '{\"a\":[1]}'"],
    "unknown": ["NULL"],
    "array(integer)": ["ARRAY[3, 1, NULL]"],
    "array(varchar)": ["ARRAY['b', 'a']"],
    "array(double)": ["ARRAY[1.5E0, 2E0]"],
    "array(array(integer))": ["ARRAY[ARRAY[1, 2], ARRAY[3]]"],
    "map": ["MAP(ARRAY['a', 'b'], ARRAY[1, 2])"],
    "row": ["ROW(1, 'x')"],
    "uuid": ["UUID '12151fd2-7586-11e9-8f9e-2a86e4085a59'"],
}
# Their answer is another one each time, or they are no functions with a signature to Trino.
_LEFT_OUT = {"rand", "random", "uuid", "now", "shuffle", "coalesce", "nullif", "if", "try"}


def calls(arity: int, count: int, seed: int) -> Iterator[str]:
    """Calls of every function of the compiler with arguments of any types, so many of each."""
    chosen = random.Random(seed)
    values = [value for some in ARGUMENTS.values() for value in some]
    for name, overloads in SCALARS.items():
        takes = any(
            len(overload.parameters) == arity or (overload.is_variadic and len(overload.parameters) < arity)
            for overload in overloads
        )
        if name in _LEFT_OUT or not takes:
            continue
        for _ in range(count):
            yield f"SELECT {name}({', '.join(chosen.choice(values) for _ in range(arity))})"
