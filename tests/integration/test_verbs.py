"""Verbs for any project, as a person types them beside a running engine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine, wait_for

from millpond.base.waiting import scaled
from millpond.client import stream
from millpond.client.stream import Record

MILLPOND = Path(sys.executable).with_name("millpond")
MACHINE = {
    "StartAt": "Double",
    "States": {
        "Double": {"Type": "Pass", "Result": {"doubled": 4}, "Next": "Choose"},
        "Choose": {
            "Type": "Choice",
            "Choices": [{"Variable": "$$.Execution.Input.fails", "IsPresent": True, "Next": "Broken"}],
            "Default": "Done",
        },
        "Done": {"Type": "Succeed"},
        "Broken": {"Type": "Fail", "Error": "Lab.Broken", "Cause": "as asked"},
    },
}
CONFIGURATION = """
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
  backend "s3" {
    bucket         = "their-state"
    key            = "lake/terraform.tfstate"
    region         = "us-east-1"
    dynamodb_table = "their-locks"
    profile        = "theirs"
  }
}
provider "aws" {
  region  = "eu-west-1"
  profile = "theirs"
}
variable "name" { type = string }
resource "aws_s3_bucket" "data" { bucket = var.name }
resource "aws_glue_catalog_database" "data" { name = var.name }
"""
TEMPLATE = """
Parameters:
  Name: {Type: String}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: states.amazonaws.com}, Action: "sts:AssumeRole"}]
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties: {Name: !Ref Name, DefinitionUri: machine.asl.json, Role: !GetAtt Role.Arn}
Transform: AWS::Serverless-2016-10-31
"""
SCRIPT = """
import sys
print("day", sys.argv[sys.argv.index("--day") + 1])
sys.exit("no such day" if "never" in sys.argv else 0)
"""


@pytest.fixture(scope="module")
def engine(running_engine: RunningEngine) -> RunningEngine:
    s3, glue = running_engine.client("s3"), running_engine.client("glue")
    where = {"LocationConstraint": running_engine.settings.region}
    s3.create_bucket(Bucket="scripts", CreateBucketConfiguration=where)
    s3.put_object(Bucket="scripts", Key="daily.py", Body=SCRIPT.encode())
    glue.create_job(
        Name="daily",
        Role=running_engine.role(),
        Command={"Name": "pythonshell", "ScriptLocation": "s3://scripts/daily.py", "PythonVersion": "3.9"},
        DefaultArguments={"--day": "today"},
    )
    running_engine.client("stepfunctions").create_state_machine(
        name="doubling", roleArn=running_engine.role(), definition=json.dumps(MACHINE)
    )
    running_engine.client("stepfunctions").create_state_machine(
        name="doubling-express", roleArn=running_engine.role(), definition=json.dumps(MACHINE), type="EXPRESS"
    )
    return running_engine


def records(engine: RunningEngine) -> list[Record]:
    return list(stream.records(engine.settings.endpoint_url, is_followed=False))


def millpond(
    engine: RunningEngine,
    *arguments: str,
    cwd: Path | None = None,
    typed: str = "",
    output: Any = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MILLPOND, *arguments],
        cwd=cwd,
        env=environment_of(engine),
        input=typed,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def environment_of(engine: RunningEngine) -> dict[str, str]:
    settings = engine.settings
    return {
        **os.environ,
        "MILLPOND_GATEWAY_PORT": str(settings.gateway_port),
        "MILLPOND_STATE_DIR": str(settings.state),
    }


def test_run_shows_the_log_of_a_job_and_ends_as_it_ends(engine):
    good = millpond(engine, "run", "daily", "--arg", "day=2026-01-01")
    assert good.returncode == 0, good.stderr
    assert "day 2026-01-01" in good.stdout.splitlines()
    bad = millpond(engine, "run", "daily", "--arg", "day=never")
    assert bad.returncode == 1
    assert "The run ended as FAILED" in bad.stderr
    assert "millpond logs daily --run-id jr_" in bad.stderr
    unknown = millpond(engine, "run", "weekly")
    assert "There is no Glue job weekly." in unknown.stderr
    assert "daily" in unknown.stderr
    shell = millpond(engine, "run", "daily", "--distributed")
    assert "A job of pythonshell has no executors." in shell.stderr


def test_logs_follow_a_run_until_it_has_ended(engine):
    run_id = engine.client("glue").start_job_run(JobName="daily")["JobRunId"]
    followed = millpond(engine, "logs", "daily", "--run-id", run_id, "--follow")
    assert followed.returncode == 0, followed.stderr
    assert "day today" in followed.stdout
    state = engine.client("glue").get_job_run(JobName="daily", RunId=run_id)["JobRun"]["JobRunState"]
    assert state == "SUCCEEDED"


def test_start_shows_the_states_of_an_execution_and_ends_as_it_ends(engine):
    good = millpond(engine, "start", "doubling")
    assert (good.returncode, json.loads(good.stdout)) == (0, {"doubled": 4}), good.stderr
    assert good.stderr.index("→ Double") < good.stderr.index("✓ Double") < good.stderr.index("→ Done")
    bad = millpond(engine, "start", "doubling", "--input", '{"fails": true}')
    assert bad.returncode == 1
    assert "ended as FAILED. Lab.Broken: as asked" in bad.stderr
    assert "The input is not JSON" in millpond(engine, "start", "doubling", "--input", "{").stderr
    assert "There is no state machine tripling." in millpond(engine, "start", "tripling").stderr


def test_start_waits_for_an_express_execution_which_has_no_history(engine):
    good = millpond(engine, "start", "doubling-express")
    assert (good.returncode, json.loads(good.stdout)) == (0, {"doubled": 4}), good.stderr
    bad = millpond(engine, "start", "doubling-express", "--input", '{"fails": true}')
    assert bad.returncode == 1
    assert "ended as FAILED. Lab.Broken: as asked" in bad.stderr


@pytest.mark.parametrize(
    ("kind", "column", "values"),
    [
        ("jobs", "name", ["daily"]),
        ("buckets", "bucket", ["scripts"]),
        ("state-machines", "name", ["doubling", "doubling-express"]),
    ],
)
def test_ls_lists_a_kind_of_thing(engine, kind, column, values):
    listed = json.loads(millpond(engine, "ls", kind, "--json").stdout)
    assert sorted(record[column] for record in listed) == values


@pytest.mark.parametrize("kind", ["runs", "tables", "executions", "queries", "functions", "stacks"])
def test_ls_of_every_other_kind_ends_well(engine, kind):
    result = millpond(engine, "ls", kind)
    assert result.returncode == 0, result.stderr


def test_status_counts_what_is_there_and_shows_the_last_runs(engine):
    run_id = engine.client("glue").start_job_run(JobName="daily")["JobRunId"]
    told = json.loads(millpond(engine, "status", "--json").stdout)
    assert {kind: told["counts"][kind] for kind in ("jobs", "state-machines", "buckets")} == {
        "jobs": 1,
        "state-machines": 2,
        "buckets": 1,
    }
    assert told["last_runs"][0]["name"] == "daily"
    shown = millpond(engine, "status")
    assert "1 jobs, 2 state-machines, 1 buckets; millpond ls KIND shows them" in shown.stderr
    assert "daily" in shown.stdout
    engine.client("glue").batch_stop_job_run(JobName="daily", JobRunIds=[run_id])


def test_a_program_behind_exec_reaches_the_stack(engine):
    ask = "import boto3; print([b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])"
    result = millpond(engine, "exec", "--", sys.executable, "-c", ask)
    assert result.stdout == "['scripts']\n", result.stderr
    assert "There is no program nosuch" in millpond(engine, "exec", "--", "nosuch").stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of somebody's: Terraform that keeps its state where theirs is, and a template of SAM."""
    (tmp_path / "millpond.toml").write_text('project = "theirs"\n')
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "main.tf").write_text(CONFIGURATION)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "app" / "machine.asl.json").write_text(json.dumps(MACHINE))
    return tmp_path


