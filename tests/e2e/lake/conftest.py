"""One lake for all tests of this folder: made by ``millpond demo``, with ports and state of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from checkouts import Checkout, checkout_of_its_own
from deploy_fixtures import Stack

from millpond.base.config import CHECKOUT
from millpond.stack.engine import Engine
from millpond.toolchain import components as toolchain


@pytest.fixture(scope="session")
def new_checkout() -> Iterator[Checkout]:
    with checkout_of_its_own() as checkout:
        yield checkout


@pytest.fixture(scope="session")
def demo(new_checkout: Checkout) -> Checkout:
    """The stack after ``millpond demo``."""
    result = new_checkout.run("demo", "--json")
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    (new_checkout.state_dir / "demo.json").write_text(result.stdout)
    return new_checkout


@pytest.fixture(scope="session")
def deployed(demo: Checkout) -> Stack:
    """The same platform, as what deploys it sees it."""
    found = toolchain.ensure(demo.settings)
    return Stack(demo.settings, Engine(demo.settings, found.tools_file), found.terraform, CHECKOUT)
