"""What user code sees of the machine, asked of processes behind the fence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from millpond.base import landlock
from millpond.planes.athena.worker import fence_of
from millpond.planes.common import isolation
from millpond.planes.common.isolation import Fence

pytestmark = pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")

PROBE = """
import json, os, signal, sys
def attempt(work):
    try:
        work()
    except PermissionError:
        return "denied"
    except OSError as error:
        return type(error).__name__
    return "done"
home, others, own, engine = sys.argv[1:]
print(json.dumps({
    "home": attempt(lambda: os.listdir(home)),
    "read": attempt(lambda: open(others + "/password").read()),
    "write": attempt(lambda: open(others + "/new", "w")),
    "list": attempt(lambda: os.listdir(others)),
    "remove": attempt(lambda: os.remove(others + "/password")),
    "own": attempt(lambda: open(own + "/new", "w").write("x")),
    "system": attempt(lambda: open("/etc/hostname").read()),
    "signal": attempt(lambda: os.kill(int(engine), 0)),
    "environment": attempt(lambda: open(f"/proc/{engine}/environ").read()),
}))
"""


def probed(fence: Fence, others: Path, own: Path) -> dict[str, str]:
    home = str(Path("~").expanduser())
    child = fence.start(
        lambda: subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", PROBE, home, str(others), str(own), str(os.getpid())],
            stdout=subprocess.PIPE,
            env={},
        )
    )
    said, _ = child.communicate(timeout=60)
    answer: dict[str, str] = json.loads(said)
    return answer


EXPECTED = {
    "home": "denied",
    "read": "denied",
    "write": "denied",
    "list": "denied",
    "remove": "denied",
    "own": "done",
    "system": "done",
    "signal": "denied" if landlock.version() >= 6 else "done",
    "environment": "denied",
}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    for name in ("onprem", "athena/query", "own"):
        (state / name).mkdir(parents=True)
    (state / "onprem" / "password").write_text("secret")
    return state


def test_code_behind_the_fence_sees_its_own_folder_and_the_system_alone(state: Path) -> None:
    fence = Fence(isolation.hidden(state), isolation.own_interpreter(), (state / "own",))
    assert probed(fence, state / "onprem", state / "own") == EXPECTED


def test_who_started_it_keeps_what_he_had(state: Path) -> None:
    Fence(isolation.hidden(state), isolation.own_interpreter(), ()).start(lambda: None)
    assert (state / "onprem" / "password").read_text() == "secret"


def test_a_process_of_a_query_sees_its_own_folder_alone(state: Path) -> None:
    assert (
        probed(fence_of(state / "athena" / "query"), state / "onprem", state / "athena" / "query") == EXPECTED
    )


def test_a_process_of_a_query_writes_into_no_temporary_directory(state: Path) -> None:
    roots = fence_of(state / "athena" / "query")._all_writable()
    assert not [root for root in roots if root.is_relative_to("/tmp") and root != state / "athena" / "query"]


def test_a_checkout_that_may_be_read_does_not_show_the_state_in_it(state: Path) -> None:
    fence = Fence(isolation.hidden(state), (*isolation.own_interpreter(), state.parent), (state / "own",))
    assert probed(fence, state / "onprem", state / "own") == EXPECTED


def test_the_setting_takes_the_fence_down(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(isolation.SETTING, isolation.OFF)
    assert isolation.level() == "off"
    fence = Fence(isolation.hidden(state), isolation.own_interpreter(), (state / "own",))
    assert probed(fence, state / "onprem", state / "own")["read"] == "done"


def test_what_is_hidden_in_a_directory_is_left_out_of_it(tmp_path: Path) -> None:
    for name in ("a/b/hidden/x", "a/b/other", "c"):
        (tmp_path / name).mkdir(parents=True)
    paths = isolation._without(str(tmp_path), [str(tmp_path / "a/b/hidden")])
    assert [str(path.relative_to(tmp_path)) for path in paths] == ["a/b/other", "c"]
