from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.orc as po
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from millpond.console.reads import lake, search, sql
from millpond.console.reads.logs import error_line, is_secret, matches
from millpond.console.reads.machine import graph_of, mermaid, outcomes, visits_of
from millpond.console.reads.running import Remembered
from millpond.console.reads.runs import Run, RunBook, of_build, of_execution, of_job_run, of_query, past_of
from millpond.console.reads.stirring import AT_LEAST, Stirring

BEGIN = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOSTILE = '<img src=x onerror=alert(1)>"]; click s0 "javascript:alert(1)"'


class FakeAws:
    """Answers as boto3's clients do, from lists that a test changes; counts what it is asked."""

    def __init__(self) -> None:
        self.job_runs: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.refuses: set[str] = set()
        self.glue = self.athena = self.stepfunctions = self.codebuild = self

    def get_paginator(self, operation: str) -> Any:
        self.asked.append(operation)
        if operation in self.refuses:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)
        answers: dict[str, Any] = {
            "get_jobs": {"Jobs": [{"Name": "j"}] if self.job_runs else []},
            "get_job_runs": {"JobRuns": self.job_runs},
        }
        return SimpleNamespace(paginate=lambda **_: iter([answers.get(operation, {})]))

    def list_work_groups(self) -> Any:
        return {"WorkGroups": []}

    def get_job_run(self, *, JobName: str, RunId: str) -> Any:  # noqa: N803
        self.asked.append(f"get_job_run {RunId}")
        found = [run for run in self.job_runs if run["Id"] == RunId]
        if not found:
            raise ClientError({"Error": {"Code": "EntityNotFoundException"}}, "GetJobRun")
        return {"JobRun": found[0]}


def job_run(number: int, state: str = "SUCCEEDED", **more: Any) -> dict[str, Any]:
    return {
        "JobName": "j",
        "Id": f"jr_{number}",
        "JobRunState": state,
        "StartedOn": BEGIN + timedelta(minutes=number),
        "ExecutionTime": 5,
        **more,
    }


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (of_job_run(job_run(1, "FAILED", ErrorMessage="KeyError: 1")), ("failed", 5.0, "KeyError: 1")),
        (of_job_run(job_run(1, "RUNNING")), ("running", None, "")),
        (of_job_run(job_run(1, "WAITING")), ("running", None, "")),
        (of_job_run(job_run(1, "TIMEOUT")), ("failed", 5.0, "")),
        (
            of_execution(
                {
                    "stateMachineArn": "arn:aws:states:eu-west-1:000000000000:stateMachine:m",
                    "executionArn": "e",
                    "status": "ABORTED",
                    "startDate": BEGIN,
                    "stopDate": BEGIN + timedelta(seconds=3),
                }
            ),
            ("stopped", 3.0, ""),
        ),
        (
            of_query(
                {
                    "QueryExecutionId": "q",
                    "Query": "SELECT x",
                    "Status": {"State": "FAILED", "StateChangeReason": "line 1:8: no x"},
                    "Statistics": {"TotalExecutionTimeInMillis": 1500},
                }
            ),
            ("failed", 1.5, "line 1:8: no x"),
        ),
        (
            of_build(
                {
                    "projectName": "p",
                    "id": "p:1",
                    "buildStatus": "FAILED",
                    "phases": [
                        {"phaseType": "INSTALL", "phaseStatus": "SUCCEEDED", "contexts": [{"message": ""}]},
                        {"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{"message": "exit 1"}]},
                    ],
                }
            ),
            ("failed", None, "BUILD: exit 1"),
        ),
    ],
)
def test_runs_of_every_service_become_the_same_record(run, expected):
    assert (run.outcome, run.seconds, run.reason) == expected


def test_the_link_of_a_run_carries_any_name():
    assert Run("job", "a&b=<c>", "jr/1", "RUNNING").link == "/run?kind=job&name=a%26b%3D%3Cc%3E&id=jr%2F1"


def test_a_later_look_tells_what_is_new_or_has_changed():
    aws: Any = FakeAws()
    aws.job_runs = [job_run(2, "RUNNING"), job_run(1)]
    book = RunBook(aws)
    assert len(book.refresh()) == 2
    first = book.version
    assert book.refresh() == []
    assert book.version == first
    aws.job_runs = [job_run(3, "RUNNING"), job_run(2), job_run(1)]
    assert {run.id for run in book.refresh()} == {"jr_2", "jr_3"}
    assert {run.id for run in book.since(first)} == {"jr_2", "jr_3"}
    assert [run.id for run in book.runs()] == ["jr_3", "jr_2", "jr_1"]


