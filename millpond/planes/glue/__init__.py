"""The Glue plane: jobs that really run.

``GluePlane(context)`` answers the operations named in ``OPERATIONS``; Glue's Data Catalog is not its own.
"""

from millpond.planes.glue.operations import OPERATIONS
from millpond.planes.glue.plane import GluePlane, GlueSettings

__all__ = ["OPERATIONS", "GluePlane", "GlueSettings"]
