"""awswrangler's own tests of Athena and the catalog against an engine; none was written for Millpond.

The archive on PyPI has no tests: they come by git, at a commit. The environment is locked in
``requirements/athena-clients.txt``. A test that fails has a reason in ``awswrangler_reasons.py``, and a
reason whose test passes is out of date: both fail here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine_fixtures import RunningEngine, started_engine
from junit_reports import outcomes

from millpond.base.config import CHECKOUT, load_settings

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from awswrangler_reasons import REASONS  # noqa: E402

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(1800)]

SUITE = "https://github.com/aws/aws-sdk-pandas"
COMMIT = "cfe0ca818a1a0c8a93b42e8605888efd328a6617"
FILES = ("test_athena_projection", "test_catalog")
LOCK = CHECKOUT / "requirements" / "athena-clients.txt"
# What the suite has in its account: the outputs of a stack.
STACK = """
Resources:
  Bucket: {Type: AWS::S3::Bucket}
  Key:
    Type: AWS::KMS::Key
    Properties:
      KeyPolicy:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {AWS: "*"}, Action: "kms:*", Resource: "*"}]
  Database:
    Type: AWS::Glue::Database
    Properties: {CatalogId: !Ref AWS::AccountId, DatabaseInput: {Name: aws_sdk_pandas}}
Outputs:
  Region: {Value: !Ref AWS::Region}
  BucketName: {Value: !Ref Bucket}
  KmsKeyArn: {Value: !GetAtt Key.Arn}
  GlueDatabaseName: {Value: !Ref Database}
"""


def environment(directory: Path) -> Path:
    """The Python of an environment with what is locked."""
    uv, python = load_settings().home / "uv" / "bin" / "uv", directory / "venv" / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, directory / "venv"], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", LOCK]
    subprocess.run(install, check=True)
    return python


def fetched(directory: Path) -> Path:
    suite = directory / "suite"
    git = ["git", "-C", suite]
    subprocess.run(["git", "init", "--quiet", suite], check=True)
    subprocess.run([*git, "fetch", "--quiet", "--depth", "1", SUITE, COMMIT], check=True)
    subprocess.run([*git, "checkout", "--quiet", "FETCH_HEAD"], check=True)
    return suite


def prepare(running: RunningEngine) -> None:
    stacks = running.client("cloudformation")
    stacks.create_stack(StackName="aws-sdk-pandas-base", TemplateBody=STACK)
    stacks.get_waiter("stack_create_complete").wait(
        StackName="aws-sdk-pandas-base", WaiterConfig={"Delay": 1}
    )


def reason(name: str) -> str:
    """Why a test is expected to fail; nothing if it is not."""
    return REASONS.get(name) or REASONS.get(name.partition("[")[0], "")


def test_the_tests_of_awswrangler_pass_but_those_that_ask_for_what_is_refused(tmp_path: Path) -> None:
    python, suite, report = environment(tmp_path), fetched(tmp_path), tmp_path / "report.xml"
    command = [python, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "-o", "addopts="]
    command += [
        "--timeout",
        "300",
        "-rfE",
        "--tb",
        "short",
        f"--junitxml={report}",
        *(f"tests/unit/{name}.py" for name in FILES),
    ]
    with started_engine(tmp_path) as running:
        prepare(running)
        own = {
            "AWS_ENDPOINT_URL": running.settings.endpoint_url,
            "AWS_DEFAULT_REGION": running.settings.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "WR_ATHENA_QUERY_WAIT_POLLING_DELAY": "0.1",
        }
        subprocess.run(command, cwd=suite, env={**os.environ, **own}, check=False)
    found = outcomes(report)
    failed = {name: message for name, message in found.items() if message}
    unexplained = {name: message[:400] for name, message in failed.items() if not reason(name)}
    assert len(found) > 15, found
    assert not unexplained
    failing = {*failed, *(name.partition("[")[0] for name in failed)}
    assert not sorted(set(REASONS) - failing), "these pass now: take their reasons away"
