"""CloudFormation stacks of the types that a bootstrap template uses, on a real engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from codebuild_fixtures import TRUST, CodeBuild
from engine_fixtures import RunningEngine
from stack_fixtures import Stack

ALLOW: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
BUCKET = {
    "Type": "AWS::S3::Bucket",
    "DeletionPolicy": "Retain",
    "UpdateReplacePolicy": "Retain",
    "Properties": {
        "BucketName": "tf-state",
        "VersioningConfiguration": {"Status": "Enabled"},
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
            ]
        },
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "LifecycleConfiguration": {
            "Rules": [
                {
                    "Id": "old",
                    "Status": "Enabled",
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 90, "NewerNoncurrentVersions": 5},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                }
            ]
        },
        "Tags": [{"Key": "use", "Value": "state"}],
    },
}
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "RoleName": "stack-builder",
        "AssumeRolePolicyDocument": TRUST,
        "PermissionsBoundary": {"Ref": "Boundary"},
        "ManagedPolicyArns": [{"Ref": "Boundary"}],
        "Policies": [
            {
                "PolicyName": "inline",
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
                },
            }
        ],
    },
}
BOUNDARY = {
    "Type": "AWS::IAM::ManagedPolicy",
    "Properties": {
        "Description": "what a build may do at most",
        "Path": "/builds/",
        "PolicyDocument": ALLOW,
    },
}
PROJECT = {
    "Type": "AWS::CodeBuild::Project",
    "Properties": {
        "Name": "stack-project",
        "Description": "first",
        "ServiceRole": {"Fn::GetAtt": ["Role", "Arn"]},
        "Artifacts": {"Type": "NO_ARTIFACTS"},
        "Cache": {"Type": "LOCAL", "Modes": ["LOCAL_CUSTOM_CACHE"]},
        "Source": {"Type": "NO_SOURCE", "BuildSpec": "version: 0.2\nphases: {build: {commands: [echo hi]}}"},
        "TimeoutInMinutes": 30,
        "Environment": {
            "Type": "LINUX_CONTAINER",
            "ComputeType": "BUILD_GENERAL1_SMALL",
            "Image": "aws/codebuild/standard:7.0",
            "EnvironmentVariables": [{"Name": "A", "Value": "1"}],
        },
        "LogsConfig": {"CloudWatchLogs": {"Status": "ENABLED", "GroupName": {"Ref": "LogGroup"}}},
        "VpcConfig": {
            "VpcId": "vpc-1",
            "Subnets": {"Ref": "Subnets"},
            "SecurityGroupIds": [{"Fn::GetAtt": ["Group", "GroupId"]}],
        },
        "Tags": [{"Key": "env", "Value": "dev"}],
    },
}


def template(**changes: Mapping[str, Any]) -> dict[str, Any]:
    """The bootstrap in small, with other properties for some of its resources."""
    resources: dict[str, Any] = {
        "Boundary": BOUNDARY,
        "Role": ROLE,
        "Project": PROJECT,
        "LogGroup": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": "/aws/codebuild/stack-project", "RetentionInDays": 30},
        },
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": "builds",
                "GroupName": "builds",
                "SecurityGroupEgress": [
                    {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}
                ],
            },
        },
        "State": BUCKET,
        "StatePolicy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": "State"},
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Deny",
                            "Principal": "*",
                            "Action": "s3:*",
                            "Resource": [{"Fn::GetAtt": ["State", "Arn"]}],
                            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                        }
                    ],
                },
            },
        },
        "Lock": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "tf-state-lock-bootstrap",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "LockID", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "LockID", "KeyType": "HASH"}],
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "SSESpecification": {"SSEEnabled": True},
            },
        },
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"Description": "first", "EnableKeyRotation": True}},
        "Alias": {
            "Type": "AWS::KMS::Alias",
            "Properties": {"AliasName": "alias/bootstrap", "TargetKeyId": {"Ref": "Key"}},
        },
        "Branch": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": "/seed/branch", "Type": "String", "Value": {"Ref": "GitBranch"}},
        },
        "Secret": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {"Name": "seed/key", "SecretString": {"Ref": "GitKey"}},
        },
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "failed-builds"}},
        "TopicPolicy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {
                "Topics": [{"Ref": "Topic"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "events.amazonaws.com"},
                            "Action": "sns:Publish",
                            "Resource": {"Ref": "Topic"},
                        }
                    ],
                },
            },
        },
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Condition": "HasMail",
            "Properties": {"TopicArn": {"Ref": "Topic"}, "Protocol": "email", "Endpoint": {"Ref": "Mail"}},
        },
        "Failed": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {
                    "source": ["aws.codebuild"],
                    "detail-type": ["CodeBuild Build State Change"],
                    "detail": {"build-status": ["FAILED"], "project-name": [{"Ref": "Project"}]},
                },
                "State": "ENABLED",
                "Targets": [{"Id": "topic", "Arn": {"Ref": "Topic"}}],
            },
        },
    }
    for name, properties in changes.items():
        known = resources[name]
        resources[name] = {**known, "Properties": {**known["Properties"], **properties}}
    return {
        "Parameters": {
            "GitBranch": {"Type": "String", "Default": "main", "AllowedPattern": "[a-z/]+"},
            "GitKey": {"Type": "String", "NoEcho": True, "Default": "none"},
            "Mail": {"Type": "String", "Default": ""},
            "Subnets": {"Type": "List<AWS::EC2::Subnet::Id>", "Default": "subnet-1,subnet-2"},
        },
        "Metadata": {"AWS::CloudFormation::Interface": {"ParameterGroups": [{"Parameters": ["GitBranch"]}]}},
        "Conditions": {"HasMail": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Mail"}, ""]}]}},
        "Resources": resources,
        "Outputs": {
            "Project": {"Value": {"Ref": "Project"}},
            "ProjectArn": {"Value": {"Fn::GetAtt": ["Project", "Arn"]}},
        },
    }


@pytest.fixture(scope="module")
def stack(running_engine: RunningEngine) -> Stack:
    stack = Stack(running_engine, "seed")
    assert stack.deploy(template(), GitKey="top secret") == "CREATE_COMPLETE", stack.reasons()
    return stack


def test_project_of_a_stack_is_what_the_template_says(running_engine: RunningEngine, stack: Stack) -> None:
    [project] = CodeBuild(running_engine).client.batch_get_projects(names=["stack-project"])["projects"]
    assert project["description"] == "first"
    assert project["source"]["buildspec"].startswith("version: 0.2")
    assert project["cache"] == {"type": "LOCAL", "modes": ["LOCAL_CUSTOM_CACHE"]}
    assert project["vpcConfig"]["subnets"] == ["subnet-1", "subnet-2"]
    assert project["timeoutInMinutes"] == 30
    assert project["logsConfig"]["cloudWatchLogs"]["groupName"] == "/aws/codebuild/stack-project"
    assert project["tags"] == [{"key": "env", "value": "dev"}]
    outputs = stack.client.describe_stacks(StackName="seed")["Stacks"][0]["Outputs"]
    assert {one["OutputKey"]: one["OutputValue"] for one in outputs} == {
        "Project": "stack-project",
        "ProjectArn": project["arn"],
    }


def test_bucket_of_a_stack_is_as_closed_as_the_template_says(
    running_engine: RunningEngine, stack: Stack
) -> None:
    s3 = running_engine.client("s3")
    assert s3.get_bucket_versioning(Bucket="tf-state")["Status"] == "Enabled"
    [rule] = s3.get_bucket_encryption(Bucket="tf-state")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert all(s3.get_public_access_block(Bucket="tf-state")["PublicAccessBlockConfiguration"].values())
    [rule] = s3.get_bucket_ownership_controls(Bucket="tf-state")["OwnershipControls"]["Rules"]
    assert rule == {"ObjectOwnership": "BucketOwnerEnforced"}
    [rule] = s3.get_bucket_lifecycle_configuration(Bucket="tf-state")["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90, "NewerNoncurrentVersions": 5}
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket="tf-state")["Policy"]
    grants = s3.get_bucket_acl(Bucket="tf-state")["Grants"]
    assert [one for one in grants if one["Grantee"]["Type"] == "Group"] == []


def test_other_resources_of_a_stack_have_their_properties(
    running_engine: RunningEngine, stack: Stack
) -> None:
    client = running_engine.client
    [group] = client("logs").describe_log_groups(logGroupNamePrefix="/aws/codebuild/stack")["logGroups"]
    assert group["retentionInDays"] == 30
    role = client("iam").get_role(RoleName="stack-builder")["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == stack.resources()["Boundary"]
    policy = client("iam").get_policy(PolicyArn=stack.resources()["Boundary"])["Policy"]
    assert (policy["Description"], policy["Path"]) == ("what a build may do at most", "/builds/")
    assert client("iam").list_role_policies(RoleName="stack-builder")["PolicyNames"] == ["inline"]
    [group] = client("ec2").describe_security_groups(GroupNames=["builds"])["SecurityGroups"]
    [egress] = group["IpPermissionsEgress"]
    assert (egress["FromPort"], egress["ToPort"]) == (443, 443)
    backups = client("dynamodb").describe_continuous_backups(TableName="tf-state-lock-bootstrap")
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    assert client("secretsmanager").get_secret_value(SecretId="seed/key")["SecretString"] == "top secret"
    shown = stack.client.describe_stacks(StackName="seed")["Stacks"][0]["Parameters"]
    assert {one["ParameterKey"]: one["ParameterValue"] for one in shown}["GitKey"] == "****"
    assert "Subscription" not in stack.resources()


def test_changed_properties_reach_the_resources_in_place(running_engine: RunningEngine, stack: Stack) -> None:
    before = stack.resources()
    changed = template(
        Project={"Description": "second", "TimeoutInMinutes": 45, "Tags": []},
        LogGroup={"RetentionInDays": 90},
        Role={"Description": "changed", "Policies": []},
        Boundary={"PolicyDocument": {**ALLOW, "Statement": [{**ALLOW["Statement"][0], "Action": "s3:*"}]}},
        Group={
            "SecurityGroupEgress": [
                {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}
            ]
        },
        State={"VersioningConfiguration": {"Status": "Suspended"}, "Tags": []},
        Secret={"SecretString": "rotated"},
        Key={"Description": "second", "EnableKeyRotation": False},
        Failed={"State": "DISABLED"},
        Lock={"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False}},
    )
    assert stack.deploy(changed, GitBranch="release/one") == "UPDATE_COMPLETE", stack.reasons()
    client = running_engine.client
    assert stack.resources() == before
    [project] = client("codebuild").batch_get_projects(names=["stack-project"])["projects"]
    assert (project["description"], project["timeoutInMinutes"], project["tags"]) == ("second", 45, [])
    [group] = client("logs").describe_log_groups(logGroupNamePrefix="/aws/codebuild/stack")["logGroups"]
    assert group["retentionInDays"] == 90
    assert client("iam").list_role_policies(RoleName="stack-builder")["PolicyNames"] == []
    policy = client("iam").get_policy(PolicyArn=before["Boundary"])["Policy"]
    assert policy["DefaultVersionId"] == "v2"
    [group] = client("ec2").describe_security_groups(GroupNames=["builds"])["SecurityGroups"]
    assert [one["FromPort"] for one in group["IpPermissionsEgress"]] == [22]
    assert client("s3").get_bucket_versioning(Bucket="tf-state")["Status"] == "Suspended"
    assert client("secretsmanager").get_secret_value(SecretId="seed/key")["SecretString"] == "rotated"
    assert not client("kms").get_key_rotation_status(KeyId=before["Key"])["KeyRotationEnabled"]
    assert client("events").describe_rule(Name=before["Failed"])["State"] == "DISABLED"
    assert client("ssm").get_parameter(Name="/seed/branch")["Parameter"]["Value"] == "release/one"


def test_failed_change_is_rolled_back_and_the_next_one_works(
    running_engine: RunningEngine, stack: Stack
) -> None:
    broken = template(
        Project={"Description": "third", "TimeoutInMinutes": 45},
        LogGroup={"RetentionInDays": 7},
        StatePolicy={"PolicyDocument": "not a policy"},
    )
    before = stack.resources()
    assert stack.deploy(broken) == "UPDATE_ROLLBACK_COMPLETE", stack.reasons()
    assert stack.resources() == before
    client = running_engine.client
    [group] = client("logs").describe_log_groups(logGroupNamePrefix="/aws/codebuild/stack")["logGroups"]
    assert group["retentionInDays"] == 90
    [project] = client("codebuild").batch_get_projects(names=["stack-project"])["projects"]
    assert project["description"] == "second"
    assert stack.deploy(template(Project={"Description": "fourth"})) == "UPDATE_COMPLETE", stack.reasons()


def test_failed_creation_leaves_nothing_behind(running_engine: RunningEngine) -> None:
    failing = Stack(running_engine, "failing")
    resources = {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "gone-again"}},
        "Group": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": {"Fn::GetAtt": ["Topic", "TopicName"]}, "RetentionInDays": 7},
        },
        "Twin": {
            "Type": "AWS::Logs::LogGroup",
            "DependsOn": "Group",
            "Properties": {"LogGroupName": "gone-again"},
        },
    }
    assert failing.deploy({"Resources": resources}) == "ROLLBACK_COMPLETE", failing.reasons()
    topics = running_engine.client("sns").list_topics()["Topics"]
    assert [one for one in topics if one["TopicArn"].endswith("gone-again")] == []
    groups = running_engine.client("logs").describe_log_groups(logGroupNamePrefix="gone-again")
    assert groups["logGroups"] == []
    assert failing.delete() == "DELETE_COMPLETE"


def test_new_name_replaces_the_project(running_engine: RunningEngine, stack: Stack) -> None:
    changed = template(Project={"Name": "renamed-project"})
    assert stack.deploy(changed) == "UPDATE_COMPLETE", stack.reasons()
    codebuild = running_engine.client("codebuild")
    found = codebuild.batch_get_projects(names=["stack-project", "renamed-project"])
    assert [one["name"] for one in found["projects"]] == ["renamed-project"]
    assert found["projectsNotFound"] == ["stack-project"]


def test_deleted_stack_keeps_only_what_it_retains(running_engine: RunningEngine, stack: Stack) -> None:
    assert stack.delete() == "DELETE_COMPLETE", stack.reasons()
    assert running_engine.client("codebuild").list_projects()["projects"] == [], stack.reasons()
    running_engine.client("s3").head_bucket(Bucket="tf-state")
    assert "tf-state-lock-bootstrap" not in running_engine.client("dynamodb").list_tables()["TableNames"]
    roles = running_engine.client("iam").list_roles()["Roles"]
    assert "stack-builder" not in [one["RoleName"] for one in roles]


def test_property_that_would_be_left_out_fails_the_stack_by_its_name(running_engine: RunningEngine) -> None:
    stack = Stack(running_engine, "odd-bucket")
    metrics = {"MetricsConfigurations": [{"Id": "all"}]}
    resources = {"Odd": {"Type": "AWS::S3::Bucket", "Properties": metrics}}
    assert stack.deploy({"Resources": resources}).endswith(("FAILED", "ROLLBACK_COMPLETE"))
    assert "MetricsConfigurations" in stack.reasons()


def test_bucket_with_objects_stays_and_says_why(running_engine: RunningEngine) -> None:
    stack = Stack(running_engine, "full-bucket")
    resources = {"Full": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "full"}}}
    assert stack.deploy({"Resources": resources}) == "CREATE_COMPLETE"
    s3 = running_engine.client("s3")
    s3.put_object(Bucket="full", Key="precious", Body=b"rows")
    assert stack.delete() == "DELETE_FAILED"
    assert "not empty" in stack.reasons()
    assert s3.get_object(Bucket="full", Key="precious")["Body"].read() == b"rows"


def test_values_that_a_template_does_not_accept_are_refused(running_engine: RunningEngine) -> None:
    strict = {
        "Parameters": {
            "Environment": {"Type": "String", "AllowedValues": ["dev", "prod"]},
            "Approval": {"Type": "String", "Default": "no"},
        },
        "Rules": {
            "Prod": {
                "RuleCondition": {"Fn::Equals": [{"Ref": "Environment"}, "prod"]},
                "Assertions": [
                    {
                        "Assert": {"Fn::Equals": [{"Ref": "Approval"}, "yes"]},
                        "AssertDescription": "approve it",
                    }
                ],
            }
        },
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    }
    stack = Stack(running_engine, "strict")
    with pytest.raises(ClientError, match="Parameter Environment failed to satisfy constraint"):
        stack.deploy(strict, Environment="test")
    with pytest.raises(ClientError, match="Rule Prod failed: approve it"):
        stack.deploy(strict, Environment="prod")
    assert stack.deploy(strict, Environment="prod", Approval="yes") == "CREATE_COMPLETE"
    stack.client.update_termination_protection(StackName="strict", EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="TerminationProtection is enabled"):
        stack.delete()


def test_rolled_back_stack_can_only_be_deleted(running_engine: RunningEngine) -> None:
    stack = Stack(running_engine, "rolled-back")
    failing = {"Resources": {"Odd": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "No Name"}}}}
    assert stack.deploy(failing) == "ROLLBACK_COMPLETE"
    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        stack.deploy(failing)
    assert stack.delete() == "DELETE_COMPLETE"
