"""What is paid by the month is counted as AWS lists it: every page, and composite alarms too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from engine_fixtures import RunningEngine

from lake import cost
from millpond.client.aws import Aws

ALARMS = 110  # more than a page of describe_alarms holds


def test_what_stands_is_counted_over_all_pages_and_only_with_the_platforms_names(
    running_engine: RunningEngine,
):
    settings = running_engine.settings
    aws = Aws(settings)
    cloudwatch = aws.client("cloudwatch")
    for number in range(ALARMS):
        cloudwatch.put_metric_alarm(
            AlarmName=f"{settings.prefix}-{number}",
            Namespace="AWS/States",
            MetricName="ExecutionsFailed",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            ActionsEnabled=False,
        )
    for name in (f"{settings.prefix}-tables-late", "of-somebody-else"):
        cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule=f'ALARM("{settings.prefix}-1")')
    for name, table_id in (("MinutesSinceCommit", "a.b"), ("RowsDropped", "a.b"), ("RowsDropped", "a.c")):
        dimensions = [{"Name": "TableId", "Value": table_id}]
        datum = {"MetricName": name, "Value": 1.0, "Dimensions": dimensions}
        cloudwatch.put_metric_data(Namespace="Millpond", MetricData=[datum])
    cloudwatch.put_metric_data(Namespace="Other", MetricData=[{"MetricName": "RowsDropped", "Value": 1.0}])
    for name in (f"{settings.project}/{settings.environment}/onprem-db", "other/secret"):
        aws.secretsmanager.create_secret(Name=name, SecretString="x")
    for purpose, size in (("raw", 10), ("curated", 5)):
        bucket = f"{settings.prefix}-{purpose}-{settings.account_id}-{settings.region}"
        aws.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": settings.region})
        aws.s3.put_object(Bucket=bucket, Key="rows", Body=b"x" * size)

    assert cost._standing(aws, settings) == {
        "stored_bytes": 15,
        "secrets": 1,
        "keys": 0,
        "alarms": ALARMS,
        "composite_alarms": 1,
        "metrics_of_every_hour": 1,
        "metrics_of_runs": 2,
        "dashboards": 0,
        "vpn_connections": 0,
        "endpoint_interfaces": 0,
    }


def test_logs_are_counted_that_functions_machine_and_jobs_wrote_while_the_execution_ran(
    running_engine: RunningEngine,
):
    settings = running_engine.settings
    aws, now = Aws(settings), datetime.now(UTC)
    for group in (f"/aws/lambda/{settings.prefix}-plan", "/aws-glue/jobs/output", "/aws/lambda/other"):
        aws.logs.create_log_group(logGroupName=group)
        aws.logs.create_log_stream(logGroupName=group, logStreamName="one")
        events = [
            {"timestamp": int(at.timestamp() * 1000), "message": message}
            for at, message in ((now - timedelta(hours=1), "before"), (now, "während"))
        ]
        aws.logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
    execution = cost.Execution(1, (), (), now - timedelta(minutes=1), now + timedelta(minutes=1))
    assert cost._logged_bytes(aws, settings, execution) == 2 * (len("während".encode()) + 26)
