"""Job runs in the worker's container, and in containers of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from container_stack import Containers

from millpond.config import CHECKOUT
from millpond.testing.jobs import ROLE, run_glue_job

DEADLINE_SECONDS = 60
OOM = "held = []\nwhile True: held.append(bytearray(64 * 1024 * 1024))\n"


@pytest.fixture
def script(tmp_path: Path):
    def write(text: str, name: str = "job") -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        return path

    return write


def run(containers: Containers, path: Path, command: str = "pythonshell", **settings):
    return run_glue_job(
        containers.aws, path, arguments={"--day": "2024-05-31"}, command=command, settings=settings
    )


def test_a_shell_job_runs_on_python_39_with_its_arguments_and_its_role(containers, script) -> None:
    text = (
        "import sys, boto3\nfrom awsglue.utils import getResolvedOptions\n"
        "print(sys.version_info[:2], getResolvedOptions(sys.argv, ['day'])['day'])\n"
        "print(boto3.client('sts').get_caller_identity()['Arn'])\n"
    )
    done = run(containers, script(text))
    assert done.state == "SUCCEEDED", done.log
    assert "(3, 9) 2024-05-31" in done.log
    assert f"assumed-role/{ROLE}" in done.log


def test_a_spark_job_writes_to_s3_and_a_failure_has_its_message(containers, script) -> None:
    text = (
        "from awsglue.context import GlueContext\nfrom pyspark.context import SparkContext\n"
        "spark = GlueContext(SparkContext.getOrCreate()).spark_session\n"
        "spark.range(1000).coalesce(1).write.parquet('s3://millpond-testing/range/')\n"
        "print('rows', spark.read.parquet('s3://millpond-testing/range/').count())\n"
        "raise ValueError('as asked')\n"
    )
    done = run(containers, script(text), "glueetl")
    assert "rows 1000" in done.log
    assert (done.state, done.error_message) == ("FAILED", "ValueError: as asked")


def test_a_job_that_is_stopped_leaves_no_process_in_the_worker(containers, script) -> None:
    path = script("import subprocess\nsubprocess.run(['sleep', '4321'])\n", "sleeper")
    run(containers, script("print(1)"))  # makes bucket and role
    aws, worker = containers.aws, containers.container("glue")
    aws.s3.upload_file(str(path), "millpond-testing", "sleeper.py")
    location = {"Name": "pythonshell", "ScriptLocation": "s3://millpond-testing/sleeper.py"}
    aws.glue.create_job(Name="sleeper", Role=ROLE, Command=location)
    run_id = aws.glue.start_job_run(JobName="sleeper")["JobRunId"]

    def sleeps() -> bool:
        return any("4321" in " ".join(process) for process in worker.top()["Processes"])

    wait_for(sleeps)
    aws.glue.batch_stop_job_run(JobName="sleeper", JobRunIds=[run_id])
    state = lambda: aws.glue.get_job_run(JobName="sleeper", RunId=run_id)["JobRun"]["JobRunState"]  # noqa: E731
    wait_for(lambda: state() == "STOPPED")
    assert not sleeps()


def test_a_job_that_uses_up_the_workers_memory_fails_and_the_next_one_runs(containers, script) -> None:
    done = run(containers, script(OOM))
    assert done.state == "FAILED"
    assert "exit code 137" in done.error_message
    assert "1536 MiB of memory" in done.log
    assert run(containers, script("print('well')")).state == "SUCCEEDED"


def test_in_per_run_mode_a_run_has_its_own_container_with_its_limits_and_leaves_none(
    tmp_path, containers, script
) -> None:
    own = containers.with_settings(glue_container_mode="per-run")
    own.stack.down()
    own.stack.up()
    try:
        done = run(own, script("import os\nprint('host', os.uname().nodename)\n"))
        assert done.state == "SUCCEEDED", done.log
        assert containers.container("glue").id[:12] not in done.log
        starved = run(own, script(OOM), MaxCapacity=0.0625)
        assert starved.state == "FAILED"
        assert "1024 MiB of memory" in starved.log
        left = own.client.containers.list(all=True, filters={"label": "org.millpond.glue-worker"})
        assert left == []
    finally:
        own.stack.down()
        containers.stack.up()


def test_the_example_project_passes_in_containers(containers) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", ".", "--millpond-tier", "compose", "."],
        cwd=CHECKOUT / "examples" / "glue_job",
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


def wait_for(condition) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
