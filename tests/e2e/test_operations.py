"""The platform at work, as AWS and its operators see it: what roles ask for, and what people are told.

One deployed stack does all that the platform does: tables of each load mode by both engines, files, changes
and failures, and what operators do. Meanwhile each call of a role is recorded, and a queue listens to the
operators' topic.
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
from permissions import Account, Call, Need, Role
from waiting import scaled
from waiting import wait_until as wait_for

from millpond.client.query import run_query

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
    calls: dict[str, list[Call]] = field(default_factory=dict)
    needed_to_deploy: set[str] = field(default_factory=set)

    def client(self, service: str) -> Any:
        settings = self.checkout.settings
        return self.checkout.aws.session.client(service, endpoint_url=settings.endpoint_url)

    def arn(self, service: str, resource: str) -> str:
        settings = self.checkout.settings
        return f"arn:aws:{service}:{settings.region}:{settings.account_id}:{resource}"

    def subscribe(self) -> None:
        sqs = self.client("sqs")
        self.mailbox = sqs.create_queue(QueueName="operator")["QueueUrl"]
        self.client("sns").subscribe(
            TopicArn=self.arn("sns", "millpond-dev-operators"),
            Protocol="sqs",
            Endpoint=self.arn("sqs", "operator"),
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
        with permissions.of_builds(checkout.settings) as platform.needed_to_deploy:
            checkout.must("deploy")
        checkout.must("load")
        disable_others(platform)
        platform.subscribe()
        with permissions.recorded(checkout.settings.endpoint_url, callers(platform)) as calls:
            ingest_all_that_is_enabled(platform)
            ingest_a_file(platform)
            operate(platform)
            ingest_what_changed_and_what_fails(platform)
            stop_a_run(platform)
            leave_an_event_undelivered(platform)
            maintain(platform)
        platform.calls |= calls
        yield platform


def callers(platform: Platform) -> dict[str, dict[str, str]]:
    """The roles that Terraform made, and the engine's Athena, which asks for itself."""
    account = platform.checkout.settings.account_id
    roles = platform.client("iam").list_roles()["Roles"]
    names = [one["RoleName"] for one in roles if one["RoleName"].startswith("millpond-dev-")]
    found = {
        name: {"caller": f"arn:aws:sts::{account}:assumed-role/{name}/*"}
        for name in names
        if name != "millpond-dev-deploy"
    }
    assert len(found) == 9, found
    root = f"arn:aws:iam::{account}:root"
    return {**found, **{agent: {"caller": root, "userAgent": agent} for agent in permissions.ATHENA}}


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
    """What the state machine asks of Athena once a table is due, with something to expire."""
    for statement in (
        f"ALTER TABLE {CHANGED_TABLE} SET TBLPROPERTIES ('vacuum_max_snapshot_age_seconds'='1')",
        f"OPTIMIZE {CHANGED_TABLE} REWRITE DATA USING BIN_PACK",
        f"VACUUM {CHANGED_TABLE}",
    ):
        run_query(platform.checkout.aws.athena, statement, workgroup="millpond-dev")


# -- permissions --------------------------------------------------------------------------------------------

