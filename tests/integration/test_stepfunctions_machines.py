"""Many small state machines against one engine: what each makes of its input, all run at the same time."""

from __future__ import annotations

import gzip
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pyarrow
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine, wait_for
from pyarrow import parquet

STATES = "arn:aws:states:::"


def machine(language: str = "JSONPath", **states: Any) -> dict[str, Any]:
    return {"QueryLanguage": language, "StartAt": next(iter(states)), "States": states}


def jsonata(**states: Any) -> dict[str, Any]:
    return machine("JSONata", **states)


def passing(**fields: Any) -> dict[str, Any]:
    return {"Type": "Pass", **({} if "Next" in fields else {"End": True}), **fields}


def inner(**states: Any) -> dict[str, Any]:
    """A branch, or what is done for each item."""
    return {"StartAt": next(iter(states)), "States": states}


def inline(states: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"Type": "Map", "ItemProcessor": states, "End": True, **fields}


def distributed(states: dict[str, Any], kind: str = "STANDARD", **fields: Any) -> dict[str, Any]:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": kind}
    return {"Type": "Map", "ItemProcessor": {"ProcessorConfig": config, **states}, "End": True, **fields}


def reading(key: str, **config: Any) -> dict[str, Any]:
    """An ``ItemReader`` of an object."""
    return {
        "Resource": f"{STATES}s3:getObject",
        "ReaderConfig": config,
        "Parameters": {"Bucket": "maps", "Key": key},
    }


@dataclass(frozen=True)
class Case:
    """A machine, its input, and its output, or the error that it fails with."""

    definition: dict[str, Any]
    output: Any = None
    error: str | None = None
    given: Any = field(default_factory=dict)
    cause: str = ""


FAILING = {"Type": "Fail", "Error": "Mine", "Cause": "why"}
CATCH_ALL = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
CAUGHT = passing(Parameters={"error.$": "$.Error"})

# Fails for numbers over 10.
SMALL = inner(
    C={
        "Type": "Choice",
        "Choices": [{"Variable": "$", "NumericGreaterThan": 10, "Next": "F"}],
        "Default": "P",
    },
    F=FAILING,
    P=passing(),
)
NUMBERS = [1, 20, 3, 40, 5]
ROWS = [{"id": "1", "name": "a,b"}, {"id": "2", "name": "ü"}]
ITEMS = inner(I=passing())

