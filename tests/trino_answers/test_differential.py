"""Statements that nobody thought of, asked of the compiler and of Trino: they agree, or the compiler refuses.

``MILLPOND_STATEMENTS`` says how many, ``MILLPOND_SEED`` from where; a failure shows every one that differs.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from millpond.base.config import Settings
from millpond.planes.athena.trino.protocol import Coordinator, Statement, TrinoFailed
from millpond.planes.athena.trino.server import TrinoServer
from millpond.planes.athena.trino.values import columns_of, writer
from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.common.trino import EngineSettings
from millpond.toolchain.trino import find_trino
from trino_answers.engine import Engine
from trino_answers.judge import RIGHT, chapters, judge
from trino_answers.mutations import Mutator, calls
from trino_answers.statements import Writer

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        find_trino(Settings()) is None, reason="Trino is not installed: millpond trino install"
    ),
]
COUNT = int(os.environ.get("MILLPOND_STATEMENTS", "1000"))
SEED = int(os.environ.get("MILLPOND_SEED", "1"))
# Of a hundred statements so many are answered by the compiler; the others it refuses by name.
LEAST = 70
CHAPTERS = chapters(Path(__file__).parent / "cases")
APPROXIMATE = {"sketch"}
WRONG = ("wrong", "accepted", "refused otherwise")
TRINOS_FAULT = "GENERIC_INTERNAL_ERROR"


@pytest.fixture(scope="module")
def trino(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coordinator]:
    nobody = "http://127.0.0.1:1"
    none = Path("none")
    tools = Tools(none, none, none, none, none, none, {})
    context = PlaneContext(nobody, "us-east-1", "000000000000", tmp_path_factory.mktemp("trino"), tools)
    server = TrinoServer(context, EngineSettings(home=Settings().trino_dir))
    try:
        with server.used() as coordinator:
            yield coordinator
    finally:
        server.close()


def asked(trino: Coordinator, sql: str) -> dict[str, Any]:
    """What Trino answers, as a case of the collection."""
    try:
        with Statement(trino, sql, "") as statement:
            found = list(statement.rows())
    except TrinoFailed as error:
        return {"sql": sql, "error": error.reason, "message": error.message}
    columns = columns_of(statement.answer.columns)
    writers = [writer(column.type) for column in columns]
    rows = [[None if v is None else w(v) for v, w in zip(row, writers, strict=True)] for row in found]
    return {"sql": sql, "types": [str(column.type) for column in columns], "rows": rows}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(tmp_path_factory.mktemp("tpch"))


def compared(
    engine: Engine, trino: Coordinator, statements: Iterable[str], *, has_ties: bool = False
) -> tuple[Counter[str], list[str]]:
    """How many answers there are of each kind, and those that differ."""
    counts: Counter[str] = Counter()
    differing = []
    for sql in statements:
        got = engine.ask(sql)
        if isinstance(got, str) and got.startswith("NOT_SUPPORTED") and "Millpond" in got:
            counts["refused by name"] += 1
            continue
        case = {**asked(trino, sql), "unordered": has_ties}
        # What Trino itself calls a fault of its own is no answer.
        kind = "no answer of Trino's" if case.get("error") == TRINOS_FAULT else judge(case, got)
        counts[kind] += 1
        if kind in WRONG:
            shown = got if isinstance(got, str) else got and got[1]
            wanted = case.get("rows", f"{case.get('error')}: {case.get('message')}")
            differing.append(f"{kind}: {sql}\n    Trino: {wanted}\n    here:  {shown}")
    return counts, differing


def test_statements_are_answered_as_trino_does_or_refused_by_name(
    engine: Engine, trino: Coordinator, record_property: Callable[[str, object], None]
) -> None:
    counts, differing = compared(engine, trino, Writer(SEED).statements(COUNT))
    record_property("answers", dict(counts))
    assert not differing, "\n".join(differing)
    assert 100 * sum(counts[kind] for kind in RIGHT) / COUNT >= LEAST, dict(counts)


@pytest.mark.parametrize("chapter", sorted(set(CHAPTERS) - APPROXIMATE))
def test_statements_with_other_literals_are_answered_alike_or_refused_by_name(
    engine: Engine, trino: Coordinator, chapter: str
) -> None:
    statements = [case["sql"] for case in CHAPTERS[chapter] if not case.get("approximate")]
    mutated = Mutator(statements, SEED).statements(COUNT // len(CHAPTERS))
    # Changed values tie where those that they were made of did not: rows in either order are right.
    _, differing = compared(engine, trino, mutated, has_ties=True)
    assert not differing, "\n".join(differing)


@pytest.mark.parametrize("arity", [1, 2, 3])
def test_functions_take_the_types_that_they_take_in_trino(
    engine: Engine, trino: Coordinator, arity: int
) -> None:
    _, differing = compared(engine, trino, calls(arity, 8, SEED))
    assert not differing, "\n".join(differing)
