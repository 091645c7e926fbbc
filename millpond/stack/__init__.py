"""What is running: one small protocol, one module per tier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from millpond.base.config import Settings

StepCallback = Callable[[str], None]


@dataclass(frozen=True)
class Service:
    """One part of a stack, as ``millpond status`` shows it.

    Parameters
    ----------
    name : str
        ``engine``, ``onprem``, ``glue``, or ``trino`` where one runs.
    is_running : bool
        Whether its process or container is there.
    address : str
        Where it listens; of a Trino, whose catalog it reads: account and region.
    log : str
        Where it writes: a file, or the command that shows it.
    """

    name: str
    is_running: bool
    address: str
    log: str


class Stack(Protocol):
    """A tier: the engine with its planes, and the on-premises database."""

    def up(self, on_step: StepCallback | None = None) -> None:
        """Start what is not running; on failure stop what this call started."""

    def down(self) -> None:
        """Stop everything, also what a killed command left behind."""

    def services(self) -> list[Service]:
        """The parts and whether they run."""

    def log(self, service: str, lines: int) -> str:
        """The end of what a part wrote."""

    def remove(self, *, shared: bool = False) -> None:
        """Stop everything and remove what of this stack lies outside the state directory.

        Parameters
        ----------
        shared : bool
            Remove what other stacks of the checkout use too.
        """


def open_stack(settings: Settings) -> Stack:
    """The stack of the tier that is set."""
    if settings.tier == "compose":
        from millpond.stack.compose import ComposeStack

        return ComposeStack(settings)
    from millpond.stack.embedded import EmbeddedStack

    return EmbeddedStack(settings, settings.home / "tools.json")
