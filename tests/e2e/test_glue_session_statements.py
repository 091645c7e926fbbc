"""Interactive sessions: statements in a kept interpreter of Spark, and notebooks over them by AWS's kernel.

The first tests share one session, as the start of each takes as long as that of a job run.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from checkouts import IS_EMBEDDED, Checkout
from job_runs import RUN_SECONDS, GlueJobs
from ports import free_port

from millpond.base.waiting import wait_until
from millpond.testing.jobs import ROLE

pytestmark = pytest.mark.skipif(not IS_EMBEDDED, reason="refused by name in containers")

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


CELLS = [
    "import sys\nfrom awsglue.context import GlueContext\nfrom awsglue.utils import getResolvedOptions\n"
    "from pyspark.context import SparkContext\n"
    "spark = GlueContext(SparkContext.getOrCreate()).spark_session\n"
    "spark.range(3).createOrReplaceTempView('numbers')\n"
    "options = getResolvedOptions(sys.argv, ['day', 'shop'])\n"
    "print(spark.version[0], options['day'], options['shop'])",
    "%%sql\nSELECT sum(id) AS total FROM numbers",
    "1 / 0",
    "print('not reached')",
]


@pytest.mark.foreign
def test_a_notebook_is_executed_in_a_session_like_a_jobs_until_a_cell_fails(
    bare_stack: Checkout, glue: GlueJobs, tmp_path: Path
) -> None:
    job = glue.job("", command="glueetl", DefaultArguments={"--day": "monday", "--shop": "Antônio's"})
    path = tmp_path / "ein Heft.ipynb"
    cells = [
        {"cell_type": "code", "id": f"cell-{number}", "metadata": {}, "outputs": [], "source": source}
        | {"execution_count": None}
        for number, source in enumerate(CELLS)
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    done = bare_stack.run("notebook", job, "--arg", "day=tuesday", "--execute", str(path))
    assert done.returncode == 1, done.stdout
    assert "A cell failed: ZeroDivisionError: division by zero" in done.stderr
    outputs = [cell["outputs"] for cell in json.loads(path.read_text())["cells"]]
    texts = ["".join("".join(one.get("text", "")) for one in cell) for cell in outputs]
    assert texts[0].rstrip().endswith("3 tuesday Antônio's")
    assert "|    3|" in texts[1]
    assert texts[3] == ""

    def ended() -> bool:
        return "STOPPED" in [session["Status"] for session in glue.aws.glue.list_sessions()["Sessions"]]

    wait_until("end of the kernel's session", ended, RUN_SECONDS)


@pytest.mark.foreign
def test_jupyterlab_listens_on_this_machine_for_who_has_the_token(
    bare_stack: Checkout, glue: GlueJobs
) -> None:
    port = free_port()
    opened = bare_stack.popen("notebook", "--role", ROLE, "--port", str(port))
    try:
        assert opened.stderr is not None
        said = next(line for line in opened.stderr if "token=" in line)
        address, token = re.search(r"(http://127\.0\.0\.1:\d+)/lab\?token=(\S+);", said).groups()  # type: ignore[union-attr]
        assert address.endswith(f":{port}")

        def kernels(given: str) -> tuple[int, str]:
            answer = httpx.get(f"{address}/api/kernelspecs", params={"token": given})
            return answer.status_code, answer.text

        wait_until("JupyterLab", lambda: _answers(port), RUN_SECONDS)
        assert kernels("")[0] == 403
        status, text = kernels(token)
        assert (status, list(json.loads(text)["kernelspecs"])) == (200, ["glue_pyspark"])
    finally:
        opened.terminate()
        opened.communicate()


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def test_a_notebook_says_what_it_lacks(bare_stack: Checkout, glue: GlueJobs) -> None:
    shell = glue.job("")
    assert "is no job of Spark in Python" in bare_stack.run("notebook", shell).stderr
    assert "millpond notebook --role ROLE" in bare_stack.run("notebook").stderr
    assert "There is no such notebook." in bare_stack.run("notebook", shell, "--execute", "no.ipynb").stderr