# What is granted and never seen here, by role and action, and why it is granted.
UNSEEN = {
    ("*", "ec2:*"): "Glue and Lambda place interfaces into the VPC with the role; there is no network here",
    ("*", "xray:*"): "services send traces with the role; nothing is traced here",
    ("*", "sqs:SendMessage"): "Lambda leaves an event whose function failed for good",
    ("plan", "kms:GenerateDataKey"): "the queue in which Lambda leaves what failed is encrypted",
    ("register", "kms:GenerateDataKey"): "the same",
    ("reschedule", "kms:*"): "the same, and Lambda decrypts the environment of the function with its role",
    ("notify", "dynamodb:GetItem"): "what the day cost, when a run is told of for the second time",
    ("glue-ingest-*", "glue:GetConnection"): "Glue looks the connection up with the role of the job",
    ("glue-ingest-*", "cloudwatch:PutMetricData"): "Glue writes a job's metrics with its role",
    ("glue-ingest-*", "logs:*"): "and its log",
    ("glue-ingest-*", "s3:AbortMultipartUpload"): "an upload in parts that fails",
    ("glue-ingest-*", "s3:DeleteObject"): "Iceberg removes the files of a commit that failed",
    ("glue-ingest-spark", "s3:GetBucketLocation"): "S3A, where no region is configured",
    ("glue-ingest-spark", "s3:ListBucketMultipartUploads"): "S3A's committers look for what was left",
    ("ingest", "logs:*"): "Step Functions has the log of a state machine delivered with its role",
    ("ingest", "glue:GetJobRuns"): "what the Step Functions Developer Guide has for startJobRun.sync",
    ("ingest", "athena:StopQueryExecution"): "a run that is stopped while Athena counts",
    ("ingest", "s3:AbortMultipartUpload"): "Athena writes larger files in parts",
    ("ingest", "s3:List*Multipart*"): "the same",
}
# What one recording has and another has not: a slow machine outlives the process of a function.
AT_TIMES = {
    ("rotate", "logs:CreateLogStream"): "its process began when its rotation was made, before the recording",
}
# What is asked for and refused on purpose, by those who can go on without.
WITHHELD = {
    "logs:CreateLogGroup": "Lambda tries it at each start; Terraform makes the groups, with a key and an end",
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
# Conditions that the calls which were seen do not tell.
UNJUDGED = {
    "aws:ResourceTag/environment": "the boundary admits keys with the tags of this environment",
    "aws:ResourceTag/project": "the same",
}


@pytest.fixture(scope="module")
def roles(platform: Platform) -> dict[str, Role]:
    names = [name for name in callers(platform) if name not in permissions.ATHENA]
    return {name: permissions.role(platform.client("iam"), name) for name in names}


@pytest.fixture(scope="module")
def needs(platform: Platform) -> dict[str, set[Need]]:
    """By role; what Athena asks for is needed by who runs the queries, and that is the state machine."""
    settings = platform.checkout.settings
    account = Account(platform.client, settings.account_id, settings.region, "alias/millpond-dev-data")
    found: dict[str, set[Need]] = {}
    for name, calls in platform.calls.items():
        role_name = MACHINE if name in permissions.ATHENA else name
        found.setdefault(role_name, set()).update(need for call in calls for need in account.needs(call))
    return found


def test_every_role_was_at_work(platform: Platform) -> None:
    assert [name for name, calls in platform.calls.items() if not calls] == []


def test_every_call_is_allowed_to_its_role(roles: dict[str, Role], needs: dict[str, set[Need]]) -> None:
    refused = {
        (name, need.action, need.resource)
        for name, role in roles.items()
        for need in needs[name]
        if not role.allows(need)
    }
    assert {one for one in refused if one[1] not in WITHHELD} == set()


def test_every_call_of_the_build_is_allowed_to_its_role(platform: Platform) -> None:
    role = permissions.role(platform.client("iam"), "millpond-dev-deploy")
    assert len(platform.needed_to_deploy) > 60
    assert permissions.not_granted(role, platform.needed_to_deploy) == set()


def test_nothing_is_granted_that_is_not_needed(roles: dict[str, Role], needs: dict[str, set[Need]]) -> None:
    unseen = {
        (name.removeprefix("millpond-dev-"), action)
        for name, role in roles.items()
        for _, action in role.granted() - role.used(needs[name])
    }
    unseen -= AT_TIMES.keys()
    explained = {(one, why) for one in unseen for why in UNSEEN if all(map(permissions.matches, why, one))}
    assert unseen - {one for one, _ in explained} == set()
    assert UNSEEN.keys() - {why for _, why in explained} == set(), "these were seen"


def test_a_policy_names_its_resources_except_where_aws_has_none_to_name(roles: dict[str, Role]) -> None:
    wild = {one.sid for role in roles.values() for one in role.statements if "*" in one.resources}
    assert wild - WITHOUT_RESOURCE == set()


def test_the_conditions_that_were_not_judged_are_these(
    roles: dict[str, Role], needs: dict[str, set[Need]]
) -> None:
    unjudged = {
        key
        for name, role in roles.items()
        for need in needs[name]
        for statement in (*role.statements, *(role.boundary or ()))
        if statement.speaks_of(need)
        for key in statement.unjudged(need)
    }
    assert unjudged == UNJUDGED.keys()


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
                    is_open = role.allows(Need("states:StartExecution", arn))
                else:
                    # What it tells of itself: to a topic, and to a key, nothing.
                    told = () if service == "sns" else (("aws:SourceArn", rule["Arn"]),)
                    need = Need(actions[service], arn, told)
                    is_open = permissions.admits(doors(arn), "events.amazonaws.com", need)
                if service in ("sns", "sqs") and "deploy-failed" not in arn:
                    for name in ("kms:GenerateDataKey", "kms:Decrypt"):
                        is_open &= permissions.admits(key, "events.amazonaws.com", Need(name, "*"))
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
    account = ("aws:SourceAccount", platform.checkout.settings.account_id)
    for alarm, topic in told:
        need = Need("sns:Publish", topic, (("aws:SourceArn", alarm), account))
        assert permissions.admits(doors(topic), "cloudwatch.amazonaws.com", need), alarm
    for name in ("kms:GenerateDataKey", "kms:Decrypt"):
        assert permissions.admits(
            key_policy(platform), "cloudwatch.amazonaws.com", Need(name, "*", (account,))
        )


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
