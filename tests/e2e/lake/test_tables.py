"""The verbs over the tables of the lake: what they say, and what stays equal."""

from __future__ import annotations

import json
import re
from itertools import takewhile

import pytest
from checkouts import differing
from iceberg_fixtures import catalog_of
from waiting import scaled, wait_until

from millpond.base.config import CHECKOUT

COMMITS = 10  # ingest.maintenance: so many make a table due


# Every one that the workload changes; the second demo, by hand, ingests the others again too.
CHANGED = (
    "erp.Group",
    "erp.addresses",
    "erp.audit_log",
    "erp.customers",
    "erp.order_lines",
    "erp.orders",
    "erp.payments",
    "erp.products",
    "erp.stock_movements",
    "erp.supplier_changes",
)


def test_after_the_workload_verify_fails_and_an_ingest_makes_all_equal_again(demo):
    demo.must("workload", "--changes", "400", "--seed", "7")
    stale = demo.run("verify", *CHANGED, "--json")
    assert stale.returncode == 1
    assert set(differing(json.loads(stale.stdout))) == set(CHANGED)
    demo.must("ingest", *CHANGED)
    assert differing(json.loads(demo.must("verify", *CHANGED, "--json"))) == []


@pytest.mark.foreign
def test_a_second_demo_deploys_nothing_and_makes_all_equal_again(demo):
    demo.must("workload", "--changes", "400", "--seed", "8")
    again = demo.run("demo", "--json")
    assert again.returncode == 0, again.stderr
    assert differing(json.loads(again.stdout)) == []
    assert "0 added, 0 changed, 0 removed" in again.stderr
    assert "already loaded" in again.stderr


def test_a_query_of_a_table_that_is_not_there_ends_in_athenas_words(demo):
    result = demo.run("query", "select * from erp.nope", is_aws=True)
    assert result.returncode == 1
    assert "TABLE_NOT_FOUND" in result.stderr
    assert "erp.nope" in result.stderr


@pytest.fixture
def setting_of(demo):
    """Puts changed items into DynamoDB for one test, and the old ones back."""
    table = {name: f"{demo.settings.prefix}-{name}" for name in ("job_settings", "table_structures")}
    saved: list[tuple[str, dict, dict | None]] = []

    def put(name: str, item: dict, key: dict) -> None:
        before = demo.aws.dynamodb.get_item(TableName=table[name], Key=key).get("Item")
        saved.append((table[name], key, before))
        demo.aws.dynamodb.put_item(TableName=table[name], Item=item)

    def get(name: str, key: dict) -> dict:
        return demo.aws.dynamodb.get_item(TableName=table[name], Key=key)["Item"]

    put.get = get
    yield put
    for table_name, key, before in reversed(saved):
        if before is None:
            demo.aws.dynamodb.delete_item(TableName=table_name, Key=key)
        else:
            demo.aws.dynamodb.put_item(TableName=table_name, Item=before)


def test_a_table_the_database_lacks_and_one_with_a_wrong_structure_fail_alone(demo, setting_of):
    ghost = {"table_id": {"S": "erp.ghosts"}}
    template = setting_of.get("job_settings", {"table_id": {"S": "erp.warehouses"}})
    structure = setting_of.get(
        "table_structures", {"table_id": {"S": "erp.warehouses"}, "version": {"N": "1"}}
    )
    setting_of(
        "job_settings",
        {**template, **ghost, "source_table": {"S": "ghosts"}, "target_table": {"S": "ghosts"}},
        ghost,
    )
    setting_of("table_structures", {**structure, **ghost}, {**ghost, "version": {"N": "1"}})
    wrong_key = {"table_id": {"S": "erp.products"}, "version": {"N": "1"}}
    wrong = setting_of.get("table_structures", wrong_key)
    columns = [dict(column["M"]) for column in wrong["columns"]["L"]]
    columns[1]["source_name"] = {"S": "no_such_column"}
    setting_of("table_structures", {**wrong, "columns": {"L": [{"M": c} for c in columns]}}, wrong_key)
    before = demo.query("select count(*) from erp.products")
    with demo.database.connection() as connection:
        connection.execute("UPDATE erp.warehouses SET name = name || '!'")

    tables = ("erp.ghosts", "erp.products", "erp.warehouses")
    ingest = demo.popen("ingest", *tables)

    def is_rejected() -> bool:
        assert ingest.poll() is None, ingest.communicate()
        return demo.run("reject", "erp.products", "--reason", "not this week", is_aws=True).returncode == 0

    wait_until("question", is_rejected, 600)
    _, stderr = ingest.communicate(timeout=scaled(600))

    assert ingest.returncode == 1
    assert "erp.ghosts" in stderr
    assert "erp.products" in stderr
    assert "not this week" in stderr
    assert "Traceback" not in stderr
    assert demo.query("select count(*) from erp.products") == before, "what had landed is still there"
    comparisons = {c["table_id"]: c for c in json.loads(demo.run("verify", *tables, "--json").stdout)}
    assert comparisons["erp.warehouses"]["is_equal"], "the other table was ingested"
    assert not comparisons["erp.ghosts"]["is_equal"]


