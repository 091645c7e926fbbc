"""What nobody means to send: answered in AWS's form, in bounded time and memory, and the engine goes on."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psutil
import pytest
from athena_fixtures import Lake
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine
from hostile_inputs import SERVICES, Hostile, Sender, requests
from hostile_wire import Wire
from hypothesis import HealthCheck, Phase, given, seed, settings
from sockets import NOBODY, connected_as

from millpond.base import peers

SAMPLE, LOADING, SWEEP = 200, 500, 2_500
MOST_GROWN = 150 * 2**20
MOST_THREADS_MORE = 20


@pytest.fixture(scope="module")
def sender(running_engine: RunningEngine) -> Sender:
    return Sender(running_engine.settings.endpoint_url)


@pytest.fixture(scope="module")
def lake(running_engine: RunningEngine) -> Lake:
    return Lake(running_engine)


def engine_process(running_engine: RunningEngine) -> psutil.Process:
    """The process that listens."""
    port = running_engine.settings.gateway_port
    for process in psutil.Process().children(recursive=True):
        if any(one.laddr.port == port for one in process.net_connections("inet") if one.status == "LISTEN"):
            return process
    raise AssertionError(f"no child listens on {port}")


def health(running_engine: RunningEngine) -> float:
    """Seconds until the engine has said that it is well."""
    began = time.monotonic()
    with urllib.request.urlopen(f"{running_engine.settings.endpoint_url}/_localstack/health", timeout=10):
        return time.monotonic() - began


@contextmanager
def unharmed(running_engine: RunningEngine) -> Iterator[None]:
    """The engine is the same afterwards: up, and not larger by more than what it has loaded."""
    process = engine_process(running_engine)
    memory, threads = process.memory_info().rss, process.num_threads()
    yield
    health(running_engine)
    assert engine_process(running_engine).pid == process.pid
    assert process.memory_info().rss - memory < MOST_GROWN
    assert process.num_threads() - threads < MOST_THREADS_MORE


JOB = {"Role": "arn:aws:iam::000000000000:role/a", "Command": {"Name": "pythonshell"}}


ELSEWHERE = {"SecretId": "arn:aws:iam::000000000000:role/a", "Tags": []}
LONG_KEY = {"Key": "k" * 129, "Value": ""}
UNREAD, INVALID = "SerializationException", "ValidationException"
REQUEST, PARAMETER = "InvalidRequestException", "InvalidParameterException"


@pytest.mark.parametrize(
    ("service", "operation", "body", "code", "message"),
    [
        ("glue", "GetJob", b"{", UNREAD, ""),
        ("glue", "GetJob", b"[" * 60_000, UNREAD, ""),
        ("glue", "GetJob", b"\xff\xfe", UNREAD, ""),
        ("glue", "GetJob", b"null", UNREAD, "VALUE_NULL"),
        ("glue", "GetJob", b"[]", UNREAD, "START_ARRAY"),
        ("glue", "GetJob", {"JobName": 5}, UNREAD, "NUMBER_VALUE can not be"),
        ("glue", "GetJob", {"JobName": True}, UNREAD, "TRUE_VALUE can not be converted"),
        ("glue", "GetJob", {"JobName": "\ud800"}, UNREAD, "surrogate"),
        ("glue", "CreateJob", {"Name": 5, **JOB}, UNREAD, "NUMBER_VALUE"),
        ("glue", "CreateJob", {"Name": "a", **JOB, "MaxRetries": "a"}, UNREAD, "an Integer"),
        ("glue", "CreateJob", {"Name": "a", **JOB, "Tags": ["a"]}, UNREAD, "START_ARRAY"),
        ("glue", "GetPartition", {"PartitionValues": {}}, UNREAD, "Start of structure or map"),
        ("glue", "BatchGetJobs", {"JobNames": "ab"}, UNREAD, ""),
        ("glue", "NoSuchThing", {}, "UnknownOperationException", ""),
        ("glue", "GetJob", {}, INVALID, "'jobName' failed to satisfy constraint"),
        ("glue", "GetTables", {"DatabaseName": "a", "MaxResults": 0}, INVALID, "greater"),
        ("athena", "ListDatabases", {}, REQUEST, "'catalogName'"),
        ("athena", "BatchGetNamedQuery", {"NamedQueryIds": []}, REQUEST, "length greater than"),
        ("athena", "StartQueryExecution", {"QueryString": "x" * 262_145}, REQUEST, "26214"),
        ("codebuild", "StopBuild", {"id": True}, UNREAD, "TRUE_VALUE"),
        ("codebuild", "ListBuilds", {"sortOrder": "UP"}, INVALID, "enum value set"),
        ("kinesis", "CreateStream", {"StreamName": "a/b"}, INVALID, "regular expression pattern"),
        ("firehose", "PutRecord", {"DeliveryStreamName": "a"}, INVALID, "'record'"),
        ("logs", "PutRetentionPolicy", {"logGroupName": "a b"}, PARAMETER, "pattern"),
        ("logs", "UntagResource", {"resourceArn": "s3://", "tagKeys": []}, PARAMETER, "ARN"),
        ("logs", "GetQueryResults", {"queryId": "none"}, "ResourceNotFoundException", "none"),
        ("events", "TagResource", {"ResourceARN": "a", "Tags": []}, INVALID, "Arn"),
        ("events", "PutRule", {"Name": None}, INVALID, "'name'"),
        ("stepfunctions", "ListExecutions", {}, INVALID, "ARN"),
        ("stepfunctions", "DescribeExecution", {"executionArn": "a"}, "InvalidArn", "Invalid ARN prefix"),
        ("events", "PutEvents", {"Entries": [None]}, INVALID, "null at 'entries.1.member'"),
        ("kms", "Encrypt", {}, INVALID, "'keyId'"),
        ("ssm", "GetParameter", {"Name": None}, INVALID, "'name'"),
        ("ecr", "CreateRepository", {"repositoryName": "A"}, PARAMETER, "pattern"),
        ("ecr", "PutRegistryScanningConfiguration", {}, "UnsupportedOperation", "with these values"),
        ("dynamodb", "PutResourcePolicy", {"ResourceArn": None, "Policy": "a"}, INVALID, "'resourceArn'"),
        ("dynamodb", "TagResource", {"ResourceArn": "a", "Tags": [LONG_KEY]}, INVALID, "'tags.1.member.key'"),
        ("sqs", "TagQueue", {"QueueUrl": "a", "Tags": {"aws:a": "b"}}, "InvalidParameterValue", "reserved"),
        ("glue", "TagResource", {"ResourceArn": "a", "TagsToAdd": {"": "b"}}, INVALID, "Map keys must"),
        ("secretsmanager", "TagResource", ELSEWHERE, "ResourceNotFoundException", "region"),
        ("secretsmanager", "ListSecretVersionIds", {"SecretId": None}, INVALID, "'secretId'"),
    ],
)  # fmt: skip
def test_request_that_is_none_is_refused_in_awss_words(
    sender: Sender, service: str, operation: str, body: Any, code: str, message: str
) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = sender.send(Hostile(service, operation, raw))
    assert (answer.status, answer.fault) == (400, ""), answer.text
    said = json.loads(answer.text)
    assert said["__type"].endswith(code)
    assert re.search(re.escape(message), said.get("message", said.get("Message", "")))


def test_no_folder_is_removed_for_a_project_that_never_was(
    sender: Sender, running_engine: RunningEngine
) -> None:
    kept = running_engine.settings.state_dir / "codebuild" / "cache" / "000000000000" / "kept"
    kept.mkdir(parents=True)
    for name in ("..", "../..", "."):
        assert (
            sender.send(Hostile("codebuild", "DeleteProject", json.dumps({"name": name}).encode())).status
            < 500
        )
    assert kept.exists()


@pytest.mark.skipif(os.geteuid() != 0 or not peers.is_told(), reason="only root can be somebody else")
@pytest.mark.parametrize(
    ("service", "operation", "status", "code"),
    [
        ("glue", "GetDatabases", 400, "AccessDeniedException"),
        ("lambda", "ListFunctions", 403, "AccessDeniedException"),
        ("s3", "ListBuckets", 403, "<Code>AccessDenied</Code>"),
        ("sts", "GetCallerIdentity", 403, "<Code>AccessDenied</Code>"),
        ("ec2", "DescribeVpcs", 403, "<Code>UnauthorizedOperation</Code>"),
        ("", "/_localstack/health", 403, "message"),
        ("", "/_localstack/state", 403, "message"),
    ],
)
def test_process_of_another_user_is_refused_in_the_form_of_the_service(
    sender: Sender, running_engine: RunningEngine, service: str, operation: str, status: int, code: str
) -> None:
    port = running_engine.settings.gateway_port
    wire = sender.signed(Hostile(service, operation, b"{}")) if service else Wire("GET", operation, b"")
    for user, expected in ((NOBODY, status), (os.geteuid(), 200)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.sock = connected_as(user, ("127.0.0.1", port))
        with closing(connection):
            # Also where the connection stays open.
            for _ in range(2):
                connection.request(wire.method, wire.path, wire.body, dict(wire.headers))
                answer = connection.getresponse()
                text = answer.read().decode()
                assert answer.status == expected, text
                assert user != NOBODY or (code in text and "callers" in text)


def sweep(sender: Sender, number: int, many: int) -> list[str]:
    """What was wrong with the answers to so many requests."""
    faults: list[str] = []

    @seed(number)
    @settings(
        max_examples=many,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(SERVICES))
    def send(one: Hostile) -> None:
        answer = sender.send(one)
        if answer.fault:
            faults.append(f"{one}: {answer.fault}: {answer.text[:300]}")

    send()
    return faults


def test_sample_of_requests_finds_no_fault_of_ours(sender: Sender, running_engine: RunningEngine) -> None:
    assert sweep(sender, 1, SAMPLE) == []
    # What was kept of them breaks no list.
    for service, operation in (("glue", "ListJobs"), ("glue", "GetDatabases"), ("codebuild", "ListProjects")):
        assert sender.send(Hostile(service, operation, b"{}")).status == 200


@pytest.mark.foreign
@pytest.mark.timeout(3600)
def test_thousands_of_requests_find_no_fault_of_ours(sender: Sender, running_engine: RunningEngine) -> None:
    assert sweep(sender, 2, LOADING) == []
    with unharmed(running_engine):
        assert sweep(sender, 3, SWEEP) == []


LONG = pytest.mark.foreign


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        pytest.param("SELECT rpad('x', 2147483647, 'y')", "MEMORY_LIMIT", id="rpad"),
        pytest.param(
            "SELECT length(replace(rpad('x', 200000000, 'y'), 'y', rpad('z', 100, 'z')))", "MEMORY_LIMIT",
            id="replace", marks=LONG,
        ),
        pytest.param("SELECT repeat('x', 100000000)", "less than or equal to 10000", id="repeat"),
        pytest.param("SELECT sequence(1, 100000000)", "more than 10000 entries", id="sequence"),
        pytest.param("SELECT " + "(" * 5000 + "1" + ")" * 5000, "too large", id="parentheses"),
        pytest.param("SELECT " + "NOT " * 60_000 + "true", "too large", id="not"),
        pytest.param("SELECT " + "ARRAY[" * 20_000 + "]" * 20_000, "too large", id="arrays"),
        pytest.param("SELECT " + "+".join(["1"] * 100_000), None, id="plus", marks=LONG),
        pytest.param("SELECT 1 WHERE " + " OR ".join(["1=2"] * 30_000), None, id="or", marks=LONG),
        pytest.param(" UNION ALL ".join(["SELECT 1"] * 13_000), None, id="union", marks=LONG),
    ],
)  # fmt: skip
def test_query_that_would_take_all_ends_soon(
    lake: Lake, running_engine: RunningEngine, query: str, reason: str | None
) -> None:
    try:
        answer = lake.ask(query)
        told = answer.reason if answer.state == "FAILED" else None
    except ClientError as refusal:
        told = refusal.response["Error"]["Message"]
    assert health(running_engine) < 5
    assert (reason is None) or (told is not None and re.search(reason, told)), told
    assert not re.search(r"Traceback|\.py|Error:|Python", told or ""), told


def test_spare_worker_that_died_costs_nothing(lake: Lake, running_engine: RunningEngine) -> None:
    assert lake.ask("SELECT 1").state == "SUCCEEDED"
    workers = running_engine.settings.state_dir
    for pid_file in workers.rglob("athena/*.pid"):
        if pid_file.name != "workers.pid":
            os.kill(json.loads(pid_file.read_text())["pid"], signal.SIGKILL)
    answer = lake.ask("SELECT 2")
    assert answer.state == "SUCCEEDED", answer.reason
