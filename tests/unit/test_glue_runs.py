"""States, settings, failures and logs of a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millpond.planes.common import logs as shipping
from millpond.planes.common.credentials import trusts
from millpond.planes.glue import failure, jobs, logs, runs, spark
from millpond.planes.glue.arguments import Parameters, parse, wheels_to_install
from millpond.planes.glue.environments import Environment
from millpond.planes.glue.exceptions import InvalidInputException, LaunchError
from millpond.planes.glue.modules import missing, unsatisfied
from millpond.planes.glue.runs import JobRun, State
from millpond.planes.glue.versions import VERSIONS

NOW = datetime(2024, 5, 31, 12, 0, tzinfo=UTC)
SPARK = {"Name": "glueetl", "ScriptLocation": "s3://b/s.py"}
SIZE = {"GlueVersion": "5.1", "WorkerType": "G.1X", "NumberOfWorkers": 4}


def job(**settings: Any) -> dict[str, Any]:
    request = {"Role": "r", "Command": SPARK, **SIZE, **settings}
    return jobs.define("j", request, created=NOW, modified=NOW)


def run(**settings: Any) -> JobRun:
    definition = job(**settings)
    return JobRun("jr_1", definition, {}, runs.settings_of(definition, {}), NOW)


@pytest.mark.parametrize(
    "path",
    [
        ["RUNNING", "SUCCEEDED"],
        ["RUNNING", "FAILED"],
        ["RUNNING", "TIMEOUT"],
        ["RUNNING", "STOPPING", "STOPPED"],
        ["STOPPING", "STOPPED"],
        ["FAILED"],
    ],
)
def test_run_passes_through_the_documented_states(path: list[str]) -> None:
    one = run()
    for state in path:
        assert not one.state.is_final
        one.advance(State(state), NOW)
    assert one.state.is_final


@pytest.mark.parametrize(
    "path", [["SUCCEEDED"], ["RUNNING", "STOPPED"], ["FAILED", "RUNNING"], ["STOPPING", "FAILED"]]
)
def test_run_never_takes_another_way(path: list[str]) -> None:
    one = run()
    *before, last = (State(state) for state in path)
    for state in before:
        one.advance(state, NOW)
    with pytest.raises(ValueError, match="never goes from"):
        one.advance(last, NOW)


def test_execution_time_counts_from_RUNNING() -> None:  # noqa: N802
    one = run(ExecutionClass="FLEX")
    one.advance(State.RUNNING, NOW + timedelta(seconds=30))
    one.advance(State.FAILED, NOW + timedelta(seconds=40), "ValueError: x")
    answer = one.to_api()
    assert (answer["ExecutionTime"], answer["DPUSeconds"], answer["ErrorMessage"]) == (
        10,
        40.0,
        "ValueError: x",
    )
    assert answer["CompletedOn"] == NOW + timedelta(seconds=40)


def test_dpu_seconds_are_reported_for_flex_and_autoscaling_only() -> None:
    plain, scaling = run(), run(DefaultArguments={"--enable-auto-scaling": "true"})
    assert "DPUSeconds" not in plain.to_api()
    assert scaling.to_api()["DPUSeconds"] == 0.0


def test_start_job_run_overrides_what_the_job_says() -> None:
    settings = runs.settings_of(job(), {"NumberOfWorkers": 10, "Timeout": 5, "ExecutionClass": "FLEX"})
    assert settings == {
        "WorkerType": "G.1X",
        "NumberOfWorkers": 10,
        "MaxCapacity": 10.0,
        "AllocatedCapacity": 10,
        "Timeout": 5,
        "ExecutionClass": "FLEX",
    }


def test_start_job_run_refuses_capacity_and_workers_together() -> None:
    with pytest.raises(InvalidInputException, match="do not set Max Capacity"):
        runs.settings_of(job(), {"MaxCapacity": 2.0, "WorkerType": "G.1X", "NumberOfWorkers": 2})


@pytest.mark.parametrize(
    "settings",
    [
        {"GlueVersion": "2.0"},
        {"Command": {**SPARK, "Name": "gluestreaming"}},
        {"Command": {**SPARK, "Name": "pythonshell"}, "WorkerType": None, "NumberOfWorkers": None},
    ],
)
def test_start_job_run_refuses_flex_where_create_job_does(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputException, match="FLEX is supported for job command glueetl"):
        runs.settings_of(job(**settings), {"ExecutionClass": "FLEX"})


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("ValueError", "no such table", "ValueError: no such table"),
        ("KeyboardInterrupt", "", "KeyboardInterrupt"),
        (
            "Py4JJavaError",
            "An error occurred while calling o45.load.\n: java.sql.SQLException: no driver\n\tat x.Y\n",
            "An error occurred while calling o45.load. no driver",
        ),
        (
            "Py4JJavaError",
            "An error occurred while calling o1.x.\n: java.lang.NullPointerException\n\tat x.Y\n",
            "An error occurred while calling o1.x. java.lang.NullPointerException",
        ),
    ],
)
def test_exception_becomes_the_error_message(tmp_path: Path, kind: str, text: str, expected: str) -> None:
    record = tmp_path / "failure.json"
    record.write_text(json.dumps({"type": kind, "message": text}))
    assert failure.error_message(1, record, is_spark=True) == expected


@pytest.mark.parametrize(
    ("exit_code", "is_spark", "expected"),
    [
        (2, True, "SystemExit: 2"),
        (2, False, "Command failed with exit code 2"),
        (-9, True, "Command failed with exit code 137"),
    ],
)
def test_exit_code_becomes_the_error_message(
    tmp_path: Path, exit_code: int, is_spark: bool, expected: str
) -> None:
    assert failure.error_message(exit_code, tmp_path / "none", is_spark=is_spark) == expected


def groups(given: dict[str, str], *, is_spark: bool = True) -> tuple[list[str], list[str]]:
    targets = logs.destinations("jr_1", parse(given), is_spark=is_spark)
    return [f"{d.group} {d.stream}" for d in targets.output], [f"{d.group} {d.stream}" for d in targets.error]


def test_logs_go_where_glue_puts_them() -> None:
    assert groups({}) == (["/aws-glue/jobs/output jr_1"], ["/aws-glue/jobs/error jr_1"])
    shell = groups({"--enable-continuous-cloudwatch-log": "true"}, is_spark=False)
    assert shell == (["/aws-glue/python-jobs/output jr_1"], ["/aws-glue/python-jobs/error jr_1"])


def test_continuous_log_is_a_copy_under_the_names_asked_for() -> None:
    on = {"--enable-continuous-cloudwatch-log": "true"}
    assert groups(on)[1] == ["/aws-glue/jobs/error jr_1", "/aws-glue/jobs/logs-v2 jr_1-driver"]
    named = {**on, "--continuous-log-logGroup": "/own", "--continuous-log-logStreamPrefix": "p"}
    assert groups(named)[1][1] == "/own p-jr_1-driver"
    assert groups({"--custom-logGroup-prefix": "/own/"})[0] == ["/own/output jr_1"]


def test_batches_respect_the_limits_of_PutLogEvents() -> None:  # noqa: N802
    many = shipping.batches(["x"] * 10_001, 1)
    assert [len(batch) for batch in many] == [10_000, 1]
    large = shipping.batches(["y" * 300_000] * 5, 1)
    assert [len(batch) for batch in large] == [3, 2]
    assert max(len(event["message"]) for batch in large for event in batch) <= 256 * 1024 - 26
    assert shipping.batches(["", "z"], 1) == [[{"timestamp": 1, "message": "z"}]]


def test_tail_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = shipping.Tail(path)
    assert tail.lines() == []
    path.write_text("one\ntw")
    assert tail.lines() == ["one"]
    path.write_text("one\ntwo\nthree")
    assert tail.lines() == ["two"]
    assert tail.lines(is_last=True) == ["three"]


@pytest.mark.parametrize(
    ("settings", "cpus", "memory_gib", "expected"),
    [
        ({"WorkerType": "G.1X", "NumberOfWorkers": 2}, 2, 16, spark.LocalSize(2, 2048, 2)),
        ({"WorkerType": "G.025X", "NumberOfWorkers": 2}, 8, 16, spark.LocalSize(2, 1024, 4)),
        ({"WorkerType": "G.2X", "NumberOfWorkers": 10}, 64, 8, spark.LocalSize(64, 2048, 2)),
        ({"WorkerType": "G.8X", "NumberOfWorkers": 2}, 4, 64, spark.LocalSize(4, 4096, 4)),
        ({"WorkerType": "G.1X", "NumberOfWorkers": 1}, 4, 2, spark.LocalSize(4, 1024, 1)),
        ({"MaxCapacity": 10.0}, 2, 16, spark.LocalSize(2, 2048, 2)),
    ],
)
def test_worker_type_decides_cores_and_heap_within_the_machine(
    settings: dict[str, Any], cpus: int, memory_gib: int, expected: spark.LocalSize
) -> None:
    assert spark.local_size(settings, cpus, memory_gib * 2**30) == expected


@pytest.mark.parametrize(
    ("conf", "workers", "setting", "expected"),
    [
        ("", 10, "", ""),
        ("local[2]", 10, "local-cluster", ""),
        ("local-cluster", 3, "", "local-cluster[2,1,1024]"),
        ("local-cluster", 1, "", "local-cluster[1,1,1024]"),
        ("", 50, "local-cluster", "local-cluster[4,1,1024]"),
        ("", 4, "local-cluster", "local-cluster[3,1,1024]"),
        ("local-cluster[1,2,512]", 3, "", "local-cluster[1,2,512]"),
        ("", 2, "spark://127.0.0.1:7077", "spark://127.0.0.1:7077"),
    ],
)
def test_executors_are_processes_where_it_is_asked_for(
    conf: str, workers: int, setting: str, expected: str
) -> None:
    parameters = Parameters(spark_conf={"spark.master": conf} if conf else {})
    size = spark.LocalSize(2, 2048, executors=4)
    assert spark.cluster(parameters, {"NumberOfWorkers": workers}, setting, size) == expected


@pytest.mark.parametrize(
    ("given", "directory"),
    [
        ("s3://logs/a/b/", "s3://logs/a/b/"),
        ("s3a://logs/a", "s3a://logs/a"),
        # Spark takes one slash away, and of an address without a path S3A says that it must be absolute.
        ("s3://logs/", "s3://logs//"),
        ("s3://logs", "s3://logs//"),
    ],
)
def test_an_event_log_goes_to_the_root_of_a_bucket_too(given: str, directory: str) -> None:
    said = spark.event_log_defaults(given).splitlines()
    assert said == ["spark.eventLog.enabled true", f"spark.eventLog.dir {directory}"]


def test_only_runs_without_jvm_settings_share_a_jvm() -> None:
    size = spark.LocalSize(2, 2048)
    assert spark.jvm_spec(size, parse({"--conf": "spark.sql.ansi.enabled=true"}), []).is_plain
    own = spark.jvm_spec(
        size,
        parse({"--conf": "spark.driver.memory=1g --conf spark.driver.extraJavaOptions=-Da=b -Dc=d"}),
        [Path("/x.jar")],
    )
    assert (own.heap, own.options, own.class_path) == ("1g", ("-Da=b", "-Dc=d"), ("/x.jar",))
    assert spark.jvm_spec(size, Parameters(spark_conf={"spark.jars.packages": "a:b:1"}), []).submit_conf


def test_runs_of_one_version_and_table_format_share_jvms() -> None:
    size = spark.LocalSize(2, 2048)
    environment = Environment(VERSIONS["6.0"], Path("/python"), (Path("/iceberg.jar"),))
    iceberg = spark.jvm_spec(size, parse({"--datalake-formats": "iceberg"}), [], environment)
    assert iceberg.is_plain
    assert (iceberg.python, iceberg.jars) == (Path("/python"), (Path("/iceberg.jar"),))
    assert iceberg != spark.jvm_spec(size, parse({}), [])


@pytest.mark.parametrize(
    ("principal", "effect", "trusted"),
    [
        ({"Service": "glue.amazonaws.com"}, "Allow", True),
        ({"Service": ["lambda.amazonaws.com", "glue.amazonaws.com"]}, "Allow", True),
        ({"Service": "glue.amazonaws.com"}, "Deny", False),
        ({"Service": "lambda.amazonaws.com"}, "Allow", False),
        ({"AWS": "arn:aws:iam::000000000000:root"}, "Allow", False),
        ("*", "Allow", True),
    ],
)
def test_role_is_assumed_only_if_it_trusts_the_service(principal: Any, effect: str, trusted: bool) -> None:
    statement = {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole"}
    assert trusts({"Statement": [statement]}, "glue.amazonaws.com") is trusted
    assert trusts({"Statement": statement}, "glue.amazonaws.com") is trusted


def test_requirements_that_an_environment_has_are_not_installed(tmp_path: Path) -> None:
    for name, version in (("Some_Thing", "2.5"), ("other", "1.0rc1")):
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    wanted = ["some-thing>=2,<3", "some-thing>3", "other", "absent", "/tmp/own-1.0-py3-none-any.whl"]
    assert missing(wanted, [str(tmp_path)]) == ["some-thing>3", "absent", "/tmp/own-1.0-py3-none-any.whl"]


def test_a_wheel_is_not_installed_where_its_distribution_is_at_its_version() -> None:
    installed = {"some-thing": "2.5", "other": "1.0rc1"}
    same = [
        "s3://b/w/Some_Thing-2.5.0-cp39-cp39-manylinux_2_28_x86_64.whl",
        "s3://b/other-1.0rc1-py3-none-any.whl",
    ]
    newer, absent = "s3://b/some_thing-2.6-py3-none-any.whl", "s3://b/absent-1-py3-none-any.whl"
    nameless = "s3://b/wheel.whl"
    assert unsatisfied([*same, newer, absent, nameless], installed) == [newer, absent, nameless]
    assert unsatisfied([*same, newer, absent], installed, is_stand_in=True) == [absent]


def test_a_python_shell_job_takes_wheels_from_s3_as_extra_files_alone() -> None:
    wheel = "s3://b/own-1.0-py3-none-any.whl"
    parameters = parse({"--extra-py-files": f"s3://b/a.py,{wheel}", "--additional-python-modules": "boto3"})
    assert wheels_to_install(parameters, is_spark=False) == (wheel,)
    assert wheels_to_install(parameters, is_spark=True) == ()
    named = parse({"--additional-python-modules": f"boto3,{wheel}"})
    assert wheels_to_install(named, is_spark=True) == ()
    with pytest.raises(LaunchError, match=r"own-1\.0-py3-none-any\.whl .* --extra-py-files"):
        wheels_to_install(named, is_spark=False)
