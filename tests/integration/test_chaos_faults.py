"""Faults that are injected into a running engine's calls, over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import fault_rules
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from engine_fixtures import RunningEngine, wait_for

ONCE = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


class Chaos:
    """The rules of an engine."""

    def __init__(self, running: RunningEngine) -> None:
        self._url = running.settings.endpoint_url

    def __call__(self, method: str, rules: object = None) -> Any:
        return fault_rules.ask(self._url, method, rules)

    def refusal(self, rule: object) -> str:
        with pytest.raises(urllib.error.HTTPError) as refused:
            self("POST", [rule])
        assert refused.value.code == 400
        return str(json.load(refused.value)["message"])


@pytest.fixture
def chaos(running_engine: RunningEngine) -> Iterator[Chaos]:
    made = Chaos(running_engine)
    yield made
    made("DELETE")


def client_of(running: RunningEngine, service: str) -> Any:
    """A client that tries a call once."""
    return boto3.client(
        service,
        endpoint_url=running.settings.endpoint_url,
        region_name=running.settings.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=ONCE,
    )


@pytest.fixture(scope="module")
def s3(running_engine: RunningEngine) -> Any:
    client, region = client_of(running_engine, "s3"), running_engine.settings.region
    client.create_bucket(Bucket="faulty", CreateBucketConfiguration={"LocationConstraint": region})
    return client


def has(s3: Any, key: str) -> bool:
    return bool(s3.list_objects_v2(Bucket="faulty", Prefix=key).get("Contents"))


def test_the_nth_call_is_answered_with_the_error_and_no_other(chaos, s3):
    chaos("POST", [{"service": "s3", "operation": "PutObject", "after": 1, "times": 1}])
    s3.put_object(Bucket="faulty", Key="first")
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="faulty", Key="second")
    s3.put_object(Bucket="faulty", Key="third")
    assert refused.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert [has(s3, key) for key in ("first", "second", "third")] == [True, False, True]
    [rule] = chaos("GET")
    assert (rule["calls"], rule["hits"]) == (3, 1)


def test_a_plane_and_moto_answer_with_the_error_that_the_rule_names(chaos, running_engine):
    error = {"statusCode": 400, "code": "ThrottlingException"}
    chaos("POST", [{"service": name, "error": error} for name in ("athena", "dynamodb")])
    for service, operation in (("athena", "list_work_groups"), ("dynamodb", "list_tables")):
        with pytest.raises(ClientError, match="ThrottlingException"):
            getattr(client_of(running_engine, service), operation)()


@pytest.mark.parametrize(("action", "is_done"), [("drop", False), ("drop-answer", True)])
def test_a_dropped_connection_leaves_the_call_undone_and_a_dropped_answer_done(chaos, s3, action, is_done):
    chaos("POST", [{"service": "s3", "operation": "PutObject", "action": action}])
    with pytest.raises(ConnectionClosedError):
        s3.put_object(Bucket="faulty", Key=action)
    chaos("DELETE")
    assert has(s3, action) is is_done


@pytest.mark.parametrize(("action", "is_done_meanwhile"), [("hold", False), ("hold-answer", True)])
def test_a_held_call_goes_on_once_its_rule_is_removed(chaos, s3, action, is_done_meanwhile):
    chaos("POST", [{"service": "s3", "operation": "PutObject", "action": action}])
    with ThreadPoolExecutor() as pool:
        putting = pool.submit(s3.put_object, Bucket="faulty", Key=action)
        wait_for("held call", lambda: chaos("GET")[0]["held"])
        assert has(s3, action) is is_done_meanwhile
        chaos("DELETE")
        putting.result(timeout=30)
    assert has(s3, action)


def test_a_held_call_is_not_done_when_its_caller_was_killed(chaos, running_engine, s3):
    chaos("POST", [{"service": "s3", "operation": "PutObject", "action": "hold"}])
    url = f"{running_engine.settings.endpoint_url}/faulty/orphan"
    code = f"import urllib.request as u; u.urlopen(u.Request({url!r}, b'x', method='PUT'))"
    with subprocess.Popen([sys.executable, "-c", code]) as caller:
        wait_for("held call", lambda: chaos("GET")[0]["held"])
        caller.kill()
    chaos("DELETE")
    s3.put_object(Bucket="faulty", Key="next")
    assert not has(s3, "orphan")


def test_only_calls_of_the_role_that_the_rule_names_are_recorded(chaos, running_engine, s3):
    role = running_engine.client("sts").assume_role(RoleArn=running_engine.role(), RoleSessionName="mine")
    keys = role["Credentials"]
    other = boto3.client(
        "s3",
        endpoint_url=running_engine.settings.endpoint_url,
        region_name=running_engine.settings.region,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        config=Config(user_agent_extra="me/1"),
    )
    chaos("POST", [{"caller": "*:assumed-role/tester/*", "userAgent": "* me/1*", "action": "record"}])
    s3.list_buckets()
    other.list_buckets()
    [rule] = chaos("GET")
    [call] = rule["recorded"]
    assert (call["service"], call["operation"], call["region"]) == ("s3", "ListBuckets", "eu-west-1")
    assert call["caller"] == "arn:aws:sts::000000000000:assumed-role/tester/mine"


def test_a_recorded_call_tells_what_it_asked_for_without_secrets_and_bodies(chaos, running_engine, s3):
    chaos("POST", [{"action": "record"}])
    s3.put_object(Bucket="faulty", Key="told", Body=b"untold")
    secrets = client_of(running_engine, "secretsmanager")
    secrets.create_secret(Name="told", SecretString="untold", Tags=[{"Key": "team", "Value": "lake"}])
    [rule] = chaos("GET")
    put, created = (one["request"] for one in rule["recorded"])
    assert {name: put[name] for name in ("Bucket", "Key")} == {"Bucket": "faulty", "Key": "told"}
    assert (created["Name"], created["Tags"]) == ("told", [{"Key": "team", "Value": "lake"}])
    assert "untold" not in json.dumps(rule)


def test_rules_are_added_and_taken_back_one_by_one(chaos):
    first, second = {"service": "s3", "probability": 0.25}, {"service": "sns"}
    chaos("POST", [first])
    chaos("PATCH", [second])
    [left] = chaos("DELETE", [first])
    assert left["service"] == "sns"
    assert left["error"] == {"statusCode": 503, "code": "ServiceUnavailable"}
    assert chaos("DELETE") == []


def test_what_no_rule_has_is_refused_by_name(chaos):
    assert "latency" in chaos.refusal({"service": "s3", "latency": 5})
    assert "'s4'" in chaos.refusal({"service": "s4"})
    assert "'PutObjects'" in chaos.refusal({"service": "s3", "operation": "PutObjects"})
    assert "explode" in chaos.refusal({"action": "explode"})
    assert "1.5" in chaos.refusal({"probability": 1.5})
    assert "-1" in chaos.refusal({"after": -1})
    assert "has no error" in chaos.refusal({"action": "drop", "error": {"code": "SlowDown"}})
    assert chaos("GET") == []