def test_after_the_settings_are_mended_a_replay_of_the_run_makes_all_equal(demo):
    """As an operator does it who reaches the stack as an AWS account."""
    machine = f"arn:aws:states:{demo.settings.region}:{demo.settings.account_id}:stateMachine:"
    runs = demo.aws.stepfunctions.list_executions(
        stateMachineArn=f"{machine}{demo.settings.prefix}-ingest", statusFilter="FAILED"
    )
    demo.must("replay", runs["executions"][0]["name"], "erp.products", is_aws=True)
    comparisons = json.loads(demo.must("verify", "--json", is_aws=True))
    assert all(comparison["is_equal"] for comparison in comparisons)


def test_verify_names_the_table_the_column_and_the_keys_that_differ(demo):
    with demo.database.connection() as connection:
        connection.execute("UPDATE tpch.nation SET n_comment = n_comment || '!' WHERE n_nationkey IN (3, 7)")
    try:
        result = demo.run("verify", "tpch.nation")
    finally:
        with demo.database.connection() as connection:
            connection.execute("UPDATE tpch.nation SET n_comment = rtrim(n_comment, '!')")
    assert result.returncode == 1
    assert re.search(r"tpch\.nation differs: columns n_comment", result.stderr)
    assert re.search(r"n_nationkey=3: differs in n_comment", result.stderr)
    assert re.search(r"n_nationkey=7: differs in n_comment", result.stderr)


def test_cost_has_every_table_and_totals_that_are_their_sums(demo):
    answer = json.loads(demo.must("cost", "--json"))
    tables, services = answer["tables"], answer["services"]
    fixtures = {path.stem for path in (CHECKOUT / "fixtures" / "job_settings").glob("*.json")}
    assert {one["table_id"] for one in tables} == fixtures
    assert len(tables) == 22
    assert answer["left_out"] == []
    for one in tables:
        assert {one["engine"], one["other_engine"]} == {"shell", "spark"}
        assert one["run_usd"] > 0
        assert one["other_run_usd"] > 0
        assert one["month_usd"] == pytest.approx(one["run_usd"] * one["runs_of_month"])
    for column in ("run_usd", "month_usd"):
        glue = sum(one[column] for one in tables)
        assert answer[f"glue_{column}"] == pytest.approx(glue)
        assert answer[f"other_{column}"] == pytest.approx(sum(one[f"other_{column}"] for one in tables))
        assert answer[column] == pytest.approx(glue + sum(one[column] for one in services))
    spent = {one["name"] for one in services if one["run_usd"] or one["month_usd"]}
    assert {one["name"] for one in services} - spent <= {"VPC: interface endpoints"}


def test_cost_leaves_a_disabled_table_out_and_says_so(demo, setting_of):
    key = {"table_id": {"S": "erp.warehouses"}}
    setting_of("job_settings", {**setting_of.get("job_settings", key), "enabled": {"BOOL": False}}, key)
    answer = json.loads(demo.must("cost", "--json", is_aws=True))
    assert answer["left_out"] == ["erp.warehouses"]
    assert len(answer["tables"]) == 21


@pytest.mark.long
def test_a_table_of_many_small_changes_is_compacted_when_it_is_due(demo):
    athena, workgroup = demo.aws.athena, demo.settings.prefix

    def maintenance() -> list[tuple[str, str]]:
        newest = athena.list_query_executions(WorkGroup=workgroup, MaxResults=50)["QueryExecutionIds"]
        found = athena.batch_get_query_execution(QueryExecutionIds=newest)["QueryExecutions"]
        return [
            (one["Query"].split()[0], one["Status"]["State"])
            for one in sorted(found, key=lambda one: one["Status"]["SubmissionDateTime"])
            if one["Query"].startswith(("OPTIMIZE", "VACUUM"))
        ]

    def ingest_a_change(product_id: int) -> None:
        with demo.database.connection() as connection:
            connection.execute(
                "UPDATE erp.products SET title = title || '!', updated_at = now() WHERE product_id = %s",
                [product_id],
            )
        demo.must("ingest", "erp.products", is_aws=True)

    def commits_since_files_were_written_anew() -> int:
        commits = demo.query(
            "SELECT operation, coalesce(element_at(summary, 'deleted-data-files'), '0')"
            ' FROM "erp"."products$snapshots" ORDER BY committed_at DESC'
        )
        return len(list(takewhile(lambda commit: commit[0] != "replace" and commit[1] == "0", commits)))

    before, commits = maintenance(), commits_since_files_were_written_anew()
    assert commits < COMMITS - 2
    # As runs commit that find little: who did not come from here would have the table read anew.
    products = catalog_of(demo.settings, demo.aws.glue).load_table("erp.products")
    last = products.current_snapshot().summary.additional_properties
    ours = {name: value for name, value in last.items() if name.startswith("millpond.")}
    for _ in range(commits + 1, COMMITS - 1):
        products.append(products.schema().as_arrow().empty_table(), snapshot_properties=ours)
    ingest_a_change(1)
    assert maintenance() == before
    assert commits_since_files_were_written_anew() == COMMITS - 1
    ingest_a_change(COMMITS)
    assert maintenance()[len(before) :] == [("OPTIMIZE", "SUCCEEDED"), ("VACUUM", "SUCCEEDED")]
    operations = demo.query('SELECT operation FROM "erp"."products$snapshots" ORDER BY committed_at')
    assert operations[-1] == ["replace"]
    ingest_a_change(1)
    assert len(maintenance()) == len(before) + 2, "what was compacted is not due again"
    assert differing(json.loads(demo.must("verify", "erp.products", "--json"))) == []
