"""Lambda through the API: invoked directly, by events and by state machines, in a real engine."""

from __future__ import annotations

import base64
import io
import json
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from archives import zipped
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine, wait_for

ECHO = "def handler(event, context):\n    print('got', event)\n    return {'echo': event}"
FAIL = "def handler(event, context):\n    raise ValueError(f'no {event}')"


def invoke(engine: RunningEngine, name: str, event: Any, **settings: Any) -> dict[str, Any]:
    answer: dict[str, Any] = engine.client("lambda").invoke(
        FunctionName=name, Payload=json.dumps(event).encode(), **settings
    )
    return answer


def log_messages(engine: RunningEngine, name: str) -> list[str]:
    logs = engine.client("logs")
    group = f"/aws/lambda/{name}"
    try:
        return [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def messages(engine: RunningEngine, queue_url: str) -> list[dict[str, Any]]:
    answer = engine.client("sqs").receive_message(QueueUrl=queue_url, WaitTimeSeconds=1)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def new_queue(engine: RunningEngine, name: str) -> tuple[str, str]:
    sqs = engine.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return url, attributes["QueueArn"]


def test_invocation_returns_the_result_and_the_tail_of_the_log(running_engine: RunningEngine) -> None:
    running_engine.function("direct", ECHO)
    answer = invoke(running_engine, "direct", {"a": 1}, LogType="Tail")
    assert json.loads(answer["Payload"].read()) == {"echo": {"a": 1}}
    assert "FunctionError" not in answer
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert "got {'a': 1}\nEND RequestId: " in tail


def test_output_lands_in_cloudwatch_under_lambdas_names(running_engine: RunningEngine) -> None:
    running_engine.function("logged", ECHO)
    invoke(running_engine, "logged", "hello")
    lines = wait_for("log", lambda: log_messages(running_engine, "logged"))
    assert [line.split()[0] for line in lines] == ["START", "got", "END", "REPORT"]
    streams = running_engine.client("logs").describe_log_streams(logGroupName="/aws/lambda/logged")
    assert "/[$LATEST]" in streams["logStreams"][0]["logStreamName"]


def test_exception_is_reported_as_an_unhandled_function_error(running_engine: RunningEngine) -> None:
    running_engine.function("failing", FAIL)
    answer = invoke(running_engine, "failing", 7)
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    error = json.loads(answer["Payload"].read())
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no 7")


def test_function_talks_to_the_engine_with_its_roles_credentials(running_engine: RunningEngine) -> None:
    running_engine.function(
        "caller",
        "import boto3\ndef handler(event, context):\n"
        "    return boto3.client('sts').get_caller_identity()['Arn']",
        Timeout=20,
    )
    arn = json.loads(invoke(running_engine, "caller", None)["Payload"].read())
    assert arn == "arn:aws:sts::000000000000:assumed-role/tester/caller"


def test_code_and_environment_can_be_updated(running_engine: RunningEngine) -> None:
    awslambda = running_engine.client("lambda")
    running_engine.function("changing", "def handler(event, context):\n    return 'old'")
    assert json.loads(invoke(running_engine, "changing", None)["Payload"].read()) == "old"
    code = "import os\ndef handler(event, context):\n    return os.environ['WORD']"
    awslambda.update_function_code(FunctionName="changing", ZipFile=zipped({"app.py": code}))
    awslambda.get_waiter("function_updated_v2").wait(FunctionName="changing", WaiterConfig={"Delay": 1})
    awslambda.update_function_configuration(
        FunctionName="changing", Environment={"Variables": {"WORD": "new"}}
    )
    awslambda.get_waiter("function_updated_v2").wait(FunctionName="changing", WaiterConfig={"Delay": 1})
    assert json.loads(invoke(running_engine, "changing", None)["Payload"].read()) == "new"


def test_invocations_at_once_run_in_processes_of_their_own(running_engine: RunningEngine) -> None:
    running_engine.function(
        "meeting",
        "import os, pathlib, time\n"
        "def handler(event, context):\n"
        "    place = pathlib.Path(event)\n"
        "    (place / str(os.getpid())).touch()\n"
        "    while len(list(place.iterdir())) < 3: time.sleep(0.02)\n"
        "    return os.getpid()",
        Timeout=30,
    )
    # Beside the state directory, which no function sees.
    place = running_engine.settings.state.parent / "meeting"
    place.mkdir()
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: invoke(running_engine, "meeting", str(place)), range(3)))
    assert len({json.loads(answer["Payload"].read()) for answer in answers}) == 3


