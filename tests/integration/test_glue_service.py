"""Glue's service as one: files become tables, triggers follow, and the catalog's other users see the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine, wait_for
from mariadb_fixtures import ADMIN as MARIADB_ADMIN
from mariadb_fixtures import PASSWORD, running_mariadb
from onprem_fixtures import onprem_settings, running_database

from millpond.stack.onprem import ADMIN

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
        Targets={"S3Targets": [{"Path": f"{bucket}/raw/"}]},
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


TABLE = """
CREATE TABLE {schema}orders (id bigint PRIMARY KEY, amount decimal(12,2), at timestamp, note varchar(20),
    n int)
"""


@contextmanager
def database_of(engine: str, directory: Path) -> Iterator[dict[str, Any]]:
    """A real server with one table; how a connection names it."""
    if engine == "mysql":
        with running_mariadb() as server:
            server.execute("USE lab", TABLE.format(schema=""))
            yield {"port": server.port, "database": "lab", "user": MARIADB_ADMIN, "password": PASSWORD}
    else:
        with running_database(onprem_settings(directory)) as database:
            with database.connection() as opened:
                opened.execute("CREATE SCHEMA lab")
                opened.execute(TABLE.format(schema="lab."))
            password = database.admin_password_file().read_text()
            yield {"port": database.port, "database": database.database, "user": ADMIN, "password": password}


@pytest.mark.parametrize("engine", ["postgresql", pytest.param("mysql", marks=pytest.mark.foreign)])
def test_a_connection_is_tested_and_crawled_by_its_url_or_its_host(
    running_engine: RunningEngine, tmp_path: Path, engine: str
) -> None:
    trusted(running_engine)
    glue, secrets = running_engine.client("glue"), running_engine.client("secretsmanager")
    with database_of(engine, tmp_path) as there:
        url = f"jdbc:{engine}://127.0.0.1:{there['port']}/{there['database']}"
        secret = {"username": there["user"], "password": there["password"]}
        secrets.create_secret(Name=f"{engine}-door", SecretString=json.dumps(secret))
        by_url = {"JDBC_CONNECTION_URL": url, "SECRET_ID": f"{engine}-door"}
        by_host = {
            "HOST": "127.0.0.1",
            "PORT": str(there["port"]),
            "JDBC_ENGINE": engine,
            "USERNAME": there["user"],
            "PASSWORD": there["password"],
        }
        for number, properties in enumerate((by_url, by_host)):
            given = {
                "Name": f"{engine}-{number}",
                "ConnectionType": "JDBC",
                "ConnectionProperties": properties,
            }
            glue.create_connection(ConnectionInput=given)
            glue.test_connection(ConnectionName=given["Name"])
        for wrong, said in (
            ({**by_host, "PASSWORD": "another"}, "correct URL syntax, username, and password"),
            ({**by_host, "PORT": "1"}, "correct URL syntax, username, and password"),
            ({**by_host, "PORT": "70000"}, "70000 is no port"),
            ({**by_url, "SECRET_ID": "nosuch"}, "nosuch cannot be read"),
            ({"JDBC_CONNECTION_URL": "jdbc:oracle:thin:@h:1/x"}, "is not supported"),
            ({"JDBC_CONNECTION_URL": "jdbc:sqlserver://h:1/x"}, "sqlserver"),
        ):
            with pytest.raises(ClientError, match=said) as refused:
                glue.test_connection(
                    TestConnectionInput={"ConnectionType": "JDBC", "ConnectionProperties": wrong}
                )
            assert refused.value.response["Error"]["Code"] == "InvalidInputException"
            assert there["password"] not in str(refused.value)

        path = "lab/%" if engine == "mysql" else f"{there['database']}/lab/%"
        target = {"ConnectionName": f"{engine}-0", "Path": path}
        glue.create_crawler(
            Name=f"{engine}-tables",
            Role=running_engine.role("crawling"),
            DatabaseName=f"from_{engine}",
            Targets={"JdbcTargets": [target]},
        )
        glue.start_crawler(Name=f"{engine}-tables")
        wait_for("crawl", lambda: glue.get_crawler(Name=f"{engine}-tables")["Crawler"]["State"] == "READY")
    (table,) = glue.get_tables(DatabaseName=f"from_{engine}")["TableList"]
    place = ["lab", "orders"] if engine == "mysql" else [there["database"], "lab", "orders"]
    assert (table["Name"], table["StorageDescriptor"]["Location"]) == ("_".join(place), ".".join(place))
    assert table["Parameters"]["classification"] == engine
    assert [(one["Name"], one["Type"]) for one in table["StorageDescriptor"]["Columns"]] == [
        ("id", "bigint"),
        ("amount", "decimal(12,2)"),
        ("at", "timestamp"),
        ("note", "string"),
        ("n", "int"),
    ]


def test_a_table_of_dynamodb_is_crawled_by_its_items(running_engine: RunningEngine) -> None:
    trusted(running_engine)
    glue, dynamodb = running_engine.client("glue"), running_engine.client("dynamodb")
    dynamodb.create_table(
        TableName="people",
        KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for item in (
        {"Id": {"S": "a"}, "Age": {"N": "3"}, "Tags": {"SS": ["x"]}},
        {
            "Id": {"S": "b"},
            "Age": {"N": "3.5"},
            "Home": {"M": {"City": {"S": "Rome"}}},
            "Old": {"BOOL": True},
        },
    ):
        dynamodb.put_item(TableName="people", Item=item)
    glue.create_crawler(
        Name="items",
        Role=running_engine.role("crawling"),
        DatabaseName="from_dynamodb",
        Targets={"DynamoDBTargets": [{"Path": "people"}]},
    )
    glue.start_crawler(Name="items")
    wait_for("crawl", lambda: glue.get_crawler(Name="items")["Crawler"]["State"] == "READY")
    assert glue.get_crawler(Name="items")["Crawler"]["LastCrawl"]["Status"] == "SUCCEEDED"
    table = glue.get_table(DatabaseName="from_dynamodb", Name="people")["Table"]
    assert table["Parameters"]["classification"] == "dynamodb"
    assert {one["Name"]: one["Type"] for one in table["StorageDescriptor"]["Columns"]} == {
        "id": "string",
        "age": "double",
        "tags": "array<string>",
        "home": "struct<city:string>",
        "old": "boolean",
    }
