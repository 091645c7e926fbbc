"""A platform with a bit of everything, and hostile names, for the console to show; and the console itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from engine_fixtures import RunningEngine, wait_for
from ports import free_port

HOSTILE = "<img src=x onerror=alert(1)>"
BUCKET = "console-lake"
SCRIPT = """
import boto3
boto3.client("s3").put_object(Bucket="console-lake", Key="out/day=1/a.txt", Body=b"x")
for number in range(300):
    print("line", number)
print("<script>alert(2)</script>")
raise KeyError("the day that is missing")
"""
MACHINE = {
    "StartAt": "look",
    "States": {
        "look": {"Type": "Pass", "Next": "is it there"},
        "is it there": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.day", "IsPresent": True, "Next": HOSTILE}],
            "Default": "give up",
        },
        HOSTILE: {"Type": "Succeed"},
        "give up": {"Type": "Fail", "Error": "NoDay", "Cause": "nobody said which day"},
    },
}


def fill(running: RunningEngine) -> dict[str, str]:
    """Deploy and run; the addresses of the pages of runs, by name."""
    s3, glue, athena, states = map(running.client, ("s3", "glue", "athena", "stepfunctions"))
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket=BUCKET, Key="broken.py", Body=SCRIPT)
    s3.put_object(Bucket=BUCKET, Key="orders/1.csv", Body="1,ada,9.5\n2,bob,\n3,<b>eve</b>,1\n")
    glue.create_job(
        Name="broken",
        Role=running.role(),
        Command={"Name": "pythonshell", "PythonVersion": "3.9", "ScriptLocation": f"s3://{BUCKET}/broken.py"},
        DefaultArguments={"--day": "2026-05-01", "--db_password": "hunter2"},
    )
    glue.create_database(DatabaseInput={"Name": "shop"})
    _table(glue, "orders", {"id": "bigint", "who": "string", "amount": "double"})
    _table(glue, HOSTILE, {HOSTILE: "string"})
    for statement in (
        f"CREATE TABLE shop.sums (day int, amount int) LOCATION 's3://{BUCKET}/sums/'"
        " TBLPROPERTIES ('table_type' = 'ICEBERG')",
        "INSERT INTO shop.sums VALUES (1, 10), (2, 20)",
        "UPDATE shop.sums SET amount = 21 WHERE day = 2",
    ):
        _ask(athena, statement)
    machine = states.create_state_machine(
        name="flow", definition=json.dumps(MACHINE), roleArn=running.role()
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine, input="{}")["executionArn"]
    run = glue.start_job_run(JobName="broken")["JobRunId"]
    query = athena.start_query_execution(
        QueryString="SELECT nope FROM shop.orders",
        ResultConfiguration={"OutputLocation": f"s3://{BUCKET}/results/"},
    )["QueryExecutionId"]

    def have_ended() -> bool:
        job = glue.get_job_run(JobName="broken", RunId=run)["JobRun"]["JobRunState"]
        asked = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]["State"]
        done = states.describe_execution(executionArn=execution)["status"]
        return (job, asked, done) == ("FAILED", "FAILED", "FAILED")

    wait_for("all three have failed", have_ended, 60)
    return {
        "job": _address("job", "broken", run),
        "execution": _address("execution", "flow", execution),
        "query": _address("query", "primary", query),
    }


def _ask(athena, statement: str) -> None:
    place = {"OutputLocation": f"s3://{BUCKET}/results/"}
    asked = athena.start_query_execution(QueryString=statement, ResultConfiguration=place)
    told: dict = {}

    def has_ended() -> bool:
        told.update(athena.get_query_execution(QueryExecutionId=asked["QueryExecutionId"]))
        return told["QueryExecution"]["Status"]["State"] not in ("QUEUED", "RUNNING")

    wait_for(f"an end of {statement}", has_ended, 60)
    assert told["QueryExecution"]["Status"]["State"] == "SUCCEEDED", told


def _address(kind: str, name: str, run_id: str) -> str:
    return f"/run?{urlencode({'kind': kind, 'name': name, 'id': run_id})}"


def _table(glue, name: str, columns: dict[str, str]) -> None:
    text = "org.apache.hadoop"
    glue.create_table(
        DatabaseName="shop",
        TableInput={
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": {
                "Location": f"s3://{BUCKET}/orders/",
                "Columns": [{"Name": column, "Type": kind} for column, kind in columns.items()],
                "InputFormat": f"{text}.mapred.TextInputFormat",
                "OutputFormat": f"{text}.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                "SerdeInfo": {
                    "SerializationLibrary": f"{text}.hive.serde2.lazy.LazySimpleSerDe",
                    "Parameters": {"field.delim": ","},
                },
            },
        },
    )


@contextmanager
def opened_console(running: RunningEngine, *options: str) -> Iterator[str]:
    """``millpond console``, beside an engine; the address that it prints."""
    environment = {
        # By this NiceGUI would take itself for under test.
        **{name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "MILLPOND_GATEWAY_PORT": str(running.settings.gateway_port),
        "MILLPOND_STATE_DIR": str(running.settings.state),
    }
    program = Path(sys.executable).with_name("millpond")
    child = subprocess.Popen(
        [program, "console", f"--port={free_port()}", *options],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        yield child.stdout.readline().strip()
    finally:
        child.terminate()
        child.wait(30)