def test_terraform_is_applied_as_it_is_and_leaves_nothing_in_the_project(engine, project):
    missing = millpond(engine, "deploy", "infra", cwd=project)
    assert "No value for required variable" in missing.stderr
    assert "--var NAME=VALUE" in missing.stderr
    made = millpond(engine, "deploy", "infra", "--var", "name=sales", "--check", cwd=project)
    assert made.returncode == 0, made.stderr
    assert "2 added, 0 changed, 0 removed" in made.stderr
    assert "their-state" in {one["Name"] for one in engine.client("s3").list_buckets()["Buckets"]}
    assert [one.name for one in (project / "infra").iterdir()] == ["main.tf"]
    other = millpond(engine, "plan", "infra", "--var", "name=other", cwd=project)
    assert "Plan: 2 to add, 0 to change, 2 to destroy." in other.stdout
    gone = millpond(engine, "destroy", "infra", "--var", "name=sales", cwd=project)
    assert "2 removed" in gone.stderr, gone.stderr


def test_a_query_needs_no_workgroup_of_the_project(engine, project):
    asked = millpond(engine, "query", "SELECT 1 AS one, 'a,b' AS two", "--format", "csv", cwd=project)
    assert asked.stdout == 'one,two\n1,"a,b"\n', asked.stderr
    unknown = millpond(engine, "query", "SELECT 1", "--workgroup", "theirs", cwd=project)
    assert "name one that is there: aws athena list-work-groups" in unknown.stderr


