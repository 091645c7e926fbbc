"""Removing versions of a table that nothing needs any more."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Iterable

from ingest import layout

ABANDONED_AFTER = timedelta(days=2)
"""Longer than a job run may last (Glue's own limit is shorter), so no run still writes there."""


def needed_versions(table_location: str, locations: Iterable[str]) -> set[str]:
    """Directory names of the versions that locations of a table point into."""
    return {layout.version_of(table_location, location) for location in locations}


def remove_versions(
    s3: Any, table_location: str, needed: set[str], is_ended: Callable[[str], bool]
) -> list[str]:
    """Delete the versions that are neither needed nor perhaps still being written.

    Parameters
    ----------
    s3 : boto3 client
    table_location : str
        Directory of the versions.
    needed : set of str
        Directory names to keep.
    is_ended : callable
        Whether the run of that id landed. The first attempt of such a run writes no more; whatever else
        is found is deleted only when its newest file is older than :data:`ABANDONED_AFTER`.

    Returns
    -------
    list of str
        Directory names that were deleted.
    """
    removed = []
    bucket, prefix = layout.split_location(table_location)
    for version in layout.list_versions(s3, table_location):
        if version in needed:
            continue
        objects = layout.list_objects(s3, f"s3://{bucket}/{prefix}{version}/")
        newest = max(entry["LastModified"] for entry in objects)
        is_abandoned = newest < datetime.now(timezone.utc) - ABANDONED_AFTER
        if is_abandoned or is_ended(version[len("run_id=") :]):
            layout.delete_objects(s3, bucket, [entry["Key"] for entry in objects])
            removed.append(version)
    return removed
