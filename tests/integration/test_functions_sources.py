"""Queues and streams that call functions, in a real engine: nothing lost, nothing changed, nothing twice."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine, wait_for

# Writes down what it gets, each call a file; fails for records that have the word.
NOTES = """
import base64, json, os, pathlib, uuid
def handler(event, context):
    place = pathlib.Path(os.environ["PLACE"])
    text = json.dumps(event["Records"])
    decoded = [base64.b64decode(one["kinesis"]["data"]) for one in event["Records"] if "kinesis" in one]
    new = place / f".{uuid.uuid4()}"
    new.write_text(text)
    new.rename(place / str(uuid.uuid4()))
    if b"poison" in decoded:
        raise ValueError("poison")
"""


class Notes:
    """What a function of :data:`NOTES` was called with."""

    def __init__(self, engine: RunningEngine, name: str) -> None:
        # Beside the state directory, which no function sees.
        self._place = engine.settings.state.parent / name
        self._place.mkdir()
        self.arn = engine.function(
            name, NOTES, Environment={"Variables": {"PLACE": str(self._place)}}, Timeout=30
        )

    @property
    def calls(self) -> list[list[dict[str, Any]]]:
        files = [path for path in self._place.iterdir() if not path.name.startswith(".")]
        return [json.loads(path.read_text()) for path in sorted(files, key=_age)]

    @property
    def records(self) -> list[dict[str, Any]]:
        return [record for call in self.calls for record in call]


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns


def enabled(engine: RunningEngine, uuid: str) -> None:
    awslambda = engine.client("lambda")
    wait_for("mapping", lambda: awslambda.get_event_source_mapping(UUID=uuid)["State"] == "Enabled")


def test_bodies_of_a_queue_reach_the_function_as_they_were_sent(running_engine: RunningEngine) -> None:
    sqs, awslambda, notes = (
        running_engine.client("sqs"),
        running_engine.client("lambda"),
        Notes(running_engine, "q"),
    )
    url = sqs.create_queue(QueueName="bodies")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bodies = ['{"a":  1.50}', '"quoted"', "12", "plain", '{"b": "é"}']
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    awslambda.create_event_source_mapping(EventSourceArn=arn, FunctionName=notes.arn, BatchSize=2)
    wait_for("messages", lambda: len(notes.records) == len(bodies))
    assert sorted(record["body"] for record in notes.records) == sorted(bodies)
    assert max(len(call) for call in notes.calls) <= 2


def test_a_stream_is_read_through_changes_of_the_mapping_and_of_its_shards(
    running_engine: RunningEngine,
) -> None:
    kinesis, awslambda = running_engine.client("kinesis"), running_engine.client("lambda")
    notes = Notes(running_engine, "k")
    kinesis.create_stream(StreamName="events", ShardCount=1)
    stream = kinesis.describe_stream_summary(StreamName="events")["StreamDescriptionSummary"]
    arn = stream["StreamARN"]

    def put(*texts: str) -> None:
        records = [{"Data": json.dumps({"text": text}).encode(), "PartitionKey": text} for text in texts]
        assert kinesis.put_records(StreamName="events", Records=records)["FailedRecordCount"] == 0

    def texts() -> list[str]:
        return [json.loads(base64.b64decode(one["kinesis"]["data"]))["text"] for one in notes.records]

    put("a", "dropped", "b")
    wanted = json.dumps({"data": {"text": [{"anything-but": "dropped"}]}})
    mapping = awslambda.create_event_source_mapping(
        EventSourceArn=arn,
        FunctionName=notes.arn,
        StartingPosition="TRIM_HORIZON",
        FilterCriteria={"Filters": [{"Pattern": wanted}]},
    )["UUID"]
    wait_for("records", lambda: texts() == ["a", "b"])
    record = notes.records[0]
    assert record["eventID"] == f"shardId-000000000000:{record['kinesis']['sequenceNumber']}"
    assert (record["eventSource"], record["eventSourceARN"]) == ("aws:kinesis", arn)
    # A mapping that is changed goes on where it was.
    awslambda.update_event_source_mapping(UUID=mapping, BatchSize=10)
    enabled(running_engine, mapping)
    kinesis.update_shard_count(StreamName="events", TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    put("c", "d", "e", "f")
    wait_for("records of the new shards", lambda: sorted(texts()) == ["a", "b", "c", "d", "e", "f"])
    awslambda.delete_event_source_mapping(UUID=mapping)


def test_a_record_that_fails_is_told_alone_to_the_destination(running_engine: RunningEngine) -> None:
    kinesis, awslambda = running_engine.client("kinesis"), running_engine.client("lambda")
    sqs, notes = running_engine.client("sqs"), Notes(running_engine, "poisoned")
    url = sqs.create_queue(QueueName="failed-records")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    kinesis.create_stream(StreamName="halves", ShardCount=1)
    put = [
        kinesis.put_record(StreamName="halves", Data=data, PartitionKey="k")["SequenceNumber"]
        for data in (b"1", b"2", b"poison", b"4")
    ]
    arn = kinesis.describe_stream_summary(StreamName="halves")["StreamDescriptionSummary"]["StreamARN"]
    uuid = awslambda.create_event_source_mapping(
        EventSourceArn=arn,
        FunctionName=notes.arn,
        StartingPosition="TRIM_HORIZON",
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": queue}},
    )["UUID"]
    answer = wait_for(
        "message", lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), 60
    )
    told = json.loads(answer[0]["Body"])
    assert told["requestContext"]["condition"] == "RetryAttemptsExhausted"
    batch = told["KinesisBatchInfo"]
    numbers = [batch[name] for name in ("startSequenceNumber", "endSequenceNumber", "batchSize")]
    assert numbers == [put[2], put[2], 1]
    wait_for(
        "the last record", lambda: [put[3]] == [one["kinesis"]["sequenceNumber"] for one in notes.calls[-1]]
    )
    awslambda.delete_event_source_mapping(UUID=uuid)


def test_changes_of_a_table_are_true_records_and_reach_the_function(running_engine: RunningEngine) -> None:
    dynamodb, streams = running_engine.client("dynamodb"), running_engine.client("dynamodbstreams")
    awslambda, notes = running_engine.client("lambda"), Notes(running_engine, "d")
    table = dynamodb.create_table(
        TableName="changes",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    arn = table["LatestStreamArn"]
    key = {"pk": {"S": "a"}}
    first = {**key, "m": {"M": {"n": {"N": "1"}}}, "b": {"B": b"\x00\xff"}}
    dynamodb.put_item(TableName="changes", Item=first)
    set_n = {"UpdateExpression": "SET m.n = :n", "ExpressionAttributeValues": {":n": {"N": "2"}}}
    dynamodb.update_item(TableName="changes", Key=key, **set_n)
    dynamodb.update_item(TableName="changes", Key=key, **set_n)  # changes nothing
    made = {"UpdateExpression": "SET x = :x", "ExpressionAttributeValues": {":x": {"BOOL": True}}}
    dynamodb.update_item(TableName="changes", Key={"pk": {"S": "new"}}, **made)
    with pytest.raises(ClientError):
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "changes", "Item": {"pk": {"S": "cancelled"}}}},
                {
                    "ConditionCheck": {
                        "TableName": "changes",
                        "Key": {"pk": {"S": "no"}},
                        "ConditionExpression": "attribute_exists(pk)",
                    }
                },
            ]
        )
    dynamodb.delete_item(TableName="changes", Key=key)
    second = {**first, "m": {"M": {"n": {"N": "2"}}}}
    expected = [
        ("INSERT", None, first),
        ("MODIFY", first, second),
        ("INSERT", None, {"pk": {"S": "new"}, "x": {"BOOL": True}}),
        ("REMOVE", second, None),
    ]
    described = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert (described["StreamStatus"], described["StreamViewType"]) == ("ENABLED", "NEW_AND_OLD_IMAGES")
    assert [one["StreamArn"] for one in streams.list_streams(TableName="changes")["Streams"]] == [arn]
    shard = described["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    read = streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    changes = [one["dynamodb"] for one in read]
    assert [
        (one["eventName"], c.get("OldImage"), c.get("NewImage")) for one, c in zip(read, changes, strict=True)
    ] == expected
    assert {one["awsRegion"] for one in read} == {"eu-west-1"}
    numbers = [int(one["SequenceNumber"]) for one in changes]
    assert numbers == sorted(set(numbers))
    later = streams.get_shard_iterator(
        StreamArn=arn,
        ShardId=shard,
        ShardIteratorType="AFTER_SEQUENCE_NUMBER",
        SequenceNumber=str(numbers[1]),
    )
    rest = streams.get_records(ShardIterator=later["ShardIterator"])["Records"]
    assert [one["eventName"] for one in rest] == ["INSERT", "REMOVE"]
    awslambda.create_event_source_mapping(
        EventSourceArn=arn,
        FunctionName=notes.arn,
        StartingPosition="TRIM_HORIZON",
        FilterCriteria={"Filters": [{"Pattern": json.dumps({"eventName": ["INSERT"]})}]},
    )
    wait_for("changes", lambda: len(notes.records) == 2)
    got = notes.records[0]
    assert got["dynamodb"]["NewImage"] == {**first, "b": {"B": "AP8="}}
    assert (got["eventSource"], got["eventVersion"], got["eventSourceARN"]) == ("aws:dynamodb", "1.1", arn)
    dynamodb.update_table(TableName="changes", StreamSpecification={"StreamEnabled": False})
    dynamodb.put_item(TableName="changes", Item={"pk": {"S": "unseen"}})


TRANSFORM = """
import base64
def handler(event, context):
    def one(record):
        data = base64.b64decode(record["data"])
        result = {b"drop": "Dropped", b"bad": "ProcessingFailed"}.get(data, "Ok")
        changed = base64.b64encode(data.upper() + b"\\n").decode()
        return {"recordId": record["recordId"], "result": result, "data": changed}
    return {"records": [one(record) for record in event["records"]]}
