"""Resource types of Terraform's AWS provider, each through its life on an engine of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from archives import zipped
from engine_fixtures import RunningEngine, started_engine

from terraform_types import document, sweep
from terraform_types.provider import attached_terraform

HANDLER = "def handler(event, context):\n    return event\n"
NOT_REACHED = {"aws_s3_access_point", "aws_s3_account_public_access_block"}
"""Types of S3 Control: the provider puts the account before the host name of the endpoint."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with started_engine(tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.mark.foreign
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("group", sweep.groups())
def test_types_are_made_changed_imported_and_destroyed_or_refused_by_name(
    engine: RunningEngine,
    tmp_path: Path,
    group: str,
) -> None:
    sweep.copy(group, tmp_path, zipped({"app.py": HANDLER}))
    with attached_terraform(engine.settings, tmp_path) as terraform:
        assert terraform.run("init", "-input=false").returncode == 0
        swept = sweep.Sweep(terraform, sweep.declared(group))
        swept.run()
    results = document.results_of(swept.answers, swept.resources)
    document.write(group, results)
    failing = {kind: one["why"] for kind, one in results.items() if one["answer"] == document.FAILS}
    assert set(failing) <= NOT_REACHED, failing
