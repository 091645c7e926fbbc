"""What the state machine makes of a source whose columns change, with the real Python shell job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from engine_fixtures import started_engine, wait_for
from orchestration_fixtures import PREFIX, Lab, orchestration, tools

from millpond.client.query import Row, run_query

SETTINGS: dict[str, Any] = {
    "fetch_size": 1000,
    "watermark_overlap": None,
    "change_operation_column": None,
    "change_sequence_column": None,
    "include_columns": None,
    "column_actions": {},
    "filter": None,
    "quality_rules": [],
    "quality_max_rejected": Decimal("0.2"),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    directory = tmp_path_factory.mktemp("drift")
    with (
        started_engine(tmp_path_factory.mktemp("engine"), shell_python=tools().shell_python) as engine,
        orchestration(directory, engine) as lab,
    ):
        yield lab


def rows(lab: Lab, query: str) -> list[Row]:
    return list(run_query(lab.client("athena"), query, workgroup=PREFIX).rows)


def test_a_row_that_does_not_fit_a_changed_column_goes_to_quarantine_and_the_run_is_committed(
    lab: Lab,
) -> None:
    lab.declare("loosened", "id bigint PRIMARY KEY, amount integer", schema_policy="permissive", **SETTINGS)
    lab.execute("INSERT INTO lab.loosened SELECT id, id * 10 FROM generate_series(1, 5) AS id")
    first = lab.ingest(["lab.loosened"])
    assert (first.error, first.final) == (None, {"loosened": "COMMITTED"})
    mailbox = lab.mailbox("ingest-events")
    lab.execute(
        "ALTER TABLE lab.loosened ALTER amount TYPE text",
        "UPDATE lab.loosened SET amount = 'many' WHERE id = 3",
        "UPDATE lab.loosened SET amount = '41' WHERE id = 4",
    )

    second = lab.ingest(["lab.loosened"])

    assert (second.error, second.final) == (None, {"loosened": "COMMITTED"})
    assert rows(lab, "SELECT id, amount FROM lab.loosened ORDER BY id") == [
        ("1", "10"),
        ("2", "20"),
        ("4", "41"),
        ("5", "50"),
    ]
    found = rows(
        lab,
        "SELECT table_id, run_id, array_join(rules, ', '), json_extract_scalar(\"row\", '$.id'), "
        "json_extract_scalar(\"row\", '$.amount') FROM operations.quarantine",
    )
    assert found == [("lab.loosened", second.run_id, "type of amount", "3", "many")]
    change = "amount was integer and is text: it stays int, and rows that do not fit go to quarantine"
    item = second.item("loosened")
    assert (item["rows_quarantined"], item["structure_version"]) == (1, 1)
    assert item["schema_changes"] == [change]
    [message] = wait_for("summary", lambda: lab.messages(mailbox))
    [told] = json.loads(message["Message"])["tables"]
    assert (told["outcome"], told["rows_quarantined"]) == ("COMMITTED", 1)
    assert told["schema_changes"] == [change]


def test_a_narrower_column_stays_as_wide_in_the_lake_and_loses_nothing(lab: Lab) -> None:
    lab.declare(
        "narrowed",
        "id bigint PRIMARY KEY, amount bigint, weight double precision",
        schema_policy="permissive",
        load_mode="append",
        **{**SETTINGS, "watermark_column": "id"},
    )
    lab.execute("INSERT INTO lab.narrowed VALUES (1, 5000000000, 0.1)")
    assert lab.ingest(["lab.narrowed"]).final == {"narrowed": "COMMITTED"}
    lab.execute(
        "DELETE FROM lab.narrowed",
        "ALTER TABLE lab.narrowed ALTER amount TYPE integer, ALTER weight TYPE real",
        "INSERT INTO lab.narrowed VALUES (2, 7, 0.5)",
    )

    second = lab.ingest(["lab.narrowed"])

    assert (second.error, second.final) == (None, {"narrowed": "COMMITTED"})
    assert rows(lab, "SELECT id, amount, weight FROM lab.narrowed ORDER BY id") == [
        ("1", "5000000000", "0.1"),
        ("2", "7", "0.5"),
    ]
    item = second.item("narrowed")
    assert (item["rows_quarantined"], item["structure_version"]) == (0, 2)
    assert item["schema_changes"] == [
        "amount was bigint and is integer, which holds less",
        "weight was double precision and is real, which holds less",
    ]


def test_tables_of_a_batch_are_ingested_by_one_run_and_one_that_fails_fails_alone(lab: Lab) -> None:
    rules = {**SETTINGS, "quality_rules": [{"name": "small", "check": "id < 3"}]}
    lab.declare("first_of_two", "id bigint PRIMARY KEY", **SETTINGS)
    lab.declare("refused", "id bigint PRIMARY KEY", **rules)
    lab.declare("last_of_two", "id bigint PRIMARY KEY", **SETTINGS)
    for table in ("first_of_two", "refused", "last_of_two"):
        lab.execute(f"INSERT INTO lab.{table} SELECT generate_series(1, 5)")

    outcome = lab.ingest(["lab.first_of_two", "lab.last_of_two", "lab.refused"])

    assert outcome.final == {"first_of_two": "COMMITTED", "refused": "FAILED", "last_of_two": "COMMITTED"}
    assert "3 of 5 rows break a quality rule" in outcome.item("refused")["error"]
    assert rows(lab, "SELECT count(*), max(id) FROM lab.last_of_two") == [("5", "5")]
    found = lab.client("glue").get_job_runs(JobName=f"{PREFIX}-ingest-shell")["JobRuns"]
    runs = [one for one in found if one["Arguments"]["--run_id"] == outcome.run_id]
    assert [sorted(json.loads(one["Arguments"]["--table_ids"])) for one in runs] == [
        ["lab.first_of_two", "lab.last_of_two", "lab.refused"]
    ]
    assert runs[0]["JobRunState"] == "FAILED"
    assert "1 of 3 tables failed: lab.refused" in runs[0]["ErrorMessage"]
    # A third of the minute each, of a sixteenth of a DPU.
    assert {outcome.item(table)["dpu_seconds"] for table in ("first_of_two", "last_of_two")} == {
        Decimal("1.250")
    }
    assert outcome.error is not None
    assert f"--run-id {runs[0]['Id']}" in outcome.error.detail