def test_a_run_that_is_no_longer_listed_is_asked_for_by_itself_and_is_never_said_to_run_for_ever():
    aws: Any = FakeAws()
    aws.job_runs = [job_run(1, "RUNNING")]
    book = RunBook(aws)
    book.refresh()
    aws.job_runs = []
    [gone] = book.refresh()
    assert (gone.state, gone.outcome) == ("UNKNOWN", "failed")
    assert "get_job_run jr_1" in aws.asked
    aws.asked.clear()
    book.refresh()
    assert "get_job_run jr_1" not in aws.asked


def test_a_service_that_refuses_is_named_and_keeps_no_other_from_being_read():
    aws: Any = FakeAws()
    aws.refuses = {"list_builds"}
    aws.job_runs = [job_run(1)]
    book = RunBook(aws)
    assert [run.id for run in book.refresh()] == ["jr_1"]
    assert list(book.refused) == ["build"]
    aws.refuses.clear()
    book.refresh()
    assert book.refused == {}


def test_a_duration_is_held_against_those_that_succeeded_before():
    runs = [of_job_run(job_run(number, "FAILED" if number == 2 else "SUCCEEDED")) for number in range(5)]
    assert [run.id for run in past_of(runs, runs[3])] == ["jr_1", "jr_0"]


def test_what_is_remembered_is_not_asked_for_again_at_once_and_an_error_keeps_the_last_answer(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("millpond.console.reads.running.time.monotonic", lambda: clock[0])
    answers: list[Any] = ["one", OSError("gone"), "two"]

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return str(answer)

    remembered = Remembered(ask, 2.0)
    assert [remembered.get(), remembered.get()] == ["one", "one"]
    clock[0] += 3
    assert (remembered.get(), remembered.error) == ("one", "gone")
    clock[0] += 3
    assert (remembered.get(), remembered.error) == ("two", "")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["fine"], None),
        (["a", "Traceback (most recent call last):", "KeyError: 1"], 1),
        (["Traceback (most recent call last):", "Retry: 1", "x", "Traceback (most recent call last):"], 3),
        (["INFO no errors", "26/05/01 ERROR Executor: lost", "py4j.protocol.Py4JJavaError: x"], 1),
        (["x", "botocore.exceptions.ClientError: An error occurred"], 1),
        (["0 Errors found"], None),
    ],
)
def test_a_log_is_opened_at_the_error_that_ended_the_run(lines, expected):
    assert error_line(lines) == expected


def test_a_log_is_searched_in_whatever_case():
    assert matches(["Order 1", "x", "reORDER"], "order") == [0, 2]
    assert matches(["a"], "") == []


def test_arguments_with_secrets_are_known_by_their_names():
    secret = ["--db_password", "API_KEY", "--AuthToken", "client-secret", "AWS_SECRET_ACCESS_KEY"]
    assert all(map(is_secret, secret))
    assert not any(map(is_secret, ["--day", "--table", "--key_column", "--extra-py-files"]))


DEFINITION: dict[str, Any] = {
    "StartAt": "each",
    "States": {
        "each": {
            "Type": "Map",
            "ItemProcessor": {"StartAt": "load", "States": {"load": {"Type": "Task", "End": True}}},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "tell"}],
            "Next": "which",
        },
        "which": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "tell"}],
            "Default": HOSTILE,
        },
        "tell": {"Type": "Pass", "End": True},
        HOSTILE: {"Type": "Succeed"},
    },
}


def test_a_definition_becomes_a_graph_with_the_states_inside_of_others():
    graph = graph_of(DEFINITION)
    assert [node.path for node in graph.nodes][:2] == [("each",), ("each", "load")]
    assert {(edge.start[-1], edge.end[-1], edge.label) for edge in graph.edges} == {
        ("each", "which", ""),
        ("each", "tell", "States.ALL"),
        ("which", "tell", ""),
        ("which", HOSTILE, "default"),
    }


def test_the_name_of_a_state_is_nothing_but_text_in_the_picture():
    text = mermaid(graph_of(DEFINITION), {"load": "failed"})
    assert "<img" not in text
    assert "javascript:" not in text
    assert not any(line.lstrip().startswith("click") for line in text.splitlines())
    assert "class s1 failed" in text


def event(number: int, kind: str, before: int, **details: Any) -> dict[str, Any]:
    return {"id": number, "type": kind, "previousEventId": before, **details}


