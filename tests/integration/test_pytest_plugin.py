"""The package pytest-millpond, in environments of the oldest Python that it takes and of the newest."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import boto3
import plugin_environments
import pytest
from engine_fixtures import RunningEngine

from millpond.base.config import load_settings
from millpond.toolchain import bootstrap

# The oldest and the newest; where that is missing, the one before it.
VERSIONS = (("3.9",), ("3.14", "3.13"))
JOIN_SECONDS = 2.0
SCRIPT = """
import sys
print("day", sys.argv[sys.argv.index("--day") + 1])
if "never" in sys.argv:
    raise ValueError("no such day")
"""
MACHINE = """
{"StartAt": "Double", "States": {
  "Double": {"Type": "Pass", "Result": {"doubled": "${by}"}, "Next": "Choose"},
  "Choose": {"Type": "Choice", "Default": "Done", "Choices": [
    {"Variable": "$$.Execution.Input.fails", "IsPresent": true, "Next": "Broken"}]},
  "Done": {"Type": "Succeed"},
  "Broken": {"Type": "Fail", "Error": "Lab.Broken", "Cause": "as asked"}}}
"""
PASSES = """
import datetime, decimal
import boto3, pytest
from pytest_millpond import Athena, Aws, GlueJobs, Millpond, Objects, QueryFailed, StateMachines

def test_code_under_test_reaches_the_stack(millpond: Millpond, aws: Aws, s3: Objects):
    place = s3.bucket(millpond.unique("lake"))
    s3.put(place + "/raw/a.csv", "id")
    s3.put(place + "/raw/b.txt", b"x")
    s3.assert_objects(place + "/raw", ["*.csv", "b.txt"])
    assert boto3.client("sts").get_caller_identity()["Account"] == aws.account_id

def test_job(glue_job: GlueJobs):
    job = glue_job("job.py", command="pythonshell")
    job.run({"day": "2026"}).assert_succeeded().assert_logged("day 2026")

def test_machine(state_machine: StateMachines):
    machine = state_machine("machine.asl.json", {"by": "4"})
    machine.start().assert_succeeded({"doubled": "4"}).assert_states(["Double", "Choose", "Done"])
    machine.start({"fails": True}).assert_failed("Lab.Broken")
    state_machine("machine.asl.json", type="EXPRESS").start().assert_succeeded()

def test_query(athena: Athena):
    result = athena(
        "SELECT 1 AS a, decimal '1.50' AS d, date '2026-01-02' AS day, true AS b, "
        "cast(null AS varchar) AS n, timestamp '2026-01-02 03:04:05.120' AS at"
    )
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, 120000)
    result.assert_rows([(1, decimal.Decimal("1.5"), "2026-01-02", True, None, at)])
    athena("SELECT * FROM (VALUES 1, 2) AS t(a)").assert_rows([[2], [1]], in_any_order=True)
    with pytest.raises(QueryFailed, match="(?i)nosuch"):
        athena("SELECT nosuch FROM (VALUES 1) AS t(a)")

def test_a_stack_that_ran_before_is_not_emptied(millpond):
    with pytest.raises(RuntimeError, match="ran before these tests"):
        millpond.reset()
"""
FAILS = """
def test_bad_job(glue_job):
    glue_job("job.py", command="pythonshell").run({"day": "never"}).assert_succeeded()

def test_unknown_job(glue_job):
    glue_job("nosuch")

def test_bad_rows(athena):
    athena("SELECT 1 AS a").assert_rows([(2,)])

def test_bad_query(athena):
    athena("SELEC 1")

def test_bad_objects(s3):
    s3.assert_objects(s3.bucket("empty"), ["part-*.parquet"])

def test_bad_machine(state_machine):
    state_machine("machine.asl.json").start({"fails": True}).assert_succeeded()

def test_no_database(onprem_db):
    pass
