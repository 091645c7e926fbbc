"""Python shell jobs: real interpreters, real S3, Logs and STS."""

from __future__ import annotations

import io
import json
import re
import stat
import sys
import zipfile

import psutil
import pytest
from glue_fixtures import BUCKET, GlueStack, glue, wait_until

from millpond import process
from millpond.planes.glue.exceptions import ConcurrentRunsExceededException
from millpond.planes.glue.modules import interpreter_facts

__all__ = ["glue"]

SLEEPER = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("PIDS", os.getpid(), child.pid, flush=True)
time.sleep(600)
"""


def sleeping_processes(glue: GlueStack, run_id: str) -> list[int]:
    """The ids of the processes of a run of ``SLEEPER``, once they are all there."""

    def pids() -> list[int]:
        said = glue.log("/aws-glue/python-jobs/output", run_id)
        return [int(pid) for pid in said.split()[1:]] if said.startswith("PIDS") else []

    return wait_until("processes of the run", pids)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has reaped yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_script_gets_its_arguments_the_documented_python_and_its_roles_credentials(glue: GlueStack) -> None:
    run = glue.run(
        """
        import boto3, json, os, sys
        print(json.dumps({
            "argv": sys.argv[1:],
            "name": os.path.basename(sys.argv[0]),
            "version": "%d.%d" % sys.version_info[:2],
            "caller": boto3.client("sts").get_caller_identity()["Arn"],
            "variables": sorted(os.environ),
        }))
        """,
        arguments={"--table": "orders", "--mode": "full"},
        DefaultArguments={"--table": "default", "--limit": "-5", "--enable-metrics": "true"},
        NonOverridableArguments={"--mode": "incremental"},
    )
    assert run["JobRunState"] == "SUCCEEDED"
    assert "ErrorMessage" not in run
    said = json.loads(glue.output(run))
    assert said["argv"] == ["--table", "orders", "--limit", "-5", "--mode", "incremental"]
    assert said["name"].endswith(".py")
    assert said["version"] == interpreter_facts(glue.context.tools.shell_python)[0]
    assert re.fullmatch(
        r"arn:aws:sts::000000000000:assumed-role/glue-job/GlueJobRunnerSession-\w+", said["caller"]
    )
    assert set(said["variables"]) - {"LC_CTYPE"} == {
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "HOME",
        "LANG",
        "PATH",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "TMPDIR",
        "TZ",
    }


def test_run_reports_what_aws_reports(glue: GlueStack) -> None:
    run = glue.run("print('done')", arguments={"--a": "1"})
    assert re.fullmatch(r"jr_[0-9a-f]{64}", run["Id"])
    assert run["Attempt"] == 0
    assert run["Arguments"] == {"--a": "1"}
    assert run["MaxCapacity"] == 0.0625
    assert run["StartedOn"] <= run["CompletedOn"]
    assert run["ExecutionTime"] <= (run["CompletedOn"] - run["StartedOn"]).total_seconds() + 1


def test_output_is_in_the_log_while_the_script_runs(glue: GlueStack) -> None:
    job = glue.job(SLEEPER)
    run_id = glue.start(job)
    sleeping_processes(glue, run_id)
    assert glue.look(job, run_id)["JobRunState"] == "RUNNING"
    glue.plane.batch_stop_job_run({"JobName": job, "JobRunIds": [run_id]})
    glue.finish(job, run_id)


def test_syntax_error_fails_the_run_and_its_traceback_is_in_the_error_log(glue: GlueStack) -> None:
    run = glue.run("def broken(:\n    pass\n")
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith("SyntaxError: invalid syntax")
    assert "def broken(:" in glue.errors(run)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("raise ValueError('no such table: orders')", "ValueError: no such table: orders"),
        ("import sys; sys.exit(3)", "Command failed with exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "Command failed with exit code 137"),
        (
            "import awsglue.utils as utils, sys; utils.getResolvedOptions(sys.argv, ['JOB_NAME'])",
            "GlueArgumentError: the following arguments are required: --JOB_NAME",
        ),
    ],
)
def test_failed_script_is_reported_by_its_last_exception_or_exit_code(
    glue: GlueStack, script: str, message: str
) -> None:
    run = glue.run(script)
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", message)


def test_missing_script_fails_the_run_and_not_the_start(glue: GlueStack) -> None:
    job = glue.job("print()")
    glue.engine.client("s3").delete_object(Bucket=BUCKET, Key=f"scripts/{job}.py")
    run = glue.finish(job, glue.start(job))
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith(
        f"LAUNCH ERROR | Error downloading from S3 for bucket: {BUCKET}, key: scripts/{job}.py."
    )
    assert "Status Code: 404" in run["ErrorMessage"]
    assert run["ErrorMessage"] in glue.errors(run)


@pytest.mark.parametrize("role", ["arn:aws:iam::000000000000:role/nobody", "not-for-glue"])
def test_role_that_glue_cannot_assume_fails_the_run(glue: GlueStack, role: str) -> None:
    policy = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "*"}]
    }
    iam = glue.engine.client("iam")
    if role == "not-for-glue":
        iam.create_role(
            RoleName=role, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", **policy})
        )
    run = glue.run("print()", Role=role)
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].endswith("should be given assume role permissions for Glue Service.")


def test_run_over_timeout_ends_as_TIMEOUT_and_kills_the_process_group(glue: GlueStack) -> None:  # noqa: N802
    job = glue.job(SLEEPER, Timeout=480)
    run_id = glue.start(job, Timeout=3)
    processes = sleeping_processes(glue, run_id)
    run = glue.finish(job, run_id)
    assert run["JobRunState"] == "TIMEOUT"
    assert run["Timeout"] == 3
    assert run["ExecutionTime"] >= 3
    assert not any(is_alive(pid) for pid in processes)


def test_stopped_run_ends_as_STOPPED_and_kills_the_process_group(glue: GlueStack) -> None:  # noqa: N802
    job = glue.job(SLEEPER)
    run_id = glue.start(job)
    processes = sleeping_processes(glue, run_id)
    answer = glue.plane.batch_stop_job_run({"JobName": job, "JobRunIds": [run_id, "jr_none"]})
    assert answer["SuccessfulSubmissions"] == [{"JobName": job, "JobRunId": run_id}]
    assert [error["ErrorDetail"]["ErrorCode"] for error in answer["Errors"]] == ["EntityNotFoundException"]
    assert glue.finish(job, run_id)["JobRunState"] == "STOPPED"
    assert not any(is_alive(pid) for pid in processes)
    again = glue.plane.batch_stop_job_run({"JobName": job, "JobRunIds": [run_id]})
    assert [error["ErrorDetail"]["ErrorCode"] for error in again["Errors"]] == ["InvalidInputException"]


def test_what_a_script_leaves_running_ends_with_the_run(glue: GlueStack) -> None:
    run = glue.run(
        """
        import subprocess, sys
        print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid)
        """
    )
    assert run["JobRunState"] == "SUCCEEDED"
    assert not is_alive(int(glue.output(run)))


def test_no_more_runs_than_MaxConcurrentRuns(glue: GlueStack) -> None:  # noqa: N802
    job = glue.job(SLEEPER, ExecutionProperty={"MaxConcurrentRuns": 2})
    run_ids = [glue.start(job), glue.start(job)]
    with pytest.raises(ConcurrentRunsExceededException, match=f"Concurrent runs exceeded for {job}"):
        glue.start(job)
    glue.plane.batch_stop_job_run({"JobName": job, "JobRunIds": run_ids[:1]})
    glue.finish(job, run_ids[0])
    run_ids.append(glue.start(job))
    glue.plane.batch_stop_job_run({"JobName": job, "JobRunIds": run_ids[1:]})
    assert {glue.finish(job, run_id)["JobRunState"] for run_id in run_ids} == {"STOPPED"}


def test_failed_run_is_tried_again_as_often_as_MaxRetries_says(glue: GlueStack) -> None:  # noqa: N802
    job = glue.job("raise RuntimeError('again')", MaxRetries=1)
    first = glue.start(job)
    second = f"{first}_attempt_1"
    wait_until("second attempt", lambda: second in [run["Id"] for run in _runs(glue, job)])
    glue.finish(job, second)
    newest, oldest = _runs(glue, job)
    assert (newest["Attempt"], newest["PreviousRunId"], newest["JobRunState"]) == (1, first, "FAILED")
    assert (oldest["Attempt"], oldest["JobRunState"]) == (0, "FAILED")


def test_libraries_files_and_wheels_from_s3_are_there(glue: GlueStack) -> None:
    library = io.BytesIO()
    with zipfile.ZipFile(library, "w") as archive:
        archive.writestr("shared/__init__.py", "NAME = 'a package in a zip'")
    run = glue.run(
        """
        import single, shared, tinywheel
        print(single.NAME, shared.NAME, tinywheel.NAME, open("settings.txt").read(), sep="|")
        """,
        DefaultArguments={
            "--extra-py-files": ",".join(
                [
                    glue.put("lib/single.py", "NAME = 'a module'"),
                    glue.put("lib/shared.zip", library.getvalue()),
                ]
            ),
            "--extra-files": glue.put("lib/settings.txt", "a file"),
            "--additional-python-modules": f"boto3>1,<99,{glue.put(f'lib/{WHEEL}', _wheel())}",
        },
    )
    assert run.get("ErrorMessage") is None
    assert glue.output(run) == "a module|a package in a zip|a wheel|a file"


def test_module_that_cannot_be_installed_fails_the_run(glue: GlueStack) -> None:
    broken = glue.put(f"broken/{WHEEL}", b"this is not a wheel")
    run = glue.run("print()", DefaultArguments={"--additional-python-modules": broken})
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith("Installation of additional Python modules failed: ")


def test_credentials_are_in_no_file_and_the_folder_is_its_owners(glue: GlueStack) -> None:
    run = glue.run(
        "import os; print(len(os.environ['AWS_SECRET_ACCESS_KEY']), os.environ['AWS_ACCESS_KEY_ID'])"
    )
    length, access_key = glue.output(run).split()
    folder = glue.folder(run["Id"])
    assert int(length) >= 16
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    holders = [
        p.name for p in folder.rglob("*") if p.is_file() and access_key in p.read_text(errors="ignore")
    ]
    assert holders == ["stdout.log"]
    assert not (folder / "tmp").exists()


def test_runs_are_listed_newest_first_in_pages(glue: GlueStack) -> None:
    job = glue.job("print()")
    started = []
    for _ in range(3):
        started.append(glue.start(job))
        glue.finish(job, started[-1])
    first = glue.plane.get_job_runs({"JobName": job, "MaxResults": 2})
    rest = glue.plane.get_job_runs({"JobName": job, "MaxResults": 2, "NextToken": first["NextToken"]})
    assert [run["Id"] for run in first["JobRuns"] + rest["JobRuns"]] == started[::-1]
    assert "NextToken" not in rest


def test_bookmark_counts_the_runs_that_ask_for_one(glue: GlueStack) -> None:
    job = glue.job("print()", DefaultArguments={"--job-bookmark-option": "job-bookmark-enable"})
    runs = [glue.finish(job, glue.start(job))["Id"] for _ in range(2)]
    entry = glue.plane.get_job_bookmark({"JobName": job})["JobBookmarkEntry"]
    assert (entry["Run"], entry["RunId"], entry["PreviousRunId"]) == (2, runs[1], runs[0])
    assert glue.plane.reset_job_bookmark({"JobName": job})["JobBookmarkEntry"]["Run"] == 0


def test_shell_runs_leave_no_process_behind(glue: GlueStack) -> None:
    job = glue.job("print()")
    glue.finish(job, glue.start(job))
    recorded = process.find_all(glue.context.pid_dir / "glue")
    assert [one.pid_file.name for one in recorded if one.pid_file.name.startswith("jr_")] == []


def test_engine_serves_the_plane_and_warns_of_another_python(glue: GlueStack) -> None:
    api = glue.engine.client("glue")
    location = glue.put("scripts/api.py", "import sys; print('%d.%d' % sys.version_info[:2])")
    api.create_job(Name="api", Role=glue.role, Command={"Name": "pythonshell", "ScriptLocation": location})
    run_id = api.start_job_run(JobName="api")["JobRunId"]
    run = wait_until(
        "end of the run",
        lambda: (
            run if "CompletedOn" in (run := api.get_job_run(JobName="api", RunId=run_id)["JobRun"]) else None
        ),
    )
    assert run["JobRunState"] == "SUCCEEDED"
    # This engine was told of no other Python than the harness's own.
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert glue.output(run) == version
    assert f"so this run is on Python {version}." in glue.errors(run)
    with pytest.raises(api.exceptions.EntityNotFoundException):
        api.get_job_run(JobName="api", RunId="jr_none")


WHEEL = "tinywheel-1.0-py3-none-any.whl"


def _wheel() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("tinywheel.py", "NAME = 'a wheel'")
        info = "tinywheel-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinywheel\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(
            f"{info}/RECORD", f"tinywheel.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    return buffer.getvalue()


def _runs(glue: GlueStack, job: str) -> list[dict[str, object]]:
    runs: list[dict[str, object]] = glue.plane.get_job_runs({"JobName": job})["JobRuns"]
    return runs


def test_run_over_its_notification_threshold_is_told_once_for_each_of_its_states(glue: GlueStack) -> None:
    events, sqs = glue.engine.client("events"), glue.engine.client("sqs")
    url = sqs.create_queue(QueueName="late-runs")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    events.put_rule(Name="late-runs", EventPattern='{"source": ["aws.glue"]}')
    events.put_targets(Rule="late-runs", Targets=[{"Id": "queue", "Arn": attributes["QueueArn"]}])
    job = glue.job(SLEEPER, NotificationProperty={"NotifyDelayAfter": 1})
    run_id = glue.start(job)
    told: list[tuple[str, str]] = []

    def is_told(count: int) -> bool:
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            event = json.loads(message["Body"])
            if event["detail"]["jobRunId"] == run_id:
                told.append((event["detail-type"], event["detail"]["state"]))
        return len(told) >= count

    sleeping_processes(glue, run_id)
    wait_until("delay notification", lambda: is_told(1))
    glue.plane.batch_stop_job_run({"JobName": job, "JobRunIds": [run_id]})
    glue.finish(job, run_id)
    wait_until("state change", lambda: ("Glue Job State Change", "STOPPED") in told or is_told(99) or None)
    statuses = [state for kind, state in told if kind == "Glue Job Run Status"]
    assert statuses[-2:] == ["RUNNING", "STOPPING"]
    assert len(statuses) == len(set(statuses))
