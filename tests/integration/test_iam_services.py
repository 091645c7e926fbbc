"""On whose behalf services act, whom roles trust, to whom they are handed, and whom resources admit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from archives import zipped
from engine_fixtures import RunningEngine, wait_for
from iam_fixtures import ACCOUNT, REGION, arn, enforced, error_of, make_role, session_of

from millpond.client import permissions

__all__ = ["enforced"]

# Policies are in force in every test here.
pytestmark = pytest.mark.usefixtures("enforced")


def test_a_role_is_handed_to_the_service_that_the_policy_names_and_to_no_other(running_engine: RunningEngine):
    given = make_role(running_engine, "given", {"Service": "glue.amazonaws.com"})
    passing = {
        "Action": "iam:PassRole",
        "Resource": given,
        "Condition": {"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}},
    }
    every = {
        "Action": [f"{one}:*" for one in ("codebuild", "events", "glue", "lambda", "scheduler", "states")],
        "Resource": "*",
    }
    clients = session_of(
        running_engine, make_role(running_engine, "passer", {"AWS": ACCOUNT}, passing, every)
    )
    running_engine.client("events").put_rule(
        Name="passed", ScheduleExpression="rate(1 day)", State="DISABLED"
    )
    command = {"Name": "pythonshell", "ScriptLocation": "s3://none/a.py"}
    clients("glue").create_job(Name="passed", Role=given, Command=command)
    other = make_role(running_engine, "not-given", {"Service": "glue.amazonaws.com"})
    passed = clients("stepfunctions")
    refused: dict[str, tuple[str, str]] = {
        "another role": error_of(
            clients("glue").update_job, JobName="passed", JobUpdate={"Role": other, "Command": command}
        ),
        "lambda": error_of(
            clients("lambda").create_function,
            FunctionName="passed",
            Role=given,
            Handler="a.b",
            Runtime="python3.13",
            Code={"ZipFile": zipped({"a.py": ""})},
        ),
        "states": error_of(
            passed.create_state_machine,
            name="passed",
            roleArn=given,
            definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
        ),
        "events": error_of(
            clients("events").put_targets,
            Rule="passed",
            Targets=[{"Id": "1", "Arn": arn("states", "stateMachine:x"), "RoleArn": given}],
        ),
        "scheduler": error_of(
            clients("scheduler").create_schedule,
            Name="passed",
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": arn("sqs", "x"), "RoleArn": given},
        ),
        "codebuild": error_of(
            clients("codebuild").create_project,
            name="passed",
            serviceRole=given,
            source={"type": "NO_SOURCE", "buildspec": "version: 0.2"},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_SMALL",
            },
        ),
    }
    assert {what: code for what, (code, _) in refused.items()} == dict.fromkeys(
        refused, "AccessDeniedException"
    )
    for what, (_, message) in refused.items():
        role = other if what == "another role" else given
        assert f"is not authorized to perform: iam:PassRole on resource: {role}" in message


def test_a_role_is_assumed_by_whom_it_trusts_and_under_its_conditions(running_engine: RunningEngine):
    sts = running_engine.client("sts")
    asking = {"Action": "sts:AssumeRole", "Resource": "*"}
    caller = session_of(running_engine, make_role(running_engine, "caller", {"AWS": ACCOUNT}, asking))("sts")
    mute = session_of(running_engine, make_role(running_engine, "mute", {"AWS": ACCOUNT}))("sts")
    known = {"StringEquals": {"sts:ExternalId": "secret"}}
    roles = {
        "service": make_role(running_engine, "of-a-service", {"Service": "glue.amazonaws.com"}),
        "account": make_role(running_engine, "of-the-account", {"AWS": ACCOUNT}),
        "known": make_role(running_engine, "of-the-known", {"AWS": ACCOUNT}, condition=known),
        "named": make_role(running_engine, "of-mute", {"AWS": f"arn:aws:iam::{ACCOUNT}:role/mute"}),
    }
    cases = [
        (sts, "service", {}, False),
        (sts, "account", {}, True),
        (caller, "service", {}, False),
        (caller, "account", {}, True),
        (caller, "known", {}, False),
        (caller, "known", {"ExternalId": "wrong"}, False),
        (caller, "known", {"ExternalId": "secret"}, True),
        # Who is named by the trust policy needs no policy of its own; who is not needs one.
        (mute, "named", {}, True),
        (mute, "account", {}, False),
        (caller, "named", {}, False),
    ]
    found = [
        error_of(client.assume_role, RoleArn=roles[role], RoleSessionName="tests", **more)[0] == ""
        for client, role, more, _ in cases
    ]
    assert found == [is_allowed for *_, is_allowed in cases]
    assert error_of(
        running_engine.client("lambda").create_function,
        FunctionName="untrusting",
        Role=roles["service"],
        Handler="a.b",
        Runtime="python3.13",
        Code={"ZipFile": zipped({"a.py": ""})},
    ) == (
        "InvalidParameterValueException",
        "The role defined for the function cannot be assumed by Lambda.",
    )


def test_a_state_machine_does_what_its_role_may(running_engine: RunningEngine):
    url = running_engine.client("sqs").create_queue(QueueName="of-machine")["QueueUrl"]
    source = {"ArnLike": {"aws:SourceArn": arn("states", "stateMachine:sending")}}
    role = make_role(running_engine, "machine", {"Service": "states.amazonaws.com"}, condition=source)
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": url, "MessageBody": "hello"},
        "End": True,
    }
    states = running_engine.client("stepfunctions")
    machine = states.create_state_machine(
        name="sending",
        roleArn=role,
        definition=json.dumps({"StartAt": "Send", "States": {"Send": task}}),
    )["stateMachineArn"]

    def ended() -> dict[str, Any]:
        execution = states.start_execution(stateMachineArn=machine)["executionArn"]

        def look() -> dict[str, Any] | None:
            told: dict[str, Any] = states.describe_execution(executionArn=execution)
            return told if told["status"] != "RUNNING" else None

        return wait_for("the execution to end", look)

    first = ended()
    assert first["status"] == "FAILED"
    assert (
        f"assumed-role/machine/{first['cause'].partition('/machine/')[2].partition(' ')[0]} is not authorized"
        " to perform: sqs:SendMessage on resource:"
    ) in first["cause"]
    allowed = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn("sqs", "of-machine")}
    running_engine.client("iam").put_role_policy(
        RoleName="machine",
        PolicyName="own",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    assert ended()["status"] == "SUCCEEDED"


def test_a_state_machine_that_waits_for_another_needs_the_right_to_make_the_rule_for_it(
    running_engine: RunningEngine,
):
    role = make_role(running_engine, "waiting", {"Service": "states.amazonaws.com"})
    inner = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": True}
    inner["Parameters"] = {"StateMachineArn": arn("states", "stateMachine:any")}
    each = {"StartAt": "Wait", "States": {"Wait": inner}}
    parallel = {"Type": "Parallel", "Branches": [each], "End": True}
    asked = {
        "name": "waiting",
        "roleArn": role,
        "definition": json.dumps({"StartAt": "Both", "States": {"Both": parallel}}),
    }
    create = running_engine.client("stepfunctions").create_state_machine
    assert error_of(create, **asked) == (
        "AccessDeniedException",
        f"'{role}' is not authorized to create managed-rule.",
    )
    rule = arn("events", "rule/StepFunctionsGetEventsForStepFunctionsExecutionRule")
    actions = ["events:PutTargets", "events:PutRule", "events:DescribeRule"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": rule}
    running_engine.client("iam").put_role_policy(
        RoleName="waiting",
        PolicyName="own",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    assert error_of(create, **asked) == ("", "")


def admit(running: RunningEngine, queue: str, service: str, source: str) -> None:
    """Let a service send messages to a queue for one of its resources."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": arn("sqs", queue),
        "Condition": {"ArnEquals": {"aws:SourceArn": source}},
    }
    sqs = running.client("sqs")
    sqs.set_queue_attributes(
        QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"],
        Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})},
    )


