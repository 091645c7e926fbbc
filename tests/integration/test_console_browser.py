"""The console in a real Chromium, by hand: what a person does there, and what axe finds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from console_fixtures import BUCKET, fill, opened_console
from engine_fixtures import RunningEngine

from millpond.base.config import CHECKOUT, load_settings
from millpond.toolchain import bootstrap

pytestmark = pytest.mark.foreign
SCRIPT = Path(__file__).with_name("console_browser.py")


@pytest.fixture(scope="module")
def chromium() -> str:
    """Chromium of the system; Debian's is installed where we may."""
    if shutil.which("chromium") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "-qq", *command], check=True)
    if (found := shutil.which("chromium")) is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def python() -> Path:
    home = load_settings().home
    uv = bootstrap.ensure_uv(home)
    lock = bootstrap.REQUIREMENTS / "console-tests.txt"
    return bootstrap.ensure_environment(
        "console-tests", bootstrap.ensure_python("3.13", home, uv), lock, home, uv
    )


def test_a_person_finds_searches_asks_and_runs_again_with_nothing_from_outside(
    running_engine: RunningEngine, chromium: str, python: Path
):
    runs = fill(running_engine)
    pages = {
        "now": "/",
        "flow": "/flow",
        "runs": "/runs",
        "job": runs["job"],
        "execution": runs["execution"],
        "sql": f"/sql?{runs['query'].partition('?')[2].replace('kind=query&name=primary&', '')}",
        "lake": "/lake",
        "table": "/table?database=shop&name=orders",
        "bucket": f"/bucket?name={BUCKET}",
        "roles": "/roles",
    }
    pictures = os.environ.get("MILLPOND_PICTURES") and str(CHECKOUT / "docs" / "console")
    with opened_console(running_engine) as address:
        asked = {"address": address, "chromium": chromium, "pages": pages, "pictures": pictures}
        done = subprocess.run(
            [python, SCRIPT, json.dumps(asked)], capture_output=True, text=True, check=False, timeout=300
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["dialogs"] == told["errors"] == told["outside"] == []
    assert told["axe"] == {}, json.dumps(told["axe"], indent=2)
    assert told["searched"] == "database=shop&name=orders"
    assert "orders" in told["completed"]
    assert told["answered"] == ["<b>eve</b>"]
    assert (told["lit"], told["dim"]) == (2, 0)
    assert told["followed"] == "kind=job&text=broken"
    assert "2026-05-02" in told["again"]
    assert "hunter2" not in told["again"]
