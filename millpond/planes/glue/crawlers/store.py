"""What is kept of crawlers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from millpond.planes.glue.workflows.store import Origin

Shape = dict[str, Any]

LOG_GROUP = "/aws-glue/crawlers"


@dataclass
class Crawl:
    """A run of a crawler.

    Parameters
    ----------
    id, crawler : str
        Its id and the crawler's name, which is that of its log stream.
    started_on, ended_on : datetime
        When it began and ended.
    state : str
        ``RUNNING``, ``COMPLETED``, ``FAILED`` or ``STOPPED``.
    origin : Origin, optional
        The trigger that started it.
    error : str
        Why it failed.
    created, updated, deleted : int
        Tables.
    partitions : int
        That were made.
    """

    id: str
    crawler: str
    started_on: datetime
    ended_on: datetime | None = None
    state: str = "RUNNING"
    origin: Origin | None = None
    error: str = ""
    created: int = 0
    updated: int = 0
    deleted: int = 0
    partitions: int = 0
    lines: list[str] = field(default_factory=list)

    @property
    def trigger_state(self) -> str:
        """Its state as conditions of triggers have it."""
        return {"COMPLETED": "SUCCEEDED", "STOPPED": "CANCELLED"}.get(self.state, self.state)


@dataclass
class Crawler:
    """A crawler: its ``Crawler`` structure without its state, its crawls, and what it has seen."""

    definition: Shape
    state: str = "READY"
    crawls: list[Crawl] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)


@dataclass
class CrawlerState:
    """What is kept of crawlers and classifiers."""

    KEPT: ClassVar[tuple[str, ...]] = ("crawlers", "classifiers")

    crawlers: dict[str, Crawler] = field(default_factory=dict)
    classifiers: dict[str, Shape] = field(default_factory=dict)
