"""A deployed stack of its own for a test module: the engine, Terraform and nothing on-premises."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_fixtures import free_port

from millpond import deploy, toolchain
from millpond.aws import Aws
from millpond.config import CHECKOUT, Settings
from millpond.stack.engine import Engine
from millpond.terraform import Changes, TerraformTool


@dataclass(frozen=True)
class Stack:
    """An engine, and what deploys to it.

    Parameters
    ----------
    fixtures : Path
        Job settings and table structures that are deployed.
    """

    settings: Settings
    engine: Engine
    tool: TerraformTool
    fixtures: Path

    @property
    def aws(self) -> Aws:
        return Aws(self.settings)

    @property
    def terraform_state(self) -> str:
        return (self.settings.state / "terraform/terraform.tfstate").read_text()

    def deploy(self) -> deploy.Deployment:
        return deploy.deploy(self.settings, self.tool, fixtures=self.fixtures)

    def plan(self) -> deploy.PlanResult:
        return deploy.plan(self.settings, self.tool, fixtures=self.fixtures)

    def destroy(self) -> Changes:
        return deploy.destroy(self.settings, self.tool, fixtures=self.fixtures)


@contextmanager
def started_stack(directory: Path, fixtures: Path = CHECKOUT / "fixtures") -> Iterator[Stack]:
    """Start an engine in a directory; nothing is deployed yet."""
    settings = Settings(state_dir=directory / "state", gateway_port=free_port(), onprem_port=free_port())
    found = toolchain.ensure(settings)
    stack = Stack(
        settings,
        Engine(settings, found.tools_file),
        TerraformTool(found.terraform, found.mirror),
        fixtures,
    )
    stack.engine.start()
    try:
        yield stack
    finally:
        stack.engine.stop()


def write_fixtures(directory: Path, tables: Sequence[str], **settings: Mapping[str, Any]) -> Path:
    """Settings and a structure of one column for each table of the database ``lab``.

    Parameters
    ----------
    settings : mapping
        By table: what is not as usual.
    """
    for table in tables:
        table_id = f"lab.{table}"
        usual = {
            "table_id": table_id,
            "enabled": True,
            "source_schema": "lab",
            "source_table": table,
            "target_database": "lab",
            "target_table": table,
            "engine": "auto",
            "load_mode": "full",
            "watermark_column": None,
            "key_columns": ["id"],
            "split_column": None,
            "split_partitions": 1,
            "fetch_size": 1000,
        }
        column = {
            "name": "id",
            "source_name": "id",
            "source_type": "bigint",
            "type": "bigint",
            "nullable": False,
        }
        structure = {"table_id": table_id, "version": 1, "columns": [column], "partitions": []}
        job_settings = {**usual, **settings.get(table, {})}
        _write(directory / "job_settings" / f"{job_settings['table_id']}.json", job_settings)
        _write(directory / "table_structures" / f"{table_id}.json", structure)
    return directory


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
