"""Glue's service as one: files become tables, triggers follow, and the catalog's other users see the same."""

from __future__ import annotations

import json
from typing import Any

from engine_fixtures import RunningEngine, wait_for

SCRIPT = b"import sys; print('ran with', sys.argv)\n"


def prepared(engine: RunningEngine, bucket: str) -> Any:
    s3, glue = engine.client("s3"), engine.client("glue")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": engine.settings.region})
    for day in ("1", "2"):
        body = b"id,amount,name\n1,2.5,x\n2,3.5,y\n"
        s3.put_object(Bucket=bucket, Key=f"raw/sales/day={day}/a.csv", Body=body)
    s3.put_object(Bucket=bucket, Key="raw/people/p.json", Body=b'{"id": 1, "tags": ["a"]}\n')
    s3.put_object(Bucket=bucket, Key="job.py", Body=SCRIPT)
    glue.create_job(
        Name=f"{bucket}-job",
        Role=engine.role("crawling"),
        Command={"Name": "pythonshell", "ScriptLocation": f"s3://{bucket}/job.py", "PythonVersion": "3.9"},
    )
    glue.create_crawler(
        Name=f"{bucket}-crawler",
        Role=engine.role("crawling"),
        DatabaseName="crawled",
        Targets={"S3Targets": [{"Path": f"s3://{bucket}/raw/"}]},
    )
    return glue


def trusted(engine: RunningEngine) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    engine.role("crawling")
    engine.client("iam").update_assume_role_policy(RoleName="crawling", PolicyDocument=json.dumps(document))


def test_an_event_starts_a_workflow_whose_job_follows_a_crawl(running_engine: RunningEngine) -> None:
    trusted(running_engine)
    bucket = "service"
    glue = prepared(running_engine, bucket)
    glue.create_workflow(Name="flow", DefaultRunProperties={"from": "test"})
    glue.create_trigger(
        Name="first", Type="EVENT", WorkflowName="flow", Actions=[{"CrawlerName": f"{bucket}-crawler"}]
    )
    condition = {"LogicalOperator": "EQUALS", "CrawlerName": f"{bucket}-crawler", "CrawlState": "SUCCEEDED"}
    glue.create_trigger(
        Name="then",
        Type="CONDITIONAL",
        WorkflowName="flow",
        StartOnCreation=True,
        Predicate={"Conditions": [condition]},
        Actions=[{"JobName": f"{bucket}-job", "Arguments": {"--x": "1"}}],
    )
    events = running_engine.client("events")
    events.put_rule(Name="arrived", EventPattern=json.dumps({"source": ["own"]}))
    account, region = running_engine.settings.account_id, running_engine.settings.region
    target = {"Id": "1", "Arn": f"arn:aws:glue:{region}:{account}:workflow/flow"}
    events.put_targets(Rule="arrived", Targets=[{**target, "RoleArn": running_engine.role("crawling")}])
    events.put_events(Entries=[{"Source": "own", "DetailType": "x", "Detail": "{}"}])

    def ended() -> Any:
        runs = glue.get_workflow_runs(Name="flow", IncludeGraph=True)["Runs"]
        return runs[0] if runs and runs[0]["Status"] == "COMPLETED" else None

    run = wait_for("end of the workflow", ended)
    assert run["Statistics"]["SucceededActions"] == 2, run
    assert json.loads(run["WorkflowRunProperties"]["aws:eventIds"])
    (job,) = glue.get_job_runs(JobName=f"{bucket}-job")["JobRuns"]
    assert (job["TriggerName"], job["Arguments"]["--WORKFLOW_RUN_ID"]) == ("then", run["WorkflowRunId"])
    tables = {one["Name"]: one for one in glue.get_tables(DatabaseName="crawled")["TableList"]}
    assert sorted(tables) == ["people", "sales"]
    columns = tables["sales"]["StorageDescriptor"]["Columns"]
    assert [(one["Name"], one["Type"]) for one in columns] == [
        ("id", "bigint"),
        ("amount", "double"),
        ("name", "string"),
    ]
    by_day = glue.get_partitions(DatabaseName="crawled", TableName="sales", Expression="day > '1'")
    assert [one["Values"] for one in by_day["Partitions"]] == [["2"]]
    logs = running_engine.client("logs")
    written = logs.get_log_events(logGroupName="/aws-glue/crawlers", logStreamName=f"{bucket}-crawler")
    assert any("Created table sales" in one["message"] for one in written["events"])
