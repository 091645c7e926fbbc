"""When a curated table is due for compaction and expiry; Athena's OPTIMIZE and VACUUM do them."""

from __future__ import annotations

from datetime import datetime, timedelta

from ingest.iceberg import IcebergTable

UPSERTS = 10
"""So many commits since the files were last written anew leave small files and deleted rows behind."""

EXPIRY = timedelta(days=5)
"""VACUUM's default for ``vacuum_max_snapshot_age_seconds``."""


def is_due(table: IcebergTable, now: datetime) -> bool:
    """Whether there are many small or deleted files, or snapshots that VACUUM would expire."""
    small = 0
    for snapshot in table.ancestors():
        if snapshot.operation == "replace" or snapshot.summary.get("deleted-data-files", "0") != "0":
            break
        small += 1
    oldest = min((one.timestamp_ms for one in table.snapshots.values()), default=None)
    has_old = len(table.snapshots) > 1 and oldest is not None and oldest / 1000 < (now - EXPIRY).timestamp()
    return small >= UPSERTS or has_old
