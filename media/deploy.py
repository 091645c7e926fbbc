"""media/Deploy.png: from Git through CloudFormation and CodeBuild to what Terraform makes."""

from __future__ import annotations

from pathlib import Path

from diagrams.aws.analytics import Athena, Glue
from diagrams.aws.compute import Lambda
from diagrams.aws.database import DynamodbTable
from diagrams.aws.devtools import Codebuild
from diagrams.aws.integration import SNS, StepFunctions
from diagrams.aws.management import (
    CloudformationChangeSet,
    CloudformationStack,
    CloudformationTemplate,
    CloudwatchEventEventBased,
    CloudwatchLogs,
    SystemsManagerParameterStore,
)
from diagrams.aws.network import VPC
from diagrams.aws.security import IAMPermissions, IAMRole, SecretsManager
from diagrams.aws.storage import S3
from diagrams.onprem.client import User
from diagrams.onprem.iac import Terraform
from diagrams.onprem.vcs import Git
from picture import Picture, control, group, icon, watch


def draw() -> None:
    """Every step of a deployment, in the order in which they happen."""
    engineer = icon(User, "data engineer")
    with group("Git repository", "#fdf6ec", "#d68910"):
        template = icon(CloudformationTemplate, "CFN/seed.yaml")
        code = icon(Git, "terraform/ · glue_jobs/\nlambdas/ · fixtures/")
    with group("CloudFormation", "#fbf0f6", "#cd2264"):
        change_set = icon(CloudformationChangeSet, "change set\nshown first")
        stack = icon(CloudformationStack, "seed stack")
    with group("What the stack makes"):
        parameters = icon(SystemsManagerParameterStore, "repository, branch\ndirectories")
        key = icon(SecretsManager, "Git key")
        role = icon(IAMRole, "role of the build")
        boundary = icon(IAMPermissions, "boundary of\nevery role")
    with group("CodeBuild · one build at a time", "#eef0fd", "#3f48cc"):
        build = icon(Codebuild, "clone · package\nplan · apply")
        terraform = icon(Terraform, "the saved plan")
    with group("State of Terraform", "#eef7ec", "#1b660f"):
        state = icon(S3, "state and plans\nversioned")
        lock = icon(DynamodbTable, "lock")
    with group("The platform", "#eef7ec", "#1b660f"):
        network = icon(VPC, "network")
        lake = icon(S3, "lake")
        jobs = icon(Glue, "jobs, catalog")
        functions = icon(Lambda, "functions")
        machine = icon(StepFunctions, "ingest")
        athena = icon(Athena, "workgroup\nviews")
    with group("Watched by", "#eef0fd", "#3f48cc"):
        logs = icon(CloudwatchLogs, "log of the build")
        failed = icon(CloudwatchEventEventBased, "failed build")
        told = icon(SNS, "who is told")

    engineer >> control("push") >> code
    engineer >> control("millpond deploy") >> template >> control() >> change_set
    change_set >> control("approved") >> stack
    stack >> control() >> [parameters, key, role, boundary]
    engineer >> control("starts", style="dotted") >> build
    [parameters, key, role] >> control() >> build
    code >> control("clone") >> build >> control() >> terraform
    terraform - watch() - state
    terraform - watch() - lock
    terraform >> control() >> [network, lake, jobs, functions, machine, athena]
    build >> watch() >> logs
    build >> watch() >> failed >> watch() >> told


DEPLOY = Picture(Path(__file__).parent / "Deploy.png", "From a commit to a platform", "TB", draw)