CASES = {
    # Distributed Maps
    "failing items fail the Map": Case(
        machine(A=distributed(SMALL)), error="States.ExceedToleratedFailureThreshold", given=NUMBERS
    ),
    "threshold is caught": Case(
        machine(
            A=distributed(
                SMALL,
                ToleratedFailureCount=1,
                Catch=[{"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "Next": "Caught"}],
            ),
            Caught=CAUGHT,
        ),
        {"error": "States.ExceedToleratedFailureThreshold"},
        given=NUMBERS,
    ),
    "failing items are tolerated by count": Case(
        machine(A=distributed(SMALL, ToleratedFailureCount=2, MaxConcurrency=1)),
        [1, None, 3, None, 5],
        given=NUMBERS,
    ),
    "failing items are tolerated by percentage": Case(
        machine(A=distributed(SMALL, ToleratedFailurePercentagePath="$.share", ItemsPath="$.rows")),
        [1, None, 3, None, 5],
        given={"rows": NUMBERS, "share": 40},
    ),
    "a smaller percentage": Case(
        machine(A=distributed(SMALL, ToleratedFailurePercentage=39)),
        error="States.ExceedToleratedFailureThreshold",
        given=NUMBERS,
    ),
    "express children": Case(machine(A=distributed(ITEMS, "EXPRESS")), [1, 2], given=[1, 2]),
    "batches": Case(
        machine(
            A=distributed(
                ITEMS,
                ItemsPath="$.rows",
                ItemSelector={"n.$": "$$.Map.Item.Value", "at.$": "$$.Map.Item.Index", "x.$": "$.x"},
                ItemBatcher={"MaxItemsPerBatch": 2, "BatchInput": {"x.$": "$.x"}},
            )
        ),
        [
            {"BatchInput": {"x": "y"}, "Items": [{"n": 7, "at": 0, "x": "y"}, {"n": 8, "at": 1, "x": "y"}]},
            {"BatchInput": {"x": "y"}, "Items": [{"n": 9, "at": 2, "x": "y"}]},
        ],
        given={"rows": [7, 8, 9], "x": "y"},
    ),
    "distributed in JSONata": Case(
        jsonata(
            A=distributed(
                inner(I=passing(Output="{% $states.input.n * 2 %}")),
                Items="{% $states.input.rows %}",
                ItemSelector={"n": "{% $states.context.Map.Item.Value %}"},
                ToleratedFailureCount="{% 0 %}",
                Output="{% $sum($states.result) %}",
            ),
        ),
        12,
        given={"rows": [1, 2, 3]},
    ),
    "results of arrays are flattened": Case(
        machine(A=distributed(ITEMS, ResultWriter={"WriterConfig": {"Transformation": "FLATTEN"}})),
        [1, 2, 3],
        given=[[1, 2], [3]],
    ),
    "CSV": Case(
        machine(
            A=distributed(
                ITEMS, ItemReader=reading("rows.csv", InputType="CSV", CSVHeaderLocation="FIRST_ROW")
            )
        ),
        ROWS,
    ),
    "CSV with given names": Case(
        machine(
            A=distributed(
                ITEMS,
                ItemReader=reading(
                    "plain.csv",
                    InputType="CSV",
                    CSVHeaderLocation="GIVEN",
                    CSVHeaders=["x", "y", "z"],
                    CSVDelimiter="PIPE",
                    MaxItems=1,
                ),
            )
        ),
        [{"x": "1", "y": "2", "z": ""}],
    ),
    "JSON": Case(
        machine(A=distributed(ITEMS, ItemReader=reading("rows.json", InputType="JSON", ItemsPointer="/a/0"))),
        ROWS,
    ),
    "JSON Lines": Case(
        machine(A=distributed(ITEMS, ItemReader=reading("rows.jsonl", InputType="JSONL"))), ROWS
    ),
    "Parquet": Case(
        machine(A=distributed(ITEMS, ItemReader=reading("rows.parquet", InputType="PARQUET"))), ROWS
    ),
    "inventory": Case(
        machine(A=distributed(ITEMS, ItemReader=reading("inventory.json", InputType="MANIFEST"))),
        [{"Bucket": "maps", "Key": "a b.csv", "Size": "3"}],
    ),
    "files of an UNLOAD": Case(
        machine(
            A=distributed(
                ITEMS, ItemReader=reading("unload.csv", InputType="JSONL", ManifestType="ATHENA_DATA")
            )
        ),
        ROWS,
    ),
    "listed objects": Case(
        machine(
            A=distributed(
                inner(I=passing(InputPath="$.Key")),
                ItemReader={
                    "Resource": f"{STATES}s3:listObjectsV2",
                    "Parameters": {"Bucket": "maps", "Prefix": "rows."},
                },
            )
        ),
        ["rows.csv", "rows.json", "rows.jsonl", "rows.parquet"],
    ),
    "reader fails": Case(
        machine(
            A=distributed(
                ITEMS,
                ItemReader=reading("nothing", InputType="JSONL"),
                Catch=[{"ErrorEquals": ["States.ItemReaderFailed"], "Next": "Caught"}],
            ),
            Caught=CAUGHT,
        ),
        {"error": "States.ItemReaderFailed"},
    ),
    "distributed in inline in Parallel": Case(
        machine(
            P={
                "Type": "Parallel",
                "End": True,
                "Branches": [
                    inner(M=inline(inner(D=distributed(inner(I=passing(Parameters={"n.$": "$"}))))))
                ],
            }
        ),
        [[[{"n": 1}, {"n": 2}], [{"n": 3}]]],
        given=[[1, 2], [3]],
    ),
    "timestamps with a fraction and an offset": Case(
        machine(
            A={
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.a", "TimestampGreaterThanEqualsPath": "$.b", "Next": "Caught"},
                ],
            },
            Caught=passing(Result="later"),
        ),
        "later",
        given={"a": "2026-01-01T14:00:00.500+02:00", "b": "2026-01-01T12:00:00.499Z"},
    ),
    # JSONata and variables
    "output": Case(jsonata(A=passing(Output={"n": "{% $states.input.a + 1 %}"})), {"n": 2}, given={"a": 1}),
    "quotes": Case(
        jsonata(A=passing(Output="{% $states.input.s & '!' %}")), 'say "hi"!', given={"s": 'say "hi"'}
    ),
    "assign": Case(
        jsonata(
            A=passing(Assign={"n": "{% $states.input.a %}", "list": [1, "{% 1 + 1 %}"]}, Next="B"),
            B=passing(Output="{% [$n, $list] %}"),
        ),
        [20, 1, 2],
        given={"a": 20},
    ),
    "condition": Case(
        jsonata(
            A={
                "Type": "Choice",
                "Choices": [{"Condition": "{% $states.input.a > 1 %}", "Next": "B", "Assign": {"big": True}}],
                "Default": "C",
            },
            B=passing(Output="{% $big %}"),
            C=passing(),
        ),
        True,
        given={"a": 2},
    ),
    "items": Case(
        jsonata(
            A={
                "Type": "Map",
                "Items": "{% $states.input.rows %}",
                "ItemSelector": {"v": "{% $states.context.Map.Item.Value %}"},
                "ItemProcessor": {
                    "StartAt": "I",
                    "States": {"I": passing(Output="{% $states.input.v * 2 %}")},
                },
                "Output": "{% $sum($states.result) %}",
                "End": True,
            }
        ),
        12,
        given={"rows": [1, 2, 3]},
    ),
    "arguments": Case(
        jsonata(
            A={
                "Type": "Task",
                "Resource": f"{STATES}aws-sdk:sts:getCallerIdentity",
                "Arguments": {},
                "Assign": {"account": "{% $states.result.Account %}"},
                "Next": "B",
            },
            B=passing(Output="{% $account %}"),
        ),
        "000000000000",
    ),
    "error output": Case(
        jsonata(
            A={
                "Type": "Task",
                "Resource": f"{STATES}aws-sdk:s3:getObject",
                "Arguments": {"Bucket": "no-such-bucket", "Key": "k"},
                "Catch": [
                    {
                        "ErrorEquals": ["States.ALL"],
                        "Assign": {"error": "{% $states.errorOutput.Error %}"},
                        "Next": "B",
                    }
                ],
                "End": True,
            },
            B=passing(Output="{% $error %}"),
        ),
        "S3.NoSuchBucketException",
    ),
    "undefined": Case(jsonata(A=passing(Output="{% $nowhere %}")), error="States.QueryEvaluationError"),
    "query error is caught": Case(
        jsonata(
            A={
                "Type": "Task",
                "Resource": f"{STATES}aws-sdk:s3:getObject",
                "Arguments": {"Bucket": "{% $nothing %}"},
                "Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "B"}],
                "End": True,
            },
            B=passing(Output="caught"),
        ),
        "caught",
    ),
    "paths of variables": Case(
        machine(
            A=passing(Assign={"x.$": "$.rows", "name": "n"}, Next="B"),
            B=passing(
                Parameters={"all.$": "$x[*].n", "one.$": "$x[1].n", "text.$": "States.Format('{}', $name)"}
            ),
        ),
        {"all": [1, 2], "one": 2, "text": "n"},
        given={"rows": [{"n": 1}, {"n": 2}]},
    ),
    "variables in a Map are its own": Case(
        machine(
            A=passing(Assign={"base": 10}, Next="M"),
            M=inline(
                {
                    "StartAt": "I",
                    "States": {
                        "I": passing(Assign={"mine.$": "States.MathAdd($base, $.n)"}, Next="J"),
                        "J": passing(Parameters={"v.$": "$mine"}),
                    },
                },
                ItemsPath="$.rows",
            ),
        ),
        [{"v": 11}, {"v": 12}],
        given={"rows": [{"n": 1}, {"n": 2}]},
    ),
    # Intrinsic functions
    "format": Case(
        machine(A=passing(Parameters={"t.$": r"States.Format('it\'s \{{}\} {}', $.a, $$.State.Name)"})),
        {"t": "it's {1} A"},
        given={"a": 1},
    ),
    "intrinsic failure": Case(
        machine(A=passing(Parameters={"x.$": "States.ArrayRange(1, 2000, 1)"})),
        error="States.IntrinsicFailure",
    ),
    # Errors
    "fail passes on a reserved name": Case(
        machine(A={"Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.c"}),
        error="States.Timeout",
        cause="late",
        given={"e": "States.Timeout", "c": "late"},
    ),
    "fail in a branch": Case(
        machine(
            A={
                "Type": "Parallel",
                "Branches": [inner(F=FAILING), inner(W={"Type": "Wait", "Seconds": 60, "End": True})],
                "Catch": [{"ErrorEquals": ["Mine"], "Next": "Caught"}],
                "End": True,
            },
            Caught=CAUGHT,
        ),
        {"error": "Mine"},
    ),
    "reserved name out of a branch": Case(
        machine(
            A={
                "Type": "Parallel",
                "Branches": [
                    inner(
                        T={
                            "Type": "Task",
                            "Resource": f"{STATES}lambda:invoke.waitForTaskToken",
                            "Parameters": {"FunctionName": "x", "Payload": {"t.$": "$$.Task.Token"}},
                            "End": True,
                            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "F"}],
                        },
                        F={"Type": "Fail", "Error": "States.TaskFailed"},
                    )
                ],
                "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "Caught"}],
                "End": True,
            },
            Caught=CAUGHT,
        ),
        {"error": "States.TaskFailed"},
    ),
    "runtime errors are not caught by all": Case(
        machine(
            A=inline(inner(I=passing(Parameters={"x.$": "$.nothing"})), Catch=CATCH_ALL, ItemsPath="$.rows"),
            Caught=CAUGHT,
        ),
        error="States.Runtime",
        given={"rows": [1]},
    ),
    "heartbeat": Case(
        machine(
            A={
                "Type": "Task",
                "Resource": f"{STATES}sqs:sendMessage.waitForTaskToken",
                "Parameters": {"QueueUrl.$": "$.queue", "MessageBody.$": "$$.Task.Token"},
                "HeartbeatSeconds": 1,
                "Catch": [{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "Caught"}],
                "End": True,
            },
            Caught=CAUGHT,
        ),
        {"error": "States.HeartbeatTimeout"},
    ),
}


