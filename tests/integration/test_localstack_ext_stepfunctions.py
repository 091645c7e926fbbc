"""State machines: the integrations that the platform uses, and no success that was not there."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine, wait_for

STATES = "arn:aws:states:::"


def state_machine(engine: RunningEngine, name: str, resource: str, parameters: Any, **task: Any) -> str:
    """A state machine of one task; its ARN."""
    state = {"Type": "Task", "Resource": STATES + resource, "Parameters": parameters, "End": True, **task}
    made = engine.client("stepfunctions").create_state_machine(
        name=name,
        roleArn=engine.role(),
        definition=json.dumps({"StartAt": "Only", "States": {"Only": state}}),
    )
    return str(made["stateMachineArn"])


def run(engine: RunningEngine, arn: str) -> dict[str, Any]:
    """Execute it and wait for the end."""
    states = engine.client("stepfunctions")
    execution = states.start_execution(stateMachineArn=arn)["executionArn"]

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = states.describe_execution(executionArn=execution)
        return found if found["status"] != "RUNNING" else None

    return wait_for("end of the execution", ended)


@pytest.fixture(scope="module", autouse=True)
def rescheduled_machines(running_engine: RunningEngine) -> dict[str, str]:
    """Two whose rules are put twice, from the beginning, so that the last test need not wait for them."""
    events = running_engine.client("events")
    machines = {}
    for name, schedules in {
        "quickened": ("rate(30 days)", "rate(1 minute)"),
        "slowed": ("rate(1 minute)", "rate(30 days)"),
    }.items():
        machines[name] = running_engine.client("stepfunctions").create_state_machine(
            name=name,
            roleArn=running_engine.role(),
            definition=json.dumps({"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True}}}),
        )["stateMachineArn"]
        target = {"Id": "1", "Arn": machines[name], "RoleArn": running_engine.role(), "Input": "{}"}
        events.put_rule(Name=name, ScheduleExpression=schedules[0])
        events.put_targets(Rule=name, Targets=[target])
        events.put_rule(Name=name, ScheduleExpression=schedules[1])
    return machines


def test_lambda_invoke_gives_the_payload_and_fails_with_the_functions_error(
    running_engine: RunningEngine,
) -> None:
    code = (
        "def handler(event, context):\n"
        "    if event['fail']: raise LookupError('lost')\n"
        "    return {'is': 'fine'}"
    )
    function = running_engine.function("step", code)
    outcomes = []
    for fail in (False, True):
        parameters = {"FunctionName": function, "Payload": {"fail": fail}}
        arn = state_machine(running_engine, f"lambda-{fail}", "lambda:invoke", parameters)
        outcomes.append(run(running_engine, arn))
    well, wrong = outcomes
    assert json.loads(well["output"])["Payload"] == {"is": "fine"}
    assert (wrong["status"], wrong["error"]) == ("FAILED", "LookupError")
    assert json.loads(wrong["cause"])["errorMessage"] == "lost"


def test_dynamodb_update_with_a_failing_condition_fails_the_task(running_engine: RunningEngine) -> None:
    dynamodb = running_engine.client("dynamodb")
    dynamodb.create_table(
        TableName="current",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    update = {
        "TableName": "current",
        "Key": {"id": {"S": "CURRENT"}},
        "UpdateExpression": "SET run = :run",
        "ConditionExpression": "attribute_not_exists(run)",
        "ExpressionAttributeValues": {":run": {"S": "one"}},
    }
    arn = state_machine(running_engine, "commit", "dynamodb:updateItem", update)
    first, second = run(running_engine, arn), run(running_engine, arn)
    assert first["status"] == "SUCCEEDED"
    assert (second["status"], second["error"]) == ("FAILED", "DynamoDB.ConditionalCheckFailedException")
    [item] = dynamodb.scan(TableName="current")["Items"]
    assert item["run"] == {"S": "one"}


def test_sns_publish_arrives(running_engine: RunningEngine) -> None:
    sns, sqs = running_engine.client("sns"), running_engine.client("sqs")
    topic = sns.create_topic(Name="told")["TopicArn"]
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"}
    )
    parameters = {"TopicArn": topic, "Message": {"done": True}}
    arn = state_machine(running_engine, "tell", "sns:publish", parameters)
    assert run(running_engine, arn)["status"] == "SUCCEEDED"
    [message] = wait_for("message", lambda: sqs.receive_message(QueueUrl=queue).get("Messages", []))
    assert json.loads(message["Body"]) == {"done": True}


def test_a_call_whose_answer_is_lost_fails_under_a_name_that_can_be_caught(
    running_engine: RunningEngine,
) -> None:
    topic = running_engine.client("sns").create_topic(Name="lost")["TopicArn"]
    published = state_machine(running_engine, "lose", "sns:publish", {"TopicArn": topic, "Message": "1"})
    counted = state_machine(running_engine, "lose-too", "aws-sdk:dynamodb:listTables", {})
    rules = [
        {"service": service, "operation": operation, "action": "drop-answer", "times": 1}
        for service, operation in (("sns", "Publish"), ("dynamodb", "ListTables"))
    ]
    url = f"{running_engine.settings.endpoint_url}/_localstack/chaos/faults"
    urllib.request.urlopen(url, json.dumps(rules).encode(), timeout=10).close()
    assert run(running_engine, published)["error"] == "SNS.SdkClientException"
    assert run(running_engine, counted)["error"] == "DynamoDb.SdkClientException"


def test_athena_query_is_waited_for_and_its_failure_is_the_tasks(running_engine: RunningEngine) -> None:
    s3 = running_engine.client("s3")
    s3.create_bucket(Bucket="answers", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    outcomes = []
    for name, query in (("good", "SELECT 1 AS one"), ("bad", "SELECT * FROM nowhere.nothing")):
        parameters = {
            "QueryString": query,
            "ResultConfiguration": {"OutputLocation": "s3://answers/"},
        }
        arn = state_machine(running_engine, f"query-{name}", "athena:startQueryExecution.sync", parameters)
        outcomes.append(run(running_engine, arn))
    good, bad = outcomes
    assert good["status"] == "SUCCEEDED", good
    query = json.loads(good["output"])["QueryExecution"]
    assert query["Status"]["State"] == "SUCCEEDED"
    assert isinstance(query["Status"]["SubmissionDateTime"], int)
    s3.head_object(Bucket="answers", Key=f"{query['QueryExecutionId']}.csv")
    assert (bad["status"], bad["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(bad["cause"])["QueryExecution"]["Status"]["State"] == "FAILED"


def test_athena_refusal_is_an_error_of_athena(running_engine: RunningEngine) -> None:
    parameters = {"QueryString": "SELECT 1", "WorkGroup": "no-such-workgroup"}
    arn = state_machine(running_engine, "refused", "athena:startQueryExecution.sync", parameters)
    outcome = run(running_engine, arn)
    assert outcome["status"] == "FAILED"
    assert outcome["error"].startswith("Athena.")


def test_glue_job_run_is_waited_for_and_its_failure_is_the_tasks(running_engine: RunningEngine) -> None:
    s3, glue = running_engine.client("s3"), running_engine.client("glue")
    s3.create_bucket(Bucket="scripts", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    outcomes = []
    for name, script in (("well", b"print('done')"), ("wrong", b"raise SystemExit(1)")):
        s3.put_object(Bucket="scripts", Key=f"{name}.py", Body=script)
        command = {
            "Name": "pythonshell",
            "ScriptLocation": f"s3://scripts/{name}.py",
            "PythonVersion": "3.9",
        }
        glue.create_job(Name=name, Role=running_engine.role(), Command=command, MaxCapacity=0.0625)
        arn = state_machine(running_engine, f"job-{name}", "glue:startJobRun.sync", {"JobName": name})
        outcomes.append(run(running_engine, arn))
    well, wrong = outcomes
    assert well["status"] == "SUCCEEDED", well
    assert json.loads(well["output"])["JobRunState"] == "SUCCEEDED"
    assert (wrong["status"], wrong["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(wrong["cause"])["JobRunState"] == "FAILED"


def test_task_that_times_out_stops_its_job_run_and_never_says_it_succeeded(
    running_engine: RunningEngine,
) -> None:
    s3, glue = running_engine.client("s3"), running_engine.client("glue")
    s3.create_bucket(Bucket="slow", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="slow", Key="job.py", Body=b"import time; time.sleep(600)")
    command = {"Name": "pythonshell", "ScriptLocation": "s3://slow/job.py", "PythonVersion": "3.9"}
    glue.create_job(Name="slow", Role=running_engine.role(), Command=command, MaxCapacity=0.0625)
    arn = state_machine(
        running_engine, "job-slow", "glue:startJobRun.sync", {"JobName": "slow"}, TimeoutSeconds=3
    )
    outcome = run(running_engine, arn)
    assert (outcome["status"], outcome["error"]) == ("FAILED", "States.Timeout")

    def state() -> bool:
        return bool(glue.get_job_runs(JobName="slow")["JobRuns"][0]["JobRunState"] == "STOPPED")

    wait_for("stopped job run", state)
    history = running_engine.client("stepfunctions").get_execution_history(
        executionArn=outcome["executionArn"]
    )
    assert "TaskSucceeded" not in {event["type"] for event in history["events"]}


@pytest.mark.parametrize(("how", "status"), [("stopped", "ABORTED"), ("too long", "TIMED_OUT")])
def test_an_execution_that_is_ended_while_a_job_runs_says_so_and_ends_the_job(
    running_engine: RunningEngine, how: str, status: str
) -> None:
    glue, states = running_engine.client("glue"), running_engine.client("stepfunctions")
    s3, job = running_engine.client("s3"), how.replace(" ", "-")
    s3.create_bucket(Bucket=job, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket=job, Key="job.py", Body=b"import time; time.sleep(600)")
    command = {"Name": "pythonshell", "ScriptLocation": f"s3://{job}/job.py", "PythonVersion": "3.9"}
    glue.create_job(Name=job, Role=running_engine.role(), Command=command, MaxCapacity=0.0625)
    task = {"Type": "Task", "Resource": f"{STATES}glue:startJobRun.sync", "Parameters": {"JobName": job}}
    caught = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
    states_of_one = {"Run": {**task, "Catch": caught, "End": True}, "Caught": {"Type": "Pass", "End": True}}
    each = {
        "Type": "Map",
        "ItemsPath": "$.jobs",
        "ItemProcessor": {"StartAt": "Run", "States": states_of_one},
        "End": True,
    }
    limit = {"TimeoutSeconds": 5} if how == "too long" else {}
    arn = states.create_state_machine(
        name=job,
        roleArn=running_engine.role(),
        definition=json.dumps({"StartAt": "Each", "States": {"Each": each}, **limit}),
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=arn, input='{"jobs": [1]}')["executionArn"]

    def job_state() -> str | None:
        return next((str(one["JobRunState"]) for one in glue.get_job_runs(JobName=job)["JobRuns"]), None)

    def ended() -> str | None:
        found = str(states.describe_execution(executionArn=execution)["status"])
        return found if found != "RUNNING" else None

    wait_for("job run", lambda: job_state() == "RUNNING")
    if how == "stopped":
        states.stop_execution(executionArn=execution)
    assert wait_for("end of the execution", ended) == status
    wait_for("end of the job run", lambda: job_state() == "STOPPED")


@pytest.mark.parametrize(
    ("resource", "parameters"),
    [
        ("codebuild:startBuild.sync", {"ProjectName": "p"}),
        ("emr-serverless:startJobRun.sync", {"applicationId": "a"}),
        ("aws-sdk:glue:getSession", {"Id": "s"}),
    ],
)
def test_task_that_cannot_be_done_fails(
    running_engine: RunningEngine, resource: str, parameters: dict[str, str]
) -> None:
    name = "cannot-" + resource.replace(":", "-").replace(".", "-")
    assert (
        run(running_engine, state_machine(running_engine, name, resource, parameters))["status"] == "FAILED"
    )


def test_athena_action_that_has_no_integration_is_refused_when_the_machine_is_made(
    running_engine: RunningEngine,
) -> None:
    with pytest.raises(ClientError):
        state_machine(running_engine, "never", "athena:listWorkGroups", {})


@pytest.mark.parametrize(
    ("target", "started_with"),
    [
        ({"Input": "{}"}, {}),
        ({"Input": '{"tables": ["t"]}'}, {"tables": ["t"]}),
        ({"InputPath": "$.detail"}, {"n": 1}),
    ],
    ids=["empty", "own", "path"],
)
def test_eventbridge_rule_starts_a_state_machine(
    running_engine: RunningEngine, request: pytest.FixtureRequest, target: dict[str, str], started_with: Any
) -> None:
    events, states = running_engine.client("events"), running_engine.client("stepfunctions")
    name = f"rule-{request.node.callspec.id}"
    machine = states.create_state_machine(
        name=name,
        roleArn=running_engine.role(),
        definition=json.dumps({"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True}}}),
    )["stateMachineArn"]
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(
        Rule=name, Targets=[{"Id": "1", "Arn": machine, "RoleArn": running_engine.role(), **target}]
    )
    events.put_events(Entries=[{"Source": name, "DetailType": "d", "Detail": '{"n": 1}'}])

    def finished() -> list[dict[str, Any]]:
        found = states.list_executions(stateMachineArn=machine, statusFilter="SUCCEEDED")
        executions: list[dict[str, Any]] = found["executions"]
        return executions

    [execution] = wait_for("execution", finished)
    described = states.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(described["input"]) == started_with


def test_eventbridge_starts_a_state_machine_by_the_schedule_that_its_rule_was_given_last(
    running_engine: RunningEngine, rescheduled_machines: dict[str, str]
) -> None:
    states = running_engine.client("stepfunctions")

    def started(name: str) -> list[dict[str, Any]]:
        found = states.list_executions(stateMachineArn=rescheduled_machines[name])
        executions: list[dict[str, Any]] = found["executions"]
        return executions

    # The clocks of all rules tick together.
    execution = wait_for("execution", lambda: started("quickened"), 90)[0]
    assert states.describe_execution(executionArn=execution["executionArn"])["input"] == "{}"
    assert started("slowed") == []


def test_a_state_machine_says_whether_it_is_traced(running_engine: RunningEngine) -> None:
    stepfunctions = running_engine.client("stepfunctions")
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})

    def traced(arn: str) -> bool:
        described = stepfunctions.describe_state_machine(stateMachineArn=arn)
        return bool(described["tracingConfiguration"]["enabled"])

    machines = [
        stepfunctions.create_state_machine(
            name=f"traced-{len(more)}", definition=definition, roleArn=running_engine.role(), **more
        )["stateMachineArn"]
        for more in ({}, {"tracingConfiguration": {"enabled": True}})
    ]
    assert [traced(arn) for arn in machines] == [False, True]

    stepfunctions.update_state_machine(stateMachineArn=machines[0], tracingConfiguration={"enabled": True})
    stepfunctions.update_state_machine(
        stateMachineArn=machines[1], definition=definition, tracingConfiguration={"enabled": False}
    )
    assert [traced(arn) for arn in machines] == [True, False]