def test_function_of_a_runtime_that_does_not_run_here_ends_as_failed_and_can_be_deleted(
    running_engine: RunningEngine,
) -> None:
    awslambda = running_engine.client("lambda")
    image = {"PackageType": "Image", "Code": {"ImageUri": "000000000000.dkr.ecr.eu-west-1.amazonaws.com/x:1"}}
    archive = {"Handler": "app.handler", "Runtime": "java21", "Code": {"ZipFile": zipped({"app.py": ECHO})}}
    for name, settings, reason in (
        ("javaish", archive, "Functions of the runtime java21 cannot be run here. These can: python3.9"),
        ("imagined", image, "Functions from images cannot be run here: deploy the function to AWS"),
    ):
        awslambda.create_function(FunctionName=name, Role=running_engine.role(), **settings)

        def settled(name: str = name) -> dict[str, Any] | None:
            state: dict[str, Any] = awslambda.get_function_configuration(FunctionName=name)
            return state if state["State"] != "Pending" else None

        state = wait_for("final state", settled)
        assert state["State"] == "Failed"
        assert reason in state["StateReason"]
        awslambda.delete_function(FunctionName=name)
        assert name not in [one["FunctionName"] for one in awslambda.list_functions()["Functions"]]


def test_what_lambda_refuses_is_refused(running_engine: RunningEngine) -> None:
    awslambda = running_engine.client("lambda")
    running_engine.function("accepted", ECHO)
    make = {"FunctionName": "refused", "Role": running_engine.role(), "Handler": "app.handler"}
    good, evil = zipped({"app.py": ECHO}), linked("app.py", "/etc/passwd")
    for call, arguments, code in (
        (
            "create_function",
            {**make, "Runtime": "python4", "Code": {"ZipFile": good}},
            "InvalidParameterValue",
        ),
        (
            "create_function",
            {**make, "Runtime": "python3.13", "Code": {"ZipFile": evil}},
            "InvalidParameterValue",
        ),
        ("update_function_code", {"FunctionName": "accepted", "ZipFile": evil}, "InvalidParameterValue"),
        ("publish_layer_version", {"LayerName": "l", "Content": {"ZipFile": evil}}, "InvalidParameterValue"),
        ("invoke", {"FunctionName": "accepted", "Payload": b"{no json"}, "InvalidRequestContent"),
        (
            "invoke_with_response_stream",
            {"FunctionName": "accepted", "Payload": b"{}"},
            "InvalidRequestContent",
        ),
    ):
        with pytest.raises(ClientError) as caught:
            getattr(awslambda, call)(**arguments)
        assert caught.value.response["Error"]["Code"] == f"{code}Exception", call


def linked(name: str, target: str) -> bytes:
    """A ZIP file of one symbolic link."""
    file, entry = io.BytesIO(), zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(entry, target)
    return file.getvalue()


