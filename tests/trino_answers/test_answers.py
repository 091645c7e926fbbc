"""What Trino itself answered to 4,601 statements, and to those found since, held against the compiler.

The ordinary suite asks the first of each chapter, which are a fair sample; ``make test-foreign`` asks all.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from trino_answers.engine import Engine
from trino_answers.judge import RIGHT, chapters, judge

CHAPTERS = chapters(Path(__file__).parent / "cases")
SAMPLE = 24
# How many of a hundred statements of a chapter are answered as Trino does; the others are refused by name.
LEAST = {
    "aggregate": 90,
    "array": 90,
    "binary": 90,
    "cast": 85,
    "compose": 95,
    "datetime": 78,
    "error": 88,
    "found": 100,
    "json": 60,
    "lambda": 88,
    "literal": 85,
    "map": 98,
    "math": 95,
    "operator": 97,
    "probe": 88,
    "regexp": 95,
    "sketch": 0,
    "string": 90,
    "tpch": 93,
    "window": 96,
}
ATHENAS = {
    "SELECT 1;": "Athena takes a semicolon at the end: User Guide, 'Run SQL queries in Athena'",
}
"""Statements that Athena is known to answer otherwise than Trino, with the source."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(tmp_path_factory.mktemp("tpch"))


def ask(engine: Engine, cases: list[dict[str, Any]]) -> tuple[Counter[str], list[str]]:
    """How many answers there are of each kind, and those that must not be."""
    counts: Counter[str] = Counter()
    bad = []
    for case in cases:
        if case["sql"] in ATHENAS:
            continue
        got = engine.ask(case["sql"])
        kind = judge(case, got)
        counts[kind] += 1
        if kind in ("wrong", "accepted", "refused otherwise"):
            shown = got if isinstance(got, str) else got and got[1][:3]
            bad.append(
                f"{kind}: {case['sql']}\n    Trino: {case.get('rows', case.get('error'))}\n    here: {shown}"
            )
    return counts, bad


def share(counts: Counter[str]) -> float:
    return 100 * sum(counts[kind] for kind in RIGHT) / sum(counts.values())


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_sample_is_answered_as_trino_does_or_refused_by_name(engine: Engine, chapter: str) -> None:
    counts, bad = ask(engine, CHAPTERS[chapter][:SAMPLE])
    assert not bad, "\n".join(bad)
    # A sample of two dozen may be ten points below the whole.
    assert share(counts) >= LEAST[chapter] - 15, dict(counts)


@pytest.mark.foreign
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_is_answered_as_trino_does_or_refused_by_name(engine: Engine, chapter: str) -> None:
    counts, bad = ask(engine, CHAPTERS[chapter])
    assert not bad, "\n".join(bad)
    assert share(counts) >= LEAST[chapter], dict(counts)
