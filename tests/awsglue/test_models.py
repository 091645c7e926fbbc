"""Random records, and what plain Python makes of them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from conftest import shown

Record = dict[str, Any]

_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*")


def records(seed: int, count: int = 40) -> list[Record]:
    """Records with a key, a field of many types, one that is nested, and a list."""
    chance = random.Random(seed)
    values: list[Callable[[], Any]] = [
        lambda: None,
        lambda: chance.randint(-9, 9),
        lambda: chance.randint(2**40, 2**41),
        lambda: chance.choice(["", "a", "7", " 8 ", "1.5", "99999999999"]),
        lambda: chance.random() < 0.5,
        lambda: [chance.randint(0, 3)],
    ]
    return [
        {
            "key": chance.randint(0, 12),
            "v": chance.choice(values)(),
            "nested": chance.choice(
                [None, {"a": chance.randint(0, 5), "b": {"c": chance.choice(["x", None])}}]
            ),
            "list": chance.choice(
                [None, [], [{"n": chance.randint(0, 9)} for _ in range(chance.randint(1, 3))]]
            ),
        }
        for _ in range(count)
    ]


def cast_to_int(value: Any) -> int | None:
    """As a value that may be of any type becomes an ``int``: what does not convert, or not fit, is null."""
    if isinstance(value, str):
        value = int(value) if _WHOLE.fullmatch(value) else None
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, int) and -(2**31) <= value < 2**31 else None


@pytest.fixture(scope="module")
def given() -> list[Record]:
    return records(seed=20261130)


@pytest.fixture(scope="module")
def messy(glue: Any, spark: Any, given: list[Record]) -> Any:
    return glue.create_dynamic_frame.from_rdd(spark.sparkContext.parallelize(given, 2), "messy")


def test_records_come_back_as_they_were(messy: Any, given: list[Record]) -> None:
    assert shown(messy) == given


def test_strings_become_numbers_where_they_are(messy: Any, given: list[Record]) -> None:
    texts = [{"v": one["v"]} for one in given if isinstance(one["v"], str)]
    only = messy.filter(lambda record: isinstance(record["v"], str)).select_fields(["v"])
    cast = only.resolveChoice(specs=[("v", "project:string")]).resolveChoice(specs=[("v", "cast:int")])
    assert [one["v"] for one in shown(cast)] == [cast_to_int(one["v"]) for one in texts]


def test_choice_becomes_columns(messy: Any, given: list[Record]) -> None:
    def member(value: Any) -> str | None:
        kinds = {bool: "boolean", str: "string", list: "array"}
        if isinstance(value, int) and not isinstance(value, bool):
            return "int" if -(2**31) <= value < 2**31 else "long"
        return kinds.get(type(value))

    names = ("array", "boolean", "int", "long", "string")
    columns = shown(messy.select_fields(["v"]).resolveChoice(choice="make_cols"))
    assert columns == [
        {f"v_{name}": one["v"] if member(one["v"]) == name else None for name in names} for one in given
    ]


def test_nested_fields_become_fields_and_lists_become_rows(messy: Any, given: list[Record]) -> None:
    tables = messy.select_fields(["key", "nested", "list"]).relationalize("root", "")
    root = shown(tables["root"])
    assert [{name: one[name] for name in ("key", "nested.a", "nested.b.c")} for one in root] == [
        {
            "key": one["key"],
            "nested.a": one["nested"] and one["nested"]["a"],
            "nested.b.c": one["nested"] and one["nested"]["b"]["c"],
        }
        for one in given
    ]
    elements: dict[int, list[int]] = {}
    for one in sorted(shown(tables["root_list"]), key=lambda one: (one["id"], one["index"])):
        elements.setdefault(one["id"], []).append(one["list.val.n"])
    assert [elements.get(one["list"], []) for one in root] == [
        [element["n"] for element in one["list"] or []] for one in given
    ]


def test_join_and_merge(messy: Any, given: list[Record], frame: Callable[..., Any]) -> None:
    stage = [{"key": key, "w": str(key)} for key in (1, 1, 3, 99)]
    other = frame(*stage)
    keys = messy.select_fields(["key"])
    joined = sorted(one["w"] for one in shown(keys.join("key", "key", other)))
    assert joined == sorted(two["w"] for one in given for two in stage if one["key"] == two["key"])
    merged = sorted((one["key"], one["w"] or "") for one in shown(keys.mergeDynamicFrame(other, ["key"])))
    kept = [(one["key"], "") for one in given if one["key"] not in (1, 3, 99)]
    assert merged == sorted([*kept, *((one["key"], one["w"]) for one in stage)])
