"""What a build's log says of Terraform: how far it is, what it changed, and why it failed.

Source of the texts: Terraform's human-readable output, without colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_PLAN = re.compile(
    r"Plan: (?:\d+ to import, )?(?P<add>\d+) to add, (?P<change>\d+) to change, (?P<remove>\d+) to destroy"
)
_DONE = re.compile(r"(?P<address>\S.*): (?P<action>Creation|Modifications|Destruction) complete after \S+")
_ACTIONS = {"Creation": "create", "Modifications": "update", "Destruction": "delete"}
_PLACE = re.compile(r"on (?P<file>\S+) line (?P<line>\d+)")
# How the build announces each directory.
_DIRECTORY = "== "
_NOT_OF_AN_ERROR = ("Warning: ", "FAILED: ", _DIRECTORY, "Releasing state lock")
_ADDRESS = re.compile(r"with (?P<address>[^,]+),$")


@dataclass(frozen=True)
class Changes:
    """How many resources Terraform adds, changes and removes; a replaced one counts twice."""

    add: int = 0
    change: int = 0
    remove: int = 0

    @property
    def total(self) -> int:
        return self.add + self.change + self.remove

    def __add__(self, other: Changes) -> Changes:
        return Changes(self.add + other.add, self.change + other.change, self.remove + other.remove)

    def __str__(self) -> str:
        return f"{self.add} added, {self.change} changed, {self.remove} removed"


@dataclass(frozen=True)
class TerraformEvent:
    """One resource is done.

    Parameters
    ----------
    address : str
        The resource, for example ``aws_glue_job.ingest["shell"]``.
    action : str
        ``create``, ``update`` or ``delete``.
    done, total : int
        How many of the planned changes are made.
    """

    address: str
    action: str
    done: int
    total: int

    def __str__(self) -> str:
        return f"{self.done}/{self.total} {self.action} {self.address}"


@dataclass
class Progress:
    """What the lines of a log have said so far; several configurations add up."""

    planned: Changes = field(default_factory=Changes)
    done: int = 0

    def read(self, line: str) -> TerraformEvent | None:
        """Take the next line; the resource that it says is done, if it says so."""
        if plan := _PLAN.match(line):
            self.planned += Changes(int(plan["add"]), int(plan["change"]), int(plan["remove"]))
        elif finished := _DONE.match(line):
            self.done += 1
            action = _ACTIONS[finished["action"]]
            return TerraformEvent(finished["address"], action, self.done, self.planned.total)
        return None


def changes_of(text: str) -> Changes:
    """How much a plan changes."""
    progress = Progress()
    for line in text.splitlines():
        progress.read(line)
    return progress.planned


@dataclass(frozen=True)
class Diagnostic:
    """An error of Terraform.

    Parameters
    ----------
    summary : str
        Its first line.
    place : str
        Resource, file and line; empty when it names none.
    detail : str
        The rest.
    """

    summary: str
    place: str
    detail: str


def diagnostics(lines: Iterable[str]) -> list[Diagnostic]:
    """The errors that Terraform printed, each up to the next one or to the end of what Terraform said."""
    blocks: list[tuple[str, list[str]]] = []
    directory = ""
    is_error = False
    for line in lines:
        if line.startswith("Error: "):
            blocks.append((directory, [line]))
            is_error = True
        elif line.startswith(_NOT_OF_AN_ERROR):
            is_error = False
            if line.startswith(_DIRECTORY):
                directory = line.split()[-1]
        elif is_error:
            blocks[-1][1].append(line.strip())
    return [_diagnostic(block, where) for where, block in blocks]


def _diagnostic(block: Sequence[str], directory: str) -> Diagnostic:
    summary = block[0].removeprefix("Error: ")
    address = next((match["address"] for line in block if (match := _ADDRESS.match(line))), "")
    place = next((f"{match['file']}:{match['line']}" for line in block if (match := _PLACE.match(line))), "")
    if place and directory:
        place = f"{directory}/{place}"
    rest = [line for line in block[1:] if line and not _ADDRESS.match(line) and not _PLACE.match(line)]
    where = f"{place} ({address})" if place and address else place or address
    return Diagnostic(summary, where, "\n".join(line for line in rest if not re.match(r"\d+: ", line)))