"""
# What a person reads of each of them.
TOLD = (
    r"The Glue job job-\w+ ended as FAILED: ValueError: no such day",
    r"the end of its log:\n[\s\S]+?day never\n",
    r"There is no Glue job nosuch; the jobs: ",
    r"missing\s+E\s+\(2,\)\s+E\s+not expected\s+E\s+\(1,\)",
    r"QueryFailed: line 1:1: mismatched input 'SELEC'",
    r"missing: \['part-\*\.parquet'\]",
    r"ended as FAILED\. Lab\.Broken: as asked\s+E\s+states: Double → Choose → Broken",
    r"has no on-premises database: add a table \[onprem\]",
)


@dataclass(frozen=True)
class Environment:
    """A Python with pytest-millpond and what it needs, and a project with tests."""

    python: Path
    project: Path

    def pytest(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        left_out = ("MILLPOND_", "AWS_", "PYTEST")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        return subprocess.run(
            [self.python, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=self.project,
            env={**kept, **variables},
            capture_output=True,
            text=True,
            check=False,
        )


def roles_of(engine: RunningEngine, account: str) -> list[str]:
    iam = boto3.client(
        "iam",
        endpoint_url=engine.settings.endpoint_url,
        region_name=engine.settings.region,
        aws_access_key_id=account,
        aws_secret_access_key="test",
    )
    return [role["RoleName"] for role in iam.list_roles()["Roles"]]


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda versions: versions[0])
def environment(request, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    home = load_settings().home
    found = (bootstrap.find_python(version, home) for version in request.param)
    if (python := next(filter(None, found), None)) is None:
        pytest.skip(f"Python {' or '.join(request.param)} is not on this machine")
    base = tmp_path_factory.mktemp("plugin")
    own = plugin_environments.make(base, python)
    project = base / "project"
    project.mkdir()
    for name, text in {
        "job.py": SCRIPT,
        "machine.asl.json": MACHINE,
        "test_passes.py": PASSES,
        "test_fails.py": FAILS,
        "pytest.ini": "[pytest]\nfilterwarnings = error\n    ignore:Boto3 will no longer support\n",
    }.items():
        (project / name).write_text(text)
    return Environment(own, project)


def test_a_running_stack_is_joined_at_once_and_failures_say_why(
    environment: Environment,
    running_engine: RunningEngine,
):
    settings = running_engine.settings
    (environment.project / "millpond.toml").write_text("")
    state = environment.project / ".millpond" / "state"
    state.mkdir(parents=True)
    reached = {"endpoint_url": settings.endpoint_url, "region": settings.region}
    (state / "stack.json").write_text(json.dumps(reached))
    passed = environment.pytest("test_passes.py")
    assert passed.returncode == 0, passed.stdout + passed.stderr
    joined = re.search(r"millpond: joined http://127\.0\.0\.1:\d+ in ([0-9.]+) s", passed.stdout)
    assert joined, passed.stdout
    assert float(joined[1]) <= JOIN_SECONDS
    # Nothing that tests made stays in a stack that ran before them.
    assert running_engine.client("glue").list_jobs()["JobNames"] == []

    failed = environment.pytest("test_fails.py", AWS_ENDPOINT_URL=settings.endpoint_url)
    assert "6 failed, 1 error" in failed.stdout, failed.stdout
    missing = [text for text in TOLD if not re.search(text, failed.stdout)]
    assert missing == [], failed.stdout


@pytest.mark.parametrize("environment", VERSIONS[-1:], ids=["newest"], indirect=True)
def test_workers_have_an_account_each_and_what_does_not_go_together_is_refused(
    environment: Environment,
    running_engine: RunningEngine,
):
    endpoint = running_engine.settings.endpoint_url
    both = environment.pytest(
        "-n",
        "2",
        "--millpond-isolation",
        "account",
        "-k",
        "reaches or machine",
        "test_passes.py",
        AWS_ENDPOINT_URL=endpoint,
    )
    assert "2 passed" in both.stdout, both.stdout + both.stderr
    roles = [roles_of(running_engine, account) for account in ("000000000001", "000000000002")]
    assert sorted(roles) == [[], ["pytest-millpond"]]
    refused = environment.pytest("--millpond-isolation", "reset", "--millpond-stack", "running")
    assert "which yours would not survive: use millpond_stack = own" in refused.stderr
    nowhere = environment.pytest("-k", "test_query", "--millpond-endpoint", "http://127.0.0.1:9")
    assert "No stack answers at http://127.0.0.1:9. Start it: millpond up." in nowhere.stdout
    (environment.project / "millpond.toml").unlink(missing_ok=True)
    no_tool = environment.pytest("-k", "test_query", "--millpond-stack", "own", MILLPOND_PROGRAM="/nosuch")
    assert "Install it (uv tool install millpond" in no_tool.stdout
