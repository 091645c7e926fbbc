from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from waiting import wait_until

from millpond.base import process


def start_sleeper(directory: Path, code: str = "import time; print('up', flush=True); time.sleep(60)"):
    return process.start(
        [sys.executable, "-c", code],
        pid_file=directory / "pids" / "sleeper.pid",
        log_file=directory / "logs" / "sleeper.log",
        env={"PATH": os.environ["PATH"]},
        cwd=directory,
    )


def test_a_started_process_is_found_again_by_its_pid_file(tmp_path):
    started = start_sleeper(tmp_path)
    try:
        running = process.find(tmp_path / "pids" / "sleeper.pid")
        assert running == started
        assert process.find_all(tmp_path) == [started]
    finally:
        started.stop()
    assert process.find(tmp_path / "pids" / "sleeper.pid") is None
    assert not started.is_running


def test_a_recycled_pid_is_not_taken_for_ours_and_the_stale_file_goes(tmp_path):
    pid_file = tmp_path / "other.pid"
    pid_file.write_text(json.dumps({"pid": os.getpid(), "created": 1.0}))
    assert process.find(pid_file) is None
    assert not pid_file.exists()


def test_a_clock_that_was_put_right_loses_no_process(tmp_path):
    pid_file = tmp_path / "own.pid"
    created = psutil.Process().create_time() - 1
    pid_file.write_text(json.dumps({"pid": os.getpid(), "created": created}))
    assert process.find(pid_file) == process.OwnedProcess(os.getpid(), created, pid_file)


def test_ctrl_c_before_a_process_is_recorded_loses_it_not(tmp_path, monkeypatch):
    record = process.record

    def interrupted(pid, pid_file):
        signal.raise_signal(signal.SIGINT)
        return record(pid, pid_file)

    monkeypatch.setattr(process, "record", interrupted)
    # Who runs the tests in the background may have it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            start_sleeper(tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    running = process.find(tmp_path / "pids" / "sleeper.pid")
    assert running is not None
    running.stop()


def test_a_daemon_that_left_its_group_is_found_by_its_mark_and_that_of_another_folder_lives(tmp_path):
    daemon = (
        "import os, subprocess, sys;"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)"
        ".pid and os._exit(0)"
    )
    environment = {"PATH": os.environ["PATH"]}
    for name in ("run-1", "run-10"):
        marks = {**environment, **process.marked(tmp_path / name)}
        subprocess.run([sys.executable, "-c", daemon], env=marks, check=True)
    assert process.end_marked(tmp_path / "run-1") == 1
    assert process.end_marked(tmp_path / "run-1") == 0
    assert process.end_marked(tmp_path) == 1


def test_a_half_written_pid_file_names_no_process(tmp_path):
    (tmp_path / "broken.pid").write_text('{"pid": 12')
    assert process.find_all(tmp_path) == []


def test_a_process_runs_as_long_as_one_of_its_threads_does(tmp_path):
    code = (
        "import ctypes, threading, time;"
        "threading.Thread(target=time.sleep, args=(60,)).start();"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    started = start_sleeper(tmp_path, code)
    leader = psutil.Process(started.pid)
    wait_until("change", lambda: leader.status() == psutil.STATUS_ZOMBIE)
    assert started.is_running
    leader.kill()
    wait_until("change", lambda: not started.is_running)


def test_stop_ends_the_grandchildren_too(tmp_path):
    code = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    started = start_sleeper(tmp_path, code)
    log = tmp_path / "logs" / "sleeper.log"
    wait_until("change", lambda: log.read_text().strip().isdigit())
    grandchild = psutil.Process(int(log.read_text()))
    started.stop()
    wait_until("change", lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_a_process_that_ignores_the_polite_signal_is_killed(tmp_path):
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('up', flush=True); time.sleep(60)"
    )
    started = start_sleeper(tmp_path, code)
    log = tmp_path / "logs" / "sleeper.log"
    wait_until("change", lambda: "up" in log.read_text())
    started.stop(timeout=0.2)
    assert not started.is_running


def test_the_child_inherits_nothing_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("MILLPOND_TEST_SECRET", "do not leak")
    started = start_sleeper(tmp_path, "import os; print(sorted(os.environ), flush=True)")
    log = tmp_path / "logs" / "sleeper.log"
    wait_until("change", lambda: "]" in log.read_text())
    assert "MILLPOND_TEST_SECRET" not in log.read_text()
    started.stop()


@pytest.mark.parametrize(("lines", "expected"), [(0, ""), (3, "1\n2")])
def test_last_lines_gives_the_end_of_a_log(tmp_path, lines, expected):
    log = tmp_path / "a.log"
    if lines:
        log.write_text("\n".join(str(n) for n in range(lines)))
    assert process.last_lines(log, 2) == expected
