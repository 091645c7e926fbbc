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
    Cloudwatch,
    CloudwatchEventEventBased,
    CloudwatchLogs,
    SystemsManagerParameterStore,
)
from diagrams.aws.network import VPC
from diagrams.aws.security import IAMPermissions, IAMRole, KeyManagementService, SecretsManager
from diagrams.aws.storage import S3
from diagrams.onprem.client import User
from diagrams.onprem.iac import Terraform
from diagrams.onprem.vcs import Git
from picture import Picture, control, group, icon, left_text, point, text, watch


def draw() -> None:
    """Every step of a deployment, in the order in which they happen."""
    _groups()
    engineer = icon(User, "data\nengineer", 66, 74)
    code = icon(Git, "terraform/ glue_jobs/\nlambdas/ fixtures/", 258, 74)
    template = icon(CloudformationTemplate, "template\nCFN/seed.yaml", 404, 74)
    change_set = icon(CloudformationChangeSet, "change set\nshown first", 612, 74)
    stack = icon(CloudformationStack, "seed\nstack", 812, 74)

    icon(SystemsManagerParameterStore, "repository,\nbranch", 66, 254)
    icon(SecretsManager, "Git key", 166, 254)
    icon(IAMRole, "role of\nthe build", 266, 254)
    icon(IAMPermissions, "boundary of\nevery role", 366, 254)
    bucket = icon(S3, "state, plans\nversioned", 480, 254)
    icon(DynamodbTable, "lock", 600, 254)
    icon(KeyManagementService, "KMS key", 720, 254)

    icon(Git, "the branch", 76, 438)
    icon(Codebuild, "clone and\npackage", 256, 438)
    plan = icon(Terraform, "plan\nsaved, shown", 400, 438)
    apply = icon(Terraform, "apply that plan\n(production: approved)", 560, 438)
    logs = icon(CloudwatchLogs, "log", 690, 438)
    failed = icon(CloudwatchEventEventBased, "failed build", 764, 438)
    told = icon(SNS, "operators", 850, 438)

    icon(VPC, "network", 66, 614)
    icon(IAMRole, "roles", 158, 614)
    icon(KeyManagementService, "KMS key", 250, 614)
    icon(S3, "lake", 342, 614)
    icon(DynamodbTable, "settings", 434, 614)
    icon(Glue, "jobs", 526, 614)
    icon(Lambda, "functions", 618, 614)
    icon(StepFunctions, "ingest", 700, 614)
    icon(Athena, "workgroup", 774, 614)
    icon(Cloudwatch, "alarms", 850, 614)

    engineer >> control() >> code
    text("push", 162, 62)
    template >> control() >> change_set >> control() >> stack
    text("millpond\ndeploy", 508, 50)
    text("approved", 712, 62)
    stack >> control() >> point(812, 208)
    point(256, 332) >> control() >> point(256, 412)
    text("what it is told and what it may do", 138, 360)
    for left, right in ((104, 228), (284, 370), (430, 530)):
        point(left, 438) >> control() >> point(right, 438)
    plan - watch() - bucket
    apply - watch() - bucket
    apply >> control() >> point(560, 568)
    point(640, 470) >> watch() >> logs
    failed >> watch() >> told
    for x, edge, words in ((8, control(), "what comes next"), (210, watch(), "kept, told")):
        point(x, 694) >> edge >> point(x + 44, 694)
        left_text(words, x + 48, 694)


def _groups() -> None:
    group("Git repository", (184, 24, 466, 144), "#fdf6ec", "#d68910")
    group("CloudFormation", (546, 24, 892, 144), "#fbf0f6", "#cd2264")
    group("What the stack makes", (8, 208, 892, 332), "#f7f8fa", "#879196")
    group("CodeBuild · one build at a time", (8, 388, 640, 516), "#eef0fd", "#3f48cc")
    group("Watched by", (650, 388, 892, 516), "#eef0fd", "#3f48cc")
    group("The platform", (8, 568, 892, 672), "#eef7ec", "#1b660f")


DEPLOY = Picture(Path(__file__).parent / "Deploy.png", "From a commit to a platform", draw)
