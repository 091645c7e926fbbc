"""The Kinesis plane: data streams with shards, in memory.

``serve(context)`` answers the operations named in ``OPERATIONS``, in every account and region.
"""

from __future__ import annotations

from millpond.planes.common.context import PlaneContext
from millpond.planes.common.regions import Planes
from millpond.planes.kinesis.operations import OPERATIONS
from millpond.planes.kinesis.plane import KinesisPlane

__all__ = ["OPERATIONS", "KinesisPlane", "serve"]


def serve(context: PlaneContext) -> Planes[KinesisPlane]:
    """Kinesis in every account and region of a stack."""
    return Planes(context, KinesisPlane)
