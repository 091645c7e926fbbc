"""The deployment, as a person meets it: a stack, a build, a log, outputs."""

from __future__ import annotations

import json


def test_the_demo_was_deployed_by_a_build_of_the_stack(demo):
    session, endpoint = demo.aws.session, demo.settings.endpoint_url
    stacks = session.client("cloudformation", endpoint_url=endpoint).describe_stacks()["Stacks"]
    assert [(one["StackName"], one["StackStatus"]) for one in stacks] == [
        ("millpond-dev-seed", "CREATE_COMPLETE")
    ]
    codebuild = session.client("codebuild", endpoint_url=endpoint)
    ids = codebuild.list_builds_for_project(projectName="millpond-dev-deploy")["ids"]
    builds = codebuild.batch_get_builds(ids=ids)["builds"]
    assert {build["buildStatus"] for build in builds} == {"SUCCEEDED"}
    exported = {one["name"]: one["value"] for one in builds[0]["exportedEnvironmentVariables"]}
    assert len(exported["DEPLOYED_COMMIT"]) == 40


def test_the_state_is_in_the_bucket_of_the_stack_and_no_lock_is_left(demo):
    bucket = f"millpond-dev-tfstate-{demo.settings.account_id}-eu-west-1"
    state = json.loads(
        demo.aws.s3.get_object(Bucket=bucket, Key="terraform/terraform.tfstate")["Body"].read()
    )
    assert state["outputs"]["state_machine_arn"]["value"].endswith(":millpond-dev-ingest")
    keys = [one["Key"] for one in demo.aws.s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert not [key for key in keys if key.endswith(".tflock")]


def test_a_deployment_with_nothing_to_change_shows_its_log_and_the_outputs(demo):
    result = demo.run("deploy")
    assert result.returncode == 0, result.stderr
    assert "No changes. Your infrastructure matches the configuration." in result.stderr
    assert "0 added, 0 changed, 0 removed" in result.stderr
    assert "millpond-dev-ingest-spark" in result.stdout


def test_a_branch_that_is_not_there_ends_in_words(demo):
    result = demo.run("deploy", "--branch", "nope")
    assert result.returncode == 1
    assert "The repository has no branch nope." in result.stderr
    assert "Traceback" not in result.stderr
    demo.must("deploy")
