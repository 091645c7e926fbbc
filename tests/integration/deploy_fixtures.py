"""An engine of its own for a test module, and checkouts that are deployed to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ports import free_port
from settings_items import settings_item

from millpond.base.config import CHECKOUT, Settings
from millpond.client.aws import Aws
from millpond.project import deployment as deploy
from millpond.project.terraform_log import Changes
from millpond.stack.engine import Engine
from millpond.toolchain import components as toolchain

TEMPLATE = "CFN/seed.yaml"
DEPLOYED = ("CFN", "terraform", "glue_jobs", "lambdas", "requirements", "fixtures")
PACKAGING = (
    "millpond/__init__.py",
    "millpond/base/__init__.py",
    "millpond/base/errors.py",
    "millpond/toolchain/__init__.py",
    "millpond/toolchain/wheels.py",
    "lake/__init__.py",
    "lake/package.py",
)

# What a build does with it is the same as with a platform; a provider would take most of the time.
SMALL_CONFIGURATION = """
terraform {
  backend "s3" {}
}
variable "region" { type = string }
variable "project" { type = string }
variable "environment" { type = string }
resource "terraform_data" "greeting" { input = "hello ${var.project} ${var.environment}" }
output "greeting" { value = terraform_data.greeting.output }
output "hidden" {
  value     = terraform_data.greeting.id
  sensitive = true
}
"""


@dataclass
class Lines:
    """A watcher's ears: what a deployment said, and what it is answered."""

    answer: bool = True
    lines: list[str] = field(default_factory=list)
    asked: list[deploy.Proposal] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    @property
    def watcher(self) -> deploy.Watcher:
        return deploy.Watcher(
            line=self.lines.append,
            stack=lambda changes: self.changes.extend(map(str, changes)),
            approve=self._approve,
        )

    def _approve(self, proposal: deploy.Proposal) -> bool:
        self.asked.append(proposal)
        return self.answer


@dataclass(frozen=True)
class Stack:
    """An engine, and the checkout that is deployed to it.

    Parameters
    ----------
    checkout : Path
        What is deployed.
    """

    settings: Settings
    engine: Engine
    terraform: Path
    checkout: Path
    heard: Lines = field(default_factory=Lines)

    @property
    def aws(self) -> Aws:
        return Aws(self.settings)

    def client(self, service: str) -> Any:
        return self.aws.session.client(service, endpoint_url=self.settings.endpoint_url)

    @property
    def fixtures(self) -> Path:
        return self.checkout / "fixtures"

    @property
    def state_bucket(self) -> str:
        return self.deployer().stack.outputs["StateBucket"]

    @property
    def terraform_state(self) -> str:
        answer = self.aws.s3.get_object(Bucket=self.state_bucket, Key="terraform/terraform.tfstate")
        return answer["Body"].read().decode()

    def deployer(self, **options: Any) -> deploy.Deployer:
        watcher = options.pop("watcher", self.heard.watcher)
        return deploy.local(self.settings, self.terraform, watcher, checkout=self.checkout, **options)

    def deploy(self) -> deploy.Deployment:
        return self.deployer().deploy()

    def plan(self) -> deploy.PlanResult:
        return self.deployer().plan()

    def destroy(self) -> Changes:
        return self.deployer().destroy()


@contextmanager
def started_stack(directory: Path, checkout: Path = CHECKOUT, **settings: Any) -> Iterator[Stack]:
    """Start an engine in a directory; nothing is deployed yet."""
    chosen = Settings(
        state_dir=directory / "state", gateway_port=free_port(), onprem_port=free_port(), **settings
    )
    found = toolchain.ensure(chosen)
    stack = Stack(chosen, Engine(chosen, found.tools_file), found.terraform, checkout)
    stack.engine.start()
    try:
        yield stack
    finally:
        stack.engine.stop()


def copy_checkout(directory: Path) -> Path:
    """What a build needs of this checkout, to be changed by a test."""
    for name in DEPLOYED:
        ignored = shutil.ignore_patterns("__pycache__", ".terraform")
        shutil.copytree(CHECKOUT / name, directory / name, ignore=ignored)
    for name in PACKAGING:
        (directory / name).parent.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / name, directory / name)
    return directory


def small_checkout(directory: Path) -> Path:
    """The template, and a configuration of one resource."""
    shutil.copytree(CHECKOUT / "CFN", directory / "CFN")
    (directory / "terraform").mkdir()
    (directory / "terraform/main.tf").write_text(SMALL_CONFIGURATION)
    return directory


def write_fixtures(directory: Path, tables: Sequence[str], **settings: Mapping[str, Any]) -> Path:
    """Settings and a structure of one column for each table of the database ``lab``, and nothing else.

    Parameters
    ----------
    settings : mapping
        By table: what is not as usual.
    """
    shutil.rmtree(directory, ignore_errors=True)
    for table in tables:
        table_id = f"lab.{table}"
        usual = settings_item(table_id, key_columns=["id"])
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
