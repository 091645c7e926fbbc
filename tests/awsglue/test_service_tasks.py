"""Scripts of the service's own: what they find in rows."""

from __future__ import annotations

import datetime
import decimal
import sys
from pathlib import Path
from typing import Any

import awsglue
import pytest
from awsgluedq.transforms import evaluate
from pyspark.sql import DataFrame, SparkSession

sys.path.append(str(Path(awsglue.__file__).parents[1] / "service_tasks"))

from compute_statistics import compute
from recommend_rules import rules_of

SCHEMA = (
    "id long, name string, pay decimal(8,2), share double, born date, at timestamp, is_paid boolean, "
    "raw binary, tags array<string>, kind string"
)


@pytest.fixture
def rows(spark: SparkSession) -> DataFrame:
    start = datetime.date(2026, 1, 1)
    made = [
        (
            number,
            f"name {number}",
            decimal.Decimal(number) / 4 if number % 2 else None,
            number / 10,
            start + datetime.timedelta(days=number % 5),
            datetime.datetime(2026, 1, 1, 0, 0, number),
            number % 3 == 0,
            b"x" * (number % 4),
            ["a"],
            'say "a"' if number % 2 else None,
        )
        for number in range(30)
    ]
    return spark.createDataFrame(made, SCHEMA)


def test_statistics_have_the_structure_of_each_type(rows: DataFrame) -> None:
    found: dict[str, Any] = {
        one["ColumnName"]: one["StatisticsData"] for one in compute(rows, [*rows.columns, "nosuch"], 1.0)
    }
    assert set(found) == set(rows.columns) - {"tags"}
    assert found["id"]["LongColumnStatisticsData"] == {
        "NumberOfNulls": 0,
        "MinimumValue": 0,
        "MaximumValue": 29,
        "NumberOfDistinctValues": pytest.approx(30, abs=3),
    }
    assert found["pay"]["DecimalColumnStatisticsData"] == {
        "NumberOfNulls": 15,
        "MinimumValue": {"UnscaledValue": (25).to_bytes(1, "big"), "Scale": 2},
        "MaximumValue": {"UnscaledValue": (725).to_bytes(2, "big"), "Scale": 2},
        "NumberOfDistinctValues": pytest.approx(15, abs=2),
    }
    assert found["share"]["DoubleColumnStatisticsData"]["MaximumValue"] == 2.9
    born = found["born"]["DateColumnStatisticsData"]["MaximumValue"]
    assert born == datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)
    midnight = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp()
    assert found["at"]["LongColumnStatisticsData"]["MaximumValue"] == midnight + 29
    assert found["is_paid"]["BooleanColumnStatisticsData"] == {
        "NumberOfNulls": 0,
        "NumberOfTrues": 10,
        "NumberOfFalses": 20,
    }
    assert found["raw"]["BinaryColumnStatisticsData"]["MaximumLength"] == 3
    assert found["name"]["StringColumnStatisticsData"]["MaximumLength"] == 7


def test_of_a_sample_the_counts_are_those_of_all_rows(rows: DataFrame) -> None:
    (one,) = compute(rows.where("id < 10"), ["pay"], 3.0)
    assert one["StatisticsData"]["DecimalColumnStatisticsData"]["NumberOfNulls"] == 15


def test_of_no_rows_there_are_statistics_without_bounds(rows: DataFrame) -> None:
    (one,) = compute(rows.where("id < 0"), ["id"], 1.0)
    assert one["StatisticsData"]["LongColumnStatisticsData"] == {
        "NumberOfNulls": 0,
        "NumberOfDistinctValues": 0,
    }


@pytest.mark.parametrize("condition", ["true", "id < 1", "id < 2"])
def test_every_rule_that_is_recommended_holds_for_the_rows(rows: DataFrame, condition: str) -> None:
    some = rows.where(condition)
    rules = rules_of(some)
    outcomes = evaluate(some, f"Rules = [ {', '.join(rules)} ]", {})
    assert [rule.text for rule, finding in outcomes if not finding.is_passed] == []
    assert len(outcomes) == len(rules) > len(some.columns)


def test_what_is_recommended_follows_from_what_is_there(rows: DataFrame) -> None:
    rules = rules_of(rows)
    for rule in (
        "RowCount between 14 and 61",
        'IsComplete "id"',
        'Uniqueness "id" > 0.95',
        'Completeness "pay" >= 0.5',
        'ColumnValues "kind" in ["say \\"a\\""] with threshold >= 0.5',
        'ColumnLength "name" between 5 and 8 with threshold >= 1.0',
    ):
        assert rule in rules
    assert rules_of(rows.where("id < 0")) == ["RowCount between -1 and 1"]
