"""The state machine, from its input to the summary, with its real Lambdas and a stand-in for the jobs.

The stand-in is a real Python shell job: it lands what the case of its table says. The source is a real
PostgreSQL, and Athena counts real files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import fault_rules
import pytest
from engine_fixtures import RunningEngine, wait_for
from orchestration_fixtures import BUCKET, CURATED, PREFIX, ROWS, Lab, Outcome, orchestration

from lake.ingest import AWAITING_APPROVAL, TableEvent, answer, start_ingest, start_replay
from millpond.base.errors import MillpondError
from millpond.client.query import run_query

LANDED = {"rows_total": ROWS, "watermark_from": None, "watermark_to": None, "snapshot_id": 7}
MOVES = {**LANDED, "watermark_from": "1", "watermark_to": "2"}

# What the job of each table does; every case differs from "good" in one thing.
CASES: dict[str, dict[str, Any]] = {
    "good": {"land": {**LANDED, "rows_quarantined": 2, "quarantine_due": True}},
    "grows": {"land": MOVES},
    "maintained": {"land": {**LANDED, "maintenance_due": True}},
    "crossed": {
        "raise": "An error occurred (TransactionConflictException) when calling the UpdateItem operation",
        "times": 1,
        "land": LANDED,
    },
    "vague": {"says": "OperationalError: the source went away", "times": 1, "land": LANDED},
    "contended": {"raise": "another run, r0, is ingesting this table.", "times": 1, "land": LANDED},
    "added": {"land": LANDED},
    "approved": {"land": LANDED},
    "rejected": {"land": LANDED},
    "weekly": {"land": LANDED},
    "fails": {"raise": "the source has no such row", "lease": ""},
    "silent": {"lease": "another run"},
    "differs": {"land": {**LANDED, "rows_total": ROWS + 2}},
    "doubled": {"land": LANDED},
    "uncounted": {"land": LANDED},
    "raced": {"land": MOVES},
    "unset": {"land": MOVES},
    "gone": {"land": LANDED},
}
COMMITTED_BEFORE = {"grows": "1", "raced": "9"}
INGESTED = {"good", "grows", "maintained", "contended", "crossed", "vague", "added", "approved"}
FAILED = CASES.keys() - INGESTED - {"weekly"}


def prepare(lab: Lab) -> None:
    """The tables as they are registered, and then what became of the source."""
    columns = {
        "approved": "id bigint PRIMARY KEY, amount integer",
        "rejected": "id bigint PRIMARY KEY, note text",
    }
    for table in CASES:
        lab.declare(table, columns.get(table, "id bigint PRIMARY KEY"))
        if table != "uncounted":
            lab.curate(table, [0, 1, 1] if table == "doubled" else range(ROWS))
    lab.execute(
        "ALTER TABLE lab.added ADD COLUMN note varchar(20)",
        "ALTER TABLE lab.approved ALTER COLUMN amount TYPE text",
        "ALTER TABLE lab.rejected DROP COLUMN note",
        "DROP TABLE lab.gone",
    )
    runs = lab.table("ingest_runs")
    for table, watermark in COMMITTED_BEFORE.items():
        runs.put_item(Item={"table_id": f"lab.{table}", "run_id": "CURRENT", "watermark": watermark})
    lab.table("job_settings").update_item(
        Key={"table_id": "lab.weekly"},
        UpdateExpression="SET schedule = :weekly",
        ExpressionAttributeValues={":weekly": "rate(7 days)"},
    )
    for statement in (
        f"CREATE TABLE operations.quarantine (id bigint) LOCATION 's3://{CURATED}/operations/quarantine'"
        " TBLPROPERTIES ('table_type' = 'ICEBERG', 'optimize_rewrite_data_file_threshold' = '2')",
        "INSERT INTO operations.quarantine VALUES (1)",
        "INSERT INTO operations.quarantine VALUES (2)",
    ):
        run_query(lab.aws.athena, statement, workgroup=PREFIX)
    last = {"table_id": "lab.weekly", "run_id": "before", "started_at": datetime.now(UTC).isoformat()}
    runs.put_item(Item=last)
    runs.put_item(Item={"table_id": "lab.weekly", "run_id": "CURRENT", "committed_run_id": "before"})


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, running_engine: RunningEngine) -> Iterator[Lab]:
    with orchestration(tmp_path_factory.mktemp("orchestration"), running_engine, CASES) as lab:
        prepare(lab)
        yield lab


@pytest.fixture(scope="module")
def mailboxes(lab: Lab) -> dict[str, str]:
    return {topic: lab.mailbox(topic) for topic in lab.topics}


@pytest.fixture(scope="module")
def outcome(lab: Lab, mailboxes: dict[str, str]) -> Outcome:
    """A run over every case at once; somebody answers what it asks."""
    settings = lab.engine.settings

    def decide(event: TableEvent) -> None:
        if event.status == AWAITING_APPROVAL:
            is_approved = event.table_id == "lab.approved"
            answer(lab.aws, settings, event.table_id, is_approved=is_approved, reason="the report needs it")

    return lab.follow(start_ingest(lab.aws, settings), decide)


def versions(lab: Lab, table: str) -> list[Any]:
    key = {":table": f"lab.{table}"}
    found = lab.table("table_structures").query(
        KeyConditionExpression="table_id = :table", ExpressionAttributeValues=key
    )
    return list(found["Items"])


def metric(lab: Lab, name: str, **dimensions: str) -> float | None:
    now = datetime.now(UTC)
    found = lab.client("cloudwatch").get_metric_statistics(
        Namespace="Millpond",
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now.replace(hour=0, minute=0),
        EndTime=datetime(now.year + 1, 1, 1, tzinfo=UTC),
        Period=86400,
        Statistics=["Maximum"],
    )["Datapoints"]
    return max((point["Maximum"] for point in found), default=None)


def test_bad_tables_do_not_stop_the_others(outcome: Outcome) -> None:
    assert {table for table, status in outcome.final.items() if status == "COMMITTED"} == INGESTED
    assert {table for table, status in outcome.final.items() if status == "FAILED"} == FAILED


def test_the_execution_fails_with_the_names_of_the_tables(outcome: Outcome) -> None:
    execution = outcome.execution

    assert (execution["status"], execution["error"]) == ("FAILED", "TablesFailed")
    named = json.loads(execution["cause"].removeprefix("Not ingested: "))
    assert set(named) == {f"lab.{table}" for table in FAILED}


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("fails", "the source has no such row"),
        ("silent", f"The job run of lab.silent succeeded but {PREFIX}-ingest_runs holds no landed data"),
        ("differs", "lab.differs: Athena counts 3 rows, the job landed 5."),
        ("doubled", "lab.doubled: Athena finds 0 rows without a whole key, and 1 with the key of another."),
        ("uncounted", "uncounted"),
        ("raced", "lab.raced: what is committed is no longer what run"),
        ("unset", "lab.unset: what is committed is no longer what run"),
        ("gone", "lab.gone: the source has no table lab.gone."),
        (
            "rejected",
            "lab.rejected: rejected (the report needs it). The source changed: note text is gone",
        ),
    ],
)
def test_a_table_that_is_not_ingested_says_why(table: str, why: str, outcome: Outcome) -> None:
    item = outcome.item(table)

    assert item["status"] == "FAILED"
    assert why in item["error"]
    assert "errorMessage" not in item["error"]
    assert "approval_token" not in item


def test_an_item_that_the_state_machine_makes_expires_like_those_of_the_jobs(outcome: Outcome) -> None:
    started = outcome.execution["startDate"]
    expires = datetime.fromtimestamp(int(outcome.item("gone")["expires_at"]), UTC)
    assert abs(expires - started - timedelta(days=400)) < timedelta(seconds=2)


def test_the_error_a_person_sees_names_each_table_its_reason_and_its_log(outcome: Outcome) -> None:
    assert outcome.error is not None
    assert outcome.error.what.startswith(f"{len(FAILED)} of {len(CASES) - 1} tables were not ingested: ")
    lines = outcome.error.detail.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("lab.differs: "))
    assert lines[at] == "lab.differs: Athena counts 3 rows, the job landed 5."
    assert lines[at + 1].startswith("  millpond logs millpond-dev-ingest-shell --run-id jr_")


def test_the_watermark_moves_only_with_a_commit(outcome: Outcome) -> None:
    current = outcome.item("grows", "CURRENT")
    assert (current["watermark"], current["committed_run_id"]) == ("2", outcome.run_id)
    assert current["snapshot_id"] == 7
    assert current["committed_at"] == outcome.item("grows")["committed_at"]
    assert outcome.item("raced", "CURRENT")["watermark"] == "9"
    for table in FAILED - {"raced"}:
        assert not outcome.item(table, "CURRENT").keys() & {"watermark", "committed_run_id"}, table


def test_a_run_that_lost_a_race_is_tried_again_and_another_failure_is_not(outcome: Outcome) -> None:
    starts = f"starts of {outcome.run_id}"
    assert outcome.item("contended", starts)["starts"] == 2
    assert outcome.item("crossed", starts)["starts"] == 2
    assert outcome.item("vague", starts)["starts"] == 2
    assert outcome.item("fails", starts)["starts"] == 1
    assert outcome.item("rejected", starts) == {}


def test_the_lease_of_a_run_that_failed_is_given_back_and_no_other(outcome: Outcome) -> None:
    assert "running_run_id" not in outcome.item("fails", "CURRENT")
    assert "lease_until" not in outcome.item("fails", "CURRENT")
    assert outcome.item("silent", "CURRENT")["running_run_id"] == "another run"


def test_a_new_column_is_registered_without_asking(outcome: Outcome, lab: Lab) -> None:
    assert [one["version"] for one in versions(lab, "added")] == [1, 2]
    latest = versions(lab, "added")[-1]
    assert latest["columns"][-1] == {
        "name": "note",
        "source_name": "note",
        "source_type": "character varying(20)",
        "type": "string",
        "nullable": True,
    }
    assert (latest["changes"], latest["registered_by"]) == (
        ["note character varying(20) is new"],
        outcome.run_id,
    )


def test_the_run_says_how_the_source_differed_whatever_became_of_it(outcome: Outcome) -> None:
    assert outcome.item("added")["schema_changes"] == ["note character varying(20) is new"]
    assert outcome.item("rejected")["schema_changes"] == ["note text is gone"]
    assert outcome.item("approved")["schema_changes"] == [
        "amount was integer and is text: int cannot become string in place"
    ]
    assert outcome.item("good")["schema_changes"] == []
    assert outcome.item("fails")["schema_changes"] == []


def test_a_breaking_change_is_registered_once_it_is_approved(outcome: Outcome, lab: Lab) -> None:
    latest = versions(lab, "approved")[-1]
    assert latest["version"] == 2
    assert [column["type"] for column in latest["columns"]] == ["bigint", "string"]
    assert [one["version"] for one in versions(lab, "rejected")] == [1]


def test_operators_are_asked_with_the_commands_to_answer(
    outcome: Outcome, lab: Lab, mailboxes: dict[str, str]
) -> None:
    asked: dict[str, str] = {}

    def receive() -> bool:
        for message in lab.messages(mailboxes["operators"]):
            asked[message["Subject"]] = message["Message"]
        return len(asked) == 2

    wait_for("two questions", receive)
    text = asked["Approval needed: lab.approved changed at the source"]
    assert "amount was integer and is text: int cannot become string in place" in text
    assert "  millpond approve lab.approved --target aws --region " in text
    assert f"The run {outcome.run_id} waits" in text


def test_consumers_get_a_summary_of_every_table(
    outcome: Outcome, lab: Lab, mailboxes: dict[str, str]
) -> None:
    def receive() -> dict[str, Any] | None:
        for message in lab.messages(mailboxes["ingest-events"]):
            summary: dict[str, Any] = json.loads(message["Message"])
            if summary["run_id"] == outcome.run_id:
                return summary
        return None

    summary = wait_for("summary", receive)

    assert summary["status"] == "FAILED"
    told = {table["table_id"].removeprefix("lab."): table for table in summary["tables"]}
    assert {name for name, table in told.items() if table["outcome"] == "COMMITTED"} == INGESTED
    assert (told["good"]["rows_total"], told["good"]["rows_quarantined"]) == (ROWS, 2)
    assert told["added"]["schema_changes"] == ["note character varying(20) is new"]
    assert told["maintained"]["maintenance"] != "done"  # OPTIMIZE is for Iceberg's tables.
    assert told["fails"]["error"] == "RuntimeError: the source has no such row"
    assert summary["skipped"] == [{"table_id": "lab.weekly", "reason": "not due: rate(7 days)"}]


def test_small_tables_share_a_job_run_and_what_failed_there_is_run_again_alone(
    outcome: Outcome, lab: Lab
) -> None:
    runs = lab.client("glue").get_job_runs(JobName=f"{PREFIX}-ingest-shell")["JobRuns"]
    arguments = [one["Arguments"] for one in runs if one["Arguments"]["--run_id"] == outcome.run_id]
    [batch] = [json.loads(one["--table_ids"]) for one in arguments if "--table_ids" in one]
    # What asks a person, and what is not in the source, is not ready; "weekly" is not due.
    assert set(batch) == {f"lab.{name}" for name in CASES.keys() - {"weekly", "approved", "rejected", "gone"}}
    # The batch said nothing of "silent"; the others lost a race.
    alone = {one["--table_id"].removeprefix("lab.") for one in arguments if "--table_id" in one}
    assert alone == {"crossed", "vague", "contended", "silent", "approved"}


def test_the_plan_and_the_summary_are_objects_and_each_batch_is_an_execution(
    outcome: Outcome, lab: Lab
) -> None:
    prefix = f"plans/{outcome.run_id}"
    summary, plan = (
        json.loads(lab.client("s3").get_object(Bucket=BUCKET, Key=f"{prefix}/{name}.json")["Body"].read())
        for name in ("summary", "plan")
    )
    assert len(summary["tables"]) == len(CASES) - 1
    machines = lab.client("stepfunctions")
    [map_run] = machines.list_map_runs(executionArn=outcome.arn)["mapRuns"]
    children = machines.list_executions(mapRunArn=map_run["mapRunArn"])["executions"]
    assert len(children) == len(plan["batches"]) == 1
    assert [one["status"] for one in children] == ["SUCCEEDED"]
    pages = machines.get_paginator("get_execution_history").paginate(executionArn=children[0]["executionArn"])
    assert sum(len(page["events"]) for page in pages) < 25_000 / 40 * len(CASES)


def test_the_quarantine_is_compacted_when_a_run_finds_it_due(outcome: Outcome, lab: Lab) -> None:
    assert outcome.item("good")["quarantine_due"]
    history = 'SELECT operation FROM operations."quarantine$snapshots" ORDER BY committed_at'
    rows = run_query(lab.aws.athena, history, workgroup=PREFIX).rows
    assert [row[0] for row in rows] == ["append", "append", "replace"]


def test_the_metrics_say_what_went_to_quarantine_and_what_the_day_cost(outcome: Outcome, lab: Lab) -> None:
    landed = [table for table in CASES if outcome.item(table).get("estimated_cost_usd")]
    assert metric(lab, "RowsQuarantined") == 2
    assert metric(lab, "RowsQuarantined", TableId="lab.good") == 2
    assert metric(lab, "RowsDropped") == 0
    assert metric(lab, "CostOfDayUSD") == pytest.approx(0.25 * len(landed))


def test_a_table_that_is_asked_for_by_name_is_always_due(outcome: Outcome, lab: Lab) -> None:
    again = lab.ingest(["lab.weekly"])

    assert again.error is None
    assert again.execution["status"] == "SUCCEEDED"
    assert again.events[0] == TableEvent("lab.weekly", "PLANNED", "shell", f"{PREFIX}-ingest-shell")
    assert again.events[-1].status == "COMMITTED"
    started = again.execution["startDate"].astimezone(UTC)
    assert again.item("weekly")["ingest_date"] == started.date().isoformat()


def test_a_commit_that_met_another_write_is_tried_again(outcome: Outcome, lab: Lab) -> None:
    canceled = {
        "service": "dynamodb",
        "operation": "TransactWriteItems",
        "times": 1,
        "error": {"statusCode": 400, "code": "TransactionCanceledException"},
    }
    url = lab.engine.settings.endpoint_url
    fault_rules.ask(url, "POST", [canceled])
    again = lab.ingest(["lab.weekly"])
    [rule] = fault_rules.ask(url, "GET")
    fault_rules.ask(url, "DELETE")

    assert rule["hits"] == 1
    assert again.final == {"weekly": "COMMITTED"}
    assert again.item("weekly", "CURRENT")["committed_run_id"] == again.run_id


def test_a_dropped_file_is_ingested_by_the_shell_job_without_asking_the_source(
    outcome: Outcome, lab: Lab
) -> None:
    lab.execute("ALTER TABLE lab.good ADD COLUMN later text")

    dropped = lab.execution({"file": {"bucket": "raw", "key": "drop/lab.good/new.csv"}})

    assert dropped.final == {"good": "COMMITTED"}
    assert dropped.item("good")["source_file"] == "s3://raw/drop/lab.good/new.csv"
    assert [one["version"] for one in versions(lab, "good")] == [1]


def test_a_replay_runs_what_failed_under_the_name_of_the_old_run(outcome: Outcome, lab: Lab) -> None:
    lab.execute("CREATE TABLE lab.gone (id bigint PRIMARY KEY)")

    replayed = lab.follow(
        start_replay(lab.aws, lab.engine.settings, outcome.run_id, ["lab.gone", "lab.good"])
    )

    assert replayed.final == {"gone": "COMMITTED", "good": "SKIPPED"}
    assert outcome.item("gone")["status"] == "COMMITTED"
    assert replayed.item("gone") == {}
    with pytest.raises(MillpondError, match="There was no run never"):
        start_replay(lab.aws, lab.engine.settings, "never")


@pytest.mark.parametrize(
    ("request_", "error", "why"),
    [
        ({"tables": []}, "BadInputError", "The input is {}"),
        ({"file": {"bucket": "raw", "key": "elsewhere/new.csv"}}, "BadInputError", "The input is {}"),
        ({"files": []}, "BadInputError", "The input holds files"),
        ({"tables": ["lab.godo"]}, "UnknownTableError", "job_settings holds no lab.godo."),
        (
            {"file": {"bucket": "raw", "key": "drop/lab.good/new.xlsx"}},
            "BadInputError",
            "of the format xlsx",
        ),
    ],
)
def test_an_input_that_makes_no_sense_is_refused(request_: Any, error: str, why: str, lab: Lab) -> None:
    refused = lab.execution(request_)

    assert refused.execution["error"] == error
    assert why in str(refused.error)


def test_a_run_with_nothing_enabled_succeeds(outcome: Outcome, lab: Lab) -> None:
    settings = lab.table("job_settings")

    def enable(value: bool) -> None:
        for table in CASES:
            settings.update_item(
                Key={"table_id": f"lab.{table}"},
                UpdateExpression="SET enabled = :value",
                ExpressionAttributeValues={":value": value},
            )

    enable(False)
    nothing = lab.ingest()
    enable(True)

    assert (nothing.execution["status"], nothing.events) == ("SUCCEEDED", [])


@pytest.mark.parametrize("key", ["drop/", "drop/lab.good/"])
def test_a_folder_is_no_file_and_no_failure(key: str, lab: Lab) -> None:
    nothing = lab.execution({"file": {"bucket": "raw", "key": key}})

    assert (nothing.execution["status"], nothing.events) == ("SUCCEEDED", [])


def test_answering_what_nobody_asked_says_so(lab: Lab) -> None:
    with pytest.raises(MillpondError, match=r"No run of lab\.good waits"):
        answer(lab.aws, lab.engine.settings, "lab.good", is_approved=True)
    with pytest.raises(MillpondError, match="answered already, or its run is over"):
        answer(lab.aws, lab.engine.settings, "x" * 200, is_approved=True)
    left_behind = {"status": AWAITING_APPROVAL, "approval_token": "t", "approval_requested_at": "2026"}
    lab.table("ingest_runs").put_item(
        Item={"table_id": "lab.good", "run_id": "stopped", "schema_changes": [], **left_behind}
    )
    with pytest.raises(MillpondError, match=r"lab\.good, run stopped is answered already"):
        answer(lab.aws, lab.engine.settings, "lab.good", is_approved=True)


def test_starting_without_a_state_machine_says_to_deploy(lab: Lab) -> None:
    elsewhere = lab.engine.settings.model_copy(update={"environment": "none"})

    with pytest.raises(MillpondError, match="not deployed") as raised:
        start_ingest(lab.aws, elsewhere)

    assert raised.value.next_step == "millpond deploy"
