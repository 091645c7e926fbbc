"""A job on two Glue versions from the same state: what each run did, and what differs."""

from millpond.client.comparing.differences import Difference, differences
from millpond.client.comparing.observing import Before, Ended, Observed, observe
from millpond.client.comparing.requests import job_of, run_on

__all__ = [
    "Before",
    "Difference",
    "Ended",
    "Observed",
    "comparable",
    "differences",
    "job_of",
    "observe",
    "run_on",
]
