"""What ``millpond demo`` leaves, on either tier: tables, logs, and what a dropped file does."""

from __future__ import annotations

import json
import re

import pytest
from checkouts import differing
from waiting import wait_until

LINEITEM_ROWS_AT_SF_0_01 = "60175"

pytestmark = [pytest.mark.both_tiers, pytest.mark.timeout(900)]


def test_demo_ends_with_every_table_equal(demo):
    comparisons = json.loads((demo.state_dir / "demo.json").read_text())
    tables = {comparison["table_id"] for comparison in comparisons}
    assert {"erp.orders", "erp.customers", "tpch.lineitem"} <= tables
    assert len(tables) >= 16
    assert differing(comparisons) == []
    assert sum(comparison["rows_onprem"] for comparison in comparisons) > 80_000


def test_athena_counts_the_published_number_of_lineitems(demo):
    assert demo.query("select count(*) from tpch.lineitem") == [[LINEITEM_ROWS_AT_SF_0_01]]


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


def test_a_file_dropped_into_raw_is_ingested_and_the_next_full_load_replaces_it(demo):
    names = {"TableName": f"{demo.settings.prefix}-ingest_runs", "ConsistentRead": True}
    demo.drop_warehouse("annex")

    def run_of_the_file() -> dict | None:
        key = {":table": {"S": "erp.warehouses"}}
        answer = demo.aws.dynamodb.query(
            **names, KeyConditionExpression="table_id = :table", ExpressionAttributeValues=key
        )
        runs = [one for one in answer["Items"] if one.get("load_mode") == {"S": "file"}]
        return runs[0] if runs and runs[0]["status"] != {"S": "LANDED"} else None

    run = wait_until("run for the file", run_of_the_file, 300, pause=0.5)
    assert (run["status"], run["rows_read"], run.get("error")) == ({"S": "COMMITTED"}, {"N": "1"}, None)
    annex = "select name, dock_hours from erp.warehouses where warehouse_code = 'W99'"
    assert demo.query(annex) == [["Annex", "[7, 12]"]]
    demo.must("ingest", "erp.warehouses")
    assert demo.query(annex) == []


def test_logs_of_a_job_that_is_not_there_name_the_jobs_that_are(demo):
    result = demo.run("logs", "nope")
    assert result.returncode == 1
    assert "millpond-dev-ingest-shell" in result.stderr


def test_logs_show_what_the_last_run_of_a_job_wrote(demo):
    assert re.search(r"\w+\.\w+", demo.must("logs", "millpond-dev-ingest-spark", is_aws=True))
