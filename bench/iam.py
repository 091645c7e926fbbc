"""What policies in force cost: ``millpond demo`` in ``enforce`` and in ``off``, and the median of a decision.

Run with the harness's Python from the checkout: ``python bench/iam.py [MODE ...]``, each of ``off``,
``audit`` or ``enforce``; the stacks have states of their own. CPU seconds are of the engine and of the
command with their children; they tell more than time does where other work runs beside. What the guard
itself takes is measured in the engine.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from millpond.base.config import CHECKOUT, Settings, load_settings
from millpond.client import permissions

_MILLPOND = str(Path(sys.executable).with_name("millpond"))


def main() -> None:
    modes = sys.argv[1:] or ["off", "enforce"]
    seconds = {}
    for mode in modes:
        with tempfile.TemporaryDirectory() as name:
            seconds[mode] = demo(mode, Path(name))
    if {"off", "enforce"} <= seconds.keys():
        sys.stdout.write(f"enforce / off, in CPU seconds: {seconds['enforce'] / seconds['off']:.3f}\n")


def demo(mode: str, state: Path) -> float:
    """CPU seconds of a demo on a stack made anew, in a mode."""
    os.environ |= {"MILLPOND_IAM_MODE": mode, "MILLPOND_STATE_DIR": str(state)}
    settings = load_settings()
    run("up")
    try:
        began, before = time.monotonic(), spent(settings)
        run("demo")
        elapsed, seconds = time.monotonic() - began, spent(settings) - before
        told = permissions.ask(settings)
    finally:
        run("down")
    cost = told["cost"]
    if told["mode"] != mode:
        raise SystemExit(f"The stack was in {told['mode']}.")
    sys.stdout.write(
        f"{mode:8} {seconds:7.1f} CPU s  {elapsed:6.1f} s  judged {cost['calls']:6.0f} calls in"
        f" {cost['seconds']:.2f} CPU s, median {cost['median_ms']:.3f} ms\n"
    )
    sys.stdout.flush()
    return seconds


def run(verb: str) -> None:
    subprocess.run([_MILLPOND, verb], cwd=CHECKOUT, check=True, stdout=sys.stderr)


def spent(settings: Settings) -> float:
    """CPU seconds of the engine's processes, and of what this process started."""
    of_commands = resource.getrusage(resource.RUSAGE_CHILDREN)
    engine = psutil.Process(json.loads((settings.state / "pids" / "engine.pid").read_text())["pid"])
    total = of_commands.ru_utime + of_commands.ru_stime
    for process in (engine, *engine.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


if __name__ == "__main__":
    main()
