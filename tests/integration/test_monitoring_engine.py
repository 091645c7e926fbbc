"""Events and metrics that services publish by themselves, and what alarms and rules make of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine, new_engine, wait_for

from millpond.stack.engine import Engine

FAILING = {"StartAt": "No", "States": {"No": {"Type": "Fail", "Error": "Lake.Late", "Cause": "too late"}}}
PASSING = {"StartAt": "Yes", "States": {"Yes": {"Type": "Pass", "End": True}}}


class Bench:
    """The engine, and a queue that an SNS topic and EventBridge write to."""

    def __init__(self, engine: RunningEngine) -> None:
        self.engine = engine
        self.sqs = engine.client("sqs")
        self.events = engine.client("events")
        self.cloudwatch = engine.client("cloudwatch")
        self.logs = engine.client("logs")
        self.machines = engine.client("stepfunctions")

    def queue(self, name: str) -> tuple[str, str]:
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, found["Attributes"]["QueueArn"]

    def topic_into(self, queue_arn: str, name: str) -> str:
        sns = self.engine.client("sns")
        topic: str = sns.create_topic(Name=name)["TopicArn"]
        sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"}
        )
        return topic

    def rule(self, name: str, pattern: dict[str, Any], target: dict[str, Any]) -> None:
        self.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        answer = self.events.put_targets(Rule=name, Targets=[{"Id": "one", **target}])
        assert answer["FailedEntryCount"] == 0

    def machine(self, name: str, definition: dict[str, Any]) -> str:
        made = self.machines.create_state_machine(
            name=name, definition=json.dumps(definition), roleArn=self.engine.role()
        )
        return str(made["stateMachineArn"])

    def received(self, url: str, count: int = 1) -> list[dict[str, Any]]:
        """The bodies of the next messages."""
        messages: list[dict[str, Any]] = []

        def all_there() -> bool:
            answer = self.sqs.receive_message(
                QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            for message in answer.get("Messages", []):
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                attributes = {k: v["StringValue"] for k, v in message.get("MessageAttributes", {}).items()}
                messages.append({"attributes": attributes, "body": json.loads(message["Body"])})
            return len(messages) >= count

        wait_for(f"{count} messages in {url}", all_there)
        return messages

    def total(self, namespace: str, name: str, stat: str = "Sum", **dimensions: str) -> float | None:
        """A metric's statistic over the last ten minutes; None if it has no values."""
        now = datetime.now(UTC)
        found = self.cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=1),
            Period=900,
            Statistics=[stat],
        )["Datapoints"]
        return float(found[0][stat]) if found else None

    def alarm_state(self, name: str, kind: str = "MetricAlarm") -> str:
        [alarm] = self.cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=[kind])[f"{kind}s"]
        return str(alarm["StateValue"])


