"""The Firehose plane: delivery streams that really deliver to S3.

``serve(context)`` answers the operations named in ``OPERATIONS``, in every account and region.
"""

from __future__ import annotations

from millpond.planes.common.context import PlaneContext
from millpond.planes.common.regions import Planes
from millpond.planes.firehose.operations import OPERATIONS
from millpond.planes.firehose.plane import FirehosePlane

__all__ = ["OPERATIONS", "FirehosePlane", "serve"]


def serve(context: PlaneContext) -> Planes[FirehosePlane]:
    """Firehose in every account and region of a stack."""
    return Planes(context, FirehosePlane)
