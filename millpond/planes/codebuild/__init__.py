"""The CodeBuild plane: builds that really run their buildspec.

``CodeBuildPlane(context)`` answers the operations named in ``OPERATIONS``.
"""

from millpond.planes.codebuild.operations import OPERATIONS
from millpond.planes.codebuild.plane import CodeBuildPlane, CodeBuildSettings

__all__ = ["OPERATIONS", "CodeBuildPlane", "CodeBuildSettings"]