def test_a_queue_takes_what_its_policy_admits(running_engine: RunningEngine):
    sqs, events, s3, sns = (running_engine.client(one) for one in ("sqs", "events", "s3", "sns"))
    urls = {
        name: sqs.create_queue(QueueName=f"of-{name}")["QueueUrl"] for name in ("rule", "bucket", "topic")
    }
    s3.create_bucket(Bucket="notifying", CreateBucketConfiguration={"LocationConstraint": REGION})
    notified = {
        "QueueConfigurations": [{"QueueArn": arn("sqs", "of-bucket"), "Events": ["s3:ObjectCreated:*"]}]
    }
    put = s3.put_bucket_notification_configuration
    assert error_of(put, Bucket="notifying", NotificationConfiguration=notified) == (
        "InvalidArgument",
        "Unable to validate the following destination configurations",
    )
    admit(running_engine, "of-bucket", "s3.amazonaws.com", "arn:aws:s3:::notifying")
    assert error_of(put, Bucket="notifying", NotificationConfiguration=notified) == ("", "")

    rule = events.put_rule(Name="told", EventPattern=json.dumps({"source": ["tests"]}))["RuleArn"]
    events.put_targets(Rule="told", Targets=[{"Id": "1", "Arn": arn("sqs", "of-rule")}])
    topic = sns.create_topic(Name="told")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("sqs", "of-topic"))

    def tell(text: str) -> None:
        events.put_events(Entries=[{"Source": "tests", "DetailType": text, "Detail": "{}"}])
        sns.publish(TopicArn=topic, Message=text)

    def received(name: str) -> list[str]:
        got = sqs.receive_message(QueueUrl=urls[name], WaitTimeSeconds=1, MaxNumberOfMessages=10)
        return [one["Body"] for one in got.get("Messages", [])]

    tell("before")
    wait_for("both to be refused", lambda: len(refusals(running_engine, "sqs:SendMessage")) >= 2)
    admit(running_engine, "of-rule", "events.amazonaws.com", rule)
    admit(running_engine, "of-topic", "sns.amazonaws.com", topic)
    tell("after")
    # EventBridge tries again what was refused; a topic does not.
    for name in ("rule", "topic"):
        assert any(
            "after" in body for body in wait_for(f"a message of the {name}", lambda n=name: received(n))
        )


