"""Terraform's Athena resources: made, changed and destroyed, and never different afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from athena_fixtures import BUCKET
from engine_fixtures import RunningEngine
from terraform_fixtures import BareTerraform

VERSIONS = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
"""

CONFIGURATION = """
variable "limit" { type = number }
provider "aws" { region = "eu-west-1" }
resource "aws_athena_workgroup" "this" {
  name        = "lab"
  description = "A workgroup"
  tags        = { team = "data" }
  configuration {
    bytes_scanned_cutoff_per_query = var.limit
    result_configuration {
      output_location = "s3://BUCKET/results/"
      encryption_configuration { encryption_option = "SSE_S3" }
    }
  }
}
resource "aws_athena_database" "this" {
  name    = "lab"
  bucket  = "BUCKET"
  comment = "A database"
}
resource "aws_athena_named_query" "this" {
  name        = "count"
  workgroup   = aws_athena_workgroup.this.id
  database    = aws_athena_database.this.name
  query       = "SELECT 1"
  description = "A query"
}
resource "aws_athena_prepared_statement" "this" {
  name            = "below"
  workgroup       = aws_athena_workgroup.this.name
  query_statement = "SELECT ?"
}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "source"
    directory.mkdir()
    (directory / "versions.tf").write_text(VERSIONS)
    (directory / "main.tf").write_text(CONFIGURATION.replace("BUCKET", BUCKET))
    return directory


def test_athena_resources_round_trip(running_engine: RunningEngine, source: Path) -> None:
    settings = running_engine.settings
    running_engine.client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": settings.region}
    )
    terraform = BareTerraform.of(settings, source)
    terraform.must("init", "-input=false")

    assert "4 added" in terraform.must("apply", "-auto-approve", "-no-color", "-var=limit=20000000")
    assert not terraform.has_changes("-var=limit=20000000")
    assert "1 changed" in terraform.must("apply", "-auto-approve", "-no-color", "-var=limit=30000000")
    assert not terraform.has_changes("-var=limit=30000000")
    athena = running_engine.client("athena")
    group = athena.get_work_group(WorkGroup="lab")["WorkGroup"]
    assert group["Configuration"]["BytesScannedCutoffPerQuery"] == 30_000_000
    assert "4 destroyed" in terraform.must("destroy", "-auto-approve", "-no-color", "-var=limit=30000000")
    assert [g["Name"] for g in athena.list_work_groups()["WorkGroups"]] == ["primary"]
