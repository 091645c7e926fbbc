"""What ``millpond glue compare`` finds between two runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millpond.base.errors import MillpondError
from millpond.cli.glue import comparable
from millpond.client.comparing import Observed, differences
from millpond.client.comparing.datasets import Dataset, active_files, datasets, directory_of
from millpond.client.comparing.observing import Table, warnings
from millpond.client.comparing.plans import plans
from millpond.client.comparing.rows import compared

SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQL"


@pytest.mark.parametrize(
    ("versions", "mapped", "expected"),
    [
        ("4.0,6.0", {}, ("4.0", "6.0")),
        (" 5.0, 5.1 ,6.0", {}, ("5.0", "5.1", "6.0")),
        ("3.0,6.0", {}, ("3.0", "6.0")),
        ("4.0", {}, "Two versions are compared, or more."),
        ("4.0,7.0", {}, "GlueVersion 7.0 is not supported"),
        ("3.0,4.0", {}, "Glue 3.0 and 4.0 both run on the environment of 4.0"),
        ("4.0,6.0", {"4.0": "6.0"}, "Glue 4.0 and 6.0 both run on the environment of 6.0"),
        ("4.0,6.0", {"4.0": "7.0"}, "glue.versions maps Glue 4.0 to 7.0"),
    ],
)
def test_versions_are_compared_that_have_environments_of_their_own(
    versions: str, mapped: Mapping[str, str], expected: tuple[str, ...] | str
) -> None:
    if isinstance(expected, tuple):
        assert comparable(versions, mapped) == expected
        return
    with pytest.raises(MillpondError, match=expected):
        comparable(versions, mapped)


def written(path: Path, **columns: Any) -> Dataset:
    pq.write_table(pa.table(columns), path)
    return Dataset("parquet", 1, (path,))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": [1, 2]}, {"a": [2, 1]}, []),
        ({"a": [1, 1, None]}, {"a": [1, None, None]}, ["1 missing, 1 new; columns that differ: a"]),
        ({"a": [1], "b": [2]}, {"b": [2]}, ["column a BIGINT is gone"]),
        ({"a": [1], "b": [2]}, {"b": [2], "a": [1]}, ["the order a, b became b, a"]),
        ({"a": pa.array([1], pa.int32())}, {"a": [1]}, ["column a: INTEGER became BIGINT"]),
        ({"a": [0.1 + 0.2, float("nan")]}, {"a": [0.3, float("nan")]}, []),
        ({"a": [0.3]}, {"a": [0.3000001]}, ["1 missing, 1 new; columns that differ: a"]),
        ({"a": [{"b": [1]}]}, {"a": [{"b": [2]}]}, ["1 missing, 1 new; columns that differ: a"]),
        ({"a": [1, 2], "b": [1, 2]}, {"a": [1, 2], "b": [2, 1]}, ["2 missing, 2 new"]),
        ({"a": [1, 2]}, {"a": [1]}, ["2 became 1", "1 missing, 0 new; columns that differ: a"]),
        ({"a": [Decimal("1.50")]}, {"a": [Decimal("1.5")]}, ["column a: DECIMAL(3,2) became"]),
        ({"at": ["10:00"], "a": [1]}, {"at": ["10:05"], "a": [1]}, []),
        ({'a "b"': [1]}, {'a "b"': [2]}, ['1 missing, 1 new; columns that differ: a "b"']),
    ],
)  # fmt: skip
def test_schema_and_rows_are_compared_without_their_order(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], expected: Sequence[str]
) -> None:
    pair = written(tmp_path / "1.parquet", **before), written(tmp_path / "2.parquet", **after)
    texts = [text for _, text in compared(*pair, frozenset({"at"}))]
    schema_texts = [text for text in texts if not text.startswith(("missing:", "new:"))]
    assert len(schema_texts) == len(expected)
    for text, beginning in zip(schema_texts, expected, strict=True):
        assert text.startswith(beginning)


def test_some_rows_are_shown(tmp_path: Path) -> None:
    pair = written(tmp_path / "1.parquet", a=[1, 2, 3, 4, 5]), written(tmp_path / "2.parquet", a=[6])
    texts = [text for _, text in compared(*pair, frozenset())]
    assert texts[2:] == ["missing: a=1", "missing: a=2", "missing: a=3", "new: a=6"]


class Objects:
    """What reads objects, of a few."""

    def __init__(self, content: Mapping[str, bytes]) -> None:
        self.content = content

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        assert Bucket == "b"
        return {"Body": pa.BufferReader(self.content[Key])}


def test_files_are_gathered_by_what_they_are_part_of(tmp_path: Path) -> None:
    table = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1, 2]}), table)
    parquet = table.getvalue().to_pybytes()
    content = {
        "out/day=1/part-0.snappy.parquet": parquet,
        "out/day=2/part-1.snappy.parquet": parquet,
        "out/_SUCCESS": b"",
        "csv/part-0.csv": b"id,name\n1,a\n",
        "csv/part-1.csv": b"id,name\n2,b\n",
        "report/summary.json": b'{"rows": 2}',
        "report/_temporary/0/part-0": b"x",
        "other/part-0.avro": b"Obj\x01\xff\0",
        "h/.hoodie/hoodie.properties": b"",
        "h/part-0.parquet": parquet,
    }
    by_address = datasets(Objects(content), [("b", key) for key in content], tmp_path)  # type: ignore[arg-type]
    assert {
        address: (dataset.kind, dataset.files, bool(dataset.unread))
        for address, dataset in by_address.items()
    } == {
        "s3://b/out/": ("parquet", 2, False),
        "s3://b/csv/": ("text", 2, False),
        "s3://b/report/summary.json": ("text", 1, False),
        "s3://b/other/": ("avro", 1, True),
        "s3://b/h/": ("hudi", 2, True),
    }
    days = [pq.read_table(path)["day"].to_pylist() for path in by_address["s3://b/out/"].rows]
    assert days == [["1", "1"], ["2", "2"]]
    lines = pq.read_table(by_address["s3://b/csv/"].rows[0])["line"].to_pylist()
    assert lines == ["id,name", "1,a", "2,b"]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("part-0", ""),
        ("a/run-12-part-r-00000", "a/"),
        ("a/k=1/l=2/x.parquet", "a/"),
        ("a/1b4e28ba-2fa1-11d2-883f-0016d3cca427-0.parquet", "a/"),
        ("a/report.csv", "a/report.csv"),
    ],
)
def test_a_file_is_part_of_a_directory_where_spark_has_named_it(key: str, expected: str) -> None:
    assert directory_of(key) == expected


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (
            [
                {"add": {"path": "a", "partitionValues": {"d": "1"}}},
                *({it: {"path": "b"}} for it in ("add", "remove")),
            ],
            {"a": {"d": "1"}},
        ),
        ([{"commitInfo": {}}, {"metaData": {"configuration": {}}}], {}),
        ([{"metaData": {"configuration": {"delta.columnMapping.mode": "name"}}}], None),
        ([{"add": {"path": "a", "deletionVector": {"storageType": "u"}}}], None),
    ],
)
def test_files_of_a_delta_table_are_its_rows_or_it_is_not_read(
    actions: Sequence[Mapping[str, Any]], expected: Mapping[str, Any] | None
) -> None:
    assert active_files(actions) == expected


def node(name: str, *children: Mapping[str, Any]) -> dict[str, Any]:
    return {"nodeName": name, "children": children}


def test_a_plan_is_the_one_that_was_executed_in_the_end() -> None:
    scan = node("InputAdapter", node("Scan parquet "))
    events = [
        {"Event": "SparkListenerJobStart"},
        {"Event": f"{SQL}ExecutionStart", "executionId": 0, "sparkPlanInfo": node("Range")},
        {
            "Event": f"{SQL}ExecutionStart",
            "executionId": 1,
            "sparkPlanInfo": node("AdaptiveSparkPlan", node("SortMergeJoin")),
        },
        {
            "Event": f"{SQL}AdaptiveExecutionUpdate",
            "executionId": 1,
            "sparkPlanInfo": node(
                "AdaptiveSparkPlan", node("WholeStageCodegen (12)", node("BroadcastHashJoin", scan))
            ),
        },
        {"Event": f"{SQL}ExecutionEnd", "executionId": 1},
    ]
    assert plans(map(json.dumps, events)) == (("Range",), ("BroadcastHashJoin", "  Scan parquet"))


def test_warnings_lose_what_names_a_run() -> None:
    lines = [
        "26/11/30 10:00:01 WARN Utils: kept 12 of 13.5 fields",
        "/state/glue/runs/jr_12ab/job.py:3: FutureWarning: iteritems is deprecated",
        "reading 12 rows without a word",
    ]
    assert list(warnings(lines)) == [
        "WARN Utils: kept … of … fields",
        "…/job.py:…: FutureWarning: iteritems is deprecated",
    ]


def test_everything_that_differs_is_named() -> None:
    parquet, orc = Dataset("parquet", 1), Dataset("orc", 1)
    first = Observed(
        "4.0",
        "SUCCEEDED",
        warnings=frozenset({"WARN a", "WARN both"}),
        plans=(("Project", "  Scan"), ("Range",)),
        datasets={"s3://b/x/": parquet, "s3://b/y/": parquet, "s3://b/gone/": parquet},
        removed=frozenset({"s3://b/old"}),
        tables={"d.t": Table((("a", "int"),), {"k": "1"}, frozenset({("1",)}))},
        bookmark=frozenset({"orders"}),
        calls={"dynamodb PutItem": 2, "sqs SendMessage": 1},
    )
    second = Observed(
        "6.0",
        "FAILED",
        error="An error occurred while calling o12.save.",
        warnings=frozenset({"WARN both"}),
        plans=(("Project", "  BatchScan"),),
        datasets={"s3://b/x/": orc, "s3://b/y/": Dataset("parquet", 1, unread="of a form that is not read")},
        tables={"d.t": Table((("a", "bigint"),), {}, frozenset())},
        calls={"dynamodb PutItem": 3, "sqs SendMessage": 1},
    )
    assert [
        (difference.subject, difference.where, difference.text) for difference in differences(first, second)
    ] == [
        ("state", "", "SUCCEEDED on 4.0, FAILED on 6.0"),
        ("error", "", "on 4.0: none; on 6.0: An error occurred while calling o12.save."),
        ("output", "s3://b/gone/", "written on 4.0 only"),
        ("output", "s3://b/x/", "parquet on 4.0, orc on 6.0"),
        ("output", "s3://b/y/", "rows of parquet were not compared: of a form that is not read"),
        ("output", "s3://b/old", "removed on 4.0 only"),
        ("table", "d.t", "columns a int became a bigint"),
        ("table", "d.t", "partitions: 1 missing, 0 more: [('1',)]"),
        ("table", "d.t", "parameter k: 1 became None"),
        ("bookmark", "orders", "committed on 4.0 only"),
        ("calls", "dynamodb PutItem", "2 on 4.0, 3 on 6.0"),
        ("plan", "", "2 queries on 4.0, 1 on 6.0"),
        ("plan", "query 1", "@@ -1,2 +1,2 @@\n Project\n-  Scan\n+  BatchScan"),
        ("warning", "WARN a", "written on 4.0 only"),
    ]
    assert differences(first, first) == []


def test_an_error_is_the_same_without_the_names_of_objects() -> None:
    first = Observed("4.0", "FAILED", error="An error occurred while calling o12.save. Column a#7 is missing")
    second = Observed(
        "6.0", "FAILED", error="An error occurred while calling o99.save. Column a#8 is missing"
    )
    assert differences(first, second) == []
