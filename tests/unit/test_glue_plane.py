"""Jobs, connections and tags: what goes in comes out, with AWS's defaults and AWS's errors."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from telemetry_fakes import RecordedTelemetry
from waiting import wait_until

from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.glue import GluePlane, GlueSettings, serve
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    ConcurrentRunsExceededException,
    EntityNotFoundException,
    IdempotentParameterMismatchException,
    InvalidInputException,
)
from millpond.planes.glue.jvms import JvmPool, JvmSpec
from millpond.planes.glue.runs import State
from millpond.planes.glue.supervisor import ActiveRun, Outcome, Supervisor

JOB = {
    "Name": "ingest",
    "Role": "arn:aws:iam::000000000000:role/glue",
    "Command": {"Name": "glueetl", "ScriptLocation": "s3://b/s.py", "PythonVersion": "3"},
    "GlueVersion": "5.1",
    "WorkerType": "G.1X",
    "NumberOfWorkers": 2,
    "DefaultArguments": {"--a": "1"},
    "Tags": {"team": "lake"},
}
SHELL = {"Name": "shell", "Role": "r", "Command": {"Name": "pythonshell", "ScriptLocation": "s3://b/s.py"}}
CONNECTION = {
    "Name": "onprem",
    "ConnectionType": "JDBC",
    "ConnectionProperties": {"JDBC_CONNECTION_URL": "jdbc:postgresql://db/erp", "PASSWORD": "x"},
    "PhysicalConnectionRequirements": {"AvailabilityZone": "eu-west-1a"},
}
JOB_ARN = "arn:aws:glue:eu-west-1:000000000000:job/ingest"


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[GluePlane]:
    tools = Tools(tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, {})
    context = PlaneContext("http://127.0.0.1:9", "eu-west-1", "000000000000", tmp_path / "state", tools)
    planes = serve(context, RecordedTelemetry(context), GlueSettings(warm_jvms=0))
    plane = planes.of("000000000000", "eu-west-1")
    yield plane
    planes.close()


def get(plane: GluePlane, name: str) -> dict[str, Any]:
    job: dict[str, Any] = plane.get_job({"JobName": name})["Job"]
    del job["CreatedOn"], job["LastModifiedOn"]
    return job


def test_spark_job_comes_back_as_given_with_awss_defaults(plane: GluePlane) -> None:
    assert plane.create_job(JOB) == {"Name": "ingest"}
    given = {key: value for key, value in JOB.items() if key != "Tags"}
    assert get(plane, "ingest") == given | {
        "JobMode": "SCRIPT",
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "MaxRetries": 0,
        "Timeout": 480,
        "MaxCapacity": 2.0,
        "AllocatedCapacity": 2,
    }


def test_shell_job_comes_back_as_given_with_awss_defaults(plane: GluePlane) -> None:
    plane.create_job(SHELL)
    job = get(plane, "shell")
    assert job["Command"]["PythonVersion"] == "3.9"
    assert (job["GlueVersion"], job["MaxCapacity"], job["AllocatedCapacity"]) == ("3.0", 0.0625, 0)
    assert job["Timeout"] == 2880
    assert not {"WorkerType", "NumberOfWorkers", "ExecutionClass"} & job.keys()


def test_execution_class_is_there_only_when_it_was_given(plane: GluePlane) -> None:
    plane.create_job(JOB)
    assert "ExecutionClass" not in get(plane, "ingest")
    plane.create_job({**JOB, "Name": "flex", "ExecutionClass": "FLEX"})
    assert get(plane, "flex")["ExecutionClass"] == "FLEX"


@pytest.mark.parametrize(
    ("worker_type", "workers", "capacity"), [("G.025X", 2, 0.5), ("G.2X", 10, 20.0), ("G.8X", 2, 16.0)]
)
def test_capacity_follows_from_the_workers(
    plane: GluePlane, worker_type: str, workers: int, capacity: float
) -> None:
    command = {**JOB["Command"], "Name": "gluestreaming" if worker_type == "G.025X" else "glueetl"}
    plane.create_job({**JOB, "Command": command, "WorkerType": worker_type, "NumberOfWorkers": workers})
    assert get(plane, "ingest")["MaxCapacity"] == capacity


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MaxCapacity": 2.0}, "do not set Max Capacity"),
        ({"WorkerType": None, "NumberOfWorkers": None, "MaxCapacity": 2.0}, "set Worker Type"),
        ({"NumberOfWorkers": None}, "Number of Workers must be given"),
        ({"WorkerType": "G.3X"}, "Worker Type G.3X is not supported"),
        ({"WorkerType": "G.025X"}, "G.025X is supported for job command gluestreaming"),
        ({"WorkerType": "R.1X", "GlueVersion": "3.0"}, "R.1X is supported for Glue version 4.0 or later"),
        ({"ExecutionClass": "FLEX", "GlueVersion": "2.0"}, "of Glue version 3.0 or later only"),
        ({"GlueVersion": "5.5"}, "GlueVersion 5.5 is not supported: use one of 6.0, 5.1"),
        ({"DefaultArguments": {"--job-language": "scala"}}, "Jobs in Scala are not available here"),
        ({"Timeout": 10_081}, "Timeout must be between"),
        ({"Role": ""}, "Role should not be null"),
        (
            {"Command": {"Name": "glueray", "ScriptLocation": "s3://b/s.py"}},
            "'glueray' is not available here",
        ),
        ({"Command": {"Name": "glueetl"}}, "ScriptLocation"),
        ({"Command": SHELL["Command"]}, "not supported for Job Command pythonshell"),
    ],
)
def test_job_that_aws_refuses_is_refused(plane: GluePlane, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputException, match=message):
        plane.create_job({**JOB, **change})


def test_same_job_again_is_no_error_and_another_of_that_name_is(plane: GluePlane) -> None:
    plane.create_job(JOB)
    assert plane.create_job(dict(JOB)) == {"Name": "ingest"}
    with pytest.raises(IdempotentParameterMismatchException, match="already submitted"):
        plane.create_job({**JOB, "NumberOfWorkers": 3})


def test_update_replaces_the_whole_definition(plane: GluePlane) -> None:
    plane.create_job({**JOB, "Description": "old"})
    created = plane.get_job({"JobName": "ingest"})["Job"]["CreatedOn"]
    update = {
        "Role": "r",
        "Command": JOB["Command"],
        "GlueVersion": "5.1",
        "WorkerType": "G.2X",
        "NumberOfWorkers": 2,
    }
    assert plane.update_job({"JobName": "ingest", "JobUpdate": update}) == {"JobName": "ingest"}
    job = plane.get_job({"JobName": "ingest"})["Job"]
    assert (job["MaxCapacity"], job["CreatedOn"]) == (4.0, created)
    assert not {"Description", "DefaultArguments"} & job.keys()


def test_jobs_are_listed_by_page_and_by_tag(plane: GluePlane) -> None:
    for name in ("c", "a", "b"):
        plane.create_job({**JOB, "Name": name, "Tags": {"is": name}})
    first = plane.get_jobs({"MaxResults": 2})
    rest = plane.get_jobs({"MaxResults": 2, "NextToken": first["NextToken"]})
    assert [job["Name"] for job in first["Jobs"] + rest["Jobs"]] == ["a", "b", "c"]
    assert plane.list_jobs({"Tags": {"is": "b"}}) == {"JobNames": ["b"]}
    found = plane.batch_get_jobs({"JobNames": ["a", "none"]})
    assert ([job["Name"] for job in found["Jobs"]], found["JobsNotFound"]) == (["a"], ["none"])


def test_deleted_job_is_gone_and_deleting_it_again_is_no_error(plane: GluePlane) -> None:
    plane.create_job(JOB)
    for _ in range(2):
        assert plane.delete_job({"JobName": "ingest"}) == {"JobName": "ingest"}
    with pytest.raises(EntityNotFoundException):
        plane.get_job({"JobName": "ingest"})


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("get_job", {"JobName": "none"}),
        ("update_job", {"JobName": "none", "JobUpdate": {}}),
        ("start_job_run", {"JobName": "none"}),
        ("get_job_runs", {"JobName": "none"}),
        ("get_job_run", {"JobName": "none", "RunId": "jr_1"}),
        ("get_job_bookmark", {"JobName": "none"}),
        ("reset_job_bookmark", {"JobName": "none"}),
        ("get_connection", {"Name": "none"}),
        ("update_connection", {"Name": "none", "ConnectionInput": CONNECTION}),
        ("delete_connection", {"ConnectionName": "none"}),
        ("get_tags", {"ResourceArn": JOB_ARN}),
    ],
)
def test_what_does_not_exist_is_EntityNotFound(  # noqa: N802
    plane: GluePlane, method: str, request_: dict[str, Any]
) -> None:
    with pytest.raises(EntityNotFoundException) as refused:
        getattr(plane, method)(request_)
    assert refused.value.code == "EntityNotFoundException"


def test_connection_comes_back_as_given(plane: GluePlane) -> None:
    assert plane.create_connection({"ConnectionInput": CONNECTION}) == {"CreateConnectionStatus": "READY"}
    shown = plane.get_connection({"Name": "onprem"})["Connection"]
    assert {key: shown[key] for key in CONNECTION} == CONNECTION
    hidden = plane.get_connection({"Name": "onprem", "HidePassword": True})["Connection"]
    assert "PASSWORD" not in hidden["ConnectionProperties"]
    with pytest.raises(AlreadyExistsException):
        plane.create_connection({"ConnectionInput": CONNECTION})


def test_connection_is_updated_found_and_deleted(plane: GluePlane) -> None:
    plane.create_connection({"ConnectionInput": CONNECTION})
    network = {"Name": "onprem", "ConnectionType": "NETWORK", "ConnectionProperties": {}}
    plane.update_connection({"Name": "onprem", "ConnectionInput": network})
    listed = plane.get_connections({"Filter": {"ConnectionType": "NETWORK"}})["ConnectionList"]
    assert [one["Name"] for one in listed] == ["onprem"]
    assert plane.get_connections({"Filter": {"ConnectionType": "JDBC"}}) == {"ConnectionList": []}
    answer = plane.batch_delete_connection({"ConnectionNameList": ["onprem", "none"]})
    assert answer["Succeeded"] == ["onprem"]
    assert answer["Errors"]["none"]["ErrorCode"] == "EntityNotFoundException"


def test_jdbc_connection_needs_its_url(plane: GluePlane) -> None:
    with pytest.raises(InvalidInputException, match="JDBC_CONNECTION_URL"):
        plane.create_connection({"ConnectionInput": {**CONNECTION, "ConnectionProperties": {}}})


def test_a_usage_profile_comes_back_as_given_until_it_is_deleted(plane: GluePlane) -> None:
    asked: Any = plane
    limits = {"JobConfiguration": {"numberOfWorkers": {"DefaultValue": "2", "MaxValue": "4"}}}
    smaller = {"JobConfiguration": {"numberOfWorkers": {"MaxValue": "2"}}}
    given = {"Name": "analysts", "Description": "small jobs", "Configuration": limits}
    assert asked.create_usage_profile({**given, "Tags": {"team": "a"}}) == {"Name": "analysts"}
    with pytest.raises(AlreadyExistsException):
        asked.create_usage_profile(given)
    shown = asked.get_usage_profile({"Name": "analysts"})
    assert given.items() <= shown.items()
    arn = JOB_ARN.rpartition(":")[0] + ":usageProfile/analysts"
    assert plane.get_tags({"ResourceArn": arn}) == {"Tags": {"team": "a"}}
    assert asked.update_usage_profile({"Name": "analysts", "Configuration": smaller})["Name"] == "analysts"
    changed = asked.get_usage_profile({"Name": "analysts"})
    assert (changed["Configuration"], changed["Description"]) == (smaller, "small jobs")
    asked.create_usage_profile({**given, "Name": "others"})
    first = asked.list_usage_profiles({"MaxResults": 1})
    rest = asked.list_usage_profiles({"NextToken": first["NextToken"]})
    names = [one["Name"] for one in (*first["Profiles"], *rest["Profiles"])]
    assert names == ["analysts", "others"]
    asked.delete_usage_profile({"Name": "analysts"})
    with pytest.raises(EntityNotFoundException):
        asked.get_usage_profile({"Name": "analysts"})


def test_tags_of_a_job_are_kept_changed_and_removed(plane: GluePlane) -> None:
    plane.create_job(JOB)
    plane.tag_resource({"ResourceArn": JOB_ARN, "TagsToAdd": {"a": "1"}})
    plane.untag_resource({"ResourceArn": JOB_ARN, "TagsToRemove": ["team"]})
    assert plane.get_tags({"ResourceArn": JOB_ARN}) == {"Tags": {"a": "1"}}


def test_runs_that_may_wait_get_their_turn_one_after_the_other(
    plane: GluePlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = {name: threading.Event() for name in "abcd"}

    def execute(_: Supervisor, active: ActiveRun) -> Outcome:
        plane._mark_running(active.run)
        assert goes_on[active.run.arguments["--name"]].wait(30)
        return Outcome(State.SUCCEEDED)

    monkeypatch.setattr(Supervisor, "execute", execute)
    plane.create_job({**JOB, "JobRunQueuingEnabled": True})

    def start(name: str, **given: Any) -> str:
        request = {"JobName": "ingest", "Arguments": {"--name": name}, **given}
        return str(plane.start_job_run(request)["JobRunId"])

    def state(run_id: str) -> str:
        return str(plane.get_job_run({"JobName": "ingest", "RunId": run_id})["JobRun"]["JobRunState"])

    def reaches(run_id: str, wanted: str) -> None:
        wait_until(f"{run_id} is {wanted}", lambda: state(run_id) == wanted, 30)

    first, second, third = (start(name) for name in "abc")
    reaches(first, "RUNNING")
    assert (state(second), state(third)) == ("WAITING", "WAITING")
    with pytest.raises(ConcurrentRunsExceededException):
        start("d", JobRunQueuingEnabled=False)
    goes_on["a"].set()
    reaches(second, "RUNNING")
    assert state(third) == "WAITING"
    plane.batch_stop_job_run({"JobName": "ingest", "JobRunIds": [third]})
    reaches(third, "STOPPED")
    fourth = start("d")
    assert state(fourth) == "WAITING"
    goes_on["b"].set()
    reaches(fourth, "RUNNING")
    goes_on["d"].set()
    reaches(fourth, "SUCCEEDED")


def test_a_run_that_waits_too_long_fails(plane: GluePlane, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()

    def execute(_: Supervisor, active: ActiveRun) -> Outcome:
        plane._mark_running(active.run)
        assert ends.wait(30)
        return Outcome(State.SUCCEEDED)

    monkeypatch.setattr(Supervisor, "execute", execute)
    plane._seconds_per_minute = 0.01
    plane.create_job({**JOB, "JobRunQueuingEnabled": True})
    runs = [plane.start_job_run({"JobName": "ingest"})["JobRunId"] for _ in range(2)]
    late = {"JobName": "ingest", "RunId": runs[1]}
    wait_until("its end", lambda: plane.get_job_run(late)["JobRun"]["JobRunState"] == "FAILED", 30)
    assert "Concurrent runs exceeded" in plane.get_job_run(late)["JobRun"]["ErrorMessage"]
    ends.set()


def test_what_a_jvm_may_see_is_there_before_it_starts(tmp_path: Path) -> None:
    """What is made later is outside of its fence: workers could not import modules installed then."""
    tools = Tools(tmp_path, tmp_path, tmp_path, tmp_path, tmp_path / "home/jars", tmp_path, {})
    context = PlaneContext("http://127.0.0.1:9", "eu-west-1", "000000000000", tmp_path / "state", tools)
    folder = tmp_path / "jvm"
    folder.mkdir()
    fence = JvmPool(context, 0, cache=tmp_path / "cache")._fence(
        folder, JvmSpec("1g", python=Path(sys.executable))
    )
    assert tmp_path / "home/glue-modules" in fence.readable
    absent = {path for path in (*fence.readable, *fence.writable) if not path.exists()}
    assert absent == {tmp_path / "home/jars"}