def refusals(running: RunningEngine, action: str) -> set[str]:
    """The services to which an action was denied on the queues of the rule and the topic."""
    judged = permissions.ask(running.settings)["judgements"]
    return {
        one["principal"]
        for one in judged
        if one["action"] == action
        and not one["is_allowed"]
        and one["resource"].endswith((":of-rule", ":of-topic"))
    }


def test_policies_of_secrets_functions_and_keys_let_in_and_keep_out(running_engine: RunningEngine):
    role = make_role(running_engine, "guest", {"AWS": ACCOUNT})
    guest = session_of(running_engine, role)
    secrets, functions, kms = (running_engine.client(one) for one in ("secretsmanager", "lambda", "kms"))
    secrets.create_secret(Name="shared", SecretString="s")
    reading = {"SecretId": "shared"}
    assert error_of(guest("secretsmanager").get_secret_value, **reading)[0] == "AccessDeniedException"
    allow = {"Effect": "Allow", "Principal": {"AWS": role}, "Resource": "*"}
    statement = {**allow, "Action": "secretsmanager:GetSecretValue"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    secrets.put_resource_policy(SecretId="shared", ResourcePolicy=policy)
    assert error_of(guest("secretsmanager").get_secret_value, **reading) == ("", "")

    running_engine.function("open", "def handler(event, context):\n    return 1\n")
    calling = {"FunctionName": "open", "InvocationType": "DryRun"}
    assert error_of(guest("lambda").invoke, **calling)[0] == "AccessDeniedException"
    functions.add_permission(
        FunctionName="open", StatementId="guest", Action="lambda:InvokeFunction", Principal=role
    )
    assert error_of(guest("lambda").invoke, **calling) == ("", "")

    # What the policy of a key does not hand to the account, policies of identities do not give.
    every = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    running_engine.client("iam").put_role_policy(
        RoleName="guest",
        PolicyName="own",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [every]}),
    )
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    managing = {**every, "Principal": root, "Action": ["kms:Put*", "kms:Describe*"]}
    closed = kms.create_key(
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [managing]}),
        BypassPolicyLockoutSafetyCheck=True,
    )["KeyMetadata"]["KeyId"]
    open_key = kms.create_key()["KeyMetadata"]["KeyId"]
    assert error_of(guest("kms").encrypt, KeyId=open_key, Plaintext=b"a") == ("", "")
    code, message = error_of(guest("kms").encrypt, KeyId=closed, Plaintext=b"a")
    assert code == "AccessDeniedException"
    assert message.endswith("because no resource-based policy allows the kms:Encrypt action")


