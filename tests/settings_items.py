"""Items of ``job_settings`` for tests: what a test does not say has its default."""

from __future__ import annotations

from typing import Any

from ingest.settings_schema import completed


def settings_item(table_id: str, **changes: Any) -> dict[str, Any]:
    """The whole item for a table of the same name in the catalog."""
    schema, table = table_id.split(".", 1)
    names = {"source_schema": schema, "source_table": table}
    targets = {"target_database": schema.lower(), "target_table": table.lower()}
    return completed({"table_id": table_id, **names, **targets, **changes})
