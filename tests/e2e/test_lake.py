"""The whole lake, as a person meets it: the verbs, their output, and what stays equal."""

from __future__ import annotations

import json

import psutil

from millpond import process

LINEITEM_ROWS_AT_SF_0_01 = "60175"


def differing(comparisons: list[dict]) -> list[str]:
    return [c["table_id"] for c in comparisons if not c["is_equal"]]


def test_demo_ends_with_every_table_equal(demo):
    comparisons = json.loads((demo.state_dir / "demo.json").read_text())
    tables = {comparison["table_id"] for comparison in comparisons}
    assert {"erp.orders", "erp.customers", "tpch.lineitem"} <= tables
    assert len(tables) >= 16
    assert differing(comparisons) == []
    assert sum(comparison["rows_onprem"] for comparison in comparisons) > 80_000


def test_athena_counts_the_published_number_of_lineitems(demo):
    assert demo.query("select count(*) from tpch.lineitem") == [[LINEITEM_ROWS_AT_SF_0_01]]


def test_a_plan_right_after_the_deployment_says_no_changes(demo):
    assert "No changes" in demo.must("plan")


def test_every_listening_socket_is_on_loopback(demo):
    listening = [
        (child.name(), connection.laddr.ip)
        for owned in process.find_all(demo.state_dir)
        for child in owned.tree()
        for connection in child.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 2, "the engine and PostgreSQL listen"
    assert {address for _, address in listening} <= {"127.0.0.1", "::1"}, listening


def test_a_second_demo_changes_nothing_and_is_equal(demo):
    comparisons = json.loads(demo.must("demo", "--json"))
    assert differing(comparisons) == []


def test_after_the_workload_verify_fails_and_after_the_next_ingest_it_is_equal(demo):
    demo.must("workload", "--changes", "400", "--seed", "7")
    stale = demo.run("verify", "--json")
    assert stale.returncode == 1
    assert "erp.orders" in differing(json.loads(stale.stdout))
    demo.must("ingest")
    assert differing(json.loads(demo.must("verify", "--json"))) == []
