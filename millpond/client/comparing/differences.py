"""What differs between two runs; nothing here asks a stack."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from millpond.client.comparing.datasets import Dataset
from millpond.client.comparing.observing import Observed, Table
from millpond.client.comparing.rows import compared

Rows = Callable[[Dataset, Dataset, frozenset[str]], "Sequence[tuple[str, str]]"]


@dataclass(frozen=True)
class Difference:
    """A difference between two runs.

    Parameters
    ----------
    subject : str
        ``state``, ``error``, ``output``, ``schema``, ``rows``, ``table``, ``bookmark``, ``calls``, ``plan``
        or ``warning``.
    where : str
        The address, the table, the query; empty where there is but one.
    text : str
        What it is, in words.
    """

    subject: str
    where: str
    text: str


def differences(
    first: Observed, second: Observed, ignored: frozenset[str] = frozenset(), rows: Rows = compared
) -> list[Difference]:
    """What a second run did otherwise than a first one.

    Parameters
    ----------
    first, second : Observed
    ignored : frozenset of str
        Columns whose values are not compared, as times of a load.
    rows : callable
        Compares two datasets; ``rows.compared`` unless given.
    """
    return [
        *_end(first, second),
        *_outputs(first, second, ignored, rows),
        *_catalog(first, second),
        *_sets("bookmark", first.bookmark, second.bookmark, (first, second), "committed"),
        *_calls(first, second),
        *_plans(first, second),
        *_sets("warning", first.warnings, second.warnings, (first, second), "written"),
    ]


def _end(first: Observed, second: Observed) -> Iterator[Difference]:
    if first.state != second.state:
        yield Difference("state", "", f"{first.state} on {first.version}, {second.state} on {second.version}")
    if _plain(first.error) != _plain(second.error):
        ends = [f"on {run.version}: {run.error or 'none'}" for run in (first, second)]
        yield Difference("error", "", "; ".join(ends))


def _plain(error: str) -> str:
    """Without the names of objects, which differ from run to run."""
    return re.sub(r"\bo\d+\.|jr_\w+|#\d+", "", error)


def _outputs(first: Observed, second: Observed, ignored: frozenset[str], rows: Rows) -> Iterator[Difference]:
    yield from _sets(
        "output", frozenset(first.datasets), frozenset(second.datasets), (first, second), "written"
    )
    for address in sorted(first.datasets.keys() & second.datasets.keys()):
        before, after = first.datasets[address], second.datasets[address]
        if before.kind != after.kind:
            yield Difference(
                "output", address, f"{before.kind} on {first.version}, {after.kind} on {second.version}"
            )
        elif unread := before.unread or after.unread:
            yield Difference("output", address, f"rows of {before.kind} were not compared: {unread}")
        else:
            yield from (Difference(subject, address, text) for subject, text in rows(before, after, ignored))
    yield from _sets("output", first.removed, second.removed, (first, second), "removed")


def _catalog(first: Observed, second: Observed) -> Iterator[Difference]:
    yield from _sets("table", frozenset(first.tables), frozenset(second.tables), (first, second), "changed")
    yield from _sets("table", first.dropped, second.dropped, (first, second), "dropped")
    for name in sorted(first.tables.keys() & second.tables.keys()):
        yield from (
            Difference("table", name, text) for text in _of_table(first.tables[name], second.tables[name])
        )


def _of_table(before: Table, after: Table) -> Iterator[str]:
    if before.columns != after.columns:
        yield f"columns {_written(before.columns)} became {_written(after.columns)}"
    if before.partitions != after.partitions:
        gone, new = before.partitions - after.partitions, after.partitions - before.partitions
        yield f"partitions: {len(gone)} missing, {len(new)} more: {sorted(gone | new)[:3]}"
    for name in sorted(before.parameters.keys() | after.parameters.keys()):
        values = before.parameters.get(name), after.parameters.get(name)
        if values[0] != values[1]:
            yield f"parameter {name}: {values[0]} became {values[1]}"


def _written(columns: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns)


def _calls(first: Observed, second: Observed) -> Iterator[Difference]:
    for name in sorted(first.calls.keys() | second.calls.keys()):
        counts = first.calls.get(name, 0), second.calls.get(name, 0)
        if counts[0] != counts[1]:
            yield Difference(
                "calls", name, f"{counts[0]} on {first.version}, {counts[1]} on {second.version}"
            )


def _plans(first: Observed, second: Observed) -> Iterator[Difference]:
    if len(first.plans) != len(second.plans):
        counts = f"{len(first.plans)} queries on {first.version}, {len(second.plans)} on {second.version}"
        yield Difference("plan", "", counts)
    for number, (before, after) in enumerate(zip(first.plans, second.plans, strict=False), start=1):
        if before != after:
            lines = difflib.unified_diff(before, after, first.version, second.version, lineterm="", n=1)
            yield Difference("plan", f"query {number}", "\n".join(list(lines)[2:]))


def _sets(
    subject: str, before: frozenset[str], after: frozenset[str], runs: tuple[Observed, Observed], verb: str
) -> Iterator[Difference]:
    for items, run in ((before - after, runs[0]), (after - before, runs[1])):
        for item in sorted(items):
            yield Difference(subject, item, f"{verb} on {run.version} only")
