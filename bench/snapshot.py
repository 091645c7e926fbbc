"""What a snapshot of the demo's platform costs: saved, loaded into a fresh stack, and a demo from one.

Run with the harness's Python from the checkout: ``python bench/snapshot.py``. It deploys this checkout to a
stack of its own, keeps a snapshot of what is deployed and one of the platform with its data, and loads each
into another stack. The times are the verbs', start of Python and of the stack included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from millpond.base.config import CHECKOUT, load_settings

sys.path.insert(0, str(CHECKOUT / "tests"))

from ports import free_port


class Stack:
    """The CLI of this checkout, with a state directory and ports of its own."""

    def __init__(self, state: Path) -> None:
        self._environment = {
            **os.environ,
            "MILLPOND_STATE_DIR": str(state),
            "MILLPOND_GATEWAY_PORT": str(free_port()),
            "MILLPOND_ONPREM_PORT": str(free_port()),
        }

    def run(self, *words: str) -> float:
        """Run a verb; seconds that it took."""
        begun = time.monotonic()
        command = (Path(sys.executable).with_name("millpond"), *words)
        done = subprocess.run(
            command, env=self._environment, cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - begun
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}:\n{done.stdout}{done.stderr}")
        show(" ".join(words), seconds)
        return seconds


def main() -> None:
    kept = load_settings().project_home / "snapshots"
    names = ("bench-deployed", "bench-demo")
    with tempfile.TemporaryDirectory() as directory:
        first, second, third = (Stack(Path(directory, name)) for name in ("first", "second", "third"))
        try:
            empty = first.run("up")
            first.run("deploy")
            first.run("snapshot", "save", names[0])
            first.run("demo")
            first.run("snapshot", "save", names[1])
            first.run("down")
            show("reading the state, beyond an empty start", first.run("up") - empty)
            first.run("down")
            second.run("snapshot", "load", names[1])
            second.run("verify")
            second.run("down")
            show("a demo from a deployment", third.run("snapshot", "load", names[0]) + third.run("demo"))
        finally:
            for stack in (first, second, third):
                stack.run("down")
            for name in names:
                (kept / f"{name}.zip").unlink(missing_ok=True)


def show(what: str, seconds: float) -> None:
    sys.stdout.write(f"{what:44} {seconds:6.1f} s\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
