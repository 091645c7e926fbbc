"""Rule types of DQDL, evaluated over frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from conftest import shown

# Each rule, whether it passes over the rows below, and its metrics.
RULES: list[tuple[str, bool, dict[str, float]]] = [
    ("RowCount = 4", True, {"Dataset.*.RowCount": 4}),
    ("RowCount > 4", False, {"Dataset.*.RowCount": 4}),
    ('RowCount = 3 where "id > 1"', True, {"Dataset.*.RowCount": 3}),
    ("ColumnCount = 5", True, {"Dataset.*.ColumnCount": 5}),
    ('ColumnExists "id"', True, {}),
    ('ColumnExists "no"', False, {}),
    ('ColumnNamesMatchPattern "[a-z]+"', True, {"Dataset.*.ColumnNamesPatternMatchRatio": 1}),
    ('IsComplete "id"', True, {"Column.id.Completeness": 1}),
    ('IsComplete "name"', False, {"Column.name.Completeness": 0.75}),
    ('Completeness "name" >= 0.75', True, {"Column.name.Completeness": 0.75}),
    ('IsComplete "no"', False, {}),
    ('IsUnique "id"', True, {"Column.id.Uniqueness": 1}),
    ('IsUnique "name"', False, {"Column.name.Uniqueness": 0.25}),
    ('Uniqueness "name" < 0.5', True, {"Column.name.Uniqueness": 0.25}),
    ('UniqueValueRatio "name" = 0.5', True, {"Column.name.UniqueValueRatio": 0.5}),
    ('DistinctValuesCount "name" = 2', True, {"Column.name.DistinctValuesCount": 2}),
    ('IsPrimaryKey "id"', True, {"Column.id.Completeness": 1, "Column.id.Uniqueness": 1}),
    (
        'IsPrimaryKey "id" "name"',
        False,
        {"Multicolumn.id,name.Completeness": 0.75, "Multicolumn.id,name.Uniqueness": 0.75},
    ),
    ('Entropy "name" between 0.6 and 0.7', True, {"Column.name.Entropy": 0.6365141682948128}),
    ('Mean "n" = 2.5', True, {"Column.n.Mean": 2.5}),
    ('Sum "n" = 10', True, {"Column.n.Sum": 10}),
    ('StandardDeviation "n" < 1.2', True, {"Column.n.StandardDeviation": 1.118033988749895}),
    ('ColumnCorrelation "id" "n" > 0.9', True, {"Multicolumn.id,n.ColumnCorrelation": 1}),
    ('ColumnValues "n" > 0', True, {"Column.n.Minimum": 1, "Column.n.Maximum": 4}),
    ('ColumnValues "n" between 1 and 5', False, {"Column.n.Minimum": 1, "Column.n.Maximum": 4}),
    ('ColumnValues "name" in ["a", "bb"]', False, {"Column.name.ColumnValues.Compliance": 0.75}),
    ('ColumnValues "name" in ["a", "bb", NULL]', True, {"Column.name.ColumnValues.Compliance": 1}),
    (
        'ColumnValues "name" matches "[a-z]+" with threshold > 0.7',
        True,
        {"Column.name.ColumnValues.Compliance": 0.75},
    ),
    ('ColumnValues "text" > 0', True, {"Column.text.ColumnValues.Compliance": 1}),
    (
        'ColumnLength "name" between 0 and 3',
        False,
        {"Column.name.MinimumLength": 0, "Column.name.MaximumLength": 2},
    ),
    ('ColumnDataType "text" = "Integer"', True, {"Column.text.ColumnDataType.Compliance": 1}),
    ('ColumnDataType "name" = "Date"', False, {"Column.name.ColumnDataType.Compliance": 0}),
    ('DataFreshness "day" > 1 days', True, {"Column.day.DataFreshness.Compliance": 1}),
    ('CustomSql "select count(*) from primary where n > 1" = 3', True, {"Dataset.*.CustomSQL": 3}),
    (
        'CustomSql "select id from primary where n > 1" with threshold >= 0.75',
        True,
        {"Dataset.*.CustomSQL.Compliance": 0.75},
    ),
    ('ReferentialIntegrity "id" "ref.key" = 0.5', True, {"Column.ref.key.ReferentialIntegrity": 0.5}),
    ('RowCountMatch "ref" = 2.0', True, {"Dataset.ref.RowCountMatch": 2}),
    ('SchemaMatch "ref" >= 0.2', True, {"Dataset.ref.SchemaMatch": 0.2}),
    ('DatasetMatch "ref" "id->key" "n" >= 0.25', True, {"Dataset.ref.DatasetMatch": 0.25}),
    ('AggregateMatch "sum(n)" "sum(ref.n)" > 1.0', True, {"Dataset.*.AggregateMatch": 10 / 6}),
    (
        '(RowCount > 100) or ((IsComplete "id") and (IsUnique "id"))',
        True,
        {"Dataset.*.RowCount": 4, "Column.id.Completeness": 1, "Column.id.Uniqueness": 1},
    ),
]


@pytest.fixture(scope="module")
def frames(glue: Any, spark: Any) -> tuple[Any, Any]:
    from awsglue.dynamicframe import DynamicFrame

    rows = spark.sql(
        "SELECT *, DATE'2020-01-01' AS day FROM VALUES (1L, 'a', 1.0D, '1'), (2L, 'a', 2.0D, '2'), "
        "(3L, 'bb', 3.0D, '3'), (4L, NULL, 4.0D, '4') AS t(id, name, n, text)"
    )
    other = spark.sql("SELECT * FROM VALUES (1L, 1.0D), (2L, 5.0D) AS t(key, n)")
    return DynamicFrame.fromDF(rows, glue, "rows"), DynamicFrame.fromDF(other, glue, "ref")


def ruleset(*rules: str) -> str:
    return f"Rules = [ {', '.join(rules)} ]"


def test_each_rule_type(frames: tuple[Any, Any]) -> None:
    from awsgluedq.transforms import EvaluateDataQuality

    rows, other = frames
    outcomes = EvaluateDataQuality.apply(
        frame=rows, ruleset=ruleset(*(rule for rule, _, _ in RULES)), additional_data_sources={"ref": other}
    )
    found = [
        (
            one["Rule"],
            one["Outcome"] == "Passed",
            {name: pytest.approx(n) for name, n in one["EvaluatedMetrics"].items()},
        )
        for one in shown(outcomes)
    ]
    assert found == RULES
    assert all((one["FailureReason"] is None) is (one["Outcome"] == "Passed") for one in shown(outcomes))


def test_rows_say_which_rules_they_passed(frames: tuple[Any, Any]) -> None:
    from awsglue.transforms import SelectFromCollection
    from awsgluedq.transforms import EvaluateDataQuality

    rules = ('IsComplete "name"', 'ColumnValues "n" < 4 where "id > 1"', "RowCount = 4")
    results = EvaluateDataQuality().process_rows(
        frame=frames[0], ruleset=ruleset(*rules), additional_options={"observations.scope": "ALL"}
    )
    assert list(results.keys()) == ["ruleOutcomes", "rowLevelOutcomes", "originalData"]
    assert [one["Outcome"] for one in shown(results["ruleOutcomes"])] == ["Failed", "Failed", "Passed"]
    by_row = sorted(
        shown(SelectFromCollection.apply(dfc=results, key="rowLevelOutcomes")), key=lambda one: one["id"]
    )
    assert [
        (
            one["DataQualityRulesPass"],
            one["DataQualityRulesFail"],
            one["DataQualityRulesSkip"],
            one["DataQualityEvaluationResult"],
        )
        for one in (by_row[0], by_row[3])
    ] == [
        ([rules[0]], [], [rules[2], rules[1]], "Passed"),
        ([], [rules[0], rules[1]], [rules[2]], "Failed"),
    ]


def test_results_are_published(
    frames: tuple[Any, Any], bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from awsgluedq.transforms import EvaluateDataQuality

    EvaluateDataQuality.apply(
        frame=frames[0],
        ruleset=ruleset("RowCount = 4", "RowCount = 5"),
        publishing_options={
            "dataQualityEvaluationContext": "orders",
            "enableDataQualityCloudWatchMetrics": True,
            "enableDataQualityResultsPublishing": True,
            "resultsS3Prefix": f"s3://{bucket}/dq",
        },
    )
    assert "not published to AWS Glue Data Quality" in capsys.readouterr().err
    metrics = boto3.client("cloudwatch").list_metrics(Namespace="Glue Data Quality")["Metrics"]
    assert {one["MetricName"] for one in metrics} == {
        "glue.data.quality.rules.passed",
        "glue.data.quality.rules.failed",
    }
    s3 = boto3.client("s3")
    (key,) = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix="dq/orders/")["Contents"]]
    results = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())["RuleResults"]
    assert [one["Result"] for one in results] == ["PASS", "FAIL"]


@pytest.mark.parametrize(
    ("rules", "error", "message"),
    [
        ('DetectAnomalies "RowCount"', NotImplementedError, "rule type DetectAnomalies"),
        ('FileFreshness "s3://b" > 1 days', NotImplementedError, "rule type FileFreshness"),
        ("NoSuchRule > 1", ValueError, "NoSuchRule is no rule type"),
        ("Mean > 1", ValueError, "Mean takes a column"),
    ],
)
def test_rule_types_that_are_not_evaluated(
    frames: tuple[Any, Any], rules: str, error: Any, message: str
) -> None:
    from awsgluedq.transforms import EvaluateDataQuality

    with pytest.raises(error, match=message):
        EvaluateDataQuality.apply(frame=frames[0], ruleset=ruleset(rules))


@pytest.mark.parametrize(
    ("call", "term"),
    [
        (lambda dq, frame: dq.apply(frame=frame, ruleset="Analyzers = [ RowCount ]"), "Analyzers"),
        (
            lambda dq, frame: dq().process_rows(
                frame=frame,
                ruleset="Rules = [ RowCount > 1 ]",
                additional_options={"compositeRuleEvaluation.method": "ROW"},
            ),
            "compositeRuleEvaluation",
        ),
    ],
)
def test_options_that_are_not_evaluated(frames: tuple[Any, Any], call: Callable[..., Any], term: str) -> None:
    from awsgluedq.transforms import EvaluateDataQuality

    with pytest.raises(NotImplementedError, match=term):
        call(EvaluateDataQuality, frames[0])