def prepare(client: Callable[[str], Any]) -> None:
    """The objects that the readers of the cases read."""
    s3 = client("s3")
    s3.create_bucket(Bucket="maps", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    lines = "".join(f"{json.dumps(row)}\n" for row in ROWS).encode()
    table = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), table)
    inventory = {
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
        "destinationBucket": "arn:aws:s3:::maps",
        "files": [{"key": "inventory.csv.gz"}],
    }
    objects = {
        "rows.csv": 'id,name\r\n1,"a,b"\r\n2,ü\r\n'.encode(),
        "plain.csv": b"1|2\n3|4\n",
        "rows.json": json.dumps({"a": [ROWS]}).encode(),
        "rows.jsonl": lines,
        "rows.parquet": table.getvalue(),
        "inventory.json": json.dumps(inventory).encode(),
        "inventory.csv.gz": gzip.compress(b'"maps","a+b.csv","3"\n'),
        "unload.csv": b"s3://maps/part.gz\n",
        "part.gz": gzip.compress(lines),
    }
    for key, body in objects.items():
        s3.put_object(Bucket="maps", Key=key, Body=body)


@pytest.fixture(scope="module")
def executions(running_engine: RunningEngine) -> dict[str, Any]:
    """The executions of all cases, by their names; they run at the same time."""
    prepare(running_engine.client)
    states = running_engine.client("stepfunctions")
    queue = running_engine.client("sqs").create_queue(QueueName="tokens")["QueueUrl"]
    started = {}
    for number, (name, case) in enumerate(CASES.items()):
        arn = states.create_state_machine(
            name=f"case-{number}", roleArn=running_engine.role(), definition=json.dumps(case.definition)
        )["stateMachineArn"]
        given = json.dumps({**case.given, "queue": queue} if name == "heartbeat" else case.given)
        started[name] = states.start_execution(stateMachineArn=arn, input=given)["executionArn"]
    return started


