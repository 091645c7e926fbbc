"""The CodeBuild plane: builds that really run their buildspec.

``serve(context, telemetry)`` answers the operations named in ``OPERATIONS``, in every account and region.
"""

from __future__ import annotations

from millpond.base import process
from millpond.planes.codebuild.operations import OPERATIONS
from millpond.planes.codebuild.plane import CodeBuildPlane, CodeBuildSettings
from millpond.planes.codebuild.shell import BuildFolder
from millpond.planes.common.context import PlaneContext
from millpond.planes.common.regions import Planes
from millpond.planes.common.telemetry import Telemetry

__all__ = ["OPERATIONS", "CodeBuildPlane", "CodeBuildSettings", "serve"]


def serve(
    context: PlaneContext, telemetry: Telemetry, settings: CodeBuildSettings | None = None
) -> Planes[CodeBuildPlane]:
    """CodeBuild in every account and region of a stack; ends what an engine before left running."""
    for left_over in process.find_all(context.pid_dir / "codebuild"):
        left_over.stop()
    for folder in (context.state_dir / "codebuild" / "builds").glob("*"):
        BuildFolder(folder).remove()
    limits = (settings or CodeBuildSettings.from_environment()).limits()
    return Planes(context, lambda there: CodeBuildPlane(there, telemetry, limits))
