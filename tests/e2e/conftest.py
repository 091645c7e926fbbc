"""Stacks of end-to-end tests, with ports and state of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from checkouts import Checkout, checkout_of_its_own
from job_runs import GlueJobs


@pytest.fixture
def another_checkout() -> Iterator[Checkout]:
    """One for a single test."""
    with checkout_of_its_own() as checkout:
        yield checkout


@pytest.fixture(scope="module")
def bare_stack() -> Iterator[Checkout]:
    """A stack that is up, and on which nothing is deployed."""
    with checkout_of_its_own() as checkout:
        checkout.must("up")
        yield checkout


@pytest.fixture(scope="module")
def glue(bare_stack: Checkout) -> GlueJobs:
    """Its jobs."""
    return GlueJobs(bare_stack.aws)
