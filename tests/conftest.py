"""Which tests run in one process when several processes share the work."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a stack stay together: all that use the demo, else those of one file.

    They are run in the order of this list, the longest group first.
    """
    for item in items:
        shares_demo = "demo" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("demo" if shares_demo else item.path.stem))
