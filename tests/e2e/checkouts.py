"""Checkouts as a person has them: the CLI, on a stack with ports and state of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import state_directories
from ports import free_port
from waiting import scaled

from millpond.base.config import CHECKOUT, Settings
from millpond.client.aws import Aws
from millpond.stack import open_stack
from millpond.stack.onprem import OnPremDatabase

MILLPOND = Path(sys.executable).parent / "millpond"
# Those that are marked both_tiers run on both, chosen by MILLPOND_TIER; what is about processes has a twin in
# tests/compose.
IS_EMBEDDED = Settings().tier == "embedded"

WAREHOUSE = {
    "warehouse_code": "W99",
    "name": "Annex",
    "opens_at": "07:00:00.000000",
    "closes_at": "18:30:00.000000",
    "dock_hours": [7, 12],
    "floor_area": "1250.5",
}


@dataclass
class Checkout:
    """What a person has: the CLI, and settings in the environment."""

    state_dir: Path
    gateway_port: int = field(default_factory=free_port)
    onprem_port: int = field(default_factory=free_port)

    @property
    def environment(self) -> dict[str, str]:
        mine = {
            "MILLPOND_STATE_DIR": str(self.state_dir),
            "MILLPOND_GATEWAY_PORT": str(self.gateway_port),
            "MILLPOND_ONPREM_PORT": str(self.onprem_port),
        }
        return {**os.environ, **mine}

    @property
    def settings(self) -> Settings:
        return Settings(
            state_dir=self.state_dir, gateway_port=self.gateway_port, onprem_port=self.onprem_port
        )

    @property
    def aws(self) -> Aws:
        return Aws(self.settings)

    @property
    def database(self) -> OnPremDatabase:
        return OnPremDatabase(self.settings)

    def popen(
        self, *arguments: str, extra: Mapping[str, str] | None = None, is_aws: bool = False
    ) -> subprocess.Popen[str]:
        environment = aws_environment(self.settings) if is_aws else self.environment
        return subprocess.Popen(
            [MILLPOND, *arguments, *(["--target", "aws"] if is_aws else [])],
            env={**environment, **(extra or {})},
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Who runs the tests in the background ignores SIGINT, and a child inherits that.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )

    def run(
        self,
        *arguments: str,
        extra: Mapping[str, str] | None = None,
        timeout: float = 1500,
        is_aws: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        child, timeout = self.popen(*arguments, extra=extra, is_aws=is_aws), scaled(timeout)
        try:
            stdout, stderr = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            stdout, stderr = child.communicate()
            pytest.fail(f"millpond {' '.join(arguments)} did not end in {timeout} s\n{stdout}\n{stderr}")
        return subprocess.CompletedProcess(list(arguments), child.returncode, stdout, stderr)

    def must(self, *arguments: str, timeout: float = 1500, is_aws: bool = False) -> str:
        """Run a verb that has to succeed; its stdout."""
        result = self.run(*arguments, timeout=timeout, is_aws=is_aws)
        assert result.returncode == 0, f"millpond {' '.join(arguments)}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def query(self, sql: str) -> list[list[str | None]]:
        rows: list[list[str | None]] = json.loads(self.must("query", sql, "--json"))["rows"]
        return rows

    def drop_warehouse(self, name: str) -> None:
        """Drop a file with one row for ``erp.warehouses``."""
        self.aws.s3.put_object(
            Bucket=f"{self.settings.prefix}-raw-{self.settings.account_id}-{self.settings.region}",
            Key=f"drop/erp.warehouses/{name}.jsonl",
            Body=json.dumps(WAREHOUSE).encode(),
        )


def aws_environment(settings: Settings) -> dict[str, str]:
    """What a shell has that works in an AWS account; only the SDK is told that the account is this stack."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MILLPOND_"))}
    return others | {
        "AWS_ENDPOINT_URL": settings.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": settings.region,
    }


def differing(comparisons: Sequence[Mapping[str, Any]]) -> list[str]:
    """Tables that ``millpond verify`` found to differ."""
    return [one["table_id"] for one in comparisons if not one["is_equal"]]


@contextmanager
def checkout_of_its_own() -> Iterator[Checkout]:
    """A stack that is not up yet; whatever is started in it is stopped at the end."""
    for abandoned in state_directories.abandoned():
        discard(Checkout(abandoned))
    checkout = Checkout(state_directories.make())
    try:
        yield checkout
    finally:
        discard(checkout)


def discard(checkout: Checkout) -> None:
    state_directories.disown(checkout.state_dir)
    checkout.run("down")
    open_stack(checkout.settings).remove()
    shutil.rmtree(checkout.state_dir, ignore_errors=True)
