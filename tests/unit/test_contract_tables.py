"""docs/contracts.md says of settings, modes and types what the ingest library defines."""

from __future__ import annotations

from lake.contract_tables import CONTRACTS, TABLES, rewritten


def test_the_tables_of_the_contract_are_those_of_the_library() -> None:
    text = CONTRACTS.read_text()
    assert text.count("<!-- generated: ") == len(TABLES)
    assert text == rewritten(text), "run python -m lake.contract_tables"
