"""What is running: one small protocol, one module per tier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

StepCallback = Callable[[str], None]


@dataclass(frozen=True)
class Service:
    """One part of a stack, as ``millpond status`` shows it.

    Parameters
    ----------
    name : str
        ``engine`` or ``onprem``.
    is_running : bool
        Whether its process is there.
    address : str
        Where it listens.
    log_file : Path
        Where it writes.
    """

    name: str
    is_running: bool
    address: str
    log_file: Path


class Stack(Protocol):
    """A tier: the engine with its planes, and the on-premises database."""

    def up(self, on_step: StepCallback | None = None) -> None:
        """Start what is not running; on failure stop what this call started."""

    def down(self) -> None:
        """Stop everything, also what a killed command left behind."""

    def services(self) -> list[Service]:
        """The parts and whether they run."""
