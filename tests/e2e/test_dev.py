"""Hot reload: a changed script is what the next run executes, with no deployment between."""

from __future__ import annotations

import json
import shutil
import threading

import pytest
from conftest import Checkout

from millpond.config import CHECKOUT
from millpond.dev import Reloader
from millpond.errors import MillpondError

MARK = "this line was added while the stack ran"


@pytest.fixture
def sources(tmp_path, demo: Checkout):
    """A copy of what is watched; what was deployed is put back afterwards."""
    for name in ("glue_jobs", "lambdas", "requirements"):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    yield tmp_path
    reloader(demo, CHECKOUT).reload()


def reloader(demo: Checkout, checkout) -> Reloader:
    outputs = json.loads(demo.must("status", "--json"))["outputs"]
    return Reloader(demo.settings, demo.aws.s3, demo.aws.lambda_, outputs, checkout)


def test_a_changed_script_is_what_the_next_run_executes(demo, sources) -> None:
    stop = threading.Event()
    reloads = reloader(demo, sources).follow(stop)
    assert "glue/ingest_shell.py" in next(reloads).objects
    script = sources / "glue_jobs" / "ingest_shell.py"
    changed = threading.Timer(1.0, lambda: script.write_text(f"print({MARK!r})\n" + script.read_text()))
    changed.start()
    assert next(reloads).objects == ("glue/ingest_shell.py",)
    demo.must("ingest", "erp.warehouses")
    assert MARK in demo.must("logs", "millpond-dev-ingest-shell")
    stop.set()


def test_reloading_needs_a_deployment(demo) -> None:
    with pytest.raises(MillpondError, match="Nothing is deployed"):
        Reloader(demo.settings, demo.aws.s3, demo.aws.lambda_, {})