@pytest.mark.parametrize("name", CASES)
def test_machine_ends_as_on_aws(running_engine: RunningEngine, executions: dict[str, Any], name: str) -> None:
    case, found = CASES[name], ended(running_engine, executions[name])
    if case.error is not None:
        assert (found["status"], found.get("error")) == ("FAILED", case.error), found
        assert case.cause in found.get("cause", "")
    else:
        assert found["status"] == "SUCCEEDED", found
        assert json.loads(found["output"]) == case.output


def ended(engine: RunningEngine, execution: str) -> dict[str, Any]:
    states = engine.client("stepfunctions")

    found: dict[str, Any] = wait_for("end of the execution", lambda: _if_ended(states, execution), 60)
    return found


def test_machine_with_a_fault_is_neither_created_nor_valid(running_engine: RunningEngine) -> None:
    states = running_engine.client("stepfunctions")
    definition = json.dumps(machine(A={"Type": "Pass", "Next": "B"}))
    with pytest.raises(ClientError, match="Missing 'Next' target: B at /States/A/Next") as refused:
        states.create_state_machine(name="faulty", roleArn=running_engine.role(), definition=definition)
    assert refused.value.response["Error"]["Code"] == "InvalidDefinition"
    found = states.validate_state_machine_definition(definition=definition)
    [diagnostic] = found["diagnostics"]
    assert found["result"] == "FAIL"
    assert (diagnostic["code"], diagnostic["location"]) == ("MISSING_TRANSITION_TARGET", "/States/A/Next")


