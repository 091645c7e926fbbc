"""Fixtures for testing Glue jobs, and whatever else speaks to AWS, on a Millpond stack.

They run in the harness's own environment, ``pytest -p millpond.testing.plugin``; see
``docs/docker.md``. What tests in any other Python have is the package ``pytest-millpond``.
"""

from __future__ import annotations

from millpond.testing.jobs import GlueJobRun

__all__ = ["GlueJobRun"]
