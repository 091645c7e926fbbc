"""What an incremental run does to each partition: copy on write, one partition at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Collection, Dict, FrozenSet

from ingest.layout import PartitionValues

RowCounts = Dict[PartitionValues, int]
"""Rows of each partition of a new version."""


@dataclass(frozen=True)
class MergePlan:
    """What to do with the visible partitions.

    Parameters
    ----------
    rewritten : frozenset
        Their rows whose key did not change are carried into the new version.
    untouched : frozenset
        They stay where they are.
    """

    rewritten: FrozenSet[PartitionValues]
    untouched: FrozenSet[PartitionValues]


def plan_merge(
    visible: Collection[PartitionValues],
    changed: Collection[PartitionValues],
    holding: Collection[PartitionValues],
) -> MergePlan:
    """Decide which visible partitions a batch of changed rows touches.

    Parameters
    ----------
    visible : collection of PartitionValues
        Partitions of the catalog's table.
    changed : collection of PartitionValues
        Partitions that the batch has rows for.
    holding : collection of PartitionValues
        Other visible partitions that hold a key of the batch: the value that a row is partitioned by may
        itself have changed.
    """
    rewritten = frozenset(visible) & (frozenset(changed) | frozenset(holding))
    return MergePlan(rewritten, frozenset(visible) - rewritten)