def create(engine: RunningEngine, name: str, definition: dict[str, Any]) -> str:
    made = engine.client("stepfunctions").create_state_machine(
        name=name, roleArn=engine.role(), definition=json.dumps(definition)
    )
    return str(made["stateMachineArn"])


def test_map_run_writes_results_and_is_redriven_alone(
    running_engine: RunningEngine, executions: dict[str, Any]
) -> None:
    assert executions
    states, s3 = running_engine.client("stepfunctions"), running_engine.client("s3")
    # Fails as long as there is no object of the item's name.
    look = {
        "Type": "Task",
        "Resource": f"{STATES}aws-sdk:s3:getObject",
        "Parameters": {"Bucket": "maps", "Key.$": "$"},
        "ResultPath": None,
        "End": True,
    }
    writer = {"Resource": f"{STATES}s3:putObject", "Parameters": {"Bucket": "maps", "Prefix": "out"}}
    arn = create(
        running_engine, "written", machine(A=distributed(inner(T=look), ResultWriter=writer, Label="L"))
    )
    started = states.start_execution(stateMachineArn=arn, input='["rows.csv", "late", "rows.json"]')
    first = ended(running_engine, started["executionArn"])
    assert first["error"] == "States.ExceedToleratedFailureThreshold"
    assert first["redriveStatus"] == "REDRIVABLE"

    [listed] = states.list_map_runs(executionArn=started["executionArn"])["mapRuns"]
    failed = states.describe_map_run(mapRunArn=listed["mapRunArn"])
    counts = failed["itemCounts"]
    assert failed["status"] == "FAILED"
    assert (counts["total"], counts["failed"], counts["running"]) == (3, 1, 0)
    children = states.list_executions(mapRunArn=listed["mapRunArn"], statusFilter="FAILED")["executions"]
    assert [states.describe_execution(executionArn=one["executionArn"])["error"] for one in children] == [
        "S3.NoSuchKeyException"
    ]

    s3.put_object(Bucket="maps", Key="late", Body=b"")
    states.redrive_execution(executionArn=started["executionArn"])
    second = ended(running_engine, started["executionArn"])
    assert (second["status"], second["redriveCount"]) == ("SUCCEEDED", 1), second
    place = json.loads(second["output"])["ResultWriterDetails"]
    manifest = json.loads(s3.get_object(**place)["Body"].read())
    [file] = manifest["ResultFiles"]["SUCCEEDED"]
    results = json.loads(s3.get_object(Bucket="maps", Key=file["Key"])["Body"].read())
    assert [json.loads(one["Output"]) for one in results] == ["rows.csv", "late", "rows.json"]
    again = states.describe_map_run(mapRunArn=listed["mapRunArn"])
    assert (again["status"], again["redriveCount"]) == ("SUCCEEDED", 1)
    assert (again["itemCounts"]["succeeded"], again["itemCounts"]["failed"]) == (3, 0)
    names = [one["name"] for one in states.list_executions(mapRunArn=listed["mapRunArn"])["executions"]]
    assert len(names) == len(set(names)) == 3


