"""What a build's log says becomes progress, changes, and errors that a person can act on."""

from __future__ import annotations

from pathlib import Path

import pytest

from millpond.base.errors import MillpondError
from millpond.base.terraform import cli_config
from millpond.project.builds import FinishedBuild
from millpond.project.diagnosis import build_error
from millpond.project.terraform_log import Changes, Progress, changes_of

FAILED_APPLY = """\
== deploy terraform
aws_s3_bucket.this: Creation complete after 1s [id=lake]
Warning: Deprecated Parameter
  on versions.tf line 3, in terraform:
Error: creating Glue Job (millpond-dev-ingest): AccessDeniedException: no
  with aws_glue_job.ingest["shell"],
  on glue_jobs.tf line 30, in resource "aws_glue_job" "ingest":
  30: resource "aws_glue_job" "ingest" {
Error: Reference to undeclared input variable
  on lambda.tf line 7, in resource "aws_lambda_function" "plan":
   7:   timeout = var.nope
An input variable with the name "nope" has not been declared.
FAILED: deploy of abc
"""
LOCKED = """\
== deploy terraform
Error: Error acquiring the state lock
Error message: operation error DynamoDB: PutItem, ConditionalCheckFailedException
Lock Info:
  ID:        1f2e3d4c-0000-0000-0000-000000000000
  Path:      millpond-dev-tfstate-000000000000-eu-west-1/terraform/terraform.tfstate
  Operation: OperationTypeApply
Terraform acquires a state lock to protect the state from being written
FAILED: deploy of abc
"""


def failed(lines: str, status: str = "FAILED") -> MillpondError:
    return build_error(
        FinishedBuild(
            "millpond-dev-deploy:1", status, "BUILD", "Reason: exit status 1", tuple(lines.splitlines())
        )
    )


def test_progress_counts_what_is_done_of_what_is_planned() -> None:
    progress = Progress()
    lines = (
        "Plan: 2 to add, 1 to change, 1 to destroy.",
        'aws_glue_job.ingest["shell"]: Creation complete after 1m2s [id=x]',
        "aws_s3_bucket.this: Refreshing state... [id=x]",
        "aws_s3_bucket.this: Destruction complete after 0s",
    )
    events = [str(event) for line in lines if (event := progress.read(line))]
    assert events == ['1/4 create aws_glue_job.ingest["shell"]', "2/4 delete aws_s3_bucket.this"]


def test_the_changes_of_several_directories_add_up() -> None:
    text = (
        "Plan: 1 to import, 2 to add, 0 to change, 0 to destroy.\nPlan: 0 to add, 3 to change, 4 to destroy."
    )
    assert changes_of(text) == Changes(2, 3, 4)
    assert changes_of("No changes. Your infrastructure matches the configuration.").total == 0


def test_each_error_of_terraform_is_shown_with_its_place_and_reason() -> None:
    error = failed(FAILED_APPLY)
    assert error.what == "Terraform: creating Glue Job (millpond-dev-ingest): AccessDeniedException: no"
    assert error.where == 'terraform/glue_jobs.tf:30 (aws_glue_job.ingest["shell"])'
    assert "what was made so far is in the state" in error.next_step
    assert "terraform/lambda.tf:7" in error.detail
    assert 'the name "nope" has not been declared' in error.detail


def test_a_held_lock_is_told_with_the_command_that_removes_it() -> None:
    error = failed(LOCKED)
    assert error.where == "terraform, lock 1f2e3d4c-0000-0000-0000-000000000000"
    assert error.next_step.endswith("millpond deploy --unlock terraform=1f2e3d4c-0000-0000-0000-000000000000")


@pytest.mark.parametrize(
    ("line", "what", "next_step"),
    [
        ("fatal: Remote branch nope not found in upstream origin", "no branch nope", "--branch"),
        ("git@host: Permission denied (publickey).", "does not let the build in", "--git-key"),
        ("ssh: Could not resolve hostname nowhere: unknown", "cannot read the repository", "ConfigRepoURL"),
        ("fatal: unable to access 'https://x/': refused", "cannot read the repository", "ConfigRepoURL"),
        (
            "ERROR: DeploymentDirPath names infra, which branch main does not have.",
            "infra",
            "push the directory",
        ),
        ("Error: deleting S3 Bucket (lake): BucketNotEmpty: it is not", "BucketNotEmpty", "is_protected"),
        ("Error: creating Role: EntityAlreadyExists: role x", "AlreadyExists", "import it"),
        ("unzip: cannot find terraform.zip", "exit status 1", "millpond deploy"),
    ],
)
def test_what_went_wrong_is_said_with_what_to_type_next(line: str, what: str, next_step: str) -> None:
    error = failed(line)
    assert what in error.what
    assert next_step in error.next_step


@pytest.mark.parametrize(
    ("status", "word"), [("STOPPED", "was stopped"), ("TIMED_OUT", "longer than it may")]
)
def test_a_build_that_did_not_get_to_its_end_says_how_to_go_on(status: str, word: str) -> None:
    error = failed("aws_x.y: Still creating...", status)
    assert word in error.what
    assert error.next_step.startswith("millpond deploy goes on")


def test_with_a_mirror_the_provider_comes_from_it_alone() -> None:
    config = cli_config(Path("/srv/plug ins"))

    assert 'path    = "/srv/plug ins"' in config
    assert config.count('["registry.terraform.io/hashicorp/aws"]') == 2
    assert "filesystem_mirror" not in cli_config(None)
