"""The deployed platform: deployed again, and followed while its sources change."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from checkouts import Checkout

from lake.dev import Reload, Reloader
from millpond.base import process
from millpond.base.config import CHECKOUT
from millpond.base.errors import MillpondError
from millpond.toolchain import components as toolchain


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


def test_two_stacks_run_side_by_side(demo, another_checkout):
    another_checkout.must("up")
    assert another_checkout.aws.s3.list_buckets()["Buckets"] == []
    assert len(demo.aws.s3.list_buckets()["Buckets"]) >= 3
    another_checkout.must("down")
    assert process.find_all(another_checkout.state_dir) == []
    assert demo.aws.sts.get_caller_identity()["Account"] == "000000000000"


def test_a_branch_that_is_not_there_ends_in_words(demo):
    result = demo.run("deploy", "--branch", "nope")
    assert result.returncode == 1
    assert "The repository has no branch nope." in result.stderr
    assert "Traceback" not in result.stderr


def test_a_deployment_with_nothing_to_change_shows_its_log_and_the_outputs(demo):
    result = demo.run("deploy")
    assert result.returncode == 0, result.stderr
    assert "No changes. Your infrastructure matches the configuration." in result.stderr
    assert "0 added, 0 changed, 0 removed" in result.stderr
    assert "millpond-dev-ingest-spark" in result.stdout


@pytest.fixture
def sources(tmp_path: Path, demo: Checkout) -> Iterator[Path]:
    """A copy of what `millpond dev` watches; what was deployed is put back afterwards."""
    for name in ("glue_jobs", "lambdas", "requirements"):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    (tmp_path / ".millpond").mkdir()
    (tmp_path / ".millpond" / "wheels").symlink_to(toolchain.find_wheels(demo.settings).path)
    yield tmp_path
    reloader(demo, CHECKOUT).reload()


def reloader(demo: Checkout, checkout: Path) -> Reloader:
    outputs = json.loads(demo.must("status", "--json"))["outputs"]
    return Reloader(demo.settings, demo.aws.s3, demo.aws.lambda_, outputs, checkout)


def test_while_dev_follows_a_changed_script_is_what_the_next_run_executes(demo, sources):
    mark = "this line was added while the stack ran"
    stop = threading.Event()
    reloads = reloader(demo, sources).follow(stop)
    assert "glue/ingest_shell.py" in next(reloads).objects
    script = sources / "glue_jobs" / "ingest_shell.py"
    script.write_text(f"print({mark!r})\n" + script.read_text())
    assert next(reloads).objects == ("glue/ingest_shell.py",)
    stop.set()
    demo.must("ingest", "erp.warehouses")
    assert mark in demo.must("logs", "millpond-dev-ingest-shell")


def test_while_dev_follows_a_changed_handler_is_what_the_next_invocation_executes(demo, sources):
    mark = "this answer was written while the stack ran"
    function = f"{demo.settings.prefix}-plan"

    def answer() -> dict:
        invoked = demo.aws.lambda_.invoke(FunctionName=function, Payload=json.dumps({}))
        return json.loads(invoked["Payload"].read())

    stop = threading.Event()
    reloads = reloader(demo, sources).follow(stop)
    assert function in next(reloads).functions
    assert mark not in json.dumps(answer())
    handler = sources / "lambdas" / "plan" / "handler.py"
    handler.write_text(handler.read_text() + f"\n\ndef handler(_event, _context):\n    return {mark!r}\n")
    assert next(reloads) == Reload(("lambdas/plan.zip",), (function,))
    stop.set()
    assert answer() == mark


def test_dev_needs_a_deployment(demo):
    with pytest.raises(MillpondError, match="Nothing is deployed"):
        Reloader(demo.settings, demo.aws.s3, demo.aws.lambda_, {})
