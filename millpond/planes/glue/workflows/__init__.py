"""Triggers and workflows: what starts jobs and crawlers by schedule, by event, and after one another."""

from millpond.planes.glue.workflows.automation import Automation, Work
from millpond.planes.glue.workflows.store import Ended, Origin

__all__ = ["Automation", "Ended", "Origin", "Work"]