def test_only_what_did_not_succeed_runs_again(
    running_engine: RunningEngine, executions: dict[str, Any]
) -> None:
    assert executions
    states, sqs, s3 = (running_engine.client(one) for one in ("stepfunctions", "sqs", "s3"))
    queue = sqs.create_queue(QueueName="counted")["QueueUrl"]
    count = {
        "Type": "Task",
        "Resource": f"{STATES}sqs:sendMessage",
        "Parameters": {"QueueUrl": queue, "MessageBody.$": "States.JsonToString($)"},
        "ResultPath": None,
    }
    look = {
        "Type": "Task",
        "Resource": f"{STATES}aws-sdk:s3:getObject",
        "Parameters": {"Bucket": "maps", "Key": "gate"},
        "ResultPath": None,
        "Next": "C",
    }
    definition = machine(
        P={
            "Type": "Parallel",
            "Branches": [
                inner(A={**count, "End": True}),
                inner(M=inline(inner(B={**count, "Next": "G"}, G=look, C=passing()), ItemsPath="$.rows")),
            ],
            "Next": "D",
        },
        D=passing(),
    )
    arn = create(running_engine, "again", definition)
    execution = states.start_execution(stateMachineArn=arn, input='{"rows": [1, 2]}')["executionArn"]
    assert ended(running_engine, execution)["status"] == "FAILED"
    s3.put_object(Bucket="maps", Key="gate", Body=b"")
    states.redrive_execution(executionArn=execution)
    found = ended(running_engine, execution)
    assert json.loads(found["output"]) == [{"rows": [1, 2]}, [1, 2]]
    messages = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert messages["ApproximateNumberOfMessages"] == "3"
    pages = states.get_paginator("get_execution_history").paginate(
        executionArn=execution, PaginationConfig={"PageSize": 7}
    )
    events = [event for page in pages for event in page["events"]]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events].count("ExecutionRedriven") == 1
    with pytest.raises(ClientError, match="SUCCEEDED"):
        states.redrive_execution(executionArn=execution)