def test_reserved_concurrency_throttles(running_engine: RunningEngine) -> None:
    awslambda = running_engine.client("lambda")
    running_engine.function("narrow", ECHO)
    awslambda.put_function_concurrency(FunctionName="narrow", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as caught:
        invoke(running_engine, "narrow", None)
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    awslambda.delete_function_concurrency(FunctionName="narrow")
    assert json.loads(invoke(running_engine, "narrow", 1)["Payload"].read()) == {"echo": 1}


def test_provisioned_concurrency_that_is_changed_is_in_progress_until_all_of_it_is_there(
    running_engine: RunningEngine,
) -> None:
    running_engine.function("provisioned", ECHO)
    client = running_engine.client("lambda")
    version = client.publish_version(FunctionName="provisioned")["Version"]
    client.create_alias(FunctionName="provisioned", Name="live", FunctionVersion=version)
    named = {"FunctionName": "provisioned", "Qualifier": "live"}

    def ready() -> dict[str, Any] | None:
        found = dict(client.get_provisioned_concurrency_config(**named))
        return found if found["Status"] != "IN_PROGRESS" else None

    for wanted in (1, 2, 1):
        client.put_provisioned_concurrency_config(**named, ProvisionedConcurrentExecutions=wanted)
        found = wait_for("the environments to be there", ready)
        kinds = ("Requested", "Allocated", "Available")
        counts = [found[f"{kind}ProvisionedConcurrentExecutions"] for kind in kinds]
        assert (found["Status"], counts) == ("READY", [wanted] * 3)
    client.delete_provisioned_concurrency_config(**named)
    with pytest.raises(client.exceptions.ProvisionedConcurrencyConfigNotFoundException):
        client.get_provisioned_concurrency_config(**named)
    client.delete_function(FunctionName="provisioned")


def test_a_layer_that_others_publish_for_everybody_is_made_of_its_packages(
    running_engine: RunningEngine,
) -> None:
    region = running_engine.settings.region
    layers = [
        f"arn:aws:lambda:{region}:770693421928:layer:Klayers-p313-{name}:{version}"
        for name, version in (("iniconfig", 2), ("toml", 1))
    ]
    code = "import iniconfig, toml\ndef handler(event, context):\n    return toml.dumps({'made': 1})"
    running_engine.function("of-others", code, Layers=layers)
    assert json.loads(invoke(running_engine, "of-others", {})["Payload"].read()) == "made = 1\n"
    told = running_engine.client("lambda").get_function(FunctionName="of-others")["Configuration"]["Layers"]
    assert [layer["Arn"] for layer in told] == layers
    unknown = f"arn:aws:lambda:{region}:123456789012:layer:theirs:1"
    with pytest.raises(
        ClientError, match=f"cannot have the layer {unknown}, which another account publishes"
    ):
        running_engine.function("of-nobody", ECHO, Layers=[unknown])


@pytest.mark.foreign
def test_the_layer_of_aws_sdk_for_pandas_imports(running_engine: RunningEngine) -> None:
    layer = f"arn:aws:lambda:{running_engine.settings.region}:336392948345:layer:AWSSDKPandas-Python313:4"
    code = "import awswrangler, pandas\ndef handler(event, context):\n    return len(pandas.DataFrame(event))"
    running_engine.function("wrangles", code, Layers=[layer], MemorySize=1024, Timeout=120)
    assert json.loads(invoke(running_engine, "wrangles", {"a": [1, 2]})["Payload"].read()) == 2


def test_layers_client_context_versions_and_routed_aliases(running_engine: RunningEngine) -> None:
    awslambda = running_engine.client("lambda")
    layer = awslambda.publish_layer_version(
        LayerName="words", Content={"ZipFile": zipped({"python/shared.py": "word = 'layer'"})}
    )["LayerVersionArn"]
    code = (
        "import shared, os\ndef handler(event, context):\n"
        "    return [shared.word, context.client_context.custom['a'], os.environ['STAGE'], "
        "context.function_version]"
    )
    running_engine.function("layered", code, Layers=[layer], Environment={"Variables": {"STAGE": "one"}})
    first = awslambda.publish_version(FunctionName="layered")["Version"]
    awslambda.update_function_configuration(
        FunctionName="layered", Environment={"Variables": {"STAGE": "two"}}
    )
    awslambda.get_waiter("function_updated_v2").wait(FunctionName="layered", WaiterConfig={"Delay": 1})
    second = awslambda.publish_version(FunctionName="layered")["Version"]
    awslambda.create_alias(
        FunctionName="layered",
        Name="live",
        FunctionVersion=first,
        RoutingConfig={"AdditionalVersionWeights": {second: 0.99999}},
    )
    given = base64.b64encode(json.dumps({"custom": {"a": 7}}).encode()).decode()
    for qualifier, stage in ((first, "one"), (second, "two"), ("live", "two")):
        answer = invoke(running_engine, "layered", None, Qualifier=qualifier, ClientContext=given)
        version = first if stage == "one" else second
        assert json.loads(answer["Payload"].read()) == ["layer", 7, stage, version]
        assert answer["ExecutedVersion"] == version


def test_event_invocation_sends_its_outcome_to_the_destinations(running_engine: RunningEngine) -> None:
    awslambda = running_engine.client("lambda")
    success_url, success_arn = new_queue(running_engine, "went-well")
    failure_url, failure_arn = new_queue(running_engine, "went-wrong")
    for name, code in (("async-echo", ECHO), ("async-fail", FAIL)):
        running_engine.function(name, code)
        awslambda.put_function_event_invoke_config(
            FunctionName=name,
            MaximumRetryAttempts=0,
            DestinationConfig={
                "OnSuccess": {"Destination": success_arn},
                "OnFailure": {"Destination": failure_arn},
            },
        )
        assert invoke(running_engine, name, "x", InvocationType="Event")["StatusCode"] == 202
    [well] = wait_for("success", lambda: messages(running_engine, success_url))
    [wrong] = wait_for("failure", lambda: messages(running_engine, failure_url))
    assert well["responsePayload"] == {"echo": "x"}
    assert wrong["responsePayload"]["errorMessage"] == "no x"
    assert wrong["requestContext"]["condition"] == "RetriesExhausted"


def test_failed_event_goes_to_the_dead_letter_queue(running_engine: RunningEngine) -> None:
    url, arn = new_queue(running_engine, "dead-letters")
    running_engine.function("dying", FAIL, DeadLetterConfig={"TargetArn": arn})
    running_engine.client("lambda").put_function_event_invoke_config(
        FunctionName="dying", MaximumRetryAttempts=0
    )
    invoke(running_engine, "dying", {"n": 1}, InvocationType="Event")
    assert wait_for("dead letter", lambda: messages(running_engine, url)) == [{"n": 1}]


def test_sns_and_eventbridge_invoke_a_function(running_engine: RunningEngine) -> None:
    arn = running_engine.function("target", ECHO)
    sns, events = running_engine.client("sns"), running_engine.client("events")
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="from the topic")
    events.put_rule(Name="any", EventPattern=json.dumps({"source": ["tests"]}))
    events.put_targets(Rule="any", Targets=[{"Id": "1", "Arn": arn}])
    events.put_events(
        Entries=[{"Source": "tests", "DetailType": "t", "Detail": json.dumps({"by": "the bus"})}]
    )

    def both() -> bool:
        text = "".join(log_messages(running_engine, "target"))
        return "from the topic" in text and "the bus" in text

    wait_for("two invocations", both)


def test_a_function_says_which_key_its_environment_is_encrypted_with(running_engine: RunningEngine) -> None:
    awslambda = running_engine.client("lambda")
    key = "arn:aws:kms:eu-west-1:000000000000:key/1111"
    running_engine.function("keyed", ECHO, KMSKeyArn=key, Environment={"Variables": {"WORD": "x"}})
    running_engine.function("keyless", ECHO)

    def key_of(name: str) -> str | None:
        found: str | None = awslambda.get_function(FunctionName=name)["Configuration"].get("KMSKeyArn")
        return found

    assert (key_of("keyed"), key_of("keyless")) == (key, None)
    awslambda.update_function_configuration(FunctionName="keyed", KMSKeyArn="")
    assert key_of("keyed") is None