def test_a_history_says_how_each_state_stands_and_what_went_in_and_came_out():
    visits = visits_of(
        [
            event(1, "ExecutionStarted", 0),
            event(2, "MapStateEntered", 1, stateEnteredEventDetails={"name": "each", "input": "[1, 2]"}),
            event(3, "TaskStateEntered", 2, stateEnteredEventDetails={"name": "load", "input": "1"}),
            event(4, "TaskStateEntered", 2, stateEnteredEventDetails={"name": "load", "input": "2"}),
            event(5, "TaskStateExited", 3, stateExitedEventDetails={"name": "load", "output": '"ok"'}),
            event(6, "TaskFailed", 4, taskFailedEventDetails={"error": "Boom", "cause": "no disk"}),
            event(7, "PassStateEntered", 6, stateEnteredEventDetails={"name": "tell", "input": "{}"}),
        ]
    )
    assert [(one.name, one.outcome, one.input, one.output, one.error) for one in visits] == [
        ("each", "running", "[1, 2]", "", ""),
        ("load", "succeeded", "1", '"ok"', ""),
        ("load", "failed", "2", "", "Boom: no disk"),
        ("tell", "running", "{}", "", ""),
    ]
    assert outcomes(visits) == {"each": "running", "load": "failed", "tell": "running"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT ';' ; SELECT 2 -- ; no", [("SELECT ';'", 0), ("SELECT 2 -- ; no", 0)]),
        ("select 1;;\n;select ? from t where a = ?", [("select 1", 0), ("select ? from t where a = ?", 2)]),
        ('SELECT "a;b"; /* ; */ x', [('SELECT "a;b"', 0), ("/* ; */ x", 0)]),
        ("select 'x; y", [("select 'x; y", 0)]),
        (" \n ", []),
    ],
)
def test_a_text_is_taken_apart_into_statements_with_their_parameters(text, expected):
    found = sql.split(text)
    assert [(one.text, one.parameters) for one in found] == expected
    assert all(text[one.begin :].startswith(one.text) for one in found)


@pytest.mark.parametrize(
    ("reason", "shift", "marked"),
    [
        ("COLUMN_NOT_FOUND: line 2:3: Column 'nope' cannot be resolved", 0, "nope FROM t"),
        ("line 1:16: mismatched", 8, "a,"),
        ("line 9:1: far away", 0, None),
        ("it failed", 0, None),
    ],
)
def test_the_place_that_a_reason_names_is_found_in_the_editor(reason, shift, marked):
    text = "select 1;\n  SELECT a,\n  nope FROM t"
    place = sql.error_place(text, sql.split(text)[1], reason, shift)
    assert (None if place is None else text[place:].startswith(marked)) == (None if marked is None else True)


def test_a_query_costs_at_least_what_ten_mebibytes_do_and_nothing_where_nothing_is_read():
    assert sql.price(0) == 0
    assert sql.price(1) == sql.price(10 * 2**20) == pytest.approx(4.77e-5, rel=0.01)
    assert sql.price(2**40) == 5


def version(number: int, columns: dict[str, str]) -> dict[str, Any]:
    described = [{"Name": name, "Type": kind} for name, kind in columns.items()]
    return {"VersionId": str(number), "Table": {"StorageDescriptor": {"Columns": described}}}


def test_a_chart_has_a_series_for_each_column_and_gaps_where_there_is_no_number():
    types = ("varchar", "double", "decimal(9,2)")
    assert sql.numeric(types) == [1, 2]
    rows = [("<b>", "1.5", "2.50"), ("b", None, "NaN")]
    options = sql.chart_options(("who", "a", "d"), rows, "line", 0, [1, 2])
    assert options["xAxis"]["data"] == ["<b>", "b"]
    assert [one["data"] for one in options["series"]] == [[1.5, None], [2.5, None]]
    assert options["tooltip"]["renderMode"] == "richText"


def test_versions_of_a_table_say_what_they_changed():
    versions = [
        version(2, {"a": "bigint"}),
        version(10, {"a": "string", "c": "date"}),
        version(9, {"a": "bigint", "b": "int"}),
    ]
    assert [(one.version, one.what) for one in lake.changes(versions)] == [
        ("10", ("+ c date", "- b int", "a: bigint → string")),
        ("9", ("+ b int",)),
        ("2", ()),
    ]


def test_snapshots_come_newest_first_with_what_their_summary_has():
    metadata = {
        "snapshots": [
            {
                "snapshot-id": 1,
                "timestamp-ms": 1000,
                "summary": {"operation": "append", "added-records": "2"},
            },
            {"snapshot-id": 2, "timestamp-ms": 2000},
        ]
    }
    assert [(one.id, one.operation, one.added) for one in lake.snapshots_of(metadata)] == [
        (2, "", ""),
        (1, "append", "2"),
    ]


def test_names_of_tables_and_columns_are_quoted_in_statements():
    assert lake.sample_statement('a"b', "t", 7) == 'SELECT * FROM "a""b"."t" FOR VERSION AS OF 7 LIMIT 100'
    text = lake.profile_statement("d", "t", [('x"', "bigint", ""), ("y", "array<int>", "")])
    assert 'count("x""")' in text
    assert 'approx_distinct("y")' not in text


