"""The resources of a configuration's file through their life: made, unchanged, changed, imported, destroyed.

The steps are Terraform's own commands, each once for all resources of the file, with what they need of the
configuration's other files. A resource that fails in a step is left out of what comes next; the others go on.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from terraform_types.imports import NOT_READ, identifier
from terraform_types.provider import Terraform

CONFIGURATIONS = Path(__file__).parent / "configurations"
STEPS = ("apply", "plan", "change", "import", "destroy")
REFUSAL = re.compile(r"Millpond cannot do \w+ of [\w-]+|StatusCode: 400.*is not supported: ", re.DOTALL)
DECLARED = re.compile(r'^resource "(aws_\w+)" "(\w+)"', re.MULTILINE)

Answers = dict[str, str]


def groups() -> list[str]:
    """The files of the configurations, each swept by itself: ``ground/vpc``."""
    return sorted(f"{path.parent.name}/{path.stem}" for path in CONFIGURATIONS.glob("*/*.tf"))


def declared(group: str = "*/*") -> dict[str, list[str]]:
    """Resource type → resources of it in a file of a configuration, or in all."""
    found: dict[str, list[str]] = {}
    for path in sorted(CONFIGURATIONS.glob(f"{group}.tf")):
        for kind, name in DECLARED.findall(path.read_text()):
            found.setdefault(kind, []).append(f"{kind}.{name}")
    return found


def copy(group: str, directory: Path, function: bytes) -> None:
    """Lay the configuration that a file belongs to out where Terraform is to run."""
    shutil.copytree((CONFIGURATIONS / group).parent, directory, dirs_exist_ok=True)
    shutil.copy(CONFIGURATIONS / "common.tf", directory)
    (directory / "function.zip").write_bytes(function)


@dataclass
class Sweep:
    """What becomes of each resource; :attr:`answers` has those that failed: address → step and why.

    Parameters
    ----------
    terraform : Terraform
        In the directory of the configuration.
    resources : mapping
        Type → addresses of the resources that are swept.
    """

    terraform: Terraform
    resources: Mapping[str, list[str]]
    answers: dict[str, Answers] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Go through all steps."""
        self._apply(1)
        self._unchanged("plan", 1)
        self._change()
        self._import()
        self._destroy()

    def _apply(self, step: int) -> None:
        events = self.terraform.events("apply", "-auto-approve", f"-var=step={step}", *self._targets())
        self._hear("apply" if step == 1 else "change", events)
        self.made = {one["address"] for one in self._resources()}
        made = {address.partition("[")[0] for address in self.made}
        for address in {one for addresses in self.resources.values() for one in addresses} - made:
            if address not in self.answers:
                self._note(address, "apply", "was not made, since something that it needs was not")

    def _change(self) -> None:
        self._apply(2)
        self._unchanged("change", 2)

    def _unchanged(self, step: str, number: int) -> None:
        """Plan again: what is not as it was made."""
        for address, change in self._plan(step, number):
            if address in self.made and change["actions"] != ["no-op"]:
                self._note(address, step, f"differs: {', '.join(differences(change))}")

    def _plan(self, step: str, number: int) -> Iterable[tuple[str, dict[str, Any]]]:
        """The changes of a plan; a resource that cannot be read is left out, and the plan made again."""
        for _ in range(5):
            events = self.terraform.events("plan", "-out=made.plan", f"-var=step={number}", *self._targets())
            if not self._hear(step, events):
                break
        else:
            return []
        changes = self.terraform.shown("made.plan").get("resource_changes", [])
        return [(one["address"], one["change"]) for one in changes]

    def _import(self) -> None:
        """Forget the state and read each resource by the identifier that is imported."""
        state = self.terraform.directory / "terraform.tfstate"
        before = state.read_bytes()
        blocks = {
            one["address"]: name
            for one in self._resources()
            if one["address"] not in self.answers and (name := identifier(one["type"], one["values"]))
        }
        file = self.terraform.directory / "imports.tf"
        state.unlink()
        for _ in range(6):
            file.write_text("".join(_block(address, name) for address, name in sorted(blocks.items())))
            events = self.terraform.events("plan", "-out=imported.plan", "-var=step=2")
            failed = self._hear("import", events)
            if not failed:
                self._compare(blocks)
                break
            for address in failed:
                blocks.pop(address, None)
        else:
            for address in blocks:
                self._note(address, "import", "was not planned, since another import failed")
        file.unlink()
        state.write_bytes(before)

    def _compare(self, blocks: Mapping[str, str]) -> None:
        for one in self.terraform.shown("imported.plan").get("resource_changes", []):
            if one["address"] not in blocks or one["change"]["actions"] == ["no-op"]:
                continue
            others = [
                name
                for name in differences(one["change"])
                if name.partition(".")[0] not in NOT_READ.get(one["type"], ())
            ]
            if others:
                self._note(one["address"], "import", f"differs: {', '.join(others)}")

    def _destroy(self) -> None:
        self._hear("destroy", self.terraform.events("destroy", "-auto-approve", "-var=step=2"))
        for one in self._resources():
            self._note(one["address"], "destroy", "is left")

    def _resources(self) -> list[dict[str, Any]]:
        module = self.terraform.shown().get("values", {}).get("root_module", {})
        return [one for one in module.get("resources", []) if one["mode"] == "managed"]

    def _targets(self) -> list[str]:
        """Options that leave out other files, and what failed."""
        swept = self.made or {one for addresses in self.resources.values() for one in addresses}
        return [f"-target={address}" for address in sorted(swept - set(self.answers))]

    def _hear(self, step: str, events: Iterable[Mapping[str, Any]]) -> list[str]:
        """Note the errors of a command; the addresses that they are of."""
        failed = []
        for event in events:
            if event["type"] != "diagnostic" or event["@level"] != "error":
                continue
            told = event["diagnostic"]
            address = told.get("address") or _named(told)
            self._note(address, step, f"{told['summary']}\n{told.get('detail', '')}".strip())
            failed.append(address)
        return failed

    def _note(self, address: str, step: str, why: str) -> None:
        self.answers.setdefault(address, {}).setdefault(step, why)


def differences(change: Mapping[str, Any]) -> list[str]:
    """Names of the attributes that a plan would change."""
    before, after, unknown = (change.get(name) or {} for name in ("before", "after", "after_unknown"))
    if not before:
        return ["made anew"]
    names = {
        name
        for name in {*before, *after}
        if _plain(before.get(name)) != _plain(after.get(name)) and unknown.get(name) is not True
    }
    return sorted(names) or sorted(unknown) or ["something"]


def _plain(value: Any) -> Any:
    """A value; nothing is the same as a list or a map of nothing."""
    return None if value in ([], {}) else value


def is_refusal(why: str) -> bool:
    """Whether an error is Millpond's own, which names what it cannot do."""
    return bool(REFUSAL.search(why))


def _block(address: str, name: str) -> str:
    return f"import {{\n  to = {address}\n  id = {json.dumps(name)}\n}}\n"


def _named(diagnostic: Mapping[str, Any]) -> str:
    """The resource that an error without an address is of: its block is the error's context."""
    context = (diagnostic.get("snippet") or {}).get("context") or ""
    found = re.search(r'resource "(\w+)" "(\w+)"', context)
    return f"{found[1]}.{found[2]}" if found else "configuration"
