"""Networks in force: what stands in a VPC reaches what its groups, routes and endpoints let it reach."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from engine_fixtures import RunningEngine, wait_for
from iam_fixtures import REGION, enforced, error_of, make_role

__all__ = ["enforced"]

pytestmark = pytest.mark.usefixtures("enforced")

WRITES = {"Action": ["logs:*", "sqs:ListQueues", "ec2:*", "glue:GetConnection"], "Resource": "*"}
READS = {"Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
CALL = "import boto3; print(boto3.client('sqs').list_queues()['ResponseMetadata']['HTTPStatusCode'])"


@dataclass
class Vpc:
    """A VPC with one subnet and one group."""

    ec2: Any
    vpc: str
    subnet: str
    group: str

    @classmethod
    def made(cls, running: RunningEngine, number: int) -> Vpc:
        ec2 = running.client("ec2")
        vpc = ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.{number}.0.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="work", Description="Of work", VpcId=vpc)["GroupId"]
        ports = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535}
        itself = {**ports, "UserIdGroupPairs": [{"GroupId": group}]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[itself])
        return cls(ec2, vpc, subnet, group)

    @property
    def table(self) -> str:
        of_vpc = [{"Name": "vpc-id", "Values": [self.vpc]}]
        return str(self.ec2.describe_route_tables(Filters=of_vpc)["RouteTables"][0]["RouteTableId"])

    def interface(self, service: str) -> None:
        self.ec2.create_vpc_endpoint(
            VpcId=self.vpc,
            ServiceName=f"com.amazonaws.{REGION}.{service}",
            VpcEndpointType="Interface",
            PrivateDnsEnabled=True,
            SubnetIds=[self.subnet],
            SecurityGroupIds=[self.group],
        )

    def gateway(self, service: str) -> None:
        self.ec2.create_vpc_endpoint(
            VpcId=self.vpc,
            ServiceName=f"com.amazonaws.{REGION}.{service}",
            VpcEndpointType="Gateway",
            RouteTableIds=[self.table],
        )

    def nat(self) -> None:
        """A way out for the subnet, by a gateway in one that has the internet."""
        ec2 = self.ec2
        network = ec2.describe_vpcs(VpcIds=[self.vpc])["Vpcs"][0]["CidrBlock"].replace(".0.0/16", ".9.0/24")
        public = ec2.create_subnet(VpcId=self.vpc, CidrBlock=network)["Subnet"]["SubnetId"]
        internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=self.vpc)
        table = ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=internet)
        ec2.associate_route_table(RouteTableId=table, SubnetId=public)
        gateway = ec2.create_nat_gateway(SubnetId=public, ConnectivityType="public")["NatGateway"]
        ec2.create_route(
            RouteTableId=self.table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=gateway["NatGatewayId"]
        )


def blocked(text: str) -> bool:
    return f'Connect timeout on endpoint URL: "https://sqs.{REGION}.amazonaws.com/"' in text


def test_a_function_reaches_a_service_by_an_endpoint_that_lets_it_in(running_engine: RunningEngine):
    vpc = Vpc.made(running_engine, 61)
    role = make_role(running_engine, "reaching", {"Service": "lambda.amazonaws.com"}, WRITES)
    code = "import boto3\ndef handler(event, context):\n    return len(boto3.client('sqs').list_queues())"
    place = {"SubnetIds": [vpc.subnet], "SecurityGroupIds": [vpc.group]}
    running_engine.function("reaching", code, Role=role, VpcConfig=place, Timeout=60)

    def answer() -> str:
        answer = running_engine.client("lambda").invoke(FunctionName="reaching")
        return str(answer["Payload"].read().decode())

    first = answer()
    assert blocked(json.loads(first)["errorMessage"]), first
    assert f"{vpc.vpc} has no endpoint of it, and the route table {vpc.table}" in first
    vpc.interface("sqs")
    assert answer().isdigit()
    group = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    vpc.ec2.revoke_security_group_egress(GroupId=vpc.group, IpPermissions=[group])
    assert f"no rule of {vpc.group} lets port 443 out" in answer()
    vpc.ec2.authorize_security_group_egress(GroupId=vpc.group, IpPermissions=[group])
    [acl] = vpc.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc.vpc]}])["NetworkAcls"]
    assert answer().isdigit(), "within a subnet no network ACL is asked"
    [sqs] = vpc.ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc.vpc]}])["VpcEndpoints"]
    vpc.ec2.delete_vpc_endpoints(VpcEndpointIds=[sqs["VpcEndpointId"]])
    vpc.nat()
    assert answer().isdigit()
    vpc.ec2.delete_network_acl_entry(NetworkAclId=acl["NetworkAclId"], RuleNumber=100, Egress=False)
    assert f"the network ACL {acl['NetworkAclId']} does not let answers in from" in answer()


def test_a_run_reaches_services_and_its_database_where_the_network_lets_it(running_engine: RunningEngine):
    vpc = Vpc.made(running_engine, 62)
    vpc.gateway("s3")
    glue, s3 = running_engine.client("glue"), running_engine.client("s3")
    s3.create_bucket(Bucket="in-force", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="in-force", Key="call.py", Body=CALL)
    role = make_role(running_engine, "in-vpc", {"Service": "glue.amazonaws.com"}, WRITES, READS)
    place = {"SubnetId": vpc.subnet, "SecurityGroupIdList": [vpc.group], "AvailabilityZone": f"{REGION}a"}
    for name, kind, properties in (
        ("network", "NETWORK", {}),
        (
            "database",
            "JDBC",
            {"JDBC_CONNECTION_URL": "jdbc:postgresql://10.99.0.5/erp", "USERNAME": "a", "PASSWORD": "b"},
        ),
    ):
        glue.create_connection(
            ConnectionInput={
                "Name": name,
                "ConnectionType": kind,
                "ConnectionProperties": properties,
                "PhysicalConnectionRequirements": place,
            }
        )
        glue.create_job(
            Name=name,
            Role=role,
            Command={
                "Name": "pythonshell",
                "ScriptLocation": "s3://in-force/call.py",
                "PythonVersion": "3.9",
            },
            Connections={"Connections": [name]},
        )

    def ended(job: str) -> dict[str, Any]:
        run = glue.start_job_run(JobName=job)["JobRunId"]

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = glue.get_job_run(JobName=job, RunId=run)["JobRun"]
            return found if "CompletedOn" in found else None

        return wait_for("the run to end", look)

    first = ended("network")
    assert (first["JobRunState"], blocked(first["ErrorMessage"])) == ("FAILED", True), first
    vpc.nat()
    assert ended("network")["JobRunState"] == "SUCCEEDED"

    group = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    vpc.ec2.revoke_security_group_egress(GroupId=vpc.group, IpPermissions=[group])
    vpc.ec2.authorize_security_group_egress(GroupId=vpc.group, IpPermissions=[https])
    reason = f"no rule of {vpc.group} lets port 5432 out to 10.99.0.5"
    failed = ended("database")
    assert failed["ErrorMessage"].startswith("The connection attempt failed: connect to 10.99.0.5:5432")
    assert reason in failed["ErrorMessage"]
    assert error_of(glue.test_connection, ConnectionName="database") == (
        "InvalidInputException",
        f"The connection attempt failed: connect to 10.99.0.5:5432 timed out ({reason}).",
    )


def test_a_build_reaches_services_through_its_network_alone(running_engine: RunningEngine):
    vpc = Vpc.made(running_engine, 63)
    role = make_role(running_engine, "builder", {"Service": "codebuild.amazonaws.com"}, WRITES)
    codebuild = running_engine.client("codebuild")
    buildspec = {"version": 0.2, "phases": {"build": {"commands": [f'"{sys.executable}" -c "{CALL}"']}}}
    codebuild.create_project(
        name="reaching",
        source={"type": "NO_SOURCE", "buildspec": json.dumps(buildspec)},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
        serviceRole=role,
        vpcConfig={"vpcId": vpc.vpc, "subnets": [vpc.subnet], "securityGroupIds": [vpc.group]},
    )

    def ended() -> tuple[str, str]:
        started = codebuild.start_build(projectName="reaching")["build"]["id"]

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = codebuild.batch_get_builds(ids=[started])["builds"][0]
            return found if found["buildComplete"] else None

        build = wait_for("the build to end", look)
        lines = running_engine.client("logs").get_log_events(
            logGroupName=build["logs"]["groupName"], logStreamName=build["logs"]["streamName"]
        )["events"]
        return build["buildStatus"], "".join(one["message"] for one in lines)

    status, log = ended()
    assert status == "FAILED"
    assert blocked(log), log
    vpc.interface("sqs")
    assert ended()[0] == "SUCCEEDED"
