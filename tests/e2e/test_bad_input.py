"""What goes wrong is told in words, stays where it happened, and loses nothing."""

from __future__ import annotations

import json
import re
import signal
import socket
import time

import psutil
import pytest

from millpond import process

DEADLINE_SECONDS = 60


def owned_processes(checkout) -> list[psutil.Process]:
    return [child for owned in process.find_all(checkout.state_dir) for child in owned.tree()]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


@pytest.mark.parametrize("setting", ["gateway_port", "onprem_port"])
def test_a_port_in_use_is_named_with_its_setting_and_nothing_is_left_running(another_checkout, setting):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", getattr(another_checkout, setting)))
        holder.listen()
        result = another_checkout.run("up")
    assert result.returncode == 1
    assert str(getattr(another_checkout, setting)) in result.stderr
    assert f"MILLPOND_{setting.upper()}" in result.stderr
    assert "Traceback" not in result.stderr
    assert owned_processes(another_checkout) == []


def test_two_stacks_run_side_by_side(demo, another_checkout):
    another_checkout.must("up")
    assert another_checkout.aws.s3.list_buckets()["Buckets"] == []
    assert len(demo.aws.s3.list_buckets()["Buckets"]) >= 3
    another_checkout.must("down")
    assert owned_processes(another_checkout) == []
    assert demo.aws.sts.get_caller_identity()["Account"] == "000000000000"


def test_up_is_idempotent_and_the_stack_starts_again_after_a_stop(another_checkout):
    another_checkout.must("up")
    before = {p.pid for p in owned_processes(another_checkout)}
    another_checkout.must("up")
    assert before <= {p.pid for p in owned_processes(another_checkout)}
    another_checkout.must("down")
    another_checkout.must("down")
    another_checkout.must("up")
    assert another_checkout.aws.s3.list_buckets()["Buckets"] == []


@pytest.mark.parametrize("line", ["PostgreSQL", "engine"])
def test_ctrl_c_in_the_middle_of_up_leaves_no_process_and_down_still_works(another_checkout, line):
    child = another_checkout.popen("up")
    pid_files = {"PostgreSQL": "onprem.pid", "engine": "engine.pid"}
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not list(another_checkout.state_dir.rglob(pid_files[line])):
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=DEADLINE_SECONDS)
    assert child.returncode == 130
    assert "Traceback" not in stderr
    assert owned_processes(another_checkout) == []
    another_checkout.must("down")
    another_checkout.must("up")


def test_an_engine_that_was_killed_is_replaced_by_the_next_up(another_checkout):
    another_checkout.must("up")
    processes = owned_processes(another_checkout)
    for victim in processes:
        victim.kill()
    psutil.wait_procs(processes, timeout=10)
    assert "stopped" in another_checkout.must("status")
    another_checkout.must("up")
    assert another_checkout.aws.sts.get_caller_identity()["Account"] == "000000000000"


def test_down_removes_children_that_a_killed_engine_left_behind(another_checkout):
    another_checkout.must("up")
    engine = process.find(next(another_checkout.state_dir.rglob("engine.pid")))
    assert engine is not None
    everything = owned_processes(another_checkout)
    psutil.Process(engine.pid).kill()
    another_checkout.must("down")
    assert gone(everything)


def test_a_query_of_a_table_that_is_not_there_ends_in_athenas_words(demo):
    result = demo.run("query", "select * from erp.nope")
    assert result.returncode == 1
    assert "TABLE_NOT_FOUND" in result.stderr
    assert "erp.nope" in result.stderr


def test_logs_of_a_job_that_is_not_there_name_the_jobs_that_are(demo):
    result = demo.run("logs", "nope")
    assert result.returncode == 1
    assert "millpond-dev-ingest-shell" in result.stderr


def test_logs_show_what_the_last_run_of_a_job_wrote(demo):
    assert re.search(r"\w+\.\w+", demo.must("logs", "millpond-dev-ingest-spark"))


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
    demo.must("workload", "--changes", "50", "--seed", "11")

    result = demo.run("ingest")

    assert result.returncode == 1
    assert "erp.ghosts" in result.stderr
    assert "no_such_column" in result.stderr
    assert "millpond logs" in result.stderr
    assert "Traceback" not in result.stderr
    assert demo.query("select count(*) from erp.products") == before, "what had landed is still there"
    comparisons = {c["table_id"]: c for c in json.loads(demo.run("verify", "--json").stdout)}
    unequal = {name for name, c in comparisons.items() if not c["is_equal"]}
    assert unequal <= {"erp.ghosts", "erp.products"}, "the other tables were ingested"


def test_after_the_settings_are_mended_the_next_ingest_makes_all_equal(demo):
    demo.must("ingest")
    comparisons = json.loads(demo.must("verify", "--json"))
    assert all(comparison["is_equal"] for comparison in comparisons)


def test_verify_names_the_table_the_column_and_the_keys_that_differ(demo):
    with demo.database.connection() as connection:
        connection.execute("UPDATE tpch.nation SET n_comment = n_comment || '!' WHERE n_nationkey IN (3, 7)")
    try:
        result = demo.run("verify")
    finally:
        with demo.database.connection() as connection:
            connection.execute("UPDATE tpch.nation SET n_comment = rtrim(n_comment, '!')")
    assert result.returncode == 1
    assert re.search(r"tpch\.nation differs: columns n_comment", result.stderr)
    assert re.search(r"n_nationkey=3: differs in n_comment", result.stderr)
    assert re.search(r"n_nationkey=7: differs in n_comment", result.stderr)