"""


def objects(engine: RunningEngine, bucket: str) -> dict[str, bytes]:
    s3 = engine.client("s3")
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed}


def test_firehose_delivers_what_is_put_together_where_its_prefixes_say(running_engine: RunningEngine) -> None:
    firehose, s3 = running_engine.client("firehose"), running_engine.client("s3")
    s3.create_bucket(Bucket="put", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    function = running_engine.function("transform", TRANSFORM, Timeout=20)
    firehose.create_delivery_stream(
        DeliveryStreamName="put",
        ExtendedS3DestinationConfiguration={
            "RoleARN": running_engine.role(),
            "BucketARN": "arn:aws:s3:::put",
            "Prefix": "in/y=!{timestamp:yyyy}/",
            "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
            "BufferingHints": {"IntervalInSeconds": 1, "SizeInMBs": 1},
            "CompressionFormat": "GZIP",
            "ProcessingConfiguration": {
                "Enabled": True,
                "Processors": [
                    {
                        "Type": "Lambda",
                        "Parameters": [{"ParameterName": "LambdaArn", "ParameterValue": function}],
                    }
                ],
            },
        },
    )
    texts = (b"a", b"drop", b"bad", b"b")
    firehose.put_record_batch(DeliveryStreamName="put", Records=[{"Data": text} for text in texts])
    found = wait_for(
        "objects", lambda: len(objects(running_engine, "put")) == 2 and objects(running_engine, "put")
    )
    (bad, refused), (good, taken) = sorted(found.items())
    assert re.fullmatch(r"in/y=\d{4}/put-1-(\d+-){6}[0-9a-f-]{36}\.gz", good)
    assert gzip.decompress(taken) == b"A\nB\n"
    assert bad.startswith("errors/processing-failed/put-1-")
    told = json.loads(gzip.decompress(refused))
    assert base64.b64decode(told["rawData"]) == b"bad"
    assert told["errorCode"] == "Lambda.ProcessingFailedStatus"
    described = firehose.describe_delivery_stream(DeliveryStreamName="put")["DeliveryStreamDescription"]
    assert described["Destinations"][0]["ExtendedS3DestinationDescription"]["CompressionFormat"] == "GZIP"


def test_firehose_delivers_from_kinesis(running_engine: RunningEngine) -> None:
    firehose, s3 = running_engine.client("firehose"), running_engine.client("s3")
    kinesis = running_engine.client("kinesis")
    s3.create_bucket(Bucket="piped", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    kinesis.create_stream(StreamName="piped", ShardCount=1)
    kinesis.put_record(StreamName="piped", Data=b"before", PartitionKey="k")
    arn = kinesis.describe_stream_summary(StreamName="piped")["StreamDescriptionSummary"]["StreamARN"]
    firehose.create_delivery_stream(
        DeliveryStreamName="piped",
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={"KinesisStreamARN": arn, "RoleARN": running_engine.role()},
        ExtendedS3DestinationConfiguration={
            "RoleARN": running_engine.role(),
            "BucketARN": "arn:aws:s3:::piped",
            "Prefix": "raw/",
            "BufferingHints": {"IntervalInSeconds": 0, "SizeInMBs": 1},
        },
    )
    for text in (b"one", b"two"):
        kinesis.put_record(StreamName="piped", Data=text, PartitionKey="k")
    found = wait_for(
        "records",
        lambda: (
            b"".join(objects(running_engine, "piped").values()).count(b"o") == 2
            and objects(running_engine, "piped")
        ),
    )
    assert b"".join(found[key] for key in sorted(found)) in (b"onetwo", b"twoone")
    assert all(re.match(r"raw/\d{4}/\d\d/\d\d/\d\d/piped-1-", key) for key in found)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"DataFormatConversionConfiguration": {"Enabled": True}}, "converts no formats"),
        ({"DynamicPartitioningConfiguration": {"Enabled": True}}, "does not partition"),
        ({"CompressionFormat": "Snappy"}, "UNCOMPRESSED and GZIP"),
        ({"Prefix": "!{timestamp:yyyy}/"}, "ErrorOutputPrefix cannot be null"),
        ({"Prefix": "!{partitionKeyFromQuery:a}/", "ErrorOutputPrefix": "e/"}, "partitionKeyFromQuery"),
        ({"Prefix": "!{timestamp:QQ}/", "ErrorOutputPrefix": "e/"}, "'QQ' of a timestamp"),
    ],
)
def test_what_firehose_does_not_do_here_is_refused(
    running_engine: RunningEngine, settings: dict[str, Any], said: str
) -> None:
    destination = {"RoleARN": running_engine.role(), "BucketARN": "arn:aws:s3:::b", **settings}
    with pytest.raises(ClientError, match=said) as caught:
        running_engine.client("firehose").create_delivery_stream(
            DeliveryStreamName="refused", ExtendedS3DestinationConfiguration=destination
        )
    assert caught.value.response["Error"]["Code"] == "InvalidArgumentException"


def test_a_source_that_is_not_read_here_is_refused_by_its_name(running_engine: RunningEngine) -> None:
    awslambda = running_engine.client("lambda")
    arn = running_engine.function("sourceless", "def handler(event, context): pass")
    for source, more, said in (
        ("arn:aws:kafka:eu-west-1:000000000000:cluster/c/1", {"Topics": ["t"]}, "this one is of kafka"),
        (
            "arn:aws:kinesis:eu-west-1:000000000000:stream/s",
            {"TumblingWindowInSeconds": 10},
            "no tumbling windows",
        ),
    ):
        with pytest.raises(ClientError, match=said) as caught:
            awslambda.create_event_source_mapping(
                EventSourceArn=source, FunctionName=arn, StartingPosition="LATEST", **more
            )
        assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"


def test_pipes_filter_transform_and_deliver_what_queues_and_streams_have(
    running_engine: RunningEngine,
) -> None:
    client = running_engine.client
    sqs, pipes, machines = client("sqs"), client("pipes"), client("stepfunctions")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "pipes.amazonaws.com"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = client("iam").create_role(RoleName="pipes", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("piped", "got")}
    arns = {
        name: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        for name, url in queues.items()
    }
    wanted = {"FilterCriteria": {"Filters": [{"Pattern": json.dumps({"body": {"kind": ["order"]}})}]}}
    template = '{"id": <$.body.id>, "text": "<$.body.id> of <aws.pipes.pipe-name>"}'
    pipes.create_pipe(
        Name="q",
        RoleArn=role,
        Source=arns["piped"],
        Target=arns["got"],
        SourceParameters=wanted,
        TargetParameters={"InputTemplate": template},
    )
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    machine = machines.create_state_machine(
        name="piped", roleArn=running_engine.role(), definition=definition
    )["stateMachineArn"]
    dynamodb = client("dynamodb")
    stream = dynamodb.create_table(
        TableName="piped",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]["LatestStreamArn"]
    pipes.create_pipe(
        Name="t",
        RoleArn=role,
        Source=stream,
        Target=machine,
        SourceParameters={"DynamoDBStreamParameters": {"StartingPosition": "TRIM_HORIZON"}},
        TargetParameters={"InputTemplate": '{"key": <$.dynamodb.Keys.id.S>}'},
    )

    for kind in ("invoice", "order"):
        sqs.send_message(QueueUrl=queues["piped"], MessageBody=json.dumps({"kind": kind, "id": 7}))
    dynamodb.put_item(TableName="piped", Item={"id": {"S": "one"}})

    (message,) = sqs.receive_message(QueueUrl=queues["got"], WaitTimeSeconds=20)["Messages"]
    assert json.loads(message["Body"]) == {"id": 7, "text": "7 of q"}
    (execution,) = wait_for(30, lambda: machines.list_executions(stateMachineArn=machine)["executions"])
    told = machines.describe_execution(executionArn=execution["executionArn"])["input"]
    assert json.loads(told) == [{"key": "one"}]
    assert [one["CurrentState"] for one in pipes.list_pipes()["Pipes"]] == ["RUNNING", "RUNNING"]
    assert pipes.stop_pipe(Name="q")["DesiredState"] == "STOPPED"
    for name in ("q", "t"):
        pipes.delete_pipe(Name=name)
    with pytest.raises(ClientError, match="Millpond cannot do pipes from the source arn:aws:kafka"):
        pipes.create_pipe(
            Name="k",
            RoleArn=role,
            Source="arn:aws:kafka:eu-west-1:000000000000:cluster/a",
            Target=arns["got"],
        )
