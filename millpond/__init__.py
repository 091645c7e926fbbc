"""Millpond: a data lake that fits on a laptop."""

__version__ = "0.1.0"
