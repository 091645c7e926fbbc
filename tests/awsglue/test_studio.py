"""Transforms of Glue Studio that scripts import by themselves."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from conftest import shown

ROW = "1 AS id, 'a b-c' AS t, array(7, 8) AS l, named_struct('x', 1, 'y', named_struct('z', 2)) AS s"
TIMES = "named_struct('sec', 86400L, 'ms', 1700000000000L, 'iso', '2024-01-02T03:04:05Z', 'no', 'never') AS v"


@pytest.mark.parametrize(
    ("name", "given", "source", "expected"),
    [
        ("gs_derived", {"colName": "n", "expr": "id + 1"}, ROW, {"n": 2}),
        ("gs_derived", {"colName": "id", "expr": "id * 5"}, ROW, {"id": 5}),
        ("gs_concat", {"colName": "c", "colList": ["id", "t"], "spacer": "/"}, ROW, {"c": "1/a b-c"}),
        (
            "gs_concat",
            {"colName": "c", "colList": ["id", "u"], "spacer": "-"},
            "1 AS id, string(NULL) AS u",
            {"c": "1-"},
        ),
        (
            "gs_split",
            {"colName": "t", "pattern": "[- ]", "newColName": "p"},
            ROW,
            {"t": "a b-c", "p": ["a", "b", "c"]},
        ),
        ("gs_array_to_cols", {"colName": "l", "colList": "a, b,c"}, ROW, {"a": 7, "b": 8, "c": None}),
        ("gs_array_to_cols", {"colName": "l", "colList": "a", "indexes": "2"}, ROW, {"a": 8}),
        ("gs_array_to_cols", {"colName": "`s.l`", "colList": "a"}, "array(3) AS `s.l`", {"a": 3}),
        ("gs_flatten", {}, ROW, {"s.x": 1, "s.y.z": 2}),
        ("gs_flatten", {"maxLevels": 1, "separator": "_"}, ROW, {"s_x": 1, "s_y": {"z": 2}}),
        (
            "gs_format_timestamp",
            {"colName": "t", "dateFormat": "%d/%m/%Y"},
            "DATE'2024-01-02' AS t",
            {"t": "02/01/2024"},
        ),
        (
            "gs_format_timestamp",
            {"colName": "t", "dateFormat": "yyyyMM"},
            "DATE'2024-01-02' AS t",
            {"t": "202401"},
        ),
        ("gs_parse_json", {"colName": "j"}, """'{"a": [1, 2]}' AS j""", {"j": {"a": [1, 2]}}),
        ("gs_now", {"colName": "day", "dateFormat": "'on a day'"}, ROW, {"day": "on a day"}),
    ],
)
def test_transform_of_glue_studio(
    glue: Any, spark: Any, name: str, given: dict[str, Any], source: str, expected: dict[str, Any]
) -> None:
    from awsglue.dynamicframe import DynamicFrame

    importlib.import_module(name)
    df = spark.sql(f"SELECT {source}")
    [found] = shown(getattr(DynamicFrame.fromDF(df, glue, "f"), name)(**given))
    assert {key: found[key] for key in expected} == expected
    # A data frame has it as well.
    assert getattr(df, name)(**given).columns == list(found)


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    [
        ("sec", "autodetect", "1970-01-02 00:00:00"),
        ("sec", "seconds", "1970-01-02 00:00:00"),
        ("ms", "autodetect", "2023-11-14 22:13:20"),
        ("ms", "milliseconds", "2023-11-14 22:13:20"),
        ("iso", "autodetect", "2024-01-02 03:04:05"),
        ("iso", "iso", "2024-01-02 03:04:05"),
        ("no", "autodetect", None),
    ],
)
def test_timestamp_is_made_of_numbers_and_texts(
    spark: Any, column: str, kind: str, expected: str | None
) -> None:
    importlib.import_module("gs_to_timestamp")
    df = spark.sql(f"SELECT {TIMES}").select("v.*")
    made = df.gs_to_timestamp(colName=column, colType=kind, newColName="at")
    assert made.selectExpr("string(at)").collect()[0][0] == expected


@pytest.mark.parametrize(
    ("name", "given", "source", "expected"),
    [
        (
            "gs_null_rows",
            {},
            "VALUES (NULL, NULL), (NULL, ''), (1, NULL) AS t(a, b)",
            [(None, ""), (1, None)],
        ),
        (
            "gs_null_rows",
            {"extended": True},
            "VALUES (NULL, NULL), (NULL, ''), (1, NULL) AS t(a, b)",
            [(1, None)],
        ),
        (
            "gs_explode",
            {"colName": "b", "newCol": "b"},
            "VALUES (1, array(2, 3)), (2, array()) AS t(a, b)",
            [(1, 2), (1, 3)],
        ),
        (
            "gs_explode",
            {"colName": "b", "newCol": "c", "outer": True},
            "VALUES (1, array(2)), (2, array()) AS t(a, b)",
            [(1, [2], 2), (2, [], None)],
        ),
        (
            "gs_explode",
            {"colName": "b", "newCol": "v"},
            "VALUES (1, map('k', 2)) AS t(a, b)",
            [(1, {"k": 2}, "k", 2)],
        ),
        (
            "gs_pivot",
            {"aggCol": "v", "aggFunction": "sum", "colList": ["m"]},
            "VALUES (1, 'x', 2), (1, 'x', 3), (1, 'y', 4), (2, 'y', 5) AS t(id, m, v)",
            [(1, 5, 4), (2, None, 5)],
        ),
    ],
)
def test_transform_of_glue_studio_makes_rows(
    spark: Any, name: str, given: dict[str, Any], source: str, expected: list[Any]
) -> None:
    importlib.import_module(name)
    rows = [tuple(row) for row in getattr(spark.sql(f"SELECT * FROM {source}"), name)(**given).collect()]
    assert sorted(rows, key=str) == sorted(expected, key=str)


def test_identifiers_differ_and_partitions_are_as_many_as_wanted(
    glue: Any, frame: Callable[..., Any]
) -> None:
    for name in ("gs_uuid", "gs_repartition", "gs_common"):
        importlib.import_module(name)
    made = frame(*({"a": number} for number in range(6))).gs_repartition(numPartitionsStr="3").gs_uuid()
    assert made.getNumPartitions() == 3
    assert len({one["uuid"] for one in shown(made)}) == 6
