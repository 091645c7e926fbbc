"""The deployed state machine, from the plan to the summary, with a stand-in for the job of each table.

The stand-in is a real Python shell job: it lands what the case of its table says. Athena counts real files.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
import pyarrow as pa
import pytest
from deploy_fixtures import Stack, copy_checkout, started_stack, write_fixtures
from engine_fixtures import wait_for
from pyarrow import parquet

from millpond.errors import MillpondError
from millpond.ingest import TableEvent, follow, start_ingest

RUNS = "millpond-dev-ingest_runs"
ROWS = 3
LANDED = {"rows_total": ROWS, "watermark_from": None, "watermark_to": None, "location": "s3://lake/lab"}

# What the job of each table does; every case differs from "good" in one thing.
CASES: dict[str, dict[str, Any]] = {
    "good": {"land": LANDED},
    "grows": {"land": {**LANDED, "watermark_from": "1", "watermark_to": "2"}},
    "fails": {"raise": "the source has no such column"},
    "silent": {},
    "differs": {"land": {**LANDED, "rows_total": ROWS + 2}},
    "uncounted": {"land": LANDED},
    "raced": {"land": {**LANDED, "watermark_from": "1", "watermark_to": "2"}},
    "reset": {"land": {**LANDED, "watermark_from": "1", "watermark_to": "2"}},
}
COMMITTED_BEFORE = {"grows": "1", "raced": "9"}
WITHOUT_CATALOG_TABLE = {"uncounted"}
INGESTED = {"lab.good", "lab.grows"}

JOB = """
import sys
import boto3

CASES = {cases!r}
words = sys.argv[1:]
options = {{name[2:]: value for name, value in zip(words, words[1:]) if name.startswith("--")}}
case = CASES[options["table_id"].split(".")[1]]
if "raise" in case:
    raise RuntimeError(case["raise"])
if "land" in case:
    item = {{name: options[name] for name in ("table_id", "run_id")}}
    item.update(status="LANDED", **case["land"])
    boto3.resource("dynamodb").Table(options["ingest_runs_table"]).put_item(Item=item)
