"""Python shell jobs: what a script sees, on either tier, and what a caller of the API sees of its runs."""

from __future__ import annotations

import json
import re

import pytest
from archives import zipped
from checkouts import IS_EMBEDDED
from job_runs import GlueJobs
from waiting import wait_until

from millpond.testing.jobs import BUCKET, ROLE

SLEEPER = """
import time
print("asleep", flush=True)
time.sleep(600)
"""
WHEEL = "tinywheel-1.0-py3-none-any.whl"


def start_sleeper(glue: GlueJobs, job: str) -> str:
    """Start a run of ``SLEEPER``; its id, once the log has what the script says before it sleeps."""
    run_id = glue.start(job)
    wait_until("output", lambda: glue.log("/aws-glue/python-jobs/output", run_id) == "asleep")
    return run_id


@pytest.mark.both_tiers
def test_script_gets_its_arguments_the_documented_python_and_its_roles_credentials(glue: GlueJobs) -> None:
    run = glue.run(
        """
        import boto3, json, os, sys
        print(json.dumps({
            "argv": sys.argv[1:],
            "name": os.path.basename(sys.argv[0]),
            "version": "%d.%d" % sys.version_info[:2],
            "caller": boto3.client("sts").get_caller_identity()["Arn"],
            "aws": sorted(name for name in os.environ if name.startswith(("AWS_", "MILLPOND_"))),
            "TZ": os.environ["TZ"],
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
    assert said["name"] == f"{run['JobName']}.py"
    assert re.fullmatch(
        rf"arn:aws:sts::000000000000:assumed-role/{ROLE}/GlueJobRunnerSession-\w+", said["caller"]
    )
    assert said["aws"] == [
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "MILLPOND_GLUE_BOOKMARK_FILE",
        *(["MILLPOND_OWNER"] if IS_EMBEDDED else []),
    ]
    assert said["TZ"] == "UTC"
    # The image has AWS's Python; a machine may have another one, and then the run says so.
    warning = f"this run is on Python {said['version']}."
    assert said["version"] == "3.9" or (IS_EMBEDDED and warning in glue.errors(run))


def test_run_reports_what_aws_reports(glue: GlueJobs) -> None:
    run = glue.run("print('done')", arguments={"--a": "1"})
    assert re.fullmatch(r"jr_[0-9a-f]{64}", run["Id"])
    assert run["Attempt"] == 0
    assert run["Arguments"] == {"--a": "1"}
    assert run["MaxCapacity"] == 0.0625
    assert run["LogGroupName"] == "/aws-glue/python-jobs"
    assert run["StartedOn"] <= run["CompletedOn"]
    assert run["ExecutionTime"] <= (run["CompletedOn"] - run["StartedOn"]).total_seconds() + 1


@pytest.mark.both_tiers
def test_syntax_error_fails_the_run_and_its_traceback_is_in_the_error_log(glue: GlueJobs) -> None:
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
    glue: GlueJobs, script: str, message: str
) -> None:
    run = glue.run(script)
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", message)


def test_missing_script_fails_the_run_and_not_the_start(glue: GlueJobs) -> None:
    job = glue.job("print()")
    glue.aws.s3.delete_object(Bucket=BUCKET, Key=f"scripts/{job}.py")
    run = glue.finish(job, glue.start(job))
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith(
        f"LAUNCH ERROR | Error downloading from S3 for bucket: {BUCKET}, key: scripts/{job}.py."
    )
    assert "Status Code: 404" in run["ErrorMessage"]
    assert run["ErrorMessage"] in glue.errors(run)


@pytest.mark.parametrize("role", ["arn:aws:iam::000000000000:role/nobody", "not-for-glue"])
def test_role_that_glue_cannot_assume_fails_the_run(glue: GlueJobs, role: str) -> None:
    if role == "not-for-glue":
        statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "*"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        glue.aws.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=trust)
    run = glue.run("print()", Role=role)
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].endswith("should be given assume role permissions for Glue Service.")


@pytest.mark.both_tiers
def test_stopped_run_ends_as_STOPPED_and_cannot_be_stopped_again(glue: GlueJobs) -> None:  # noqa: N802
    job = glue.job(SLEEPER)
    run_id = start_sleeper(glue, job)
    assert glue.look(job, run_id)["JobRunState"] == "RUNNING"
    answer = glue.stop(job, run_id, "jr_none")
    assert answer["SuccessfulSubmissions"] == [{"JobName": job, "JobRunId": run_id}]
    assert [error["ErrorDetail"]["ErrorCode"] for error in answer["Errors"]] == ["EntityNotFoundException"]
    assert glue.finish(job, run_id)["JobRunState"] == "STOPPED"
    again = glue.stop(job, run_id)
    assert [error["ErrorDetail"]["ErrorCode"] for error in again["Errors"]] == ["InvalidInputException"]


def test_no_more_runs_than_MaxConcurrentRuns(glue: GlueJobs) -> None:  # noqa: N802
    job = glue.job(SLEEPER, ExecutionProperty={"MaxConcurrentRuns": 2})
    run_ids = [glue.start(job), glue.start(job)]
    too_many = glue.aws.glue.exceptions.ConcurrentRunsExceededException
    with pytest.raises(too_many, match=f"Concurrent runs exceeded for {job}"):
        glue.start(job)
    glue.stop(job, run_ids[0])
    glue.finish(job, run_ids[0])
    run_ids.append(glue.start(job))
    glue.stop(job, *run_ids[1:])
    assert {glue.finish(job, run_id)["JobRunState"] for run_id in run_ids} == {"STOPPED"}


def test_failed_run_is_tried_again_as_often_as_MaxRetries_says(glue: GlueJobs) -> None:  # noqa: N802
    job = glue.job("raise RuntimeError('again')", MaxRetries=1)
    first = glue.start(job)
    second = f"{first}_attempt_1"

    def runs() -> dict[str, dict]:
        return {run["Id"]: dict(run) for run in glue.aws.glue.get_job_runs(JobName=job)["JobRuns"]}

    wait_until("second attempt", lambda: second in runs())
    glue.finish(job, second)
    assert list(runs()) == [second, first]
    newest, oldest = runs().values()
    assert (newest["Attempt"], newest["PreviousRunId"], newest["JobRunState"]) == (1, first, "FAILED")
    assert (oldest["Attempt"], oldest["JobRunState"]) == (0, "FAILED")


@pytest.mark.both_tiers
def test_libraries_files_and_wheels_from_s3_are_there(glue: GlueJobs) -> None:
    libraries = [
        glue.put("lib/single.py", "NAME = 'a module'"),
        glue.put("lib/shared.zip", zipped({"shared/__init__.py": "NAME = 'a package in a zip'"})),
        glue.put(f"lib/{WHEEL}", wheel()),
    ]
    run = glue.run(
        """
        import single, shared, tinywheel
        with open(tinywheel.__file__) as file:  # It is installed, not imported out of the archive.
            print(single.NAME, shared.NAME, tinywheel.NAME, open("settings.txt").read(), sep="|")
        """,
        DefaultArguments={
            "--extra-py-files": ",".join(libraries),
            "--extra-files": glue.put("lib/settings.txt", "a file"),
            "--additional-python-modules": "boto3>1,<99",
        },
    )
    assert run.get("ErrorMessage") is None
    assert glue.output(run) == "a module|a package in a zip|a wheel|a file"


@pytest.mark.both_tiers
def test_module_that_cannot_be_installed_fails_the_run(glue: GlueJobs) -> None:
    broken = glue.put(f"broken/{WHEEL}", b"this is not a wheel")
    for parameter in ("--extra-py-files", "--additional-python-modules"):
        run = glue.run("print()", DefaultArguments={parameter: broken})
        assert run["JobRunState"] == "FAILED"
        assert run["ErrorMessage"].startswith("Installation of additional Python modules failed: ")


def test_runs_are_listed_newest_first_in_pages(glue: GlueJobs) -> None:
    job = glue.job("print()")
    started = []
    for _ in range(3):
        started.append(glue.start(job))
        glue.finish(job, started[-1])
    first = glue.aws.glue.get_job_runs(JobName=job, MaxResults=2)
    rest = glue.aws.glue.get_job_runs(JobName=job, MaxResults=2, NextToken=first["NextToken"])
    pages = [[run["Id"] for run in page["JobRuns"]] for page in (first, rest)]
    assert pages == [[started[2], started[1]], [started[0]]]
    assert "NextToken" not in rest


def test_bookmark_counts_the_runs_that_ask_for_one(glue: GlueJobs) -> None:
    job = glue.job(
        "print()",
        DefaultArguments={"--job-bookmark-option": "job-bookmark-disable"},
        NonOverridableArguments={"--job-bookmark-option": "job-bookmark-enable"},
    )
    runs = [glue.finish(job, glue.start(job))["Id"] for _ in range(2)]
    entry = glue.aws.glue.get_job_bookmark(JobName=job)["JobBookmarkEntry"]
    assert (entry["Run"], entry["RunId"], entry["PreviousRunId"]) == (2, runs[1], runs[0])
    assert glue.aws.glue.reset_job_bookmark(JobName=job)["JobBookmarkEntry"]["Run"] == 0


def test_run_that_is_not_there_is_EntityNotFound(glue: GlueJobs) -> None:  # noqa: N802
    with pytest.raises(glue.aws.glue.exceptions.EntityNotFoundException):
        glue.look(glue.job("print()"), "jr_none")


def wheel() -> bytes:
    info = "tinywheel-1.0.dist-info"
    return zipped(
        {
            "tinywheel.py": "NAME = 'a wheel'",
            f"{info}/METADATA": "Metadata-Version: 2.1\nName: tinywheel\nVersion: 1.0\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": f"tinywheel.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
        }
    )
