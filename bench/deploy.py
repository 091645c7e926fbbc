"""What deploying through stack and build costs beside the bare ``terraform apply`` of the same configuration.

Run with the harness's Python from the checkout: ``python bench/deploy.py``. It uses engines and state
directories of its own. Both sides start from an engine on which nothing is deployed; the overhead is what
a first deploy takes beyond packaging, ``init`` and ``apply`` by hand.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from millpond.base.config import CHECKOUT

sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "tests/integration")]

from deploy_fixtures import Stack, copy_checkout, started_stack  # noqa: E402 the tests are no package
from terraform_fixtures import BareTerraform  # noqa: E402

BACKEND = 'backend "s3" {}'


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with started_stack(directory / "bare") as stack:
            bare = timed("package, init, apply by hand", lambda: apply_by_hand(stack, directory / "by-hand"))
        with started_stack(directory / "build", copy_checkout(directory / "checkout")) as stack:
            first = timed("first deploy", lambda: stack.deploy())
            timed("deploy with nothing changed", lambda: stack.deploy())
            setting = stack.checkout / "fixtures/job_settings/erp.orders.json"
            setting.write_text(setting.read_text().replace('"enabled": true', '"enabled": false'))
            timed("deploy with one item changed", lambda: stack.deploy())
            timed("plan", lambda: stack.plan())
    sys.stdout.write(f"{'overhead of stack and build':32} {first - bare:6.1f} s   ratio {first / bare:.2f}\n")


def apply_by_hand(stack: Stack, directory: Path) -> None:
    checkout = copy_checkout(directory)
    versions = checkout / "terraform/versions.tf"
    versions.write_text(versions.read_text().replace(BACKEND, ""))
    packaging = [sys.executable, "-m", "lake.package", "dist"]
    # As the build has it.
    at_hand = {**os.environ, "PIP_FIND_LINKS": str(stack.settings.home / "wheels")}
    subprocess.run(packaging, cwd=checkout, env=at_hand, check=True, capture_output=True)
    terraform = BareTerraform.of(stack.settings, checkout / "terraform")
    onprem = {"host": "127.0.0.1", "port": stack.settings.onprem_port, "name": "erp"}
    variables = {"onprem_db": onprem, "is_protected": False}
    (checkout / "terraform/bench.auto.tfvars.json").write_text(json.dumps(variables))
    terraform.must("init", "-input=false")
    terraform.must("apply", "-auto-approve", "-input=false")
    shutil.rmtree(checkout)


def timed(name: str, action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    seconds = time.monotonic() - began
    sys.stdout.write(f"{name:32} {seconds:6.1f} s\n")
    sys.stdout.flush()
    return seconds


if __name__ == "__main__":
    main()
