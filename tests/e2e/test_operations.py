"""The platform at work, as AWS and its operators see it: what roles ask for, and what people are told.

One deployed stack does all that the platform does: tables of each load mode by both engines, files, changes
and failures, and what operators do, with its policies in force. A queue listens to the operators' topic.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import fault_rules
import permissions
import pytest
from boto3.dynamodb.types import TypeSerializer
from checkouts import Checkout, checkout_of_its_own
from permissions import Role
from waiting import scaled
from waiting import wait_until as wait_for

from millpond.client.query import run_query
from millpond.planes.iam.ledger import Judgement

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

MACHINE = "millpond-dev-ingest"
SETTINGS_TABLE = "millpond-dev-job_settings"
SECRET = "millpond/dev/onprem-db"
SCHEDULE = "/millpond/dev/ingest/schedule"
SPARK_TABLE, CHANGED_TABLE = "erp.orders", "erp.products"
BROKEN_TABLE, SHRUNK_TABLE, STRICT_TABLE = "erp.payments", "erp.addresses", "erp.warehouses"
# One of each load mode, and what fails and changes; the tests of the lake ingest every table.
TABLES = {
    SPARK_TABLE,
    CHANGED_TABLE,
    BROKEN_TABLE,
    SHRUNK_TABLE,
    STRICT_TABLE,
    "erp.customers",
    "erp.measurements",
    "erp.supplier_changes",
}


@dataclass
class Platform:
    """A deployed platform, and what its operators are told."""

    checkout: Checkout
    mailbox: str = ""
    disabled: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    judged: list[Judgement] = field(default_factory=list)

    def client(self, service: str) -> Any:
        settings = self.checkout.settings
        return self.checkout.aws.session.client(service, endpoint_url=settings.endpoint_url)

    def arn(self, service: str, resource: str) -> str:
        settings = self.checkout.settings
        return f"arn:aws:{service}:{settings.region}:{settings.account_id}:{resource}"

    def subscribe(self) -> None:
        sqs = self.client("sqs")
        queue, topic = self.arn("sqs", "operator"), self.arn("sns", "millpond-dev-operators")
        admitting = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [admitting]})
        made = sqs.create_queue(QueueName="operator", Attributes={"Policy": policy})
        self.mailbox = made["QueueUrl"]
        self.client("sns").subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=queue,
            Attributes={"RawMessageDelivery": "true"},
        )

    def hears(self, what: str, is_it: Callable[[str], bool]) -> str:
        """Wait until the operators were told something; the message."""

        def look() -> str | None:
            answer = self.client("sqs").receive_message(
                QueueUrl=self.mailbox, MaxNumberOfMessages=10, WaitTimeSeconds=1
            )
            for message in answer.get("Messages", []):
                self.told.append(message["Body"])
                self.client("sqs").delete_message(
                    QueueUrl=self.mailbox, ReceiptHandle=message["ReceiptHandle"]
                )
            return next(filter(is_it, self.told), None)

        return wait_for(f"{what} among {self.told}", look)

    def hears_alarm(self, name: str) -> Mapping[str, Any]:
        def is_it(text: str) -> bool:
            return text.startswith("{") and (_of_alarm(text) == (f"millpond-dev-{name}", "ALARM"))

        content: Mapping[str, Any] = json.loads(self.hears(name, is_it))
        return content

    def change_settings(self, table: str, **settings: Any) -> None:
        self.checkout.aws.dynamodb.update_item(
            TableName=SETTINGS_TABLE,
            Key={"table_id": {"S": table}},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in settings),
            ExpressionAttributeValues={f":{k}": TypeSerializer().serialize(v) for k, v in settings.items()},
        )

    def change_run(self, table: str, run_id: str, update: str, values: Mapping[str, Any]) -> None:
        self.checkout.aws.dynamodb.update_item(
            TableName="millpond-dev-ingest_runs",
            Key={"table_id": {"S": table}, "run_id": {"S": run_id}},
            UpdateExpression=update,
            ExpressionAttributeValues={k: TypeSerializer().serialize(v) for k, v in values.items()},
        )

    def execute(self, statement: str) -> None:
        with self.checkout.database.connection() as connection:
            connection.execute(statement)

    def measure(self) -> None:
        """What EventBridge asks of the function every 15 minutes."""
        payload = json.dumps({"action": "measure"})
        answer = self.checkout.aws.lambda_.invoke(FunctionName="millpond-dev-notify", Payload=payload)
        assert "FunctionError" not in answer, answer["Payload"].read()

    def executions(self) -> dict[str, str]:
        found = self.checkout.aws.stepfunctions.list_executions(
            stateMachineArn=self.arn("states", f"stateMachine:{MACHINE}")
        )
        return {one["executionArn"]: one["status"] for one in found["executions"]}


# -- what the platform does ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """The platform after it has done everything once."""
    with checkout_of_its_own() as checkout:
        checkout.must("up")
        platform = Platform(checkout)
        checkout.must("deploy")
        checkout.must("load")
        disable_others(platform)
        platform.subscribe()
        ingest_all_that_is_enabled(platform)
        ingest_a_file(platform)
        operate(platform)
        ingest_what_changed_and_what_fails(platform)
        stop_a_run(platform)
        leave_an_event_undelivered(platform)
        maintain(platform)
        platform.judged = permissions.judged(checkout.settings)
        yield platform


def disable_others(platform: Platform) -> None:
    items = platform.checkout.aws.dynamodb.get_paginator("scan").paginate(TableName=SETTINGS_TABLE)
    there = {item["table_id"]["S"] for page in items for item in page["Items"]}
    assert there > TABLES
    platform.disabled = there - TABLES
    for table in platform.disabled:
        platform.change_settings(table, enabled=False)


def ingest_all_that_is_enabled(platform: Platform) -> None:
    platform.checkout.must("ingest")


def ingest_a_file(platform: Platform) -> None:
    before = platform.executions()
    platform.checkout.drop_warehouse("annex")
    started = wait_for("execution", lambda: platform.executions().keys() - before.keys())
    wait_for("its end", lambda: platform.executions()[next(iter(started))] != "RUNNING")
    assert [platform.executions()[one] for one in started] == ["SUCCEEDED"]


def operate(platform: Platform) -> None:
    """Rotate the password, turn the schedule, measure how old the tables are."""
    secrets, events = platform.checkout.aws.secretsmanager, platform.client("events")
    version = secrets.rotate_secret(SecretId=SECRET)["VersionId"]
    stages = lambda: secrets.describe_secret(SecretId=SECRET)["VersionIdsToStages"]  # noqa: E731
    wait_for("new password", lambda: "AWSCURRENT" in stages().get(version, []))
    platform.checkout.aws.ssm.put_parameter(Name=SCHEDULE, Value="cron(30 4 * * ? *)", Overwrite=True)
    rule = "millpond-dev-ingest-schedule"
    wait_for("rule", lambda: events.describe_rule(Name=rule)["ScheduleExpression"] == "cron(30 4 * * ? *)")
    platform.change_run(
        SPARK_TABLE, "CURRENT", "SET committed_at = :at", {":at": "2026-01-01T00:00:00+00:00"}
    )
    platform.measure()


def ingest_what_changed_and_what_fails(platform: Platform) -> None:
    """A source with new columns, one table that is not good enough, one that lost most rows, a dear day."""
    platform.checkout.must("workload", "--changes", "100", "--seed", "5")
    platform.execute(f"ALTER TABLE {STRICT_TABLE} ADD COLUMN remark text")
    platform.execute(f"ALTER TABLE {CHANGED_TABLE} ADD COLUMN remark text")
    never = [{"name": "never", "check": "amount < 0"}]
    platform.change_settings(BROKEN_TABLE, quality_rules=never, quality_max_rejected=0)
    third = [{"name": "a third", "check": "customer_id % 3 = 0"}]
    platform.change_settings(SHRUNK_TABLE, quality_rules=third, quality_max_rejected=1)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    platform.change_run("ALL", today, "ADD estimated_cost_usd :usd", {":usd": 100})

    ingest = platform.checkout.popen("ingest")

    def is_approved() -> bool:
        assert ingest.poll() is None, ingest.communicate()
        return platform.checkout.run("approve", STRICT_TABLE, is_aws=True).returncode == 0

    wait_for("question", is_approved, 600)
    _, stderr = ingest.communicate(timeout=scaled(600))
    assert ingest.returncode == 1
    assert BROKEN_TABLE in stderr


def stop_a_run(platform: Platform) -> None:
    """Whoever stops a run stops its job."""
    glue, machines = platform.client("glue"), platform.checkout.aws.stepfunctions
    job = "millpond-dev-ingest-spark"
    before = {one["Id"] for one in glue.get_job_runs(JobName=job)["JobRuns"]}
    request = json.dumps({"tables": [SPARK_TABLE]})
    machine = platform.arn("states", f"stateMachine:{MACHINE}")
    execution = machines.start_execution(stateMachineArn=machine, input=request)["executionArn"]

    def state() -> str | None:
        runs = glue.get_job_runs(JobName=job)["JobRuns"]
        return next((one["JobRunState"] for one in runs if one["Id"] not in before), None)

    wait_for("job run", lambda: state() == "RUNNING")
    machines.stop_execution(executionArn=execution)
    wait_for("its end", lambda: state() == "STOPPED")
    wait_for("end of the run", lambda: platform.executions()[execution] == "ABORTED")


def leave_an_event_undelivered(platform: Platform) -> None:
    refused = {
        "service": "stepfunctions",
        "operation": "StartExecution",
        "caller": "*:assumed-role/millpond-dev-ingest-start/*",
        "error": {"statusCode": 400, "code": "StateMachineDoesNotExist"},
    }
    url = platform.checkout.settings.endpoint_url
    fault_rules.ask(url, "PATCH", [refused])
    platform.checkout.drop_warehouse("lost")
    wait_for(
        "refusal", lambda: [one for one in fault_rules.ask(url, "GET") if one["hits"] and "error" in one]
    )
    fault_rules.ask(url, "DELETE", [refused])


def maintain(platform: Platform) -> None:
    """What the state machine asks of Athena once a table is due, as its role, with something to expire."""
    machines, athena = platform.checkout.aws.stepfunctions, platform.checkout.aws.athena
    expiring = f"ALTER TABLE {CHANGED_TABLE} SET TBLPROPERTIES ('vacuum_max_snapshot_age_seconds'='1')"
    run_query(athena, expiring, workgroup="millpond-dev")
    machine = machines.describe_state_machine(
        stateMachineArn=platform.arn("states", f"stateMachine:{MACHINE}")
    )
    for statement in (f"OPTIMIZE {CHANGED_TABLE} REWRITE DATA USING BIN_PACK", f"VACUUM {CHANGED_TABLE}"):
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::athena:startQueryExecution",
            "Parameters": {"QueryString": statement, "WorkGroup": "millpond-dev"},
            "End": True,
        }
        answer = machines.test_state(definition=json.dumps(task), roleArn=machine["roleArn"], input="{}")
        assert answer["status"] == "SUCCEEDED", answer
        query = json.loads(answer["output"])["QueryExecutionId"]

        def status(query: str = query) -> Any:
            return athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]

        wait_for("its end", lambda: status()["State"] not in ("QUEUED", "RUNNING"))
        assert status()["State"] == "SUCCEEDED", status()


# -- permissions --------------------------------------------------------------------------------------------

# What is granted and never seen here, by role and action, and why it is granted.
UNSEEN = {
    ("*", "ec2:*"): "Glue and Lambda place interfaces into the VPC with the role; there is no network here",
    ("*", "xray:*"): "services send traces with the role; nothing is traced here",
    ("*", "sqs:SendMessage"): "Lambda leaves an event whose function failed for good",
    ("plan", "kms:*"): "tables, the queue and the secret are encrypted, and their key is not asked for here",
    ("plan", "dynamodb:Scan"): "structures of many tables are read by a scan, those of these few by queries",
    ("register", "kms:*"): "the same",
    ("rotate", "kms:*"): "the same",
    ("reschedule", "kms:*"): "the same, and Lambda decrypts the environment of the function with its role",
    ("notify", "dynamodb:GetItem"): "what the day cost, when a run is told of for the second time",
    ("glue-ingest-*", "cloudwatch:PutMetricData"): "Glue writes a job's metrics with its role",
    ("glue-ingest-*", "logs:*"): "and its log",
    ("glue-ingest-*", "s3:AbortMultipartUpload"): "an upload in parts that fails",
    ("glue-ingest-*", "s3:DeleteObject"): "Iceberg removes the files of a commit that failed",
    ("glue-ingest-spark", "s3:GetBucketLocation"): "S3A, where no region is configured",
    ("glue-ingest-spark", "s3:ListBucketMultipartUploads"): "S3A's committers look for what was left",
    (
        "ingest",
        "states:*",
    ): "a distributed Map starts and follows its executions with it; here within the engine",
    ("ingest", "logs:*"): "Step Functions has the log of a state machine delivered with its role",
    ("ingest", "glue:GetJobRuns"): "what the Step Functions Developer Guide has for startJobRun.sync",
    ("ingest", "athena:StopQueryExecution"): "a run that is stopped while Athena counts",
    ("ingest", "s3:AbortMultipartUpload"): "Athena writes larger files in parts",
    ("ingest", "s3:List*Multipart*"): "the same",
}
# Statements for actions to which AWS gives no resource that could be named.
WITHOUT_RESOURCE = {
    "AttachToTheVpc",
    "DeliverLogs",
    "FindTheVpc",
    "PutMetrics",
    "WriteMetrics",
    "WriteTraces",
}


@pytest.fixture(scope="module")
def roles(platform: Platform) -> dict[str, Role]:
    """The roles that Terraform made."""
    iam = platform.client("iam")
    names = [one["RoleName"] for one in iam.list_roles()["Roles"]]
    found = [one for one in names if one.startswith("millpond-dev-") and one != "millpond-dev-deploy"]
    assert len(found) == 9, found
    return {name: permissions.role(iam, name) for name in found}


def test_every_role_was_at_work_and_nothing_was_denied(platform: Platform, roles: dict[str, Role]) -> None:
    at_work = {one.principal.rpartition("/")[2] for one in platform.judged}
    assert roles.keys() - at_work == set()
    assert list(permissions.denied(platform.judged)) == []


def test_without_any_action_of_a_statement_a_call_would_have_been_denied(
    platform: Platform, roles: dict[str, Role]
) -> None:
    found = [
        (name.removeprefix("millpond-dev-"), action, failing)
        for name, role in roles.items()
        for _, action, failing in role.without(platform.judged)
    ]
    idle = {(name, action) for name, action, failing in found if not failing}
    # The run, the function or the execution that would have failed has a name.
    assert [one for *_, failing in found for one in failing if not one.session] == []
    explained = {
        (one, why)
        for one in idle
        for why in UNSEEN
        if permissions.matches(why[0], one[0]) and permissions.matches(why[1].lower(), one[1])
    }
    assert idle - {one for one, _ in explained} == set()
    assert UNSEEN.keys() - {why for _, why in explained} == set(), "these were seen"


def test_a_policy_names_its_resources_except_where_aws_has_none_to_name(roles: dict[str, Role]) -> None:
    wild = {one.sid for role in roles.values() for one in role.statements if "*" in one.resources}
    assert wild - WITHOUT_RESOURCE == set()


def test_every_way_of_a_job_a_function_and_a_build_through_the_network_is_open(platform: Platform) -> None:
    ways = json.loads(platform.checkout.run("network", "check", "--json").stdout)
    assert {one["of"].partition(" ")[0] for one in ways} == {"build", "function", "job"}
    assert [one for one in ways if one["blocked_by"]] == []


@pytest.fixture(scope="module")
def doors(platform: Platform) -> Callable[[str], str]:
    """The policy of a function, a topic or a queue, by its ARN."""

    def policy(arn: str) -> str:
        service, name = arn.split(":")[2], arn.rpartition(":")[2]
        if service == "lambda":
            return str(platform.client("lambda").get_policy(FunctionName=name)["Policy"])
        if service == "sns":
            return str(platform.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])
        sqs = platform.client("sqs")
        asked = {"QueueUrl": sqs.get_queue_url(QueueName=name)["QueueUrl"], "AttributeNames": ["Policy"]}
        return str(sqs.get_queue_attributes(**asked)["Attributes"]["Policy"])

    return policy


def test_whatever_a_rule_writes_to_admits_it(
    platform: Platform, roles: dict[str, Role], doors: Callable[[str], str]
) -> None:
    events, key = platform.client("events"), key_policy(platform)
    actions = {"lambda": "lambda:InvokeFunction", "sns": "sns:Publish", "sqs": "sqs:SendMessage"}
    seen, shut = set(), set()
    for rule in events.list_rules(NamePrefix="millpond-dev-")["Rules"]:
        for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
            left = target.get("DeadLetterConfig", {}).get("Arn")
            for arn in filter(None, (target["Arn"], left)):
                service = arn.split(":")[2]
                seen.add((rule["Name"].removeprefix("millpond-dev-"), service))
                if service == "states":
                    role = roles[target["RoleArn"].rpartition("/")[2]]
                    is_open = role.allows("states:StartExecution", arn)
                else:
                    # What it tells of itself: to a topic, and to a key, nothing.
                    told = {} if service == "sns" else {"SourceArn": rule["Arn"]}
                    is_open = permissions.admits(doors(arn), "events", actions[service], arn, **told)
                if service in ("sns", "sqs") and "deploy-failed" not in arn:
                    for name in ("kms:GenerateDataKey", "kms:Decrypt"):
                        is_open &= permissions.admits(key, "events", name, "*")
                if not is_open:
                    shut.add((rule["Name"], arn))
    assert shut == set()
    assert seen == {
        ("deploy-failed", "sns"),
        ("file-dropped", "sqs"),
        ("file-dropped", "states"),
        ("freshness", "lambda"),
        ("ingest-schedule", "sqs"),
        ("ingest-schedule", "states"),
        ("job-failed", "sns"),
        ("job-failed", "sqs"),
        ("schedule-turned", "lambda"),
    }


def test_the_topic_that_alarms_write_to_admits_them(platform: Platform, doors: Callable[[str], str]) -> None:
    found = platform.client("cloudwatch").describe_alarms(
        AlarmNamePrefix="millpond-dev-", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    told = {
        (alarm["AlarmArn"], action)
        for alarm in (*found["MetricAlarms"], *found["CompositeAlarms"])
        for action in (*alarm["AlarmActions"], *alarm["OKActions"])
    }
    assert {action for _, action in told} == {platform.arn("sns", "millpond-dev-operators")}
    account = platform.checkout.settings.account_id
    for alarm, topic in told:
        told = {"SourceArn": alarm, "SourceAccount": account}
        assert permissions.admits(doors(topic), "cloudwatch", "sns:Publish", topic, **told), alarm
    for name in ("kms:GenerateDataKey", "kms:Decrypt"):
        assert permissions.admits(key_policy(platform), "cloudwatch", name, "*", SourceAccount=account)


def key_policy(platform: Platform) -> str:
    kms = platform.client("kms")
    key = kms.describe_key(KeyId="alias/millpond-dev-data")["KeyMetadata"]["KeyId"]
    return str(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])


# -- what operators are told --------------------------------------------------------------------------------


def test_operators_are_told_of_a_job_run_that_failed_and_why(platform: Platform) -> None:
    text = platform.hears("failed run", lambda one: "The run " in one and "FAILED" in one)

    assert "of millpond-dev-ingest-shell ended as FAILED: " in text
    assert BROKEN_TABLE in text


@pytest.mark.parametrize(
    "alarm",
    [
        "ingest-failed",
        "ingest-aborted",
        "quarantine-not-empty",
        "rows-dropped",
        "daily-cost",
        "tables-late",
        "events-undelivered",
    ],
)
def test_operators_are_told_of_the_alarm(platform: Platform, alarm: str) -> None:
    assert platform.hears_alarm(alarm)["OldStateValue"] in ("OK", "INSUFFICIENT_DATA")


def test_the_ingest_is_not_late_after_a_run_that_went_well(platform: Platform) -> None:
    [alarm] = platform.client("cloudwatch").describe_alarms(AlarmNames=["millpond-dev-ingest-late"])[
        "MetricAlarms"
    ]
    assert alarm["StateValue"] == "OK"


def test_every_alarm_looks_at_a_metric_that_the_platform_emits(platform: Platform) -> None:
    cloudwatch = platform.client("cloudwatch")
    emitted = {
        _metric(one)
        for page in cloudwatch.get_paginator("list_metrics").paginate()
        for one in page["Metrics"]
    }
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix="millpond-dev-")["MetricAlarms"]
    assert len(alarms) > 15
    idle = {f"millpond-dev-late-{table}" for table in platform.disabled}
    assert {one["AlarmName"] for one in alarms if _metric(one) not in emitted} <= idle


def _metric(content: Mapping[str, Any]) -> tuple[str, str, frozenset[tuple[str, str]]]:
    dimensions = frozenset((one["Name"], one["Value"]) for one in content.get("Dimensions", []))
    return content["Namespace"], content["MetricName"], dimensions


def _of_alarm(text: str) -> tuple[str, str]:
    content = json.loads(text)
    return content["AlarmName"], content["NewStateValue"]
