"""Python shell jobs as processes: what they leave, what ends them, and files. The rest is in tests/e2e."""

from __future__ import annotations

import json
import stat
import sys
from importlib import metadata
from pathlib import Path

import psutil
from glue_fixtures import BUCKET, GlueStack, glue
from waiting import wait_until

from millpond.base import landlock, process
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


def test_script_runs_on_the_python_of_the_tools_without_the_variables_of_the_engine(glue: GlueStack) -> None:
    run = glue.run(
        """
        import json, os, sys
        print(json.dumps({"version": "%d.%d" % sys.version_info[:2], "variables": sorted(os.environ)}))
        """
    )
    said = json.loads(glue.output(run))
    assert said["version"] == interpreter_facts(glue.context.tools.shell_python)[0]
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
        "MILLPOND_GLUE_BOOKMARK_FILE",
        "MILLPOND_OWNER",
        "PATH",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "TMPDIR",
        "TZ",
    }


def test_run_with_what_is_not_there_fails_before_its_script(glue: GlueStack) -> None:
    for settings, message in (
        (
            {"Connections": {"Connections": ["nowhere"]}},
            "Unable to resolve any valid connection (Service: AWSGlueJobExecutor; Status Code: 400; "
            "Error Code: InvalidInputException): Connection nowhere not found.",
        ),
        ({"SecurityConfiguration": "none"}, "Security configuration none not found"),
    ):
        job = glue.job("print('begun')", **settings)
        run = glue.finish(job, glue.start(job))
        assert run["JobRunState"] == "FAILED"
        assert run["ErrorMessage"].startswith(message)
        assert "begun" not in glue.log("/aws-glue/python-jobs/output", run["Id"])


def test_run_over_timeout_ends_as_TIMEOUT_and_kills_the_process_group(glue: GlueStack) -> None:  # noqa: N802
    job = glue.job(SLEEPER, Timeout=480)
    run_id = glue.start(job, Timeout=3)
    processes = sleeping_processes(glue, run_id)
    run = glue.finish(job, run_id)
    assert run["JobRunState"] == "TIMEOUT"
    assert run["Timeout"] == 3
    assert run["ExecutionTime"] >= 3
    assert not any(is_alive(pid) for pid in processes)


def test_stopped_run_kills_the_process_group(glue: GlueStack) -> None:
    job = glue.job(SLEEPER)
    run_id = glue.start(job)
    processes = sleeping_processes(glue, run_id)
    glue.plane.batch_stop_job_run({"JobName": job, "JobRunIds": [run_id]})
    glue.finish(job, run_id)
    assert not any(is_alive(pid) for pid in processes)


def test_what_a_script_leaves_running_ends_with_the_run(glue: GlueStack) -> None:
    run = glue.run(
        """
        import subprocess, sys
        sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
        for leaves in (False, True):
            print(subprocess.Popen(sleeper, start_new_session=leaves).pid)
        """
    )
    assert run["JobRunState"] == "SUCCEEDED"
    assert not any(is_alive(int(pid)) for pid in glue.output(run).split())


def test_wheels_that_the_environment_has_are_not_even_brought(glue: GlueStack) -> None:
    _, search_path = interpreter_facts(glue.context.tools.shell_python)
    installed = {one.metadata["Name"]: one.version for one in metadata.distributions(path=list(search_path))}
    names = [f"{name}-{installed[name]}-py3-none-any.whl" for name in ("boto3", "pyarrow")]
    run = glue.run(
        "import boto3, pyarrow; print(boto3.__version__, pyarrow.__version__)",
        DefaultArguments={"--extra-py-files": ",".join(f"s3://{BUCKET}/absent/{name}" for name in names)},
    )
    assert run.get("ErrorMessage") is None
    assert glue.output(run) == f"{installed['boto3']} {installed['pyarrow']}"


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


def test_a_job_sees_neither_the_home_nor_the_state_of_others(glue: GlueStack) -> None:
    others = [str(Path("~").expanduser()), str(glue.context.state_dir)]
    run = glue.run(
        f"""
        import os
        for path in (*{others}, os.environ["HOME"], "/usr"):
            try:
                print("seen" if os.listdir(path) else "empty")
            except PermissionError:
                print("denied")
        """
    )
    fenced = ["denied", "denied"] if landlock.version() else ["seen", "seen"]
    assert glue.output(run).split() == [*fenced, "seen", "seen"]


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
