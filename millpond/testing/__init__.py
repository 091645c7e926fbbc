"""Fixtures for testing Glue jobs, and whatever else speaks to AWS, on a Millpond stack.

With Millpond installed, pytest finds them by itself; see ``docs/docker.md`` and ``examples/glue_job``.
"""

from __future__ import annotations

from millpond.testing.jobs import GlueJobRun

__all__ = ["GlueJobRun"]
