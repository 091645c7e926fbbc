"""What there was before an engine stopped, or was killed, is there when the next one starts, and goes on."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from engine_fixtures import RunningEngine, new_engine, wait_for
from ports import free_port

from millpond.base import process
from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.base.saved_state import MANIFEST, Manifest, versions
from millpond.stack.embedded import EmbeddedStack
from millpond.stack.snapshots import Snapshots

BUCKET = {"LocationConstraint": "eu-west-1"}
WAITS = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}}
KEYS = [{"AttributeName": "id", "KeyType": "HASH"}]
ATTRIBUTES = [{"AttributeName": "id", "AttributeType": "S"}]
OTHER = {"aws_access_key_id": "111122223333", "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    running = new_engine(tmp_path_factory.mktemp("engine"), keep_state=True)
    running.engine.start()
    yield running
    running.engine.stop()


def ask(running: RunningEngine, path: str = "", content: Any = None) -> dict[str, Any]:
    """Ask the engine about its state, or tell it something with a POST."""
    data = None if content is None else json.dumps(content).encode()
    with urllib.request.urlopen(f"{running.settings.endpoint_url}/_localstack/state{path}", data) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


def deploy(running: RunningEngine) -> dict[str, str]:
    """Something in each service that a data platform uses; the ARNs and ids that are asked for later."""
    client = running.client
    client("s3").create_bucket(Bucket="lake", CreateBucketConfiguration=BUCKET)
    client("s3").put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
    for content in (b"first", b"second"):
        client("s3").put_object(Bucket="lake", Key="a b/c", Body=content, Metadata={"of": "me"})
    upload = client("s3").create_multipart_upload(Bucket="lake", Key="parts")["UploadId"]
    client("s3").upload_part(Bucket="lake", Key="parts", UploadId=upload, PartNumber=1, Body=b"p" * 5_242_880)
    queue = client("sqs").create_queue(QueueName="q")["QueueUrl"]
    client("sqs").send_message(QueueUrl=queue, MessageBody="waiting")
    client("ssm").put_parameter(Name="/p", Value="v", Type="String")
    client("dynamodb").create_table(
        TableName="t", KeySchema=KEYS, AttributeDefinitions=ATTRIBUTES, BillingMode="PAY_PER_REQUEST"
    )
    client("dynamodb").put_item(TableName="t", Item={"id": {"S": "1"}, "raw": {"B": b"\0\1"}})
    client("secretsmanager").create_secret(Name="s", SecretString="hush")
    key = client("kms").create_key()["KeyMetadata"]["KeyId"]
    sealed = client("kms").encrypt(KeyId=key, Plaintext=b"open")["CiphertextBlob"]
    client("logs").create_log_group(logGroupName="/l")
    client("logs").create_log_stream(logGroupName="/l", logStreamName="s")
    event = {"timestamp": int(time.time() * 1000), "message": "said"}
    client("logs").put_log_events(logGroupName="/l", logStreamName="s", logEvents=[event])
    topic = client("sns").create_topic(Name="topic")["TopicArn"]
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:eu-west-1:000000000000:q")
    client("glue").create_database(DatabaseInput={"Name": "d"})
    client("glue").create_job(
        Name="j", Role=running.role(), Command={"Name": "pythonshell", "ScriptLocation": "s3://lake/s.py"}
    )
    client("athena").create_work_group(Name="w", Tags=[{"Key": "team", "Value": "data"}])
    function = running.function("f", "def handler(event, context):\n    return event", KMSKeyArn=key_arn(key))
    states = client("stepfunctions")
    machine = states.create_state_machine(name="m", roleArn=running.role(), definition=json.dumps(WAITS))
    execution = states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
    rule = {"EventPattern": json.dumps({"source": ["mine"]})}
    client("events").put_rule(Name="r", **rule)
    client("events").put_targets(
        Rule="r", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:eu-west-1:000000000000:q", "Input": '"fired"'}]
    )
    client("cloudwatch").put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 9}])
    client("cloudwatch").put_metric_alarm(
        AlarmName="a",
        Namespace="n",
        MetricName="m",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Sum",
        TreatMissingData="notBreaching",
    )
    client("cloudformation").create_stack(
        StackName="stack",
        TemplateBody=json.dumps(
            {"Resources": {"T": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"O": {"Value": "1"}}}
        ),
    )
    client("cloudformation").get_waiter("stack_create_complete").wait(
        StackName="stack", WaiterConfig={"Delay": 1}
    )
    elsewhere(running, "sqs").create_queue(QueueName="elsewhere")
    elsewhere(running, "glue").create_job(
        Name="elsewhere", Role="r", Command={"Name": "pythonshell", "ScriptLocation": "s3://lake/s.py"}
    )
    return {
        "queue": queue,
        "upload": upload,
        "sealed": sealed.hex(),
        "function": function,
        "execution": execution,
        "topic": topic,
    }


def key_arn(key: str) -> str:
    return f"arn:aws:kms:eu-west-1:000000000000:key/{key}"


def elsewhere(running: RunningEngine, service: str) -> Any:
    """A client of another account and region."""
    return boto3.client(
        service, endpoint_url=running.settings.endpoint_url, aws_secret_access_key="test", **OTHER
    )  # type: ignore[call-overload]


def check(running: RunningEngine, made: dict[str, str]) -> None:
    """All of it is there, and works."""
    client = running.client
    versions = client("s3").list_object_versions(Bucket="lake")["Versions"]
    found = client("s3").get_object(Bucket="lake", Key="a b/c")
    oldest = [one for one in versions if one["Key"] == "a b/c"][-1]["VersionId"]
    first = client("s3").get_object(Bucket="lake", Key="a b/c", VersionId=oldest)
    assert (found["Body"].read(), found["Metadata"], first["Body"].read()) == (
        b"second",
        {"of": "me"},
        b"first",
    )
    assert client("ssm").get_parameter(Name="/p")["Parameter"]["Value"] == "v"
    [item] = client("dynamodb").scan(TableName="t")["Items"]
    assert item == {"id": {"S": "1"}, "raw": {"B": b"\0\1"}}
    assert client("secretsmanager").get_secret_value(SecretId="s")["SecretString"] == "hush"
    assert client("kms").decrypt(CiphertextBlob=bytes.fromhex(made["sealed"]))["Plaintext"] == b"open"
    [event] = client("logs").get_log_events(logGroupName="/l", logStreamName="s")["events"]
    assert event["message"] == "said"
    assert client("sns").list_subscriptions_by_topic(TopicArn=made["topic"])["Subscriptions"]
    assert client("glue").get_database(Name="d")["Database"]["Name"] == "d"
    assert client("glue").get_job(JobName="j")["Job"]["Name"] == "j"
    tags = client("athena").list_tags_for_resource(
        ResourceARN="arn:aws:athena:eu-west-1:000000000000:workgroup/w"
    )
    assert tags["Tags"] == [{"Key": "team", "Value": "data"}]
    described = client("lambda").get_function_configuration(FunctionName="f")
    assert described["KMSKeyArn"].startswith("arn:aws:kms:")
    client("lambda").get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    answer = client("lambda").invoke(FunctionName="f", Payload=b'{"a": 1}')
    assert json.load(answer["Payload"]) == {"a": 1}
    [alarm] = client("cloudwatch").describe_alarms(AlarmNames=["a"])["MetricAlarms"]
    assert alarm["MetricName"] == "m"
    [stack] = client("cloudformation").describe_stacks(StackName="stack")["Stacks"]
    assert (stack["StackStatus"], stack["Outputs"][0]["OutputValue"]) == ("CREATE_COMPLETE", "1")
    assert [url.rsplit("/", 1)[1] for url in elsewhere(running, "sqs").list_queues()["QueueUrls"]] == [
        "elsewhere"
    ]
    assert elsewhere(running, "glue").list_jobs()["JobNames"] == ["elsewhere"]


def bodies(running: RunningEngine, queue: str) -> list[str]:
    messages = (
        running.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    )
    for message in messages:
        running.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in messages]


def test_all_of_it_is_there_again_after_a_stop_and_after_a_kill(running: RunningEngine) -> None:
    made = deploy(running)
    running.engine.stop()
    running.engine.start()
    check(running, made)
    # What was running has ended, and what a message waited for comes.
    execution = running.client("stepfunctions").describe_execution(executionArn=made["execution"])
    assert (execution["status"], execution["redriveStatus"]) == ("ABORTED", "REDRIVABLE")
    history = running.client("stepfunctions").get_execution_history(executionArn=made["execution"])["events"]
    assert history[-1]["type"] == "ExecutionAborted"
    assert "waiting" in wait_for("message", lambda: bodies(running, made["queue"]))
    # Rules fire, alarms are evaluated, uploads go on, executions too.
    running.client("events").put_events(Entries=[{"Source": "mine", "DetailType": "t", "Detail": "{}"}])
    assert '"fired"' in wait_for("event", lambda: bodies(running, made["queue"]))
    running.client("cloudwatch").put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 9}])

    def state() -> str:
        [alarm] = running.client("cloudwatch").describe_alarms(AlarmNames=["a"])["MetricAlarms"]
        return str(alarm["StateValue"])

    wait_for("alarm", lambda: state() == "ALARM")
    s3 = running.client("s3")
    [part] = s3.list_parts(Bucket="lake", Key="parts", UploadId=made["upload"])["Parts"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket="lake", Key="parts", UploadId=made["upload"], MultipartUpload=parts)
    assert s3.head_object(Bucket="lake", Key="parts")["ContentLength"] == 5_242_880
    running.client("stepfunctions").redrive_execution(executionArn=made["execution"])

    # Saved by itself, then killed.
    running.client("ssm").put_parameter(Name="/later", Value="v", Type="String")
    wait_for("save", lambda: "ssm" not in ask(running)["unsaved"])
    owned = process.find(running.settings.state / "pids" / "engine.pid")
    assert owned is not None
    os.kill(owned.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(owned.pid)] if psutil.pid_exists(owned.pid) else [], timeout=10)
    running.engine.start()
    check(running, made)
    assert running.client("ssm").get_parameter(Name="/later")["Parameter"]["Value"] == "v"
    execution = running.client("stepfunctions").describe_execution(executionArn=made["execution"])
    assert (execution["status"], execution["redriveCount"]) == ("ABORTED", 1)
    assert s3.head_object(Bucket="lake", Key="parts")["ContentLength"] == 5_242_880

    # A reset forgets a service, or all, and what was deployed can be deployed again.
    assert ask(running, "/reset", {"services": ["sqs", "glue"]}) == {"services": ["glue", "sqs"]}
    assert "QueueUrls" not in running.client("sqs").list_queues()
    assert running.client("glue").list_jobs()["JobNames"] == []
    assert running.client("ssm").get_parameter(Name="/p")["Parameter"]["Value"] == "v"
    ask(running, "/reset", {})
    assert running.client("s3").list_buckets()["Buckets"] == []
    assert running.client("stepfunctions").list_state_machines()["stateMachines"] == []
    assert running.client("lambda").list_functions()["Functions"] == []
    running.client("s3").create_bucket(Bucket="lake", CreateBucketConfiguration=BUCKET)
    running.function("f", "def handler(event, context):\n    return event")
    answer = running.client("lambda").invoke(FunctionName="f", Payload=b'{"again": 1}')
    assert json.load(answer["Payload"]) == {"again": 1}


def test_an_engine_whose_state_cannot_be_brought_back_does_not_start_and_says_what_to_do(
    tmp_path: Path,
) -> None:
    running = new_engine(tmp_path, port=free_port(), keep_state=True)
    saved = running.engine.saved
    saved.directory.mkdir(parents=True)
    saved.commit(Manifest(1, versions(), {"service-sts": saved.write("service-sts", 1, b"no pickle")}))
    with pytest.raises(MillpondError, match="cannot be brought back") as refused:
        running.engine.start()
    assert "millpond reset" in str(refused.value.next_step)
    assert "sts" in str(refused.value.detail)
    assert not running.engine.is_running
    assert (saved.directory / MANIFEST).exists()


def test_a_snapshot_is_a_whole_stack_that_comes_back_on_other_ports(tmp_path: Path) -> None:
    new_engine(tmp_path)
    tools_file = tmp_path / "tools.json"

    def stack(name: str) -> tuple[RunningEngine, EmbeddedStack]:
        settings = Settings(
            home=tmp_path / "home",
            state_dir=tmp_path / name,
            gateway_port=free_port(),
            onprem_port=free_port(),
            keep_state=True,
        )
        made = EmbeddedStack(settings, tools_file)
        return RunningEngine(made.engine, settings), made

    (there, first), (here, second) = stack("first"), stack("second")
    try:
        first.up()
        with first.onprem.connection() as connection:
            connection.execute("CREATE TABLE t AS SELECT 42 AS x")
        there.client("s3").create_bucket(Bucket="lake", CreateBucketConfiguration=BUCKET)
        there.client("s3").put_object(Bucket="lake", Key="k", Body=b"hello")
        secret = json.dumps(first.onprem.secret())
        there.client("secretsmanager").create_secret(Name="db", SecretString=secret)
        Snapshots(there.settings).save("one", first)
        first.down()

        snapshots = Snapshots(here.settings)
        found = snapshots.find("one")
        dump = snapshots.unpack(found, second)
        second.up()
        assert snapshots.settle(found, dump, second.onprem) == ["db"]
        with second.onprem.connection() as connection:
            assert connection.execute("SELECT x FROM t").fetchall() == [(42,)]
        assert here.client("s3").get_object(Bucket="lake", Key="k")["Body"].read() == b"hello"
        secret = here.client("secretsmanager").get_secret_value(SecretId="db")["SecretString"]
        assert json.loads(secret) == second.onprem.secret()
        snapshots.remove("one")
        assert snapshots.all() == []
    finally:
        first.down()
        second.down()