"""


@dataclass
class Lab:
    """A deployed stack whose job is the stand-in."""

    stack: Stack
    outputs: dict[str, Any]

    @property
    def runs(self) -> Any:
        return boto3.resource("dynamodb", **self._access()).Table(RUNS)

    def client(self, service: str) -> Any:
        return boto3.client(service, **self._access())

    def _access(self) -> dict[str, Any]:
        return {
            "endpoint_url": self.stack.settings.endpoint_url,
            "region_name": "eu-west-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }

    def prepare(self) -> None:
        buckets, aws = self.outputs["buckets"], self.stack.aws
        script = JOB.format(cases=CASES).encode()
        aws.s3.put_object(Bucket=buckets["artifacts"], Key="glue/ingest_shell.py", Body=script)
        data = io.BytesIO()
        parquet.write_table(pa.table({"id": pa.array(range(ROWS), pa.int64())}), data)
        for table in CASES.keys() - WITHOUT_CATALOG_TABLE:
            location = f"lab/{table}/run_id=1"
            aws.s3.put_object(Bucket=buckets["lake"], Key=f"{location}/part-0.parquet", Body=data.getvalue())
            aws.glue.create_table(
                DatabaseName="lab", TableInput=_parquet_table(table, f"s3://{buckets['lake']}/{location}/")
            )
        for table, watermark in COMMITTED_BEFORE.items():
            self.runs.put_item(Item={"table_id": f"lab.{table}", "run_id": "CURRENT", "watermark": watermark})

    def ingest(self, tables: Sequence[str] | None = None) -> Outcome:
        """Run the state machine to its end."""
        arn = start_ingest(self.stack.aws, self.stack.settings, tables)
        events: list[TableEvent] = []
        error = None
        try:
            for event in follow(self.stack.aws, self.stack.settings, arn, timeout=180):
                events.append(event)
        except MillpondError as raised:
            error = raised
        return Outcome(self, arn, events, error)


@dataclass
class Outcome:
    """What an execution left."""

    lab: Lab
    arn: str
    events: list[TableEvent]
    error: MillpondError | None

    @property
    def execution(self) -> dict[str, Any]:
        return dict(self.lab.stack.aws.stepfunctions.describe_execution(executionArn=self.arn))

    @property
    def run_id(self) -> str:
        return self.arn.rpartition(":")[2]

    def item(self, table: str, run_id: str | None = None) -> dict[str, Any]:
        key = {"table_id": f"lab.{table}", "run_id": run_id or self.run_id}
        return dict(self.lab.runs.get_item(Key=key).get("Item", {}))


def _parquet_table(name: str, location: str) -> Any:
    hive = "org.apache.hadoop.hive.ql.io.parquet"
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "parquet"},
        "StorageDescriptor": {
            "Columns": [{"Name": "id", "Type": "bigint"}],
            "Location": location,
            "InputFormat": f"{hive}.MapredParquetInputFormat",
            "OutputFormat": f"{hive}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{hive}.serde.ParquetHiveSerDe"},
        },
    }


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    base = tmp_path_factory.mktemp("execution")
    checkout = copy_checkout(base / "checkout")
    write_fixtures(checkout / "fixtures", list(CASES))
    with started_stack(base / "stack", checkout) as stack:
        lab = Lab(stack, dict(stack.deploy().outputs))
        lab.prepare()
        yield lab


@pytest.fixture(scope="module")
def mailbox(lab: Lab) -> str:
    """A queue that gets what the topic says."""
    queue: str = lab.client("sqs").create_queue(QueueName="operators")["QueueUrl"]
    arn = lab.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    lab.client("sns").subscribe(
        TopicArn=lab.outputs["topic_arn"], Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"]
    )
    return queue


@pytest.fixture(scope="module")
def outcome(lab: Lab, mailbox: str) -> Outcome:
    """A run over every case at once."""
    return lab.ingest()


def test_bad_tables_do_not_stop_the_others(outcome: Outcome) -> None:
    final = {event.table_id: event.status for event in outcome.events}

    assert {table for table, status in final.items() if status == "COMMITTED"} == INGESTED
    assert {table for table, status in final.items() if status == "FAILED"} == {
        f"lab.{table}" for table in CASES
    } - INGESTED


def test_the_execution_fails_with_the_names_of_the_tables(outcome: Outcome) -> None:
    execution = outcome.execution

    assert (execution["status"], execution["error"]) == ("FAILED", "TablesFailed")
    named = json.loads(execution["cause"].removeprefix("Not ingested: "))
    assert set(named) == {f"lab.{table}" for table in CASES} - INGESTED


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("fails", "the source has no such column"),
        ("silent", f"The job run of lab.silent succeeded but {RUNS} holds no landed data"),
        ("differs", "lab.differs: Athena counts 3 rows, the job landed 5."),
        ("uncounted", "uncounted"),
        ("raced", "lab.raced: what is committed is no longer what run"),
        ("reset", "lab.reset: what is committed is no longer what run"),
    ],
)
def test_a_table_that_is_not_ingested_says_why(table: str, why: str, outcome: Outcome) -> None:
    item = outcome.item(table)

    assert item["status"] == "FAILED"
    assert why in item["error"]


def test_the_error_a_person_sees_names_each_table_its_reason_and_its_log(outcome: Outcome) -> None:
    assert outcome.error is not None
    assert outcome.error.what.startswith("6 of 8 tables were not ingested: ")
    lines = outcome.error.detail.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("lab.differs: "))
    assert lines[at] == "lab.differs: Athena counts 3 rows, the job landed 5."
    assert lines[at + 1].startswith("  millpond logs millpond-dev-ingest-shell jr_")


def test_the_watermark_moves_only_with_a_commit(outcome: Outcome) -> None:
    run_id = outcome.run_id

    assert outcome.item("grows", "CURRENT")["watermark"] == "2"
    assert outcome.item("grows", "CURRENT")["committed_run_id"] == run_id
    assert outcome.item("good", "CURRENT")["committed_run_id"] == run_id
    assert outcome.item("raced", "CURRENT")["watermark"] == "9"
    for table in ("differs", "fails", "reset", "silent", "uncounted"):
        assert outcome.item(table, "CURRENT") == {}, table


def test_a_committed_run_keeps_what_the_job_recorded(outcome: Outcome) -> None:
    item = outcome.item("grows")

    assert item["status"] == "COMMITTED"
    assert (item["rows_total"], item["watermark_from"], item["watermark_to"]) == (ROWS, "1", "2")


def test_the_topic_gets_a_summary_of_every_table(outcome: Outcome, mailbox: str) -> None:
    def receive() -> dict[str, Any] | None:
        for message in outcome.lab.client("sqs").receive_message(QueueUrl=mailbox).get("Messages", []):
            summary: dict[str, Any] = json.loads(json.loads(message["Body"])["Message"])
            if summary["run_id"] == outcome.run_id:
                return summary
        return None

    summary = wait_for("summary", receive)

    assert summary["any_failed"] is True
    assert {table["table_id"]: table["outcome"] for table in summary["tables"]} == {
        f"lab.{table}": ["COMMITTED" if f"lab.{table}" in INGESTED else "FAILED"] for table in CASES
    }


def test_only_the_requested_tables_are_ingested_and_the_run_succeeds(lab: Lab) -> None:
    outcome = lab.ingest(["lab.good"])

    assert outcome.error is None
    assert outcome.execution["status"] == "SUCCEEDED"
    assert (outcome.events[0].table_id, outcome.events[0].status) == ("lab.good", "PLANNED")
    assert outcome.events[-1] == TableEvent(
        "lab.good", "COMMITTED", "shell", "millpond-dev-ingest-shell", ROWS
    )


def test_a_table_that_nobody_knows_is_named(lab: Lab) -> None:
    outcome = lab.ingest(["lab.good", "lab.godo"])

    assert outcome.execution["error"] == "UnknownTableError"
    assert str(outcome.error).startswith("The ingest could not be planned: job_settings holds no lab.godo.")


def test_a_run_with_nothing_enabled_succeeds(lab: Lab) -> None:
    def enable(value: bool) -> None:
        for table in CASES:
            lab.client("dynamodb").update_item(
                TableName="millpond-dev-job_settings",
                Key={"table_id": {"S": f"lab.{table}"}},
                UpdateExpression="SET enabled = :value",
                ExpressionAttributeValues={":value": {"BOOL": value}},
            )

    enable(False)
    outcome = lab.ingest()
    enable(True)

    assert (outcome.execution["status"], outcome.events) == ("SUCCEEDED", [])


def test_the_schedule_starts_the_state_machine_with_an_empty_input(lab: Lab) -> None:
    events = lab.client("events")
    rule = events.describe_rule(Name="millpond-dev-ingest-schedule")
    [target] = events.list_targets_by_rule(Rule="millpond-dev-ingest-schedule")["Targets"]

    assert (rule["ScheduleExpression"], rule["State"]) == ("cron(0 2 * * ? *)", "ENABLED")
    assert (target["Arn"], target["Input"]) == (lab.outputs["state_machine_arn"], "{}")


def test_starting_without_a_state_machine_says_to_deploy(lab: Lab) -> None:
    elsewhere = lab.stack.settings.model_copy(update={"environment": "none"})

    with pytest.raises(MillpondError, match="not deployed") as raised:
        start_ingest(lab.stack.aws, elsewhere)

    assert raised.value.next_step == "millpond deploy"