def test_policies_of_tables_streams_and_repositories_let_in(running_engine: RunningEngine):
    role = make_role(running_engine, "visitor", {"AWS": ACCOUNT})
    visitor = session_of(running_engine, role)
    dynamodb, kinesis, ecr = (running_engine.client(one) for one in ("dynamodb", "kinesis", "ecr"))
    table = dynamodb.create_table(
        TableName="shared",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )["TableDescription"]["TableArn"]
    kinesis.create_stream(StreamName="shared", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="shared", WaiterConfig={"Delay": 1})
    stream = kinesis.describe_stream_summary(StreamName="shared")["StreamDescriptionSummary"]["StreamARN"]
    ecr.create_repository(repositoryName="shared")

    def document(action: str, **resource: str) -> str:
        statement = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": action, **resource}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    rows: list[tuple[Callable[..., Any], dict[str, Any], Callable[[], Any]]] = [
        (
            visitor("dynamodb").get_item,
            {"TableName": "shared", "Key": {"id": {"S": "1"}}},
            lambda: dynamodb.put_resource_policy(
                ResourceArn=table, Policy=document("dynamodb:GetItem", Resource=table)
            ),
        ),
        (
            visitor("kinesis").put_record,
            {"StreamName": "shared", "Data": b"a", "PartitionKey": "a"},
            lambda: kinesis.put_resource_policy(
                ResourceARN=stream, Policy=document("kinesis:PutRecord", Resource=stream)
            ),
        ),
        (
            visitor("ecr").list_images,
            {"repositoryName": "shared"},
            lambda: ecr.set_repository_policy(repositoryName="shared", policyText=document("ecr:ListImages")),
        ),
    ]
    for call, arguments, admit in rows:
        assert error_of(call, **arguments)[0] == "AccessDeniedException"
        admit()
        assert error_of(call, **arguments) == ("", "")


