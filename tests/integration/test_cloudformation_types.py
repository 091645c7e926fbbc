"""Every row of the table of types: made, compared, changed in place, replaced and deleted, in one stack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from engine_fixtures import RunningEngine
from stack_fixtures import Stack

from millpond.localstack_ext.cloudformation.served import is_served
from millpond.localstack_ext.cloudformation.table import TABLE

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Example:
    """A resource of one type.

    Parameters
    ----------
    kind : str
        Its type.
    first : mapping
        Its properties.
    change : mapping
        Those that are changed in place; None takes one away.
    other : mapping
        Those that replace it.
    """

    kind: str
    first: Properties
    change: Properties = field(default_factory=dict)
    other: Properties = field(default_factory=dict)


ACCOUNT = {"Ref": "AWS::AccountId"}
COLUMNS = [{"Name": "id", "Type": "int"}]
ICEBERG = {"table_type": "ICEBERG"}
STORAGE = {
    "Columns": COLUMNS,
    "Location": "s3://lake/orders",
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"},
}
AVRO = json.dumps({"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}]})
PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": "${What}", "End": True}}}


def policy(action: str, **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*", **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def tags(value: str) -> list[dict[str, str]]:
    return [{"Key": "stage", "Value": value}]


# What other examples need, by logical id; of types that LocalStack makes.
NEEDED: dict[str, Any] = {
    "Role": {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {
                            "Service": [
                                f"{service}.amazonaws.com"
                                for service in ("glue", "lambda", "pipes", "states")
                            ]
                        },
                        "Action": "sts:AssumeRole",
                    }
                ],
            }
        },
    },
    "User": {"Type": "AWS::IAM::User"},
    "OtherUser": {"Type": "AWS::IAM::User"},
    "Group": {"Type": "AWS::IAM::Group"},
    "OtherGroup": {"Type": "AWS::IAM::Group"},
    "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "types"}},
    "Bucket": {"Type": "AWS::S3::Bucket"},
    "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
    "Group0": {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {"GroupDescription": "types", "VpcId": {"Ref": "Vpc"}},
    },
    "Function": {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.13",
            "Handler": "index.handler",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Code": {"ZipFile": "def handler(event, context):\n    return event\n"},
        },
    },
    "Version": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "Function"}}},
    "Queue": {"Type": "AWS::SQS::Queue"},
}

ROLE = {"Fn::GetAtt": ["Role", "Arn"]}
VERSION = {"Fn::GetAtt": ["Version", "Version"]}
QUEUE = {"Fn::GetAtt": ["Queue", "Arn"]}

EXAMPLES: dict[str, Example] = {
    "Database": Example(
        "AWS::Glue::Database",
        {"CatalogId": ACCOUNT, "DatabaseInput": {"Name": "first", "Parameters": {"a": "1"}}},
        {"DatabaseInput": {"Name": "first", "Description": "changed"}},
        {"DatabaseInput": {"Name": "other"}},
    ),
    "Catalog": Example(
        "AWS::Glue::Database",
        {"CatalogId": ACCOUNT, "DatabaseInput": {}},
        {"DatabaseInput": {"Description": "x"}},
    ),
    "Table": Example(
        "AWS::Glue::Table",
        {
            "CatalogId": ACCOUNT,
            "DatabaseName": {"Ref": "Catalog"},
            "TableInput": {
                "Name": "orders",
                "StorageDescriptor": STORAGE,
                "PartitionKeys": [{"Name": "day", "Type": "string"}],
            },
        },
        {
            "TableInput": {
                "Name": "orders",
                "StorageDescriptor": {**STORAGE, "NumberOfBuckets": "3", "Compressed": "true"},
                "PartitionKeys": [{"Name": "day", "Type": "string"}],
            }
        },
    ),
    "OtherTable": Example(
        "AWS::Glue::Table",
        {
            "CatalogId": ACCOUNT,
            "DatabaseName": {"Ref": "Catalog"},
            "TableInput": {"Name": "lines", "StorageDescriptor": STORAGE, "Parameters": ICEBERG},
        },
        {},
        {"TableInput": {"Name": "other_lines", "StorageDescriptor": STORAGE, "Parameters": ICEBERG}},
    ),
    "Partition": Example(
        "AWS::Glue::Partition",
        {
            "CatalogId": ACCOUNT,
            "DatabaseName": {"Ref": "Catalog"},
            "TableName": {"Ref": "Table"},
            "PartitionInput": {"Values": ["2026-01-01"], "StorageDescriptor": STORAGE},
        },
        {
            "PartitionInput": {
                "Values": ["2026-01-01"],
                "StorageDescriptor": STORAGE,
                "Parameters": {"rows": "1"},
            }
        },
        {"PartitionInput": {"Values": ["2026-01-02"], "StorageDescriptor": STORAGE}},
    ),
    "Job": Example(
        "AWS::Glue::Job",
        {
            "Role": ROLE,
            "Command": {"Name": "pythonshell", "ScriptLocation": "s3://b/s.py", "PythonVersion": "3.9"},
            "MaxCapacity": "0.0625",
            "DefaultArguments": {"--a": "1"},
            "Tags": {"stage": "first"},
        },
        {"Timeout": "15", "DefaultArguments": None, "Tags": {"stage": "second"}},
        {"Name": "other-job"},
    ),
    "Connection": Example(
        "AWS::Glue::Connection",
        {
            "CatalogId": ACCOUNT,
            "ConnectionInput": {
                "Name": "erp",
                "ConnectionType": "NETWORK",
                "PhysicalConnectionRequirements": {"AvailabilityZone": "eu-west-1a"},
            },
        },
        {"ConnectionInput": {"Name": "erp", "ConnectionType": "NETWORK", "Description": "changed"}},
        {"ConnectionInput": {"Name": "other", "ConnectionType": "NETWORK"}},
    ),
    "Crawler": Example(
        "AWS::Glue::Crawler",
        {
            "Role": ROLE,
            "DatabaseName": {"Ref": "Catalog"},
            "Targets": {"S3Targets": [{"Path": "s3://lake/orders"}]},
        },
        {},
        {"Name": "other-crawler"},
    ),
    "Trigger": Example(
        "AWS::Glue::Trigger",
        {"Type": "ON_DEMAND", "Actions": [{"JobName": {"Ref": "Job"}}], "Description": "first"},
        {},
        {"Name": "other-trigger"},
    ),
    "Workflow": Example(
        "AWS::Glue::Workflow",
        {"Description": "first", "DefaultRunProperties": {"a": "1"}, "MaxConcurrentRuns": "2"},
        {"Description": "second"},
        {"Name": "other-workflow"},
    ),
    "Registry": Example("AWS::Glue::Registry", {"Name": "registry"}, {}, {"Name": "other-registry"}),
    "Schema": Example(
        "AWS::Glue::Schema",
        {
            "Registry": {"Arn": {"Fn::GetAtt": ["Registry", "Arn"]}},
            "Name": "orders",
            "DataFormat": "AVRO",
            "Compatibility": "NONE",
            "SchemaDefinition": AVRO,
        },
        {"Compatibility": "BACKWARD", "CheckpointVersion": {"IsLatest": True}},
        {"Name": "other-orders"},
    ),
    "SchemaVersion": Example(
        "AWS::Glue::SchemaVersion",
        {"Schema": {"SchemaArn": {"Ref": "Schema"}}, "SchemaDefinition": AVRO.replace("int", "long")},
        {},
        {"SchemaDefinition": AVRO.replace("int", "double")},
    ),
    "SchemaVersionMetadata": Example(
        "AWS::Glue::SchemaVersionMetadata",
        {
            "SchemaVersionId": {"Fn::GetAtt": ["Schema", "InitialSchemaVersionId"]},
            "Key": "owner",
            "Value": "first",
        },
        {},
        {"Value": "second"},
    ),
    "Classifier": Example(
        "AWS::Glue::Classifier",
        {"CsvClassifier": {"Name": "csv", "Delimiter": ",", "ContainsHeader": "PRESENT"}},
        {"CsvClassifier": {"Name": "csv", "Delimiter": ";", "ContainsHeader": "PRESENT"}},
        {"CsvClassifier": {"Name": "other", "Delimiter": ";", "ContainsHeader": "PRESENT"}},
    ),
    "Ruleset": Example(
        "AWS::Glue::DataQualityRuleset",
        {"Name": "rules", "Ruleset": "Rules = [RowCount > 0]", "Tags": {"stage": "first"}},
        {"Ruleset": "Rules = [RowCount > 1]", "Tags": {"stage": "second"}},
        {"Name": "other-rules"},
    ),
    "Optimizer": Example(
        "AWS::Glue::TableOptimizer",
        {
            "CatalogId": ACCOUNT,
            "DatabaseName": {"Ref": "Catalog"},
            "TableName": {"Ref": "OtherTable"},
            "Type": "compaction",
            "TableOptimizerConfiguration": {"RoleArn": ROLE, "Enabled": "true"},
        },
        {"TableOptimizerConfiguration": {"RoleArn": ROLE, "Enabled": "false"}},
        {"Type": "retention"},
    ),
    "Profile": Example(
        "AWS::Glue::UsageProfile",
        {
            "Name": "small",
            "Configuration": {
                "JobConfiguration": {"numberOfWorkers": {"DefaultValue": "2", "MaxValue": "4"}}
            },
        },
        {"Description": "changed"},
        {"Name": "other-small"},
    ),
    "SecurityConfiguration": Example(
        "AWS::Glue::SecurityConfiguration",
        {"Name": "sealed", "EncryptionConfiguration": {"S3Encryptions": [{"S3EncryptionMode": "SSE-S3"}]}},
        {},
        {"Name": "other-sealed"},
    ),
    "Encryption": Example(
        "AWS::Glue::DataCatalogEncryptionSettings",
        {
            "CatalogId": ACCOUNT,
            "DataCatalogEncryptionSettings": {
                "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": False}
            },
        },
        {
            "DataCatalogEncryptionSettings": {
                "EncryptionAtRest": {"CatalogEncryptionMode": "SSE-KMS", "SseAwsKmsKeyId": "alias/aws/glue"}
            }
        },
    ),
    "WorkGroup": Example(
        "AWS::Athena::WorkGroup",
        {
            "Name": "analysts",
            "Description": "first",
            "RecursiveDeleteOption": True,
            "WorkGroupConfiguration": {
                "EnforceWorkGroupConfiguration": "true",
                "BytesScannedCutoffPerQuery": "10000000",
                "ResultConfiguration": {"OutputLocation": "s3://results/first/"},
            },
            "Tags": tags("first"),
        },
        {
            "Description": None,
            "State": "DISABLED",
            "WorkGroupConfiguration": {
                "EnforceWorkGroupConfiguration": "false",
                "ResultConfiguration": {"OutputLocation": "s3://results/second/"},
            },
            "Tags": tags("second"),
        },
        {"Name": "other-analysts"},
    ),
    "NamedQuery": Example(
        "AWS::Athena::NamedQuery",
        {"Database": "first", "QueryString": "select 1", "WorkGroup": "primary"},
        {},
        {"QueryString": "select 2"},
    ),
    "PreparedStatement": Example(
        "AWS::Athena::PreparedStatement",
        {"StatementName": "one", "WorkGroup": "primary", "QueryStatement": "select ?"},
        {"QueryStatement": "select ?, 2", "Description": "changed"},
        {"StatementName": "two"},
    ),
    "DataCatalog": Example(
        "AWS::Athena::DataCatalog",
        {"Name": "elsewhere", "Type": "GLUE", "Parameters": {"catalog-id": "000000000000"}},
        {"Description": "changed"},
        {"Name": "other_elsewhere"},
    ),
    "Reservation": Example(
        "AWS::Athena::CapacityReservation",
        {"Name": "reserved", "TargetDpus": "24", "Tags": tags("first")},
        {"TargetDpus": "32"},
        {"Name": "other-reserved"},
    ),
    "Bus": Example(
        "AWS::Events::EventBus",
        {"Name": "bus", "Tags": tags("first")},
        {"Tags": tags("second")},
        {"Name": "bus2"},
    ),
    "Archive": Example(
        "AWS::Events::Archive",
        {
            "SourceArn": {"Fn::Sub": "arn:aws:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"},
            "RetentionDays": "7",
        },
        {"RetentionDays": "8", "EventPattern": {"source": ["a"]}},
        {"ArchiveName": "other-archive"},
    ),
    "EventConnection": Example(
        "AWS::Events::Connection",
        {
            "AuthorizationType": "API_KEY",
            "AuthParameters": {"ApiKeyAuthParameters": {"ApiKeyName": "k", "ApiKeyValue": "v"}},
        },
        {"AuthParameters": {"ApiKeyAuthParameters": {"ApiKeyName": "k2", "ApiKeyValue": "v"}}},
        {"Name": "other-connection"},
    ),
    "Pipe": Example(
        "AWS::Pipes::Pipe",
        {
            "RoleArn": ROLE,
            "Source": QUEUE,
            "SourceParameters": {"SqsQueueParameters": {"BatchSize": "2"}},
            "Target": {"Fn::GetAtt": ["Function", "Arn"]},
        },
        {"Description": "changed", "SourceParameters": {"SqsQueueParameters": {"BatchSize": "3"}}},
        {"Name": "other-pipe"},
    ),
    "ApiDestination": Example(
        "AWS::Events::ApiDestination",
        {
            "ConnectionArn": {"Fn::GetAtt": ["EventConnection", "Arn"]},
            "InvocationEndpoint": "https://example.com/first",
            "HttpMethod": "POST",
            "InvocationRateLimitPerSecond": "5",
        },
        {"InvocationEndpoint": "https://example.com/second"},
        {"Name": "other-destination"},
    ),
    "LakeLocation": Example(
        "AWS::LakeFormation::Resource",
        {"ResourceArn": "arn:aws:s3:::lake/first", "RoleArn": ROLE, "UseServiceLinkedRole": False},
        {},
        {"ResourceArn": "arn:aws:s3:::lake/second"},
    ),
    "LakeTag": Example(
        "AWS::LakeFormation::Tag",
        {"CatalogId": ACCOUNT, "TagKey": "class", "TagValues": ["open", "secret"]},
        {},
        {"TagKey": "rank"},
    ),
    "ScheduleGroup": Example(
        "AWS::Scheduler::ScheduleGroup", {"Tags": tags("first")}, {}, {"Name": "other-schedules"}
    ),
    "Schedule": Example(
        "AWS::Scheduler::Schedule",
        {
            "ScheduleExpression": "rate(1 day)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": QUEUE, "RoleArn": ROLE, "RetryPolicy": {"MaximumRetryAttempts": "2"}},
        },
        {"ScheduleExpression": "rate(2 days)", "State": "DISABLED"},
        {"Name": "other-schedule"},
    ),
    "Activity": Example(
        "AWS::StepFunctions::Activity",
        {"Name": "human", "Tags": tags("first")},
        {"Tags": tags("second")},
        {"Name": "robot"},
    ),
    "Machine": Example(
        "AWS::StepFunctions::StateMachine",
        {
            "RoleArn": ROLE,
            "Definition": PASS,
            "DefinitionSubstitutions": {"What": "first"},
            "Tags": tags("first"),
            "TracingConfiguration": {"Enabled": True},
        },
        {
            "DefinitionSubstitutions": {"What": "second"},
            "Tags": tags("second"),
            "TracingConfiguration": {"Enabled": False},
        },
        {"StateMachineName": "other-machine"},
    ),
    "MachineVersion": Example(
        "AWS::StepFunctions::StateMachineVersion",
        {
            "StateMachineArn": {"Ref": "Machine"},
            "StateMachineRevisionId": {"Fn::GetAtt": ["Machine", "StateMachineRevisionId"]},
        },
    ),
    "MachineAlias": Example(
        "AWS::StepFunctions::StateMachineAlias",
        {
            "Name": "live",
            "DeploymentPreference": {
                "StateMachineVersionArn": {"Ref": "MachineVersion"},
                "Type": "ALL_AT_ONCE",
            },
        },
        {"Description": "changed"},
        {"Name": "other"},
    ),
    "Alarm": Example(
        "AWS::CloudWatch::Alarm",
        {
            "Namespace": "Lake",
            "MetricName": "Rows",
            "Statistic": "Sum",
            "Period": "60",
            "EvaluationPeriods": "1",
            "Threshold": "5",
            "ComparisonOperator": "GreaterThanThreshold",
            "Dimensions": [{"Name": "Table", "Value": "orders"}],
            "Tags": tags("first"),
        },
        {"Threshold": "6", "TreatMissingData": "notBreaching", "Tags": tags("second")},
        {"AlarmName": "other-alarm"},
    ),
    "CompositeAlarm": Example(
        "AWS::CloudWatch::CompositeAlarm",
        {"AlarmRule": {"Fn::Sub": "ALARM(${Alarm})"}},
        {"AlarmDescription": "changed"},
        {"AlarmName": "other-composite"},
    ),
    "Dashboard": Example(
        "AWS::CloudWatch::Dashboard",
        {"DashboardBody": '{"widgets": []}'},
        {"DashboardBody": '{"widgets": [], "start": "-PT1H"}'},
        {"DashboardName": "other"},
    ),
    "LogStream": Example(
        "AWS::Logs::LogStream", {"LogGroupName": {"Ref": "Logs"}}, {}, {"LogStreamName": "other"}
    ),
    "MetricFilter": Example(
        "AWS::Logs::MetricFilter",
        {
            "LogGroupName": {"Ref": "Logs"},
            "FilterPattern": "ERROR",
            "MetricTransformations": [{"MetricName": "E", "MetricNamespace": "Lake", "MetricValue": "1"}],
        },
        {"FilterPattern": "WARN"},
        {"FilterName": "other-filter"},
    ),
    "SubscriptionFilter": Example(
        "AWS::Logs::SubscriptionFilter",
        {
            "LogGroupName": {"Ref": "Logs"},
            "FilterPattern": "ERROR",
            "DestinationArn": {"Fn::GetAtt": ["Function", "Arn"]},
        },
        {"FilterPattern": "WARN"},
        {"FilterName": "other-filter"},
    ),
    "LogDestination": Example(
        "AWS::Logs::Destination",
        {
            "DestinationName": "central",
            "RoleArn": ROLE,
            "TargetArn": {"Fn::Sub": "arn:aws:kinesis:${AWS::Region}:${AWS::AccountId}:stream/logs"},
        },
        {"DestinationPolicy": json.dumps(policy("logs:PutSubscriptionFilter"))},
        {"DestinationName": "other-central"},
    ),
    "LogPolicy": Example(
        "AWS::Logs::ResourcePolicy",
        {"PolicyName": "events", "PolicyDocument": json.dumps(policy("logs:PutLogEvents"))},
        {"PolicyDocument": json.dumps(policy("logs:CreateLogStream"))},
        {"PolicyName": "other-events"},
    ),
    "FunctionAlias": Example(
        "AWS::Lambda::Alias",
        {"FunctionName": {"Ref": "Function"}, "FunctionVersion": VERSION, "Name": "live"},
        {"Description": "changed"},
        {"Name": "other"},
    ),
    "EventInvokeConfig": Example(
        "AWS::Lambda::EventInvokeConfig",
        {"FunctionName": {"Ref": "Function"}, "Qualifier": "$LATEST", "MaximumRetryAttempts": "1"},
        {"MaximumRetryAttempts": "0", "MaximumEventAgeInSeconds": "60"},
        {"Qualifier": VERSION},
    ),
    "Url": Example(
        "AWS::Lambda::Url",
        {"TargetFunctionArn": {"Fn::GetAtt": ["Function", "Arn"]}, "AuthType": "NONE"},
        {"AuthType": "AWS_IAM"},
        {"Qualifier": {"Fn::Select": [7, {"Fn::Split": [":", {"Ref": "FunctionAlias"}]}]}},
    ),
    "RolePolicy": Example(
        "AWS::IAM::RolePolicy",
        {"RoleName": {"Ref": "Role"}, "PolicyName": "one", "PolicyDocument": policy("s3:*")},
        {"PolicyDocument": policy("sqs:*")},
        {"PolicyName": "two"},
    ),
    "UserPolicy": Example(
        "AWS::IAM::UserPolicy",
        {"UserName": {"Ref": "User"}, "PolicyName": "one", "PolicyDocument": policy("s3:*")},
        {"PolicyDocument": policy("sqs:*")},
        {"UserName": {"Ref": "OtherUser"}},
    ),
    "GroupPolicy": Example(
        "AWS::IAM::GroupPolicy",
        {"GroupName": {"Ref": "Group"}, "PolicyName": "one", "PolicyDocument": policy("s3:*")},
        {"PolicyDocument": policy("sqs:*")},
        {"GroupName": {"Ref": "OtherGroup"}},
    ),
    "Oidc": Example(
        "AWS::IAM::OIDCProvider",
        {
            "Url": "https://token.example.com",
            "ClientIdList": ["sts"],
            "ThumbprintList": ["a" * 40],
            "Tags": tags("a"),
        },
        {"ThumbprintList": ["b" * 40], "Tags": tags("b")},
        {"Url": "https://other.example.com"},
    ),
    "Address": Example("AWS::EC2::EIP", {"Domain": "vpc", "Tags": tags("first")}, {"Tags": tags("second")}),
    "FlowLog": Example(
        "AWS::EC2::FlowLog",
        {
            "ResourceId": {"Ref": "Vpc"},
            "ResourceType": "VPC",
            "TrafficType": "ALL",
            "LogDestinationType": "s3",
            "LogDestination": {"Fn::GetAtt": ["Bucket", "Arn"]},
            "Tags": tags("first"),
        },
        {"Tags": tags("second")},
        {"TrafficType": "REJECT", "LogDestination": {"Fn::Sub": "${Bucket.Arn}/rejected/"}},
    ),
    "Ingress": Example(
        "AWS::EC2::SecurityGroupIngress",
        {
            "GroupId": {"Ref": "Group0"},
            "IpProtocol": "tcp",
            "FromPort": "443",
            "ToPort": "443",
            "CidrIp": "10.0.0.0/8",
        },
        {},
        {"FromPort": "80", "ToPort": "80"},
    ),
    "Egress": Example(
        "AWS::EC2::SecurityGroupEgress",
        {
            "GroupId": {"Ref": "Group0"},
            "IpProtocol": "tcp",
            "FromPort": "5432",
            "ToPort": "5432",
            "CidrIp": "10.0.0.0/8",
        },
        {},
        {"FromPort": "5433", "ToPort": "5433"},
    ),
    "ReportGroup": Example(
        "AWS::CodeBuild::ReportGroup",
        {"Type": "TEST", "ExportConfig": {"ExportConfigType": "NO_EXPORT"}, "Tags": tags("first")},
        {
            "ExportConfig": {
                "ExportConfigType": "S3",
                "S3Destination": {"Bucket": {"Ref": "Bucket"}, "Path": "reports"},
            }
        },
        {"Name": "other-reports"},
    ),
    "SourceCredential": Example(
        "AWS::CodeBuild::SourceCredential",
        {"ServerType": "GITHUB", "AuthType": "PERSONAL_ACCESS_TOKEN", "Token": "first"},
        {"Token": "second"},
        {"ServerType": "BITBUCKET"},
    ),
}

SERVED = {kind for kind, row in TABLE.items() if is_served(row)}


def template(*stages: str) -> dict[str, Any]:
    """The stack with each resource's properties at the stages, one over the other."""
    resources = dict(NEEDED)
    for name, example in EXAMPLES.items():
        if example.kind not in SERVED:
            continue
        properties = {key: value for stage in stages for key, value in getattr(example, stage).items()}
        properties = {key: value for key, value in properties.items() if value is not None}
        resources[name] = {"Type": example.kind, "Properties": properties}
    return {"Resources": resources}


