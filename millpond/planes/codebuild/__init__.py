"""The CodeBuild plane: builds that really run their buildspec.

``CodeBuildPlane(context)`` answers the operations named in ``OPERATIONS``.
"""

from millpond.planes.codebuild.plane import OPERATIONS, CodeBuildPlane, CodeBuildSettings

__all__ = ["OPERATIONS", "CodeBuildPlane", "CodeBuildSettings"]
