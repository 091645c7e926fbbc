"""A production buildspec that runs Terraform with an S3 backend, unchanged, on a real engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from codebuild_fixtures import CodeBuild, commit, contexts, git_repository
from engine_fixtures import RunningEngine, new_engine

from millpond.planes.common.context import Tools
from millpond.toolchain import components as toolchain

BUILDSPEC = """
version: 0.2
env:
  exported-variables: [PARAMETER]
phases:
  pre_build:
    commands:
      - cd live
      - terraform init -input=false -no-color
      - terraform plan -input=false -no-color -out=plan.bin
  build:
    commands:
      - terraform apply -input=false -no-color plan.bin
      - export PARAMETER=$(terraform output -raw parameter)
"""
MAIN = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
  backend "s3" {
    bucket         = "tf-state"
    key            = "live/terraform.tfstate"
    region         = "eu-west-1"
    encrypt        = true
    use_lockfile   = true
    dynamodb_table = "tf-lock"
  }
}

provider "aws" {
  region = "eu-west-1"
}

data "aws_caller_identity" "this" {}

resource "aws_ssm_parameter" "this" {
  name  = "/made/by/terraform"
  type  = "String"
  value = data.aws_caller_identity.this.arn
}

output "parameter" {
  value = aws_ssm_parameter.this.name
}
"""


@pytest.fixture
def codebuild(tmp_path: Path) -> Iterator[CodeBuild]:
    running: RunningEngine = new_engine(tmp_path)
    terraform = toolchain.find_terraform(running.settings)
    provider = toolchain.find_provider(running.settings)
    tools_file = tmp_path / "tools.json"
    tools = Tools.from_json(tools_file.read_text())
    known = dataclasses.replace(tools, terraform=terraform.path, terraform_mirror=provider.path)
    tools_file.write_text(known.to_json())
    running.engine.start()
    try:
        s3 = running.client("s3")
        s3.create_bucket(Bucket="tf-state", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        running.client("dynamodb").create_table(
            TableName="tf-lock",
            AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield CodeBuild(running)
    finally:
        running.engine.stop()


def test_terraform_applies_with_its_state_in_s3_and_a_broken_configuration_fails_the_build(
    codebuild: CodeBuild, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    git_repository(repository, {"live/main.tf": MAIN, "buildspec.yml": BUILDSPEC})
    source = {"type": "CODECOMMIT", "location": repository.as_uri()}
    project = codebuild.project("terraform", "", source=source)

    build = codebuild.ended(codebuild.start(project))

    assert build["buildStatus"] == "SUCCEEDED", "\n".join(codebuild.log(build))
    assert build["exportedEnvironmentVariables"] == [{"name": "PARAMETER", "value": "/made/by/terraform"}]
    value = codebuild.engine.client("ssm").get_parameter(Name="/made/by/terraform")["Parameter"]["Value"]
    assert ":assumed-role/builder/AWSCodeBuild-" in value
    listed = codebuild.engine.client("s3").list_objects_v2(Bucket="tf-state")["Contents"]
    assert [one["Key"] for one in listed] == ["live/terraform.tfstate"]
    assert any("Apply complete! Resources: 1 added" in line for line in codebuild.log(build))

    (repository / "live/main.tf").write_text(MAIN + "nonsense\n")
    commit(repository, "broken")
    broken = codebuild.ended(codebuild.start(project))
    assert broken["buildStatus"] == "FAILED"
    assert "terraform init" in contexts(broken, "PRE_BUILD")[0][1]