@pytest.fixture(scope="module")
def stack(running_engine: RunningEngine) -> Stack:
    return Stack(running_engine, "types")


def drifted(stack: Stack) -> dict[str, Any]:
    """Each resource that is not what the template says, with the differences."""
    stack.client.detect_stack_drift(StackName=stack.name)
    drifts = stack.client.describe_stack_resource_drifts(
        StackName=stack.name, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"]
    )["StackResourceDrifts"]
    return {
        one["LogicalResourceId"]: one["PropertyDifferences"] or one["StackResourceDriftStatus"]
        for one in drifts
    }


def test_every_row_has_an_example() -> None:
    assert set(TABLE) == {one.kind for one in EXAMPLES.values()}


def test_resources_are_made_as_the_template_says(stack: Stack) -> None:
    assert stack.deploy(template("first")) == "CREATE_COMPLETE", stack.failures()
    assert drifted(stack) == {}


def test_changes_reach_the_resources_in_place(stack: Stack) -> None:
    before = stack.resources()
    assert stack.deploy(template("first", "change")) == "UPDATE_COMPLETE", stack.failures()
    moved = {name for name, physical_id in stack.resources().items() if before[name] != physical_id}
    assert moved == {"MachineVersion"}
    assert drifted(stack) == {}


def test_a_property_that_cannot_be_changed_replaces_the_resource(stack: Stack) -> None:
    before = stack.resources()
    assert stack.deploy(template("first", "change", "other")) == "UPDATE_COMPLETE", stack.failures()
    moved = {name for name, physical_id in stack.resources().items() if before[name] != physical_id}
    replaced = {name for name, one in EXAMPLES.items() if one.other and one.kind in SERVED}
    assert replaced - moved == set()
    assert drifted(stack) == {}


def test_deleted_resources_are_gone(running_engine: RunningEngine, stack: Stack) -> None:
    assert stack.delete() == "DELETE_COMPLETE", stack.failures()
    client = running_engine.client
    assert client("glue").get_databases()["DatabaseList"] == []
    assert client("glue").list_jobs()["JobNames"] == []
    assert [one["Name"] for one in client("athena").list_work_groups()["WorkGroups"]] == ["primary"]
    assert client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert client("stepfunctions").list_state_machines()["stateMachines"] == []
