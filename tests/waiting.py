"""Waiting on a condition, with a deadline."""

from millpond.base.waiting import scaled, wait_until

__all__ = ["scaled", "wait_until"]