class Api(BaseHTTPRequestHandler):
    """Answers with what it was called with; at another path than ``/well`` with 503."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        told = {"path": self.path, "key": self.headers["x-key"], "body": body}
        answer = json.dumps(told).encode()
        self.send_response(200 if self.path.startswith("/well") else 503)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_given: Any) -> None:
        """Nothing."""


@pytest.fixture
def api() -> Iterator[str]:
    """The address of an API on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_http_task_is_authorised_by_a_connection_and_fails_by_its_status(
    running_engine: RunningEngine, api: str
) -> None:
    connection = running_engine.client("events").create_connection(
        Name="api",
        AuthorizationType="API_KEY",
        AuthParameters={"ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "secret"}},
    )["ConnectionArn"]
    call = {
        "Type": "Task",
        "Resource": f"{STATES}http:invoke",
        "Parameters": {
            "ApiEndpoint.$": "$.at",
            "Method": "POST",
            "Authentication": {"ConnectionArn": connection},
            "QueryParameters": {"q": "1"},
            "RequestBody": {"n": 1},
        },
        "ResultSelector": {"status.$": "$.StatusCode", "told.$": "$.ResponseBody"},
        "Catch": [{"ErrorEquals": ["States.Http.StatusCode.503"], "Next": "Caught"}],
        "End": True,
    }
    arn = create(running_engine, "calls", machine(A=call, Caught=CAUGHT))
    states = running_engine.client("stepfunctions")
    outputs = []
    for path in ("well", "ill"):
        given = json.dumps({"at": f"{api}/{path}"})
        execution = states.start_execution(stateMachineArn=arn, input=given)["executionArn"]
        found = ended(running_engine, execution)
        outputs.append(json.loads(found["output"]))
    told = {"path": "/well?q=1", "key": "secret", "body": '{"n": 1}'}
    assert outputs == [{"status": 200, "told": told}, {"error": "States.Http.StatusCode.503"}]


def test_parallel_states_and_maps_are_tested_with_a_mock(running_engine: RunningEngine) -> None:
    state = {
        "Type": "Parallel",
        "Branches": [inner(A=passing())],
        "ResultPath": "$.all",
        "Next": "B",
    }
    # The operation's endpoint has another host on AWS.
    states = boto3.client(
        "stepfunctions",
        endpoint_url=running_engine.settings.endpoint_url,
        region_name=running_engine.settings.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(inject_host_prefix=False),
    )
    found = states.test_state(
        definition=json.dumps(state),
        roleArn=running_engine.role(),
        input='{"x": 1}',
        mock={"result": "[1, 2]"},
    )
    assert (found["status"], found["nextState"]) == ("SUCCEEDED", "B")
    assert json.loads(found["output"]) == {"x": 1, "all": [1, 2]}
    mapped = states.test_state(
        definition=json.dumps(
            distributed(
                ITEMS,
                "EXPRESS",
                ItemReader=reading("rows.jsonl", InputType="JSONL"),
                ItemBatcher={"MaxItemsPerBatch": 2},
                ToleratedFailurePercentage=5,
                ResultPath="$.all",
            )
        ),
        roleArn=running_engine.role(),
        input='{"x": 1}',
        mock={"result": "[1, 2]"},
    )
    assert mapped["status"] == "SUCCEEDED", mapped
    assert json.loads(mapped["output"]) == {"x": 1, "all": [1, 2]}


def test_alias_routes_to_its_version_and_lists_what_it_started(running_engine: RunningEngine) -> None:
    states = running_engine.client("stepfunctions")
    arn = create(running_engine, "routed", machine(A=passing(Result="one")))
    first = states.publish_state_machine_version(stateMachineArn=arn)["stateMachineVersionArn"]
    states.update_state_machine(stateMachineArn=arn, definition=json.dumps(machine(A=passing(Result="two"))))
    second = states.publish_state_machine_version(stateMachineArn=arn)["stateMachineVersionArn"]
    alias = states.create_state_machine_alias(
        name="live", routingConfiguration=[{"stateMachineVersionArn": first, "weight": 100}]
    )["stateMachineAliasArn"]
    outputs = []
    for version in (first, second):
        routing = [{"stateMachineVersionArn": version, "weight": 100}]
        states.update_state_machine_alias(stateMachineAliasArn=alias, routingConfiguration=routing)
        found = ended(running_engine, states.start_execution(stateMachineArn=alias)["executionArn"])
        outputs.append((json.loads(found["output"]), found["stateMachineVersionArn"]))
        assert found["stateMachineAliasArn"] == alias
    assert outputs == [("one", first), ("two", second)]
    assert len(states.list_executions(stateMachineArn=alias)["executions"]) == 2


def test_limits_and_names_are_kept(running_engine: RunningEngine) -> None:
    states = running_engine.client("stepfunctions")
    arn = create(running_engine, "limited", machine(A=passing()))
    with pytest.raises(ClientError, match="262144"):
        states.start_execution(stateMachineArn=arn, input=json.dumps("x" * 262_143))
    largest = states.start_execution(stateMachineArn=arn, input=json.dumps("x" * 262_142))
    assert ended(running_engine, largest["executionArn"])["status"] == "SUCCEEDED"
    with pytest.raises(ClientError, match="Invalid Name"):
        states.start_execution(stateMachineArn=arn, name="a b")
    # Each turn adds four events.
    turns = machine(A={"Type": "Pass", "Next": "B"}, B={"Type": "Pass", "Next": "A"})
    endless = create(running_engine, "endless", turns)
    execution = states.start_execution(stateMachineArn=endless)["executionArn"]
    found = wait_for("end of the execution", lambda: _if_ended(states, execution), 120)
    assert found["status"] == "FAILED"
    assert "25000" in found["cause"]
    assert found["redriveStatus"] == "NOT_REDRIVABLE"
    activity = states.create_activity(name="worker", tags=[{"key": "a", "value": "b"}])["activityArn"]
    assert states.list_tags_for_resource(resourceArn=activity)["tags"] == [{"key": "a", "value": "b"}]


def _if_ended(states: Any, execution: str) -> dict[str, Any] | None:
    found: dict[str, Any] = states.describe_execution(executionArn=execution)
    return found if found["status"] != "RUNNING" else None
