"""What is wrong with a run before it begins. Step Functions names the error by its class."""

from __future__ import annotations


class BadInputError(Exception):
    """The execution was started with an input that is not what the state machine takes."""


class UnknownTableError(Exception):
    """A table was asked for that is not in job_settings, or is switched off there."""


class BadSettingsError(Exception):
    """An item of job_settings or a parameter does not hold what it should."""


class UnknownRunError(Exception):
    """A run is to be replayed of which ingest_runs holds nothing."""
