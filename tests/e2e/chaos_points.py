"""Where the chaos test strikes: points drawn from a seed, over the calls that a clean run makes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Call = dict[str, Any]

SHELL_TABLES = (
    "erp.customers",
    "erp.payments",
    "erp.addresses",
    "erp.audit_log",
    "erp.readings",
    "erp.members",
)
SPARK_TABLES = ("erp.orders",)
FUNCTIONS = ("plan", "register", "notify")

# Kind of point → how many of 40, and how many of these by Spark.
KINDS = {
    "kill-job-before": (5, 1),
    "kill-job-after": (6, 1),
    "cut-database-reading": (3, 1),
    "cut-database-landing": (2, 0),
    "s3-answers-503": (3, 0),
    "s3-answers-once-lost": (2, 1),
    "s3-answers-lost": (2, 0),
    "answer-lost": (2, 0),
    "table-answer-lost": (2, 1),
    "kill-function-before": (2, 0),
    "kill-function-after": (1, 0),
    "kill-register": (1, 0),
    "machine-answered-500": (2, 0),
    "machine-answer-lost": (1, 0),
    "commit-answer-lost": (1, 0),
    "athena-s3-answers-503": (1, 0),
    "two-at-once": (1, 0),
    "overtaken": (1, 0),
    "stopped": (1, 0),
    "replay": (1, 0),
}

# Its schema policy takes a new column without asking.
TABLE_THAT_GROWS = "erp.customers"


@dataclass(frozen=True)
class Point:
    """One fault.

    Parameters
    ----------
    kind : str
        Key of :data:`KINDS`.
    table : str
        The table that is ingested.
    place : float
        From 0 to 1: how far into the calls that the kind is about.
    """

    number: int
    kind: str
    table: str
    place: float

    def __str__(self) -> str:
        return f"{self.number:02}-{self.kind}-{self.table}-at-{self.place:.0%}"

    @property
    def is_spark(self) -> bool:
        return self.table in SPARK_TABLES

    def choose[T](self, candidates: Sequence[T]) -> T:
        """What is at the point's place."""
        assert candidates, f"{self}: a clean run makes no such call"
        return candidates[int(self.place * len(candidates))]


def draw(seed: int, count: int) -> list[Point]:
    """The points of a seed; 40 of them are as :data:`KINDS` says, fewer a part of those."""
    choice = random.Random(seed)
    drawn = [
        (kind, table)
        for kind, (total, by_spark) in KINDS.items()
        for table in [*_some(choice, SHELL_TABLES, total - by_spark), *_some(choice, SPARK_TABLES, by_spark)]
    ]
    choice.shuffle(drawn)
    return [
        Point(number, kind, TABLE_THAT_GROWS if kind == "kill-register" else table, choice.random())
        for number, (kind, table) in enumerate(drawn[:count], 1)
    ]


def _some(choice: random.Random, tables: Sequence[str], count: int) -> list[str]:
    """Tables, none twice before each was there once."""
    taken: list[str] = []
    while len(taken) < count:
        taken += choice.sample(tables, len(tables))
    return taken[:count]


def aim(calls: Sequence[Call], call: Call, **rest: Any) -> dict[str, Any]:
    """A rule for one of the calls that were recorded of a caller: after as many like it as there were."""
    is_alike = [(one["service"], one["operation"]) == (call["service"], call["operation"]) for one in calls]
    position = next(number for number, one in enumerate(calls) if one is call)
    return {
        "service": call["service"],
        "operation": call["operation"],
        "caller": call["callers"],
        "userAgent": call["agents"],
        "after": sum(is_alike[:position]),
        **rest,
    }


def calls_of(recorded: Sequence[Call], callers: str, *agents: str) -> list[Call]:
    """The calls of one role, by programs whose user agent has one of some words in it.

    The rule for a call names the role and the program, for a session's name is new each time.
    """
    return [
        {**call, "callers": f"*{callers}*", "agents": f"*{word}*"}
        for call in recorded
        if callers in call["caller"]
        for word in agents
        if word in call["userAgent"]
    ]
