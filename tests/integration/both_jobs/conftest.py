"""One source, one lake and one session of Spark for all tests that run the Spark job."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ingest_fixtures import Lab, open_lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("ingest")) as lab:
        yield lab
