"""The table ``operations.quarantine``: rows that broke a rule, with the reason, instead of being lost."""

from __future__ import annotations

from ingest.evolution import Evolution, NewColumn
from ingest.iceberg import Field

DATABASE = "operations"
TABLE = "quarantine"

FIELDS = (
    Field(1, "table_id", "string"),
    Field(2, "run_id", "string"),
    Field(3, "ingest_date", "date"),
    Field(4, "rules", "list<string>", 7),
    Field(5, "row", "string"),
    Field(6, "quarantined_at", "timestamptz"),
)
"""Columns of the files below ``quarantine/``, with the ids that Iceberg gives a new table's columns."""

_DOCS = {
    "table_id": "table in the source",
    "run_id": "run that read the row",
    "ingest_date": "day of that run",
    "rules": "names of the rules that the row breaks",
    "row": "JSON object: column to text, masked as it would be landed",
    "quarantined_at": "when the source was read",
}

NEW_TABLE = Evolution(True, added=tuple(NewColumn(one.name, one.type, _DOCS[one.name]) for one in FIELDS))
