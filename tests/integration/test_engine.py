"""The engine as a process: where it listens, how it starts, stops and refuses."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import psutil
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from engine_fixtures import RunningEngine, new_engine, started_engine, wait_for
from ports import free_port

from millpond.base import process
from millpond.base.errors import MillpondError
from millpond.stack.engine import Engine

MEGABYTE = 1024 * 1024
SERVICES = {
    "athena": "list_work_groups",
    "cloudformation": "list_stacks",
    "cloudwatch": "describe_alarms",
    "codebuild": "list_projects",
    "dynamodb": "list_tables",
    "dynamodbstreams": "list_streams",
    "ec2": "describe_vpcs",
    "events": "list_rules",
    "glue": "get_databases",
    "iam": "list_roles",
    "kms": "list_keys",
    "lambda": "list_functions",
    "logs": "describe_log_groups",
    "s3": "list_buckets",
    "secretsmanager": "list_secrets",
    "sns": "list_topics",
    "sqs": "list_queues",
    "ssm": "describe_parameters",
    "stepfunctions": "list_state_machines",
    "sts": "get_caller_identity",
}


@pytest.fixture
def stopped_engine(tmp_path: Path) -> Iterator[RunningEngine]:
    running = new_engine(tmp_path)
    yield running
    running.engine.stop()


def tree(running: RunningEngine) -> list[psutil.Process]:
    owned = process.find(running.settings.state / "pids" / "engine.pid")
    assert owned is not None
    return owned.tree()


def test_every_service_answers_and_every_socket_is_on_loopback(running_engine: RunningEngine) -> None:
    for service, operation in SERVICES.items():
        getattr(running_engine.client(service), operation)()
    running_engine.function("listener", "def handler(event, context):\n    return 1")
    running_engine.client("lambda").invoke(FunctionName="listener")
    children = [found.pid for found in process.find_all(running_engine.settings.state / "pids" / "functions")]
    processes = tree(running_engine)
    assert set(children) < {one.pid for one in processes}
    listening = [
        (one.pid, connection.laddr)
        for one in processes
        for connection in one.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN or connection.type == socket.SOCK_DGRAM
    ]
    assert ("127.0.0.1", running_engine.settings.gateway_port) in {tuple(address) for _, address in listening}
    assert [found for found in listening if found[1].ip not in {"127.0.0.1", "::1"}] == []


def test_started_engine_is_healthy_and_a_second_start_changes_nothing(running_engine: RunningEngine) -> None:
    before = tree(running_engine)[0].pid
    running_engine.engine.start()
    assert tree(running_engine)[0].pid == before
    services = running_engine.engine.health()["services"]
    assert {"s3", "glue", "athena", "lambda", "stepfunctions"} <= services.keys()


def test_objects_of_any_size_lie_in_the_state_directory(
    running_engine: RunningEngine, tmp_path: Path
) -> None:
    s3 = running_engine.client("s3")
    s3.create_bucket(Bucket="big", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    content = os.urandom(24 * MEGABYTE)
    (tmp_path / "up").write_bytes(content)
    parts = TransferConfig(multipart_threshold=8 * MEGABYTE, multipart_chunksize=8 * MEGABYTE)
    s3.upload_file(str(tmp_path / "up"), "big", "a/b", Config=parts)
    s3.download_file("big", "a/b", str(tmp_path / "down"))
    assert (tmp_path / "down").read_bytes() == content
    assert s3.head_object(Bucket="big", Key="a/b")["ETag"].endswith('-3"')
    directory = running_engine.settings.state / "engine" / "s3" / "big"
    assert content in [path.read_bytes() for path in directory.iterdir()]


def test_engine_may_open_as_many_files_as_the_machine_lets_it(running_engine: RunningEngine) -> None:
    soft, hard = tree(running_engine)[0].rlimit(psutil.RLIMIT_NOFILE)
    assert soft == hard


def test_queue_address_that_the_engine_gives_is_usable(running_engine: RunningEngine) -> None:
    sqs = running_engine.client("sqs")
    url = sqs.create_queue(QueueName="usable")["QueueUrl"]
    assert url.startswith(f"http://localhost:{running_engine.settings.gateway_port}/")
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "hello"


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("glue", "create_dev_endpoint", {"EndpointName": "e", "RoleArn": "arn:aws:iam::000000000000:role/r"}),
        ("athena", "get_session", {"SessionId": "s"}),
        ("codebuild", "list_sandboxes", {}),
        ("dynamodb", "list_contributor_insights", {}),
        ("ec2", "modify_private_dns_name_options", {"InstanceId": "i-1"}),
        # A service that nobody has, and operations of one whose resources are kept.
        ("dax", "describe_clusters", {}),
        ("ecr", "get_authorization_token", {}),
        ("ecs", "run_task", {"taskDefinition": "t"}),
        ("lakeformation", "get_temporary_glue_table_credentials", {"TableArn": "arn:aws:glue:::table/d/t"}),
        # Their servers would never be there.
        ("opensearch", "create_domain", {"DomainName": "logs"}),
        (
            "redshift",
            "create_cluster",
            {"ClusterIdentifier": "one", "NodeType": "ra3.large", "MasterUsername": "admin"},
        ),
        ("es", "create_elasticsearch_domain", {"DomainName": "logs"}),
        # Their success would be none.
        (
            "ssm",
            "send_command",
            {"DocumentName": "AWS-RunShellScript", "InstanceIds": ["i-1234567890abcdef0"]},
        ),
        (
            "transcribe",
            "start_transcription_job",
            {"TranscriptionJobName": "j", "Media": {"MediaFileUri": "s3://b/a.wav"}, "LanguageCode": "en-US"},
        ),
    ],
)
def test_operation_that_nobody_implements_is_an_error(
    running_engine: RunningEngine, service: str, operation: str, arguments: dict[str, object]
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(running_engine.client(service), operation)(**arguments)
    assert caught.value.response["Error"]["Code"] == "UnsupportedOperation"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "Millpond cannot do" in caught.value.response["Error"]["Message"]


def test_template_with_an_unknown_resource_type_is_refused_by_its_name(running_engine: RunningEngine) -> None:
    cloudformation = running_engine.client("cloudformation")
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}, "Odd": {"Type": "AWS::Braket::Thing"}}}
    with pytest.raises(ClientError) as caught:
        cloudformation.create_stack(StackName="odd", TemplateBody=json.dumps(template))
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationError"
    assert "AWS::Braket::Thing is not available in Millpond" in error["Message"]
    assert "AWS::SQS::Queue" not in error["Message"]
    assert not running_engine.client("sqs").list_queues(QueueNamePrefix="odd-").get("QueueUrls")


def test_template_with_a_server_that_is_not_to_be_had_is_refused_by_its_name(
    running_engine: RunningEngine,
) -> None:
    template = {"Resources": {"Cluster": {"Type": "AWS::Redshift::Cluster"}}}
    with pytest.raises(ClientError, match="AWS::Redshift::Cluster is not available in Millpond"):
        running_engine.client("cloudformation").create_stack(
            StackName="warehouse", TemplateBody=json.dumps(template)
        )


def test_known_resource_types_are_created(running_engine: RunningEngine) -> None:
    cloudformation = running_engine.client("cloudformation")
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}, "Bucket": {"Type": "AWS::S3::Bucket"}}}
    cloudformation.create_stack(StackName="usual", TemplateBody=json.dumps(template))
    stack = wait_for("final status", lambda: settled_stack(running_engine, "usual"))
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    resources = cloudformation.describe_stack_resources(StackName="usual")["StackResources"]
    bucket = next(one["PhysicalResourceId"] for one in resources if one["LogicalResourceId"] == "Bucket")
    running_engine.client("s3").head_bucket(Bucket=bucket)


def settled_stack(running: RunningEngine, name: str) -> dict[str, str] | None:
    stack: dict[str, str] = running.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack


def test_conditional_write_is_refused_when_the_condition_fails(running_engine: RunningEngine) -> None:
    dynamodb = running_engine.client("dynamodb")
    dynamodb.create_table(
        TableName="runs",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def move(expected: str, new: str) -> None:
        dynamodb.update_item(
            TableName="runs",
            Key={"id": {"S": "CURRENT"}},
            UpdateExpression="SET committed = :new",
            ConditionExpression="attribute_not_exists(committed) OR committed = :expected",
            ExpressionAttributeValues={":new": {"S": new}, ":expected": {"S": expected}},
        )

    move("none", "one")
    move("one", "two")
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        move("one", "three")
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "runs", "Item": {"id": {"S": "other"}}}},
                {
                    "ConditionCheck": {
                        "TableName": "runs",
                        "Key": {"id": {"S": "CURRENT"}},
                        "ConditionExpression": "committed = :one",
                        "ExpressionAttributeValues": {":one": {"S": "one"}},
                    }
                },
            ]
        )
    items = dynamodb.scan(TableName="runs")["Items"]
    assert items == [{"id": {"S": "CURRENT"}, "committed": {"S": "two"}}]


def test_alarm_has_the_tags_it_was_made_with_and_a_change_of_it_leaves_them(
    running_engine: RunningEngine,
) -> None:
    cloudwatch = running_engine.client("cloudwatch")

    def put(owner: str) -> list[dict[str, str]]:
        cloudwatch.put_metric_alarm(
            AlarmName="late",
            Namespace="Lake",
            MetricName="Age",
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            Tags=[{"Key": "owner", "Value": owner}],
        )
        arn = cloudwatch.describe_alarms(AlarmNames=["late"])["MetricAlarms"][0]["AlarmArn"]
        return list(cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"])

    assert put("lake") == [{"Key": "owner", "Value": "lake"}]
    assert put("other") == [{"Key": "owner", "Value": "lake"}]


def test_an_item_that_is_updated_keeps_the_type_of_each_value(running_engine: RunningEngine) -> None:
    dynamodb = running_engine.client("dynamodb")
    dynamodb.create_table(
        TableName="typed",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    key = {"id": {"S": "one"}}
    dynamodb.put_item(TableName="typed", Item={**key, "gone": {"S": "soon"}})
    values = {
        "flag": {"BOOL": False},
        "nothing": {"NULL": True},
        "number": {"N": "1"},
        "bytes": {"B": b"\x00\xff"},
        "list": {"L": [{"M": {"deep": {"BOOL": True}}}]},
    }
    changes = {name: {"Action": "PUT", "Value": value} for name, value in values.items()}
    dynamodb.update_item(
        TableName="typed", Key=key, AttributeUpdates={**changes, "gone": {"Action": "DELETE"}}
    )
    assert dynamodb.get_item(TableName="typed", Key=key)["Item"] == {**key, **values}


def test_static_routes_of_a_vpn_connection_reach_the_route_tables_that_its_gateway_propagates_to(
    running_engine: RunningEngine,
) -> None:
    ec2 = running_engine.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/20")["Vpc"]["VpcId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    site = ec2.create_customer_gateway(Type="ipsec.1", PublicIp="203.0.113.9", BgpAsn=65000)
    connection = ec2.create_vpn_connection(
        Type="ipsec.1",
        CustomerGatewayId=site["CustomerGateway"]["CustomerGatewayId"],
        VpnGatewayId=gateway,
        Options={"StaticRoutesOnly": True},
    )["VpnConnection"]
    assert (connection["Options"], connection["Routes"]) == ({"StaticRoutesOnly": True}, [])

    def routes() -> list[tuple[str, str]]:
        found = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]
        return [(one["DestinationCidrBlock"], one["Origin"]) for one in found["Routes"]]

    with pytest.raises(ClientError, match=r"Gateway\.NotAttached"):
        ec2.enable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    ec2.attach_vpn_gateway(VpcId=vpc, VpnGatewayId=gateway)
    ec2.enable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    route = {"VpnConnectionId": connection["VpnConnectionId"], "DestinationCidrBlock": "10.1.0.0/16"}
    ec2.create_vpn_connection_route(**route)
    own = ("10.9.0.0/20", "CreateRouteTable")
    assert routes() == [own, ("10.1.0.0/16", "EnableVgwRoutePropagation")]
    for name, value, count in (
        ("route.destination-cidr-block", "10.1.0.0/16", 1),
        ("route.destination-cidr-block", "10.2.0.0/16", 0),
        ("vpn-connection-id", connection["VpnConnectionId"], 1),
        ("option.static-routes-only", "false", 0),
    ):
        filters = [{"Name": name, "Values": [value]}]
        assert len(ec2.describe_vpn_connections(Filters=filters)["VpnConnections"]) == count, name

    ec2.delete_vpn_connection_route(**route)
    assert routes() == [own]
    with pytest.raises(ClientError, match=r"InvalidRoute\.NotFound"):
        ec2.delete_vpn_connection_route(**route)
    ec2.disable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    assert ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["PropagatingVgws"] == []


def test_what_a_change_does_not_name_stays(running_engine: RunningEngine) -> None:
    iam, logs, sqs = map(running_engine.client, ("iam", "logs", "sqs"))
    iam.create_role(RoleName="named", AssumeRolePolicyDocument="{}", Description="as made")
    iam.update_role(RoleName="named", MaxSessionDuration=7200)
    iam.update_role(RoleName="named", Description="as told")
    role = iam.get_role(RoleName="named")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("as told", 7200)
    iam.create_open_id_connect_provider(Url="https://identity.invalid", ClientIDList=["a"], ThumbprintList=[])
    [provider] = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    own = {"OpenIDConnectProviderArn": provider["Arn"]}
    iam.add_client_id_to_open_id_connect_provider(**own, ClientID="b")
    iam.remove_client_id_from_open_id_connect_provider(**own, ClientID="a")
    assert iam.get_open_id_connect_provider(**own)["ClientIDList"] == ["b"]

    logs.create_log_group(logGroupName="rare", logGroupClass="INFREQUENT_ACCESS")
    logs.create_log_group(logGroupName="usual")
    groups = logs.describe_log_groups()["logGroups"]
    classes = {one["logGroupName"]: one["logGroupClass"] for one in groups}
    assert (classes["rare"], classes["usual"]) == ("INFREQUENT_ACCESS", "STANDARD")
    arn = next(one["logGroupArn"] for one in groups if one["logGroupName"] == "usual")
    logs.tag_resource(resourceArn=arn, tags={"of": "us"})
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"of": "us"}
    logs.delete_log_group(logGroupName="usual")
    logs.create_log_group(logGroupName="usual")
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {}
    destination = logs.put_destination(
        destinationName="there", targetArn="arn:aws:kinesis:eu-west-1:000000000000:stream/s",
        roleArn="arn:aws:iam::000000000000:role/named", tags={"to": "them"},
    )["destination"]  # fmt: skip
    assert logs.list_tags_for_resource(resourceArn=destination["arn"])["tags"] == {"to": "them"}

    url = sqs.create_queue(
        QueueName="open", Attributes={"RedriveAllowPolicy": '{"redrivePermission":"denyAll"}'}
    )
    sqs.set_queue_attributes(QueueUrl=url["QueueUrl"], Attributes={"RedriveAllowPolicy": ""})
    told = sqs.get_queue_attributes(QueueUrl=url["QueueUrl"], AttributeNames=["All"])["Attributes"]
    assert "RedriveAllowPolicy" not in told


def test_rules_and_flow_logs_are_told_as_they_were_made(running_engine: RunningEngine) -> None:
    ec2 = running_engine.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.16.0/20")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="told", Description="told", VpcId=vpc)["GroupId"]
    prefix_list = ec2.describe_prefix_lists()["PrefixLists"][0]["PrefixListId"]
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    ec2.authorize_security_group_egress(
        GroupId=group,
        IpPermissions=[
            {**rule, "UserIdGroupPairs": [{"GroupId": group, "Description": "among us"}]},
            {**rule, "PrefixListIds": [{"PrefixListId": prefix_list, "Description": "to a service"}]},
            {**rule, "IpRanges": [{"CidrIp": "10.1.0.0/16", "Description": "to the site"}]},
        ],
    )
    found = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    described = {one.get("Description") for one in found["SecurityGroupRules"]}
    assert described >= {"among us", "to a service", "to the site"}

    ec2.update_security_group_rule_descriptions_egress(
        GroupId=group,
        IpPermissions=[
            {**rule, "UserIdGroupPairs": [{"GroupId": group, "Description": "all of us"}]},
            {**rule, "PrefixListIds": [{"PrefixListId": prefix_list, "Description": "to a store"}]},
        ],
    )
    ids = {one.get("Description"): one["SecurityGroupRuleId"] for one in found["SecurityGroupRules"]}
    wanted = {"IpProtocol": "-1", "CidrIpv4": "10.2.0.0/16", "Description": "to another"}
    change = {"SecurityGroupRuleId": ids["to the site"], "SecurityGroupRule": wanted}
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[change])
    change = {**change, "SecurityGroupRuleId": ids["among us"]}
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[change])
    found = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    described = {one.get("Description"): one for one in found["SecurityGroupRules"]}
    assert described.keys() >= {"all of us", "to a store", "to another"}
    changed = described["to another"]
    assert (changed["CidrIpv4"], changed["IpProtocol"], changed["FromPort"]) == ("10.2.0.0/16", "-1", -1)

    running_engine.client("s3").create_bucket(
        Bucket="flows", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    options = {"FileFormat": "parquet", "HiveCompatiblePartitions": True, "PerHourPartition": False}
    ec2.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination="arn:aws:s3:::flows/vpc/",
        DestinationOptions=options,
    )
    assert ec2.describe_flow_logs()["FlowLogs"][0]["DestinationOptions"] == options


def test_the_key_of_a_log_group_can_be_changed_in_a_new_engine(running_engine: RunningEngine) -> None:
    logs, key = running_engine.client("logs"), "arn:aws:kms:us-east-1:000000000000:key/made-up"
    logs.create_log_group(logGroupName="keyed")
    logs.associate_kms_key(logGroupName="keyed", kmsKeyId=key)
    assert logs.describe_log_groups(logGroupNamePrefix="keyed")["logGroups"][0]["kmsKeyId"] == key
    logs.disassociate_kms_key(logGroupName="keyed")
    assert "kmsKeyId" not in logs.describe_log_groups(logGroupNamePrefix="keyed")["logGroups"][0]
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.associate_kms_key(logGroupName="unknown", kmsKeyId=key)


def test_transactions_and_writes_at_the_same_time_all_succeed(running_engine: RunningEngine) -> None:
    settings = running_engine.settings
    dynamodb = boto3.client(
        "dynamodb",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    dynamodb.create_table(
        TableName="busy",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    for start in range(0, 500, 25):
        puts = [{"PutRequest": {"Item": {"id": {"S": str(start + n)}}}} for n in range(25)]
        dynamodb.batch_write_item(RequestItems={"busy": puts})

    def write(worker: int) -> None:
        for number in range(30):
            item = {"id": {"S": f"{worker}-{number}"}}
            if worker % 2:
                dynamodb.put_item(TableName="busy", Item=item)
            else:
                dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": "busy", "Item": item}}])

    with ThreadPoolExecutor(8) as workers:
        list(workers.map(write, range(8)))
    assert dynamodb.scan(TableName="busy", Select="COUNT")["Count"] == 740


def test_taken_port_is_refused_with_its_holder_and_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(MillpondError) as caught:
            new_engine(tmp_path, port).engine.start()
    assert f"Port {port} is taken by" in caught.value.what
    assert f"(process {os.getpid()})" in caught.value.what
    assert "MILLPOND_GATEWAY_PORT" in caught.value.next_step


def test_engine_that_cannot_start_says_where_its_log_is(stopped_engine: RunningEngine) -> None:
    with pytest.raises(MillpondError, match=r"did not answer within 0 seconds") as caught:
        stopped_engine.engine.start(timeout=0)
    assert caught.value.where == str(stopped_engine.engine.log_file)
    assert not stopped_engine.engine.is_running


def test_stop_leaves_no_process_and_the_next_start_begins_empty(stopped_engine: RunningEngine) -> None:
    engine = stopped_engine.engine
    engine.start()
    stopped_engine.client("sqs").create_queue(QueueName="forgotten")
    stopped_engine.function("sleeper", "import time\ndef handler(event, context):\n    time.sleep(600)")
    stopped_engine.client("lambda").invoke(FunctionName="sleeper", InvocationType="Event")
    pids = stopped_engine.settings.state / "pids"
    wait_for("running function", lambda: process.find_all(pids / "functions"))
    processes = tree(stopped_engine)
    assert len(processes) == 2
    began = time.monotonic()
    engine.stop()
    assert time.monotonic() - began < 10
    assert [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert (engine.is_running, list(pids.rglob("*.pid"))) == (False, [])
    engine.start()
    assert "QueueUrls" not in stopped_engine.client("sqs").list_queues()


def test_an_engine_makes_the_index_of_services_for_all_that_start_after_it(
    stopped_engine: RunningEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    before = Engine.environment
    monkeypatch.setattr(
        Engine, "environment", lambda engine: before(engine) | {"MILLPOND_ENGINE_CACHE": str(kept)}
    )
    cache = stopped_engine.settings.state / "engine/files/var/lib/localstack/cache"
    stopped_engine.engine.start()
    assert list(cache.glob("service-catalog-*")) == []
    stopped_engine.client("sts").get_caller_identity()
    [made] = cache.glob("service-catalog-*.dill")
    content = made.read_bytes()
    stopped_engine.engine.stop()
    assert [path.read_bytes() for path in kept.iterdir()] == [content]
    stopped_engine.engine.start()
    assert made.read_bytes() == content


def test_engine_that_was_killed_starts_again(stopped_engine: RunningEngine) -> None:
    stopped_engine.engine.start()
    os.kill(tree(stopped_engine)[0].pid, signal.SIGKILL)
    wait_for("end", lambda: not stopped_engine.engine.is_running)
    stopped_engine.engine.start()
    assert stopped_engine.client("sts").get_caller_identity()["Account"] == "000000000000"


def test_two_engines_run_side_by_side(running_engine: RunningEngine, tmp_path: Path) -> None:
    running_engine.client("sqs").create_queue(QueueName="only-here")
    with started_engine(tmp_path, free_port()) as other:
        assert "QueueUrls" not in other.client("sqs").list_queues()
    assert running_engine.engine.is_running