def test_a_simulation_answers_as_the_calls_are_judged(running_engine: RunningEngine):
    statements = (
        {
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::simulated/*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": REGION}},
        },
    )
    role = make_role(running_engine, "simulated", {"AWS": ACCOUNT}, *statements)
    iam = running_engine.client("iam")
    denial = {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::simulated/secret"}
    region = {
        "ContextKeyName": "aws:RequestedRegion",
        "ContextKeyType": "string",
        "ContextKeyValues": [REGION],
    }
    asked = {
        "PolicySourceArn": role,
        "PolicyInputList": [json.dumps({"Version": "2012-10-17", "Statement": [denial]})],
        "ActionNames": ["s3:GetObject", "s3:PutObject"],
        "ResourceArns": ["arn:aws:s3:::simulated/a", "arn:aws:s3:::simulated/secret"],
    }
    with_region = iam.simulate_principal_policy(**asked, ContextEntries=[region])["EvaluationResults"]
    assert [one["EvalDecision"] for one in with_region] == [
        "allowed",
        "explicitDeny",
        "implicitDeny",
        "explicitDeny",
    ]
    assert [[one["SourcePolicyId"] for one in result["MatchedStatements"]] for result in with_region] == [
        ["own"],
        ["PolicyInputList.1"],
        [],
        ["PolicyInputList.1"],
    ]
    without = iam.simulate_principal_policy(**asked)["EvaluationResults"][0]
    assert (without["EvalDecision"], without["MissingContextValues"]) == (
        "implicitDeny",
        ["aws:requestedregion"],
    )
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statements[0]}]}
    ).replace("simulated/*", "simulated/${aws:username}/*")
    keys = iam.get_context_keys_for_custom_policy(PolicyInputList=[document])["ContextKeyNames"]
    assert set(keys) == {"aws:RequestedRegion", "aws:username"}
    custom = {"PolicyInputList": [document], "ActionNames": ["s3:GetObject"]}
    result = iam.simulate_custom_policy(
        **custom,
        ResourceArns=["arn:aws:s3:::simulated/ada/1"],
        ContextEntries=[region, {**region, "ContextKeyName": "aws:username", "ContextKeyValues": ["ada"]}],
    )["EvaluationResults"]
    assert [one["EvalDecision"] for one in result] == ["allowed"]
    assert error_of(iam.simulate_custom_policy, PolicyInputList=["{"], ActionNames=["s3:GetObject"])[0] == (
        "InvalidInput"
    )


def test_a_network_is_made_with_the_tags_that_a_policy_demands(running_engine: RunningEngine):
    tagged = {"StringEquals": {"aws:RequestTag/project": "lake"}}
    making = {"Action": ["ec2:CreateVpc", "ec2:CreateTags"], "Resource": "*", "Condition": tagged}
    role = make_role(running_engine, "network", {"AWS": ACCOUNT}, making)
    ec2 = session_of(running_engine, role)("ec2")
    assert error_of(ec2.create_vpc, CidrBlock="10.9.0.0/16")[0] == "UnauthorizedOperation"
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "project", "Value": "lake"}]}]
    assert error_of(ec2.create_vpc, CidrBlock="10.9.0.0/16", TagSpecifications=tags) == ("", "")


def test_an_association_is_ended_by_who_may_change_its_route_table(running_engine: RunningEngine):
    ec2 = running_engine.client("ec2")
    network = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    marked = {"ResourceType": "route-table", "Tags": [{"Key": "of", "Value": "lake"}]}
    associations = []
    for number, tags in enumerate(([marked], [])):
        subnet = ec2.create_subnet(VpcId=network, CidrBlock=f"10.8.{number}.0/24")["Subnet"]["SubnetId"]
        table = ec2.create_route_table(VpcId=network, TagSpecifications=tags)["RouteTable"]["RouteTableId"]
        made = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        associations.append(made["AssociationId"])
    may = {
        "Action": "ec2:Disassociate*",
        "Resource": arn("ec2", "route-table/*"),
        "Condition": {"StringEquals": {"aws:ResourceTag/of": "lake"}},
    }
    clients = session_of(running_engine, make_role(running_engine, "router", {"AWS": ACCOUNT}, may))
    of_lake, of_others = associations
    clients("ec2").disassociate_route_table(AssociationId=of_lake)
    code, _ = error_of(clients("ec2").disassociate_route_table, AssociationId=of_others)
    assert code == "UnauthorizedOperation"


def test_a_run_stands_in_a_vpc_that_lets_it_work(running_engine: RunningEngine):
    glue, ec2, iam = (running_engine.client(one) for one in ("glue", "ec2", "iam"))
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="runs", Description="Of runs", VpcId=vpc)["GroupId"]
    [table] = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    role = make_role(running_engine, "stands", {"Service": "glue.amazonaws.com"})
    place = {"SubnetId": subnet, "SecurityGroupIdList": [group], "AvailabilityZone": f"{REGION}a"}
    glue.create_connection(
        ConnectionInput={
            "Name": "stands",
            "ConnectionType": "NETWORK",
            "ConnectionProperties": {},
            "PhysicalConnectionRequirements": place,
        }
    )
    glue.create_job(
        Name="stands",
        Role=role,
        Command={"Name": "pythonshell", "ScriptLocation": "s3://standing/none.py", "PythonVersion": "3.9"},
        Connections={"Connections": ["stands"]},
    )
    allowed: list[str] = []

    def allow(*actions: str) -> None:
        allowed.extend(actions)
        statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        iam.put_role_policy(RoleName="stands", PolicyName="own", PolicyDocument=json.dumps(policy))

    to_itself = {
        "IpProtocol": "tcp",
        "FromPort": 0,
        "ToPort": 65535,
        "UserIdGroupPairs": [{"GroupId": group}],
    }
    steps: list[tuple[Callable[[], object], str]] = [
        (lambda: None, "is not authorized to perform: glue:GetConnection on resource: "),
        (lambda: allow("glue:GetConnection"), "is not authorized to perform: ec2:DescribeSubnets "),
        (lambda: allow("ec2:Describe*"), "At least one security group must open all ingress ports."),
        (
            lambda: ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[to_itself]),
            f"Could not find S3 endpoint or NAT gateway for subnetId: {subnet} in Vpc {vpc}",
        ),
        (
            lambda: ec2.create_vpc_endpoint(
                VpcId=vpc,
                ServiceName=f"com.amazonaws.{REGION}.s3",
                VpcEndpointType="Gateway",
                RouteTableIds=[table["RouteTableId"]],
            ),
            "is not authorized to perform: ec2:CreateNetworkInterface ",
        ),
        (lambda: allow("ec2:CreateNetworkInterface"), "permission to create a tag for your elastic network"),
        (lambda: allow("ec2:CreateTags"), "LAUNCH ERROR | Error downloading from S3"),
    ]
    for change, reason in steps:
        change()
        run = glue.start_job_run(JobName="stands")["JobRunId"]
        ended = wait_for(
            reason, lambda run=run: _ended(glue.get_job_run(JobName="stands", RunId=run)["JobRun"])
        )
        assert reason in ended["ErrorMessage"]
        if reason.startswith(("At least", "Could not")):
            code, message = error_of(glue.test_connection, ConnectionName="stands")
            assert (code, reason in message) == ("InvalidInputException", True)
    made = ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    assert made["NetworkInterfaces"] == []


def test_a_function_writes_into_a_log_group_that_is_there_without_the_right_to_make_one(
    running_engine: RunningEngine,
):
    writing = {"Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}
    role = make_role(running_engine, "writes", {"Service": "lambda.amazonaws.com"}, writing)
    code = "def handler(event, context):\n    print('hello')\n    return event"
    for name in ("with-group", "without-group"):
        running_engine.function(name, code, Role=role)
    logs, awslambda = running_engine.client("logs"), running_engine.client("lambda")
    logs.create_log_group(logGroupName="/aws/lambda/with-group")
    for name in ("without-group", "with-group"):
        assert "FunctionError" not in awslambda.invoke(FunctionName=name, Payload=b"1")

    def lines() -> list[str]:
        found = logs.filter_log_events(logGroupName="/aws/lambda/with-group")["events"]
        return [one["message"] for one in found]

    assert "hello\n" in wait_for("the log", lines)
    wait_for("the denial", lambda: "logs:CreateLogGroup" in denials(running_engine, role))
    [group] = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/with")["logGroups"]
    assert group["logGroupName"] == "/aws/lambda/with-group"


def denials(running_engine: RunningEngine, principal: str) -> set[str]:
    """Actions that a role was denied."""
    judged = permissions.ask(running_engine.settings)["judgements"]
    return {one["action"] for one in judged if one["principal"] == principal and not one["is_allowed"]}


def _ended(run: dict[str, Any]) -> dict[str, Any] | None:
    return run if run["JobRunState"] == "FAILED" else None