def test_a_template_is_deployed_with_the_files_that_it_names(engine, project):
    made = millpond(engine, "deploy", "app", "--var", "Name=from-a-file", "--check", cwd=project)
    assert made.returncode == 0, made.stderr
    assert "2 added" in made.stderr
    assert json.loads(millpond(engine, "start", "from-a-file", cwd=project).stdout) == {"doubled": 4}
    assert "2 removed" in millpond(engine, "destroy", "app", cwd=project).stderr


def test_tail_shows_calls_states_and_events_as_they_happen(engine):
    def tailed(*arguments: str) -> list[dict[str, Any]]:
        done = millpond(engine, "tail", "--once", "--json", "--last", "4000", *arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    glue = engine.client("glue")
    entry = {"Source": "of.tail", "DetailType": "sold", "Detail": '{"price": 3}'}
    engine.client("events").put_events(Entries=[entry])
    with pytest.raises(ClientError):
        engine.client("s3").get_object(Bucket="scripts", Key="none.py")
    run_id = glue.start_job_run(JobName="daily", Arguments={"--day": "never"})["JobRunId"]
    wait_for("the end", lambda: "CompletedOn" in glue.get_job_run(JobName="daily", RunId=run_id)["JobRun"])
    # The event of the end is sent in the background, behind what was sent before.
    wait_for("its event", lambda: [one for one in records(engine) if one.get("id") == run_id][2:])

    shown = millpond(engine, "tail", "--once", "--errors", "--service", "s3").stdout
    assert "s3 GetObject  404 NoSuchKey" in shown
    (refused,) = (
        one
        for one in tailed("--service", "s3", "--kind", "call")
        if one["resource"] == "arn:aws:s3:::scripts/none.py"
    )
    assert (refused["operation"], refused["status"]) == ("GetObject", 404)
    assert refused["error"] == "NoSuchKey"
    assert refused["caller"].endswith(":root")
    found = tailed("--all")
    states = [one["state"] for one in found if one["kind"] == "state" and one["id"] == run_id]
    assert states == ["STARTING", "RUNNING", "FAILED"]
    assert [one["detail"] for one in found if one["kind"] == "event" and one["source"] == "of.tail"] == [
        {"price": 3}
    ]
    read = [one["caller"] for one in found if one.get("resource") == "arn:aws:s3:::scripts/daily.py"]
    assert any(caller.split(":")[5].startswith("assumed-role/tester/") for caller in read)
    # What a service does for itself shows when it is asked for.
    own = [one["operation"] for one in found if one.get("is_own")]
    assert "PutEvents" in own
    assert not [one for one in tailed("--kind", "call") if one["is_own"]]


def test_tail_waits_for_what_comes(engine):
    environment = {**os.environ, "MILLPOND_GATEWAY_PORT": str(engine.settings.gateway_port)}
    engine.client("sqs").create_queue(QueueName="before")
    command = [MILLPOND, "tail", "--last", "1", "--service", "sqs", "--kind", "call"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        try:
            assert "sqs CreateQueue  200" in tail.stdout.readline()
            engine.client("sqs").send_message(
                QueueUrl=engine.client("sqs").get_queue_url(QueueName="before")["QueueUrl"], MessageBody="x"
            )
            assert "sqs GetQueueUrl  200" in tail.stdout.readline()
            assert "sqs SendMessage  200" in tail.stdout.readline()
        finally:
            tail.terminate()


def test_iam_shows_what_was_judged_and_changes_the_mode(engine):
    engine.client("glue").get_job(JobName="daily")

    def iam(*words: str) -> str:
        done = millpond(engine, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert "s3:GetObject" in iam("iam", "used", "tester")
    assert "s3:GetObject" in iam("iam", "policy", "tester")
    denied = millpond(engine, "iam", "why", "tester")
    assert denied.returncode == 1
    assert "arn:aws:s3:::scripts/daily.py" in denied.stdout
    assert "arn:aws:iam" not in iam("iam", "unused", "tester")
    assert "fails without it" in iam("iam", "needed", "tester")
    iam("iam", "unmapped")
    assert iam("iam", "mode", "off") == "off\n"
    assert iam("iam", "mode", "audit") == "audit\n"


def test_query_says_which_engine_answered_when_it_is_asked(engine):
    answered = millpond(engine, "query", "SELECT 1 AS one", "--verbose")
    assert answered.returncode == 0, answered.stderr
    assert "answered by duckdb" in answered.stderr


def test_doctor_shows_the_parts_and_spark_history_says_what_it_lacks(engine):
    found = json.loads(millpond(engine, "doctor", "--json").stdout)
    assert {"java", "spark"} <= {one["name"] for one in found}
    assert "No event log of Spark was found" in millpond(engine, "spark-history").stderr


def test_debug_runs_a_job_under_pdb_with_its_arguments_and_leaves_nothing(engine, tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "daily.py").write_text(SCRIPT)
    (tmp_path / "millpond.toml").write_text("")
    typed = "next\nnext\np sys.argv[-1] + '!'\ncontinue\n"
    debugged = millpond(engine, "debug", "daily", "--arg", "day=monday", cwd=tmp_path, typed=typed)
    assert debugged.returncode == 0, debugged.stderr
    assert f"> {tmp_path}/jobs/daily.py(2)<module>()" in debugged.stdout
    assert '-> print("day", sys.argv[sys.argv.index("--day") + 1])' in debugged.stdout
    assert "'monday!'" in debugged.stdout
    assert "day monday" in debugged.stdout
    left = millpond(engine, "debug", "daily", cwd=tmp_path, typed="quit\n")
    assert left.returncode == 1
    assert "The debugger was left before the script's end" in left.stdout + left.stderr
    assert engine.client("glue").list_jobs()["JobNames"] == ["daily"]
    assert [one["Key"] for one in engine.client("s3").list_objects_v2(Bucket="scripts")["Contents"]] == [
        "daily.py"
    ]
    assert "There is no Glue job weekly" in millpond(engine, "debug", "weekly").stderr


def test_debug_waits_for_an_editor_whose_breakpoint_stops_the_job(engine, tmp_path):
    script = tmp_path / "jobs" / "daily.py"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    (tmp_path / "millpond.toml").write_text("")
    arguments = [MILLPOND, "debug", "daily", "--editor", "--arg", "day=monday"]
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=environment_of(engine), text=True, stdout=-1, stderr=-1
    ) as debugging:
        told: list[str] = []
        for line in debugging.stderr:
            told.append(line)
            if "Waiting for an editor" in line:
                break
        said = told[-1]
        assert "{" in said, (told, debugging.communicate())
        place = json.loads(said[said.index("{") :])["connect"]
        with Editor((place["host"], place["port"])) as editor:
            editor.attach(script, line=3)
            stopped = editor.event("stopped")
            assert stopped["reason"] == "breakpoint"
            frames = editor.ask("stackTrace", threadId=stopped["threadId"])["stackFrames"]
            assert (frames[0]["source"]["path"], frames[0]["line"]) == (str(script), 3)
            words = editor.ask("evaluate", expression="sys.argv[-1] + '!'", frameId=frames[0]["id"])
            assert words["result"] == "'monday!'"
            editor.ask("continue", threadId=stopped["threadId"])
            editor.event("terminated")
        output, errors = debugging.communicate()
    assert debugging.returncode == 0, errors
    assert "day monday" in output.splitlines()
    assert engine.client("glue").list_jobs()["JobNames"] == ["daily"]
    left = [one["Key"] for one in engine.client("s3").list_objects_v2(Bucket="scripts")["Contents"]]
    assert left == ["daily.py"]


class Editor:
    """As much of the Debug Adapter Protocol as an editor needs to stop a program at a line."""

    def __init__(self, place: tuple[str, int]) -> None:
        self._connection = socket.create_connection(place, timeout=scaled(60))
        self._stream = self._connection.makefile("rwb")
        self._heard: list[dict[str, Any]] = []
        self._sent = 0

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._connection.close()

    def attach(self, script: Path, line: int) -> None:
        self.ask("initialize", adapterID="python")
        attached = self._send("attach", justMyCode=False)
        self.event("initialized")
        places = {"source": {"path": str(script)}, "breakpoints": [{"line": line}]}
        assert [one["verified"] for one in self.ask("setBreakpoints", **places)["breakpoints"]] == [True]
        self.ask("configurationDone")
        self._heard_of(lambda one: one.get("request_seq") == attached)

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        sent = self._send(command, **arguments)
        answer = self._heard_of(lambda one: one.get("request_seq") == sent)
        assert answer["success"], answer
        return dict(answer.get("body") or {})

    def event(self, name: str) -> dict[str, Any]:
        return dict(self._heard_of(lambda one: one.get("event") == name).get("body") or {})

    def _send(self, command: str, **arguments: Any) -> int:
        self._sent += 1
        said = {"seq": self._sent, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(said).encode()
        self._stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._stream.flush()
        return self._sent

    def _heard_of(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not (found := [one for one in self._heard if is_it(one)]):
            headers = iter(self._stream.readline, b"\r\n")
            (length,) = [int(one.split(b":")[1]) for one in headers if one.startswith(b"Content-Length")]
            self._heard.append(json.loads(self._stream.read(length)))
        self._heard.remove(found[0])
        return found[0]


def test_query_writes_a_typed_result_as_parquet(engine, tmp_path):
    sql = "SELECT * FROM (VALUES (1, 'a', DATE '2026-01-31'), (2, NULL, NULL)) AS t (n, s, d) ORDER BY n"
    with (tmp_path / "result.parquet").open("wb") as output:
        millpond(engine, "query", sql, "--format", "parquet", output=output)
    table = pq.read_table(tmp_path / "result.parquet")
    assert table.to_pylist() == [{"n": 1, "s": "a", "d": date(2026, 1, 31)}, {"n": 2, "s": None, "d": None}]
    with (tmp_path / "empty.parquet").open("wb") as output:
        millpond(engine, "query", "SELECT 1 AS one WHERE false", "--format", "parquet", output=output)
    assert pq.read_table(tmp_path / "empty.parquet").to_pydict() == {"one": []}
    unloaded = engine.client("s3").list_objects_v2(Bucket="millpond-query-results", Prefix="unload/")
    assert unloaded["KeyCount"] == 0