class FakeS3:
    def __init__(self, content: bytes) -> None:
        self.content, self.read_bytes = content, 0

    def head_object(self, **_: Any) -> Any:
        return {"ContentLength": len(self.content)}

    def get_object(self, *, Range: str, **_: Any) -> Any:  # noqa: N803
        first, last = map(int, Range.removeprefix("bytes=").split("-"))
        part = self.content[first : last + 1]
        self.read_bytes += len(part)
        return {"Body": io.BytesIO(part)}


def parquet() -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table({"n": [1, None], "s": ["<b>", "x"]}), written)
    return written.getvalue()


def orc_file() -> bytes:
    written = io.BytesIO()
    po.write_table(pa.table({"n": [1, None], "s": ["<b>", "x"]}), written)
    return written.getvalue()


def avro(codec: str) -> bytes:
    fields = [{"name": "n", "type": ["null", "long"]}, {"name": "s", "type": "string"}]
    schema = {"type": "record", "name": "r", "fields": fields}
    written = io.BytesIO()
    fastavro.writer(written, schema, [{"n": 1, "s": "<b>"}, {"n": None, "s": "x"}], codec)
    return written.getvalue()


@pytest.mark.parametrize(
    ("key", "content", "kind", "shown"),
    [
        ("a.parquet", parquet(), "rows", (("1", "<b>"), (None, "x"))),
        ("a.orc", orc_file(), "rows", (("1", "<b>"), (None, "x"))),
        *(
            ("a", avro(codec), "rows", (("1", "<b>"), (None, "x")))
            for codec in ("deflate", "snappy", "zstandard")
        ),
        ("a.csv", b"1,a\n2\n", "rows", (("1", "a"), ("2", None))),
        ("a.json", b'{"a": [1]}', "text", '{\n  "a": [\n    1\n  ]\n}'),
        ("a.json", b'{"a": 1}\n{"a": 2}\n', "text", '{"a": 1}\n{"a": 2}\n'),
        ("a.txt", "é\n".encode(), "text", "é"),
        ("a.bin", b"\xff\xfe\x00", "none", "It is no text, and nothing that is shown here."),
        ("a.txt", b"", "none", "It is empty."),
    ],
)
def test_a_file_is_shown_by_what_it_is(key, content, kind, shown):
    aws: Any = SimpleNamespace(s3=FakeS3(content))
    found = lake.preview(aws, "b", key)
    assert (found.kind, found.rows if kind == "rows" else found.text) == (kind, shown)


def test_the_columns_of_avro_have_their_types_and_a_file_that_must_be_read_whole_is_bounded(monkeypatch):
    aws: Any = SimpleNamespace(s3=FakeS3(avro("deflate")))
    found = lake.preview(aws, "b", "a.avro")
    assert (found.columns, found.types) == (("n", "s"), ("long", "string"))
    monkeypatch.setattr(lake, "MOST_WHOLE_BYTES", 10)
    assert "too large" in lake.preview(SimpleNamespace(s3=FakeS3(orc_file())), "b", "a.orc").text


def test_the_beginning_of_a_large_file_is_read_and_no_more():
    s3 = FakeS3(b"line of text\n" * 100_000)
    aws: Any = SimpleNamespace(s3=s3)
    assert lake.preview(aws, "b", "a.log").kind == "text"
    assert s3.read_bytes == lake.PREVIEW_BYTES


@pytest.fixture
def answering() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of an engine, and the answers of its stream that it will give, one after the other."""
    answers: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if answers else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answers.pop(0) if answers else {}).encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", answers
    server.shutdown()
    server.server_close()


def stream(*kinds: str, **more: Any) -> dict[str, Any]:
    records = [{"kind": kind} for kind in kinds]
    return {"stream": "s", "next": 1, "is_missing": False, "records": records, **more}


def test_a_stack_is_looked_at_when_its_stream_tells_of_a_state_and_now_and_then(answering, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("millpond.console.reads.stirring.time.monotonic", lambda: clock[0])
    address, answers = answering
    stirring = Stirring(address)
    answers += [stream(), stream("call", "event"), stream("call", "state"), stream(), stream(is_missing=True)]
    assert [stirring.has_stirred() for _ in range(5)] == [True, False, True, False, True]
    answers.append(stream())
    clock[0] += AT_LEAST
    assert stirring.has_stirred()
    # Its stream is gone: whether anything stirs is found by looking.
    assert stirring.has_stirred()
    assert Stirring(None).has_stirred()


def test_things_are_found_by_words_of_their_name_and_kind():
    names = {"job": ["daily load", "load"], "table": ["shop.load", "shop.orders"]}
    things = [search.Thing(kind, name, "/") for kind, found in names.items() for name in found]
    assert [one.name for one in search.found(things, "LOAD")] == ["load", "shop.load", "daily load"]
    assert [one.name for one in search.found(things, "table load")] == ["shop.load"]
    assert search.found(things, " ") == []
