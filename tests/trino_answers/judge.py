"""How an answer compares with Trino's: the kinds of the collection's own runner."""

from __future__ import annotations

import gzip
import json
import re
import struct
from collections.abc import Sequence
from math import copysign
from pathlib import Path
from typing import Any

Cells = list[list[str | None]]
Answer = tuple[list[dict[str, Any]], Cells] | str | None
"""Column information and rows, the reason of a failure, or None if there was none in time."""

RIGHT = frozenset({"right", "other type", "printed otherwise", "right error", "right as 476"})
_REFUSED = re.compile(r"NOT_SUPPORTED|not supported|not registered")
_FRACTION = re.compile(r"(?<=\d\d:\d\d:\d\d)\.(\d*?)0*(?=\D|$)")
_SYNTAX = re.compile(r"(SYNTAX_ERROR: )?line \d+:\d+: (mismatched|extraneous|missing|no viable|unexpected)")
_PARTS = re.compile(r"[\[\]{},= ]+")


def chapters(directory: Path) -> dict[str, list[dict[str, Any]]]:
    """The cases of each chapter; they stand in the order of a hash, so that the first are a fair sample."""
    found = {}
    for path in sorted(directory.glob("*.jsonl.gz")):
        lines = gzip.decompress(path.read_bytes()).decode().split("\n")
        found[path.name.partition(".")[0]] = [json.loads(line) for line in lines if line.strip()]
    return found


def judge(case: dict[str, Any], got: Answer) -> str:
    """The kind of an answer; Trino 476 may have another one than Trino 422."""
    kind = _judge(case, got)
    if "also" in case and kind not in RIGHT:
        kept = {key: case[key] for key in ("unordered", "approximate") if key in case}
        if _judge({**kept, **case["also"]}, got) in RIGHT:
            return "right as 476"
    return kind


def _judge(case: dict[str, Any], got: Answer) -> str:
    if got is None:
        return "no answer"
    if "error" in case:
        return _judge_error(case, got)
    if isinstance(got, str):
        return "refused by name" if _REFUSED.search(got) else "refused otherwise"
    return _judge_rows(case, *got)


def _judge_rows(case: dict[str, Any], columns: list[dict[str, Any]], rows: Cells) -> str:
    expected = case["rows"]
    if case.get("unordered"):
        expected, rows = sorted(expected, key=_nulls_first), sorted(rows, key=_nulls_first)
    if len(columns) != len(case["types"]) or len(rows) != len(expected):
        return "wrong"
    tolerance = max(case.get("approximate") or 0, 1e-12)
    differing = [
        (want, have, kind)
        for one, two in zip(expected, rows, strict=True)
        for want, have, kind in zip(one, two, case["types"], strict=True)
        if want != have
    ]
    if not all(_alike(want, have, kind.lower(), tolerance) for want, have, kind in differing):
        return "wrong"
    if differing:
        return "printed otherwise"
    same = all(_is_same_type(kind, info) for kind, info in zip(case["types"], columns, strict=True))
    return "right" if same else "other type"


def _judge_error(case: dict[str, Any], got: Answer) -> str:
    if not isinstance(got, str):
        return "accepted"
    code = re.match(r"\s*([A-Z][A-Z_]+):", got)
    message = re.sub(r"^line \d+:\d+: ", "", case["message"])
    if (code and code[1] == case["error"]) or (message and message in got):
        return "right error"
    if case["error"] == "SYNTAX_ERROR" and _SYNTAX.match(got):
        return "right error"
    return "refused by name" if _REFUSED.search(got) and case["error"] != "NOT_SUPPORTED" else "other error"


def _nulls_first(row: Sequence[str | None]) -> list[tuple[bool, str]]:
    return [(cell is None, cell or "") for cell in row]


def _base(kind: str) -> tuple[str, int | None, int | None]:
    found = re.fullmatch(r"decimal\((\d+),(\d+)\)", kind)
    if found:
        return "decimal", int(found[1]), int(found[2])
    if kind.startswith(("array(", "map(", "row(", "qdigest(")):
        return kind.split("(")[0], None, None
    name = re.sub(r"\(\d+\)", "", kind)
    return {"float": "real"}.get(name, name), None, None


def _is_same_type(expected: str, info: dict[str, Any]) -> bool:
    name, precision, scale = _base(expected.lower())
    got = {"float": "real"}.get(info["Type"].lower(), info["Type"].lower())
    return name == got and (precision is None or (precision, scale) == (info["Precision"], info["Scale"]))


def _is_near(a: str, b: str, tolerance: float, *, is_single: bool) -> bool:
    """The same number up to the tolerance; a zero keeps its sign."""
    try:
        x, y = float(a), float(b)
    except ValueError:
        return False
    if x == y:
        return copysign(1, x) == copysign(1, y)
    if is_single:
        try:
            return struct.pack("f", x) == struct.pack("f", y)
        except OverflowError:
            return False
    if x != x and y != y:
        return True
    return max(abs(x), abs(y)) < float("inf") and abs(x - y) <= tolerance * max(abs(x), abs(y))


def _plain(text: str) -> str:
    return _FRACTION.sub(lambda found: "." + found[1] if found[1] else "", text)


def _alike(expected: str | None, got: str | None, kind: str, tolerance: float) -> bool:
    """The same value printed otherwise: digits of a double, zeros of a second, order of a map."""
    if expected is None or got is None:
        return False
    if "time" in kind and _plain(expected) == _plain(got):
        return True
    if "double" in kind or "real" in kind or tolerance > 1e-12:
        one, two = _PARTS.split(expected), _PARTS.split(got)
        is_single = "real" in kind
        if len(one) == len(two) and all(
            x == y or _is_near(x, y, tolerance, is_single=is_single) for x, y in zip(one, two, strict=True)
        ):
            return True
    if "map(" in kind:
        return len(expected) == len(got) and sorted(_PARTS.split(expected)) == sorted(_PARTS.split(got))
    return False
