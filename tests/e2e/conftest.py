"""One stack for all end-to-end tests: made by ``millpond demo``, with ports and state of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from checkouts import Checkout, checkout_of_its_own
from job_runs import GlueJobs


@pytest.fixture(scope="session")
def new_checkout() -> Iterator[Checkout]:
    with checkout_of_its_own() as checkout:
        yield checkout


@pytest.fixture
def another_checkout() -> Iterator[Checkout]:
    """A second one beside it, for one test."""
    with checkout_of_its_own() as checkout:
        yield checkout


@pytest.fixture(scope="module")
def glue() -> Iterator[GlueJobs]:
    """Jobs on a stack that is up, and on which nothing is deployed."""
    with checkout_of_its_own() as checkout:
        checkout.must("up")
        yield GlueJobs(checkout.aws)


@pytest.fixture(scope="session")
def demo(new_checkout: Checkout) -> Checkout:
    """The stack after ``millpond demo``."""
    result = new_checkout.run("demo", "--json")
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    (new_checkout.state_dir / "demo.json").write_text(result.stdout)
    return new_checkout
