"""Arguments of a run: which win, which a script sees."""

from __future__ import annotations

import pytest

from millpond.planes.glue import arguments
from millpond.planes.glue.exceptions import LaunchError


def test_arguments_of_the_run_win_and_non_overridable_ones_win_over_those() -> None:
    job = {
        "DefaultArguments": {"--a": "job", "--b": "job"},
        "NonOverridableArguments": {"--c": "fixed"},
    }
    merged = arguments.merge(job, {"--b": "run", "--c": "run"})
    assert merged == {"--a": "job", "--b": "run", "--c": "fixed"}


def test_spark_script_sees_its_own_arguments_and_what_glue_adds() -> None:
    given = {
        "--table": "orders",
        "--extra-py-files": "s3://b/lib.zip",
        "--enable-metrics": "true",
        "--TempDir": "s3://b/tmp",
        "--job-bookmark-option": "job-bookmark-disable",
    }
    assert arguments.for_spark_script(given, "ingest", "j_1", "jr_1") == [
        *("--table", "orders"),
        *("--TempDir", "s3://b/tmp"),
        *("--job-bookmark-option", "job-bookmark-disable"),
        *("--JOB_ID", "j_1"),
        *("--JOB_RUN_ID", "jr_1"),
        *("--JOB_NAME", "ingest"),
    ]


def test_shell_script_sees_its_own_arguments_only() -> None:
    assert arguments.for_shell_script({"--table": "", "--conf": "x"}) == ["--table", ""]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", {}),
        ("spark.a=1", {"spark.a": "1"}),
        (
            "spark.a=1 --conf spark.b=x=y --conf spark.c=two words",
            {"spark.a": "1", "spark.b": "x=y", "spark.c": "two words"},
        ),
        ("--conf spark.a=1", {"spark.a": "1"}),
    ],
)
def test_conf_may_hold_several_properties(value: str, expected: dict[str, str]) -> None:
    assert arguments.spark_conf(value) == expected


@pytest.mark.parametrize("value", ["spark.a", "=1", "spark.a --conf spark.b=1"])
def test_malformed_conf_is_a_launch_error(value: str) -> None:
    with pytest.raises(LaunchError, match="Invalid input to --conf"):
        arguments.spark_conf(value)


def test_what_is_without_effect_is_said_unless_it_is_off() -> None:
    given = {"--enable-job-insights": "true", "--disable-proxy-v2": "false", "--table": "t", "--conf": "a=1"}
    assert (
        arguments.without_effect(given)
        == "WARNING: without effect here: --enable-job-insights (no analysis is written)"
    )
    assert arguments.without_effect({"--table": "t"}) == ""


def test_requirements_may_hold_commas() -> None:
    assert arguments.requirements("pandas>=2,<3, s3://b/x.whl ,boto3") == (
        "pandas>=2,<3",
        "s3://b/x.whl",
        "boto3",
    )


@pytest.mark.parametrize(("value", "is_on"), [("", True), ("True", True), ("false", False)])
def test_switch_is_on_when_true_or_without_value(value: str, is_on: bool) -> None:
    assert arguments.parse({"--enable-glue-datacatalog": value}).enables_catalog is is_on
    assert not arguments.parse({}).enables_catalog


def test_customer_variables_reach_the_environment_and_others_end_the_run():
    given = {
        "--customer-driver-env-vars": 'CUSTOMER_A=1, CUSTOMER_B="b,c"',
        "--customer-executor-env-vars": "CUSTOMER_C=x=y",
    }
    assert arguments.parse(given).variables == {"CUSTOMER_A": "1", "CUSTOMER_B": "b,c", "CUSTOMER_C": "x=y"}
    for wrong in ("PATH=/tmp", "CUSTOMER_A"):
        with pytest.raises(LaunchError, match="--customer-driver-env-vars"):
            arguments.parse({"--customer-driver-env-vars": wrong})