class HurriedEngine(Engine):
    """Counts the messages of queues every two seconds, not once a minute."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "SQS_CLOUDWATCH_METRICS_REPORT_INTERVAL": "2"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    directory = tmp_path_factory.mktemp("engine")
    settings = new_engine(directory).settings
    engine = HurriedEngine(settings, directory / "tools.json")
    engine.start()
    try:
        yield Bench(RunningEngine(engine, settings))
    finally:
        engine.stop()


def test_failed_execution_raises_the_alarm_which_tells_the_topic_and_eventbridge(bench: Bench) -> None:
    machine = bench.machine("failing", FAILING)
    url, queue = bench.queue("alarms")
    events_url, events_queue = bench.queue("alarm-events")
    bench.rule("alarm-events", {"source": ["aws.cloudwatch"]}, {"Arn": events_queue})
    bench.cloudwatch.put_metric_alarm(
        AlarmName="ingest-failed",
        Namespace="AWS/States",
        MetricName="ExecutionsFailed",
        Dimensions=[{"Name": "StateMachineArn", "Value": machine}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
        AlarmActions=[bench.topic_into(queue, "operators")],
    )
    wait_for("first evaluation", lambda: bench.alarm_state("ingest-failed") == "OK")
    bench.machines.start_execution(stateMachineArn=machine)
    [message] = bench.received(url)
    assert (message["body"]["OldStateValue"], message["body"]["NewStateValue"]) == ("OK", "ALARM")
    assert message["body"]["NewStateReason"].startswith(
        "Threshold Crossed: 1 out of the last 1 datapoints [1.0 ("
    )
    changes = [one["body"] for one in bench.received(events_url, 2)]
    assert [one["detail"]["state"]["value"] for one in changes] == ["OK", "ALARM"]
    assert changes[1]["detail-type"] == "CloudWatch Alarm State Change"
    assert changes[1]["detail"]["configuration"]["metrics"][0]["metricStat"]["stat"] == "Sum"
    of = {"StateMachineArn": machine}
    counts = {
        name: bench.total("AWS/States", f"Executions{name}", **of)
        for name in ("Started", "Succeeded", "Failed", "TimedOut", "Aborted")
    }
    assert counts == {"Started": 1, "Succeeded": 0, "Failed": 1, "TimedOut": 0, "Aborted": 0}
    assert bench.total("AWS/States", "ExecutionTime", "SampleCount", **of) == 1


def test_execution_is_told_with_its_input_and_times_in_milliseconds(bench: Bench) -> None:
    machine = bench.machine("told", PASSING)
    url, queue = bench.queue("executions")
    bench.rule(
        "executions", {"source": ["aws.states"], "detail": {"stateMachineArn": [machine]}}, {"Arn": queue}
    )
    began = datetime.now(UTC).timestamp() * 1000
    arn = bench.machines.start_execution(stateMachineArn=machine, input="{}")["executionArn"]
    running, succeeded = sorted(bench.received(url, 2), key=lambda one: one["body"]["detail"]["status"])
    assert running["body"]["detail-type"] == "Step Functions Execution Status Change"
    assert running["body"]["resources"] == [arn]
    detail = succeeded["body"]["detail"]
    assert (detail["status"], detail["input"], detail["output"]) == ("SUCCEEDED", "{}", "{}")
    assert began - 1000 < detail["startDate"] <= detail["stopDate"] < began + 60_000
    assert running["body"]["detail"]["stopDate"] is None


def test_file_that_lands_starts_the_machine_with_the_transformed_input(bench: Bench) -> None:
    s3 = bench.engine.client("s3")
    region = {"LocationConstraint": bench.engine.settings.region}
    s3.create_bucket(Bucket="landing", CreateBucketConfiguration=region)
    s3.put_bucket_notification_configuration(
        Bucket="landing", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    machine = bench.machine("landed", PASSING)
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["landing"]}, "object": {"key": [{"prefix": "drop/"}]}},
    }
    transformer = {
        "InputPathsMap": {"bucket": "$.detail.bucket.name", "key": "$.detail.object.key"},
        "InputTemplate": '{"file": {"bucket": <bucket>, "key": <key>}}',
    }
    bench.rule(
        "file-dropped",
        pattern,
        {"Arn": machine, "RoleArn": bench.engine.role(), "InputTransformer": transformer},
    )
    s3.put_object(Bucket="landing", Key="other/a.csv", Body=b"1")
    s3.put_object(Bucket="landing", Key="drop/erp.orders/May 31 (a).csv", Body=b"1")
    listed = wait_for(
        "execution", lambda: bench.machines.list_executions(stateMachineArn=machine)["executions"]
    )
    assert len(listed) == 1
    started = bench.machines.describe_execution(executionArn=listed[0]["executionArn"])
    assert json.loads(started["input"]) == {
        "file": {"bucket": "landing", "key": "drop/erp.orders/May 31 (a).csv"}
    }


def test_event_that_cannot_be_delivered_goes_to_the_dead_letter_queue(bench: Bench) -> None:
    url, queue = bench.queue("events-dlq")
    machine = bench.machine("deleted", PASSING)
    bench.rule(
        "undelivered",
        {"source": ["lake"]},
        {"Arn": machine, "RoleArn": bench.engine.role(), "DeadLetterConfig": {"Arn": queue}},
    )
    bench.machines.delete_state_machine(stateMachineArn=machine)
    bench.events.put_events(Entries=[{"Source": "lake", "DetailType": "Landed", "Detail": '{"rows": 3}'}])
    [message] = bench.received(url)
    assert message["body"]["detail"] == {"rows": 3}
    attributes = message["attributes"]
    assert attributes["TARGET_ARN"] == machine
    assert attributes["RULE_ARN"].endswith(":rule/undelivered")
    assert (attributes["ERROR_CODE"], attributes["RETRY_ATTEMPTS"]) == ("NO_RESOURCE", "0")
    of = {"RuleName": "undelivered"}
    wait_for("metric", lambda: bench.total("AWS/Events", "InvocationsSentToDlq", **of) == 1)
    assert bench.total("AWS/Events", "FailedInvocations", **of) == 1
    assert bench.total("AWS/Events", "Invocations", **of) == 1


def test_metric_filter_counts_what_matches_in_its_group_only(bench: Bench) -> None:
    for group in ("jobs", "others"):
        bench.logs.create_log_group(logGroupName=group)
        bench.logs.create_log_stream(logGroupName=group, logStreamName="s")
    transformation = {
        "metricName": "RowsDropped",
        "metricNamespace": "Lake",
        "metricValue": "$.rows",
        "dimensions": {"Table": "$.table"},
    }
    for name, pattern in (("dropped", "{ $.nothing = 1 }"), ("dropped", "{ $.event = dropped }")):
        bench.logs.put_metric_filter(
            logGroupName="jobs",
            filterName=name,
            filterPattern=pattern,
            metricTransformations=[transformation],
        )
    bench.logs.put_metric_filter(
        logGroupName="jobs",
        filterName="errors",
        filterPattern="ERROR",
        metricTransformations=[
            {"metricName": "Errors", "metricNamespace": "Lake", "metricValue": "1", "defaultValue": 0}
        ],
    )
    assert len(bench.logs.describe_metric_filters(logGroupName="jobs")["metricFilters"]) == 2
    emf = {
        "_aws": {
            "Timestamp": round(datetime.now(UTC).timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": "Lake",
                    "Dimensions": [["Table"]],
                    "Metrics": [{"Name": "Late", "Unit": "Count"}],
                }
            ],
        },
        "Table": "erp.items",
        "Late": 7,
    }
    messages = [
        json.dumps({"event": "dropped", "table": "erp.orders", "rows": 3}),
        json.dumps({"event": "dropped", "table": "erp.orders", "rows": 4}),
        json.dumps({"event": "kept", "table": "erp.orders", "rows": 100}),
        "ERROR: lost",
        json.dumps(emf),
    ]
    now = round(datetime.now(UTC).timestamp() * 1000)
    for group, sent in (("others", messages[:4]), ("jobs", messages), ("jobs", ["fine"])):
        events = [{"timestamp": now, "message": message} for message in sent]
        bench.logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    wait_for("metric", lambda: bench.total("Lake", "RowsDropped", Table="erp.orders") == 7)
    assert bench.total("Lake", "RowsDropped") is None
    wait_for("metric", lambda: bench.total("Lake", "Errors", "SampleCount") == 2)
    assert bench.total("Lake", "Errors") == 1
    assert bench.total("Lake", "Late", Table="erp.items") == 7
    found = bench.logs.filter_log_events(logGroupName="jobs", filterPattern="{ $.rows > 3 }")["events"]
    assert [json.loads(one["message"])["rows"] for one in found] == [4, 100]
    with pytest.raises(ClientError, match="Invalid filter pattern"):
        bench.logs.put_metric_filter(
            logGroupName="jobs", filterName="x", filterPattern="{ $.a", metricTransformations=[transformation]
        )


def test_function_reports_invocations_errors_and_duration(bench: Bench) -> None:
    bench.engine.function("measured", "def handler(event, context):\n    return 1 / event['by']")
    invoke = bench.engine.client("lambda").invoke
    for by in (1, 0):
        invoke(FunctionName="measured", Payload=json.dumps({"by": by}))
    of = {"FunctionName": "measured"}
    wait_for("metric", lambda: bench.total("AWS/Lambda", "Invocations", **of) == 2)
    assert bench.total("AWS/Lambda", "Errors", **of) == 1
    assert bench.total("AWS/Lambda", "Duration", "SampleCount", **of) == 2
    assert bench.total("AWS/Lambda", "ConcurrentExecutions", "Maximum", **of) == 1


def test_alarm_of_an_expression_and_a_composite_of_it_follow_the_metrics(bench: Bench) -> None:
    def metric(name: str) -> dict[str, Any]:
        return {
            "Id": name,
            "MetricStat": {"Metric": {"Namespace": "Math", "MetricName": name}, "Period": 10, "Stat": "Sum"},
            "ReturnData": False,
        }

    bench.cloudwatch.put_metric_alarm(
        AlarmName="share",
        EvaluationPeriods=1,
        Threshold=0.5,
        ComparisonOperator="GreaterThanThreshold",
        Metrics=[metric("bad"), metric("all"), {"Id": "share", "Expression": "FILL(bad, 0) / all"}],
    )
    bench.cloudwatch.put_metric_alarm(
        AlarmName="quiet",
        Namespace="Math",
        MetricName="never",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
    )
    bench.cloudwatch.put_composite_alarm(
        AlarmName="both", AlarmRule="ALARM(share) AND (ALARM(quiet) OR OK(quiet)) AND NOT ALARM(absent)"
    )
    wait_for("evaluation", lambda: bench.alarm_state("quiet") == "ALARM")
    assert bench.alarm_state("both", "CompositeAlarm") == "OK"

    def put(**values: float) -> None:
        data = [{"MetricName": name, "Value": value} for name, value in values.items()]
        bench.cloudwatch.put_metric_data(Namespace="Math", MetricData=data)

    put(bad=3, all=4)
    wait_for("alarm", lambda: bench.alarm_state("both", "CompositeAlarm") == "ALARM")
    assert bench.alarm_state("share") == "ALARM"
    put(all=100)
    wait_for("end of the alarm", lambda: bench.alarm_state("both", "CompositeAlarm") == "OK")
    with pytest.raises(ClientError, match="AlarmRule"):
        bench.cloudwatch.put_composite_alarm(AlarmName="odd", AlarmRule="ALARM(")


def test_alarm_on_what_a_run_says_lasts_until_the_next_run_says_otherwise(bench: Bench) -> None:
    for missing in ("ignore", "notBreaching"):
        bench.cloudwatch.put_metric_alarm(
            AlarmName=missing,
            Namespace="Runs",
            MetricName="RowsQuarantined",
            Statistic="Sum",
            Period=10,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData=missing,
        )

    def run(rows: int) -> None:
        bench.cloudwatch.put_metric_data(
            Namespace="Runs", MetricData=[{"MetricName": "RowsQuarantined", "Value": rows}]
        )

    run(3)
    wait_for("alarm", lambda: bench.alarm_state("notBreaching") == "ALARM")
    wait_for("end of the value", lambda: bench.alarm_state("notBreaching") == "OK", 90)
    assert bench.alarm_state("ignore") == "ALARM"
    run(0)
    wait_for("end of the alarm", lambda: bench.alarm_state("ignore") == "OK")


def test_dashboard_gets_metrics_and_expressions_together(bench: Bench) -> None:
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=2)
    for minute, table, values in ((0, "a", [1]), (1, "a", [3]), (1, "b", [10, 11])):
        bench.cloudwatch.put_metric_data(
            Namespace="Board",
            MetricData=[
                {
                    "MetricName": "Rows",
                    "Dimensions": [{"Name": "Table", "Value": table}],
                    "Timestamp": start + timedelta(minutes=minute),
                    "Values": values,
                    "Counts": [2] * len(values),
                }
            ],
        )

    def rows(table: str) -> dict[str, Any]:
        metric = {
            "Namespace": "Board",
            "MetricName": "Rows",
            "Dimensions": [{"Name": "Table", "Value": table}],
        }
        return {"Id": table, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "p50"}}

    asked = {"StartTime": start, "EndTime": start + timedelta(minutes=2), "ScanBy": "TimestampAscending"}
    results = bench.cloudwatch.get_metric_data(
        MetricDataQueries=[rows("a"), rows("b"), {"Id": "sum", "Expression": "SUM([a, b])", "Label": "all"}],
        **asked,
    )["MetricDataResults"]
    assert [(one["Id"], one["Label"], one["Values"]) for one in results] == [
        ("a", "Rows", [1, 3]),
        ("b", "Rows", [10]),
        ("sum", "all", [1, 13]),
    ]
    with pytest.raises(ClientError, match="not available here"):
        bench.cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "s", "Expression": "SEARCH('x', 'Sum', 60)"}], **asked
        )


def test_job_run_and_query_tell_eventbridge_and_the_query_its_workgroups_metrics(bench: Bench) -> None:
    url, queue = bench.queue("work")
    bench.rule("work", {"source": ["aws.glue", "aws.athena"]}, {"Arn": queue})
    s3, glue, athena = (bench.engine.client(name) for name in ("s3", "glue", "athena"))
    region = {"LocationConstraint": bench.engine.settings.region}
    s3.create_bucket(Bucket="runs", CreateBucketConfiguration=region)
    s3.put_object(Bucket="runs", Key="fail.py", Body=b"raise ValueError('no such table')")
    command = {"Name": "pythonshell", "ScriptLocation": "s3://runs/fail.py", "PythonVersion": "3.9"}
    glue.create_job(Name="failing", Role=bench.engine.role(), Command=command)
    run_id = glue.start_job_run(JobName="failing")["JobRunId"]
    glue.create_database(DatabaseInput={"Name": "lake"})
    configuration = {
        "ResultConfiguration": {"OutputLocation": "s3://runs/results/"},
        "PublishCloudWatchMetricsEnabled": True,
    }
    athena.create_work_group(Name="lake", Configuration=configuration)
    query_id = athena.start_query_execution(QueryString="SELECT 1", WorkGroup="lake")["QueryExecutionId"]
    messages = [one["body"] for one in bench.received(url, 5)]
    [failed] = [one["detail"] for one in messages if one["detail-type"] == "Glue Job State Change"]
    assert (failed["jobName"], failed["state"], failed["severity"]) == ("failing", "FAILED", "ERROR")
    assert failed["jobRunId"] == run_id
    assert "no such table" in failed["message"]
    [made] = [one for one in messages if one["detail-type"] == "Glue Data Catalog Database State Change"]
    assert made["detail"] == {"databaseName": "lake", "typeOfChange": "CreateDatabase"}
    changes = [one["detail"] for one in messages if one["detail-type"] == "Athena Query State Change"]
    assert {one["queryExecutionId"] for one in changes} == {query_id}
    assert sorted(
        (one["sequenceNumber"], one.get("previousState"), one["currentState"]) for one in changes
    ) == [("1", None, "QUEUED"), ("2", "QUEUED", "RUNNING"), ("3", "RUNNING", "SUCCEEDED")]
    wait_for("metric", lambda: bench.total("AWS/Athena", "TotalExecutionTime", WorkGroup="lake"))
    of = {"WorkGroup": "lake", "QueryState": "SUCCEEDED", "QueryType": "DML"}
    assert bench.total("AWS/Athena", "ProcessedBytes", "SampleCount", **of) == 1


def test_messages_that_wait_in_a_queue_raise_its_alarm(bench: Bench) -> None:
    url, _ = bench.queue("dead")
    bench.cloudwatch.put_metric_alarm(
        AlarmName="dead",
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": "dead"}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    wait_for("first evaluation", lambda: bench.alarm_state("dead") == "OK")
    bench.sqs.send_message(QueueUrl=url, MessageBody="{}")
    wait_for("alarm", lambda: bench.alarm_state("dead") == "ALARM")
