"""``docs/coverage`` says what the code does."""

from __future__ import annotations

import pytest

from millpond.base.config import CHECKOUT
from millpond.localstack_ext.coverage import DOCUMENTS

DIRECTORY = CHECKOUT / "docs" / "coverage"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_as_the_tables_of_the_code_say(name):
    assert (DIRECTORY / name).read_text() == DOCUMENTS[name](), "write it anew: make coverage-docs"


def test_no_other_document_lies_there():
    assert {path.name for path in DIRECTORY.iterdir()} == set(DOCUMENTS)
