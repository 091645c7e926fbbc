"""Terraform's Athena resources: made, changed and destroyed, and never different afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from athena_fixtures import BUCKET
from engine_fixtures import RunningEngine, running_engine  # noqa: F401

from millpond import toolchain
from millpond.terraform import Terraform, TerraformTool

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


def test_athena_resources_round_trip(running_engine: RunningEngine, source: Path, tmp_path: Path) -> None:  # noqa: F811
    settings = running_engine.settings
    running_engine.client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": settings.region}
    )
    found = toolchain.ensure(settings)

    def terraform(limit: int) -> Terraform:
        made = Terraform(
            TerraformTool(found.terraform, found.mirror),
            source=source,
            work=tmp_path / "work",
            cache=settings.home / "terraform" / "providers",
            pid_file=tmp_path / "terraform.pid",
            log_file=tmp_path / "terraform.log",
            endpoint_url=settings.endpoint_url,
            region=settings.region,
            variables={"limit": limit},
        )
        made.prepare()
        return made

    assert terraform(20_000_000).apply()[0].total == 4
    assert terraform(20_000_000).plan()[0].total == 0
    assert terraform(30_000_000).apply()[0].total == 1
    assert terraform(30_000_000).plan()[0].total == 0
    athena = running_engine.client("athena")
    group = athena.get_work_group(WorkGroup="lab")["WorkGroup"]
    assert group["Configuration"]["BytesScannedCutoffPerQuery"] == 30_000_000
    assert terraform(30_000_000).destroy().total == 4
    assert [g["Name"] for g in athena.list_work_groups()["WorkGroups"]] == ["primary"]
