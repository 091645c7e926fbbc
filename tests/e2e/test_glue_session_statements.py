"""Interactive sessions: statements in a kept interpreter of Spark, and AWS's own notebook kernel over them.

The first tests share one session, as the start of each takes as long as that of a job run.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from checkouts import IS_EMBEDDED
from job_runs import RUN_SECONDS, GlueJobs

from millpond.base.config import load_settings
from millpond.base.waiting import wait_until
from millpond.testing.jobs import ROLE
from millpond.toolchain.bootstrap import uv_environment

pytestmark = pytest.mark.skipif(not IS_EMBEDDED, reason="refused by name in containers")

NOTEBOOK = Path(__file__).with_name("notebook.py")
ROLE_ARN = f"arn:aws:iam::000000000000:role/{ROLE}"


@pytest.fixture(scope="module")
def session(glue: GlueJobs) -> Iterator[str]:
    client = glue.aws.glue
    client.create_session(
        Id="a-session",
        Role=ROLE_ARN,
        Command={"Name": "glueetl", "PythonVersion": "3"},
        GlueVersion="5.1",
        WorkerType="G.1X",
        NumberOfWorkers=2,
        DefaultArguments={"--enable-glue-datacatalog": "true"},
        Tags={"owner": "tests"},
    )
    wait_until(
        "ready session",
        lambda: client.get_session(Id="a-session")["Session"]["Status"] != "PROVISIONING",
        RUN_SECONDS,
    )
    found = client.get_session(Id="a-session")["Session"]
    assert (found["Status"], found["ErrorMessage"]) == ("READY", "")
    yield "a-session"
    client.stop_session(Id="a-session")
    wait_until("end", lambda: client.get_session(Id="a-session")["Session"]["Status"] == "STOPPED")
    client.delete_session(Id="a-session")
    assert "a-session" not in client.list_sessions()["Ids"]


def ran(glue: GlueJobs, session: str, code: str, *, cancel: bool = False) -> dict[str, Any]:
    client = glue.aws.glue
    number = client.run_statement(SessionId=session, Code=code)["Id"]

    def look() -> dict[str, Any]:
        return dict(client.get_statement(SessionId=session, Id=number)["Statement"])

    if cancel:
        wait_until("running statement", lambda: look()["State"] == "RUNNING")
        client.cancel_statement(SessionId=session, Id=number)
    wait_until("end of the statement", lambda: look()["State"] in ("AVAILABLE", "CANCELLED"), RUN_SECONDS)
    return look()


def test_statements_share_names_with_spark_and_its_workers_and_say_what_failed(
    glue: GlueJobs, session: str
) -> None:
    ran(glue, session, "def plus(n):\n    return n + base\nbase = 40")
    outputs = [
        ran(glue, session, code)["Output"]
        for code in (
            "spark.sparkContext.parallelize([1, 2]).map(plus).collect()",
            "spark.sql('SHOW DATABASES').show()\nprint(spark.version[0])",
            "1 / 0",
        )
    ]
    assert [one["Status"] for one in outputs] == ["ok", "ok", "error"]
    assert outputs[0]["Data"]["TextPlain"] == "[41, 42]\n"
    assert outputs[1]["Data"]["TextPlain"].endswith("+\n\n3\n")
    assert (outputs[2]["ErrorName"], outputs[2]["ErrorValue"]) == ("ZeroDivisionError", "division by zero")


@pytest.mark.parametrize(
    "code",
    [
        "import time\nwhile True:\n    time.sleep(1)",
        "spark.range(10**13).selectExpr('sum(id * id)').collect()",
    ],
    ids=["python", "spark"],
)
def test_statement_is_cancelled_and_the_next_one_runs(glue: GlueJobs, session: str, code: str) -> None:
    assert ran(glue, session, code, cancel=True)["State"] == "CANCELLED"
    assert ran(glue, session, "spark.range(3).count()")["Output"]["Data"]["TextPlain"] == "3\n"


def test_sessions_are_listed_by_tags_and_unknown_ones_are_not_found(glue: GlueJobs, session: str) -> None:
    client = glue.aws.glue
    assert client.list_sessions(Tags={"owner": "tests"})["Ids"] == [session]
    assert client.list_sessions(Tags={"owner": "others"})["Ids"] == []
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        client.get_session(Id="another")
    with pytest.raises(ClientError, match="IllegalSessionStateException"):
        client.delete_session(Id=session)


@pytest.mark.foreign
@pytest.mark.timeout(1800)
def test_notebook_runs_in_the_kernel_that_aws_publishes(glue: GlueJobs, tmp_path: Path) -> None:
    uv, python = load_settings().home / "uv/bin/uv", tmp_path / "venv/bin/python"
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(
        "[profile millpond]\n"
        f"region = eu-west-1\nendpoint_url = {glue.aws.glue.meta.endpoint_url}\n"
        "aws_access_key_id = test\naws_secret_access_key = test\n"
    )
    environment = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "VIRTUAL_ENV": str(tmp_path / "venv"),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(tmp_path / "cache")),
        "glue_profile": "millpond",
        "glue_role_arn": ROLE_ARN,
        "AWS_REGION": "eu-west-1",
        # The certificates of this machine.
        **{name: value for name, value in uv_environment(tmp_path).items() if name == "UV_SYSTEM_CERTS"},
    }

    def do(*command: str | Path) -> str:
        done = subprocess.run(
            [str(one) for one in command], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    do(uv, "venv", "--python", "3.11", python.parents[1])
    do(uv, "pip", "install", "aws-glue-sessions==1.0.9", "nbclient", "ipykernel")
    do(python.parent / "install-glue-kernels")
    outputs = json.loads(do(python, NOTEBOOK))
    texts = ["".join(one.get("text", "") for one in cell) for cell in outputs]
    assert texts[1].endswith("6\n")
    assert "|  3|" in texts[2]
    assert "ZeroDivisionError: division by zero" in texts[3]
    assert "Stopped session" in texts[-1]
