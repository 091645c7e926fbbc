"""A stack that starts, is interrupted, killed and stopped."""

from __future__ import annotations

import os
import signal
import socket
import stat

import psutil
import pytest
from waiting import scaled, wait_until

from millpond.base import process


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


def test_up_is_idempotent_and_the_stack_starts_again_after_a_stop(another_checkout):
    first, is_root = another_checkout.run("up"), os.geteuid() == 0
    assert first.returncode == 0, first.stderr
    assert ("As root, so jobs, functions, builds and queries run as root too" in first.stderr) == is_root
    mode = stat.S_IMODE(another_checkout.state_dir.stat().st_mode)
    assert mode == (0o711 if is_root else 0o700), "nobody else sees what is in it"
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

    def is_there() -> bool:
        assert child.poll() is None, child.communicate()
        return bool(list(another_checkout.state_dir.rglob(pid_files[line])))

    wait_until("process", is_there, pause=0.01)
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=scaled(60))
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
    psutil.wait_procs(processes, timeout=scaled(10))
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
